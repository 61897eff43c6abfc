//! What pseudo-labels for the hidden users add to the blend of all domains.

use anyhow::Result;
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_train::Judge;
use segue_train::pseudo_labels::PseudoEvidence;
use serde::Serialize;

use super::systems::{FewShot, FewShotFit};
use crate::study::Study;

/// What was measured at one share.
#[derive(Debug, Serialize)]
pub struct PseudoMeasured {
    /// What valid said; `None` where the target has too few valid cases to prove anything, so that none were tried.
    pub evidence: Option<PseudoEvidence>,
    /// Whether the floor is served all the same.
    pub serves_floor: bool,
    /// NDCG@10 on test of what is served then.
    pub ndcg_at_10: Interval,
    /// NDCG@10 on test with pseudo-labels minus without.
    pub gain: Comparison,
}

/// The fit of a share to which pseudo-labels are added.
pub(super) struct Unlabeled<'a> {
    /// The share.
    pub(super) shot: &'a FewShot<'a>,
    /// Its blend of all domains.
    pub(super) transfer: &'a FewShotFit,
    /// Ranks of that blend on test.
    pub(super) ranks: &'a Rankings,
    /// The share in percent.
    pub(super) percent: f64,
}

/// Tries them, and measures what is served then.
pub(super) fn measure(
    study: &Study<'_>,
    test: &Judge<'_>,
    without: &Unlabeled<'_>,
) -> Result<PseudoMeasured> {
    let &Unlabeled { shot, transfer, ranks: theirs, percent } = without;
    let task = format!("{percent} %, pseudo-labels");
    let tried = study.watched(&task, |session| shot.add_pseudo_labels(transfer, session))?;
    let (with, evidence) = tried.map_or((None, None), |tried| (tried.with, Some(tried.evidence)));
    let served = with.as_ref().unwrap_or(transfer);
    let ours = match &with {
        Some(with) => test.rank(|query, scores| with.score(query, study.problem.items, scores))?,
        None => theirs.clone(),
    };
    Ok(PseudoMeasured {
        evidence,
        serves_floor: served.floor.is_some(),
        ndcg_at_10: study.ndcg(test, &ours)?,
        gain: study.difference(test, &ours, theirs)?,
    })
}
