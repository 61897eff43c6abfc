//! What the figures say, one sentence each.

use segue_eval::bootstrap::Interval;
use segue_models::Scope;
use segue_report::{Sentence, Tone};
use segue_train::tasks::TaskFigures;

use crate::figures::{CaseGroup, DomainFigures, HEADLINE, PairFigures, Regime, RunFigures};
use segue_report::number;

/// The verdicts of a run, most important first.
pub fn of_run(figures: &RunFigures) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = figures.domains.iter().flat_map(of_domain).collect();
    sentences.push(Sentence::new(Tone::Fact, regime(figures)));
    sentences.push(leaks(figures));
    sentences
}

const OVER_SINGLE: &str = "over the blend of this domain only";

/// The verdicts of a domain.
pub fn of_domain(domain: &DomainFigures) -> Vec<Sentence> {
    let name = &domain.domain;
    let mut sentences = Vec::new();
    if has_sources(domain) {
        let all = Subject { text: format!("In {name}, the other domains"), ending: "" };
        sentences.extend(domain.test.transfer(CaseGroup::All).map(|pair| compared(pair, &all, OVER_SINGLE)));
        sentences.extend(domain.test.transfer(CaseGroup::ColdUsers).map(|pair| {
            let n_cases = number::count(pair.n_cases);
            let text = format!("For users with fewer than 5 events in {name} ({n_cases} cases), they");
            compared(pair, &Subject { text, ending: "" }, OVER_SINGLE)
        }));
    } else if domain.fitted.gain_of_sources.is_some() {
        let text =
            format!("In {name}, no expert of another domain helped on valid, so none is used: weight 0");
        sentences.push(Sentence::new(Tone::Undecided, text));
    }
    let blending = Subject { text: format!("In {name}, blending"), ending: "s" };
    sentences.extend(domain.test.over_best_member().map(|pair| match domain.fitted.blend.active().count() {
        1 => Sentence::new(
            Tone::Fact,
            format!("In {name}, the blend is one expert alone: no other adds to it"),
        ),
        _ => compared(pair, &blending, &format!("over the best single expert ({})", pair.baseline)),
    }));
    sentences.extend(domain.test.tasks.iter().flat_map(|tasks| of_tasks(name, tasks)));
    sentences
}

fn of_tasks(domain: &str, tasks: &TaskFigures) -> Vec<Sentence> {
    let expert = tasks.expert;
    let rating = tasks.rating.as_ref().map(|task| {
        let (own, biases) = (task.model.rmse, task.biases.rmse);
        let tone = if own < biases { Tone::Fact } else { Tone::Loss };
        let text = format!(
            "In {domain}, {expert} predicts ratings with RMSE {own:.4}; item and user means: {biases:.4}"
        );
        Sentence::new(tone, text)
    });
    let click = tasks.click.as_ref().map(|task| {
        let text = format!(
            "In {domain}, {expert} gives probabilities of a choice among {} items; they are off by {:.4} on average (ECE), AUC {:.4}",
            task.n_negatives + 1,
            task.model.ece,
            task.model.auc
        );
        Sentence::new(Tone::Fact, text)
    });
    rating.into_iter().chain(click).collect()
}

/// Whether any expert of other domains has weight.
pub fn has_sources(domain: &DomainFigures) -> bool {
    let blend = &domain.fitted.blend;
    blend.active().any(|at| blend.members[at].expert.scope != Scope::Target)
}

// Who is compared, with the ending of its verbs: `they add`, `it adds`.
struct Subject {
    text: String,
    ending: &'static str,
}

fn compared(pair: &PairFigures, subject: &Subject, over: &str) -> Sentence {
    let Some(comparison) = pair.metrics.get(HEADLINE) else { return Sentence::default() };
    let Subject { text: who, ending: s } = subject;
    let difference = &comparison.difference;
    let share = comparison.relative.map_or_else(String::new, |share| format!(" ({:+.1} %)", share * 100.0));
    let measured = number::difference(difference);
    let text = match tone(difference) {
        Tone::Gain => format!("{who} add{s} {measured} NDCG@10 {over}{share}"),
        Tone::Loss => format!("{who} cost{s} {measured} NDCG@10 {over}{share}"),
        _ => format!("{who} make{s} no proven difference: {measured} NDCG@10 {over}"),
    };
    Sentence::new(tone(difference), text)
}

/// What an interval of a difference concludes.
pub fn tone(difference: &Interval) -> Tone {
    match difference {
        Interval { lo, .. } if *lo > 0.0 => Tone::Gain,
        Interval { hi, .. } if *hi < 0.0 => Tone::Loss,
        _ => Tone::Undecided,
    }
}

/// What the measured models were fitted on, as a sentence.
pub fn regime(figures: &RunFigures) -> String {
    let chosen = "weights and their evidence: models fitted on train, judged on valid";
    match figures.regime {
        Regime::Train => format!("Test figures: models {}; {chosen}", Regime::Train.in_words()),
        Regime::TrainValid => {
            format!("Test figures: models {}, as they are served; {chosen}", Regime::TrainValid.in_words())
        }
    }
}

/// What the split leaks, as a sentence.
pub fn leaks(figures: &RunFigures) -> Sentence {
    let leaks = &figures.leaks;
    if leaks.n_cases_before_train_end == 0 && leaks.n_train_events_after_first_case == 0 {
        let text = format!("Split: {}; no training event is later than a test event", figures.split);
        return Sentence::new(Tone::Fact, text);
    }
    let text = format!(
        "Split: {}; {} test cases are earlier than the end of training, so the models know other users' future",
        figures.split,
        number::count(leaks.n_cases_before_train_end)
    );
    Sentence::new(Tone::Loss, text)
}

/// The sign in front of a sentence.
pub fn sign(tone: Tone) -> &'static str {
    match tone {
        Tone::Gain => "+",
        Tone::Loss => "−",
        Tone::Undecided => "=",
        Tone::Fact => "·",
    }
}
