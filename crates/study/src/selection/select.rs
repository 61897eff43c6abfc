//! Which other domains help a target, and how a pretrained model is best brought to it: every way is fitted and judged on the
//! target's valid cases, with the target alone as a candidate that must be beaten beyond doubt.

use segue::Problem;
use segue::pipeline::{self, Recipe};
use segue_data::DomainIdx;
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_models::ItemVectors;
use segue_models::sequence::SequenceTuning;
use segue_train::domain_fit::DomainFit;
use segue_train::judge::{Judge, corrected, ndcg_of_model, paired_gain};
use segue_train::session::Session;
use segue_train::{FitPlan, TrainError};
use serde::{Deserialize, Serialize};

use super::ways::{Tries, WayFit};

/// Whose events help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sources {
    /// Nobody's: the target alone.
    None,
    /// One other domain's.
    One(DomainIdx),
    /// Those of all other domains.
    All,
}

/// One way to serve a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// Whose events help.
    pub sources: Sources,
    /// How the text encoder was tuned: a name given by the caller, `frozen` for the encoder as it is.
    pub encoder: String,
    /// How the `transfer` expert comes to the target; `None` where it is not trained.
    pub tuning: Option<SequenceTuning>,
}

/// What valid said of a way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The way.
    pub way: Way,
    /// NDCG@10 on valid.
    pub valid: Interval,
    /// NDCG@10 on valid minus that of the target alone, paired by case, users resampled; confidence `1 − .05 / n` for n ways.
    /// `None` for the target alone.
    pub gain: Option<Interval>,
    /// Whether the gain excludes zero.
    pub helps: bool,
}

/// A way that was fitted.
#[derive(Debug)]
pub struct Candidate {
    /// What valid said.
    pub judged: Judged,
    /// The fit, on train.
    pub fit: DomainFit,
}

/// All ways to serve a target.
#[derive(Debug)]
pub struct Selection {
    /// The target alone first.
    pub candidates: Vec<Candidate>,
}

/// What is tried.
#[derive(Clone, Copy)]
pub struct WaysToTry<'a> {
    /// Whether each other domain is tried alone, besides all of them together.
    pub each: bool,
    /// How the `transfer` expert may come to the target; used where the plan trains it.
    pub tunings: &'a [SequenceTuning],
    /// Text encoders besides the one whose vectors the problem has.
    pub encoders: &'a [TunedEncoder],
}

/// A text encoder that was tuned otherwise.
#[derive(Clone, Debug)]
pub struct TunedEncoder {
    /// Its name in tables.
    pub name: String,
    /// Vectors of the items' texts by it.
    pub vectors: ItemVectors,
}

/// The encoder as it is.
pub(crate) const FROZEN: &str = "frozen";

/// Fits all ways and judges them on valid. The target alone is a whole fit of the one pipeline; the others take over from it and from
/// each other what does not depend on the way, so that their difference is the way's and not that of another search.
///
/// # Errors
/// As [`pipeline::choose`].
pub fn select(
    problem: &Problem<'_>,
    recipe: &Recipe,
    valid: &Judge<'_>,
    tried: WaysToTry<'_>,
    session: Session<'_>,
) -> Result<Selection, TrainError> {
    let plan = &recipe.plan;
    let alone = FitPlan { use_sources: false, ..plan.clone() };
    // Ways are compared by what events say; labels that a model guesses come after the choice.
    let alone = Recipe { plan: alone, pseudo_labels: false, ..recipe.clone() };
    let own = pipeline::choose(problem, &alone, valid, session)?.fit;
    let own_ndcg = ndcg_of_model(&own.model, plan.objective, valid)?;
    let mut tries = Tries::new(plan, valid, session, &own);
    let n_domains = problem.items.n_domains();
    let mut weights = vec![1.0f32; n_domains];
    for sources in all_sources(n_domains, problem.target, tried.each) {
        if sources == Sources::All && tried.each {
            weights = tries.contributions(&own_ndcg, weights);
        }
        tries.fit_all(sources, problem.material(), &tried, &weights)?;
    }
    let fitted = tries.into_fitted();
    judge_all(plan, valid, Alone { fit: own, ndcg: own_ndcg }, fitted)
}

/// The target alone, fitted, with its NDCG@10 by case.
struct Alone {
    fit: DomainFit,
    ndcg: Vec<f64>,
}

fn judge_all(
    plan: &FitPlan,
    valid: &Judge<'_>,
    alone: Alone,
    fitted: Vec<WayFit>,
) -> Result<Selection, TrainError> {
    let bootstrap = Bootstrap { seed: plan.seed, ..Bootstrap::default() };
    let strict = corrected(bootstrap, fitted.len().max(1));
    let interval = |ndcg: &[f64]| bootstrap.means_by_user(&[ndcg], valid.users()).map(|means| means[0]);
    let way = Way { sources: Sources::None, encoder: FROZEN.into(), tuning: None };
    let judged = Judged { way, valid: interval(&alone.ndcg)?, gain: None, helps: false };
    let mut candidates = vec![Candidate { judged, fit: alone.fit }];
    for WayFit { way, ndcg, fit } in fitted {
        let gain = paired_gain(&ndcg, &alone.ndcg, valid.users(), strict)?;
        let judged = Judged { way, valid: interval(&ndcg)?, gain: Some(gain), helps: gain.lo > 0.0 };
        candidates.push(Candidate { judged, fit });
    }
    Ok(Selection { candidates })
}

impl Selection {
    /// The best of the ways that help, or the target alone. With `sources` only ways with these are looked at.
    pub fn chosen(&self, sources: Option<Sources>) -> &Candidate {
        let allowed = |candidate: &&Candidate| {
            candidate.judged.helps && sources.is_none_or(|sources| candidate.judged.way.sources == sources)
        };
        let better = |a: &&Candidate, b: &&Candidate| a.judged.valid.mean.total_cmp(&b.judged.valid.mean);
        self.candidates.iter().filter(allowed).max_by(better).unwrap_or(&self.candidates[0])
    }
}

fn all_sources(n_domains: usize, target: DomainIdx, each: bool) -> Vec<Sources> {
    let others = (0..n_domains as u16).map(DomainIdx).filter(|domain| *domain != target);
    let mut sources: Vec<Sources> = if each { others.map(Sources::One).collect() } else { Vec::new() };
    // One other domain is all of them.
    if n_domains > 2 || !each {
        sources.push(Sources::All);
    }
    sources
}
