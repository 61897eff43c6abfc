#!/usr/bin/env python3
"""Vectors and gradients of small tuned encoders as PyTorch computes them, for `tuning.rs`.

    python3 tunings.py        # writes tunings.json beside itself; needs torch, numpy, transformers and peft

The encoder is written out below, texts one by one without padding. With LoRA and with AdaLoRA it is also run as
`transformers.BertModel` under PEFT, and the script stops where the two differ. The loss is `Σ r·y`, and for AdaLoRA the
orthogonality penalty (weight .1) is added.
"""

import json
from pathlib import Path

import numpy
import peft
import torch
import transformers
from torch.nn import functional as F

WIDTH, HIDDEN, HEADS, LAYERS, WORDS, POSITIONS, EPSILON = 8, 12, 2, 2, 9, 16, 1e-5
TEXTS = [[2, 4, 6, 8, 3], [2, 5, 3], [2, 7, 7, 4, 1, 8, 6, 3], [2, 3]]
RANK, ALPHA, PENALTY = 3, 6.0, 0.1


def main():
    torch.manual_seed(2026)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    base = base_arrays()
    r = rounded(torch.randn(len(TEXTS), WIDTH))
    cases = {name: case(base, parts, r, name) for name, parts in tunings().items()}
    versions = {module.__name__: module.__version__ for module in (torch, numpy, transformers, peft)}
    base = {name: numbers(values) for name, values in base.items()}
    written = {"versions": versions, "texts": TEXTS, "r": numbers(r), "base": base, "cases": cases}
    text = json.dumps(written, separators=(",", ":"))
    Path(__file__).with_name("tunings.json").write_text(text.replace('"base":', '\n"base":').replace('"cases":', '\n"cases":') + "\n")


def rounded(tensor):
    return tensor.float().double()


def numbers(tensor):
    return [float(str(numpy.float32(x))) for x in tensor.detach().reshape(-1).tolist()]


def random(*shape, scale=0.4, center=0.0):
    return rounded(center + scale * torch.randn(*shape))


def base_arrays():
    arrays = {f"embeddings.{part}_embeddings.weight": random(n, WIDTH) for part, n in [("word", WORDS), ("position", POSITIONS), ("token_type", 2)]}

    def linear(name, n_out, n_in):
        arrays[f"{name}.weight"], arrays[f"{name}.bias"] = random(n_out, n_in), random(n_out)

    def norm(name):
        arrays[f"{name}.weight"], arrays[f"{name}.bias"] = random(WIDTH, center=1.0), random(WIDTH)

    norm("embeddings.LayerNorm")
    for at in range(LAYERS):
        name = f"encoder.layer.{at}"
        linear(f"{name}.attention.self.qkv", 3 * WIDTH, WIDTH)
        linear(f"{name}.attention.output.dense", WIDTH, WIDTH)
        norm(f"{name}.attention.output.LayerNorm")
        linear(f"{name}.intermediate.dense", HIDDEN, WIDTH)
        linear(f"{name}.output.dense", WIDTH, HIDDEN)
        norm(f"{name}.output.LayerNorm")
    return arrays


def tunings():
    parts = {"lora": {}, "adalora": {}, "adapter": {}, "prefix": {}}
    for at in range(LAYERS):
        name = f"encoder.layer.{at}"
        for target in ("query", "value"):
            lora = f"{name}.attention.self.{target}.lora"
            parts["lora"] |= {f"{lora}_A.weight": random(RANK, WIDTH), f"{lora}_B.weight": random(WIDTH, RANK)}
            parts["adalora"] |= {f"{lora}_A": random(RANK, WIDTH), f"{lora}_B": random(WIDTH, RANK), f"{lora}_E": random(RANK, 1)}
        adapter = f"{name}.output.adapter"
        parts["adapter"] |= {f"{adapter}.down.weight": random(4, WIDTH), f"{adapter}.down.bias": random(4)}
        parts["adapter"] |= {f"{adapter}.up.weight": random(WIDTH, 4), f"{adapter}.up.bias": random(WIDTH)}
        prefix = f"{name}.attention.self.prefix"
        parts["prefix"] |= {f"{prefix}.keys": random(3, WIDTH), f"{prefix}.values": random(3, WIDTH)}
    return parts


