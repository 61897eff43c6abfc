//! The transfer matrix takes a source that helps, and refuses one that knows nothing.

use segue_models::ExpertKind;
use segue_models::sequence::SequenceTuning;
use segue_study::selection::{TargetSelection, WaysToTry, measure, pair_name, sentences};

use crate::story::{Source, Story};
use crate::studied::{plan, problem, recipe, study};

fn matrix(source: Source) -> TargetSelection {
    let stage = Story { n_users: 800, source, ..Story::default() }.stage();
    let recipe = recipe(plan(&[ExpertKind::Popularity, ExpertKind::Window]));
    let tried = WaysToTry { each: true, tunings: &[SequenceTuning::AtOnce], encoders: &[] };
    measure(&study(problem(&stage), &recipe), tried).expect("it fits")
}

#[test]
fn a_source_that_shares_the_taste_is_chosen() {
    let target = matrix(Source::SharedTaste);
    assert_eq!(target.ways.len(), 2, "the target alone, and with films");
    let names: Vec<String> = target.choices.iter().map(|choice| pair_name(&target, choice)).collect();
    assert_eq!(names, ["films → books", "best of all ways → books"]);
    for choice in &target.choices {
        assert_eq!(choice.chosen.as_deref(), Some("films"));
        assert!(choice.best_on_valid.is_some_and(|gain| gain.lo > 0.0));
        assert!(choice.on_test.difference.mean > 0.0);
        assert!((choice.on_test.baseline - target.alone_on_test.mean).abs() < 1e-9);
    }
}

#[test]
fn a_shuffled_source_is_refused_and_the_target_alone_is_served() {
    let target = matrix(Source::Shuffled);
    assert!(target.ways.iter().all(|way| !way.judged.helps));
    for choice in &target.choices {
        assert_eq!(choice.chosen, None);
        let difference = choice.on_test.difference;
        assert_eq!((difference.mean, difference.lo, difference.hi), (0.0, 0.0, 0.0));
    }
    let said: Vec<String> = sentences(&[target]).into_iter().map(|sentence| sentence.text).collect();
    assert!(said[0].contains("served by itself alone") && said[1].contains("none of 2 choices"), "{said:?}");
}
