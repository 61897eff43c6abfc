#!/usr/bin/env python3
"""Image and audio encoders on real files: Segue beside ONNX Runtime, f32, one thread on one core.

    cargo build --release -p segue-models --example content_encoders
    segue model pull efficientnet-lite0; segue model pull musicnn
    python3 benches/content_encoders.py --segue target/release/examples/content_encoders --python VENV/bin/python \\
        --image ~/.cache/segue/models/efficientnet-lite0 efficientnet-lite0.onnx PICTURES... \\
        --audio ~/.cache/segue/models/musicnn musicnn.onnx CLIPS...

VENV has `onnxruntime==1.32.0 numpy pillow soundfile scipy`. The graphs are exports of the same weights: `pixel_values [n, 3, 224, 224]` →
`embedding [n, 1280]`; log-mel `[n, 187, 96]` → 200 values first. PICTURES and CLIPS are files or folders (`--limit` takes the first N by name).

Segue writes what its network read and gave. ONNX Runtime reads the same numbers; the table has the largest difference of its outputs from Segue's,
and the speed of both: best CPU time of `--runs` passes over all inputs, without decoding, the sides in turns, each a process held to one core and
one thread. ONNX Runtime runs with batches of 1, 4 and 16; its best one counts. Inputs are checked as a whole path too: pictures against Pillow
(largest difference of a pixel, and of the directions of the outputs), sounds against a log-mel spectrogram by numpy from soundfile's samples, brought
to 16 kHz by scipy. The script stops when outputs differ by more than 1e-4.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

THREADS = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]
KINDS = {"image": {".png", ".jpg", ".jpeg", ".webp"}, "audio": {".wav", ".flac", ".mp3", ".ogg"}}
SHAPES = {"image": (224, 224, 3), "audio": (187, 96)}
BAR, TOLERANCE = 0.8, 1e-4


def peer(kind, graph, folder, runs):
    """In a process of its own: outputs, and the best time of every batch size."""
    import time

    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    inputs = np.fromfile(folder / "inputs.f32", np.float32).reshape(-1, *SHAPES[kind])
    if kind == "image":
        inputs = np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))
    feed, given = session.get_inputs()[0].name, session.get_outputs()[0].name
    best = {}
    for batch in (1, 4, 16):
        for _ in range(runs):
            start = time.process_time()
            outputs = [session.run([given], {feed: inputs[at : at + batch]})[0] for at in range(0, len(inputs), batch)]
            seconds = time.process_time() - start
            best[batch] = min(best.get(batch, seconds), seconds)
    np.concatenate(outputs).tofile(folder / "peer.f32")
    print(json.dumps(best))


def by_pillow(file):
    """Pixels as Pillow resizes them, [224, 224, 3] between 0 and 255."""
    import numpy as np
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(Image.open(file))
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    picture = picture.convert("RGB")
    short = min(picture.size)
    size = tuple(side * 256 // short for side in picture.size)
    picture = picture.resize(size, Image.Resampling.BILINEAR)
    left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
    return np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32)


def by_numpy(file):
    """Log-mel patches from the definition, [n, 187, 96]."""
    import numpy as np
    import soundfile
    from scipy.signal import resample_poly

    samples, rate = soundfile.read(file, dtype="float64", always_2d=True)
    samples = samples[: 120 * rate].mean(1)
    if rate != 16000:
        shared = np.gcd(rate, 16000)
        samples = resample_poly(samples, 16000 // shared, rate // shared, window=("kaiser", 8.0))
    if len(samples) < 186 * 256:
        samples = np.resize(samples, 186 * 256)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    padded = np.pad(samples, 256, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 512)[::256][: len(samples) // 256 + 1]
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    mel = lambda f: f * 3 / 200 if f < 1000 else 15 + np.log(f / 1000) * 27 / np.log(6.4)
    hertz = lambda m: m * 200 / 3 if m < 15 else 1000 * np.exp((m - 15) * np.log(6.4) / 27)
    edges = np.array([hertz(mel(8000.0) * at / 97) for at in range(98)])
    bins = np.arange(257) * 16000 / 512
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    values = np.log10(1e4 * (power @ filters) + 1)
    n = len(values) // 187
    return values[: n * 187].reshape(n, 187, 96).astype(np.float32)


def whole_path(kind, graph, files, inputs, outputs):
    """How far the inputs and the directions of the outputs are from those of another decoder."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    feed, given = session.get_inputs()[0].name, session.get_outputs()[0].name
    at, apart, cosines = 0, [], []
    for file in files:
        other = by_pillow(file)[None] if kind == "image" else by_numpy(file)
        own, given_own = inputs[at : at + len(other)], outputs[at : at + len(other)]
        at += len(other)
        if kind == "image":
            apart.append(np.abs((own + 1) * 127.5 - other).max())
            other = (other / 127.5 - 1).transpose(0, 3, 1, 2)
        else:
            apart.append(np.abs(own - other).mean())
        vector = session.run([given], {feed: np.ascontiguousarray(other)})[0].mean(0)
        own = given_own.mean(0)
        cosines.append(float(own @ vector / max(1e-12, np.linalg.norm(own) * np.linalg.norm(vector))))
    if at != len(inputs):
        sys.exit(f"{len(inputs)} inputs, the other decoder has {at}")
    return float(max(apart)), float(np.median(apart)), min(cosines)


