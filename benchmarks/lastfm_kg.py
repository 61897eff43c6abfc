#!/usr/bin/env python3
"""HetRec Last.FM with the knowledge graph of MKR, as tables for `segue import`.

    python3 benchmarks/lastfm_kg.py DATA OUT [SEED]

DATA holds the files as their authors publish them: user_artists.dat, artist_dbpedia.tsv, item_index2entity_id.txt, kg.txt. OUT gets
lastfm.inter, lastfm.item (names from DBpedia, where there is one), lastfm.kg and lastfm.link in RecBole's layout. There are no times:
a user's artists are in an order drawn by SEED (default 0), and the column `split` cuts them 80 / 10 / 10.
"""
import pathlib
import random
import re
import sys
import urllib.parse


def lines(path, encoding="utf-8"):
    with open(path, encoding=encoding, newline="") as file:
        for line in file:
            yield line.rstrip("\r\n").split("\t")


def name_of(uri):
    name = urllib.parse.unquote(uri.rsplit("/", 1)[-1]).replace("_", " ")
    return re.sub(r" \((band|musician|singer|rapper|group|entertainer|artist|producer|duo)\)$", "", name)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    data, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) == 4 else 0)
    out.mkdir(parents=True, exist_ok=True)
    entities = {item: entity for item, entity in lines(data / "item_index2entity_id.txt")}
    names = {item: name_of(uri) for item, uri in lines(data / "artist_dbpedia.tsv")}
    by_user = {}
    for user, item, _ in list(lines(data / "user_artists.dat"))[1:]:
        by_user.setdefault(user, []).append(item)
    with open(out / "lastfm.inter", "w", encoding="utf-8") as file:
        file.write("user_id:token\titem_id:token\tsplit:token\n")
        for user in sorted(by_user, key=int):
            items = sorted(by_user[user], key=int)
            rng.shuffle(items)
            for place, item in enumerate(items):
                share = place / len(items)
                file.write(f"{user}\t{item}\t{'train' if share < 0.8 else 'valid' if share < 0.9 else 'test'}\n")
    touched = sorted({item for items in by_user.values() for item in items}, key=int)
    with open(out / "lastfm.item", "w", encoding="utf-8") as file:
        file.write("item_id:token\ttitle:token_seq\n")
        file.writelines(f"{item}\t{names.get(item, '')}\n" for item in touched)
    with open(out / "lastfm.kg", "w", encoding="utf-8") as file:
        file.write("head_id:token\trelation_id:token\ttail_id:token\n")
        file.writelines("\t".join(fact) + "\n" for fact in lines(data / "kg.txt"))
    with open(out / "lastfm.link", "w", encoding="utf-8") as file:
        file.write("item_id:token\tentity_id:token\n")
        file.writelines(f"{item}\t{entity}\n" for item, entity in entities.items() if item in set(touched))


if __name__ == "__main__":
    main()
