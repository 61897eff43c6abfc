//! Chooses blend weights on valid: an expert enters only if the interval of its gain excludes zero.
//!
//! From each of the best few experts alone experts are added greedily, the target's own first, those of other domains after them; then all
//! weights are refined and every member is checked once more; last, cold items may have weights of their own under the same rule.
//!
//! Intervals have 95 %, but for experts of other domains: each one that is tried is one more chance to let in a domain that knows
//! nothing, so theirs have `1 − .05 / n` for n of them (Bonferroni).

use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_models::{Expert, ExpertId, Scope};
use segue_recommend::{Blend, Member};
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::judge::{corrected, mean, paired_gain};
use crate::pool::{Pool, Weights};

/// What valid said about one expert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The expert.
    pub expert: ExpertId,
    /// NDCG@10 on its own, 95 % interval.
    pub alone: Interval,
    /// NDCG@10 of the blend with it minus the blend without it, before cold items are treated apart (for a refused
    /// expert: at the weight tried last). Interval of 95 %, or of `1 − .05 / n` for one of n experts of other domains.
    pub gain: Interval,
    /// Whether it is in the blend.
    pub kept: bool,
}

/// A blend with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedBlend {
    /// Weights of all experts.
    pub blend: Blend,
    /// The best blend that uses the target's own events only, for the gain of the other domains.
    pub single_domain: Blend,
    /// Evidence per expert, in the experts' order.
    pub evidence: Vec<Evidence>,
    /// NDCG@10 of the blend minus the single-domain blend; `None` without other domains.
    pub gain_of_sources: Option<Interval>,
    /// NDCG@10 gained by treating cold items apart; `None` when that was refused or there are none.
    pub gain_of_cold: Option<Interval>,
}

const N_STARTS: usize = 3;
const ENTRY_WEIGHTS: &[f32] = &[0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0];
const REFINE: &[f32] = &[0.5, 0.7, 0.85, 1.2, 1.4, 2.0];
const COLD_FACTORS: &[f32] = &[0.5, 0.7, 1.0, 1.4, 2.0];
const COLD_OFFSETS: &[f32] = &[-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0, 2.0];

/// Weights that a search ended with.
#[derive(Clone, Debug)]
pub struct Found {
    /// NDCG@10 of every valid case, before cold items are treated apart.
    pub cases: Vec<f64>,
    // Of the target's own experts alone; of all; with cold items apart, where that is proved.
    single: Weights,
    weights: Weights,
    gain_of_cold: Option<Interval>,
    served: Weights,
}

impl Found {
    /// Mean NDCG@10 on valid.
    pub fn score(&self) -> f64 {
        mean(&self.cases)
    }

    /// The blend of these weights; `experts` as in the search.
    pub fn blend(&self, experts: &[Expert]) -> Blend {
        to_blend(&ids_of(experts), &self.served)
    }
}

/// The search for weights on one pool.
pub struct BlendSearch<'a> {
    pool: &'a Pool,
    users: &'a [u32],
    ids: Vec<ExpertId>,
    own: Bootstrap,
    n_others: usize,
}

impl<'a> BlendSearch<'a> {
    /// A search among `experts`, in the pool's order; `users` of the pool's cases.
    pub fn new(pool: &'a Pool, experts: &[Expert], users: &'a [u32], seed: u64) -> Self {
        let ids = ids_of(experts);
        let n_others = ids.iter().filter(|id| id.scope != Scope::Target).count();
        Self { pool, users, ids, own: Bootstrap { seed, ..Bootstrap::default() }, n_others }
    }

    /// The best weights: from the best few experts alone, or from the best one alone and from weights that were found before some
    /// experts changed.
    ///
    /// # Errors
    /// When there is no expert, or no case.
    pub fn best(&self, before: Option<&Found>) -> Result<Found, TrainError> {
        self.best_among(&(0..self.ids.len()).collect::<Vec<_>>(), before)
    }

    /// The best weights without the expert of the largest weight: it may be there only because the search began with it, while others
    /// would be better together. `None` where no other expert is on the target.
    ///
    /// # Errors
    /// When there is no case.
    pub fn without_leader(&self, found: &Found) -> Result<Option<Found>, TrainError> {
        let warm = &found.weights.warm;
        let heavier = |best: usize, at: usize| if warm[at] > warm[best] { at } else { best };
        let leader = (0..warm.len()).fold(0, heavier);
        let others: Vec<usize> = (0..warm.len()).filter(|&at| at != leader).collect();
        let has_own = others.iter().any(|&at| self.is_own(at));
        has_own.then(|| self.best_among(&others, None)).transpose()
    }

