//! Ranking every candidate for every case, without ever holding users × items in memory.
//!
//! Cases are taken in blocks; a worker has one buffer `[block_len, n_items]`, lets the scorer fill it, and keeps
//! three ranks and a short list per case. One pass over the scores counts the unmasked rank, the masked rank follows
//! by taking the masked items out of that count, and one more pass selects the list. Blocks do not depend on the
//! number of threads and results come back in order, so the outcome is the same on any machine.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::rank::TargetRank;
use crate::top_list::TopList;

/// One question put to the scorer: where is the target?
#[derive(Debug, Clone, Copy)]
pub struct RankingCase<'a> {
    /// Index of the item that was chosen, among the items of its domain.
    pub target: u32,
    /// Items that may not be recommended (the history, training positives), in any order, repeats allowed. If the
    /// target is among them its masked rank is unreachable: a miss.
    pub masked: &'a [u32],
    /// Sampled negatives for [`Rankings::sampled`]; empty where only full ranking is wanted.
    pub negatives: &'a [u32],
}

/// The sizes of a full ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RankingPlan {
    /// Number of items of the domain; every case ranks all of them.
    pub n_items: usize,
    /// Length of the lists to keep; 0 keeps none.
    pub list_len: usize,
    /// Cases scored at once by one worker; its buffer holds `block_len * n_items` floats.
    pub block_len: usize,
}

impl RankingPlan {
    /// Full ranking over `n_items` with lists of 20, one case at a time.
    pub fn new(n_items: usize) -> Self {
        Self { n_items, list_len: 20, block_len: 1 }
    }
}

/// The outcome of a full ranking, one entry per case and in the order of the cases.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rankings {
    /// Rank among the items that are not masked: the protocol's default.
    pub masked: Vec<TargetRank>,
    /// Rank among all items.
    pub unmasked: Vec<TargetRank>,
    /// Rank among the sampled negatives; empty if the cases have none.
    pub sampled: Vec<TargetRank>,
    /// The best items that are not masked; empty if the plan keeps no lists.
    pub lists: Vec<TopList>,
    /// Length at which the plan cut the lists.
    pub list_len: usize,
}

impl Rankings {
    /// The first `n` items of every list.
    pub fn lists_at(&self, n: usize) -> Vec<&[u32]> {
        let cut = |list: &'_ TopList| list.items.len().min(n);
        self.lists.iter().map(|list| &list.items[..cut(list)]).collect()
    }
}

/// What one case leaves behind.
struct CaseRanking {
    masked: TargetRank,
    unmasked: TargetRank,
    sampled: Option<TargetRank>,
    list: TopList,
}

