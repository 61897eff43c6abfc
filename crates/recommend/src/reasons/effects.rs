//! Exact effects: what the score of an item loses without an event, or without what is known about the person. Found by scoring again;
//! one scoring serves all items of a list.

use segue_data::{Event, ItemIdx};
use segue_models::Query;

use super::Reason;
use crate::domain_model::{DomainModel, Scratch};
use crate::error::RecommendError;
use crate::model::Model;

/// Longest history whose events are each tested by removal; older events beyond it are not named.
const EVENTS_TESTED: usize = 50;

/// Scores some candidates again and again with something taken away.
struct Trial<'a> {
    model: &'a Model,
    target: &'a DomainModel,
    candidates: &'a [usize],
    scratch: Scratch,
    all: Vec<f32>,
}

impl<'a> Trial<'a> {
    fn new(model: &'a Model, query: &Query<'_>, candidates: &'a [usize]) -> Result<Self, RecommendError> {
        let target = model.target(query.domain)?;
        let all = vec![0.0; target.n_candidates()];
        Ok(Self { model, target, candidates, scratch: Scratch::default(), all })
    }

    // Scores of the candidates, in their order.
    fn scores(&mut self, query: &Query<'_>) -> Vec<f32> {
        self.target.score(query, self.model.catalog().items(), &mut self.scratch, &mut self.all);
        self.candidates.iter().map(|&candidate| self.all[candidate]).collect()
    }
}

/// For every candidate, the events without which (all repeats of the item removed) its score falls, strongest first.
pub(crate) fn of_events(
    model: &Model,
    query: &Query<'_>,
    candidates: &[usize],
) -> Result<Vec<Vec<Reason>>, RecommendError> {
    let mut trial = Trial::new(model, query, candidates)?;
    let whole = trial.scores(query);
    let mut effects: Vec<Vec<(ItemIdx, f32)>> = vec![Vec::new(); candidates.len()];
    for item in newest_items(query.history, EVENTS_TESTED) {
        let without: Vec<Event> = query.history.iter().copied().filter(|event| event.item != item).collect();
        let reduced = trial.scores(&Query { history: &without, ..*query });
        for ((effects, whole), reduced) in effects.iter_mut().zip(&whole).zip(reduced) {
            if whole - reduced > 0.0 {
                effects.push((item, whole - reduced));
            }
        }
    }
    let named = |mut effects: Vec<(ItemIdx, f32)>| {
        effects.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        effects.into_iter().map(|(item, effect)| Reason::Event { item, effect }).collect()
    };
    Ok(effects.into_iter().map(named).collect())
}

// Distinct items, newest first.
fn newest_items(history: &[Event], n: usize) -> Vec<ItemIdx> {
    let mut items: Vec<ItemIdx> = Vec::new();
    for event in history.iter().rev() {
        if items.len() == n {
            break;
        }
        if !items.contains(&event.item) {
            items.push(event.item);
        }
    }
    items
}

/// For every candidate, the effect of the profile; `None` where it does not raise the score.
pub(crate) fn of_profile(
    model: &Model,
    query: &Query<'_>,
    candidates: &[usize],
) -> Result<Vec<Option<Reason>>, RecommendError> {
    let mut trial = Trial::new(model, query, candidates)?;
    let target = trial.target;
    let reads_profile = target.blend.active().any(|at| target.experts[at].n_profile_values() > 0);
    if query.profile.is_empty() || !reads_profile {
        return Ok(vec![None; candidates.len()]);
    }
    let whole = trial.scores(query);
    let nothing = trial.scores(&Query { profile: &[], ..*query });
    let mut alone: Vec<(u32, Vec<f32>)> = Vec::new();
    for &value in query.profile {
        let others: Vec<u32> = query.profile.iter().copied().filter(|&other| other != value).collect();
        alone.push((value, trial.scores(&Query { profile: &others, ..*query })));
    }
    let reason = |at: usize| {
        let effect = whole[at] - nothing[at];
        let mut lost: Vec<(u32, f32)> =
            alone.iter().map(|(value, reduced)| (*value, whole[at] - reduced[at])).collect();
        lost.retain(|&(_, lost)| lost > 0.0);
        lost.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let values = lost.into_iter().map(|(value, _)| value).collect();
        (effect > 0.0).then_some(Reason::Profile { values, effect })
    };
    Ok((0..candidates.len()).map(reason).collect())
}
