"""One epoch of ComplEx with 1-vs-all on a graph: Segue beside a plain PyTorch loop of the same loss.

Both: reciprocal relations, N3, Adagrad, no relation prediction, no dropout. PyTorch has batches of facts, one row of logits a fact;
Segue has batches of questions, whose facts share their logits, with as many facts a batch. Processor time of an epoch is the
difference between runs of 1 and of 1 + N epochs over N, so that imports, reading and writing do not count; valid has one fact.

    python3 benches/graph_epoch.py --venv VENV --segue target/release/segue --data codex-s --dim 200 --epochs 2 --threads 1

VENV has torch. With --torch-epochs the script itself is the PyTorch side.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def facts(folder):
    lines = (folder / "train.txt").read_text().splitlines()
    return [tuple(line.split("\t")) for line in lines if line.strip()]


def torch_side(options):
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    triples = facts(options.data)
    entities, relations = {}, {}
    for head, relation, tail in triples:
        for entity in (head, tail):
            entities.setdefault(entity, len(entities))
        relations.setdefault(relation, len(relations))
    rows = [(entities[h], relations[r], entities[t]) for h, r, t in triples]
    rows += [(t, r + len(relations), h) for h, r, t in rows]
    rows = torch.tensor(rows)
    d = options.dim
    entity = torch.nn.Parameter(1e-3 * torch.randn(len(entities), 2 * d))
    relation = torch.nn.Parameter(1e-3 * torch.randn(2 * len(relations), 2 * d))
    optimizer = torch.optim.Adagrad([entity, relation], lr=0.1)
    for _ in range(options.torch_epochs):
        total = 0.0
        for batch in rows[torch.randperm(len(rows))].split(options.facts):
            h, r, t = entity[batch[:, 0]], relation[batch[:, 1]], entity[batch[:, 2]]
            query = torch.cat([h[:, :d] * r[:, :d] - h[:, d:] * r[:, d:], h[:, :d] * r[:, d:] + h[:, d:] * r[:, :d]], 1)
            loss = torch.nn.functional.cross_entropy(query @ entity.t(), batch[:, 2])
            cubes = sum(((x[:, :d] ** 2 + x[:, d:] ** 2) ** 1.5).sum() for x in (h, r, t))
            optimizer.zero_grad()
            (loss + 0.01 * cubes / len(batch)).backward()
            optimizer.step()
            total += float(loss) * len(batch)
        print(f"loss {total / len(rows):.4f}", file=sys.stderr)


def cpu_of(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path)
    parser.add_argument("--segue", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--dim", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=2, help="epochs that are measured")
    parser.add_argument("--batch", type=int, default=256, help="questions a step, Segue")
    parser.add_argument("--facts", type=int, default=1000, help="facts a step, PyTorch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--torch-epochs", type=int)
    options = parser.parse_args()
    if options.torch_epochs is not None:
        torch_side(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        shutil.copy(options.data / "train.txt", folder / "train.txt")
        for part in ("valid.txt", "test.txt"):
            (folder / part).write_text("\t".join(facts(options.data)[0]) + "\n")

        def segue(epochs):
            model = folder / f"model-{epochs}"
            return [options.segue, "--quiet", "--threads", str(options.threads), "graph", "train", folder, "--out", model,
                    "--dim", str(options.dim), "--batch", str(options.batch), "--epochs", str(epochs),
                    "--patience", str(epochs), "--relation-weight", "0"]

        def torch(epochs):
            return [options.venv / "bin" / "python", __file__, "--data", folder, "--dim", str(options.dim), "--facts",
                    str(options.facts), "--threads", str(options.threads), "--torch-epochs", str(epochs)]

        seconds = {}
        for name, command in (("PyTorch", torch), ("Segue", segue)):
            more, one = cpu_of(command(1 + options.epochs)), cpu_of(command(1))
            seconds[name] = (more - one) / options.epochs
    print(f"dim {options.dim}, threads {options.threads}: CPU seconds an epoch: PyTorch {seconds['PyTorch']:.2f}, "
          f"Segue {seconds['Segue']:.2f}, ratio {seconds['Segue'] / seconds['PyTorch']:.2f}")


if __name__ == "__main__":
    main()