/// Ranks all cases; `score(case, scores)` fills the scores of one case, `[n_items]`.
///
/// The buffer arrives full of NaN: an item left unscored is an error, never the previous case's score. The scorer may
/// set `f32::NEG_INFINITY` for items that are no candidates at all.
///
/// ```
/// use segue_eval::full_ranking::{RankingCase, RankingPlan, rank_cases};
/// let cases = [RankingCase { target: 2, masked: &[0], negatives: &[] }];
/// let scores = [0.9, 0.1, 0.5, 0.7];
/// let rankings = rank_cases(RankingPlan::new(4), &cases, |_, row| row.copy_from_slice(&scores))?;
/// assert_eq!(rankings.masked[0].expected_rank(), 2.0);
/// assert_eq!(rankings.unmasked[0].expected_rank(), 3.0);
/// assert_eq!(rankings.lists[0].items, [3, 2, 1]);
/// # Ok::<(), segue_eval::error::Error>(())
/// ```
///
/// # Errors
/// The first case, in order, with a score that is not finite or an index outside the catalogue.
pub fn rank_cases(
    plan: RankingPlan,
    cases: &[RankingCase<'_>],
    score: impl Fn(usize, &mut [f32]) + Sync,
) -> Result<Rankings> {
    rank_blocks(plan, cases, |range, scores| {
        for (case, row) in range.zip(scores.chunks_exact_mut(plan.n_items)) {
            score(case, row);
        }
    })
}

/// Ranks all cases; `score(range, scores)` fills the scores of a block of cases, `[range.len(), n_items]`.
///
/// For scorers that multiply matrices. Otherwise as [`rank_cases`].
///
/// # Errors
/// The first case, in order, with a score that is not finite or an index outside the catalogue.
pub fn rank_blocks(
    plan: RankingPlan,
    cases: &[RankingCase<'_>],
    score: impl Fn(Range<usize>, &mut [f32]) + Sync,
) -> Result<Rankings> {
    check(plan, cases)?;
    let n_blocks = cases.len().div_ceil(plan.block_len);
    let blocks: Vec<Result<Vec<CaseRanking>>> = (0..n_blocks)
        .into_par_iter()
        .map_init(Vec::new, |buffer, block| {
            let start = block * plan.block_len;
            let range = start..(start + plan.block_len).min(cases.len());
            buffer.clear();
            buffer.resize(range.len() * plan.n_items, f32::NAN);
            score(range.clone(), buffer);
            range
                .zip(buffer.chunks_exact_mut(plan.n_items))
                .map(|(case, row)| {
                    rank_case(&cases[case], row, plan.list_len).map_err(|error| error.in_case(case))
                })
                .collect()
        })
        .collect();
    gather(plan, cases.len(), blocks)
}

/// Refuses plans that cannot run before any score is computed.
fn check(plan: RankingPlan, cases: &[RankingCase<'_>]) -> Result<()> {
    if plan.block_len == 0 || plan.n_items == 0 || u32::try_from(plan.n_items).is_err() {
        return Err(Error::InvalidSetting {
            name: "plan",
            expected: "block_len of at least 1 and n_items from 1 to 2^32 - 1",
            received: format!("{plan:?}"),
        });
    }
    let any_negatives = cases.iter().any(|case| !case.negatives.is_empty());
    match cases.iter().position(|case| any_negatives && case.negatives.is_empty()) {
        Some(case) => Err(Error::MissingNegatives.in_case(case)),
        None => Ok(()),
    }
}

/// Ranks one case in its row of scores, which is masked on the way.
fn rank_case(case: &RankingCase<'_>, scores: &mut [f32], list_len: usize) -> Result<CaseRanking> {
    let target = case.target as usize;
    let unmasked = TargetRank::of_masked(scores, target)?;
    let sampled = match case.negatives {
        [] => None,
        negatives => Some(TargetRank::among(scores, target, negatives)?),
    };
    let masked = mask(case, scores, unmasked)?;
    let list = TopList::select(scores, list_len);
    Ok(CaseRanking { masked, unmasked, sampled, list })
}

/// Sets masked items to negative infinity and takes them out of the rank; a repeated item leaves only once.
fn mask(case: &RankingCase<'_>, scores: &mut [f32], unmasked: TargetRank) -> Result<TargetRank> {
    let n_items = scores.len();
    let target_score = scores[case.target as usize];
    let mut rank = unmasked;
    for &item in case.masked {
        let score =
            scores.get_mut(item as usize).ok_or(Error::ItemOutOfRange { item: item as usize, n_items })?;
        if *score == f32::NEG_INFINITY {
            continue;
        }
        if item == case.target {
            rank.n_candidates -= 1;
        } else {
            rank = rank.without_candidate(*score, target_score);
        }
        *score = f32::NEG_INFINITY;
    }
    if scores[case.target as usize] == f32::NEG_INFINITY {
        return Ok(TargetRank::unreachable(rank.n_candidates));
    }
    Ok(rank)
}

/// Puts the blocks back in order, or returns the first error.
fn gather(plan: RankingPlan, n_cases: usize, blocks: Vec<Result<Vec<CaseRanking>>>) -> Result<Rankings> {
    let mut rankings = Rankings {
        masked: Vec::with_capacity(n_cases),
        unmasked: Vec::with_capacity(n_cases),
        list_len: plan.list_len,
        ..Rankings::default()
    };
    for block in blocks {
        for case in block? {
            rankings.masked.push(case.masked);
            rankings.unmasked.push(case.unmasked);
            rankings.sampled.extend(case.sampled);
            if plan.list_len > 0 {
                rankings.lists.push(case.list);
            }
        }
    }
    Ok(rankings)
}
