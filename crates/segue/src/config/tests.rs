//! Keys, values and ranges of the config.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::document::nested;
use super::keys::{KEYS, Key, expanded};
use super::{DataSection, RunConfig};

/// Values of the models' and the pipeline's own settings that have no key, by path from the config down: training or the form of the
/// losses decides them, or no other value was worth a key so far. A new field gets a key, or stands here.
const NO_KEYS: &[&str] = &[
    "recipe.plan.*.batch_size",
    "recipe.plan.*.epochs",
    "recipe.plan.*.hidden_factor",
    "recipe.plan.*.init",
    "recipe.plan.*.max_epochs",
    "recipe.plan.*.n_heads",
    "recipe.plan.*.n_negatives",
    "recipe.plan.*.patience",
    "recipe.plan.*.profile_dropout",
    "recipe.plan.*.tasks.calibration",
    "recipe.plan.*.tasks.squared_error",
    "recipe.plan.*.time_gaps",
    "recipe.plan.*.weight_decay",
    "recipe.plan.transfer.pretrain_epochs",
    "recipe.plan.transfer.text.duplicate_cosine",
    "recipe.plan.transfer.text.id_dropout",
    "recipe.plan.transfer.text.scale",
    "recipe.plan.transfer.text.tags",
    "recipe.plan.transfer.text.trains_adaptor",
    "recipe.plan.transfer.text.whitening.n_components",
    "recipe.plan.transfer.text.whitening.regularization",
    "recipe.plan.joint.fusion.id_bound",
    "recipe.plan.joint.fusion.id_dropout",
    "recipe.plan.joint.fusion.n_aligned",
    "recipe.plan.joint.fusion.n_key",
    "recipe.plan.joint.fusion.scale",
    "recipe.plan.joint.fusion.tags",
    "recipe.plan.joint.fusion.whitening.n_components",
    "recipe.plan.joint.fusion.whitening.regularization",
    "recipe.plan.joint.graph.init",
    "recipe.plan.joint.graph.n_facts",
    "recipe.plan.joint.graph.n_layers",
    "recipe.plan.joint.graph.n_negatives",
    "recipe.table.ties",
];

// A config in which nothing is left out because it is not set.
fn full() -> RunConfig {
    let data = DataSection { min_value: Some(1.0), ..DataSection::default() };
    RunConfig { data, ..RunConfig::default() }
}

fn paths(table: &Table) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (name, value) in table {
        match value.as_table() {
            Some(inner) => found.extend(paths(inner).into_iter().map(|path| format!("{name}.{path}"))),
            None => assert!(found.insert(name.clone())),
        }
    }
    found
}

#[test]
fn every_value_of_the_default_has_a_key_or_is_known_to_have_none() {
    let all = paths(&nested(&full()));
    let mut known = BTreeSet::new();
    for path in KEYS.iter().flat_map(Key::values).chain(NO_KEYS.iter().flat_map(|path| expanded(path))) {
        assert!(known.insert(path.clone()), "{path} has two keys, or one and a place in NO_KEYS");
    }
    let without: Vec<_> = all.difference(&known).collect();
    assert!(without.is_empty(), "no key sets {without:#?}");
    let nowhere: Vec<_> = known.difference(&all).collect();
    assert!(nowhere.is_empty(), "there is no value {nowhere:#?}");
}

#[test]
fn the_document_has_every_key_and_every_key_a_meaning() {
    let document = paths(&Table::try_from(full()).unwrap());
    let keys: BTreeSet<String> = KEYS.iter().map(|key| key.path.to_owned()).collect();
    assert_eq!(document, keys);
    assert!(KEYS.iter().all(|key| !key.meaning.is_empty()));
    let variables: BTreeSet<String> = KEYS.iter().map(Key::variable).collect();
    assert_eq!(variables.len(), KEYS.len());
}

#[test]
fn a_key_of_several_values_starts_from_one_default() {
    let all = nested(&full());
    let at = |path: &str| {
        path.split('.').fold(None, |value: Option<&Value>, step| match value {
            Some(value) => value.get(step),
            None => all.get(step),
        })
    };
    for key in KEYS {
        let values: Vec<_> = key.values().map(|path| at(&path).cloned()).collect();
        assert!(values.windows(2).all(|pair| pair[0] == pair[1]), "{}: {values:?}", key.path);
    }
}

/// `segue config --toml`, and so the `config.toml` of a run, before sections were put together from the models' own settings.
const BEFORE: &str = include_str!("tests/default.toml");

