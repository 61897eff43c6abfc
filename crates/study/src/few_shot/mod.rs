//! How good a domain is with a part of its data, with and without the other domains: the curve of `segue few-shot`.

mod systems;
mod pseudo;
mod asking;
mod page;
mod sentences;

use anyhow::{Context, Result};
use segue::figures::HEADLINE;
use segue_data::RevealOrder;
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{Comparison, MetricTable};
use segue_train::zero_shot::ZeroShot;
use segue_train::{Judge, Objective};
use serde::Serialize;

pub use asking::{AskingCurve, AskingRound, ask};
pub use page::page;
pub use pseudo::PseudoMeasured;
pub use sentences::{heading, members_in_share, percent, sentences};
pub use systems::{ChosenOn, FEWEST_USERS_TO_CHOOSE_BY, FewShot, FewShotFit, LabelsTried, revealed_split};

use crate::study::{ExpertWeight, Study, members};
use pseudo::Unlabeled;

/// The blend of all domains.
pub const TRANSFER: &str = "all domains";
/// The blend of the target alone.
pub const TARGET_ONLY: &str = "target only";
/// The fixed recipe.
pub const FLOOR: &str = "floor (window + words)";

/// What a curve is measured at.
#[derive(Clone, Copy, Debug)]
pub struct CurveRequest<'a> {
    /// Percent of the target's users that are revealed, from 0 to 100, in the order of the curve.
    pub shares: &'a [f64],
    /// Whether pseudo-labels for the hidden users are tried at every share, beside the curve.
    pub pseudo_labels: bool,
}

/// The curve.
#[derive(Debug, Serialize)]
pub struct FewShotCurve {
    /// Name of the target.
    pub target: String,
    /// How the events were cut, in words.
    pub split: String,
    /// Seed of the order in which users are revealed, the fits and the intervals.
    pub seed: u64,
    /// Whether the measured models were fitted on train and valid.
    pub refit: bool,
    /// Users of the target with something to reveal.
    pub n_users: usize,
    /// Test cases, the same at every share.
    pub n_test_cases: usize,
    /// What each share gave.
    pub shares: Vec<Share>,
}

/// What one share gave.
#[derive(Debug, Serialize)]
pub struct Share {
    /// Percent of the target's users that are revealed.
    pub percent: f64,
    /// How many users that are.
    pub n_users: usize,
    /// Training events of the target that are revealed.
    pub n_events: usize,
    /// Valid cases of the target that are revealed.
    pub n_valid_cases: usize,
    /// What the blend of all domains was chosen on.
    pub chosen_on: ChosenOn,
    /// Whether nothing proved that blend to be better than the floor, so that the floor is served.
    pub serves_floor: bool,
    /// The blend of all domains, the blend of the target alone where it could be chosen, the floor.
    pub systems: Vec<ShareSystem>,
    /// The blend of all domains minus each other system.
    pub differences: Vec<SystemDifference>,
    /// Members of the blend of all domains, with their weights.
    pub members: Vec<ExpertWeight>,
    /// What the sources chose, where they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_shot: Option<ZeroShot>,
    /// What pseudo-labels for the hidden users add to the blend of all domains, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pseudo_labels: Option<PseudoMeasured>,
}

/// A measured system.
#[derive(Debug, Serialize)]
pub struct ShareSystem {
    /// [`TRANSFER`], [`TARGET_ONLY`] or [`FLOOR`].
    pub name: &'static str,
    /// NDCG@10 of the ranks that the objective counts.
    pub ndcg_at_10: Interval,
    /// With known items masked, where the figures are those of unmasked rankings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked_ndcg_at_10: Option<Interval>,
    /// All metrics of the ranks that the objective counts.
    pub table: MetricTable,
}

/// A paired difference.
#[derive(Debug, Serialize)]
pub struct SystemDifference {
    /// The other system.
    pub against: &'static str,
    /// NDCG@10 of the blend of all domains minus that of the other system.
    #[serde(flatten)]
    pub ndcg_at_10: Comparison,
}

