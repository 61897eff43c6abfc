//! The selector takes what helps and refuses what does not; a pretrained model knows the sources and nothing of the target.

use segue_data::TrainSet;
use segue_data::reveal::with_events;
use segue_models::sequence::{SequenceConfig, SequenceTuning, TransferConfig};
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, ItemVectors, Scope, TextSpace};
use segue_study::ablation::{Part, WholeFit, fit_without};
use segue_study::selection::{Selection, Sources, WaysToTry, select};
use segue_train::learn::Epoch;
use segue_train::sequence_fit::{Lessons, SequenceTraining, Validation, fit_sequence};
use segue_train::{FitPlan, Objective, Session};

use crate::story::{SOURCE, Source, Stage, Story, TARGET, plan};
use crate::studied;

const EVERY: WaysToTry<'_> = WaysToTry { each: true, tunings: &[SequenceTuning::AtOnce], encoders: &[] };

fn select_ways(stage: &Stage, plan: &FitPlan, tried: WaysToTry<'_>) -> Selection {
    let recipe = studied::recipe(plan.clone());
    select(&studied::problem(stage), &recipe, &stage.valid(), tried, Session::unwatched()).expect("it fits")
}

fn small(tuning: SequenceTuning) -> TransferConfig {
    let sequence = SequenceConfig {
        width: 16,
        n_heads: 2,
        n_layers: 1,
        max_len: 20,
        dropout: 0.1,
        max_epochs: 4,
        ..SequenceConfig::default()
    };
    TransferConfig { sequence, tuning, ..TransferConfig::default() }
}

fn pretrained(stage: &Stage, train: &TrainSet, config: &TransferConfig) -> (Expert, Vec<Epoch>) {
    let id = ExpertId { kind: ExpertKind::Transfer, scope: Scope::All };
    let items = &stage.dataset.items;
    let words = ItemVectors::of_words(items).expect("titles have words");
    let space = TextSpace::new(&words, &stage.split.train, items);
    let lessons = Lessons {
        train,
        items,
        inputs: segue_models::FusionInputs { text: space.as_ref(), ..Default::default() },
    };
    let judge = stage.valid();
    let valid = Validation { judge: &judge, objective: Objective::Masked };
    let config = ExpertConfig::Transfer(config.clone());
    let training = SequenceTraining::new(id, TARGET, lessons, Some(valid), 0);
    fit_sequence(training, &config, |_| ()).expect("it can be learned")
}

#[test]
fn a_frozen_model_has_learned_nothing_from_the_target() {
    let stage = Story { n_users: 500, ..Story::default() }.stage();
    let items = &stage.dataset.items;
    let inside = items.range(TARGET);
    let sources = with_events(&stage.split.train, |_, event| !inside.contains(&event.item.at()));
    let config = small(SequenceTuning::Frozen);
    let (all, _) = pretrained(&stage, &stage.split.train, &config);
    let (of_sources, _) = pretrained(&stage, &sources, &config);
    assert_eq!(all.save(), of_sources.save());
    let source_items = items.range(SOURCE).len() * 16;
    let own = all.save().take_f32("items").expect("own vectors");
    assert!(own[..source_items].iter().any(|&x| x != 0.0), "items of the source have vectors of their own");
    assert!(own[source_items..].iter().all(|&x| x == 0.0), "items of the target are their texts");
}

#[test]
fn light_tuning_leaves_the_blocks_and_full_tuning_does_not() {
    let stage = Story { n_users: 500, ..Story::default() }.stage();
    let of = |tuning| pretrained(&stage, &stage.split.train, &small(tuning));
    let [frozen, light, full] = [SequenceTuning::Frozen, SequenceTuning::Light, SequenceTuning::Full].map(of);
    let array = |(expert, _): &(Expert, Vec<Epoch>), name: &str| expert.save().take_f32(name).expect(name);
    let matrix = "blocks.0.qkv.weight";
    assert_eq!(array(&frozen, matrix), array(&light, matrix));
    assert_ne!(array(&frozen, matrix), array(&full, matrix));
    for name in ["items", "adaptor.weight", "norm.weight", "domains.1.up.weight"] {
        assert_ne!(array(&frozen, name), array(&light, name), "{name}");
    }
    let passes: Vec<usize> = full.1.iter().map(|pass| pass.epoch).collect();
    assert_eq!(passes, (1..=passes.len()).collect::<Vec<_>>(), "passes count on from phase to phase");
    let ExpertConfig::Transfer(config) = full.0.config() else { panic!("another kind") };
    assert!(config.pretrain_epochs > 0 && config.sequence.epochs > 0, "a refit can repeat both phases");
}

