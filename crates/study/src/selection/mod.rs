//! Which other domain helps which target, and by how much: the transfer matrix of `segue transfer`.

pub mod select;
mod page;
mod sentences;

pub use page::page;
pub use sentences::{heading, pair_name, sentences};

use crate::selection::select::{Choices, Judged, Selection, Sources, select};
use anyhow::Result;
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_models::ExpertId;
use segue_models::behavior::SequenceTuning;
use segue_train::Judge;
use serde::Serialize;

use crate::study::{Study, members};

/// What is tried for every target.
pub struct Tried<'a> {
    /// Whether each other domain is tried alone.
    pub each: bool,
    /// Ways of the `transfer` expert.
    pub tunings: &'a [SequenceTuning],
    /// Vectors by encoders tuned otherwise.
    pub encoders: &'a [(String, &'a segue_models::ItemVectors)],
}

/// A target with everything that was tried for it.
#[derive(Debug, Serialize)]
pub struct TargetSelection {
    pub target: String,
    pub split: String,
    pub seed: u64,
    /// Whether test was measured on models fitted on train and valid.
    pub refit: bool,
    pub n_valid_cases: usize,
    pub n_test_cases: usize,
    /// NDCG@10 of the target alone.
    pub alone_on_valid: Interval,
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
    #[serde(flatten)]
    pub judged: Judged,
    /// Experts of its blend, with their weights.
    pub members: Vec<(ExpertId, f32)>,
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
    /// The chosen way minus the target alone.
    pub on_test: Comparison,
}

/// Fits and judges all ways for one target.
pub fn study(study: &Study<'_>, tried: &Tried<'_>) -> Result<TargetSelection> {
    let (valid, test) = (study.problem.valid()?, study.problem.test()?);
    let choices = Choices { each: tried.each, tunings: tried.tunings, encoders: tried.encoders };
    let selection = study.watched(study.target_name(), |session| {
        select(study.plan(), study.material(), &valid, choices, session)
    })?;
    let alone = study.rank_served(&test, &selection.candidates[0].fit.model)?;
    let mut made = Vec::new();
    for sources in sources_of(&selection) {
        made.push(choice(study, (&selection, Some(sources)), &test, &alone)?);
    }
    made.push(choice(study, (&selection, None), &test, &alone)?);
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
        alone_on_valid: selection.candidates[0].judged.valid,
        alone_on_test: study.ndcg(&test, &alone)?,
        ways: ways.collect(),
        choices: made,
    })
}

fn sources_of(selection: &Selection) -> Vec<Sources> {
    let mut sources: Vec<Sources> =
        selection.candidates.iter().map(|candidate| candidate.judged.way.sources).collect();
    sources.retain(|sources| matches!(sources, Sources::One(_)));
    sources.dedup();
    sources
}

fn choice(
    study: &Study<'_>,
    (selection, sources): (&Selection, Option<Sources>),
    test: &Judge<'_>,
    alone: &Rankings,
) -> Result<Choice> {
    let chosen = selection.chosen(sources);
    let ours;
    let ranks = if chosen.judged.helps {
        ours = study.rank_served(test, &chosen.fit.model)?;
        &ours
    } else {
        alone
    };
    let gains = selection
        .candidates
        .iter()
        .filter(|candidate| sources.is_none_or(|sources| candidate.judged.way.sources == sources));
    let best = gains.filter_map(|candidate| candidate.judged.gain);
    Ok(Choice {
        source: sources.map(|sources| source_name(study, sources)),
        chosen: chosen.judged.helps.then(|| in_words(study, &chosen.judged)),
        best_on_valid: best.max_by(|a, b| a.mean.total_cmp(&b.mean)),
        on_test: study.difference(test, ranks, alone)?,
    })
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
    if judged.way.encoder != crate::selection::select::FROZEN {
        words = format!("{words}, encoder {}", judged.way.encoder);
    }
    words
}
