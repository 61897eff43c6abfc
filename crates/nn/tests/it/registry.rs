//! No public layer escapes the suite: the list of modules is read from the crate's source.

use std::collections::BTreeSet;
use std::path::Path;

use crate::inference::inference_subjects;
use crate::subjects::subjects;

/// Public modules without a forward and a backward pass; tested where they stand.
const NOT_LAYERS: [&str; 9] = [
    "params",
    "row_gradients",
    "row_table",
    "adamw",
    "adagrad",
    "optimizer",
    "clip",
    "checkpoint",
    "training_state",
];

fn public_modules(lib: &str) -> BTreeSet<&str> {
    let names = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.collect()
}

#[test]
fn every_public_layer_is_in_the_suite() {
    assert_eq!(public_modules("mod a;\npub mod b;\npub use b::B;\n"), BTreeSet::from(["b"]));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = std::fs::read_to_string(folder.join("lib.rs")).unwrap();
    let subjects = subjects();
    // A layer that only runs forward is held to its definition instead of to its gradients, in `inference.rs`.
    let inference = inference_subjects();
    let tested: BTreeSet<&str> = subjects
        .iter()
        .map(|subject| subject.module)
        .chain(inference.iter().map(|subject| subject.module))
        .collect();
    let modules = public_modules(&lib);
    assert!(modules.len() > 6, "{modules:?}");
    let missing: Vec<_> =
        modules.iter().filter(|name| !tested.contains(*name) && !NOT_LAYERS.contains(name)).collect();
    assert!(missing.is_empty(), "neither in `subjects/` nor in `inference.rs`: {missing:?}");
    let unknown: Vec<_> = tested.difference(&modules).collect();
    assert!(unknown.is_empty(), "no such public module: {unknown:?}");
}
