//! Pseudo-labels: what the blend is surest of, for users with hardly an event in the domain, becomes training events.
//!
//! Source: Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks", ICML 2013
//! workshop; the choice by confidence as in Yarowsky, ACL 1995. Confidence is the softmax of the blend's scores. The threshold that it
//! must pass is one of three at which valid cases, asked as if their user were unknown here, would have been labeled; valid decides
//! which. Experts count events and do not weigh them, so pseudo-labels weigh less by being few: at most [`LABELS_PER_USER`] a user.
//! They stay only where the blend with them gains on valid beyond doubt.

use rayon::prelude::*;
use segue_data::{Event, ItemCatalog, ItemIdx, Sequences, TrainSet};
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_models::Query;
use segue_models::query::event_time;
use segue_recommend::DomainModel;
use serde::{Deserialize, Serialize};

use crate::confidence::{ScoreBuffers, surest};
use crate::domain_fit::refit_domain;
use crate::error::TrainError;
use crate::fit_plan::FitPlan;
use crate::judge::ndcg_of_model;
use crate::judge::{Judge, corrected, paired_gain};
use crate::material::Material;
use crate::session::{Keeping, Session};

/// Labels that a user may get.
pub const LABELS_PER_USER: usize = 5;
/// Events in the domain up to which a user gets labels.
pub const MOST_OWN_EVENTS: usize = 2;
/// A label is at least so many times surer than a guess: a blend that knows nothing of a user labels nothing.
const SURER_THAN_CHANCE: f64 = 2.0;
/// Shares of the valid cases' proposals that pass the thresholds that are tried.
const PASSING: [f64; 3] = [0.5, 0.2, 0.05];

/// An event that nobody did, but the blend expects.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PseudoLabel {
    /// The user.
    pub row: u32,
    /// The item.
    pub item: ItemIdx,
    /// The softmax of its score, in [0, 1].
    pub confidence: f64,
}

/// A threshold that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PseudoTrial {
    /// Least confidence of a label.
    pub threshold: f64,
    /// Labels that pass it, and their users.
    pub n_labels: usize,
    /// Users with at least one.
    pub n_users: usize,
    /// Of the valid cases' proposals that pass it, how many were what came next.
    pub precision: f64,
    /// NDCG@10 on valid with the labels minus without, paired by case, users resampled; confidence `1 − .05 / n` for n thresholds.
    pub gain: Interval,
}

/// What valid said about pseudo-labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PseudoEvidence {
    /// Users who could get labels: with events elsewhere and at most [`MOST_OWN_EVENTS`] in the domain.
    pub n_users: usize,
    /// Valid cases that could be asked as if their user were unknown.
    pub n_calibration_cases: usize,
    /// The thresholds, the lowest first. Empty: nothing could be labeled.
    pub trials: Vec<PseudoTrial>,
    /// The threshold of the labels that are in the model; `None`: refused, no gain is proved.
    pub kept: Option<f64>,
}

