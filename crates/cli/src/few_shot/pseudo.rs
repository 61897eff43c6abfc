//! What pseudo-labels for the hidden users add to the blend of all domains.

use anyhow::Result;
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_train::Judge;
use segue_train::few_shot::{FewShot, FewShotFit};
use segue_train::pseudo_labels::{PseudoEvidence, PseudoTrial};
use serde::Serialize;

use super::{FewShotCurve, TRANSFER, percent_of};
use crate::grid::Grid;
use crate::number;
use crate::screen::Screen;
use crate::study::{Subject, watched};

/// What was measured at one share.
#[derive(Debug, Serialize)]
pub(crate) struct PseudoMeasured {
    /// What valid said; `None` where the target has too few valid cases to prove anything, so that none were tried.
    pub(crate) evidence: Option<PseudoEvidence>,
    /// Whether the floor is served all the same.
    pub(crate) serves_floor: bool,
    pub(crate) ndcg_at_10: Interval,
    /// With pseudo-labels minus without, on test.
    pub(crate) gain: Comparison,
}

/// Tries them on a fit, whose ranks on test are `ours`, and measures what is served then.
pub(super) fn measure(
    subject: &Subject<'_>,
    test: &Judge<'_>,
    (shot, transfer, ours): (&FewShot<'_>, &FewShotFit, &Rankings),
    (percent, screen): (f64, Screen),
) -> Result<PseudoMeasured> {
    let what = format!("{percent} %, pseudo-labels");
    let tried = watched(screen, &what, |session| Ok(shot.add_pseudo_labels(transfer, session)?))?;
    let (with, evidence) = tried.map_or((None, None), |(with, evidence)| (with, Some(evidence)));
    let served = with.as_ref().unwrap_or(transfer);
    let ranks = match &with {
        Some(with) => test.rank(|query, scores| with.score(query, subject.items, scores))?,
        None => ours.clone(),
    };
    Ok(PseudoMeasured {
        evidence,
        serves_floor: served.floor.is_some(),
        ndcg_at_10: subject.ndcg(test, &ranks)?,
        gain: subject.difference(test, &ranks, ours)?,
    })
}

/// Writes the tables, where pseudo-labels were asked for.
pub(super) fn show(curve: &FewShotCurve, screen: Screen) -> Result<()> {
    if curve.shares.iter().all(|share| share.pseudo_labels.is_none()) {
        return Ok(());
    }
    screen.heading(&format!("Pseudo-labels for hidden users, in `{TRANSFER}`"))?;
    let mut grid = Grid::new(&[
        ">share",
        ">confidence",
        ">labels",
        ">users",
        ">right on valid",
        ">gain on valid",
        "verdict",
        ">NDCG@10",
        ">gain on test",
    ]);
    for share in &curve.shares {
        let Some(measured) = &share.pseudo_labels else { continue };
        let trials = measured.evidence.as_ref().map_or(&[][..], |evidence| &evidence.trials);
        for trial in trials {
            grid.row(&trial_row(share.percent, trial, measured));
        }
        let test = [number::estimate(&measured.ndcg_at_10), number::difference(&measured.gain.difference)];
        grid.row(&last_row(share.percent, measured, test));
    }
    screen.say(grid.text())
}

fn trial_row(percent: f64, trial: &PseudoTrial, measured: &PseudoMeasured) -> [String; 9] {
    let kept = measured.evidence.as_ref().and_then(|evidence| evidence.kept) == Some(trial.threshold);
    [
        percent_of(percent),
        format!("{:.4}", trial.threshold),
        number::count(trial.n_labels),
        number::count(trial.n_users),
        format!("{:.1} %", trial.precision * 100.0),
        number::difference(&trial.gain),
        if kept { "kept" } else { "" }.to_owned(),
        String::new(),
        String::new(),
    ]
}

fn last_row(percent: f64, measured: &PseudoMeasured, [ndcg, gain]: [String; 2]) -> [String; 9] {
    let verdict = match &measured.evidence {
        None => "not tried: too few valid cases",
        Some(evidence) if evidence.trials.is_empty() => "nobody to label",
        Some(evidence) if evidence.kept.is_none() => "negative result, off",
        Some(_) if measured.serves_floor => "on; the floor is served",
        Some(_) => "on",
    };
    let empty = String::new;
    [percent_of(percent), empty(), empty(), empty(), empty(), empty(), verdict.to_owned(), ndcg, gain]
}
