//! Which other domain helps which target, and by how much: the transfer matrix of `segue transfer`.

mod select;
mod ways;
mod page;
mod sentences;

use anyhow::Result;
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_train::Judge;
use serde::Serialize;

pub use page::page;
pub use select::{Candidate, Judged, Selection, Sources, TunedEncoder, Way, WaysToTry, select};
pub use sentences::{heading, pair_name, sentences};

use crate::study::{ExpertWeight, Study, members};
use select::FROZEN;

/// A target with everything that was tried for it.
#[derive(Debug, Serialize)]
pub struct TargetSelection {
    /// Name of the target.
    pub target: String,
    /// How the events were cut, in words.
    pub split: String,
    /// Seed of the fits and the intervals.
    pub seed: u64,
    /// Whether test was measured on models fitted on train and valid.
    pub refit: bool,
    /// Cases on which everything was chosen.
    pub n_valid_cases: usize,
    /// Cases on which nothing was chosen.
    pub n_test_cases: usize,
    /// NDCG@10 of the target alone on valid.
    pub alone_on_valid: Interval,
    /// The same on test.
    pub alone_on_test: Interval,
    /// All ways, judged on valid.
    pub ways: Vec<WayRow>,
    /// What was chosen for each source alone and, last, among all ways.
    pub choices: Vec<Choice>,
}

/// A way and what valid said.
#[derive(Debug, Serialize)]
pub struct WayRow {
    /// In words.
    pub name: String,
    /// What valid said.
    #[serde(flatten)]
    pub judged: Judged,
    /// Experts of its blend, with their weights.
    pub members: Vec<ExpertWeight>,
}

/// What was chosen, and what that gives on test.
#[derive(Debug, Serialize)]
pub struct Choice {
    /// The domain that could help; `None`: any of them or all together.
    pub source: Option<String>,
    /// The way in words; `None` when the target alone was kept.
    pub chosen: Option<String>,
    /// The best gain that any of these ways showed on valid.
    pub best_on_valid: Option<Interval>,
    /// NDCG@10 on test: the chosen way minus the target alone.
    pub on_test: Comparison,
}

/// Fits and judges all ways for one target.
///
/// # Errors
/// When the target has no valid or test case, or nothing can be fitted.
pub fn measure(study: &Study<'_>, tried: WaysToTry<'_>) -> Result<TargetSelection> {
    let (valid, test) = (study.problem.valid()?, study.problem.test()?);
    let selection = study.watched(study.target_name(), |session| {
        select(&study.problem, study.recipe, &valid, tried, session)
    })?;
    let own = &selection.candidates[0];
    let alone = study.rank_served(&test, &own.fit.model)?;
    let outcome = Outcome { study, selection: &selection, test: &test, alone: &alone };
    let each = sources_of(&selection).into_iter().map(Some);
    let choices = each.chain([None]).map(|sources| outcome.choice(sources)).collect::<Result<_>>()?;
    let ways = selection.candidates.iter().map(|candidate| WayRow {
        name: in_words(study, &candidate.judged),
        judged: candidate.judged.clone(),
        members: members(&candidate.fit.model),
    });
    Ok(TargetSelection {
        target: study.target_name().to_owned(),
        split: study.problem.split.description.clone(),
        seed: study.plan().seed,
        refit: study.recipe.refit,
        n_valid_cases: valid.n_cases(),
        n_test_cases: test.n_cases(),
        alone_on_valid: own.judged.valid,
        alone_on_test: study.ndcg(&test, &alone)?,
        ways: ways.collect(),
        choices,
    })
}

/// What was chosen, on the test cases.
struct Outcome<'s, 'a> {
    study: &'s Study<'a>,
    selection: &'s Selection,
    test: &'s Judge<'a>,
    /// Ranks of the target alone.
    alone: &'s Rankings,
}

fn sources_of(selection: &Selection) -> Vec<Sources> {
    let mut sources: Vec<Sources> =
        selection.candidates.iter().map(|candidate| candidate.judged.way.sources).collect();
    sources.retain(|sources| matches!(sources, Sources::One(_)));
    sources.dedup();
    sources
}

impl Outcome<'_, '_> {
    /// What was chosen among ways with these sources, or among all.
    fn choice(&self, sources: Option<Sources>) -> Result<Choice> {
        let Self { study, selection, test, alone } = self;
        let chosen = selection.chosen(sources);
        let helps = chosen.judged.helps;
        let ranks = if helps { Some(study.rank_served(test, &chosen.fit.model)?) } else { None };
        let of_sources = selection
            .candidates
            .iter()
            .filter(|candidate| sources.is_none_or(|sources| candidate.judged.way.sources == sources));
        let gains = of_sources.filter_map(|candidate| candidate.judged.gain);
        Ok(Choice {
            source: sources.map(|sources| source_name(study, sources)),
            chosen: helps.then(|| in_words(study, &chosen.judged)),
            best_on_valid: gains.max_by(|a, b| a.mean.total_cmp(&b.mean)),
            on_test: study.difference(test, ranks.as_ref().unwrap_or(alone), alone)?,
        })
    }
}

fn source_name(study: &Study<'_>, sources: Sources) -> String {
    match sources {
        Sources::None => "the target alone".to_owned(),
        Sources::One(domain) => study.problem.name_of(domain).to_owned(),
        Sources::All => "all others".to_owned(),
    }
}

fn in_words(study: &Study<'_>, judged: &Judged) -> String {
    let mut words = source_name(study, judged.way.sources);
    if let Some(tuning) = judged.way.tuning {
        words = format!("{words}, transfer {}", tuning.name());
    }
    if judged.way.encoder != FROZEN {
        words = format!("{words}, encoder {}", judged.way.encoder);
    }
    words
}
