//! The curve as a page.

use segue_eval::bootstrap::Interval;
use segue_report::{Estimate, Report, StepCurve, StepLine};

use super::sentences::{heading, members, percent, sentences};
use super::{FLOOR, FewShotCurve, Share, TARGET_ONLY, TRANSFER};
use crate::study::PageOrigin;
use segue_report::number;

/// The page of curves, one for each target.
pub fn page(curves: &[FewShotCurve], origin: PageOrigin) -> Report {
    let data = origin.data.clone();
    let mut provenance = origin.provenance();
    for curve in curves {
        for share in &curve.shares {
            let name = format!("{}, {}: experts by weight", curve.target, percent(share.percent));
            provenance.push((name, members(share)));
        }
    }
    let seed = curves.first().map(|curve| curve.seed.to_string()).unwrap_or_default();
    provenance.push(("seed".to_owned(), seed));
    Report {
        title: format!("Few shots: {data}"),
        subtitle: curves.first().map(|curve| curve.split.clone()).unwrap_or_default(),
        generated: Some(origin.generated),
        headline: curves.iter().flat_map(sentences).collect(),
        dataset: curves.iter().flat_map(facts).collect(),
        steps: curves.iter().flat_map(|curve| [systems(curve), differences(curve)]).collect(),
        provenance,
        ..Report::default()
    }
}

fn facts(curve: &FewShotCurve) -> Vec<(String, String)> {
    let known = |share: &Share| {
        let name = format!("{}, {}", curve.target, percent(share.percent));
        let text = format!(
            "{} users, {} events, {} valid cases",
            number::count(share.n_users),
            number::count(share.n_events),
            number::count(share.n_valid_cases)
        );
        (name, text)
    };
    curve.shares.iter().map(known).collect()
}

fn systems(curve: &FewShotCurve) -> StepCurve {
    let line = |name: &str| {
        let estimate = |share: &Share| {
            let found = share.systems.iter().find(|system| system.name == name);
            found.map_or_else(Estimate::default, |system| estimate(&system.ndcg_at_10))
        };
        StepLine {
            name: name.to_owned(),
            estimates: curve.shares.iter().map(estimate).collect(),
            is_difference: false,
        }
    };
    StepCurve {
        lines: [TRANSFER, TARGET_ONLY, FLOOR].map(line).into(),
        ..frame(curve, heading(curve), "NDCG@10")
    }
}

fn differences(curve: &FewShotCurve) -> StepCurve {
    let line = |name: &str| {
        let estimate = |share: &Share| {
            let found = share.differences.iter().find(|difference| difference.against == name);
            found.map_or_else(Estimate::default, |found| estimate(&found.ndcg_at_10.difference))
        };
        StepLine {
            name: format!("over {name}"),
            estimates: curve.shares.iter().map(estimate).collect(),
            is_difference: true,
        }
    };
    let title = format!("{}: what the other domains add, paired", curve.target);
    StepCurve {
        lines: [TARGET_ONLY, FLOOR].map(line).into(),
        ..frame(curve, title, "NDCG@10, all domains minus the other")
    }
}

fn frame(curve: &FewShotCurve, title: String, y_label: &str) -> StepCurve {
    StepCurve {
        title,
        x_label: "share of users revealed".to_owned(),
        y_label: y_label.to_owned(),
        steps: curve.shares.iter().map(|share| percent(share.percent)).collect(),
        lines: Vec::new(),
    }
}

fn estimate(interval: &Interval) -> Estimate {
    Estimate::new(interval.mean, interval.lo, interval.hi)
}
