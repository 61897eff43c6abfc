"""Writes agreement.json: what ir_measures and ranx say about 1,000 random runs.

    python3 -m venv /tmp/evalvenv && /tmp/evalvenv/bin/pip install ir_measures==0.4.3 ranx==0.3.21
    /tmp/evalvenv/bin/python crates/eval/tests/reference/agreement.py

tests/agreement.rs draws the same runs from the same generator, evaluates them with this crate and compares.

The generator is the 64-bit LCG of Knuth's MMIX, s <- s * 6364136223846793005 + 1442695040888963407, which starts at
the number of the pair and answers `below(n)` with (s >> 33) % n. Draws happen in the order of `random_pair`.

Traps, and what is done about them:
- ties: trec_eval breaks them by falling id, ranx in undefined order. The runs have none.
- users without relevant items: both tools average a 0; this crate excludes them. They are left out here.
- missing lists: ir_measures says nothing about them, ranx only with make_comparable. They count as 0.
- ir_measures nDCG is linear in the relevance; 2^rel - 1 is ranx's ndcg_burges.
- AP@k of both divides by all relevant items (`ap_trec`). RecBole's division by min(R, k) is in neither tool.
- RR of trec_eval has no cutoff; ir_measures takes RR@k from another provider. ranx's mrr@k has one.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import ir_measures
import ranx

N_PAIRS = 1000
N_USERS = 3
COLUMNS = [
    ("ir_measures", "nDCG@3", "ndcg@3"),
    ("ir_measures", "nDCG@10", "ndcg@10"),
    ("ir_measures", "R@10", "recall@10"),
    ("ir_measures", "P@5", "precision@5"),
    ("ir_measures", "P@20", "precision@20"),
    ("ir_measures", "AP@10", "ap_trec@10"),
    ("ir_measures", "AP@100", "ap_trec@100"),
    ("ir_measures", "RR@10", "reciprocal_rank@10"),
    ("ir_measures", "Success@5", "hit_rate@5"),
    ("ranx", "ndcg@10", "ndcg@10"),
    ("ranx", "ndcg@20", "ndcg@20"),
    ("ranx", "ndcg_burges@10", "ndcg_burges@10"),
    ("ranx", "recall@5", "recall@5"),
    ("ranx", "precision@10", "precision@10"),
    ("ranx", "map@10", "ap_trec@10"),
    ("ranx", "mrr@5", "reciprocal_rank@5"),
    ("ranx", "hit_rate@10", "hit_rate@10"),
]


class Lcg:
    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


def random_pair(pair):
    """Qrels and run of one pair: {user: {item: int}}, {user: {item: float}}. Odd pairs are graded, even ones binary."""
    lcg, qrels, run = Lcg(pair), {}, {}
    for user in (f"u{u}" for u in range(N_USERS)):
        n_items = 5 + lcg.below(60)
        items = [f"d{item}" for item in range(n_items)]
        judgments = {}
        for item in items:
            if lcg.below(4) == 0:
                judgments[item] = lcg.below(4 if pair % 2 else 2)
        for last in range(n_items - 1, 0, -1):
            other = lcg.below(last + 1)
            items[last], items[other] = items[other], items[last]
        n_listed = lcg.below(6 if lcg.below(4) == 0 else n_items + 1)
        scores = {item: -0.5 * place + lcg.below(100) / 256 for place, item in enumerate(items[:n_listed])}
        if judgments:
            qrels[user] = judgments
        if scores:
            run[user] = scores
    return qrels, run


def with_pair(pair, users):
    return {f"{pair}_{user}": items for user, items in users.items()}


def main():
    qrels, run = {}, {}
    for pair in range(N_PAIRS):
        pair_qrels, pair_run = random_pair(pair)
        qrels |= with_pair(pair, pair_qrels)
        run |= with_pair(pair, pair_run)
    qrels = {query: items for query, items in qrels.items() if max(items.values()) > 0}
    run = {query: items for query, items in run.items() if query in qrels}

    values = {}  # (tool, measure) -> {query: value}
    measures = [ir_measures.parse_measure(name) for tool, name, _ in COLUMNS if tool == "ir_measures"]
    for result in ir_measures.iter_calc(measures, qrels, run):
        values.setdefault(("ir_measures", str(result.measure)), {})[result.query_id] = result.value
    ranx_run = ranx.Run(run)
    names = [name for tool, name, _ in COLUMNS if tool == "ranx"]
    ranx.evaluate(ranx.Qrels(qrels), ranx_run, names, make_comparable=True)
    for name in names:
        values["ranx", name] = ranx_run.scores[name]

    rows = []
    for pair in range(N_PAIRS):
        queries = [query for query in (f"{pair}_u{u}" for u in range(N_USERS)) if query in qrels]
        mean = lambda tool, name: sum(values[tool, name].get(query, 0.0) for query in queries) / len(queries)
        rows.append([round(float(mean(tool, name)), 12) for tool, name, _ in COLUMNS] if queries else [])
    packages = ["ir_measures", "pytrec_eval-terrier", "ranx", "numba", "numpy"]
    head = {
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "n_pairs": N_PAIRS,
        "n_queries": len(qrels),
        "columns": [{"tool": tool, "theirs": theirs, "ours": ours} for tool, theirs, ours in COLUMNS],
    }
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    text = json.dumps(head, indent=1)[:-2] + ',\n "rows": [\n' + lines + "\n]}\n"
    (Path(__file__).parent / "agreement.json").write_text(text)


if __name__ == "__main__":
    main()
