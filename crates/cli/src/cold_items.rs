//! Items that nobody has touched: how often they are found when they are what comes next, and what showing them costs the others.

use anyhow::{Context, Result};
use segue_data::hold_out_items;
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{Comparison, MetricTable, compare};
use segue_eval::rank::TargetRank;
use segue_models::Query;
use segue_recommend::recommender::Scratch;
use segue_train::{Judge, fit_domain};
use serde::Serialize;

use crate::figures::HEADLINE;
use crate::grid::Grid;
use crate::number;
use crate::screen::Screen;
use crate::study::{Subject, rank_model, watched};

/// Percent of the items that are held out.
const PERCENT: f64 = 5.0;

/// What was measured in one domain.
#[derive(Debug, Serialize)]
pub(crate) struct ColdItems {
    pub(crate) target: String,
    pub(crate) split: String,
    pub(crate) seed: u64,
    pub(crate) n_held_out: usize,
    /// Test cases that ask for an item that was held out.
    pub(crate) n_unseen_cases: usize,
    pub(crate) n_warm_cases: usize,
    /// The blend first, then its experts: HR@10 and NDCG@10 on these cases.
    pub(crate) unseen: Vec<UnseenRow>,
    /// On the other cases: the blend minus the same blend that never shows an unseen item.
    pub(crate) warm: Comparison,
}

/// One system on cases that ask for an unseen item.
#[derive(Debug, Serialize)]
pub(crate) struct UnseenRow {
    pub(crate) name: String,
    pub(crate) hr_at_10: Interval,
    pub(crate) ndcg_at_10: Interval,
}

/// Holds items out, fits and measures.
pub(crate) fn study(subject: &Subject<'_>, screen: Screen) -> Result<ColdItems> {
    let (split, held) = hold_out_items(subject.split, subject.items, PERCENT, subject.plan.seed);
    let subject = &Subject { split: &split, settings: subject.settings.clone(), ..*subject };
    let (valid, test) = (subject.valid()?, subject.test()?);
    let mut model = watched(screen, subject.target_name(), |session| {
        Ok(fit_domain(subject.plan, subject.material(), &valid, session)?.model)
    })?;
    if subject.refit {
        model = subject.refitted(&model)?;
    }
    let range = subject.items.range(subject.target);
    let asks_unseen: Vec<bool> =
        test.targets().iter().map(|&target| held[range.start + target as usize]).collect();
    let blend = rank_model(&test, &model)?;
    let mut unseen = vec![row(subject, &test, &asks_unseen, ("blend", &blend))?];
    for expert in &model.experts {
        let ranks = test.rank(|query, scores| expert.score(query, subject.items, scores))?;
        unseen.push(row(subject, &test, &asks_unseen, (&expert.id.to_string(), &ranks))?);
    }
    let without = test.rank(|query: &Query<'_>, scores: &mut [f32]| {
        model.score(query, subject.items, &mut Scratch::default(), scores);
        let hidden = scores.iter_mut().zip(&held[range.clone()]).filter(|(_, held)| **held);
        hidden.for_each(|(score, _)| *score = f32::MIN);
    })?;
    let warm: Vec<usize> = (0..test.n_cases()).filter(|&at| !asks_unseen[at]).collect();
    let (ours, theirs) = (picked(subject.ranks(&blend), &warm), picked(subject.ranks(&without), &warm));
    let users = picked(test.users(), &warm);
    let compared = compare(&ours, &theirs, Some(&users), &subject.settings)?;
    Ok(ColdItems {
        target: subject.target_name().to_owned(),
        split: split.description.clone(),
        seed: subject.plan.seed,
        n_held_out: held[range].iter().filter(|held| **held).count(),
        n_unseen_cases: test.n_cases() - warm.len(),
        n_warm_cases: warm.len(),
        unseen,
        warm: *compared.get(HEADLINE).context("no metric was measured")?,
    })
}

fn row(
    subject: &Subject<'_>,
    test: &Judge<'_>,
    asks_unseen: &[bool],
    (name, ranks): (&str, &Rankings),
) -> Result<UnseenRow> {
    let places: Vec<usize> = (0..asks_unseen.len()).filter(|&at| asks_unseen[at]).collect();
    let picked_ranks: Vec<TargetRank> = picked(subject.ranks(ranks), &places);
    let table = MetricTable::of(&picked_ranks, Some(&picked(test.users(), &places)), &subject.settings)
        .context("no test case asks for an item that was held out")?;
    let metric = |key: &str| table.metrics.get(key).copied().context("no metric was measured");
    Ok(UnseenRow { name: name.to_owned(), hr_at_10: metric("hr@10")?, ndcg_at_10: metric(HEADLINE)? })
}

fn picked<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
    places.iter().map(|&at| all[at].clone()).collect()
}

/// Writes the tables.
pub(crate) fn show(measured: &ColdItems, screen: Screen) -> Result<()> {
    screen.heading(&format!(
        "{}: {} items held out; {} test cases ask for one of them, {} do not",
        measured.target,
        number::count(measured.n_held_out),
        number::count(measured.n_unseen_cases),
        number::count(measured.n_warm_cases)
    ))?;
    let mut grid = Grid::new(&["unseen items by", ">HR@10", ">NDCG@10"]);
    for row in &measured.unseen {
        grid.row(&[row.name.clone(), number::estimate(&row.hr_at_10), number::estimate(&row.ndcg_at_10)]);
    }
    screen.say(grid.text())?;
    let warm = &measured.warm;
    let share = warm.relative.map_or_else(String::new, |share| format!(" ({:+.1} %)", share * 100.0));
    screen.say(format!(
        "other cases: NDCG@10 {}, {}{share} against never showing unseen items",
        number::value(warm.candidate),
        number::difference(&warm.difference)
    ))
}
