//! Ranks the targets of a case set under any scorer: the one evaluation used for choosing and for measuring.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_data::{Case, CaseSet, DomainIdx, ItemCatalog};
use segue_eval::Metric;
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_eval::full_ranking::{RankingCase, RankingPlan, Rankings, rank_cases};
use segue_eval::negatives::sample_negatives;
use segue_eval::rank::{TargetRank, TieRule};
use segue_models::Query;
use serde::{Deserialize, Serialize};

use segue_recommend::DomainModel;
use segue_recommend::Scratch;

use crate::error::TrainError;

/// Which candidates the masked ranks leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskRule {
    /// Every item of the history; a target that the user already has is a miss. This is what is served.
    Seen,
    /// Every item of the history but the target ("filtered"). It looks at the answer, so it cannot be served; some published
    /// tables use it.
    SeenExceptTarget,
}

/// Which of the ranks counts when something is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Among candidates that are not masked.
    Masked,
    /// Among all candidates.
    Unmasked,
    /// Among sampled negatives.
    Sampled,
}

/// Negatives per case for published sampled tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampledNegatives {
    /// How many, uniform without replacement from the domain, never from the history or the target; fewer, and the same
    /// number for all cases, where a domain is too small.
    pub n: usize,
    /// Seed of the draw.
    pub seed: u64,
}

/// Which candidates a case has.
#[derive(Clone, Copy, Debug)]
pub struct JudgeRule {
    /// Which of the target's items are left out.
    pub mask: MaskRule,
    /// Negatives of sampled protocols; `None`: all items of the domain are ranked.
    pub sampled: Option<SampledNegatives>,
}

impl Default for JudgeRule {
    fn default() -> Self {
        Self { mask: MaskRule::Seen, sampled: None }
    }
}

/// The cases of one domain, ready to be ranked.
pub struct Judge<'a> {
    items: &'a ItemCatalog,
    domain: DomainIdx,
    cases: CaseSet,
    targets: Vec<u32>,
    users: Vec<u32>,
    histories: Vec<Vec<u32>>,
    masked: Vec<Vec<u32>>,
    negatives: Vec<Vec<u32>>,
    metric: Metric,
    list_len: usize,
}

impl<'a> Judge<'a> {
    /// Prepares the cases of `domain`, to be judged by NDCG@10.
    ///
    /// # Errors
    /// When there is no case.
    pub fn new(
        cases: &CaseSet,
        items: &'a ItemCatalog,
        domain: DomainIdx,
        mask: MaskRule,
        sampled: Option<SampledNegatives>,
    ) -> Result<Self, TrainError> {
        let cases = cases.of_domain(domain);
        if cases.is_empty() {
            return Err(TrainError::request(
                format!("no case to judge in domain {}", domain.0),
                "the split gives this domain no valid or test events: choose another split or other targets",
            ));
        }
        let range = items.range(domain);
        let local = |item: usize| (item - range.start) as u32;
        let targets: Vec<u32> = cases.cases().iter().map(|case| local(case.target.at())).collect();
        let users = cases.cases().iter().map(|case| case.row).collect();
        let histories: Vec<Vec<u32>> = cases
            .cases()
            .iter()
            .map(|case| {
                let inside = cases
                    .history(case)
                    .iter()
                    .map(|event| event.item.at())
                    .filter(|item| range.contains(item));
                let mut known: Vec<u32> = inside.map(local).collect();
                known.sort_unstable();
                known.dedup();
                known
            })
            .collect();
        let exempt = |(history, &target): (&Vec<u32>, &u32)| match mask {
            MaskRule::Seen => history.clone(),
            MaskRule::SeenExceptTarget => history.iter().copied().filter(|&item| item != target).collect(),
        };
        let masked = histories.iter().zip(&targets).map(exempt).collect();
        let negatives = match sampled {
            Some(sampled) => draw_negatives(sampled, range.len() as u32, &histories, &targets)?,
            None => vec![Vec::new(); targets.len()],
        };
        let metric = Metric::ndcg(10);
        Ok(Self { items, domain, cases, targets, users, histories, masked, negatives, metric, list_len: 0 })
    }

    /// The same judge, keeping the best `n` candidates of every case.
    #[must_use]
    pub fn with_lists(mut self, n: usize) -> Self {
        self.list_len = n;
        self
    }

    /// The same judge with another metric.
    #[must_use]
    pub fn with_metric(mut self, metric: Metric) -> Self {
        self.metric = metric;
        self
    }

    /// What the judge goes by.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Number of cases.
    pub fn n_cases(&self) -> usize {
        self.cases.len()
    }

