#!/usr/bin/env python3
"""Loss and gradients of masked-language modeling as `transformers.BertForMaskedLM` computes them, for `pretraining.rs`.

    python3 masked_language.py        # writes masked_language.json beside itself; needs torch, numpy and transformers

A tiny BERT of random weights (f32 values, computed in f64, nothing dropped) reads texts with hidden tokens one by one without
padding; the loss is the mean over all hidden tokens. Query, key and value are written as one array, as Segue holds them.
"""

import json
from pathlib import Path

import numpy
import torch
import transformers

WIDTH, HIDDEN, HEADS, LAYERS, WORDS, POSITIONS, EPSILON, MASK = 8, 12, 2, 2, 10, 16, 1e-5, 9
# What the encoder reads, and {place: token that stood there}: hidden, replaced, kept.
TEXTS = [
    ([2, 4, MASK, 8, 3], {2: 6}),
    ([2, 5, 3], {}),
    ([2, 7, MASK, 4, 1, 5, 6, 3], {2: 7, 5: 8, 6: 6}),
    ([2, MASK, 3], {1: 5}),
]


def main():
    torch.manual_seed(2027)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    config = transformers.BertConfig(
        vocab_size=WORDS, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=HIDDEN,
        max_position_embeddings=POSITIONS, type_vocab_size=2, layer_norm_eps=EPSILON, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )
    model = transformers.BertForMaskedLM(config).double().eval()
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight, "the decoder is tied"
    for name, values in model.named_parameters():
        center = 1.0 if "LayerNorm.weight" in name else 0.0
        values.data = (center + 0.4 * torch.randn(values.shape)).float().double()
    n_hidden = sum(len(hidden) for _, hidden in TEXTS)
    total = 0.0
    for tokens, hidden in TEXTS:
        if hidden:
            labels = torch.tensor([[hidden.get(at, -100) for at in range(len(tokens))]])
            total = total + model(input_ids=torch.tensor([tokens]), labels=labels).loss * len(hidden) / n_hidden
    total.backward()
    values = fused({name: values.data for name, values in model.named_parameters()})
    gradients = fused({name: values.grad for name, values in model.named_parameters()})
    written = {
        "versions": {module.__name__: module.__version__ for module in (torch, numpy, transformers)},
        "texts": [{"tokens": tokens, "hidden": sorted(hidden.items())} for tokens, hidden in TEXTS],
        "loss": total.item(),
        "arrays": {name: {"values": numbers(values[name]), "gradient": numbers(gradients[name])} for name in values},
    }
    text = json.dumps(written, separators=(",", ":"))
    Path(__file__).with_name("masked_language.json").write_text(text.replace('"arrays":', '\n"arrays":').replace('},"', '},\n"') + "\n")


def fused(arrays):
    """Query, key and value as one array; the encoder's names without the prefix."""
    joined = {}
    for name, values in arrays.items():
        name = name.removeprefix("bert.")
        if ".query." in name:
            parts = [arrays["bert." + name.replace("query", part)] for part in ("query", "key", "value")]
            joined[name.replace("query", "qkv")] = torch.cat(parts)
        elif ".key." not in name and ".value." not in name:
            joined[name] = values
    return joined


def numbers(tensor):
    return [float(str(numpy.float32(x))) for x in tensor.detach().reshape(-1).tolist()]


if __name__ == "__main__":
    main()
