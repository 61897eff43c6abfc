//! The matrix as a page.

use segue_eval::bootstrap::Interval;
use segue_report::{Estimate, Report, StepCurve, StepLine};

use super::TargetSelection;
use super::sentences::{heading, sentences};
use crate::study::{PageOrigin, members_in_words};

/// The page of all targets.
pub fn page(targets: &[TargetSelection], origin: PageOrigin) -> Report {
    let mut provenance = origin.provenance();
    for target in targets {
        for way in &target.ways {
            let name = format!("{} by {}", target.target, way.name);
            provenance.push((name, members_in_words(&way.members)));
        }
    }
    Report {
        title: format!("Which domain helps which: {}", origin.data),
        subtitle: targets.first().map(|target| target.split.clone()).unwrap_or_default(),
        generated: Some(origin.generated),
        headline: sentences(targets),
        steps: targets.iter().flat_map(|target| [on_valid(target), on_test(target)]).collect(),
        provenance,
        ..Report::default()
    }
}

fn on_valid(target: &TargetSelection) -> StepCurve {
    let judged = target.ways.iter().filter(|way| way.judged.gain.is_some());
    let estimates = judged.clone().filter_map(|way| way.judged.gain.as_ref()).map(estimate).collect();
    StepCurve {
        title: heading(target),
        x_label: "way".to_owned(),
        y_label: "NDCG@10 on valid over the target alone".to_owned(),
        steps: judged.map(|way| way.name.clone()).collect(),
        lines: vec![StepLine { name: "on valid".to_owned(), estimates, is_difference: true }],
    }
}

fn on_test(target: &TargetSelection) -> StepCurve {
    let name = |source: &Option<String>| source.clone().unwrap_or_else(|| "best of all ways".to_owned());
    let estimates = target.choices.iter().map(|choice| estimate(&choice.on_test.difference)).collect();
    StepCurve {
        title: format!("{}: what was chosen, on test", target.target),
        x_label: "source".to_owned(),
        y_label: "NDCG@10 over the target alone".to_owned(),
        steps: target.choices.iter().map(|choice| name(&choice.source)).collect(),
        lines: vec![StepLine { name: "on test".to_owned(), estimates, is_difference: true }],
    }
}

fn estimate(interval: &Interval) -> Estimate {
    Estimate::new(interval.mean, interval.lo, interval.hi)
}
