//! Which other domains help a target, and how a pretrained model is best brought to it: every way is fitted and judged on the
//! target's valid cases, with the target alone as a candidate that must be beaten beyond doubt.

use segue_data::reveal::without_domains;
use segue_data::{DomainIdx, TrainSet};
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_models::behavior::SequenceTuning;
use segue_models::{ExpertId, ExpertKind, ItemVectors, Scope};
use serde::{Deserialize, Serialize};

use segue_train::FitPlan;
use segue_train::TrainError;
use segue_train::behavior_fit::Pretrained;
use segue_train::domain_fit::{DomainFit, Known, fit_domain, fit_domain_from};
use segue_train::judge::{Judge, corrected, mean, paired_gain};
use segue_train::material::Material;
use segue_train::session::Session;

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
    /// The fit.
    pub fit: DomainFit,
}

/// All ways to serve a target.
#[derive(Debug)]
pub struct Selection {
    /// The target alone first.
    pub candidates: Vec<Candidate>,
    /// Weight of each domain in a model pretrained on all, by domain: its own gain relative to the largest; 1 where no gain was
    /// measured.
    pub domain_weights: Vec<f32>,
}

/// What is tried.
#[derive(Clone, Copy)]
pub struct Choices<'a> {
    /// Whether each other domain is tried alone, besides all of them together.
    pub each: bool,
    /// How the `transfer` expert may come to the target; used where the plan trains it.
    pub tunings: &'a [SequenceTuning],
    /// Vectors by encoders that were tuned otherwise, by name.
    pub encoders: &'a [(String, &'a ItemVectors)],
}

/// Fits all ways and judges them on valid.
///
/// # Errors
/// As [`fit_domain`].
pub fn select(
    plan: &FitPlan,
    material: Material<'_>,
    valid: &Judge<'_>,
    choices: Choices<'_>,
    session: Session<'_>,
) -> Result<Selection, TrainError> {
    let target = valid.domain();
    let alone = FitPlan { use_sources: false, ..plan.clone() };
    let own = fit_domain(&alone, material, valid, session)?;
    let own_ndcg = segue_train::judge::ndcg_of_model(&own.model, plan, valid)?;
    let mut tries = Tries { plan, valid, session, own: &own, fitted: Vec::new() };
    let mut weights = vec![1.0f32; material.items.n_domains()];
    for sources in all_sources(material.items.n_domains(), target, choices.each) {
        if sources == Sources::All && choices.each {
            weights = tries.contributions(&own_ndcg, weights);
        }
        tries.fit_all(sources, material, &choices, &weights)?;
    }
    let fitted = std::mem::take(&mut tries.fitted);
    let n_ways = fitted.len().max(1);
    let judge = Bootstrap { seed: plan.seed, ..Bootstrap::default() };
    let strict = corrected(judge, n_ways);
    let own_way = Way { sources: Sources::None, encoder: FROZEN.into(), tuning: None };
    let interval = judge.means_by_user(&[&own_ndcg], valid.users())?[0];
    let mut judged = vec![Judged { way: own_way, valid: interval, gain: None, helps: false }];
    for (way, ndcg, _) in &fitted {
        let gain = paired_gain(ndcg, &own_ndcg, valid.users(), strict)?;
        let interval = judge.means_by_user(&[ndcg], valid.users())?[0];
        judged.push(Judged { way: way.clone(), valid: interval, gain: Some(gain), helps: gain.lo > 0.0 });
    }
    let fits = std::iter::once(own).chain(fitted.into_iter().map(|(_, _, fit)| fit));
    let candidates = judged.into_iter().zip(fits).map(|(judged, fit)| Candidate { judged, fit }).collect();
    Ok(Selection { candidates, domain_weights: weights })
}

/// The encoder as it is.
pub const FROZEN: &str = "frozen";

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

type Fitted = (Way, Vec<f64>, DomainFit);

struct Tries<'a> {
    plan: &'a FitPlan,
    valid: &'a Judge<'a>,
    session: Session<'a>,
    own: &'a DomainFit,
    fitted: Vec<Fitted>,
}