/// Measures all shares.
///
/// # Errors
/// When the target has no test case, or nothing can be fitted.
pub fn curve(study: &Study<'_>, request: CurveRequest<'_>) -> Result<FewShotCurve> {
    let (problem, seed) = (&study.problem, study.plan().seed);
    let test = problem.test()?;
    let order = RevealOrder::new(problem.split, problem.items, problem.target, seed);
    let mut shares = Vec::new();
    for &percent in request.shares {
        let revealed = RevealedShare { study, test: &test, percent, rows: order.first(percent) };
        let share = revealed.measure(request.pseudo_labels).with_context(|| format!("at {percent} %"))?;
        shares.push(share);
    }
    Ok(FewShotCurve {
        target: study.target_name().to_owned(),
        split: problem.split.description.clone(),
        seed,
        refit: study.recipe.refit,
        n_users: order.rows().len(),
        n_test_cases: test.n_cases(),
        shares,
    })
}

/// One share before it is measured.
struct RevealedShare<'s, 'a> {
    study: &'s Study<'a>,
    test: &'s Judge<'a>,
    percent: f64,
    /// The users that are revealed.
    rows: &'s [u32],
}

impl RevealedShare<'_, '_> {
    fn measure(&self, with_pseudo_labels: bool) -> Result<Share> {
        let &Self { study, test, percent, rows } = self;
        let items = study.problem.items;
        let split = revealed_split(&study.problem, rows);
        let shot = FewShot { problem: study.problem.with_split(&split), recipe: study.recipe };
        let task = |system: &str| format!("{percent} %, {system}");
        let transfer = study.watched(&task(TRANSFER), |session| shot.fit_transfer(session))?;
        let alone = study.watched(&task(TARGET_ONLY), |session| shot.fit_target_only(session))?;
        let floor = shot.fit_floor()?;
        let ranks = SystemRanks {
            transfer: test.rank(|query, scores| transfer.score(query, items, scores))?,
            floor: test.rank(|query, scores| floor.score(query, items, scores))?,
            alone: alone.map(|fit| test.rank(|query, scores| fit.score(query, items, scores))).transpose()?,
        };
        let without = Unlabeled { shot: &shot, transfer: &transfer, ranks: &ranks.transfer, percent };
        let pseudo_labels =
            if with_pseudo_labels { Some(pseudo::measure(study, test, &without)?) } else { None };
        let inside = items.range(study.problem.target);
        let events = split.train.sequences.events();
        Ok(Share {
            percent,
            n_users: rows.len(),
            n_events: events.iter().filter(|event| inside.contains(&event.item.at())).count(),
            n_valid_cases: shot.n_valid_cases(),
            chosen_on: transfer.chosen_on,
            serves_floor: transfer.floor.is_some(),
            systems: self.systems(&ranks)?,
            differences: self.differences(&ranks)?,
            members: members(&transfer.model),
            zero_shot: transfer.zero_shot,
            pseudo_labels,
        })
    }

    fn systems(&self, ranks: &SystemRanks) -> Result<Vec<ShareSystem>> {
        let mut systems = vec![self.system(TRANSFER, &ranks.transfer)?];
        if let Some(alone) = &ranks.alone {
            systems.push(self.system(TARGET_ONLY, alone)?);
        }
        systems.push(self.system(FLOOR, &ranks.floor)?);
        Ok(systems)
    }

    fn system(&self, name: &'static str, rankings: &Rankings) -> Result<ShareSystem> {
        let (study, users) = (self.study, self.test.users());
        let table = MetricTable::of(study.ranks(rankings), Some(users), &study.recipe.table)?;
        let ndcg_at_10 = *table.metrics.get(HEADLINE).context("no metric was measured")?;
        let masked_ndcg_at_10 = if study.plan().objective == Objective::Unmasked {
            let masked = MetricTable::of(&rankings.masked, Some(users), &study.recipe.table)?;
            masked.metrics.get(HEADLINE).copied()
        } else {
            None
        };
        Ok(ShareSystem { name, ndcg_at_10, masked_ndcg_at_10, table })
    }

    fn differences(&self, ranks: &SystemRanks) -> Result<Vec<SystemDifference>> {
        let over = |against: &'static str, theirs: &Rankings| -> Result<SystemDifference> {
            let ndcg_at_10 = self.study.difference(self.test, &ranks.transfer, theirs)?;
            Ok(SystemDifference { against, ndcg_at_10 })
        };
        let mut differences = Vec::new();
        if let Some(alone) = &ranks.alone {
            differences.push(over(TARGET_ONLY, alone)?);
        }
        differences.push(over(FLOOR, &ranks.floor)?);
        Ok(differences)
    }
}

/// Ranks of the test cases by each system of a share.
struct SystemRanks {
    transfer: Rankings,
    /// `None` where nothing can be chosen on the target alone.
    alone: Option<Rankings>,
    floor: Rankings,
}
