//! Pseudo-labels: what is not revealed says nothing, a repetition repeats, and valid decides whether they stay.

use segue_data::{RevealOrder, Revealed, Split, reveal};
use segue_train::few_shot::{FewShot, FewShotFit};
use segue_train::pseudo_labels::PseudoEvidence;
use segue_train::zero_shot::JudgeRule;
use segue_train::{FitPlan, MaskRule, Session};

use crate::story::{Source, Stage, Story, TARGET, Text, plan};

const RULE: JudgeRule = JudgeRule { mask: MaskRule::Seen, sampled: None };

fn revealed(stage: &Stage, split: &Split, percent: f64) -> Revealed {
    let items = &stage.dataset.items;
    let order = RevealOrder::new(split, items, TARGET, 0);
    let mut known = order.first(percent).to_vec();
    known.sort_unstable();
    reveal(split, items, TARGET, |row, _| known.binary_search(&row).is_ok())
}

fn tried(
    stage: &Stage,
    plan: &FitPlan,
    revealed: &Revealed,
) -> (FewShotFit, Option<FewShotFit>, PseudoEvidence) {
    let shot = FewShot {
        plan,
        revealed,
        items: &stage.dataset.items,
        vectors: None,
        graph: None,
        target: TARGET,
        rule: RULE,
        refit: false,
    };
    let fit = shot.fit_transfer(Session::unwatched()).expect("it fits");
    let (with, evidence) =
        shot.add_pseudo_labels(&fit, Session::unwatched()).expect("it fits").expect("there is a valid set");
    (fit, with, evidence)
}

#[test]
fn explore() {
    for n_users in [2_000, 6_000] {
        for percent in [2.0, 5.0, 10.0, 20.0] {
            for (source, text) in [
                (Source::SharedTaste, Text::Noise),
                (Source::SharedTaste, Text::Genre),
                (Source::Shuffled, Text::Noise),
            ] {
                for budget in [1, 4] {
                    let stage = Story { n_users, source, text, ..Story::default() }.stage();
                    let revealed = revealed(&stage, &stage.split, percent);
                    let plan = FitPlan { budget, ..plan() };
                    let (fit, with, evidence) = tried(&stage, &plan, &revealed);
                    let test = stage.test();
                    let mean = |fit: &FewShotFit| segue_train::judge::mean(&stage.ndcg(&test, &fit.model));
                    println!(
                        "{n_users} {percent} {source:?} {text:?} b{budget}: members {:?}",
                        fit.model
                            .blend
                            .members
                            .iter()
                            .filter(|m| m.warm > 0.0)
                            .map(|m| format!("{} {:.2}", m.expert, m.warm))
                            .collect::<Vec<_>>()
                    );
                    for trial in &evidence.trials {
                        println!(
                            "   {:.4} labels {} users {} precision {:.3} gain {:+.4} [{:+.4}, {:+.4}]",
                            trial.threshold,
                            trial.n_labels,
                            trial.n_users,
                            trial.precision,
                            trial.gain.mean,
                            trial.gain.lo,
                            trial.gain.hi
                        );
                    }
                    println!("   test {:.4} -> {:?}", mean(&fit), with.as_ref().map(mean));
                }
            }
        }
    }
}
