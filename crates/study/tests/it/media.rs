//! Vectors of images reach every fit that a problem is answered by.

use segue::Silent;
use segue_data::ItemIdx;
use segue_data::protocol::ProtocolData;
use segue_models::{ExpertKind, ItemVectors, MediaVectors};
use segue_recommend::DomainModel;
use segue_study::benchmark::{Benchmark, BenchmarkData, Protocol, Published, measure};
use segue_study::few_shot::{ChosenOn, FewShot};
use segue_train::Session;

use crate::story::{Stage, Story};
use crate::studied::{plan, problem, recipe};

const N_GENRES: usize = 12;
const EXPERTS: [ExpertKind; 2] = [ExpertKind::Popularity, ExpertKind::Image];

/// A picture of every item, which shows its genre and a little of something else.
fn pictures(stage: &Stage) -> MediaVectors {
    let items = &stage.dataset.items;
    let picture = |item: u32| {
        let number: usize = items.raw(ItemIdx(item)).parse().expect("a number");
        let mut picture = [0.0; N_GENRES];
        picture[number % N_GENRES] = 1.0;
        picture[number / N_GENRES] += 0.2;
        picture
    };
    let image = ItemVectors {
        dim: N_GENRES,
        values: (0..items.len() as u32).flat_map(picture).collect(),
        model: "by hand".to_owned(),
        model_sha256: String::new(),
    };
    MediaVectors { image: Some(image), audio: None }
}

fn has_image(model: &DomainModel) -> bool {
    model.experts.iter().any(|expert| expert.id.kind == ExpertKind::Image)
}

#[test]
fn pictures_reach_a_few_shot_fit() {
    let stage = Story { n_users: 300, ..Story::default() }.stage();
    let (media, recipe) = (pictures(&stage), recipe(plan(&EXPERTS)));
    let blind = problem(&stage);
    let seeing = segue::Problem { media: Some(&media), ..blind };
    let fit = |problem| {
        let fit = FewShot { problem, recipe: &recipe }.fit_transfer(Session::unwatched()).expect("it fits");
        assert_eq!(fit.chosen_on, ChosenOn::Target);
        fit.model
    };
    assert!(has_image(&fit(seeing)) && !has_image(&fit(blind)));
}

#[test]
fn pictures_reach_a_benchmark_fit_and_have_a_row_of_their_own() {
    let stage = Story { n_users: 300, ..Story::default() }.stage();
    let media = pictures(&stage);
    let data = ProtocolData {
        dataset: stage.dataset.clone(),
        split: stage.split.clone(),
        sha256: "by hand".to_owned(),
    };
    let data = BenchmarkData::new(data, None, media);
    let recipe = segue::Recipe { refit: true, ..recipe(plan(&EXPERTS)) };
    let published = Published::of("s3rec").expect("it is there");
    let benchmark = Benchmark {
        protocol: Protocol::S3rec,
        recipe,
        adapting: None,
        published: &published,
        observer: &Silent,
    };
    let measured = measure(&benchmark, &data, &["books".to_owned()]).expect("it fits");
    let [(name, fit)] = &measured.fits[..] else { panic!("one domain was asked for") };
    assert!(name == "books" && has_image(&fit.model));
    for regime in ["train", "refit"] {
        let ndcg = |name: &str| {
            let rows = measured.rows.iter().filter(|row| row.name == name && row.regime == Some(regime));
            let masked = rows.filter(|row| row.mask == Some(true));
            masked.map(|row| row.metrics["ndcg@10"]).next().unwrap_or_else(|| panic!("{name} {regime}"))
        };
        assert!(ndcg("image") > ndcg("popularity"), "what pictures show is what people like");
        assert!(ndcg("blend") > 0.0);
    }
    assert!(measured.rows.iter().all(|row| row.domain == "books"));
}
