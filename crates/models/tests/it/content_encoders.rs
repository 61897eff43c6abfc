//! Image and audio encoders: Whisper and CLIP against `transformers` (`tests/golden/towers.py`), and folders that are not whole.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use segue_models::audio::{self, AudioEncoder, MelSpectrogram, Sound, SoundLimits, Whisper};
use segue_models::media::MediaError;
use segue_models::vision::{self, ClipText, ImageEncoder, Picture};
use serde_json::{Value, json};

/// The largest difference of a number of theirs and ours.
const TOLERANCE: f32 = 2e-5;

struct Golden(Value);

#[expect(clippy::unwrap_used, reason = "a test helper: the golden file is whole, the folder can be written")]
impl Golden {
    fn read(model: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/towers.json");
        let mut file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        Self(file[model].take())
    }

    fn floats(&self, pointer: &str) -> Vec<f32> {
        let list = self.0.pointer(pointer).and_then(Value::as_array);
        let list = list.unwrap_or_else(|| panic!("no {pointer}"));
        list.iter().map(|x| x.as_f64().unwrap() as f32).collect()
    }
}

/// A model folder that is removed in the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[expect(clippy::unwrap_used, reason = "a test helper: the golden file is whole, the folder can be written")]
impl Folder {
    /// The golden model's arrays; `rename` gives the name in the file, `None` leaves an array out.
    fn of(golden: &Golden, name: &str, rename: impl Fn(&str) -> Option<String>) -> Self {
        let folder = std::env::temp_dir().join(format!("segue-towers-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let arrays = golden.0["arrays"].as_object().unwrap();
        let arrays: Vec<(String, Vec<usize>, Vec<u8>)> = arrays
            .iter()
            .filter_map(|(name, array)| {
                let sizes = array["shape"].as_array().unwrap();
                let shape = sizes.iter().map(|size| size.as_u64().unwrap() as usize).collect();
                let values = golden.floats(&format!("/arrays/{name}/values"));
                Some((rename(name)?, shape, values.iter().flat_map(|x| x.to_le_bytes()).collect()))
            })
            .collect();
        let views = arrays.iter().map(|(name, shape, bytes)| {
            (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
        });
        let weights = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
        fs::write(folder.join("model.safetensors"), weights).unwrap();
        fs::write(folder.join("config.json"), golden.0["config"].to_string()).unwrap();
        Self(folder)
    }

    fn config(&self, golden: &Golden, key: &str, value: Value) {
        let mut config = golden.0["config"].clone();
        config[key] = value;
        fs::write(self.0.join("config.json"), config.to_string()).unwrap();
    }
}

fn same(what: &str, received: &[f32], expected: &[f32]) {
    assert_eq!(received.len(), expected.len(), "{what}");
    let apart = received.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    assert!(apart < TOLERANCE, "{what}: {apart:.1e} apart");
}

#[test]
fn whisper_states_equal_those_of_transformers() {
    let golden = Golden::read("whisper");
    let (chunk, states) = (golden.floats("/chunk"), golden.floats("/states"));
    let plain = Folder::of(&golden, "whisper", |name| Some(name.to_owned()));
    // As a model with a head saves it, and without the positions, which are sinusoids.
    let whole = Folder::of(&golden, "whisper-head", |name| {
        (!name.contains("embed_positions")).then(|| format!("model.{name}"))
    });
    for folder in [&plain, &whole] {
        let encoder = AudioEncoder::open(&folder.0, SoundLimits::default()).unwrap();
        assert_eq!((encoder.dim(), encoder.n_inputs()), (8, 14 * 5));
        let mut room = audio::Room::default();
        same("states", &encoder.embed(&chunk, &mut room), &states);
        let twice = [&chunk[..], &chunk[..]].concat();
        same("two chunks", &encoder.embed(&twice, &mut room), &[&states[..], &states[..]].concat());
    }
}

#[test]
fn the_spectrogram_of_whisper_equals_that_of_its_extractor() {
    let golden = Golden::read("whisper");
    let samples: Vec<f32> = (0..9_000)
        .map(|at| {
            let at = f64::from(at);
            (0.4 * (at * 0.21).sin() * (at / 9_000.0) + 0.1 * (at * at * 3e-5).sin()) as f32
        })
        .collect();
    same("the first samples", &samples[..4], &golden.floats("/spectrogram/samples"));
    // One second of chunk: 50 positions, 100 frames.
    let spectrogram = Whisper::log_mel(&MelSpectrogram::new(400, 160, 80), &samples, 100);
    assert_eq!(spectrogram.len(), 100 * 80);
    for (frame, _) in golden.0["spectrogram"]["frames"].as_object().unwrap() {
        let expected = golden.floats(&format!("/spectrogram/frames/{frame}"));
        let received = &spectrogram[frame.parse::<usize>().unwrap() * 80..][..80];
        let apart = received.iter().zip(&expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-3, "frame {frame}: {apart:.1e} apart");
    }
}

#[test]
fn a_sound_is_the_mean_of_the_states_that_hold_it() {
    let golden = Golden::read("whisper");
    let folder = Folder::of(&golden, "whisper-mean", |name| Some(name.to_owned()));
    let encoder = AudioEncoder::open(&folder.0, SoundLimits::default()).unwrap();
    // A chunk of this model is 14 frames, 2,240 samples; a state is 320 samples. 3 states, and 7 + 2 of two chunks.
    for (n_samples, n_chunks, n_states) in [(700, 1, 3), (2_700, 2, 9), (10, 1, 1)] {
        let samples: Vec<f32> = (0..n_samples).map(|at| (at as f32 * 0.3).sin()).collect();
        let sound = Sound { rate: 16_000, samples };
        let inputs = encoder.inputs(&sound);
        assert_eq!(inputs.len(), n_chunks * encoder.n_inputs());
        let states = encoder.embed(&inputs, &mut audio::Room::default());
        let mut expected = vec![0.0f32; 8];
        states
            .chunks_exact(8)
            .take(n_states)
            .for_each(|state| expected.iter_mut().zip(state).for_each(|(sum, x)| *sum += x));
        let length = expected.iter().map(|x| x * x).sum::<f32>().sqrt();
        expected.iter_mut().for_each(|x| *x /= length);
        let received = encoder.encode_each(1, &|_| Ok(sound.clone())).remove(0).unwrap();
        same("the vector", &received, &expected);
    }
}

#[test]
fn clip_vectors_of_pictures_equal_those_of_transformers() {
    let golden = Golden::read("clip");
    let folder = Folder::of(&golden, "clip", |name| Some(name.to_owned()));
    let encoder = ImageEncoder::open(&folder.0).unwrap();
    assert_eq!((encoder.dim(), encoder.rule().side), (5, 6));
    let received = encoder.embed(&golden.floats("/pixels"), &mut vision::Room::default());
    same("pictures", &received, &golden.floats("/images"));
    let bytes = golden.floats("/picture/bytes").iter().map(|x| *x as u8).collect();
    let picture = Picture::from_raw(9, 6, bytes).unwrap();
    let mut pixels = Vec::new();
    encoder.rule().append(&picture, &mut pixels);
    same("pixels", &pixels, &golden.floats("/picture/pixels"));
    // What is broken costs only its own vector, in the order of the pictures.
    let vectors = encoder.encode_each(6, &|at| match at {
        2 => Err(MediaError::TooLarge { received: 9, limit: 8, unit: "bytes" }),
        _ => Ok(picture.clone()),
    });
    assert!(vectors[2].is_err());
    let whole: Vec<&Vec<f32>> = vectors.iter().flatten().collect();
    assert_eq!(whole.len(), 5);
    assert!(whole.iter().all(|vector| (vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5));
}

#[test]
fn clip_vectors_of_texts_equal_those_of_transformers() {
    let golden = Golden::read("clip");
    let folder = Folder::of(&golden, "clip-text", |name| Some(name.to_owned()));
    fs::write(folder.0.join("tokenizer.json"), tokenizer().to_string()).unwrap();
    assert!(ClipText::is_in(&folder.0));
    let encoder = ClipText::open(&folder.0).unwrap();
    let tokens: Vec<Vec<u32>> = serde_json::from_value(golden.0["tokens"].clone()).unwrap();
    let expected = golden.floats("/texts");
    same("texts", &encoder.embed_tokens(&tokens), &expected);
    // `a` and `b` are the tokens 3 and 4, between the marks of start and end.
    let received = encoder.encode(&["a b"], &|_| {}).unwrap();
    let length = expected[..5].iter().map(|x| x * x).sum::<f32>().sqrt();
    let expected: Vec<f32> = expected[..5].iter().map(|x| x / length).collect();
    same("a text", &received, &expected);
    // More words than positions.
    assert_eq!(encoder.encode(&[&"a ".repeat(50)], &|_| {}).unwrap().len(), 5);
}

fn tokenizer() -> Value {
    let words: serde_json::Map<String, Value> = ["!", "u", "v", "a", "b"]
        .iter()
        .enumerate()
        .map(|(at, word)| ((*word).to_owned(), json!(at)))
        .collect();
    let special = |name: &str| json!({ "SpecialToken": { "id": name, "type_id": 0 } });
    let known = |name: &str, id: usize| json!({ "id": name, "ids": [id], "tokens": [name] });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" },
        "post_processor": { "type": "TemplateProcessing",
            "single": [special("<start>"), { "Sequence": { "id": "A", "type_id": 0 } }, special("<end>")],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 0 } }],
            "special_tokens": { "<start>": known("<start>", 10), "<end>": known("<end>", 11) } },
        "decoder": null, "model": { "type": "WordLevel", "vocab": words, "unk_token": "u" }
    })
}

