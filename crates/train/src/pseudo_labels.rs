//! Pseudo-labels: what the blend is surest of, for users without events in the domain, becomes training events.
//!
//! Source: Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks", ICML 2013 workshop; the
//! choice by confidence as in Yarowsky, ACL 1995. The experts count events and do not weigh them, so a pseudo-label is weak by
//! being rare: one item a user, for the surest users only. They stay only where the blend with them gains on valid.

use rayon::prelude::*;
use segue_data::{Event, ItemCatalog, ItemIdx, Sequences, TrainSet};
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_models::Query;
use segue_recommend::DomainModel;
use segue_recommend::recommender::Scratch;
use serde::{Deserialize, Serialize};

use crate::confidence::confidence;
use crate::domain_fit::{FitPlan, refit_domain};
use crate::error::TrainError;
use crate::judge::Judge;
use crate::material::Material;
use crate::session::Session;

/// An event that nobody did, but the blend expects.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PseudoLabel {
    /// The user.
    pub row: u32,
    /// The blend's best item.
    pub item: ItemIdx,
    /// The softmax of its score, in [0, 1].
    pub confidence: f64,
}

/// What valid said about pseudo-labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PseudoEvidence {
    /// Labels that were tried.
    pub n_labels: usize,
    /// Users without events in the domain, but elsewhere.
    pub n_users: usize,
    /// NDCG@10 on valid with them minus without, 95 % interval.
    pub gain: Interval,
    /// Whether they are in the model: only where the interval excludes zero.
    pub kept: bool,
}

/// The best item of the surest `share` (0 to 1) of the users who have events in `train`, but none in the model's domain; surest first. And
/// how many such users there are.
pub fn pseudo_labels(
    model: &DomainModel,
    train: &TrainSet,
    items: &ItemCatalog,
    share: f64,
) -> (Vec<PseudoLabel>, usize) {
    let inside = items.range(model.domain);
    let has_none =
        |row: &[Event]| !row.is_empty() && row.iter().all(|event| !inside.contains(&event.item.at()));
    let rows: Vec<(u32, &[Event])> = train
        .sequences
        .rows()
        .enumerate()
        .filter(|(_, row)| has_none(row))
        .map(|(at, row)| (at as u32, row))
        .collect();
    let label = |scratch: &mut _, &(row, history): &(u32, &[Event])| {
        let timestamp = history.last().map_or(0, |event| event.timestamp);
        let profile = train.profiles.get(row as usize);
        let query = Query { domain: model.domain, history, timestamp, profile };
        let sure = confidence(model, &query, (items, scratch));
        let item = ItemIdx((inside.start + sure.best?) as u32);
        Some(PseudoLabel { row, item, confidence: sure.of_best })
    };
    let labels: Vec<Option<PseudoLabel>> = rows.par_iter().map_init(Default::default, label).collect();
    let mut labels: Vec<PseudoLabel> = labels.into_iter().flatten().collect();
    labels.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.row.cmp(&b.row)));
    labels.truncate((rows.len() as f64 * share).round() as usize);
    (labels, rows.len())
}

/// `train` with each label as the last event of its row, at the time of the event before.
pub fn with_labels(train: &TrainSet, labels: &[PseudoLabel]) -> TrainSet {
    let mut by_row: Vec<Option<ItemIdx>> = vec![None; train.sequences.n_rows()];
    for label in labels {
        by_row[label.row as usize] = Some(label.item);
    }
    let row = |(row, label): (&[Event], &Option<ItemIdx>)| {
        let mut row = row.to_vec();
        let before = row.last().copied();
        let added = label.zip(before).map(|(item, before)| Event { item, ..before });
        row.extend(added);
        row
    };
    let sequences = Sequences::from_rows(train.sequences.rows().zip(&by_row).map(row));
    TrainSet { sequences, profiles: train.profiles.clone() }
}

/// Fits the blend's experts again, with the same settings, on `material` and pseudo-labels; gives that model and what valid says.
///
/// # Errors
/// When an expert cannot be fitted, or it was stopped.
pub fn fit_with_pseudo_labels(
    plan: &FitPlan,
    (material, model): (Material<'_>, &DomainModel),
    valid: &Judge<'_>,
    share: f64,
    session: Session<'_>,
) -> Result<(DomainModel, PseudoEvidence), TrainError> {
    let (labels, n_users) = pseudo_labels(model, material.train, material.items, share);
    let train = with_labels(material.train, &labels);
    let mut with = refit_domain(model, material.with_train(&train), plan.seed, session)?;
    // An item that only a guess has is still new.
    with.cold.clone_from(&model.cold);
    let judge = valid.sample(plan.blend_cases);
    let ndcg = |model: &DomainModel| {
        judge.ndcg(plan.objective, |query, scores| {
            model.score(query, material.items, &mut Scratch::default(), scores);
        })
    };
    let differences: Vec<f64> =
        ndcg(&with)?.iter().zip(ndcg(model)?).map(|(with, without)| with - without).collect();
    let bootstrap = Bootstrap { seed: plan.seed, ..Bootstrap::default() };
    let gain = bootstrap.means_by_user(&[&differences], judge.users())?[0];
    let kept = gain.lo > 0.0;
    Ok((with, PseudoEvidence { n_labels: labels.len(), n_users, gain, kept }))
}
