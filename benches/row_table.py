#!/usr/bin/env python3
"""CPU time and memory of lazy AdamW on an embedding table beside PyTorch's SparseAdam.

    cargo build --release -p segue-nn --example row_table
    python3 benches/row_table.py --python /path/to/python-with-torch --segue target/release/examples/row_table

A table of `--rows` × `--width`, and for each step `--touched` rows drawn with repetition, with normal gradients; both sides
read the same files. The clock (CPU seconds of all threads) runs around the steps alone: not while reading, and not while
PyTorch's sparse tensor is built. Peak memory is that of the whole process, and before the steps in brackets. Both sides
are held to one core and one thread, every run is a process of its own, and they alternate. The settings are SparseAdam's: no weight
decay, bias correction by the number of all steps. The script stops when tables differ.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

THREAD_VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"]
RATE = 0.01
SEED = 7
# In f32 both sides round differently in each step; weights are about 1.
TOLERANCE = 1e-5
BARS = {"cpu": 0.4, "peak": 0.6}


def main():
    arguments = parse_arguments()
    if arguments.peer:
        return PEERS[arguments.peer](arguments)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])  # children inherit it
    os.environ.update({name: "1" for name in THREAD_VARIABLES})
    sizes = ["--rows", arguments.rows, "--width", arguments.width, "--touched", arguments.touched, "--steps", arguments.steps]
    with tempfile.TemporaryDirectory(prefix="segue-row-table-", dir=arguments.scratch) as folder:
        peer = [arguments.python, __file__, *sizes, "--folder", folder, "--peer"]
        versions = run([*peer, "prepare"])
        theirs, ours = [], []
        for _ in range(arguments.runs):
            theirs.append(run([*peer, "torch"]))
            ours.append(run([arguments.segue, folder, arguments.width, arguments.steps, RATE]))
        difference = run([*peer, "check"])["difference"]
    report(arguments, versions, theirs, ours, difference)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, help="with torch and numpy")
    parser.add_argument("--segue", type=Path, help="the compiled example `row_table`")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--touched", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scratch", help="where temporary files go")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    return parser.parse_args()


def run(command):
    """The JSON object that the command prints last."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def report(arguments, versions, theirs, ours, difference):
    machine = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    middle = lambda runs, key: statistics.median(run[key] for run in runs)
    print(f"\n{arguments.rows:,} × {arguments.width}, {arguments.touched:,} rows a step, {arguments.steps} steps, {ours[0]['n_touched']:,} rows touched; {versions['versions']}; {time.strftime('%Y-%m-%d')}, {machine}, 1 thread\n")
    print("| | SparseAdam | Segue | ratio | bar |\n|---|---|---|---|---|")
    pairs = [own["cpu"] / other["cpu"] for own, other in zip(ours, theirs)]
    step = lambda runs, key: 1000 * middle(runs, key) / arguments.steps
    ratio = middle(ours, "cpu") / middle(theirs, "cpu")
    print(f"| CPU ms a step | {step(theirs, 'cpu'):.2f} | {step(ours, 'cpu'):.2f} | {ratio:.3f} ({min(pairs):.3f}–{max(pairs):.3f}) | ≤ {BARS['cpu']} |")
    print(f"| wall ms a step | {step(theirs, 'wall'):.2f} | {step(ours, 'wall'):.2f} | {middle(ours, 'wall') / middle(theirs, 'wall'):.3f} | |")
    memory = lambda runs: f"{middle(runs, 'peak') / 1024:.0f} ({middle(runs, 'peak_before') / 1024:.0f})"
    print(f"| peak MB | {memory(theirs)} | {memory(ours)} | {middle(ours, 'peak') / middle(theirs, 'peak'):.3f} | ≤ {BARS['peak']} |")
    print(f"\nlargest difference of a value: {difference:.1e}")


# ---- what runs with torch and numpy


def prepare(arguments):
    import numpy
    import torch

    rng = numpy.random.default_rng(SEED)
    rng.standard_normal((arguments.rows, arguments.width), dtype="f4").tofile(arguments.folder / "table.f32")
    for step in range(arguments.steps):
        rng.integers(arguments.rows, size=arguments.touched, dtype="u4").tofile(arguments.folder / f"{step}.rows")
        rng.standard_normal((arguments.touched, arguments.width), dtype="f4").tofile(arguments.folder / f"{step}.values")
    print(json.dumps({"versions": f"torch {torch.__version__}, numpy {numpy.__version__}"}))


def sparse_adam(arguments):
    import numpy
    import torch

    torch.set_num_threads(1)
    read = lambda name, dtype: torch.from_numpy(numpy.fromfile(arguments.folder / name, dtype))
    table = torch.nn.Parameter(read("table.f32", "f4").reshape(-1, arguments.width))
    optimizer = torch.optim.SparseAdam([table], lr=RATE)
    cpu, wall, peak_before = 0.0, 0.0, peak_kb()
    for step in range(arguments.steps):
        rows = read(f"{step}.rows", "u4").long()
        values = read(f"{step}.values", "f4").reshape(-1, arguments.width)
        table.grad = torch.sparse_coo_tensor(rows[None], values, tuple(table.shape), check_invariants=False)
        start, clock = time.process_time(), time.perf_counter()
        optimizer.step()
        cpu += time.process_time() - start
        wall += time.perf_counter() - clock
    spent = {"cpu": cpu, "wall": wall, "peak": peak_kb(), "peak_before": peak_before}
    table.detach().numpy().tofile(arguments.folder / "torch.f32")
    print(json.dumps(spent))


def check(arguments):
    import numpy

    theirs, ours = (numpy.fromfile(arguments.folder / name, "f4") for name in ("torch.f32", "segue.f32"))
    start = numpy.fromfile(arguments.folder / "table.f32", "f4")
    difference = float(abs(theirs - ours).max())
    assert difference < TOLERANCE and (theirs != start).any(), difference
    print(json.dumps({"difference": difference}))


def peak_kb():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    return int(line.split()[1])


PEERS = {"prepare": prepare, "torch": sparse_adam, "check": check}


if __name__ == "__main__":
    main()