#[test]
fn folders_that_are_not_whole_are_refused_with_what_is_wrong() {
    let whisper = Golden::read("whisper");
    let folder = Folder::of(&whisper, "refused-whisper", |name| {
        (!name.contains("conv2.bias")).then(|| name.to_owned())
    });
    let refused =
        |folder: &Folder| AudioEncoder::open(&folder.0, SoundLimits::default()).unwrap_err().to_string();
    assert!(refused(&folder).contains("conv2.bias"), "{}", refused(&folder));
    for (key, value, said) in [
        ("model_type", json!("wav2vec2"), "wav2vec2"),
        ("activation_function", json!("relu"), "relu"),
        ("encoder_attention_heads", json!(3), "3 heads"),
        ("encoder_attention_heads", json!(0), "0 heads"),
        ("d_model", json!(16), "conv1.weight"),
        ("num_mel_bins", json!(0), "d_model 8"),
    ] {
        folder.config(&whisper, key, value);
        assert!(refused(&folder).contains(said), "{key}: {}", refused(&folder));
    }
    let clip = Golden::read("clip");
    let folder = Folder::of(&clip, "refused-clip", |name| Some(name.to_owned()));
    let refused = |folder: &Folder| ImageEncoder::open(&folder.0).unwrap_err().to_string();
    for (key, value, said) in [
        ("model_type", json!("vit"), "`vit` for images"),
        ("vision_config", json!({ "hidden_size": 8, "num_attention_heads": 3 }), "3 heads"),
        ("vision_config", json!({ "hidden_act": "relu" }), "relu"),
        ("vision_config", json!({ "image_size": 7, "patch_size": 2 }), "image_size 7"),
        ("projection_dim", json!(0), "hidden_size 8"),
    ] {
        folder.config(&clip, key, value);
        assert!(refused(&folder).contains(said), "{key}: {}", refused(&folder));
    }
    folder.config(&clip, "model_type", json!("clip"));
    fs::write(folder.0.join("preprocessor_config.json"), json!({ "resample": 1 }).to_string()).unwrap();
    assert!(refused(&folder).contains("resample 1"));
}
