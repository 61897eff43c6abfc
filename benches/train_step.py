#!/usr/bin/env python3
"""A training step of the behavior model beside the same step in PyTorch.

    cargo build --release -p segue-models --example train_step
    python3 benches/train_step.py --venv VENV --segue target/release/examples/train_step

Two pre-norm blocks, 2 heads, network 4 times as wide, 12,000 items, batch 128, length 50, AdamW, no dropout; loss by full
cross-entropy at the last or at all positions. Both sides start from the same numbers and see the same sequences; the script
stops when losses differ in the fourth digit. Peers: PyTorch eager with fused AdamW and its own scaled-dot-product attention. Every run is
a process of its own, both sides in turn; CPU seconds of all threads per step, median over steps 3 and later; peak memory of the
whole process, and for PyTorch also without what importing it takes.
"""

import argparse
import json
import os
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

N_ITEMS, BATCH, LENGTH, HEADS, LAYERS = 12_000, 128, 50, 2, 2
BARS = {(64, "last"): (0.45, 0.2), (64, "all"): (0.55, 0.1), (256, "last"): (0.75, 0.45), (256, "all"): (0.75, 0.45)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, help="an environment with torch and numpy; made if missing")
    parser.add_argument("--segue", type=Path, help="the compiled example `train_step`")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return run_peer(Path(arguments.peer[0]), int(arguments.peer[1]), arguments.peer[2], arguments.threads)
    python = arguments.venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", arguments.venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "torch", "numpy"], check=True)
    machine = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    print(f"{time.strftime('%Y-%m-%d')}, {machine}, {arguments.threads} threads, {arguments.steps} steps\n")
    print("| width, loss at | PyTorch CPU ms | Segue CPU ms | ratio | bar | PyTorch / Segue wall ms | PyTorch (import alone) / Segue peak MB | ratio | bar | largest difference of losses |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for (width, positions), bars in BARS.items():
        row(arguments, python, width, positions, bars)


def row(arguments, python, width, positions, bars):
    environment = os.environ | {"RAYON_NUM_THREADS": str(arguments.threads), "OMP_NUM_THREADS": str(arguments.threads)}
    with tempfile.TemporaryDirectory() as folder:
        ours = run([arguments.segue, folder, str(width), positions, str(arguments.steps)], environment)
        theirs = run([python, __file__, "--threads", str(arguments.threads), "--peer", folder, str(width), positions], environment)
    difference = max(abs(a - b) for a, b in zip(ours["losses"], theirs["losses"]))
    if difference > 5e-4:
        sys.exit(f"losses differ: {ours['losses']} and {theirs['losses']}")
    middle = lambda run, key: 1000 * statistics.median(run[key][2:])
    mean = lambda run: 1000 * statistics.mean(run["cpu"][2:])
    cpu, memory = mean(ours) / mean(theirs), ours["peak"] / theirs["peak"]
    cells = [f"{width}, {positions}", f"{mean(theirs):.0f}", f"{mean(ours):.0f}", f"{cpu:.2f}", f"≤ {bars[0]}"]
    cells.append(f"{middle(theirs, 'wall'):.0f} / {middle(ours, 'wall'):.0f}")
    cells += [f"{theirs['peak']:.0f} ({theirs['imported']:.0f}) / {ours['peak']:.0f}", f"{memory:.2f}", f"≤ {bars[1]}", f"{difference:.0e}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def run(command, environment):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return json.loads(output) | {"peak": usage.ru_maxrss / 1024}


def run_peer(folder, width, positions, n_threads):
    import numpy as np
    import torch
    import torch.nn.functional as F

    imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    torch.set_num_threads(n_threads)
    start = {name: torch.from_numpy(values) for name, values in read_safetensors(folder / "start.safetensors", np)}
    decays = lambda name: not name.endswith("bias") and "norm" not in name
    unused = ("domains", "kinds", "gaps")
    parameters = {name: torch.nn.Parameter(values.clone()) for name, values in start.items() if name not in unused}
    for name, shape in shapes(width).items():
        parameters[name] = torch.nn.Parameter(start[name].reshape(shape).clone())
    groups = [
        {"params": [value for name, value in parameters.items() if decays(name)], "weight_decay": 0.01},
        {"params": [value for name, value in parameters.items() if not decays(name)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
    sequences = np.fromfile(folder / "sequences.u32", dtype="<u4").astype(np.int64).reshape(-1, BATCH, LENGTH + 1)
    spent = {"losses": [], "cpu": [], "wall": [], "imported": imported}
    for batch in torch.from_numpy(sequences):
        cpu, wall = time.process_time(), time.perf_counter()
        optimizer.zero_grad()
        hidden = forward(parameters, batch[:, :-1], width, F)
        targets = batch[:, 1:]
        if positions == "last":
            hidden, targets = hidden[:, -1], targets[:, -1]
        logits = hidden.reshape(-1, width) @ parameters["items"].T
        loss = F.cross_entropy(logits, targets.reshape(-1))
        loss.backward()
        optimizer.step()
        spent["losses"].append(loss.item())
        spent["cpu"].append(time.process_time() - cpu)
        spent["wall"].append(time.perf_counter() - wall)
    print(json.dumps(spent))


def shapes(width):
    found = {"items": (N_ITEMS, width), "positions": (-1, width), "asked": (-1, width)}
    for at in range(LAYERS):
        sizes = {"qkv": (3 * width, width), "out": (width, width), "up": (4 * width, width), "down": (width, 4 * width)}
        found |= {f"blocks.{at}.{part}.weight": size for part, size in sizes.items()}
    return found


def forward(p, items, width, F):
    x = p["items"][items] + p["positions"][: items.shape[1]]
    n, length = items.shape
    norm = lambda x, name: F.layer_norm(x, (width,), p[f"{name}.weight"], p[f"{name}.bias"], 1e-6)
    linear = lambda x, name: F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])
    for at in range(LAYERS):
        name = f"blocks.{at}"
        q, k, v = linear(norm(x, f"{name}.norm1"), f"{name}.qkv").view(n, length, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, length, width)
        x = x + linear(attended, f"{name}.out")
        x = x + linear(F.gelu(linear(norm(x, f"{name}.norm2"), f"{name}.up")), f"{name}.down")
    return norm(x, "norm") + p["asked"][0]


def read_safetensors(path, np):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            first, end = entry["data_offsets"]
            yield name, np.frombuffer(data[8 + size + first : 8 + size + end], dtype="<f4").copy()


if __name__ == "__main__":
    main()
