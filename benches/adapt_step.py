#!/usr/bin/env python3
"""A step of adapting MiniLM with LoRA beside the same step in PyTorch with PEFT.

    cargo build --release -p segue-models --example adapt_step
    python3 benches/adapt_step.py --venv VENV --segue target/release/examples/adapt_step --model ~/.cache/segue/models/minilm --threads 1

Rank 8 on query and value of all blocks, 64 texts, mean pooling, vectors of length 1, contrastive loss of 32 pairs in both directions,
AdamW, no dropout. Texts are random tokens, 24 each, or 8 to 40: PyTorch pads the latter to the longest of the batch, Segue packs
them. PEFT opens the folder that Segue wrote; the script stops when losses differ in the fourth digit or a gradient of the first step
differs by more than 1e-4 of its length. Both sides are processes of their own, one after the other; CPU seconds of all threads per step,
mean over steps 3 and later; peak memory of the whole process, and for PyTorch also without what importing it takes.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LENGTHS = [(24, 24), (8, 40)]
BAR = 0.6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, help="an environment with torch, transformers and peft; made if missing")
    parser.add_argument("--segue", type=Path, help="the compiled example `adapt_step`")
    parser.add_argument("--model", type=Path, help="the model's folder (`segue model pull minilm`)")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return run_peer(arguments.peer, arguments.model, arguments.threads)
    python = arguments.venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", arguments.venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "torch", "transformers", "peft", "numpy"], check=True)
    machine = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    print(f"{time.strftime('%Y-%m-%d')}, {machine}, {arguments.threads} threads, {arguments.steps} steps\n")
    print("| tokens of a text | PyTorch CPU ms | Segue CPU ms | ratio | bar | PyTorch / Segue wall ms | PyTorch (import alone) / Segue peak MB | ratio | largest difference of losses | of gradients |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for shortest, longest in LENGTHS:
        row(arguments, python, shortest, longest)


def row(arguments, python, shortest, longest):
    environment = os.environ | {"RAYON_NUM_THREADS": str(arguments.threads), "OMP_NUM_THREADS": str(arguments.threads)}
    model = arguments.model.expanduser()
    with tempfile.TemporaryDirectory() as folder:
        ours = run([arguments.segue, folder, model, str(shortest), str(longest), str(arguments.steps)], environment)
        theirs = run([python, __file__, "--threads", str(arguments.threads), "--model", model, "--peer", folder], environment)
    difference = max(abs(a - b) for a, b in zip(ours["losses"], theirs["losses"]))
    if difference > 5e-4:
        sys.exit(f"losses differ: {ours['losses']} and {theirs['losses']}")
    if theirs["gradients"] > 1e-4:
        sys.exit(f"gradients differ by {theirs['gradients']:.1e}")
    middle = lambda run, key: 1000 * statistics.median(run[key][2:])
    mean = lambda run: 1000 * statistics.mean(run["cpu"][2:])
    cells = [f"{shortest}–{longest}", f"{mean(theirs):.0f}", f"{mean(ours):.0f}", f"{mean(ours) / mean(theirs):.2f}", f"≤ {BAR}"]
    cells.append(f"{middle(theirs, 'wall'):.0f} / {middle(ours, 'wall'):.0f}")
    cells += [f"{theirs['peak']:.0f} ({theirs['imported']:.0f}) / {ours['peak']:.0f}", f"{ours['peak'] / theirs['peak']:.2f}"]
    cells += [f"{difference:.0e}", f"{theirs['gradients']:.0e}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def run(command, environment):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return json.loads(output.splitlines()[-1]) | {"peak": usage.ru_maxrss / 1024}


def run_peer(folder, model, n_threads):
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from torch.nn import functional as F
    from transformers import BertModel

    imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    torch.set_num_threads(n_threads)
    base = BertModel.from_pretrained(model, add_pooling_layer=False).eval()  # eval: no dropout
    adapted = PeftModel.from_pretrained(base, folder / "start", is_trainable=True).eval()
    trained = {name: array for name, array in adapted.named_parameters() if array.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-3, weight_decay=0.0, fused=True)
    steps = json.loads((folder / "texts.json").read_text())
    spent = {"losses": [], "cpu": [], "wall": [], "imported": imported}
    for texts in steps:
        cpu, wall = time.process_time(), time.perf_counter()
        optimizer.zero_grad()
        longest = max(map(len, texts))
        tokens = torch.tensor([text + [0] * (longest - len(text)) for text in texts])
        mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts])
        padded = None if min(map(len, texts)) == longest else mask
        hidden = adapted(input_ids=tokens, attention_mask=padded).last_hidden_state
        vectors = F.normalize((hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True), dim=1)
        scores = vectors[: len(texts) // 2] @ vectors[len(texts) // 2 :].T / 0.05
        targets = torch.arange(len(scores))
        loss = (F.cross_entropy(scores, targets) + F.cross_entropy(scores.T, targets)) / 2
        loss.backward()
        optimizer.step()
        spent["losses"].append(loss.item())
        spent["cpu"].append(time.process_time() - cpu)
        spent["wall"].append(time.perf_counter() - wall)
        if "gradients" not in spent:
            spent["gradients"] = furthest(load_file(folder / "gradients.safetensors"), trained)
    print(json.dumps(spent))


def furthest(ours, trained):
    """The largest distance of a gradient, relative to its length."""
    theirs = {name.removeprefix("base_model.model.").replace(".default", ""): array.grad.flatten() for name, array in trained.items()}
    if ours.keys() != theirs.keys():
        sys.exit(f"arrays differ: {sorted(ours.keys() ^ theirs.keys())}")
    return max(((ours[name] - theirs[name]).norm() / theirs[name].norm()).item() for name in ours)


if __name__ == "__main__":
    main()