    /// The blend with what valid says about every expert.
    ///
    /// # Errors
    /// When there is no case.
    pub fn with_evidence(&self, found: &Found) -> Result<FittedBlend, TrainError> {
        let Found { single, weights, gain_of_cold, served, .. } = found;
        let n = self.ids.len();
        let has_others = self.n_others > 0;
        // Measured on the weights that members were chosen with: what cold items add stands apart, in `gain_of_cold`.
        let evidence = (0..n).map(|at| self.evidence(weights, at)).collect::<Result<_, _>>()?;
        Ok(FittedBlend {
            blend: to_blend(&self.ids, served),
            single_domain: to_blend(&self.ids, single),
            evidence,
            gain_of_sources: has_others.then(|| self.difference(weights, single, self.own)).transpose()?,
            gain_of_cold: *gain_of_cold,
        })
    }

    fn best_among(&self, candidates: &[usize], before: Option<&Found>) -> Result<Found, TrainError> {
        let (own, others): (Vec<usize>, Vec<usize>) = candidates.iter().partition(|&&at| self.is_own(at));
        let single = self.best_of_starts(&own, before)?;
        let mut weights = single.clone();
        self.add_greedily(&mut weights, &others)?;
        self.drop_useless(&mut weights)?;
        // Where a member came or went, one that was of no use before may be of use now.
        self.add_greedily(&mut weights, candidates)?;
        self.drop_useless(&mut weights)?;
        // One that came and went has still moved the others' weights.
        if others.iter().all(|&at| weights.warm[at] == 0.0) {
            weights = single.clone();
        }
        if let Some(again) = before.map(|before| self.resumed_from(before, candidates)).transpose()? {
            weights = if self.score(&again) > self.score(&weights) { again } else { weights };
        }
        let mut served = weights.clone();
        let gain_of_cold = self.treat_cold_apart(&mut served)?;
        Ok(Found { cases: self.pool.metric_values(&weights), single, weights, gain_of_cold, served })
    }

    fn is_own(&self, at: usize) -> bool {
        self.ids[at].scope == Scope::Target
    }

    fn score(&self, weights: &Weights) -> f64 {
        mean(&self.pool.metric_values(weights))
    }

    // How the gain of an expert is judged.
    fn judge_of(&self, at: usize) -> Bootstrap {
        if self.is_own(at) {
            return self.own;
        }
        corrected(self.own, self.n_others)
    }

    // NDCG@10 of `with` minus `without`, paired, cases of one user drawn together.
    fn difference(
        &self,
        with: &Weights,
        without: &Weights,
        judge: Bootstrap,
    ) -> Result<Interval, TrainError> {
        paired_gain(&self.pool.metric_values(with), &self.pool.metric_values(without), self.users, judge)
    }

    // What was found before with experts of other domains in it: greedy additions to the target's own may not find them again.
    fn resumed_from(&self, before: &Found, candidates: &[usize]) -> Result<Weights, TrainError> {
        let mut weights = before.weights.clone();
        self.refine(&mut weights);
        self.drop_useless(&mut weights)?;
        self.add_greedily(&mut weights, candidates)?;
        self.drop_useless(&mut weights)?;
        Ok(weights)
    }

    // Greedy addition depends on where it starts: the best end is taken.
    fn best_of_starts(&self, candidates: &[usize], before: Option<&Found>) -> Result<Weights, TrainError> {
        let mut starts: Vec<(f64, Weights)> =
            candidates.iter().map(|&at| (self.score(&self.only(at)), self.only(at))).collect();
        starts.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut starts: Vec<Weights> = starts.into_iter().map(|(_, weights)| weights).collect();
        starts.truncate(if before.is_some() { 1 } else { N_STARTS });
        if let Some(before) = before {
            let mut weights = before.single.clone();
            self.refine(&mut weights);
            self.drop_useless(&mut weights)?;
            starts.push(weights);
        }
        let mut best: Option<(f64, Weights)> = None;
        for mut weights in starts {
            self.add_greedily(&mut weights, candidates)?;
            self.drop_useless(&mut weights)?;
            let score = self.score(&weights);
            if best.as_ref().is_none_or(|(top, _)| score > *top) {
                best = Some((score, weights));
            }
        }
        let nobody = || {
            TrainError::request(
                "no expert could be fitted for this domain",
                "import interactions or item texts",
            )
        };
        best.map(|(_, weights)| weights).ok_or_else(nobody)
    }

    fn only(&self, at: usize) -> Weights {
        let mut weights = Weights {
            warm: vec![0.0; self.pool.n_experts()],
            cold: vec![0.0; self.pool.n_experts()],
            cold_offset: 0.0,
        };
        weights.set(at, 1.0);
        weights
    }

