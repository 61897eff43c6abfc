//! Filtered ranking of links: every fact asks for its tail and for its head, and other right answers do not compete.
//!
//! Source: the filtered setting of Bordes et al., NIPS 2013, with both directions averaged. Ties count by the expected rank, so a
//! constant scorer earns nothing (Sun et al., ACL 2020, show what other rules give away).

use rayon::prelude::*;
use segue_data::{EntityIdx, Facts, Question, Triple};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::metric::{Metric, MetricKind};
use crate::rank::{TargetRank, TieRule};

/// Questions that are scored together.
const TOGETHER: usize = 64;

/// One question of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkRank {
    /// What was asked.
    pub question: Question,
    /// Where the right answer stands.
    pub rank: TargetRank,
}

/// Means over questions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkFigures {
    /// Questions: two per fact.
    pub n_questions: usize,
    /// Mean reciprocal rank.
    pub mrr: f64,
    /// Share of right answers at rank 1.
    pub hits_1: f64,
    /// Share of right answers within rank 3.
    pub hits_3: f64,
    /// Share of right answers within rank 10.
    pub hits_10: f64,
    /// Mean rank.
    pub mean_rank: f64,
}

/// Ranks the tail and the head of every fact among all entities but those that `known` names as right answers, too: first the
/// tails, then the heads, in the order of the facts.
///
/// `score` gets questions and fills one row of `n_entities` scores for each; it is called from several threads, always with the
/// same questions together.
///
/// # Errors
/// If a score is not finite.
pub fn rank_links(
    facts: &[Triple],
    known: &Facts,
    n_entities: usize,
    score: impl Fn(&[Question], &mut [f32]) + Sync,
) -> Result<Vec<LinkRank>> {
    let tails = facts.iter().map(|&fact| Question::of_tail(fact));
    let cases: Vec<(Question, EntityIdx)> =
        tails.chain(facts.iter().map(|&fact| Question::of_head(fact))).collect();
    let rank_some = |(at, cases): (usize, &[(Question, EntityIdx)])| -> Result<Vec<LinkRank>> {
        let questions: Vec<Question> = cases.iter().map(|(question, _)| *question).collect();
        let mut scores = vec![0.0; questions.len() * n_entities];
        score(&questions, &mut scores);
        let mut ranks = Vec::with_capacity(cases.len());
        for (row, &(question, answer)) in cases.iter().enumerate() {
            let scores = &mut scores[row * n_entities..][..n_entities];
            let others = known.answers(question).iter().filter(|other| **other != answer);
            others.for_each(|other| scores[other.0 as usize] = f32::NEG_INFINITY);
            let rank = TargetRank::of_masked(scores, answer.0 as usize);
            let rank = rank.map_err(|error| error.in_case(at * TOGETHER + row))?;
            ranks.push(LinkRank { question, rank });
        }
        Ok(ranks)
    };
    let parts: Result<Vec<Vec<LinkRank>>> = cases.par_chunks(TOGETHER).enumerate().map(rank_some).collect();
    Ok(parts?.concat())
}

