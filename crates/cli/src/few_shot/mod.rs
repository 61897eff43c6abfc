//! How good a domain is with a part of its data, with and without the other domains: the curve of `segue few-shot`.

mod asked;
mod page;
mod pseudo;
mod show;

pub(crate) use asked::{Asked, ask, show_asked};
pub(crate) use page::page;
pub(crate) use show::show;

use pseudo::PseudoMeasured;
use show::percent as percent_of;

use anyhow::{Context, Result};
use segue_data::{RevealOrder, reveal};
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{Comparison, MetricTable};
use segue_models::ExpertId;
use segue_train::few_shot::{ChosenOn, FewShot};
use segue_train::zero_shot::ZeroShot;
use segue_train::{Judge, Objective};
use serde::Serialize;

use crate::figures::HEADLINE;
use crate::screen::Screen;
use crate::study::{Subject, members, watched};

/// The blend of all domains.
pub(crate) const TRANSFER: &str = "all domains";
/// The blend of the target alone.
pub(crate) const TARGET_ONLY: &str = "target only";
/// The fixed recipe.
pub(crate) const FLOOR: &str = "floor (window + words)";

/// The curve.
#[derive(Debug, Serialize)]
pub(crate) struct FewShotCurve {
    pub(crate) target: String,
    pub(crate) split: String,
    pub(crate) seed: u64,
    /// Whether the measured models were fitted on train and valid.
    pub(crate) refit: bool,
    /// Users of the target with something to reveal.
    pub(crate) n_users: usize,
    /// Test cases, the same at every share.
    pub(crate) n_test_cases: usize,
    pub(crate) shares: Vec<Share>,
}

/// What one share gave.
#[derive(Debug, Serialize)]
pub(crate) struct Share {
    pub(crate) percent: f64,
    pub(crate) n_users: usize,
    /// Training events of the target that are revealed.
    pub(crate) n_events: usize,
    /// Valid cases of the target that are revealed.
    pub(crate) n_valid_cases: usize,
    /// What the blend of all domains was chosen on.
    pub(crate) chosen_on: ChosenOn,
    /// Whether nothing proved that blend to be better than the floor, so that the floor is served.
    pub(crate) serves_floor: bool,
    pub(crate) systems: Vec<System>,
    /// The blend of all domains minus each other system.
    pub(crate) differences: Vec<Difference>,
    /// Members of the blend of all domains, with their weights.
    pub(crate) members: Vec<(ExpertId, f32)>,
    /// The choice of the sources, where they made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) zero_shot: Option<ZeroShot>,
    /// What pseudo-labels for the hidden users add to the blend of all domains, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pseudo_labels: Option<PseudoMeasured>,
}

/// A measured system.
#[derive(Debug, Serialize)]
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) ndcg_at_10: Interval,
    /// With known items masked, where the figures are those of unmasked rankings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) masked_ndcg_at_10: Option<Interval>,
    pub(crate) table: MetricTable,
}

/// A paired difference.
#[derive(Debug, Serialize)]
pub(crate) struct Difference {
    /// The other system.
    pub(crate) against: &'static str,
    #[serde(flatten)]
    pub(crate) ndcg_at_10: Comparison,
}

/// Measures all shares (percent), in the order given.
pub(crate) fn curve(
    subject: &Subject<'_>,
    test: &Judge<'_>,
    (shares, with_pseudo_labels): (&[f64], bool),
    screen: Screen,
) -> Result<FewShotCurve> {
    let Subject { split, items, target, plan, .. } = *subject;
    let order = RevealOrder::new(split, items, target, plan.seed);
    let mut measured = Vec::new();
    for &percent in shares {
        let rows = order.first(percent);
        let asked = Asks { percent, rows, with_pseudo_labels };
        let share = share(subject, test, &asked, screen).with_context(|| format!("at {percent} %"))?;
        measured.push(share);
    }
    Ok(FewShotCurve {
        target: subject.target_name().to_owned(),
        split: split.description.clone(),
        seed: plan.seed,
        refit: subject.refit,
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

fn share(subject: &Subject<'_>, test: &Judge<'_>, asks: &Asks<'_>, screen: Screen) -> Result<Share> {
    let (items, &Asks { percent, rows, with_pseudo_labels }) = (subject.items, asks);
    let known = known_rows(rows);
    let revealed = reveal(subject.split, items, subject.target, |row, _| known(row));
    let shot = few_shot(subject, &revealed);
    let transfer =
        watched(screen, &format!("{percent} %, {TRANSFER}"), |session| Ok(shot.fit_transfer(session)?))?;
    let alone =
        watched(
            screen,
            &format!("{percent} %, {TARGET_ONLY}"),
            |session| Ok(shot.fit_target_only(session)?),
        )?;
    let floor = shot.fit_floor()?;
    let ours = test.rank(|query, scores| transfer.score(query, items, scores))?;
    let floor = test.rank(|query, scores| floor.score(query, items, scores))?;
    let alone = alone.map(|fit| test.rank(|query, scores| fit.score(query, items, scores))).transpose()?;
    let others = [alone.as_ref().map(|ranks| (TARGET_ONLY, ranks)), Some((FLOOR, &floor))];
    let others: Vec<(&'static str, &Rankings)> = others.into_iter().flatten().collect();
    let mut systems = vec![system(subject, test, TRANSFER, &ours)?];
    let mut differences = Vec::new();
    for (name, ranks) in others {
        systems.push(system(subject, test, name, ranks)?);
        differences.push(Difference { against: name, ndcg_at_10: subject.difference(test, &ours, ranks)? });
    }
    let pseudo_labels = if with_pseudo_labels {
        Some(pseudo::measure(subject, test, (&shot, &transfer, &ours), (percent, screen))?)
    } else {
        None
    };
    let inside = items.range(subject.target);
    let events = revealed.train.sequences.events();
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

// The systems on what is revealed.
fn few_shot<'b>(subject: &'b Subject<'_>, revealed: &'b segue_data::Revealed) -> FewShot<'b> {
    FewShot {
        plan: subject.plan,
        revealed,
        items: subject.items,
        vectors: subject.vectors,
        graph: subject.graph,
        target: subject.target,
        rule: subject.rule,
        refit: subject.refit,
    }
}

fn system(
    subject: &Subject<'_>,
    test: &Judge<'_>,
    name: &'static str,
    rankings: &Rankings,
) -> Result<System> {
    let table = MetricTable::of(subject.ranks(rankings), Some(test.users()), &subject.settings)?;
    let ndcg_at_10 = *table.metrics.get(HEADLINE).context("no metric was measured")?;
    let masked_ndcg_at_10 = if subject.plan.objective == Objective::Unmasked {
        let masked = MetricTable::of(&rankings.masked, Some(test.users()), &subject.settings)?;
        masked.metrics.get(HEADLINE).copied()
    } else {
        None
    };
    Ok(System { name, ndcg_at_10, masked_ndcg_at_10, table })
}
