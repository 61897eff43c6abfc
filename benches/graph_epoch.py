"""One epoch of ComplEx with a softmax over all entities: Segue beside PyKEEN and beside a plain PyTorch loop.

All: reciprocal relations, cubes of moduli as regularization, Adagrad, no relation prediction, no dropout. PyKEEN (its LCWA loop with
cross-entropy and inverse triples) and Segue have batches of questions (head, relation, ?), --batch of them; the plain loop has
batches of facts, one row of logits a fact. A question with several answers is one row in PyKEEN, whose loss is their mean; in Segue
it is one row per 8 answers, whose loss is their sum. Processor time of an epoch is the difference between runs of 1 and of 1 + N
epochs over N, so that imports, reading and writing do not count; valid has one fact. Peak memory is that of the longer run.

    python3 benches/graph_epoch.py --venv VENV --segue target/release/segue --data codex-s --dim 200 --epochs 2 --threads 1

VENV has torch and pykeen. With --peer-epochs the script itself is the other side.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def facts(folder):
    lines = (folder / "train.txt").read_text().splitlines()
    return [tuple(line.split("\t")) for line in lines if line.strip()]


def pykeen_side(options):
    import torch
    from pykeen.losses import CrossEntropyLoss
    from pykeen.models import ComplEx
    from pykeen.training import LCWATrainingLoop
    from pykeen.triples import TriplesFactory

    torch.set_num_threads(options.threads)
    factory = TriplesFactory.from_path(options.data / "train.txt", create_inverse_triples=True)
    model = ComplEx(triples_factory=factory, embedding_dim=options.dim, loss=CrossEntropyLoss(), random_seed=0,
                    regularizer_kwargs={"weight": 0.01, "p": 3.0})
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
    loop = LCWATrainingLoop(model=model, triples_factory=factory, optimizer=optimizer)
    losses = loop.train(triples_factory=factory, num_epochs=options.peer_epochs, batch_size=options.batch, use_tqdm=False,
                        num_workers=0, pin_memory=False)
    print("losses", losses, file=sys.stderr)


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
    for _ in range(options.peer_epochs):
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


def cost_of(command):
    """Processor seconds and peak MB of a child."""
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=log,
                                 env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "CUDA_VISIBLE_DEVICES": ""})
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            log.seek(0)
            sys.exit(f"{command[0]} failed:\n{log.read().decode(errors='replace')[-2000:]}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path)
    parser.add_argument("--segue", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--dim", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=2, help="epochs that are measured")
    parser.add_argument("--batch", type=int, default=256, help="questions a step, Segue and PyKEEN")
    parser.add_argument("--facts", type=int, default=1000, help="facts a step, PyTorch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peers", default="PyKEEN,PyTorch", help="what Segue is compared with")
    parser.add_argument("--peer", choices=["PyKEEN", "PyTorch"])
    parser.add_argument("--peer-epochs", type=int)
    options = parser.parse_args()
    if options.peer_epochs is not None:
        {"PyKEEN": pykeen_side, "PyTorch": torch_side}[options.peer](options)
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

        def peer(name):
            return lambda epochs: [options.venv / "bin" / "python", __file__, "--data", folder, "--dim", options.dim, "--facts",
                                   options.facts, "--batch", options.batch, "--threads", options.threads, "--peer", name,
                                   "--peer-epochs", epochs]

        def measured(command):
            (more, peak), (one, _) = cost_of(command(1 + options.epochs)), cost_of(command(1))
            return (more - one) / options.epochs, peak

        own, own_peak = measured(segue)
        print(f"{options.data.name}, dim {options.dim}, {options.batch} questions a step, threads {options.threads}; an epoch: "
              f"Segue {own:.3f} CPU s, peak {own_peak:.0f} MB")
        for name in options.peers.split(","):
            seconds, peak = measured(peer(name))
            print(f"{name}: {seconds:.3f} CPU s, ratio {own / seconds:.2f}; peak {peak:.0f} MB, ratio {own_peak / peak:.2f}", flush=True)


if __name__ == "__main__":
    main()
