#!/usr/bin/env python3
"""CPU time and memory of encoding item titles with all-MiniLM-L6-v2: Segue beside ONNX Runtime and PyTorch, f32.

    cargo build --release -p segue-models --example encode
    segue model pull minilm
    python3 benches/encode.py --segue target/release/examples/encode --model ~/.cache/segue/models/minilm --titles titles.txt --python VENV/bin/python

VENV has `torch==2.15.0 onnx onnxruntime==1.32.0 tokenizers==0.23.2 safetensors`. `--titles` has one text a line. The peers' batches have
texts of similar length (sorted, at most `--batch-tokens` tokens with padding), as Segue's have. Each side is a process of its own, held to one core and one
thread; CPU seconds are those of tokenization and encoding, without loading. The script stops when vectors differ by more than 1e-4.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path

THREADS = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "TOKENIZERS_PARALLELISM"]
BAR = 0.7


def bert(torch, weights, n_layers, n_heads, width):
    """The network as a module: masked mean of the last layer, length 1."""
    F = torch.nn.functional

    class Bert(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.ParameterDict({k.replace(".", "|"): v for k, v in weights.items() if v.is_floating_point()})

        def get(self, name):
            return self.w[name.replace(".", "|")]

        def linear(self, x, name):
            return F.linear(x, self.get(name + ".weight"), self.get(name + ".bias"))

        def norm(self, x, name):
            return F.layer_norm(x, (width,), self.get(name + ".weight"), self.get(name + ".bias"), 1e-12)

        def forward(self, ids, mask):
            x = self.get("embeddings.word_embeddings.weight")[ids]
            x = x + self.get("embeddings.position_embeddings.weight")[: ids.shape[1]]
            x = self.norm(x + self.get("embeddings.token_type_embeddings.weight")[0], "embeddings.LayerNorm")
            n, t = ids.shape
            hide = (1.0 - mask[:, None, None, :].to(x.dtype)) * -1e9
            for layer in range(n_layers):
                p = f"encoder.layer.{layer}."
                split = lambda y: y.view(n, t, n_heads, width // n_heads).transpose(1, 2)
                q, k, v = (split(self.linear(x, p + "attention.self." + part)) for part in ("query", "key", "value"))
                y = F.scaled_dot_product_attention(q, k, v, attn_mask=hide).transpose(1, 2).reshape(n, t, width)
                x = self.norm(x + self.linear(y, p + "attention.output.dense"), p + "attention.output.LayerNorm")
                y = self.linear(F.gelu(self.linear(x, p + "intermediate.dense")), p + "output.dense")
                x = self.norm(x + y, p + "output.LayerNorm")
            m = mask[:, :, None].to(x.dtype)
            return F.normalize((x * m).sum(1) / m.sum(1), dim=-1)

    return Bert().eval()


def run_peer(peer, model, titles, out, batch_tokens):
    import numpy as np
    import tokenizers

    config = json.loads((model / "config.json").read_text())
    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    if peer == "torch" or not (out.parent / "model.onnx").exists():
        import torch
        from safetensors.torch import load_file

        torch.set_num_threads(1)
        module = bert(torch, load_file(model / "model.safetensors"), config["num_hidden_layers"], config["num_attention_heads"],
                      config["hidden_size"])
    if peer == "onnx-export":
        example = (torch.ones(2, 7, dtype=torch.long), torch.ones(2, 7, dtype=torch.long))
        axes = {"ids": {0: "n", 1: "t"}, "mask": {0: "n", 1: "t"}}
        torch.onnx.export(module, example, str(out.parent / "model.onnx"), input_names=["ids", "mask"],
                          output_names=["out"], dynamic_axes=axes, opset_version=17, dynamo=False)
        return
    if peer == "torch":
        def forward(ids, mask):
            with torch.inference_mode():
                return module(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    else:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(out.parent / "model.onnx"), options, providers=["CPUExecutionProvider"])

        def forward(ids, mask):
            return session.run(None, {"ids": ids, "mask": mask})[0]

    texts = titles.read_text().splitlines()
    start = time.process_time()
    tokens = [e.ids for e in tokenizer.encode_batch(texts)]
    order = sorted(range(len(texts)), key=lambda i: -len(tokens[i]))
    vectors = np.zeros((len(texts), config["hidden_size"]), np.float32)
    at = 0
    while at < len(order):
        longest = len(tokens[order[at]])
        part = order[at : at + max(1, batch_tokens // longest)]
        ids = np.zeros((len(part), longest), np.int64)
        mask = np.zeros((len(part), longest), np.int64)
        for row, i in enumerate(part):
            ids[row, : len(tokens[i])] = tokens[i]
            mask[row, : len(tokens[i])] = 1
        vectors[part] = forward(ids, mask)
        at += len(part)
    seconds = time.process_time() - start
    vectors.tofile(out)
    print(json.dumps({"cpu_seconds": seconds}))


def measured(command, environment):
    """The process's JSON line and its peak memory in MiB, on one core."""
    with tempfile.TemporaryFile("w+") as out:
        pin = lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        process = subprocess.Popen(command, stdout=out, env=environment, preexec_fn=pin)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{command[0]} failed")
        out.seek(0)
        return json.loads(out.read().strip().splitlines()[-1])["cpu_seconds"], usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segue", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--titles", type=Path, required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--batch-tokens", type=int, default=1024)
    parser.add_argument("--peers", nargs="+", default=["onnx", "torch"])
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        return run_peer(args.peer, args.model, args.titles, args.out, args.batch_tokens)
    environment = dict(os.environ, **{name: "1" for name in THREADS[:-1]}, TOKENIZERS_PARALLELISM="false")
    with tempfile.TemporaryDirectory() as folder:
        peer = lambda name: [args.python, __file__, "--peer", name, "--out", f"{folder}/{name}.f32", "--model",
                             str(args.model), "--titles", str(args.titles), "--batch-tokens", str(args.batch_tokens)]
        subprocess.run(peer("onnx-export"), check=True, env=environment, stdout=subprocess.DEVNULL)
        commands = {"segue": [str(args.segue), str(args.model), str(args.titles), f"{folder}/segue.f32"]}
        commands |= {name: peer(name) for name in args.peers}
        best = {}
        for _ in range(args.runs):
            for name, command in commands.items():
                seconds, mib = measured(command, environment)
                best[name] = min(best.get(name, (seconds, mib)), (seconds, mib))
        vectors = {name: array("f", Path(f"{folder}/{name}.f32").read_bytes()) for name in commands}
        for name in args.peers:
            far = max(abs(a - b) for a, b in zip(vectors["segue"], vectors[name]))
            if far > 1e-4 or len(vectors["segue"]) != len(vectors[name]):
                sys.exit(f"vectors of {name} differ by {far}")
            ratio = best["segue"][0] / best[name][0]
            verdict = "within" if ratio <= BAR else "above"
            print(f"segue {best['segue'][0]:.1f} s, {best['segue'][1]:.0f} MiB; {name} {best[name][0]:.1f} s, {best[name][1]:.0f} MiB; "
                  f"CPU ratio {ratio:.2f} ({verdict} the bar {BAR}); largest difference {far:.1e}")


if __name__ == "__main__":
    main()
