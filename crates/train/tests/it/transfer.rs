//! What another domain and the texts are worth: nothing when they know nothing, something when they do.

use segue_models::{ExpertId, ExpertKind, Scope};
use segue_train::DomainFit;

use crate::story::{Source, Story, Text, plan};

fn weight(fit: &DomainFit, wanted: impl Fn(ExpertId) -> bool) -> f32 {
    let members = fit.model.blend.members.iter().filter(|member| wanted(member.expert));
    members.map(|member| member.warm.max(member.cold)).sum()
}

fn of_sources(expert: ExpertId) -> bool {
    expert.scope == Scope::Sources
}

fn reads_text(expert: ExpertId) -> bool {
    expert.kind == ExpertKind::Content
}

#[test]
fn a_shuffled_source_gets_no_weight() {
    let mut let_in = Vec::new();
    for seed in 1..=4 {
        let story = Story { source: Source::Shuffled, n_users: 1_000, seed, ..Story::default() };
        let fit = story.stage().fit(&plan());
        let n_judged = fit.fitted.evidence.iter().filter(|evidence| of_sources(evidence.expert)).count();
        assert_eq!(n_judged, 3, "window, linear and content were tried on the source");
        if weight(&fit, of_sources) > 0.0 {
            let_in.push((seed, fit.fitted.evidence));
        } else {
            assert_eq!(fit.fitted.gain_of_sources.map(|gain| gain.mean), Some(0.0));
        }
    }
    assert!(let_in.is_empty(), "{let_in:?}");
}

#[test]
fn a_source_that_shares_the_taste_gets_weight_and_its_gain_is_shown() {
    let fit = Story::default().stage().fit(&plan());
    assert!(weight(&fit, of_sources) > 0.0, "{:?}", fit.fitted.evidence);
    let gain = fit.fitted.gain_of_sources.unwrap();
    assert!(gain.lo > 0.0, "{gain:?}");
}

#[test]
fn words_that_say_nothing_get_no_weight_and_words_that_do_get_some() {
    let noise = Story { text: Text::Noise, ..Story::default() }.stage().fit(&plan());
    assert_eq!(weight(&noise, reads_text), 0.0, "{:?}", noise.fitted.evidence);
    let genre = Story::default().stage().fit(&plan());
    assert!(weight(&genre, reads_text) > 0.0, "{:?}", genre.fitted.evidence);
}