impl LinkFigures {
    /// The means; `None` of no ranks.
    pub fn of<'a>(ranks: impl IntoIterator<Item = &'a LinkRank>) -> Option<Self> {
        let mut sums =
            Self { n_questions: 0, mrr: 0.0, hits_1: 0.0, hits_3: 0.0, hits_10: 0.0, mean_rank: 0.0 };
        for LinkRank { rank, .. } in ranks {
            let value = |metric: Metric| metric.of_rank(*rank, TieRule::ExpectedRank);
            sums.n_questions += 1;
            sums.mrr += value(MetricKind::ReciprocalRank.uncut());
            sums.hits_1 += value(MetricKind::HitRate.at(1));
            sums.hits_3 += value(MetricKind::HitRate.at(3));
            sums.hits_10 += value(MetricKind::HitRate.at(10));
            sums.mean_rank += rank.expected_rank();
        }
        let n = sums.n_questions as f64;
        let mean = Self {
            n_questions: sums.n_questions,
            mrr: sums.mrr / n,
            hits_1: sums.hits_1 / n,
            hits_3: sums.hits_3 / n,
            hits_10: sums.hits_10 / n,
            mean_rank: sums.mean_rank / n,
        };
        Some(mean).filter(|mean| mean.n_questions > 0)
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use segue_data::RelationIdx;

    use super::*;

    const N: u32 = 50;

    fn facts(n: usize, seed: u64) -> Vec<Triple> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut entity = |n: u32| rng.random_range(0..n);
        (0..n)
            .map(|_| Triple {
                head: EntityIdx(entity(N)),
                relation: RelationIdx(entity(3)),
                tail: EntityIdx(entity(N)),
            })
            .collect()
    }

    // Few values, so that ties are common.
    fn score(question: Question, entity: u32) -> f32 {
        let Question { anchor, relation, inverse } = question;
        ((anchor.0 * 31 + relation.0 * 17 + u32::from(inverse) * 7 + entity * 13) % 11) as f32
    }

    fn fill(questions: &[Question], scores: &mut [f32]) {
        for (question, row) in questions.iter().zip(scores.chunks_exact_mut(N as usize)) {
            row.iter_mut().enumerate().for_each(|(entity, x)| *x = score(*question, entity as u32));
        }
    }

    // The definition, one candidate at a time.
    fn plain_rank(fact: Triple, inverse: bool, all: &[Triple]) -> f64 {
        let with = |entity: u32| {
            if inverse {
                Triple { head: EntityIdx(entity), ..fact }
            } else {
                Triple { tail: EntityIdx(entity), ..fact }
            }
        };
        let (anchor, answer) = if inverse { (fact.tail, fact.head) } else { (fact.head, fact.tail) };
        let question = Question { anchor, relation: fact.relation, inverse };
        let own = score(question, answer.0);
        let mut rank = 1.0;
        for entity in (0..N).filter(|&entity| entity != answer.0 && !all.contains(&with(entity))) {
            rank += match score(question, entity).total_cmp(&own) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
        rank
    }

    #[test]
    fn filtered_ranks_equal_the_definition() {
        let all = facts(700, 1);
        let test = &all[500..];
        let ranks = rank_links(test, &Facts::of(all.iter().copied()), N as usize, fill).unwrap();
        let tails = test.iter().map(|&fact| plain_rank(fact, false, &all));
        let expected: Vec<f64> = tails.chain(test.iter().map(|&fact| plain_rank(fact, true, &all))).collect();
        let received: Vec<f64> = ranks.iter().map(|rank| rank.rank.expected_rank()).collect();
        assert_eq!(received, expected);
        let figures = LinkFigures::of(&ranks).unwrap();
        let n = expected.len() as f64;
        let share = |k: f64| expected.iter().filter(|&&rank| rank <= k).count() as f64 / n;
        assert_eq!(figures.n_questions, 400);
        assert!((figures.mrr - expected.iter().map(|rank| 1.0 / rank).sum::<f64>() / n).abs() < 1e-12);
        assert!((figures.mean_rank - expected.iter().sum::<f64>() / n).abs() < 1e-9);
        assert_eq!([figures.hits_1, figures.hits_3, figures.hits_10], [1.0, 3.0, 10.0].map(share));
    }

    #[test]
    fn a_constant_scorer_earns_the_middle_and_no_facts_have_no_figures() {
        let test = facts(1, 2);
        let ranks = rank_links(&test, &Facts::default(), N as usize, |_, scores| scores.fill(1.0)).unwrap();
        assert!(ranks.iter().all(|rank| rank.rank.expected_rank() == 25.5));
        assert_eq!(LinkFigures::of(&[]), None);
        let broken = rank_links(&test, &Facts::default(), N as usize, |_, scores| scores.fill(f32::NAN));
        assert!(broken.unwrap_err().to_string().contains("case 0"));
    }
}
