#!/usr/bin/env python3
"""Amazon Scientific with CLIP vectors of texts and images, as tables for `segue import` and `segue encode --vectors`.

    python3 benchmarks/scientific_mm.py DATA OUT

DATA holds the files as their authors publish them: Scientific.{item2index,text,test.inter,feat1CLS,feat3CLS}. OUT/tables gets
events.csv and items.csv; OUT/vectors gets ids.txt (the order of the rows) and text.f32 and image.f32: raw little-endian floats, 512 a row.
Events of a user are a day apart in their published order: the source has no times.
"""
import csv
import pathlib
import shutil
import sys

from five_domains import DAY, START, rows


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    tables, vectors = out / "tables", out / "vectors"
    for folder in (tables, vectors):
        folder.mkdir(parents=True, exist_ok=True)
    index = dict(line.split() for line in open(data / "Scientific.item2index", encoding="utf-8"))
    raw = sorted(index, key=lambda item: int(index[item]))
    (vectors / "ids.txt").write_text("\n".join(raw) + "\n", encoding="utf-8")
    shutil.copyfile(data / "Scientific.feat1CLS", vectors / "text.f32")
    shutil.copyfile(data / "Scientific.feat3CLS", vectors / "image.f32")
    with open(tables / "items.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item_id", "title"])
        for row in rows(data / "Scientific.text"):
            writer.writerow([row["item_id:token"], row["text:token_seq"].strip()])
    with open(tables / "events.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", "timestamp"])
        for row in rows(data / "Scientific.test.inter"):
            items = row["item_id_list:token_seq"].split() + [row["item_id:token"]]
            for place, item in enumerate(items):
                writer.writerow([row["user_id:token"], raw[int(item)], START + place * DAY])


if __name__ == "__main__":
    main()