#[test]
fn what_was_written_before_is_read_and_written_line_by_line() {
    assert_eq!(toml::from_str::<RunConfig>(BEFORE).unwrap(), RunConfig::default());
    let text = toml::to_string(&RunConfig::default()).unwrap();
    let mut lines = text.lines();
    // Keys may be added, but none may go, change its default or its place.
    for line in BEFORE.lines().filter(|line| !line.is_empty()) {
        assert!(lines.any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn numbers_are_written_short_and_read_back_exactly() {
    let mut config = RunConfig::default();
    config.set("transfer.dropout", 0.35).unwrap();
    config.set("split.train", 0.1 + 0.2).unwrap();
    config.set("data.min_value", f64::from(0.4_f32)).unwrap();
    let text = toml::to_string(&config).unwrap();
    for line in ["dropout = 0.35\n", "train = 0.30000000000000004\n", "min_value = 0.4000000059604645\n"] {
        assert!(text.contains(line), "{line}{text}");
    }
    assert_eq!(toml::from_str::<RunConfig>(&text).unwrap(), config);
    assert_eq!(config.recipe().plan.transfer.sequence.dropout, 0.35);
    let json = serde_json::to_value(&config).unwrap();
    assert_eq!(json["transfer"]["dropout"].to_string(), "0.35");
}

#[test]
fn keys_reach_the_models() {
    let mut config = RunConfig::default();
    config.set("behavior.n_layers", 3).unwrap();
    config.set("behavior.width", 32).unwrap();
    config.set("loss.rating", 0.5).unwrap();
    config.set("loss.weights", "learned").unwrap();
    config.set("seed", 7).unwrap();
    let recipe = config.recipe();
    let plan = &recipe.plan;
    for sequence in [&plan.behavior, &plan.transfer.sequence, &plan.joint.sequence] {
        assert_eq!((sequence.n_layers, sequence.tasks.rating), (3, 0.5));
        assert!(sequence.tasks.learned_weights);
    }
    assert_eq!((plan.behavior.width, plan.transfer.sequence.width), (32, 64));
    assert_eq!((plan.seed, recipe.table.bootstrap.seed), (7, 7));
    assert_eq!(config.value("loss.weights"), Some("learned".into()));
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_range() {
    let nan = f64::NAN;
    let cases: &[(&str, Value, &str)] = &[
        ("behavior.learning_rate", Value::Float(-1.0), "(0, 100]"),
        ("transfer.learning_rate", 0.into(), "(0, 100]"),
        ("joint.learning_rate", nan.into(), "(0, 100]"),
        ("behavior.learning_rate", f64::INFINITY.into(), "(0, 100]"),
        ("behavior.learning_rate", 1e300.into(), "(0, 100]"),
        ("behavior.dropout", 1.5.into(), "[0, 1)"),
        ("transfer.dropout", 1.into(), "[0, 1)"),
        ("joint.dropout", nan.into(), "[0, 1)"),
        ("joint.modality_dropout", Value::Float(-0.1), "[0, 1)"),
        ("behavior.max_len", 0.into(), "[1, 65535]"),
        ("behavior.n_layers", 65.into(), "[1, 64]"),
        ("behavior.n_layers", 1_000_000.into(), "[1, 64]"),
        ("behavior.width", 0.into(), "[1, 8192]"),
        ("behavior.width", 7.into(), "multiple of n_heads 2"),
        ("transfer.width", 8_194.into(), "[1, 8192]"),
        ("joint.width", 1_000_000.into(), "[1, 8192]"),
        ("transfer.id_bound", Value::Float(-1.0), "[0, 1000000]"),
        ("transfer.domain_rank", 10_000.into(), "[0, 8192]"),
        ("joint.tokens", Value::Array(Vec::new()), "empty"),
        ("joint.n_neighbors", 0.into(), "[1, 100000]"),
        ("loss.next_item", 0.into(), "(0, 1000000]"),
        ("loss.rating", nan.into(), "[0, 1000000]"),
        ("loss.click", Value::Float(-1.0), "[0, 1000000]"),
        ("loss.click_negatives", 0.into(), "[1, 10000000]"),
        ("loss.click_negatives", 100_000_000.into(), "[1, 10000000]"),
        ("loss.contrast", nan.into(), "[0, 1000000]"),
        ("loss.sources", Value::Float(-1.0), "[0, 1000000]"),
        ("loss.graph", f64::INFINITY.into(), "[0, 1000000]"),
        ("loss.weights", "free".into(), "neither `fixed` nor `learned`"),
        ("fit.experts", Value::Array(Vec::new()), "empty"),
        ("fit.budget", 0.into(), "[1, 1000000000]"),
        ("fit.search_cases", 0.into(), "[1, 1000000000]"),
        ("fit.blend_cases", 0.into(), "[1, 1000000000]"),
        ("fit.linear_budget_mib", i64::MAX.into(), "[0, 16777216]"),
        ("fit.objective", "sampled".into(), "`segue benchmark` only"),
        ("data.min_value", nan.into(), "min_value NaN is outside"),
        ("split.train", nan.into(), "(0, 1)"),
        ("split.valid", 1.into(), "(0, 1)"),
        ("report.cutoffs", vec![5].into(), "10 is not among"),
        ("report.cutoffs", vec![0, 10].into(), "[1, 10000]"),
        ("report.cutoffs", vec![10, 10_001].into(), "[1, 10000]"),
        ("report.resamples", 0.into(), "[1, 1000000]"),
        ("report.resamples", 10_000_000.into(), "[1, 1000000]"),
        ("report.confidence", 1.into(), "(0, 1)"),
        ("report.examples", 1_000_000.into(), "[0, 10000]"),
        ("fit.budget", (-1).into(), "expected usize"),
        ("fit.bugdet", 1.into(), "unknown key"),
    ];
    for (path, value, range) in cases {
        let mut config = RunConfig::default();
        let error = config.set(path, value.clone()).unwrap_err();
        assert!(error.to_string().contains(range), "{path} = {value}: {error}");
        assert!(crate::failure::is_usage(&error));
        assert_eq!(config, RunConfig::default());
    }
}

#[test]
fn ends_of_ranges_are_accepted() {
    let cases: &[(&str, Value)] = &[
        ("behavior.width", 8_192.into()),
        ("behavior.n_layers", 64.into()),
        ("behavior.dropout", 0.into()),
        ("behavior.max_len", 1.into()),
        ("loss.click_negatives", 10_000_000.into()),
        ("report.resamples", 1_000_000.into()),
        ("report.cutoffs", vec![10, 10_000].into()),
        ("data.min_value", Value::Float(-3.5)),
    ];
    for (path, value) in cases {
        RunConfig::default().set(path, value.clone()).unwrap();
    }
}
