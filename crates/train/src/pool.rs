//! Standardized expert scores of valid cases, kept for the few candidates that can matter: blend weights are tried on
//! these without scoring again.

use rayon::prelude::*;
use segue_eval::Metric;
use segue_eval::rank::{TargetRank, TieRule};
use segue_models::Expert;
use segue_recommend::standardize;

use crate::error::TrainError;
use crate::judge::{Judge, Objective};

/// Candidates that each expert may bring into a case's pool.
const TOP_PER_EXPERT: usize = 200;

/// One case's candidates.
struct PoolCase {
    scores: Vec<f32>, // [n_experts, n_kept]
    cold: Vec<bool>,  // [n_kept]
    target: usize,
    /// Whether the target may be shown at all under the objective.
    reachable: bool,
}

/// Weights of a blend while it is being chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// For items with training interactions, `[n_experts]`.
    pub warm: Vec<f32>,
    /// For items without, `[n_experts]`.
    pub cold: Vec<f32>,
    /// Added to the score of cold items.
    pub cold_offset: f32,
}

/// All cases of a judge under all experts.
pub struct Pool {
    cases: Vec<PoolCase>,
    n_experts: usize,
    metric: Metric,
}

impl Pool {
    /// Scores every case with every expert once.
    ///
    /// For sampled objectives the pool is the sample and exact. Otherwise it holds the target and every candidate that some
    /// expert ranks among its best [`TOP_PER_EXPERT`]; an item below that for every expert could pass into a blend's top ten only in
    /// a near tie, so the rank is a tight lower bound. Test figures are measured on full rankings.
    ///
    /// # Errors
    /// When an expert gives a score that is not finite.
    pub fn collect(
        judge: &Judge<'_>,
        experts: &[Expert],
        cold: &[bool],
        objective: Objective,
    ) -> Result<Self, TrainError> {
        let case = |at: usize| pool_case(judge, experts, cold, objective, at);
        let cases: Vec<PoolCase> = (0..judge.n_cases()).into_par_iter().map(case).collect();
        if let Some(bad) = cases.iter().flat_map(|case| &case.scores).find(|score| !score.is_finite()) {
            return Err(TrainError::request(
                format!("an expert scored {bad}"),
                "this is a bug: please report it",
            ));
        }
        Ok(Self { cases, n_experts: experts.len(), metric: judge.metric() })
    }

    /// Number of experts.
    pub fn n_experts(&self) -> usize {
        self.n_experts
    }

    /// Whether any pooled candidate is cold: otherwise cold weights cannot be judged.
    pub fn has_cold(&self) -> bool {
        self.cases.iter().any(|case| case.cold.iter().any(|&cold| cold))
    }

    /// The judge's metric of every case under the weights.
    pub fn metric_values(&self, weights: &Weights) -> Vec<f64> {
        let value = |case: &PoolCase| self.metric.of_rank(case.rank(weights), TieRule::ExpectedRank);
        self.cases.par_iter().map(value).collect()
    }
}

impl PoolCase {
    /// Where the target stands among the candidates of the pool.
    fn rank(&self, weights: &Weights) -> TargetRank {
        let n = self.cold.len();
        if !self.reachable {
            return TargetRank::unreachable(n as u32);
        }
        let mut totals = vec![0.0f32; n];
        for (expert, scores) in self.scores.chunks_exact(n).enumerate() {
            let (warm, cold) = (weights.warm[expert], weights.cold[expert]);
            if warm == 0.0 && cold == 0.0 {
                continue;
            }
            for ((total, &score), &is_cold) in totals.iter_mut().zip(scores).zip(&self.cold) {
                *total += score * if is_cold { cold } else { warm };
            }
        }
        if weights.cold_offset != 0.0 {
            for (total, _) in totals.iter_mut().zip(&self.cold).filter(|(_, cold)| **cold) {
                *total += weights.cold_offset;
            }
        }
        let own = totals[self.target];
        let n_greater = totals.iter().filter(|&&total| total > own).count() as u32;
        let n_equal = totals.iter().filter(|&&total| total == own).count() as u32 - 1;
        TargetRank { n_greater, n_equal, n_candidates: n as u32 }
    }
}

fn pool_case(
    judge: &Judge<'_>,
    experts: &[Expert],
    cold: &[bool],
    objective: Objective,
    at: usize,
) -> PoolCase {
    let n = cold.len();
    let target = judge.targets()[at] as usize;
    let mut all = vec![0.0f32; experts.len() * n]; // [n_experts, n_candidates]
    for (expert, scores) in experts.iter().zip(all.chunks_exact_mut(n)) {
        expert.score(&judge.query(at), judge.items(), scores);
        standardize(scores, expert.spread());
    }
    let mut hidden = vec![false; n];
    if objective == Objective::Masked {
        judge.masked()[at].iter().for_each(|&item| hidden[item as usize] = true);
    }
    let reachable = !hidden[target];
    let mut keep = vec![false; n];
    if objective == Objective::Sampled {
        judge.negatives()[at].iter().for_each(|&item| keep[item as usize] = true);
    } else {
        all.chunks_exact(n).for_each(|scores| mark_top(scores, &hidden, &mut keep));
    }
    keep[target] = true;
    let kept: Vec<usize> = (0..n).filter(|&item| keep[item]).collect();
    let scores = all.chunks_exact(n).flat_map(|scores| kept.iter().map(|&item| scores[item])).collect();
    PoolCase {
        scores,
        cold: kept.iter().map(|&item| cold[item]).collect(),
        target: kept.iter().position(|&item| item == target).unwrap_or(0),
        reachable,
    }
}

fn mark_top(scores: &[f32], hidden: &[bool], keep: &mut [bool]) {
    let mut order: Vec<u32> = (0..scores.len() as u32).filter(|&item| !hidden[item as usize]).collect();
    let best_first = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
    if order.len() > TOP_PER_EXPERT {
        order.select_nth_unstable_by(TOP_PER_EXPERT, best_first);
        order.truncate(TOP_PER_EXPERT);
    }
    order.iter().for_each(|&item| keep[item as usize] = true);
}
