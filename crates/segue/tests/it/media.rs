//! Vectors of images and sounds that lie beside a data set reach a training run.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use segue::config::RunConfig;
use segue::data::import::{ImportOptions, Source, import};
use segue::data::store;
use segue::encode::{Modality, write_vectors};
use segue::models::ItemVectors;
use segue::training_run::{Place, TrainingRun, train_run};
use segue::{LoadedData, Silent};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("segue-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("there is room");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The shop as a data set folder, with vectors of its items' images and sounds: any numbers do.
fn shop_with_media(folder: &Path) {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop");
    let source = |name: &str| Source { path: shop.join(name), domain: Some(name.to_owned()) };
    let options = ImportOptions::new("shop", vec![source("books"), source("films")]);
    let dataset = import(&options, &mut |_| {}).expect("the shop is there").dataset;
    store::write(&dataset, 0, toml::Table::new(), folder).expect("there is room");
    let dim = 4;
    let values = (0..dataset.n_items() * dim).map(|at| ((at * 37 + at / 5) % 11) as f32 - 5.0).collect();
    let (model, model_sha256) = ("made-up".to_owned(), "0".repeat(64));
    let vectors = ItemVectors { dim, values, model, model_sha256 };
    for modality in [Modality::Image, Modality::Audio] {
        write_vectors(folder, modality, &dataset.items, &vectors).expect("there is room");
    }
}

#[test]
fn image_and_audio_vectors_beside_the_data_reach_a_training_run() {
    let folder = Folder::new("media");
    let data = folder.0.join("data");
    shop_with_media(&data);
    let mut config = RunConfig::default();
    config.set("data.targets", vec!["films"]).expect("a key");
    config.set("fit.experts", vec!["popularity", "image", "audio"]).expect("a key");
    config.set("fit.budget", 1).expect("a key");
    let stop = AtomicBool::new(false);
    let to = Place::New { folder: &folder.0.join("run"), command: vec!["a test".to_owned()] };
    let data = LoadedData::read(&data).expect("it was written");
    let run = train_run(TrainingRun { data, config: &config, to, stop: &stop }, &Silent).expect("it trains");
    let judged = run.figures.domains[0].fitted.evidence.iter();
    let judged: Vec<String> = judged.map(|evidence| evidence.expert.to_string()).collect();
    for kind in ["image", "audio"] {
        assert!(judged.iter().any(|name| name == kind), "{kind} among {judged:?}");
    }
    assert!(run.figures.domains[0].aside.iter().all(|(id, _)| !["image", "audio"].contains(&id.kind.name())));
}
