#!/usr/bin/env python3
"""Five domains as tables for `segue import`: food and kitchen share users, industrial, office and scientific share texts only.

    python3 benchmarks/five_domains.py DATA OUT

DATA holds the files as their authors publish them, brought to these names: food-kitchen/overlap_timestamped.tsv (user_id, asin, domain,
timestamp) and food-kitchen/items.tsv (asin, title); minionerec/{industrial,office}/{items.jsonl,train_valid.tsv,test.tsv};
scientific-mm/Scientific.{item2index,text,test.inter}. OUT gets one CSV per domain. Where the source has no times, events of a user
are a day apart in their published order.
"""
import csv
import json
import pathlib
import sys

DAY = 86_400
START = 1_400_000_000


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def food_and_kitchen(data):
    titles = {row["asin"]: row["title"] for row in rows(data / "items.tsv")}
    for row in rows(data / "overlap_timestamped.tsv"):
        yield row["domain"], (row["user_id"], row["asin"], row["timestamp"], titles.get(row["asin"], ""))


def sequences(prefix, by_user, titles):
    for user, items in by_user.items():
        for place, item in enumerate(items):
            yield f"{prefix}-{user}", item, START + place * DAY, titles.get(item, "")


def minionerec(data, name):
    with open(data / "items.jsonl", encoding="utf-8") as file:
        items = [json.loads(line) for line in file]
    titles = {str(item["item_id"]): item["title"] for item in items}
    by_user = {row["user_id"]: row["sequence"].split() for row in rows(data / "train_valid.tsv")}
    for row in rows(data / "test.tsv"):
        by_user.setdefault(row["user_id"], row["history"].split()).append(row["target"])
    return sequences(name, by_user, titles)


def scientific(data):
    index = dict(line.split() for line in open(data / "Scientific.item2index", encoding="utf-8"))
    raw = {place: item for item, place in index.items()}
    texts = {row["item_id:token"]: row["text:token_seq"] for row in rows(data / "Scientific.text")}
    titles = {place: texts.get(item, "") for place, item in raw.items()}
    by_user = {}
    for row in rows(data / "Scientific.test.inter"):
        by_user[row["user_id:token"]] = row["item_id_list:token_seq"].split() + [row["item_id:token"]]
    return sequences("scientific", by_user, titles)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    domains = {name: [] for name in ("food", "kitchen", "industrial", "office", "scientific")}
    for domain, row in food_and_kitchen(data / "food-kitchen"):
        domains[domain].append(row)
    for name in ("industrial", "office"):
        domains[name] = list(minionerec(data / "minionerec" / name, name))
    domains["scientific"] = list(scientific(data / "scientific-mm"))
    for name, events in domains.items():
        with open(out / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["user_id", "item_id", "timestamp", "title"])
            table.writerows(events)
        print(f"{name}: {len(events)} events")


if __name__ == "__main__":
    main()
