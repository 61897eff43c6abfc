//! What is popular in the domain: over all time, or lately as seen from the moment of the request.

use rand::{Rng, RngCore};
use segue_data::{DomainIdx, ItemCatalog, ItemIdx, TrainSet};
use serde::{Deserialize, Serialize};

use super::contract::{FitContext, KindFacts, Scorer, Settings};
use super::{ExpertConfig, ExpertId, ExpertKind, Fitted, grid};
use crate::query::{Place, Query};
use crate::tensors::{ModelError, Tensors};

pub(super) const POPULARITY: KindFacts = KindFacts {
    scope_with_sources: None,
    uses_history: false,
    ..KindFacts::closed_form(ExpertKind::Popularity, "popularity", || {
        ExpertConfig::Popularity(PopularityConfig::default())
    })
};

pub(super) const RECENT: KindFacts = KindFacts {
    kind: ExpertKind::Recent,
    name: "recent",
    default: || {
        ExpertConfig::Popularity(PopularityConfig { half_life_days: 30.0, ..PopularityConfig::default() })
    },
    ..POPULARITY
};

/// Settings of [`Popularity`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PopularityConfig {
    /// Days after which an event counts half; 0 = all events count the same.
    pub half_life_days: f32,
    /// Scores are `ln(1 + count)` instead of counts: keeps one blockbuster from filling the standardized scale.
    pub logarithm: bool,
}

impl Default for PopularityConfig {
    fn default() -> Self {
        Self { half_life_days: 0.0, logarithm: false }
    }
}

impl Settings for PopularityConfig {
    fn fit(&self, _: ExpertId, train: &TrainSet, context: &FitContext<'_>) -> Result<Fitted, ModelError> {
        Popularity::fit(self, train, context.items, context.domain).map(Fitted::Popularity)
    }

    fn load(&self, items: &ItemCatalog, place: Place, tensors: &mut Tensors) -> Result<Fitted, ModelError> {
        Popularity::load(items.range(place.domain).len(), tensors).map(Fitted::Popularity)
    }

    fn step(&self, kind: ExpertKind, rng: &mut dyn RngCore) -> ExpertConfig {
        let mut next = self.clone();
        if kind == ExpertKind::Recent && rng.random_bool(0.7) {
            let days = &[3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 240.0, 480.0];
            grid::move_on(&mut next.half_life_days, days, rng);
        } else {
            next.logarithm = !next.logarithm;
        }
        ExpertConfig::Popularity(next)
    }
}

/// Most moments for which counts are kept, and the memory that they may take.
const SNAPSHOTS_MAX: usize = 256;
const SNAPSHOT_BYTES_MAX: usize = 64 << 20;

/// Counts of events per item of one domain. With a half-life there are counts for several moments of the training time; a
/// query sees the latest moment that is not after it, so that no later event ever speaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Popularity {
    /// Moments, ascending (Unix seconds); the last stands for "now".
    moments: Vec<i64>,
    /// Scores at each moment, `[n_moments, n_candidates]`.
    scores: Vec<f32>,
    n_candidates: usize,
}

impl Popularity {
    /// Counts the training events of `domain`.
    ///
    /// # Errors
    /// With a half-life, stands aside when the events have no times.
    pub fn fit(
        config: &PopularityConfig,
        train: &TrainSet,
        items: &ItemCatalog,
        domain: DomainIdx,
    ) -> Result<Self, ModelError> {
        let range = items.range(domain);
        let mut events: Vec<(i64, u32)> = train
            .sequences
            .events()
            .iter()
            .filter(|event| range.contains(&event.item.at()))
            .map(|event| (event.timestamp, (event.item.at() - range.start) as u32))
            .collect();
        let half_life_s = f64::from(config.half_life_days) * 86_400.0;
        if half_life_s > 0.0 && events.iter().all(|&(time, _)| time == 0) {
            return Err(ModelError::StandsAside {
                expert: "recent",
                reason: "the events have no times".into(),
            });
        }
        events.sort_unstable();
        let moments = if half_life_s > 0.0 { moments(&events, range.len()) } else { vec![i64::MIN] };
        let mut counts = vec![0.0f64; range.len()];
        let mut scores = Vec::with_capacity(moments.len() * range.len());
        let mut next = 0;
        let mut then = moments[0];
        for (at, &moment) in moments.iter().enumerate() {
            if half_life_s > 0.0 {
                let kept = (-((moment - then) as f64) / half_life_s).exp2();
                counts.iter_mut().for_each(|count| *count *= kept);
            }
            // The last moment, and the only one without a half-life, is after all events.
            let last = at + 1 == moments.len();
            while let Some(&(time, item)) = events.get(next).filter(|&&(time, _)| last || time < moment) {
                counts[item as usize] +=
                    if half_life_s > 0.0 { (-((moment - time) as f64) / half_life_s).exp2() } else { 1.0 };
                next += 1;
            }
            then = moment;
            let score = |count: f64| if config.logarithm { count.ln_1p() } else { count };
            scores.extend(counts.iter().map(|&count| score(count) as f32));
        }
        Ok(Self { moments, scores, n_candidates: range.len() })
    }

