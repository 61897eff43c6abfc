//! Asks the test split, once per run: every expert alone, the single-domain blend, the blend.

use anyhow::Result;
use segue_data::ItemCatalog;
use segue_data::ItemIdx;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{MetricTable, TableSettings, compare};
use segue_eval::rank::TargetRank;
use segue_eval::slices::COLD_BELOW;
use segue_eval::summary::{Distance, Summary, SummaryInput};
use segue_models::Query;
use segue_recommend::{Blend, DomainModel};
use segue_train::Judge;
use segue_train::tasks::measure_tasks;

use crate::figures::{
    BLEND, CaseGroup, HEADLINE, PairFigures, SINGLE_DOMAIN, SystemFigures, SystemKind, TestFigures,
};
use crate::pipeline::Recipe;
use crate::problem::Problem;

/// The test cases of one target, and what its tables need besides.
pub struct Examination<'a> {
    items: &'a ItemCatalog,
    judge: Judge<'a>,
    settings: TableSettings,
    train_counts: Vec<u32>,
    n_train_users: usize,
}

impl<'a> Examination<'a> {
    /// Prepares the test cases of the problem's target; models were fitted as the recipe says.
    ///
    /// # Errors
    /// When the target has no test case.
    pub fn new(problem: &Problem<'a>, recipe: &Recipe) -> Result<Self> {
        let (items, settings) = (problem.items, recipe.table.clone());
        let longest = settings.cutoffs.iter().copied().max().unwrap_or(0);
        let judge = problem.test()?.with_lists(longest);
        let train = recipe.measured_train(problem.split);
        let train_counts = train.sequences.item_counts(items.len())[items.range(problem.target)].to_vec();
        let n_train_users = train.sequences.rows().filter(|row| !row.is_empty()).count();
        Ok(Self { items, judge, settings, train_counts, n_train_users })
    }

    /// Systems that [`Self::measure`] will rank.
    pub fn n_systems(model: &DomainModel) -> usize {
        model.experts.len() + 2
    }

    /// Measures the model, its experts and its single-domain part; `step` is called after each.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn measure(
        &self,
        model: &DomainModel,
        single: &Blend,
        mut step: impl FnMut(&str),
    ) -> Result<TestFigures> {
        let mut systems = Vec::new();
        let mut best: Option<(f64, String, Rankings)> = None;
        for expert in &model.experts {
            let rankings = self.judge.rank(|query, scores| expert.score(query, self.items, scores))?;
            let name = expert.id.to_string();
            let summary = self.summary(&rankings, model)?;
            let score = summary.masked.mean(HEADLINE).unwrap_or(0.0);
            systems.push(SystemFigures {
                name: name.clone(),
                kind: SystemKind::Expert,
                note: expert.note().map(str::to_owned),
                summary,
            });
            step(&name);
            if best.as_ref().is_none_or(|(top, _, _)| score > *top) {
                best = Some((score, name, rankings));
            }
        }
        let alone = self.rank_blend(model, single)?;
        systems.push(self.system(SINGLE_DOMAIN, SystemKind::SingleDomain, &alone, model)?);
        step(SINGLE_DOMAIN);
        let blend = self.rank_blend(model, &model.blend)?;
        systems.push(self.system(BLEND, SystemKind::Blend, &blend, model)?);
        step(BLEND);
        let mut comparisons = Vec::new();
        if let Some((_, name, rankings)) = &best {
            comparisons.extend(self.pair(&blend, name, rankings, CaseGroup::All)?);
        }
        for group in [CaseGroup::All, CaseGroup::ColdUsers] {
            comparisons.extend(self.pair(&blend, SINGLE_DOMAIN, &alone, group)?);
        }
        let seed = self.settings.bootstrap.seed;
        let tasks = model.experts.iter().filter_map(|expert| measure_tasks(expert, &self.judge, seed));
        Ok(TestFigures { systems, comparisons, tasks: tasks.collect() })
    }

    fn rank_blend(&self, model: &DomainModel, blend: &Blend) -> Result<Rankings> {
        let score = |query: &Query<'_>, scores: &mut [f32]| {
            model.score_with(blend, query, self.items, scores);
        };
        Ok(self.judge.rank(score)?)
    }

    fn system(
        &self,
        name: &str,
        kind: SystemKind,
        rankings: &Rankings,
        model: &DomainModel,
    ) -> Result<SystemFigures> {
        Ok(SystemFigures { name: name.to_owned(), kind, note: None, summary: self.summary(rankings, model)? })
    }

    fn summary(&self, rankings: &Rankings, model: &DomainModel) -> Result<Summary> {
        let histories: Vec<&[u32]> = self.judge.histories().iter().map(Vec::as_slice).collect();
        let start = self.items.range(model.domain).start as u32;
        let content = model.experts.iter().find_map(|expert| expert.content());
        let distance = content.map(|content| {
            move |a: u32, b: u32| 1.0 - f64::from(content.similarity(ItemIdx(start + a), ItemIdx(start + b)))
        });
        let input = SummaryInput {
            rankings,
            users: Some(self.judge.users()),
            targets: self.judge.targets(),
            histories: &histories,
            train_counts: &self.train_counts,
            n_train_users: self.n_train_users,
            distance: distance.as_ref().map(|distance| distance as Distance<'_>),
        };
        let mut summary = Summary::of(&input, self.settings.clone())?;
        let cold = self.positions(CaseGroup::ColdUsers);
        let (ranks, users) = self.select(&rankings.masked, &cold);
        summary.slices.insert("users_cold".into(), MetricTable::of(&ranks, Some(&users), &self.settings)?);
        Ok(summary)
    }

    fn positions(&self, group: CaseGroup) -> Vec<usize> {
        let is_in = |at: &usize| match group {
            CaseGroup::All => true,
            CaseGroup::ColdUsers => self.judge.histories()[*at].len() < COLD_BELOW as usize,
        };
        (0..self.judge.n_cases()).filter(is_in).collect()
    }

    fn select(&self, ranks: &[TargetRank], positions: &[usize]) -> (Vec<TargetRank>, Vec<u32>) {
        positions.iter().map(|&at| (ranks[at], self.judge.users()[at])).unzip()
    }

    // `None` when the group has no cases.
    fn pair(
        &self,
        blend: &Rankings,
        name: &str,
        baseline: &Rankings,
        cases: CaseGroup,
    ) -> Result<Option<PairFigures>> {
        let positions = self.positions(cases);
        if positions.is_empty() {
            return Ok(None);
        }
        let (ours, users) = self.select(&blend.masked, &positions);
        let (theirs, _) = self.select(&baseline.masked, &positions);
        Ok(Some(PairFigures {
            candidate: BLEND.to_owned(),
            baseline: name.to_owned(),
            cases,
            n_cases: positions.len(),
            metrics: compare(&ours, &theirs, Some(&users), &self.settings)?,
        }))
    }
}