def pinned(command, environment):
    pin = lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    done = subprocess.run(command, env=environment, preexec_fn=pin, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed: {done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def files_of(kind, places, limit):
    found = []
    for place in map(Path, places):
        inside = sorted(p for p in place.rglob("*") if p.suffix.lower() in KINDS[kind]) if place.is_dir() else [place]
        found += inside
    return [str(file) for file in found[:limit]]


def compare(kind, model, graph, files, args):
    environment = dict(os.environ, **{name: "1" for name in THREADS})
    with tempfile.TemporaryDirectory() as folder:
        own = [str(args.segue), kind, model, folder, str(args.runs), *files]
        other = [args.python, __file__, "--peer", kind, graph, folder, "--runs", str(args.runs)]
        ours, theirs = [], {}
        for _ in range(2):
            ours += pinned(own, environment)["cpu_seconds"]
            for batch, seconds in pinned(other, environment).items():
                theirs[batch] = min(theirs.get(batch, seconds), seconds)
        check = [args.python, __file__, "--check", kind, graph, folder, *files]
        figures = json.loads(subprocess.run(check, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    n = figures["n"] if kind == "image" else len(files)
    batch = min(theirs, key=theirs.get)
    own, other = n / min(ours), n / theirs[batch]
    verdict = "met" if own / other >= BAR else "missed"
    print(f"| {kind} | {len(files)} files, {figures['n']} inputs | {own:.1f} | {other:.1f} ({batch}) | {own / other:.2f} | ≥ {BAR}: {verdict} "
          f"| {figures['apart']:.1e} of {figures['largest']:.1f} | {figures['input_apart']:.3g} ({figures['input_median']:.2g}) | {figures['cosine']:.5f} |")
    if figures["apart"] > TOLERANCE:
        sys.exit(f"outputs differ by {figures['apart']}")


def check(kind, graph, folder, files):
    import numpy as np

    inputs = np.fromfile(folder / "inputs.f32", np.float32).reshape(-1, *SHAPES[kind])
    own = np.fromfile(folder / "outputs.f32", np.float32).reshape(len(inputs), -1)
    other = np.fromfile(folder / "peer.f32", np.float32).reshape(len(inputs), -1)
    most, median, cosine = whole_path(kind, graph, files, inputs, own)
    print(json.dumps({"n": len(inputs), "apart": float(np.abs(own - other).max()), "largest": float(np.abs(other).max()),
                      "input_apart": most, "input_median": median, "cosine": cosine}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segue", type=Path)
    parser.add_argument("--image", nargs="+", metavar="MODEL GRAPH FILES")
    parser.add_argument("--audio", nargs="+", metavar="MODEL GRAPH FILES")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--peer", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--check", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        return peer(args.peer[0], args.peer[1], Path(args.peer[2]), args.runs)
    if args.check:
        return check(args.check[0], args.check[1], Path(args.check[2]), args.check[3:])
    print("| kind | inputs | Segue a CPU s | ONNX Runtime a CPU s (batch) | ratio | bar | largest difference of outputs | inputs from another decoder, most (median) | least cosine |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        if getattr(args, kind):
            model, graph, *places = getattr(args, kind)
            compare(kind, model, graph, files_of(kind, places, args.limit), args)


if __name__ == "__main__":
    main()
