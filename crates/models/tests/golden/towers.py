#!/usr/bin/env python3
"""States and vectors of tiny Whisper and CLIP models of random weights as `transformers` computes them, for `content_encoders.rs`.

    python3 towers.py        # writes towers.json beside itself; needs torch, numpy and transformers

Weights are f32 values, the models compute in f64. `spectrogram` has frames of Whisper's own feature extractor for one second with a tone.
`pixels` are a picture as CLIP's own processor makes it from bytes.
"""

import json
from pathlib import Path

import numpy
import torch
import transformers


def numbers(values):
    return [float(numpy.float32(x)) for x in numpy.asarray(values, dtype=numpy.float64).ravel()]


def randomize(model):
    for name, values in model.named_parameters():
        if "embed_positions" in name:
            continue
        center = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        values.data = (center + 0.4 * torch.randn(values.shape)).float().double()
    return model.double().eval()


def arrays(model, keep=lambda name: True):
    return {name: {"shape": list(values.shape), "values": numbers(values.detach())}
            for name, values in model.state_dict().items() if keep(name) and values.is_floating_point()}


def whisper():
    config = transformers.WhisperConfig(
        vocab_size=20, d_model=8, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=12, decoder_layers=1, decoder_attention_heads=2,
        decoder_ffn_dim=8, num_mel_bins=5, max_source_positions=7, max_target_positions=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0,
    )
    model = randomize(transformers.WhisperModel(config))
    chunk = torch.randn(1, 5, 14).float().double()
    with torch.no_grad():
        states = model.encoder(chunk).last_hidden_state[0]
    extractor = transformers.WhisperFeatureExtractor(feature_size=80, chunk_length=1)
    at = numpy.arange(9_000)
    samples = (0.4 * numpy.sin(at * 0.21) * (at / 9_000) + 0.1 * numpy.sin(at * at * 3e-5)).astype(numpy.float32)
    torch.set_default_dtype(torch.float32)
    spectrogram = extractor(samples, sampling_rate=16_000, return_tensors="np").input_features[0]
    torch.set_default_dtype(torch.float64)
    frames = [0, 1, 20, 55, 56, 57, 99]
    return {
        "config": {key: getattr(config, key) for key in ("model_type", "d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim",
                                                          "num_mel_bins", "max_source_positions")},
        "arrays": arrays(model, lambda name: name.startswith("encoder.")),
        "chunk": numbers(chunk[0].T),
        "states": numbers(states),
        "spectrogram": {"samples": numbers(samples[:4]), "frames": {str(frame): numbers(spectrogram[:, frame]) for frame in frames}},
    }


def clip():
    vision = dict(hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, image_size=6, patch_size=2, projection_dim=5)
    text = dict(hidden_size=6, intermediate_size=10, num_hidden_layers=2, num_attention_heads=3, vocab_size=12, max_position_embeddings=9,
                projection_dim=5, bos_token_id=10, eos_token_id=11, pad_token_id=0)
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=5)
    model = randomize(transformers.CLIPModel(config))
    pixels = torch.randn(2, 3, 6, 6).float().double()
    texts = [[10, 3, 4, 11], [10, 5, 11, 7, 11], [10, 11]]
    with torch.no_grad():
        states = model.vision_model(pixel_values=pixels).pooler_output
        images = model.visual_projection(states)
        vectors = [model.text_projection(model.text_model(input_ids=torch.tensor([tokens])).pooler_output)[0] for tokens in texts]
    generator = numpy.random.default_rng(3)
    picture = generator.integers(0, 256, (6, 9, 3), dtype=numpy.uint8)
    mean, deviation = numpy.array([0.48145466, 0.4578275, 0.40821073]), numpy.array([0.26862954, 0.26130258, 0.27577711])
    return {
        "config": {"model_type": "clip", "projection_dim": 5, "vision_config": vision, "text_config": text},
        "arrays": arrays(model, lambda name: "position_ids" not in name),
        "pixels": numbers(pixels.permute(0, 2, 3, 1)),
        "images": numbers(images),
        "tokens": texts,
        "texts": numbers(torch.stack(vectors)),
        # 9 wide, 6 high and 6 wanted: no resizing, columns 1 to 6.
        "picture": {"width": 9, "bytes": picture.ravel().tolist(), "pixels": numbers((picture[:, 1:7] / 255.0 - mean) / deviation)},
    }


def main():
    torch.manual_seed(2028)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    written = {
        "versions": {module.__name__: module.__version__ for module in (torch, numpy, transformers)},
        "whisper": whisper(),
        "clip": clip(),
    }
    text = json.dumps(written, separators=(",", ":"))
    Path(__file__).with_name("towers.json").write_text(text.replace(',"whisper":', ',\n"whisper":').replace(',"clip":', ',\n"clip":').replace("]},\"", "]},\n\"") + "\n")


if __name__ == "__main__":
    main()
