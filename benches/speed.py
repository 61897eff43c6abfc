#!/usr/bin/env python3
"""CPU time of Segue's fits and evaluation beside the same work in implicit, lenskit, rectools and PyTorch.

    cargo build --release -p segue-train --example speed
    python3 benches/speed.py --venv /tmp/speed-venvs --segue target/release/examples/speed --data Beauty.txt --data ml-1m

`--data` is a file in S3-Rec format (`user item item …` a line), a RecBole `.inter` file, or `ml-1m`: a synthetic set of
the size of MovieLens 1M. Peers come from PyPI at the versions below; lenskit needs another numpy than rectools, so there
are two environments. Every run is a process of its own, peers and Segue alternate, and both sides measure inside the
process: CPU seconds of all threads around the work alone, without reading files and without building the peers' data
sets or Segue's sequences. Both sides are held to one core (see THREAD_VARIABLES). Tables show the median of
the runs, and the range of the ratio; peak memory is that of the whole process. The script stops when results differ.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENVIRONMENTS = {
    "rectools": ["implicit==0.7.3", "rectools==0.19.0", "numpy==1.26.4", "scipy==1.17.1", "pandas==2.3.3"],
    "lenskit": ["lenskit==2025.8.1", "torch==2.15.0", "numpy==2.4.6", "scipy==1.17.1", "pandas==2.3.3"],
}
# (work, peer, environment)
PEERS = [
    ("ease", "lenskit", "lenskit"),
    ("ease", "rectools", "rectools"),
    ("knn", "implicit", "rectools"),
    ("knn", "implicit-all", "rectools"),
    ("knn", "lenskit", "lenskit"),
    ("evaluate", "rectools", "rectools"),
    ("evaluate", "lenskit", "lenskit"),
    ("evaluate", "torch", "lenskit"),
    ("evaluate-lists", "rectools", "rectools"),
]
# Peers' thread pools wait by spinning, and the clock counts that as work: the same PyTorch job took .14 s with one thread
# and .27 to .95 s with two, more the busier the machine was. On one core, with one thread, CPU time is
# work. The variables alone do not do it: lenskit sets its own.
THREAD_VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "LK_NUM_THREADS", "LK_NUM_BACKEND_THREADS", "NUMBA_NUM_THREADS"]
BARS = {"ease": 0.5, "knn": 0.5, "evaluate": 0.2, "evaluate-lists": 0.2}
# Work that is over fast is done once without counting, then at least so often and for half a second, on both sides;
# the mean counts. 1: once, cold.
REPEATS = {"ease": 1, "knn": 2, "evaluate": 2, "evaluate-lists": 2}
L2 = 200.0
N_FACTORS = 64
SEED = 7


def main():
    arguments = parse_arguments()
    if arguments.peer:
        return run_peer(*arguments.peer)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-arguments.threads :])  # children inherit it
    os.environ.update({name: str(arguments.threads) for name in THREAD_VARIABLES})
    pythons = {name: environment(arguments.venv / name, ENVIRONMENTS[name]) for name in ENVIRONMENTS}
    for data in arguments.data:
        with tempfile.TemporaryDirectory(prefix="segue-speed-", dir=arguments.scratch) as folder:
            prepare(data, folder, pythons["lenskit"])
            compare(arguments, pythons, data, folder)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, help="folder of the two environments; made if missing")
    parser.add_argument("--segue", type=Path, help="the compiled example `speed`")
    parser.add_argument("--data", action="append", default=[], help="a file, or ml-1m; may be repeated")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of both sides; more than 1 is for wall time only")
    parser.add_argument("--only", action="append", help="ease, knn or evaluate; default all")
    parser.add_argument("--scratch", help="where temporary files go")
    parser.add_argument("--peer", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def environment(folder, packages):
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def compare(arguments, pythons, data, folder):
    machine = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    print(f"\n{Path(data).name}: {describe(folder)}; {time.strftime('%Y-%m-%d')}, {machine}, {os.cpu_count()} cores, {arguments.threads} thread(s)\n")
    print("| work | peer | peer CPU s | Segue CPU s | ratio | bar | peer / Segue wall s | peer / Segue peak MB | largest difference |")
    print("|---|---|---|---|---|---|---|---|---|")
    for work, peer, where in PEERS:
        if arguments.only and work not in arguments.only:
            continue
        theirs, ours = [], []
        for _ in range(arguments.runs):
            theirs.append(run([pythons[where], __file__, "--peer", work.split("-")[0], peer, folder]))
            ours.append(run([arguments.segue, work, folder, str(REPEATS[work])]))
        check = [pythons["lenskit"], __file__, "--peer", f"check-{work}", peer, folder]
        difference = run(check)["difference"] if not work.startswith("evaluate") else metric_difference(theirs[-1], ours[-1])
        middle = lambda runs, key: statistics.median(run[key] for run in runs)
        ratio = middle(ours, "cpu") / middle(theirs, "cpu")
        pairs = [own["cpu"] / other["cpu"] for own, other in zip(ours, theirs)]
        lowest, highest = min(pairs), max(pairs)
        cells = [work, peer, f"{middle(theirs, 'cpu'):.3f}", f"{middle(ours, 'cpu'):.3f}", f"{ratio:.3f} ({lowest:.3f}–{highest:.3f})", f"≤ {BARS[work]}"]
        cells.append(f"{middle(theirs, 'wall'):.2f} / {middle(ours, 'wall'):.2f}")
        cells.append(f"{middle(theirs, 'peak'):.0f} / {middle(ours, 'peak'):.0f}")
        print("| " + " | ".join([*cells, f"{difference:.1e}"]) + " |", flush=True)


def run(command):
    """The JSON object that the command prints last, with its peak memory in MB."""
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        text = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{command} ended with {child.returncode}: {text}")
    return {**json.loads(text.strip().splitlines()[-1]), "peak": usage.ru_maxrss / 1024}


def metric_difference(theirs, ours):
    difference = max(abs(theirs[name] - ours[name]) for name in ("ndcg", "hr", "mrr"))
    assert difference < 1e-6, (theirs, ours)
    return difference


# ---- data


def prepare(data, folder, python):
    """Numbers items 0..n, and draws the factors that both sides score with."""
    if data == "ml-1m":
        return subprocess.run([python, __file__, "--peer", "synthetic", "ml-1m", folder], check=True)
    rows = inter_rows(data) if data.endswith(".inter") else [line.split()[1:] for line in open(data)]
    numbers = {}
    with open(Path(folder, "sequences.txt"), "w") as out:
        for row in rows:
            distinct = dict.fromkeys(row)
            print(*(numbers.setdefault(item, len(numbers)) for item in distinct), file=out)
    return subprocess.run([python, __file__, "--peer", "factors", "-", folder], check=True)


def inter_rows(path):
    """Sequences of a RecBole file with user_id, item_id and timestamp."""
    lines = open(path)
    header = [name.split(":")[0] for name in next(lines).strip().split("\t")]
    user, item, when = (header.index(name) for name in ("user_id", "item_id", "timestamp"))
    users = {}
    for line in lines:
        cells = line.rstrip("\n").split("\t")
        users.setdefault(cells[user], []).append((float(cells[when]), cells[item]))
    return [[item for _, item in sorted(events, key=lambda event: event[0])] for events in users.values()]


def describe(folder):
    rows = [line.split() for line in open(Path(folder, "sequences.txt"))]
    n_items = 1 + max(int(item) for row in rows for item in row)
    return f"{len(rows):,} users, {n_items:,} items, {sum(map(len, rows)):,} events"


def synthetic(folder):
    """6,041 users, 3,706 items and about a million distinct events; lengths and popularity as skewed as in MovieLens 1M."""
    import numpy as np

    random = np.random.default_rng(SEED)
    lengths = np.clip(np.exp(random.normal(4.58, 1.03, 6040)), 20, 2300).astype(int)
    logits = -1.25 * np.log(np.arange(1, 3707) + 200.0)
    with open(Path(folder, "sequences.txt"), "w") as out:
        for length in lengths:
            # Gumbel keys: drawing without repetition, in proportion to popularity.
            keys = logits + random.gumbel(size=3706)
            print(*np.argsort(-keys)[:length], file=out)
        # One user has everything, so that every item occurs.
        print(*range(3706), file=out)


def draw_factors(folder):
    import numpy as np

    n_users, n_items = shape(folder)
    random = np.random.default_rng(SEED)
    random.standard_normal((n_users + n_items, N_FACTORS)).astype("<f4").tofile(Path(folder, "factors.f32"))


def shape(folder):
    rows = read_rows(folder)
    return len(rows), 1 + max(map(max, rows))


def read_rows(folder):
    return [[int(item) for item in line.split()] for line in open(Path(folder, "sequences.txt"))]


def read_pairs(folder, last=None):
    """Users and items of all events, without the `last` of each user if that is given."""
    import numpy as np

    rows = [row[:last] for row in read_rows(folder)]
    return np.repeat(np.arange(len(rows)), [len(row) for row in rows]), np.concatenate([np.array(row, int) for row in rows])


def read_matrix(folder, last=None, dtype="f4"):
    import numpy as np
    import scipy.sparse

    users, items = read_pairs(folder, last)
    return scipy.sparse.csr_matrix((np.ones(len(users), dtype), (users, items)), shape=shape(folder))


def read_factors(folder):
    import numpy as np

    n_users, _ = shape(folder)
    factors = np.fromfile(Path(folder, "factors.f32"), "<f4").reshape(-1, N_FACTORS)
    return factors[:n_users].copy(), factors[n_users:].copy()


# ---- peers, each in a process of its own


def run_peer(work, peer, folder):
    if work == "synthetic":
        synthetic(folder)
        return draw_factors(folder)
    if work == "factors":
        return draw_factors(folder)
    if work.startswith("check-"):
        check = check_ease if work == "check-ease" else check_knn
        return print(json.dumps({"difference": check(peer, folder)}))
    job = globals()[f"{work}_{peer}".replace("-", "_")](folder)
    if REPEATS[work] > 1:
        job()
    cpu, wall, n_done = time.process_time(), time.perf_counter(), 0
    while n_done < REPEATS[work] or (REPEATS[work] > 1 and time.process_time() - cpu < 0.5):
        outcome = job()
        n_done += 1
    spent = {"cpu": (time.process_time() - cpu) / n_done, "wall": (time.perf_counter() - wall) / n_done}
    if work == "evaluate":
        spent |= dict(zip(("ndcg", "hr", "mrr"), map(float, outcome)))
    else:
        keep(outcome, Path(folder, f"{work}-{peer}"))
    print(json.dumps(spent))


def n_threads():
    """For libraries that would start one thread per core whatever the environment says."""
    return int(os.environ["OMP_NUM_THREADS"])


def keep(weights, stem):
    """Saves the weights for the check."""
    import numpy as np
    import scipy.sparse

    if scipy.sparse.issparse(weights):
        scipy.sparse.save_npz(stem.with_suffix(".npz"), weights)
    else:
        np.save(stem.with_suffix(".npy"), weights)


def lenskit_data(folder, last=None):
    import pandas
    from lenskit.data import from_interactions_df

    users, items = read_pairs(folder, last)
    return from_interactions_df(pandas.DataFrame({"user_id": users, "item_id": items}))


def ease_lenskit(folder):
    from lenskit.knn.ease import EASEScorer

    data, model = lenskit_data(folder), EASEScorer(regularization=L2)
    data.interactions().matrix().scipy()

    def job():
        model.train(data)
        return model.weights

    return job


def ease_rectools(folder):
    import pandas
    from rectools.dataset import Dataset
    from rectools.models import EASEModel

    # Events by item, so that rectools numbers the items as the file does.
    users, items = read_pairs(folder)
    order = items.argsort(kind="stable")
    events = pandas.DataFrame({"user_id": users[order], "item_id": items[order], "weight": 1.0, "datetime": "2020-01-01"})
    data = Dataset.construct(events)

    def job():
        return EASEModel(regularization=L2).fit(data).weight

    return job


def knn_implicit(folder, neighbors=20):
    from implicit.nearest_neighbours import CosineRecommender

    matrix = read_matrix(folder, dtype="f8")

    def job():
        model = CosineRecommender(K=neighbors, num_threads=n_threads())
        model.fit(matrix, show_progress=False)
        return model.similarity

    return job


def knn_implicit_all(folder):
    return knn_implicit(folder, shape(folder)[1])


def knn_lenskit(folder):
    from lenskit.knn import ItemKNNScorer

    data, model = lenskit_data(folder), ItemKNNScorer(feedback="implicit")
    data.interactions().matrix().scipy()

    def job():
        model.train(data)
        return model.sim_matrix.to_scipy()

    return job


def evaluate_rectools(folder):
    import numpy as np
    import pandas
    from rectools.metrics import MRR, NDCG, HitRate, calc_metrics
    from rectools.models.rank import Distance, ImplicitRanker

    users, items = read_factors(folder)
    history = read_matrix(folder, -1)
    truth = pandas.DataFrame({"user_id": np.arange(len(users)), "item_id": [row[-1] for row in read_rows(folder)]})
    metrics = {"ndcg": NDCG(10, divide_by_achievable=True), "hr": HitRate(10), "mrr": MRR(10)}

    def job():
        found = ImplicitRanker(Distance.DOT, users, items, num_threads=n_threads()).rank(truth["user_id"].to_numpy(), k=10, filter_pairs_csr=history)
        lists = pandas.DataFrame(dict(zip(("user_id", "item_id", "score"), found)))
        lists["rank"] = lists.groupby("user_id", sort=False).cumcount() + 1
        values = calc_metrics(metrics, lists, truth)
        return values["ndcg"], values["hr"], values["mrr"]

    return job


def evaluate_lenskit(folder):
    import numpy as np
    import pandas
    from lenskit.batch import recommend
    from lenskit.data import ItemList, ItemListCollection, RecQuery
    from lenskit.metrics import NDCG, Hit, RecipRank, RunAnalysis
    from lenskit.pipeline import Component, topn_pipeline

    user_factors, item_factors = read_factors(folder)

    class FactorScorer(Component[ItemList]):
        config: None

        def __call__(self, query: RecQuery, items: ItemList) -> ItemList:
            return ItemList(items, scores=item_factors[items.ids()] @ user_factors[query.user_id])

    # The history of the training data is what the candidate selector leaves out.
    data = lenskit_data(folder, -1)
    missing = np.setdiff1d(np.arange(len(item_factors)), data.items.ids())
    if len(missing):
        from lenskit.data import DatasetBuilder

        builder = DatasetBuilder(data)
        builder.add_entities("item", missing)
        data = builder.build()
    rows = read_rows(folder)
    truth = ItemListCollection.from_df(pandas.DataFrame({"user_id": np.arange(len(rows)), "item_id": [row[-1] for row in rows]}), "user_id")
    pipeline = topn_pipeline(FactorScorer(), n=10)
    pipeline.train(data)

    # Its default discount is log2(rank), at least 1; ours and rectools' is log2(rank + 1).
    def job():
        lists = recommend(pipeline, list(range(len(rows))), 10, n_jobs=1)
        result = RunAnalysis(NDCG(10, discount=lambda ranks: np.log2(ranks + 1)), Hit(10), RecipRank(10)).measure(lists, truth)
        return tuple(result.list_metrics().mean())

    return job


def evaluate_torch(folder):
    """Scores, mask, top ten and metrics as RecBole does them, without its loaders, in batches of 256 users."""
    import numpy as np
    import torch

    users, items = (torch.from_numpy(factors) for factors in read_factors(folder))
    history_users, history_items = (torch.from_numpy(part) for part in read_pairs(folder, -1))
    ends = torch.searchsorted(history_users, torch.arange(len(users) + 1))
    targets = torch.tensor([row[-1] for row in read_rows(folder)])

    def job():
        hits = []
        with torch.inference_mode():
            for start in range(0, len(users), 256):
                end = min(start + 256, len(users))
                scores = users[start:end] @ items.T
                span = slice(ends[start], ends[end])
                scores[history_users[span] - start, history_items[span]] = -torch.inf
                hits.append(scores.topk(10, dim=1).indices == targets[start:end, None])
        hits = torch.cat(hits).numpy()
        places = np.arange(1, 11)
        return (hits / np.log2(places + 1)).sum(1).mean(), hits.any(1).mean(), (hits / places).sum(1).mean()

    return job


# ---- checks


def segue_weights(folder, work):
    import numpy as np
    import scipy.sparse

    read = lambda ending, dtype: np.fromfile(Path(folder, f"{work}.{ending}"), dtype)
    n_items = shape(folder)[1]
    return scipy.sparse.csr_matrix((read("values", "<f4"), read("columns", "<u4").astype(int), read("offsets", "<u8").astype(int)), shape=(n_items, n_items))


def check_ease(peer, folder):
    """Largest difference of a kept weight; the weights left out may not be larger than those kept."""
    import numpy as np

    ours = segue_weights(folder, "ease")
    theirs = np.load(Path(folder, f"ease-{peer}.npy"), mmap_mode="r")
    worst = 0.0
    for row in range(ours.shape[0]):
        span = slice(ours.indptr[row], ours.indptr[row + 1])
        columns, expected = ours.indices[span], np.array(theirs[row])
        worst = max(worst, np.abs(ours.data[span] - expected[columns]).max())
        smallest_kept = np.abs(ours.data[span]).min()
        expected[columns] = 0
        worst = max(worst, np.abs(expected).max() - smallest_kept if len(columns) < len(expected) - 1 else 0.0)
    assert worst < 1e-4, worst
    return float(worst)


def check_knn(peer, folder):
    """Largest difference of a weight that the peer keeps; self-similarity, which Segue leaves out, is skipped."""
    import numpy as np
    import scipy.sparse

    theirs = scipy.sparse.load_npz(Path(folder, f"knn-{peer}.npz")).tocoo()
    apart = theirs.row != theirs.col
    ours = segue_weights(folder, "knn")
    if peer != "implicit":
        assert apart.sum() == ours.nnz, (apart.sum(), ours.nnz)
    found = np.asarray(ours[theirs.row[apart], theirs.col[apart]]).ravel()
    worst = np.abs(found - theirs.data[apart]).max()
    assert worst < 1e-5, worst
    return float(worst)


if __name__ == "__main__":
    main()