impl Tries<'_> {
    // All encoders and tunings with these sources. What does not depend on them is fitted once.
    fn fit_all(
        &mut self,
        sources: Sources,
        material: Material<'_>,
        choices: &Choices<'_>,
        weights: &[f32],
    ) -> Result<(), TrainError> {
        let train = train_of(sources, material, self.valid.domain());
        let material = material.with_train(train.as_ref().unwrap_or(material.train));
        let frozen = material.vectors.map(|vectors| (FROZEN, vectors));
        let tuned = choices.encoders.iter().map(|(name, vectors)| (name.as_str(), *vectors));
        let encoders: Vec<(&str, Option<&ItemVectors>)> =
            frozen.into_iter().chain(tuned).map(|(name, vectors)| (name, Some(vectors))).collect();
        let encoders = if encoders.is_empty() { vec![(FROZEN, None)] } else { encoders };
        let has_transfer = self.plan.experts.contains(&ExpertKind::Transfer);
        let joint = [SequenceTuning::Joint];
        let tunings = if has_transfer { choices.tunings } else { &joint };
        let first = self.fitted.len();
        for &(encoder, vectors) in &encoders {
            for &tuning in tunings {
                let way = Way { sources, encoder: encoder.into(), tuning: has_transfer.then_some(tuning) };
                let mut plan = self.plan.clone();
                plan.use_sources = true;
                plan.transfer.tuning = tuning;
                for config in [&mut plan.transfer.sequence, &mut plan.behavior] {
                    config.domain_weights = weights.to_vec();
                }
                let material = Material { vectors, ..material };
                let fit = self.fit(&plan, material, &way, first)?;
                let ndcg = segue_train::judge::ndcg_of_model(&fit.model, &plan, self.valid)?;
                self.fitted.push((way, ndcg, fit));
            }
        }
        Ok(())
    }

    fn fit(
        &self,
        plan: &FitPlan,
        material: Material<'_>,
        way: &Way,
        first: usize,
    ) -> Result<DomainFit, TrainError> {
        let reads_vectors =
            |id: ExpertId| matches!(id.kind, ExpertKind::Encoder | ExpertKind::Transfer | ExpertKind::Joint);
        let frozen = way.encoder == FROZEN;
        let (known, holds): (&DomainFit, Box<dyn Fn(ExpertId) -> bool>) = match self.fitted.get(first) {
            // Other tunings leave all but the transfer expert of these sources as it was.
            Some((same, _, fit)) => {
                let same_encoder = same.encoder == way.encoder;
                (fit, Box::new(move |id| id != TRANSFER_ALL && (same_encoder || !reads_vectors(id))))
            }
            None => {
                (self.own, Box::new(move |id| id.scope == Scope::Target && (frozen || !reads_vectors(id))))
            }
        };
        let pretrained = self.pretrained(way, first);
        let known = Known { fit: known, holds: &*holds, pretrained };
        fit_domain_from(plan, material, self.valid, self.session, Some(known))
    }

    // What the frozen way of the same sources and encoder, where it was fitted before, has pretrained for the light and the full one.
    fn pretrained(&self, way: &Way, first: usize) -> Option<Pretrained<'_>> {
        if !matches!(way.tuning, Some(SequenceTuning::Light | SequenceTuning::Full)) {
            return None;
        }
        let is_frozen = |(other, _, _): &&Fitted| {
            other.tuning == Some(SequenceTuning::Frozen) && other.encoder == way.encoder
        };
        let (_, _, fit) = self.fitted.get(first..)?.iter().find(is_frozen)?;
        let expert = fit.model.experts.iter().find(|expert| expert.id == TRANSFER_ALL)?;
        let curve = fit.curves.iter().find(|curve| curve.expert == TRANSFER_ALL)?;
        Some(Pretrained { expert, passes: &curve.passes })
    }

    // The gain of each domain alone, relative to the largest: a domain that does not help weighs nothing.
    fn contributions(&self, own: &[f64], none: Vec<f32>) -> Vec<f32> {
        let mut gains = vec![0.0f64; none.len()];
        for (way, ndcg, _) in &self.fitted {
            if let Sources::One(domain) = way.sources {
                let gain = mean(ndcg) - mean(own);
                gains[domain.at()] = gains[domain.at()].max(gain);
            }
        }
        let largest = gains.iter().copied().fold(0.0, f64::max);
        if largest <= 0.0 {
            return none;
        }
        gains.iter().map(|gain| (gain / largest) as f32).collect()
    }
}

const TRANSFER_ALL: ExpertId = ExpertId { kind: ExpertKind::Transfer, scope: Scope::All };

// Training events of the target and of these sources; `None`: all there are.
fn train_of(sources: Sources, material: Material<'_>, target: DomainIdx) -> Option<TrainSet> {
    let Sources::One(source) = sources else { return None };
    let others: Vec<DomainIdx> = (0..material.items.n_domains() as u16)
        .map(DomainIdx)
        .filter(|domain| *domain != target && *domain != source)
        .collect();
    (!others.is_empty()).then(|| without_domains(material.train, material.items, &others))
}
