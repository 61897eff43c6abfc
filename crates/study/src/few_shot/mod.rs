//! How good a domain is with a part of its data, with and without the other domains: the curve of `segue few-shot`.

pub mod systems;
mod asked;
mod page;
pub mod pseudo;
mod sentences;

pub use asked::{Asked, ask};
pub use page::page;
pub use sentences::{heading, members as members_in_share, percent, sentences};

use pseudo::{Labeled, PseudoMeasured};

use crate::few_shot::systems::{ChosenOn, FewShot, revealed_split};
use anyhow::{Context, Result};
use segue_data::{RevealOrder, reveal};
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{Comparison, MetricTable};
use segue_models::ExpertId;
use segue_train::zero_shot::ZeroShot;
use segue_train::{Judge, Objective};
use serde::Serialize;

use crate::study::{Study, members};
use segue::figures::HEADLINE;

/// The blend of all domains.
pub const TRANSFER: &str = "all domains";
/// The blend of the target alone.
pub const TARGET_ONLY: &str = "target only";
/// The fixed recipe.
pub const FLOOR: &str = "floor (window + words)";

/// The curve.
#[derive(Debug, Serialize)]
pub struct FewShotCurve {
    pub target: String,
    pub split: String,
    pub seed: u64,
    /// Whether the measured models were fitted on train and valid.
    pub refit: bool,
    /// Users of the target with something to reveal.
    pub n_users: usize,
    /// Test cases, the same at every share.
    pub n_test_cases: usize,
    pub shares: Vec<Share>,
}

/// What one share gave.
#[derive(Debug, Serialize)]
pub struct Share {
    pub percent: f64,
    pub n_users: usize,
    /// Training events of the target that are revealed.
    pub n_events: usize,
    /// Valid cases of the target that are revealed.
    pub n_valid_cases: usize,
    /// What the blend of all domains was chosen on.
    pub chosen_on: ChosenOn,
    /// Whether nothing proved that blend to be better than the floor, so that the floor is served.
    pub serves_floor: bool,
    pub systems: Vec<System>,
    /// The blend of all domains minus each other system.
    pub differences: Vec<Difference>,
    /// Members of the blend of all domains, with their weights.
    pub members: Vec<(ExpertId, f32)>,
    /// The choice of the sources, where they made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_shot: Option<ZeroShot>,
    /// What pseudo-labels for the hidden users add to the blend of all domains, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pseudo_labels: Option<PseudoMeasured>,
}

/// A measured system.
#[derive(Debug, Serialize)]
pub struct System {
    pub name: &'static str,
    pub ndcg_at_10: Interval,
    /// With known items masked, where the figures are those of unmasked rankings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked_ndcg_at_10: Option<Interval>,
    pub table: MetricTable,
}

/// A paired difference.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// The other system.
    pub against: &'static str,
    #[serde(flatten)]
    pub ndcg_at_10: Comparison,
}

/// Measures all shares (percent), in the order given.
pub fn curve(
    study: &Study<'_>,
    test: &Judge<'_>,
    shares: &[f64],
    with_pseudo_labels: bool,
) -> Result<FewShotCurve> {
    let (problem, seed) = (&study.problem, study.plan().seed);
    let order = RevealOrder::new(problem.split, problem.items, problem.target, seed);
    let mut measured = Vec::new();
    for &percent in shares {
        let rows = order.first(percent);
        let asked = Asks { percent, rows, with_pseudo_labels };
        let share = share(study, test, &asked).with_context(|| format!("at {percent} %"))?;
        measured.push(share);
    }
    Ok(FewShotCurve {
        target: study.target_name().to_owned(),
        split: problem.split.description.clone(),
        seed,
        refit: study.recipe.refit,
        n_users: order.rows().len(),
        n_test_cases: test.n_cases(),
        shares: measured,
    })
}

struct Asks<'a> {
    percent: f64,
    /// The users that are revealed.
    rows: &'a [u32],
    with_pseudo_labels: bool,
}

fn share(study: &Study<'_>, test: &Judge<'_>, asks: &Asks<'_>) -> Result<Share> {
    let (items, &Asks { percent, rows, with_pseudo_labels }) = (study.problem.items, asks);
    let known = known_rows(rows);
    let whole = study.problem.split;
    let revealed = reveal(whole, items, study.problem.target, |row, _| known(row));
    let split = revealed_split(whole, revealed);
    let shot = FewShot { problem: study.problem.with_split(&split), recipe: study.recipe };
    let transfer =
        study.watched(&format!("{percent} %, {TRANSFER}"), |session| shot.fit_transfer(session))?;
    let alone =
        study.watched(&format!("{percent} %, {TARGET_ONLY}"), |session| shot.fit_target_only(session))?;
    let floor = shot.fit_floor()?;
    let ours = test.rank(|query, scores| transfer.score(query, items, scores))?;
    let floor = test.rank(|query, scores| floor.score(query, items, scores))?;
    let alone = alone.map(|fit| test.rank(|query, scores| fit.score(query, items, scores))).transpose()?;
    let others = [alone.as_ref().map(|ranks| (TARGET_ONLY, ranks)), Some((FLOOR, &floor))];
    let others: Vec<(&'static str, &Rankings)> = others.into_iter().flatten().collect();
    let mut systems = vec![system(study, test, TRANSFER, &ours)?];
    let mut differences = Vec::new();
    for (name, ranks) in others {
        systems.push(system(study, test, name, ranks)?);
        differences.push(Difference { against: name, ndcg_at_10: study.difference(test, &ours, ranks)? });
    }
    let pseudo_labels = if with_pseudo_labels {
        Some(pseudo::measure(
            study,
            test,
            &Labeled { shot: &shot, transfer: &transfer, ours: &ours, percent },
        )?)
    } else {
        None
    };
    let inside = items.range(study.problem.target);
    let events = split.train.sequences.events();
    Ok(Share {
        percent,
        n_users: rows.len(),
        n_events: events.iter().filter(|event| inside.contains(&event.item.at())).count(),
        n_valid_cases: shot.n_valid_cases(),
        chosen_on: transfer.chosen_on,
        serves_floor: transfer.floor.is_some(),
        systems,
        differences,
        members: members(&transfer.model),
        zero_shot: transfer.zero_shot,
        pseudo_labels,
    })
}

/// Whether a row is among `rows`.
fn known_rows(rows: &[u32]) -> impl Fn(u32) -> bool + use<> {
    let mut sorted = rows.to_vec();
    sorted.sort_unstable();
    move |row| sorted.binary_search(&row).is_ok()
}

fn system(study: &Study<'_>, test: &Judge<'_>, name: &'static str, rankings: &Rankings) -> Result<System> {
    let table = MetricTable::of(study.ranks(rankings), Some(test.users()), &study.recipe.table)?;
    let ndcg_at_10 = *table.metrics.get(HEADLINE).context("no metric was measured")?;
    let masked_ndcg_at_10 = if study.plan().objective == Objective::Unmasked {
        let masked = MetricTable::of(&rankings.masked, Some(test.users()), &study.recipe.table)?;
        masked.metrics.get(HEADLINE).copied()
    } else {
        None
    };
    Ok(System { name, ndcg_at_10, masked_ndcg_at_10, table })
}
