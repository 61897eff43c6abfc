#!/usr/bin/env python3
"""Import of 20 million synthetic events against polars reading and grouping the same file.

The bar: `segue import` takes at most twice the wall time of polars `read_csv` + `group_by(user)`, and at most 8 GiB.

    python3 -m venv /tmp/polarsvenv && /tmp/polarsvenv/bin/pip install polars numpy
    /tmp/polarsvenv/bin/python benches/import_20m.py --segue target/release/segue

Both programs run alternately `--rounds` times; the ratio is that of the medians. Files go to `--dir` and are removed.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

N_USERS, N_ITEMS = 1_000_000, 200_000

POLARS = """
import sys, polars as pl
frame = pl.read_csv(sys.argv[1])
grouped = frame.group_by("user_id").agg(pl.len(), pl.col("rating").mean(), pl.col("timestamp").max())
print(grouped.height)
"""


def generate(path, n_events, ids, seed):
    """Writes a CSV with long-tailed users and items, as whole numbers or as strings like real raw ids."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    users = rng.permutation(N_USERS)[(rng.pareto(1.2, n_events) * 20_000).astype(np.int64) % N_USERS]
    items = rng.permutation(N_ITEMS)[np.minimum((rng.pareto(1.0, n_events) * 1_000).astype(np.int64), N_ITEMS - 1)]
    frame = pl.DataFrame(
        {
            "user_id": users,
            "item_id": items,
            "rating": rng.integers(1, 11, n_events) / 2,
            "timestamp": rng.integers(1_100_000_000, 1_700_000_000, n_events),
        }
    )
    if ids == "strings":
        frame = frame.with_columns(
            pl.format("U{}", pl.col("user_id") * 7919 + 10**12).alias("user_id"),
            pl.format("B{}", pl.col("item_id") * 104729 + 10**8).alias("item_id"),
        )
    frame.write_csv(path)


def measure(command):
    """Runs a command; gives wall seconds, CPU seconds and peak memory in MiB."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    if status != 0:
        sys.exit(f"{command[0]} failed: {process.stderr.read().decode()}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segue", default="target/release/segue")
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--ids", choices=["numbers", "strings"], default="numbers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dir", default=None, help="where the files go (about 2 GB)")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="segue-import-", dir=options.dir)
    try:
        path, to = os.path.join(folder, "events.csv"), os.path.join(folder, "out")
        # In a process of its own: this one must stay small, or its memory counts for the children.
        script = f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); import import_20m; "
        script += f"import_20m.generate({path!r}, {options.events}, {options.ids!r}, {options.seed})"
        subprocess.run([sys.executable, "-c", script], check=True)
        runs = {"polars": [], "segue": []}
        for _ in range(options.rounds):
            runs["polars"].append(measure([sys.executable, "-c", POLARS, path]))
            runs["segue"].append(measure([options.segue, "import", path, "--to", to]))
            shutil.rmtree(to)
    finally:
        shutil.rmtree(folder)
    median = {}
    for name, results in runs.items():
        median[name] = statistics.median(wall for wall, _, _ in results)
        cpu = statistics.median(cpu for _, cpu, _ in results)
        memory = max(memory for _, _, memory in results)
        walls = ", ".join(f"{wall:.1f}" for wall, _, _ in results)
        print(f"{name:7} {median[name]:6.1f} s wall (of {walls})  {cpu:6.1f} s CPU  {memory:6.0f} MiB peak")
    ratio = median["segue"] / median["polars"]
    print(f"{options.events:,} events, ids as {options.ids}, {os.cpu_count()} cores: ratio {ratio:.2f} (bar: 2.00)")


if __name__ == "__main__":
    main()
