//! Which other domain helps which target, and by how much: the transfer matrix of `segue transfer`.

mod page;
mod show;

pub(crate) use page::page;
pub(crate) use show::show;

use anyhow::Result;
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_models::ExpertId;
use segue_models::sequence::SequenceTuning;
use segue_train::Judge;
use segue_train::selector::{Choices, Judged, Selection, Sources, select};
use serde::Serialize;

use crate::screen::Screen;
use crate::study::{Subject, members, watched};

/// What is tried for every target.
pub(crate) struct Tried<'a> {
    /// Whether each other domain is tried alone.
    pub(crate) each: bool,
    /// Ways of the `transfer` expert.
    pub(crate) tunings: &'a [SequenceTuning],
    /// Vectors by encoders tuned otherwise.
    pub(crate) encoders: &'a [(String, &'a segue_models::ItemVectors)],
}

/// A target with everything that was tried for it.
#[derive(Debug, Serialize)]
pub(crate) struct TargetSelection {
    pub(crate) target: String,
    pub(crate) split: String,
    pub(crate) seed: u64,
    /// Whether test was measured on models fitted on train and valid.
    pub(crate) refit: bool,
    pub(crate) n_valid_cases: usize,
    pub(crate) n_test_cases: usize,
    /// NDCG@10 of the target alone.
    pub(crate) alone_on_valid: Interval,
    pub(crate) alone_on_test: Interval,
    /// All ways, judged on valid.
    pub(crate) ways: Vec<WayRow>,
    /// What was chosen for each source alone and, last, among all ways.
    pub(crate) choices: Vec<Choice>,
}

/// A way and what valid said.
#[derive(Debug, Serialize)]
pub(crate) struct WayRow {
    /// In words.
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) judged: Judged,
    /// Experts of its blend, with their weights.
    pub(crate) members: Vec<(ExpertId, f32)>,
}

/// What was chosen, and what that gives on test.
#[derive(Debug, Serialize)]
pub(crate) struct Choice {
    /// The domain that could help; `None`: any of them or all together.
    pub(crate) source: Option<String>,
    /// The way in words; `None` when the target alone was kept.
    pub(crate) chosen: Option<String>,
    /// The best gain that any of these ways showed on valid.
    pub(crate) best_on_valid: Option<Interval>,
    /// The chosen way minus the target alone.
    pub(crate) on_test: Comparison,
}

/// Fits and judges all ways for one target.
pub(crate) fn study(subject: &Subject<'_>, tried: &Tried<'_>, screen: Screen) -> Result<TargetSelection> {
    let (valid, test) = (subject.valid()?, subject.test()?);
    let choices = Choices { each: tried.each, tunings: tried.tunings, encoders: tried.encoders };
    let selection = watched(screen, subject.target_name(), |session| {
        Ok(select(subject.plan, subject.material(), &valid, choices, session)?)
    })?;
    let alone = subject.rank_served(&test, &selection.candidates[0].fit.model)?;
    let mut made = Vec::new();
    for sources in sources_of(&selection) {
        made.push(choice(subject, (&selection, Some(sources)), &test, &alone)?);
    }
    made.push(choice(subject, (&selection, None), &test, &alone)?);
    let ways = selection.candidates.iter().map(|candidate| WayRow {
        name: in_words(subject, &candidate.judged),
        judged: candidate.judged.clone(),
        members: members(&candidate.fit.model),
    });
    Ok(TargetSelection {
        target: subject.target_name().to_owned(),
        split: subject.split.description.clone(),
        seed: subject.plan.seed,
        refit: subject.refit,
        n_valid_cases: valid.n_cases(),
        n_test_cases: test.n_cases(),
        alone_on_valid: selection.candidates[0].judged.valid,
        alone_on_test: subject.ndcg(&test, &alone)?,
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
    subject: &Subject<'_>,
    (selection, sources): (&Selection, Option<Sources>),
    test: &Judge<'_>,
    alone: &Rankings,
) -> Result<Choice> {
    let chosen = selection.chosen(sources);
    let ours;
    let ranks = if chosen.judged.helps {
        ours = subject.rank_served(test, &chosen.fit.model)?;
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
        source: sources.map(|sources| source_name(subject, sources)),
        chosen: chosen.judged.helps.then(|| in_words(subject, &chosen.judged)),
        best_on_valid: best.max_by(|a, b| a.mean.total_cmp(&b.mean)),
        on_test: subject.difference(test, ranks, alone)?,
    })
}

fn source_name(subject: &Subject<'_>, sources: Sources) -> String {
    match sources {
        Sources::None => "the target alone".to_owned(),
        Sources::One(domain) => subject.name_of(domain).to_owned(),
        Sources::All => "all others".to_owned(),
    }
}

fn in_words(subject: &Subject<'_>, judged: &Judged) -> String {
    let mut words = source_name(subject, judged.way.sources);
    if let Some(tuning) = judged.way.tuning {
        words = format!("{words}, transfer {}", tuning.name());
    }
    if judged.way.encoder != segue_train::selector::FROZEN {
        words = format!("{words}, encoder {}", judged.way.encoder);
    }
    words
}
