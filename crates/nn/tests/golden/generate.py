#!/usr/bin/env python3
"""Outputs and gradients of every layer as PyTorch computes them, for `golden.rs`.

    python3 generate.py        # writes layers.json beside itself; needs the packages it names there

Blocks come from `torch.nn.TransformerEncoderLayer` on a padded batch with masks: what is written is the part that is not
padding, one sequence behind the other, as Segue packs them. Arrays are f32 of a fixed seed; losses are `Σ r·y`.
"""

import json
from pathlib import Path

import numpy
import torch
from torch import nn
from torch.nn import functional as F

LENGTHS = [4, 1, 5]
WIDTH, HEADS, HIDDEN = 8, 2, 12


def main():
    torch.manual_seed(2026)
    torch.set_num_threads(1)
    cases = {
        "linear": linear(),
        "low_rank": low_rank(),
        "layer_norm": layer_norm(),
        "gelu": gelu(),
        "attention_causal": attention(causal=True),
        "attention_bidirectional": attention(causal=False),
        "block_pre_causal": blocks(1, pre=True, causal=True),
        "block_post_bidirectional": blocks(1, pre=False, causal=False),
        "transformer_pre_causal": blocks(2, pre=True, causal=True),
        "sampled_softmax": sampled_softmax(),
        "binary_cross_entropy": binary_cross_entropy(),
        "info_nce": info_nce(masked=False),
        "info_nce_masked": info_nce(masked=True),
        "sparse_adam": sparse_adam(),
        "singular": singular(),
        "adapter": adapter(),
        "prefix_causal": prefix(causal=True),
        "prefix_bidirectional": prefix(causal=False),
        "fusion": fusion(),
        "neighborhood": neighborhood(),
    }
    written = {"versions": {"torch": torch.__version__, "numpy": numpy.__version__}, "cases": cases}
    text = json.dumps(written, separators=(",", ":"))
    Path(__file__).with_name("layers.json").write_text(text.replace('"cases":', '\n"cases":').replace('},"', '},\n"') + "\n")


def numbers(tensor):
    """The shortest decimals that give the same f32 back."""
    return [float(str(numpy.float32(x))) for x in tensor.detach().reshape(-1).tolist()]


def normal(*shape, scale=1.0):
    return (scale * torch.randn(*shape)).requires_grad_()


def case(x, y, parameters, **more):
    """Backward from `Σ r·y`; `parameters` by Segue's names."""
    r = torch.randn_like(y) if y.dim() else torch.tensor(1.0)
    y.backward(r)
    arrays = {name: {"values": numbers(array), "gradient": numbers(array.grad)} for name, array in parameters.items()}
    return {"x": numbers(x), "y": numbers(y), "dy": numbers(r), "dx": numbers(x.grad), "arrays": arrays, **more}


def linear():
    layer, x = nn.Linear(5, 7), normal(6, 5)
    return case(x, layer(x), {"linear.weight": layer.weight, "linear.bias": layer.bias}, lengths=[6])


def low_rank():
    """Deltas on outputs 0..2 and 4..7, scale .7; the weight is trained too, so that its gradient is compared."""
    layer, x = nn.Linear(5, 7), normal(6, 5)
    parameters = {"linear.weight": layer.weight, "linear.bias": layer.bias}
    parts = [torch.zeros(6, 7)]
    for at, (first, last) in enumerate([(0, 2), (4, 7)]):
        a, b = normal(3, 5), normal(last - first, 3)
        parameters |= {f"delta{at}.lora_A.weight": a, f"delta{at}.lora_B.weight": b}
        parts.append(F.pad(0.7 * (x @ a.T) @ b.T, (first, 7 - last)))
    return case(x, layer(x) + sum(parts), parameters, lengths=[6])


def layer_norm():
    layer, x = nn.LayerNorm(19, eps=1e-5), (3 * torch.randn(6, 19) + 1).requires_grad_()
    nn.init.normal_(layer.weight), nn.init.normal_(layer.bias)
    return case(x, layer(x), {"norm.weight": layer.weight, "norm.bias": layer.bias}, lengths=[6])


def gelu():
    x = torch.linspace(-6, 6, 60).reshape(10, 6).requires_grad_()
    return case(x, F.gelu(x), {}, lengths=[10])


def kept():
    """`[sequence, place]`, true where there is no padding."""
    return torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]


