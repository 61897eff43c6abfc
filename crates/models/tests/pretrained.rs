//! Pretrained encoders against recorded numbers. The models (some 170 MB) are fetched, so these tests are not part of the
//! default suite: `scripts/check/pretrained` fetches them and runs this file. Without the models the tests fail; they never
//! pass in silence.

use std::path::PathBuf;

use rand::SeedableRng;
use segue_models::encoder::{TextEncoder, Tuning};

fn open(name: &str) -> TextEncoder {
    let home = std::env::var("SEGUE_HOME")
        .expect("SEGUE_HOME says where the models are: use scripts/check/pretrained");
    let folder = PathBuf::from(home).join("models").join(name);
    TextEncoder::open(&folder, None).unwrap_or_else(|error| panic!("{error}"))
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn minilm_gives_the_numbers_of_pytorch() {
    let encoder = open("minilm");
    let vectors = encoder.encode(&["A man is playing the guitar on stage."], &|_| {}).unwrap();
    // sentence-transformers on PyTorch, f32, without padding.
    let expected = [0.017_032, 0.042_973, -0.013_818, -0.071_834, -0.134_286];
    for (received, expected) in vectors.iter().zip(expected) {
        assert!((received - expected).abs() < 1e-4, "{received} instead of {expected}");
    }
    assert_eq!((encoder.dim(), encoder.usage.max_tokens, encoder.usage.prefix.as_str()), (384, 256, ""));
}

#[test]
fn tunings_of_minilm_train_at_most_one_percent() {
    let mut encoder = open("minilm");
    let all = encoder.params.n_trainable();
    assert_eq!(all, 22_565_376, "without the pooler, which no vector needs");
    let expected = [("lora", 73_728), ("adalora", 110_736), ("adapter", 149_952), ("prefix", 73_728)];
    for (name, n) in expected {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        encoder.tune(&Tuning::named(name).unwrap(), &mut rng).unwrap();
        assert_eq!(encoder.params.n_trainable(), n, "{name}");
        assert!(100 * n <= all, "{name}");
    }
}

#[test]
fn e5_knows_a_paraphrase_and_a_translation() {
    let encoder = open("e5-small");
    let texts = [
        "query: 一个男人在舞台上弹吉他",
        "query: 一名男子在音乐会上演奏吉他",
        "query: A man is playing the guitar on stage.",
        "query: 今天股市大幅下跌",
    ];
    // The package's own engine has these tokens.
    let expected = [0, 41, 1294, 12, 6, 1860, 27538, 213, 43647, 575, 37462, 14460, 852, 2];
    assert_eq!(encoder.tokens().of(&texts).unwrap()[0], expected);
    let vectors = encoder.encode(&texts, &|_| {}).unwrap();
    let row = |at: usize| &vectors[at * encoder.dim()..(at + 1) * encoder.dim()];
    let cosines = [1, 2, 3].map(|at| dot(row(0), row(at)));
    // .869 is the recorded cosine of the Chinese and the English sentence.
    assert!((cosines[1] - 0.869).abs() < 2e-3, "{cosines:?}");
    assert!(cosines[0] > cosines[1] && cosines[1] > cosines[2] && cosines[2] < 0.86, "{cosines:?}");
}
