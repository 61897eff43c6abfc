//! Items that nobody has touched: how often they are found when they are what comes next, and what showing them costs the others.

use anyhow::{Context, Result};
use segue::figures::HEADLINE;
use segue_data::hold_out_items;
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{Comparison, MetricTable, compare};
use segue_models::Query;
use segue_recommend::DomainModel;
use segue_recommend::Scratch;
use segue_train::Judge;
use serde::Serialize;

use crate::study::{Study, rank_model};

/// Percent of the items that are held out.
const PERCENT: f64 = 5.0;

/// What was measured in one domain.
#[derive(Debug, Serialize)]
pub struct ColdItems {
    /// Name of the domain.
    pub target: String,
    /// How the events were cut, in words.
    pub split: String,
    /// Seed of the choice of items, of the fit and of the intervals.
    pub seed: u64,
    /// Items of the domain of which no event was in train or valid.
    pub n_held_out: usize,
    /// Test cases that ask for an item that was held out.
    pub n_unseen_cases: usize,
    /// All other test cases.
    pub n_warm_cases: usize,
    /// The blend first, then its experts, on the cases that ask for an unseen item.
    pub unseen: Vec<UnseenRow>,
    /// NDCG@10 on the other cases: the blend minus the same blend that never shows an unseen item.
    pub warm: Comparison,
}

/// One system on cases that ask for an unseen item.
#[derive(Debug, Serialize)]
pub struct UnseenRow {
    /// `blend`, or the id of an expert.
    pub name: String,
    /// Share of the cases whose item is among the first ten.
    pub hr_at_10: Interval,
    /// Mean NDCG@10, in [0, 1].
    pub ndcg_at_10: Interval,
}

/// Holds 5 % of the items out, fits and measures.
///
/// # Errors
/// When the target has no valid case, no test case or none that asks for an item that was held out, or nothing can be fitted.
pub fn measure(study: &Study<'_>) -> Result<ColdItems> {
    let problem = &study.problem;
    let (split, held) = hold_out_items(problem.split, problem.items, PERCENT, study.plan().seed);
    let study = &study.with_split(&split);
    let (valid, test) = (study.problem.valid()?, study.problem.test()?);
    let model = study.fit(study.target_name(), &valid)?.served;
    let held = &held[study.problem.items.range(study.problem.target)];
    let cases = Cases::new(study, &test, held);
    let blend = rank_model(&test, &model)?;
    let mut unseen = vec![cases.unseen_row("blend", &blend)?];
    for expert in &model.experts {
        let ranks = test.rank(|query, scores| expert.score(query, study.problem.items, scores))?;
        unseen.push(cases.unseen_row(&expert.id.to_string(), &ranks)?);
    }
    Ok(ColdItems {
        target: study.target_name().to_owned(),
        split: split.description.clone(),
        seed: study.plan().seed,
        n_held_out: held.iter().filter(|held| **held).count(),
        n_unseen_cases: cases.unseen.len(),
        n_warm_cases: cases.warm.len(),
        unseen,
        warm: cases.warm_difference(&blend, &rank_without(&test, &model, held)?)?,
    })
}

/// Ranks of a model that never shows an item of `held`, by place among the candidates.
fn rank_without(test: &Judge<'_>, model: &DomainModel, held: &[bool]) -> Result<Rankings> {
    Ok(test.rank(|query: &Query<'_>, scores: &mut [f32]| {
        model.score(query, test.items(), &mut Scratch::default(), scores);
        let hidden = scores.iter_mut().zip(held).filter(|(_, held)| **held);
        hidden.for_each(|(score, _)| *score = f32::MIN);
    })?)
}

/// The test cases, parted by whether they ask for an item that was held out.
struct Cases<'s, 'a> {
    study: &'s Study<'a>,
    test: &'s Judge<'a>,
    unseen: Vec<usize>,
    warm: Vec<usize>,
}

impl<'s, 'a> Cases<'s, 'a> {
    fn new(study: &'s Study<'a>, test: &'s Judge<'a>, held: &[bool]) -> Self {
        let asks_unseen = |at: &usize| held[test.targets()[*at] as usize];
        let (unseen, warm) = (0..test.n_cases()).partition(asks_unseen);
        Self { study, test, unseen, warm }
    }

    fn unseen_row(&self, name: &str, ranks: &Rankings) -> Result<UnseenRow> {
        let Self { study, test, unseen, .. } = self;
        let (ranks, users) = (picked(study.ranks(ranks), unseen), picked(test.users(), unseen));
        let table = MetricTable::of(&ranks, Some(&users), &study.recipe.table)
            .context("no test case asks for an item that was held out")?;
        let metric = |key: &str| table.metrics.get(key).copied().context("no metric was measured");
        Ok(UnseenRow { name: name.to_owned(), hr_at_10: metric("hr@10")?, ndcg_at_10: metric(HEADLINE)? })
    }

    fn warm_difference(&self, blend: &Rankings, without: &Rankings) -> Result<Comparison> {
        let Self { study, test, warm, .. } = self;
        let (ours, theirs) = (picked(study.ranks(blend), warm), picked(study.ranks(without), warm));
        let compared = compare(&ours, &theirs, Some(&picked(test.users(), warm)), &study.recipe.table)?;
        compared.get(HEADLINE).copied().context("no metric was measured")
    }
}

fn picked<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
    places.iter().map(|&at| all[at].clone()).collect()
}
