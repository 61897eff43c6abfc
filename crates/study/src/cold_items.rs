//! Items that nobody has touched: how often they are found when they are what comes next, and what showing them costs the others.

use anyhow::{Context, Result};
use segue_data::hold_out_items;
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{Comparison, MetricTable, compare};
use segue_eval::rank::TargetRank;
use segue_models::Query;
use segue_recommend::Scratch;
use segue_train::Judge;
use serde::Serialize;

use crate::study::{Study, rank_model};
use segue::figures::HEADLINE;

/// Percent of the items that are held out.
const PERCENT: f64 = 5.0;

/// What was measured in one domain.
#[derive(Debug, Serialize)]
pub struct ColdItems {
    pub target: String,
    pub split: String,
    pub seed: u64,
    pub n_held_out: usize,
    /// Test cases that ask for an item that was held out.
    pub n_unseen_cases: usize,
    pub n_warm_cases: usize,
    /// The blend first, then its experts: HR@10 and NDCG@10 on these cases.
    pub unseen: Vec<UnseenRow>,
    /// On the other cases: the blend minus the same blend that never shows an unseen item.
    pub warm: Comparison,
}

/// One system on cases that ask for an unseen item.
#[derive(Debug, Serialize)]
pub struct UnseenRow {
    pub name: String,
    pub hr_at_10: Interval,
    pub ndcg_at_10: Interval,
}

/// Holds items out, fits and measures.
pub fn study(study: &Study<'_>) -> Result<ColdItems> {
    let (split, held) = hold_out_items(study.problem.split, study.problem.items, PERCENT, study.plan().seed);
    let study = &Study { problem: study.problem.with_split(&split), ..*study };
    let (valid, test) = (study.problem.valid()?, study.problem.test()?);
    let model = study.fit(study.target_name(), &valid)?.served;
    let range = study.problem.items.range(study.problem.target);
    let asks_unseen: Vec<bool> =
        test.targets().iter().map(|&target| held[range.start + target as usize]).collect();
    let blend = rank_model(&test, &model)?;
    let mut unseen = vec![row(study, &test, &asks_unseen, ("blend", &blend))?];
    for expert in &model.experts {
        let ranks = test.rank(|query, scores| expert.score(query, study.problem.items, scores))?;
        unseen.push(row(study, &test, &asks_unseen, (&expert.id.to_string(), &ranks))?);
    }
    let without = test.rank(|query: &Query<'_>, scores: &mut [f32]| {
        model.score(query, study.problem.items, &mut Scratch::default(), scores);
        let hidden = scores.iter_mut().zip(&held[range.clone()]).filter(|(_, held)| **held);
        hidden.for_each(|(score, _)| *score = f32::MIN);
    })?;
    let warm: Vec<usize> = (0..test.n_cases()).filter(|&at| !asks_unseen[at]).collect();
    let (ours, theirs) = (picked(study.ranks(&blend), &warm), picked(study.ranks(&without), &warm));
    let users = picked(test.users(), &warm);
    let compared = compare(&ours, &theirs, Some(&users), &study.recipe.table)?;
    Ok(ColdItems {
        target: study.target_name().to_owned(),
        split: split.description.clone(),
        seed: study.plan().seed,
        n_held_out: held[range].iter().filter(|held| **held).count(),
        n_unseen_cases: test.n_cases() - warm.len(),
        n_warm_cases: warm.len(),
        unseen,
        warm: *compared.get(HEADLINE).context("no metric was measured")?,
    })
}

fn row(
    study: &Study<'_>,
    test: &Judge<'_>,
    asks_unseen: &[bool],
    (name, ranks): (&str, &Rankings),
) -> Result<UnseenRow> {
    let places: Vec<usize> = (0..asks_unseen.len()).filter(|&at| asks_unseen[at]).collect();
    let picked_ranks: Vec<TargetRank> = picked(study.ranks(ranks), &places);
    let table = MetricTable::of(&picked_ranks, Some(&picked(test.users(), &places)), &study.recipe.table)
        .context("no test case asks for an item that was held out")?;
    let metric = |key: &str| table.metrics.get(key).copied().context("no metric was measured");
    Ok(UnseenRow { name: name.to_owned(), hr_at_10: metric("hr@10")?, ndcg_at_10: metric(HEADLINE)? })
}

fn picked<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
    places.iter().map(|&at| all[at].clone()).collect()
}
