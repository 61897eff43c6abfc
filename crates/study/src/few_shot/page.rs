//! The curve as a page.

use segue_report::number;
use segue_report::{Estimate, Report, StepCurve, StepLine};

use super::sentences::{heading, members_in_share, percent, sentences};
use super::{FLOOR, FewShotCurve, Share, TARGET_ONLY, TRANSFER};
use crate::page::{PageOrigin, PictureLabels, difference_line, estimate, mean_line, picture};

/// The page of curves, one for each target.
pub fn page(curves: &[FewShotCurve], origin: PageOrigin) -> Report {
    let data = origin.data.clone();
    let mut provenance = origin.provenance();
    for curve in curves {
        for share in &curve.shares {
            let name = format!("{}, {}: experts by weight", curve.target, percent(share.percent));
            provenance.push((name, members_in_share(share)));
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
        mean_line(name, curve.shares.iter().map(estimate).collect())
    };
    by_share(curve, heading(curve), "NDCG@10", [TRANSFER, TARGET_ONLY, FLOOR].map(line).into())
}

fn differences(curve: &FewShotCurve) -> StepCurve {
    let line = |name: &str| {
        let estimate = |share: &Share| {
            let found = share.differences.iter().find(|difference| difference.against == name);
            found.map_or_else(Estimate::default, |found| estimate(&found.ndcg_at_10.difference))
        };
        difference_line(format!("over {name}"), curve.shares.iter().map(estimate).collect())
    };
    let title = format!("{}: what the other domains add, paired", curve.target);
    let height = "NDCG@10, all domains minus the other";
    by_share(curve, title, height, [TARGET_ONLY, FLOOR].map(line).into())
}

fn by_share(curve: &FewShotCurve, title: String, height: &str, lines: Vec<StepLine>) -> StepCurve {
    let labels = PictureLabels { title, steps: "share of users revealed", height };
    picture(labels, curve.shares.iter().map(|share| percent(share.percent)).collect(), lines)
}