def padded(x):
    out = torch.full((len(LENGTHS), max(LENGTHS), x.shape[-1]), 0.37)  # padding that would show
    out[kept()] = x
    return out


def attention(causal):
    x = normal(sum(LENGTHS), 3 * WIDTH)
    heads = lambda part: part.reshape(len(LENGTHS), -1, HEADS, WIDTH // HEADS).transpose(1, 2)
    q, k, v = (heads(part) for part in padded(x).split(WIDTH, dim=-1))
    seen = kept()[:, None, None, :]
    if causal:
        seen = seen & torch.ones(max(LENGTHS), max(LENGTHS), dtype=torch.bool).tril()
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2).flatten(2)
    return case(x, out[kept()], {}, lengths=LENGTHS)


def blocks(n, pre, causal):
    x = normal(sum(LENGTHS), WIDTH)
    hidden = padded(x)
    unseen = torch.ones(max(LENGTHS), max(LENGTHS), dtype=torch.bool).triu(1) if causal else None
    parameters = {}
    for at in range(n):
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, dropout=0.0, activation=F.gelu, layer_norm_eps=1e-5, batch_first=True, norm_first=pre)
        for array in layer.parameters():
            array.data += 0.2 * torch.randn_like(array)
        attended = layer.self_attn
        named = {"qkv.weight": attended.in_proj_weight, "qkv.bias": attended.in_proj_bias}
        for ours, theirs in [("out", attended.out_proj), ("up", layer.linear1), ("down", layer.linear2), ("norm1", layer.norm1), ("norm2", layer.norm2)]:
            named |= {f"{ours}.weight": theirs.weight, f"{ours}.bias": theirs.bias}
        parameters |= {f"blocks.{at}.{name}": array for name, array in named.items()}
        hidden = layer.train()(hidden, src_mask=unseen, src_key_padding_mask=~kept())
    return case(x, hidden[kept()], parameters, lengths=LENGTHS)


def sampled_softmax():
    """Cross-entropy over one positive and shared negatives; a negative equal to the positive is left out."""
    x, table = normal(9, 6), normal(20, 6)
    positives, negatives = torch.randint(20, (9,)), torch.randint(20, (14,))
    scores = torch.cat([(x * table[positives]).sum(1, keepdim=True), x @ table[negatives].T], dim=1)
    hits = F.pad(positives[:, None] == negatives[None], (1, 0))
    assert hits.any()
    loss = F.cross_entropy(scores.masked_fill(hits, -torch.inf), torch.zeros(9, dtype=torch.long))
    ids = {"positives": positives.tolist(), "negatives": negatives.tolist()}
    return case(x, loss, {"table": table}, lengths=[9], **ids)


def binary_cross_entropy():
    x = torch.cat([torch.randn(20), torch.tensor([-100.0, 100.0, -20.0, 20.0, 0.0])]).requires_grad_()
    targets = torch.rand(25).round(decimals=3)
    return case(x, F.binary_cross_entropy_with_logits(x, targets), {}, lengths=[25], targets=numbers(targets))


def info_nce(masked):
    """Both directions, temperature .2; rows are `query | key`."""
    x = normal(7, 10)
    scores = x[:, :5] @ x[:, 5:].T / 0.2
    hidden = (torch.rand(7, 7) < 0.3 if masked else torch.zeros(7, 7, dtype=torch.bool)) & ~torch.eye(7, dtype=torch.bool)
    scores = scores.masked_fill(hidden, -torch.inf)
    loss = (F.cross_entropy(scores, torch.arange(7)) + F.cross_entropy(scores.T, torch.arange(7))) / 2
    return case(x, loss, {}, lengths=[7], hidden=hidden.reshape(-1).int().tolist())


def sparse_adam():
    """Six steps on a table of ten rows; rows repeat within a step and stay away for some."""
    table = torch.randn(10, 4).requires_grad_()
    start, steps = numbers(table), []
    optimizer = torch.optim.SparseAdam([table], lr=0.05)
    for _ in range(6):
        rows, values = torch.randint(10, (5,)), torch.randn(5, 4)
        table.grad = torch.sparse_coo_tensor(rows[None], values, (10, 4), check_invariants=True)
        optimizer.step()
        steps.append({"rows": rows.tolist(), "values": numbers(values)})
    return {"start": start, "steps": steps, "end": numbers(table)}