def case(base, parts, r, name):
    parts = {name: values.requires_grad_() for name, values in parts.items()}
    vectors = torch.stack([vector(base, parts, text) for text in TEXTS])
    loss = (r * vectors).sum()
    one = torch.eye(RANK)
    for array in parts if name == "adalora" else []:
        if array.endswith("lora_A"):
            a, b = parts[array], parts[array[:-1] + "B"]
            loss = loss + PENALTY * (((a @ a.T - one) ** 2).sum() + ((b.T @ b - one) ** 2).sum())
    loss.backward()
    if name in ("lora", "adalora"):
        theirs = by_peft(base, parts, name)
        assert torch.allclose(vectors, theirs, rtol=2e-5, atol=2e-5), (name, vectors, theirs)
    arrays = {name: {"values": numbers(values), "gradient": numbers(values.grad)} for name, values in parts.items()}
    return {"vectors": numbers(vectors), "arrays": arrays}


def vector(base, parts, text):
    """The mean of the last layer's rows, with length 1."""
    norm = lambda x, name: F.layer_norm(x, (WIDTH,), base[f"{name}.weight"], base[f"{name}.bias"], EPSILON)
    linear = lambda x, name: F.linear(x, base[f"{name}.weight"], base[f"{name}.bias"])
    tables = [base[f"embeddings.{part}_embeddings.weight"] for part in ("word", "position", "token_type")]
    x = norm(tables[0][text] + tables[1][: len(text)] + tables[2][0], "embeddings.LayerNorm")
    for at in range(LAYERS):
        name = f"encoder.layer.{at}"
        q, k, v = linear(x, f"{name}.attention.self.qkv").split(WIDTH, dim=1)
        q, v = q + low_rank(parts, x, f"{name}.attention.self.query"), v + low_rank(parts, x, f"{name}.attention.self.value")
        prefix = f"{name}.attention.self.prefix"
        if f"{prefix}.keys" in parts:
            k, v = torch.cat([parts[f"{prefix}.keys"], k]), torch.cat([parts[f"{prefix}.values"], v])
        q, k, v = (rows.reshape(len(rows), HEADS, -1).transpose(0, 1) for rows in (q, k, v))
        shares = torch.softmax(q @ k.transpose(1, 2) / (WIDTH // HEADS) ** 0.5, dim=2)
        attended = (shares @ v).transpose(0, 1).reshape(len(text), WIDTH)
        x = norm(x + linear(attended, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        y = linear(F.gelu(linear(x, f"{name}.intermediate.dense")), f"{name}.output.dense")
        adapter = f"{name}.output.adapter"
        if f"{adapter}.up.weight" in parts:
            part = lambda x, half: F.linear(x, parts[f"{adapter}.{half}.weight"], parts[f"{adapter}.{half}.bias"])
            y = y + part(F.gelu(part(y, "down")), "up")
        x = norm(x + y, f"{name}.output.LayerNorm")
    return F.normalize(x.mean(0), dim=0)


def low_rank(parts, x, name):
    if f"{name}.lora_A.weight" in parts:
        return ALPHA / RANK * x @ parts[f"{name}.lora_A.weight"].T @ parts[f"{name}.lora_B.weight"].T
    if f"{name}.lora_E" in parts:
        return ALPHA / RANK * x @ (parts[f"{name}.lora_A"] * parts[f"{name}.lora_E"]).T @ parts[f"{name}.lora_B"].T
    return 0.0


def by_peft(base, parts, name):
    config = transformers.BertConfig(
        vocab_size=WORDS, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=HIDDEN,
        max_position_embeddings=POSITIONS, type_vocab_size=2, layer_norm_eps=EPSILON, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )
    state = {}
    for array, values in base.items():
        if ".qkv." in array:
            state |= {array.replace("qkv", part): values for part, values in zip(("query", "key", "value"), values.chunk(3))}
        else:
            state[array] = values
    model = transformers.BertModel(config, add_pooling_layer=False)
    model.load_state_dict(state)
    common = {"r": RANK, "lora_alpha": ALPHA, "target_modules": ["query", "value"]}
    if name == "lora":
        model = peft.get_peft_model(model, peft.LoraConfig(**common))
    else:
        model = peft.get_peft_model(model, peft.AdaLoraConfig(init_r=RANK, target_r=2, total_step=10, tinit=1, tfinal=1, **common))
    loaded = peft.set_peft_model_state_dict(model, {f"base_model.model.{array}": values.detach() for array, values in parts.items()})
    assert not loaded.unexpected_keys, loaded.unexpected_keys
    model = model.double().eval()
    rows = [model(input_ids=torch.tensor([text])).last_hidden_state[0] for text in TEXTS]
    return torch.stack([F.normalize(x.mean(0), dim=0) for x in rows])


if __name__ == "__main__":
    main()