    fn at(&self, timestamp: Option<i64>) -> &[f32] {
        let last = self.moments.len() - 1;
        let at = match timestamp {
            None => last,
            Some(time) => self.moments.partition_point(|&moment| moment <= time).saturating_sub(1),
        };
        &self.scores[at * self.n_candidates..(at + 1) * self.n_candidates]
    }

    /// Position of a candidate among all candidates now, 1 = most popular; ties count half.
    pub fn rank(&self, candidate: usize) -> f64 {
        let scores = self.at(None);
        let own = scores[candidate];
        let above = scores.iter().filter(|&&score| score > own).count();
        let equal = scores.iter().filter(|&&score| score == own).count();
        1.0 + above as f64 + (equal - 1) as f64 / 2.0
    }

    fn load(n_candidates: usize, tensors: &mut Tensors) -> Result<Self, ModelError> {
        let scores = tensors.take_f32("popularity.scores")?;
        let moments: Vec<i64> =
            tensors.take_u64("popularity.moments")?.into_iter().map(|bits| bits as i64).collect();
        let ascending = moments.windows(2).all(|pair| pair[0] < pair[1]);
        if moments.is_empty() || !ascending || scores.len() != moments.len() * n_candidates {
            let expected = format!("{} ascending moments of {n_candidates} values", moments.len());
            return Err(ModelError::Inconsistent { tensor: "popularity.scores".into(), expected });
        }
        Ok(Self { moments, scores, n_candidates })
    }
}

impl Scorer for Popularity {
    /// The same scores for every user at the same moment; a query without time is asked now.
    fn score(&self, query: &Query<'_>, _: &[(ItemIdx, f32)], scores: &mut [f32]) {
        scores.copy_from_slice(self.at(query.timestamp));
    }

    fn save(&self, tensors: &mut Tensors) {
        tensors.put_f32("popularity.scores", self.scores.clone());
        // Signed times as their bits.
        tensors.put_u64("popularity.moments", self.moments.iter().map(|&moment| moment as u64).collect());
    }

    fn popularity_rank(&self, candidate: usize) -> Option<f64> {
        Some(self.rank(candidate))
    }
}

// Moments with about equally many events between them, from the first event to one second after the last.
fn moments(events: &[(i64, u32)], n_candidates: usize) -> Vec<i64> {
    let fitting = SNAPSHOT_BYTES_MAX / 4 / n_candidates.max(1);
    let n = fitting.clamp(1, SNAPSHOTS_MAX).min(events.len().max(1));
    let mut moments: Vec<i64> =
        (0..n).filter_map(|at| events.get(at * events.len() / n)).map(|&(time, _)| time).collect();
    moments.push(events.last().map_or(0, |&(time, _)| time) + 1);
    moments.dedup();
    moments
}

#[cfg(test)]
mod tests {
    use super::*;
    use segue_data::{Event, ItemIdx, Sequences, Vocabulary};

    fn fit(half_life_days: f32) -> Popularity {
        let day = 86_400;
        let event = |(item, days): (u32, i64)| Event {
            item: ItemIdx(item),
            value: 1.0,
            timestamp: days * day,
            kind: 0,
        };
        let row: Vec<Event> = [(0, 1), (0, 2), (0, 3), (1, 9), (1, 10)].into_iter().map(event).collect();
        let items = ItemCatalog::new(vec![["a", "b", "c"].iter().collect::<Vocabulary>()], Vec::new());
        let config = PopularityConfig { half_life_days, logarithm: false };
        Popularity::fit(
            &config,
            &TrainSet { sequences: Sequences::from_rows([row]), ..TrainSet::default() },
            &items,
            DomainIdx(0),
        )
        .unwrap()
    }

    fn ask(model: &Popularity, timestamp: Option<i64>) -> Vec<f32> {
        let mut scores = vec![0.0; 3];
        let query = Query { domain: DomainIdx(0), history: &[], profile: &[], timestamp };
        model.score(&query, &[], &mut scores);
        scores
    }

    #[test]
    fn all_time_counts_count_all_events_at_any_moment() {
        let model = fit(0.0);
        assert_eq!(ask(&model, None), [3.0, 2.0, 0.0]);
        assert_eq!(ask(&model, Some(86_400 * 2)), [3.0, 2.0, 0.0]);
        assert_eq!((model.rank(0), model.rank(2)), (1.0, 3.0));
    }

    #[test]
    fn recent_counts_see_only_what_happened_before_the_request() {
        let model = fit(2.0);
        let early = ask(&model, Some(86_400 * 4));
        assert!(early[0] > 1.0 && early[1] == 0.0, "{early:?}");
        let late = ask(&model, Some(86_400 * 20));
        assert!(late[1] > late[0], "{late:?}");
        assert_eq!(late, ask(&model, None));
    }
}