    /// The catalog of the candidates.
    pub fn items(&self) -> &'a ItemCatalog {
        self.items
    }

    /// The domain of the candidates.
    pub fn domain(&self) -> DomainIdx {
        self.domain
    }

    /// Targets as positions among the candidates.
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// The row (user) of each case.
    pub fn users(&self) -> &[u32] {
        &self.users
    }

    /// Distinct history items of each case inside the domain, as positions among the candidates.
    pub fn histories(&self) -> &[Vec<u32>] {
        &self.histories
    }

    /// Candidates that the masked ranks leave out, per case.
    pub fn masked(&self) -> &[Vec<u32>] {
        &self.masked
    }

    /// Sampled negatives per case; empty lists without sampling.
    pub fn negatives(&self) -> &[Vec<u32>] {
        &self.negatives
    }

    /// The query of a case.
    pub fn query(&self, at: usize) -> Query<'_> {
        let case: &Case = &self.cases.cases()[at];
        Query {
            domain: self.domain,
            history: self.cases.history(case),
            profile: self.cases.profile(case),
            timestamp: (case.timestamp != 0).then_some(case.timestamp),
        }
    }

    /// Value of the target event of a case: a rating, a weight.
    pub fn value(&self, at: usize) -> f32 {
        self.cases.cases()[at].value
    }

    /// A judge of at most `n` cases, evenly spread and in order.
    #[must_use]
    pub fn sample(&self, n: usize) -> Self {
        let positions = spread(self.n_cases(), n);
        Self {
            items: self.items,
            domain: self.domain,
            cases: self.cases.select(&positions),
            targets: pick(&self.targets, &positions),
            users: pick(&self.users, &positions),
            histories: pick(&self.histories, &positions),
            masked: pick(&self.masked, &positions),
            negatives: pick(&self.negatives, &positions),
            metric: self.metric,
            list_len: self.list_len,
        }
    }

    /// Ranks every case under `score(query, scores)`.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn rank(&self, score: impl Fn(&Query<'_>, &mut [f32]) + Sync) -> Result<Rankings, TrainError> {
        self.rank_with(|at, scores| score(&self.query(at), scores))
    }

    /// Ranks every case under `score(case, scores)`, where `case` counts the cases from 0.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn rank_with(&self, score: impl Fn(usize, &mut [f32]) + Sync) -> Result<Rankings, TrainError> {
        let plan =
            RankingPlan { list_len: self.list_len, ..RankingPlan::new(self.items.range(self.domain).len()) };
        let case = |at: usize| RankingCase {
            target: self.targets[at],
            masked: &self.masked[at],
            negatives: &self.negatives[at],
        };
        let cases: Vec<RankingCase<'_>> = (0..self.n_cases()).map(case).collect();
        Ok(rank_cases(plan, &cases, score)?)
    }

    /// The metric of every case under the objective.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn metric_values(
        &self,
        objective: Objective,
        score: impl Fn(&Query<'_>, &mut [f32]) + Sync,
    ) -> Result<Vec<f64>, TrainError> {
        Ok(self.metric_of(objective.of(&self.rank(score)?)))
    }

    /// The metric of each rank; of the expected rank under ties.
    pub fn metric_of(&self, ranks: &[TargetRank]) -> Vec<f64> {
        self.metric.of_ranks(ranks, TieRule::ExpectedRank)
    }
}

/// NDCG@10 of every case under a model, by the ranks that count.
///
/// # Errors
/// When a score is not finite.
pub fn ndcg_of_model(
    model: &DomainModel,
    objective: Objective,
    judge: &Judge<'_>,
) -> Result<Vec<f64>, TrainError> {
    judge.metric_values(objective, |query, scores| {
        model.score(query, judge.items(), &mut Scratch::default(), scores);
    })
}

impl Objective {
    /// The ranks that count.
    pub fn of(self, rankings: &Rankings) -> &[TargetRank] {
        match self {
            Self::Masked => &rankings.masked,
            Self::Unmasked => &rankings.unmasked,
            Self::Sampled => &rankings.sampled,
        }
    }
}

/// NDCG@10 of each rank, which studies print; of the expected rank under ties.
pub fn ndcg_of(ranks: &[TargetRank]) -> Vec<f64> {
    Metric::ndcg(10).of_ranks(ranks, TieRule::ExpectedRank)
}

/// Mean of `ours − theirs`, paired by case, with its interval; cases of one user are drawn together.
///
/// # Errors
/// When there is no case, or the lengths differ.
pub fn paired_gain(
    ours: &[f64],
    theirs: &[f64],
    users: &[u32],
    bootstrap: Bootstrap,
) -> Result<Interval, TrainError> {
    let differences: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a - b).collect();
    Ok(bootstrap.means_by_user(&[&differences], users)?[0])
}

/// The interval for one of `n` that are tried (Bonferroni), with enough resamples to place a bound that two of a thousand pass.
pub fn corrected(bootstrap: Bootstrap, n: usize) -> Bootstrap {
    let confidence = 1.0 - (1.0 - bootstrap.confidence) / n as f64;
    Bootstrap { confidence, n_resamples: 4_000, ..bootstrap }
}

/// Mean of a slice; 0 when empty.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

fn pick<T: Clone>(values: &[T], positions: &[usize]) -> Vec<T> {
    positions.iter().map(|&at| values[at].clone()).collect()
}

fn spread(n: usize, at_most: usize) -> Vec<usize> {
    if n <= at_most {
        return (0..n).collect();
    }
    (0..at_most).map(|place| place * n / at_most).collect()
}

fn draw_negatives(
    sampled: SampledNegatives,
    n_items: u32,
    histories: &[Vec<u32>],
    targets: &[u32],
) -> Result<Vec<Vec<u32>>, TrainError> {
    // A small domain may not have as many: every case then gets the same smaller number.
    let longest = histories.iter().map(Vec::len).max().unwrap_or(0);
    let n = sampled.n.min((n_items as usize).saturating_sub(longest + 1));
    let mut all = Vec::with_capacity(targets.len());
    for (at, (history, &target)) in histories.iter().zip(targets).enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(sampled.seed);
        rng.set_stream(at as u64);
        let mut exclude = history.clone();
        exclude.push(target);
        all.push(sample_negatives(&mut rng, n_items, n, &exclude)?);
    }
    Ok(all)
}