/// Tries pseudo-labels for a blend that was chosen on `material`. Returns the same experts with the same settings and weights, fitted on
/// labels too, where that gains on valid beyond doubt; and what valid said in any case. No state is kept in the session's folder.
///
/// # Errors
/// When an expert cannot be fitted, a score is not finite, or it was stopped.
pub fn try_pseudo_labels(
    model: &DomainModel,
    plan: &FitPlan,
    material: Material<'_>,
    valid: &Judge<'_>,
    session: Session<'_>,
) -> Result<(Option<DomainModel>, PseudoEvidence), TrainError> {
    let users = Unlabeled::of(model, material.train, material.items);
    let proposed = users.proposals(model, material);
    let valid = valid.sample(plan.blend_cases);
    let asked = calibration(model, &valid);
    let thresholds = thresholds(&asked, &proposed);
    let mut evidence = PseudoEvidence {
        n_users: users.rows.len(),
        n_calibration_cases: asked.len(),
        trials: Vec::new(),
        kept: None,
    };
    let bootstrap = Bootstrap { seed: plan.seed, ..Bootstrap::default() };
    let strict = corrected(bootstrap, thresholds.len().max(1));
    let without = ndcg_of_model(model, plan.objective, &valid)?;
    let mut best: Option<(PseudoTrial, DomainModel)> = None;
    for (done, &threshold) in thresholds.iter().enumerate() {
        session.show(format!("pseudo-labels, confidence {threshold:.4}"), done, thresholds.len());
        let labels = passing(&proposed, threshold);
        let with = refit_on(&labels, model, material, plan.seed, session)?;
        let gain =
            paired_gain(&ndcg_of_model(&with, plan.objective, &valid)?, &without, valid.users(), strict)?;
        let (n_labels, n_users) = (labels.len(), count_users(&labels));
        let precision = precision(&asked, threshold);
        let trial = PseudoTrial { threshold, n_labels, n_users, precision, gain };
        evidence.trials.push(trial);
        if best.as_ref().is_none_or(|(best, _)| gain.mean > best.gain.mean) {
            best = Some((trial, with));
        }
    }
    let best = best.filter(|(trial, _)| trial.gain.lo > 0.0);
    evidence.kept = best.as_ref().map(|(trial, _)| trial.threshold);
    Ok((best.map(|(_, model)| model), evidence))
}

/// A model that was refitted on more events, with the labels that it now gives at a threshold that was kept.
///
/// # Errors
/// As [`refit_domain`].
pub fn refit_with_pseudo_labels(
    model: &DomainModel,
    threshold: f64,
    material: Material<'_>,
    seed: u64,
    session: Session<'_>,
) -> Result<DomainModel, TrainError> {
    let proposed = Unlabeled::of(model, material.train, material.items).proposals(model, material);
    refit_on(&passing(&proposed, threshold), model, material, seed, session)
}

/// `train` with the labels as the last events of their rows, at the time of the event before.
pub fn with_labels(train: &TrainSet, labels: &[PseudoLabel]) -> TrainSet {
    let mut of_row: Vec<Vec<ItemIdx>> = vec![Vec::new(); train.sequences.n_rows()];
    for label in labels {
        of_row[label.row as usize].push(label.item);
    }
    let row = |(row, labels): (&[Event], &Vec<ItemIdx>)| {
        let timestamp = row.last().map_or(0, |event| event.timestamp);
        let added = labels.iter().map(|&item| Event { item, value: 1.0, timestamp, kind: 0 });
        row.iter().copied().chain(added).collect::<Vec<Event>>()
    };
    let sequences = Sequences::from_rows(train.sequences.rows().zip(&of_row).map(row));
    TrainSet { sequences, profiles: train.profiles.clone() }
}

fn refit_on(
    labels: &[PseudoLabel],
    model: &DomainModel,
    material: Material<'_>,
    seed: u64,
    session: Session<'_>,
) -> Result<DomainModel, TrainError> {
    let train = with_labels(material.train, labels);
    // The folder is for the trainings on real events.
    let session = Session { keeping: Keeping { folder: None, ..session.keeping }, ..session };
    let with = refit_domain(model, material.with_train(&train), seed, session)?;
    // A guess is no vote: what is popular is what people did.
    let experts = with.experts.into_iter().zip(&model.experts);
    let experts = experts.map(|(with, old)| if old.id.kind.uses_history() { with } else { old.clone() });
    // An item that only guesses have is still new.
    Ok(DomainModel { experts: experts.collect(), cold: model.cold.clone(), ..with })
}

/// Users who can get labels.
struct Unlabeled<'a> {
    rows: Vec<(u32, &'a [Event])>,
}

impl<'a> Unlabeled<'a> {
    fn of(model: &DomainModel, train: &'a TrainSet, items: &ItemCatalog) -> Self {
        let inside = items.range(model.domain);
        let n_own = |row: &[Event]| row.iter().filter(|event| inside.contains(&event.item.at())).count();
        let rows = train.sequences.rows().enumerate().map(|(at, row)| (at as u32, row));
        let can_get = |(_, row): &(u32, &[Event])| {
            let n_own = n_own(row);
            n_own <= MOST_OWN_EVENTS && n_own < row.len()
        };
        Self { rows: rows.filter(can_get).collect() }
    }