    fn add_greedily(&self, weights: &mut Weights, candidates: &[usize]) -> Result<(), TrainError> {
        loop {
            let mut best: Option<(f64, usize, Weights)> = None;
            for &at in candidates.iter().filter(|&&at| weights.warm[at] == 0.0) {
                let (score, tried) = self.best_entry(weights, at);
                if best.as_ref().is_none_or(|(top, _, _)| score > *top) {
                    best = Some((score, at, tried));
                }
            }
            let Some((_, at, tried)) = best else { return Ok(()) };
            if self.difference(&tried, weights, self.judge_of(at))?.lo <= 0.0 {
                return Ok(());
            }
            *weights = tried;
            self.refine(weights);
        }
    }

    // The best weight for one more expert beside the others.
    fn best_entry(&self, weights: &Weights, at: usize) -> (f64, Weights) {
        let total: f32 = weights.warm.iter().sum();
        let tried = ENTRY_WEIGHTS.iter().map(|weight| {
            let mut tried = weights.clone();
            tried.set(at, weight * total);
            (self.score(&tried), tried)
        });
        tried.fold(
            (f64::NEG_INFINITY, weights.clone()),
            |best, next| if next.0 > best.0 { next } else { best },
        )
    }

    fn refine(&self, weights: &mut Weights) {
        let mut best = self.score(weights);
        for _ in 0..2 {
            for at in 0..self.pool.n_experts() {
                let current = weights.warm[at];
                if current == 0.0 {
                    continue;
                }
                for factor in REFINE {
                    let mut tried = weights.clone();
                    tried.set(at, current * factor);
                    let score = self.score(&tried);
                    if score > best {
                        best = score;
                        *weights = tried;
                    }
                }
            }
        }
    }

    // Later members may have made an earlier one useless: the weakest goes first.
    fn drop_useless(&self, weights: &mut Weights) -> Result<(), TrainError> {
        loop {
            let mut weakest: Option<(f64, Weights)> = None;
            let active: Vec<usize> =
                (0..self.pool.n_experts()).filter(|&at| weights.warm[at] > 0.0).collect();
            if active.len() < 2 {
                return Ok(());
            }
            for at in active {
                let mut without = weights.clone();
                without.set(at, 0.0);
                let gain = self.difference(weights, &without, self.judge_of(at))?;
                if gain.lo <= 0.0 && weakest.as_ref().is_none_or(|(mean, _)| gain.mean < *mean) {
                    weakest = Some((gain.mean, without));
                }
            }
            let Some((_, without)) = weakest else { return Ok(()) };
            *weights = without;
            self.refine(weights);
        }
    }

    fn treat_cold_apart(&self, weights: &mut Weights) -> Result<Option<Interval>, TrainError> {
        if !self.pool.has_cold() {
            return Ok(None);
        }
        let total: f32 = weights.warm.iter().sum();
        let mut best = (self.score(weights), weights.clone());
        for factor in COLD_FACTORS {
            for offset in COLD_OFFSETS {
                let mut tried = weights.clone();
                tried.cold = weights.warm.iter().map(|weight| weight * factor).collect();
                tried.cold_offset = offset * total;
                let score = self.score(&tried);
                if score > best.0 {
                    best = (score, tried);
                }
            }
        }
        let gain = self.difference(&best.1, weights, self.own)?;
        if gain.lo <= 0.0 {
            return Ok(None);
        }
        *weights = best.1;
        Ok(Some(gain))
    }

    fn evidence(&self, weights: &Weights, at: usize) -> Result<Evidence, TrainError> {
        let kept = weights.warm[at] > 0.0;
        let gain = if kept {
            let mut without = weights.clone();
            without.set(at, 0.0);
            self.difference(weights, &without, self.judge_of(at))?
        } else {
            self.difference(&self.best_entry(weights, at).1, weights, self.judge_of(at))?
        };
        let alone = self.own.means_by_user(&[&self.pool.metric_values(&self.only(at))], self.users)?[0];
        Ok(Evidence { expert: self.ids[at], alone, gain, kept })
    }
}

impl Weights {
    fn set(&mut self, at: usize, weight: f32) {
        self.warm[at] = weight;
        self.cold[at] = weight;
    }
}

fn ids_of(experts: &[Expert]) -> Vec<ExpertId> {
    experts.iter().map(|expert| expert.id).collect()
}

fn to_blend(ids: &[ExpertId], weights: &Weights) -> Blend {
    let total: f32 = weights.warm.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    let member = |(at, &expert): (usize, &ExpertId)| Member {
        expert,
        warm: weights.warm[at] / total,
        cold: weights.cold[at] / total,
    };
    Blend { members: ids.iter().enumerate().map(member).collect(), cold_offset: weights.cold_offset / total }
}
