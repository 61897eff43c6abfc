"""Makes the small data of this folder: a shop with many book events and few film events of the same people.

It is made up. Six themes run through both domains and every person likes two of them, so books can help with films; the
figures that come out of it say nothing about real data. Run `python3 make.py` in this folder: the same files come out again.
"""

import csv
import datetime
import pathlib
import random

THEMES = {
    "crime": "Murder Detective Alibi Verdict Witness Poison",
    "space": "Orbit Starship Nebula Colony Gravity Signal",
    "love": "Wedding Letters Kiss Promise Summer Dance",
    "history": "Empire Siege Crown Revolt Harvest Archive",
    "sea": "Harbor Lighthouse Voyage Storm Island Tide",
    "food": "Kitchen Baker Spice Vineyard Feast Market",
}
PLACES = "Lisbon Oslo Kyoto Cairo Lima Galway Turin Hanoi Quebec Dakar Riga Perth".split()


def items(rng, prefix, n):
    made = []
    for number in range(1, n + 1):
        theme = list(THEMES)[number % len(THEMES)]
        first, second = rng.sample(THEMES[theme].split(), 2)
        made.append((f"{prefix}{number}", f"{first} and {second} in {rng.choice(PLACES)}", theme))
    return made


def pick(rng, choices, theme, known):
    # Early items of a theme are the popular ones; nobody takes an item twice.
    of_theme = [item[0] for item in choices if item[2] == theme and item[0] not in known]
    return of_theme[min(int(rng.expovariate(0.25)), len(of_theme) - 1)] if of_theme else None


def events(rng, choices, people, mean_length):
    rows = []
    for person, liked, first_day in people:
        known = set()
        for _ in range(1 + int(rng.expovariate(1 / mean_length))):
            theme = rng.choice(liked) if rng.random() < 0.9 else rng.choice(list(THEMES))
            item = pick(rng, choices, theme, known)
            if item is None:
                continue
            known.add(item)
            time = datetime.datetime(2023, 1, 1) + datetime.timedelta(days=first_day + rng.uniform(0, 300))
            rows.append((person, item, time.strftime("%Y-%m-%dT%H:%M:%SZ")))
    return sorted(rows, key=lambda row: row[2])


def write(path, header, rows):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def main():
    rng = random.Random(7)
    people = [(f"p{n}", rng.sample(list(THEMES), 2), rng.uniform(0, 600)) for n in range(1, 601)]
    for domain, prefix, n_items, mean_length in [("books", "b", 180, 8), ("films", "f", 120, 2)]:
        choices = items(rng, prefix, n_items)
        write(pathlib.Path(domain) / "items.csv", ("item_id", "title"), [item[:2] for item in choices])
        write(
            pathlib.Path(domain) / "events.csv",
            ("user_id", "item_id", "timestamp"),
            events(rng, choices, people, mean_length),
        )


if __name__ == "__main__":
    main()
