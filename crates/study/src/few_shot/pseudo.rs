//! What pseudo-labels for the hidden users add to the blend of all domains.

use crate::few_shot::systems::{FewShot, FewShotFit};
use anyhow::Result;
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_train::Judge;
use segue_train::pseudo_labels::PseudoEvidence;
use serde::Serialize;

use crate::study::Study;

/// What was measured at one share.
#[derive(Debug, Serialize)]
pub struct PseudoMeasured {
    /// What valid said; `None` where the target has too few valid cases to prove anything, so that none were tried.
    pub evidence: Option<PseudoEvidence>,
    /// Whether the floor is served all the same.
    pub serves_floor: bool,
    pub ndcg_at_10: Interval,
    /// With pseudo-labels minus without, on test.
    pub gain: Comparison,
}

/// The fit of a share to which pseudo-labels are added.
pub struct Labeled<'a> {
    /// The share.
    pub shot: &'a FewShot<'a>,
    /// Its blend of all domains.
    pub transfer: &'a FewShotFit,
    /// Ranks of that blend on test.
    pub ours: &'a Rankings,
    /// The share in percent.
    pub percent: f64,
}

/// Tries them on a fit, whose ranks on test are `ours`, and measures what is served then.
pub fn measure(study: &Study<'_>, test: &Judge<'_>, labeled: &Labeled<'_>) -> Result<PseudoMeasured> {
    let &Labeled { shot, transfer, ours, percent } = labeled;
    let what = format!("{percent} %, pseudo-labels");
    let tried = study.watched(&what, |session| shot.add_pseudo_labels(transfer, session))?;
    let (with, evidence) = tried.map_or((None, None), |(with, evidence)| (with, Some(evidence)));
    let served = with.as_ref().unwrap_or(transfer);
    let ranks = match &with {
        Some(with) => test.rank(|query, scores| with.score(query, study.problem.items, scores))?,
        None => ours.clone(),
    };
    Ok(PseudoMeasured {
        evidence,
        serves_floor: served.floor.is_some(),
        ndcg_at_10: study.ndcg(test, &ranks)?,
        gain: study.difference(test, &ranks, ours)?,
    })
}