def singular():
    """As `low_rank`, with singular values, and .3 times the penalty of AdaLoRA on both deltas in the gradients."""
    layer, x = nn.Linear(5, 7), normal(6, 5)
    parameters = {"linear.weight": layer.weight, "linear.bias": layer.bias}
    parts, penalty, one = [torch.zeros(6, 7)], 0.0, torch.eye(3)
    for at, (first, last) in enumerate([(0, 2), (4, 7)]):
        a, b, e = normal(3, 5), normal(last - first, 3), normal(3, 1)
        parameters |= {f"delta{at}.lora_A": a, f"delta{at}.lora_B": b, f"delta{at}.lora_E": e}
        parts.append(F.pad(0.7 * (x @ (a * e).T) @ b.T, (first, 7 - last)))
        penalty = penalty + 0.3 * (((a @ a.T - one) ** 2).sum() + ((b.T @ b - one) ** 2).sum())
    penalty.backward()
    return case(x, layer(x) + sum(parts), parameters, lengths=[6], penalty=penalty.item())


def adapter():
    x, down, up = normal(6, 8), nn.Linear(8, 3), nn.Linear(3, 8)
    named = {"down": down, "up": up}
    parameters = {f"adapter.{name}.{part}": getattr(layer, part) for name, layer in named.items() for part in ("weight", "bias")}
    return case(x, x + up(F.gelu(down(x))), parameters, lengths=[6])


def prefix(causal):
    """Attention with three keys and values in front of every sequence."""
    x, keys, values = normal(sum(LENGTHS), 3 * WIDTH), normal(3, WIDTH), normal(3, WIDTH)
    heads = lambda part: part.reshape(len(LENGTHS), -1, HEADS, WIDTH // HEADS).transpose(1, 2)
    q, k, v = padded(x).split(WIDTH, dim=-1)
    behind = lambda rows, part: torch.cat([rows.expand(len(LENGTHS), -1, -1), part], dim=1)
    seen = kept()[:, None, None, :]
    if causal:
        seen = seen & torch.ones(max(LENGTHS), max(LENGTHS), dtype=torch.bool).tril()
    seen = F.pad(seen.expand(-1, -1, max(LENGTHS), -1), (3, 0), value=True)
    out = F.scaled_dot_product_attention(heads(q), heads(behind(keys, k)), heads(behind(values, v)), attn_mask=seen)
    out = out.transpose(1, 2).flatten(2)
    return case(x, out[kept()], {"prefix.keys": keys, "prefix.values": values}, lengths=LENGTHS)


def fusion():
    """Three tokens a row; absent ones as in `subjects/sets.rs`: each odd row lacks token `row % 3`, row 3 lacks all."""
    n, m, width, n_key = 7, 3, 6, 4
    x, kinds = normal(n, m * width), normal(m, width)
    query, key = normal(n_key, width), normal(n_key, width)
    absent = torch.tensor([[row == 3 or (row % 2 == 1 and token == row % m) for token in range(m)] for row in range(n)])
    tokens = x.reshape(n, m, width)
    q, k = (tokens + kinds) @ query.T, (tokens + kinds) @ key.T
    some = ~absent.all(dim=1)
    scores = (q @ k.transpose(1, 2) / n_key**0.5)[some].masked_fill(absent[some][:, None, :], -torch.inf)
    counted = (~absent[some]).float()
    weights = (scores.softmax(dim=-1) * counted[:, :, None]).sum(dim=1) / counted.sum(dim=1, keepdim=True)
    y = torch.zeros(n, width).index_put((some.nonzero().squeeze(1),), (weights[:, :, None] * tokens[some]).sum(dim=1))
    parameters = {"fusion.kinds": kinds, "fusion.query.weight": query, "fusion.key.weight": key}
    return case(x, y, parameters, lengths=[n])


def neighborhood():
    """Every node hears the nodes before it in its sequence, by the relation `distance % 2`."""
    width = 6
    x, relations = normal(sum(LENGTHS), width), normal(2, width)
    rows, start = [], 0
    for length in LENGTHS:
        for node in range(length):
            own = x[start + node]
            if node == 0:
                rows.append(own)
                continue
            messages = torch.stack([x[start + other] * relations[(node - other) % 2] for other in range(node)])
            weights = (messages @ own / width**0.5).softmax(dim=0)
            rows.append(own + weights @ messages)
        start += length
    return case(x, torch.stack(rows), {"graph.relations": relations}, lengths=LENGTHS)


if __name__ == "__main__":
    main()
