//! A target without events: what is chosen does not depend on what is hidden, and what works without events is used.

use segue_data::{DomainIdx, reveal};
use segue_models::Scope;
use segue_train::judge::JudgeRule;
use segue_train::zero_shot::{SourceCases, ZeroShot, fit_zero_shot};
use segue_train::{MaskRule, Material, Session};

use crate::story::{SOURCE, Source, Story, TARGET, plan};

const RULE: JudgeRule = JudgeRule { mask: MaskRule::Seen, sampled: None };

fn chosen(story: Story, hide: bool) -> ZeroShot {
    let stage = story.stage();
    let items = &stage.dataset.items;
    let known = reveal(&stage.split, items, TARGET, |_, _| !hide);
    let material = Material::new(&known.train, items, None);
    let sources: [(DomainIdx, _); 1] = [(SOURCE, &known.valid.0)];
    let sources = SourceCases { cases: &sources, rule: RULE };
    let fitted = fit_zero_shot(&plan(), material, sources, TARGET, Session::watched_by(&|_| {}));
    fitted.expect("the source has valid cases").0
}

#[test]
fn the_choice_does_not_see_the_events_of_the_target() {
    assert_eq!(chosen(Story::default(), true), chosen(Story::default(), false));
}

#[test]
fn only_experts_that_need_no_events_of_the_domain_get_weight() {
    let zero_shot = chosen(Story { source: Source::SharedTaste, ..Story::default() }, true);
    let names: Vec<String> = zero_shot.members.iter().map(|member| member.expert.to_string()).collect();
    assert_eq!(names, ["content"], "with one source there is nothing else to learn from");
    assert!(zero_shot.members.iter().all(|member| member.expert.scope == Scope::Target));
    assert!((zero_shot.members.iter().map(|member| member.weight).sum::<f32>() - 1.0).abs() < 1e-6);
}