#[test]
fn a_tuning_after_the_frozen_one_continues_it_and_is_the_one_that_was_trained_alone() {
    let stage = Story { n_users: 500, ..Story::default() }.stage();
    let experts = vec![ExpertKind::Window, ExpertKind::Transfer];
    let plan = FitPlan { experts, transfer: small(SequenceTuning::AtOnce), budget: 1, ..FitPlan::default() };
    let candidates =
        |tunings: &[SequenceTuning]| select_ways(&stage, &plan, WaysToTry { tunings, ..EVERY }).candidates;
    let [light, full] = [SequenceTuning::Light, SequenceTuning::Full].map(|tuning| candidates(&[tuning]));
    let shared = candidates(&[SequenceTuning::Frozen, SequenceTuning::Light, SequenceTuning::Full]);
    assert_eq!(shared.len(), 4);
    for (alone, shared) in [(&light[1], &shared[2]), (&full[1], &shared[3])] {
        assert_eq!(alone.judged.way, shared.judged.way);
        assert_eq!(alone.fit.model, shared.fit.model);
        assert_eq!(alone.fit.curves, shared.fit.curves);
    }
}

#[test]
fn a_refit_repeats_the_passes_of_each_phase() {
    let stage = Story { n_users: 500, ..Story::default() }.stage();
    let (chosen, _) = pretrained(&stage, &stage.split.train, &small(SequenceTuning::Full));
    let ExpertConfig::Transfer(config) = chosen.config() else { panic!("another kind") };
    // Phases of different lengths: one must not be taken for the other.
    let mut config = TransferConfig { pretrain_epochs: 3, ..config.clone() };
    config.sequence.epochs = 1;
    let items = &stage.dataset.items;
    let words = ItemVectors::of_words(items).expect("titles have words");
    let space = TextSpace::new(&words, &stage.split.train, items);
    let inputs = segue_models::FusionInputs { text: space.as_ref(), ..Default::default() };
    let lessons = Lessons { train: &stage.split.train_valid, items, inputs };
    let id = ExpertId { kind: ExpertKind::Transfer, scope: Scope::All };
    let config = ExpertConfig::Transfer(config);
    let training = SequenceTraining::new(id, TARGET, lessons, None, 0);
    let (_, passes) = fit_sequence(training, &config, |_| ()).expect("it fits");
    assert_eq!(passes.len(), 4);
}

#[test]
fn a_source_that_helps_is_chosen_and_a_shuffled_one_is_refused() {
    let shared = Story::default().stage();
    let selection = select_ways(&shared, &plan(), EVERY);
    let chosen = &selection.chosen(None).judged;
    assert_eq!(chosen.way.sources, Sources::One(SOURCE));
    assert!(chosen.gain.is_some_and(|gain| gain.lo > 0.0), "{chosen:?}");
    let shuffled = Story { source: Source::Shuffled, n_users: 1_000, ..Story::default() }.stage();
    let selection = select_ways(&shuffled, &plan(), EVERY);
    assert_eq!(selection.candidates.len(), 2);
    assert_eq!(selection.chosen(None).judged.way.sources, Sources::None);
}

#[test]
fn the_target_alone_is_the_fit_that_never_saw_a_source() {
    let stage = Story { n_users: 600, ..Story::default() }.stage();
    let selection = select_ways(&stage, &plan(), EVERY);
    let alone = stage.fit(&FitPlan { use_sources: false, ..plan() });
    assert_eq!(selection.candidates[0].fit.model, alone.model);
}

#[test]
fn without_a_part_the_recipe_is_the_one_that_never_had_it() {
    let stage = Story { n_users: 600, ..Story::default() }.stage();
    // One setting each, so that nothing is tuned inside a blend.
    let plan = FitPlan { budget: 1, ..plan() };
    let fit = stage.fit(&plan);
    let whole = WholeFit { plan: &plan, fit: &fit, material: stage.material() };
    let without =
        |part| fit_without(part, whole, &stage.valid(), Session::unwatched()).expect("it fits").model;
    let alone = stage.fit(&FitPlan { use_sources: false, ..plan.clone() });
    assert_eq!(without(Part::Sources), alone.model);
    for kind in plan.experts.clone() {
        let mut rest = plan.clone();
        rest.experts.retain(|other| *other != kind);
        assert_eq!(without(Part::Expert(kind)), stage.fit(&rest).model, "{kind:?}");
    }
}