    // For every user the surest items that are not in the history.
    fn proposals(&self, model: &DomainModel, material: Material<'_>) -> Vec<PseudoLabel> {
        let (items, profiles) = (material.items, &material.train.profiles);
        let start = items.range(model.domain).start;
        let of_user = |buffers: &mut ScoreBuffers, &(row, history): &(u32, &[Event])| {
            let timestamp = history.last().and_then(event_time);
            let query =
                Query { domain: model.domain, history, timestamp, profile: profiles.get(row as usize) };
            let sure = sure(model, &query, items, buffers);
            let label =
                |(at, confidence)| PseudoLabel { row, item: ItemIdx((start + at) as u32), confidence };
            sure.map(label).collect::<Vec<_>>()
        };
        let all: Vec<Vec<PseudoLabel>> = self.rows.par_iter().map_init(Default::default, of_user).collect();
        all.into_iter().flatten().collect()
    }
}

// The surest candidates of a query with their confidence; none where it is hardly surer than chance.
fn sure(
    model: &DomainModel,
    query: &Query<'_>,
    items: &ItemCatalog,
    buffers: &mut ScoreBuffers,
) -> impl Iterator<Item = (usize, f64)> + use<> {
    let least = SURER_THAN_CHANCE / model.n_candidates() as f64;
    let surest = surest(model, query, LABELS_PER_USER, items, buffers);
    surest.into_iter().filter(move |(_, confidence)| *confidence >= least)
}

/// What the blend proposes in a valid case whose events in the domain are hidden from it: confidence, and whether it came next.
type Asked = Vec<(f64, bool)>;

// Cases without an event elsewhere say nothing about users who have nothing but those.
fn calibration(model: &DomainModel, valid: &Judge<'_>) -> Vec<Asked> {
    let items = valid.items();
    let inside = items.range(model.domain);
    let ask = |buffers: &mut ScoreBuffers, at: usize| {
        let query = valid.query(at);
        let elsewhere = query.history.iter().filter(|event| !inside.contains(&event.item.at()));
        let history: Vec<Event> = elsewhere.copied().collect();
        if history.is_empty() {
            return None;
        }
        let query = Query { history: &history, ..query };
        let target = valid.targets()[at] as usize;
        let sure = sure(model, &query, items, buffers);
        Some(sure.map(|(at, confidence)| (confidence, at == target)).collect())
    };
    let asked: Vec<Option<Asked>> =
        (0..valid.n_cases()).into_par_iter().map_init(Default::default, ask).collect();
    asked.into_iter().flatten().collect()
}

// Ascending and distinct; only those that some label passes.
fn thresholds(asked: &[Asked], proposed: &[PseudoLabel]) -> Vec<f64> {
    let mut confidences: Vec<f64> = asked.iter().flatten().map(|&(confidence, _)| confidence).collect();
    confidences.sort_by(|a, b| b.total_cmp(a));
    let largest = proposed.iter().map(|label| label.confidence).fold(f64::NEG_INFINITY, f64::max);
    let n = confidences.len() as f64;
    let at_share = |share: &f64| confidences.get((n * share) as usize).copied();
    let mut thresholds: Vec<f64> = PASSING.iter().filter_map(at_share).collect();
    thresholds.retain(|&threshold| threshold <= largest);
    thresholds.dedup();
    thresholds
}

fn passing(proposed: &[PseudoLabel], threshold: f64) -> Vec<PseudoLabel> {
    proposed.iter().filter(|label| label.confidence >= threshold).copied().collect()
}

// Labels lie together by user.
fn count_users(labels: &[PseudoLabel]) -> usize {
    labels.chunk_by(|a, b| a.row == b.row).count()
}

fn precision(asked: &[Asked], threshold: f64) -> f64 {
    let passed = asked.iter().flatten().filter(|(confidence, _)| *confidence >= threshold);
    let (n, right) = passed.fold((0usize, 0usize), |(n, right), (_, hit)| (n + 1, right + usize::from(*hit)));
    right as f64 / n.max(1) as f64
}
