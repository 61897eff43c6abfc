#!/usr/bin/env python3
"""Tokens of Segue beside those of the Python package `tokenizers` (0.23), text by text.

    cargo build --release -p segue-models --example encode
    python3 scripts/check/tokens.py target/release/examples/encode MODEL_FOLDER TEXTS...

TEXTS are files with one text a line. The exit code is 1 when any text differs.
"""

import json
import subprocess
import sys
import tempfile

import tokenizers

encode, folder, *files = sys.argv[1:]
tokenizer = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.no_padding()
try:
    longest = json.load(open(f"{folder}/sentence_bert_config.json"))["max_seq_length"]
except FileNotFoundError:
    longest = 256
tokenizer.enable_truncation(longest)
n_different = 0
for file in files:
    with tempfile.NamedTemporaryFile("r") as out:
        subprocess.run([encode, folder, file, out.name, "--tokens"], check=True, stdout=subprocess.DEVNULL)
        ours = [json.loads(line) for line in out]
    # Lines end at line feeds alone, as in Rust.
    texts = [line.removesuffix("\r") for line in open(file, newline="\n").read().split("\n")]
    if texts and texts[-1] == "":
        texts.pop()
    theirs = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    different = [at for at, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]]
    n_different += len(different) + abs(len(ours) - len(theirs))
    print(f"{file}: {len(texts)} texts, {sum(map(len, theirs))} tokens, {len(different)} texts differ", *[texts[at] for at in different[:3]])
sys.exit(n_different > 0)
