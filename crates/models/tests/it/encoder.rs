//! Encoders: folders good and broken, vectors that depend on nothing but their text, gradients.

use std::fs;

use safetensors::tensor::Dtype;
use segue_models::encoder::{BatchPass, Head, Pooling, Purpose, TextEncoder, TokenBatch, Trace};
use segue_nn::block::Dropping;
use serde_json::json;

use crate::tiny_model::{TinyModel, WIDTH};

const TEXTS: [&str; 6] =
    ["red fox runs", "blue sea", "", "fox", "red red red blue sea fox runs runs sea blue", "unheard words"];

fn open(model: &TinyModel) -> TextEncoder {
    TextEncoder::open(model.write(), None).unwrap_or_else(|error| panic!("{error}"))
}

fn vectors(encoder: &TextEncoder, texts: &[&str]) -> Vec<f32> {
    encoder.encode(texts, &|_| {}).expect("the test's own data")
}

fn far(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_folder_decides_and_the_tokenizers_own_cutting_and_padding_do_not() {
    let encoder = open(&TinyModel::new());
    let tokens = encoder.tokens().of(&TEXTS).expect("the test's own data");
    assert_eq!(tokens[0], [2, 4, 6, 8, 3]);
    assert_eq!(tokens[2], [2, 3], "an empty text has its two special tokens");
    assert_eq!(tokens[4].len(), 12, "longer than the 4 of tokenizer.json");
    assert_eq!(encoder.usage.max_tokens, 16, "no more than there are positions");
    let model = TinyModel::new();
    model.write();
    model.put("sentence_bert_config.json", &json!({ "max_seq_length": 6 }));
    model.put(
        "config_sentence_transformers.json",
        &json!({ "prompts": { "query": "q: ", "passage": "p: " } }),
    );
    let encoder = TextEncoder::open(&model.folder, None).expect("the test's own data");
    assert_eq!(encoder.tokens().of(&TEXTS).expect("the test's own data")[4], [2, 4, 4, 4, 5, 3]);
    assert_eq!(encoder.usage.prefix, "p: ");
    assert_eq!(
        TextEncoder::open(&model.folder, Some(5))
            .expect("the test's own data")
            .tokens()
            .of(&TEXTS)
            .expect("the test's own data")[4]
            .len(),
        5
    );
}

#[test]
fn a_vector_depends_on_its_text_alone_and_on_no_thread() {
    let encoder = open(&TinyModel::new());
    let together = vectors(&encoder, &TEXTS);
    for (at, text) in TEXTS.iter().enumerate() {
        let alone = vectors(&encoder, &[text]);
        assert!(far(&alone, &together[at * WIDTH..(at + 1) * WIDTH]) < 1e-6, "{text}");
        assert!((alone.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    let many: Vec<&str> = TEXTS.iter().copied().cycle().take(600).collect();
    let with = |n_threads: usize| {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("the test's own data");
        pool.install(|| vectors(&encoder, &many))
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn prefixes_of_names_and_types_of_numbers_do_not_matter() {
    let plain = vectors(&open(&TinyModel::new()), &TEXTS);
    for prefix in ["bert.", "model."] {
        let model = TinyModel::with(|model| model.prefix = prefix);
        assert_eq!(vectors(&open(&model), &TEXTS), plain);
    }
    let rough = vectors(&open(&TinyModel::with(|model| model.dtype = Dtype::BF16)), &TEXTS);
    assert!(far(&rough, &plain) < 0.03 && rough != plain);
    let mut roberta = TinyModel::with(|model| model.prefix = "roberta.");
    roberta.config["model_type"] = json!("roberta");
    roberta.config["pad_token_id"] = json!(1);
    let roberta = open(&roberta);
    assert_eq!(roberta.network.shape.first_position, 2);
    assert!(far(&vectors(&roberta, &TEXTS), &plain) > 0.01, "positions begin at 2");
}

fn refusal(model: &TinyModel) -> String {
    let error = TextEncoder::open(&model.folder, None).expect_err("this folder is broken").to_string();
    assert!(error.contains("hint: "), "{error}");
    error
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let cases = [
        ("model_type", json!("mpnet"), "mpnet"),
        ("hidden_act", json!("gelu_new"), "gelu_new"),
        ("position_embedding_type", json!("relative_key"), "relative_key"),
        ("is_decoder", json!(true), "decoder"),
        ("num_attention_heads", json!(3), "3 heads"),
        ("layer_norm_eps", json!(-1.0), "layer_norm_eps"),
        ("vocab_size", json!("many"), "config.json"),
        ("hidden_size", json!(1_u64 << 60), "shape"),
        ("vocab_size", json!(1_u64 << 62), "shape"),
        ("num_hidden_layers", json!(1_u64 << 40), "encoder.layer.2."),
        ("max_position_embeddings", json!(1), "positions"),
    ];
    for (key, value, word) in cases {
        let mut model = TinyModel::new();
        model.config[key] = value;
        model.write();
        let error = refusal(&model);
        assert!(error.contains(word), "{key}: {error}");
    }
    let model = TinyModel::new();
    model.write();
    model.put("1_Pooling/config.json", &json!({ "pooling_mode_max_tokens": true }));
    assert!(refusal(&model).contains("pooling"));
    model.put("modules.json", &json!([{ "path": "2_Dense", "type": "sentence_transformers.models.Dense" }]));
    assert!(refusal(&model).contains("Dense"));
    model.put("modules.json", &json!([{ "path": "../up", "type": "x.Pooling" }]));
    assert!(refusal(&model).contains("leaves the folder"));
}

#[test]
fn broken_folders_are_refused_with_the_place() {
    let missing = "encoder.layer.1.attention.self.key.bias";
    let model = TinyModel::with(|model| model.left_out = Some(missing));
    model.write();
    assert!(refusal(&model).contains("encoder.layer.1.attention.self.key.bias"));
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let model = TinyModel::new();
        model.write();
        fs::write(model.folder.join(file), b"{\"a\": ").expect("the test's own data");
        assert!(refusal(&model).contains(file));
        fs::remove_file(model.folder.join(file)).expect("the test's own data");
        assert!(refusal(&model).contains(file));
    }
    let model = TinyModel::new();
    model.write();
    let path = model.folder.join("model.safetensors");
    let whole = fs::read(&path).expect("the test's own data");
    for n in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..n]).expect("the test's own data");
        assert!(refusal(&model).contains("model.safetensors"), "{n} bytes");
    }
    for claimed in [u64::MAX, u64::MAX / 2, 1 << 40, whole.len() as u64] {
        let mut damaged = whole.clone();
        damaged[..8].copy_from_slice(&claimed.to_le_bytes());
        fs::write(&path, &damaged).expect("the test's own data");
        assert!(refusal(&model).contains("header"), "{claimed}");
    }
    let mut nan = whole.clone();
    let n = nan.len();
    nan[n - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, &nan).expect("the test's own data");
    assert!(refusal(&model).contains("finite"));
}

#[test]
fn damage_anywhere_in_the_header_never_panics() {
    let model = TinyModel::new();
    model.write();
    let path = model.folder.join("model.safetensors");
    let whole = fs::read(&path).expect("the test's own data");
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().expect("the test's own data")) as usize;
    for at in (8..header).step_by(3) {
        let mut damaged = whole.clone();
        damaged[at] = if damaged[at].is_ascii_digit() { b'9' } else { damaged[at] ^ 1 };
        fs::write(&path, &damaged).expect("the test's own data");
        // Changed white space is no damage; whatever opens must also run.
        if let Ok(encoder) = TextEncoder::open(&model.folder, None) {
            vectors(&encoder, &TEXTS);
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences_in_every_array() {
    let encoder = open(&TinyModel::new());
    let batch = TokenBatch { tokens: vec![2, 4, 6, 3, 2, 5, 3, 7], lengths: vec![4, 1, 3] };
    let wanted: Vec<f32> = (0..3 * WIDTH).map(|at| ((at * 37 % 11) as f32 - 5.0) / 5.0).collect();
    for (pooling, normalizes) in [(Pooling::Mean, true), (Pooling::Mean, false), (Pooling::First, true)] {
        let head = Head { pooling, normalizes };
        let loss = |params: &segue_nn::Params, trace: &mut Trace| -> f64 {
            let pass = BatchPass { params, batch: &batch, head, dropping: Dropping::none() };
            let out = encoder.network.forward(pass, Purpose::Training, trace);
            out.iter().zip(&wanted).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum()
        };
        let mut params = encoder.params.clone();
        let mut trace = Trace::default();
        loss(&params, &mut trace);
        let mut gradients = params.gradients();
        let pass = BatchPass { params: &params, batch: &batch, head, dropping: Dropping::none() };
        encoder.network.backward(pass, &mut trace, &wanted, &mut gradients);
        for id in params.ids().collect::<Vec<_>>() {
            let n = params.get(id).len();
            let name = params.arrays()
                [params.ids().position(|other| other == id).expect("the test's own data")]
            .name
            .clone();
            assert!(gradients.get(id).iter().any(|&g| g != 0.0), "{name} has no gradient");
            for at in (0..n).step_by(1 + n / 12) {
                let (before, step) = (params.get(id)[at], 4e-3);
                let mut moved = |by: f32| {
                    params.get_mut(id)[at] = before + by;
                    loss(&params, &mut Trace::default())
                };
                let numeric = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
                moved(0.0);
                let analytic = f64::from(gradients.get(id)[at]);
                let scale = 2e-3 + 0.02 * numeric.abs().max(analytic.abs());
                assert!(
                    (numeric - analytic).abs() < scale,
                    "{name}[{at}]: {analytic}, by differences {numeric}"
                );
            }
        }
    }
}
