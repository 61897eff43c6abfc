//! Fits of the ways to serve a target: what does not depend on a way is fitted once.

use segue_data::reveal::without_domains;
use segue_data::{DomainIdx, TrainSet};
use segue_models::sequence::SequenceTuning;
use segue_models::{ExpertId, ExpertKind, ItemVectors, Scope};
use segue_train::domain_fit::{DomainFit, EarlierFit, fit_domain_from};
use segue_train::judge::{Judge, mean, ndcg_of_model};
use segue_train::material::Material;
use segue_train::sequence_fit::Pretrained;
use segue_train::session::Session;
use segue_train::{FitPlan, TrainError};

use super::select::{FROZEN, Sources, Way, WaysToTry};

const TRANSFER_ALL: ExpertId = ExpertId { kind: ExpertKind::Transfer, scope: Scope::All };

/// A way that was fitted.
pub(super) struct WayFit {
    pub(super) way: Way,
    /// NDCG@10 of every valid case.
    pub(super) ndcg: Vec<f64>,
    pub(super) fit: DomainFit,
}

/// Fits ways, and keeps them to take over from.
pub(super) struct Tries<'a> {
    plan: &'a FitPlan,
    valid: &'a Judge<'a>,
    session: Session<'a>,
    /// The target alone.
    own: &'a DomainFit,
    fitted: Vec<WayFit>,
}

/// The vectors that a way reads.
#[derive(Clone, Copy)]
struct Encoder<'a> {
    name: &'a str,
    vectors: Option<&'a ItemVectors>,
}

impl<'a> Tries<'a> {
    pub(super) fn new(
        plan: &'a FitPlan,
        valid: &'a Judge<'a>,
        session: Session<'a>,
        own: &'a DomainFit,
    ) -> Self {
        Self { plan, valid, session, own, fitted: Vec::new() }
    }

    pub(super) fn into_fitted(self) -> Vec<WayFit> {
        self.fitted
    }

    /// All encoders and tunings with these sources; `weights` by domain.
    pub(super) fn fit_all(
        &mut self,
        sources: Sources,
        material: Material<'_>,
        tried: &WaysToTry<'_>,
        weights: &[f32],
    ) -> Result<(), TrainError> {
        let train = train_of(sources, material, self.valid.domain());
        let material = material.with_train(train.as_ref().unwrap_or(material.train));
        let has_transfer = self.plan.experts.contains(&ExpertKind::Transfer);
        let at_once = [SequenceTuning::AtOnce];
        let tunings = if has_transfer { tried.tunings } else { &at_once };
        let first = self.fitted.len();
        for Encoder { name, vectors } in encoders(material, tried) {
            let material = Material { vectors, ..material };
            for &tuning in tunings {
                let way = Way { sources, encoder: name.into(), tuning: has_transfer.then_some(tuning) };
                let plan = self.plan_for(tuning, weights);
                let fit = self.fit(&plan, material, &way, first)?;
                let ndcg = ndcg_of_model(&fit.model, plan.objective, self.valid)?;
                self.fitted.push(WayFit { way, ndcg, fit });
            }
        }
        Ok(())
    }

    fn plan_for(&self, tuning: SequenceTuning, weights: &[f32]) -> FitPlan {
        let mut plan = FitPlan { use_sources: true, ..self.plan.clone() };
        plan.transfer.tuning = tuning;
        for config in [&mut plan.transfer.sequence, &mut plan.behavior] {
            config.domain_weights = weights.to_vec();
        }
        plan
    }

    /// Fits a way; `first` is the place of the first way with the same sources.
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
        let (fit, holds): (&DomainFit, Box<dyn Fn(ExpertId) -> bool>) = match self.fitted.get(first) {
            // Other tunings leave all but the transfer expert of these sources as it was.
            Some(same) => {
                let same_encoder = same.way.encoder == way.encoder;
                (&same.fit, Box::new(move |id| id != TRANSFER_ALL && (same_encoder || !reads_vectors(id))))
            }
            None => {
                (self.own, Box::new(move |id| id.scope == Scope::Target && (frozen || !reads_vectors(id))))
            }
        };
        let pretrained = self.pretrained(way, first);
        let earlier = EarlierFit { fit, holds: &*holds, pretrained };
        fit_domain_from(plan, material, self.valid, self.session, Some(earlier))
    }

    /// What the frozen way of the same sources and encoder, where it was fitted before, has pretrained for the light and the full one.
    fn pretrained(&self, way: &Way, first: usize) -> Option<Pretrained<'_>> {
        if !matches!(way.tuning, Some(SequenceTuning::Light | SequenceTuning::Full)) {
            return None;
        }
        let is_frozen = |other: &&WayFit| {
            other.way.tuning == Some(SequenceTuning::Frozen) && other.way.encoder == way.encoder
        };
        let fit = &self.fitted.get(first..)?.iter().find(is_frozen)?.fit;
        let expert = fit.model.experts.iter().find(|expert| expert.id == TRANSFER_ALL)?;
        let curve = fit.curves.iter().find(|curve| curve.expert == TRANSFER_ALL)?;
        Some(Pretrained { expert, passes: &curve.passes })
    }

    /// The gain of each domain alone over `own`, relative to the largest: a domain that does not help weighs nothing. `none` where no
    /// domain helps.
    pub(super) fn contributions(&self, own: &[f64], none: Vec<f32>) -> Vec<f32> {
        let mut gains = vec![0.0f64; none.len()];
        for WayFit { way, ndcg, .. } in &self.fitted {
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

/// The encoder as it is, where there is one, and those that were tuned otherwise; without any, one that gives no vectors.
fn encoders<'a>(material: Material<'a>, tried: &WaysToTry<'a>) -> Vec<Encoder<'a>> {
    let frozen = material.vectors.map(|vectors| Encoder { name: FROZEN, vectors: Some(vectors) });
    let tuned =
        tried.encoders.iter().map(|tuned| Encoder { name: &tuned.name, vectors: Some(&tuned.vectors) });
    let encoders: Vec<Encoder<'_>> = frozen.into_iter().chain(tuned).collect();
    if encoders.is_empty() { vec![Encoder { name: FROZEN, vectors: None }] } else { encoders }
}

/// Training events of the target and of these sources; `None`: all there are.
fn train_of(sources: Sources, material: Material<'_>, target: DomainIdx) -> Option<TrainSet> {
    let Sources::One(source) = sources else { return None };
    let others: Vec<DomainIdx> = (0..material.items.n_domains() as u16)
        .map(DomainIdx)
        .filter(|domain| *domain != target && *domain != source)
        .collect();
    (!others.is_empty()).then(|| without_domains(material.train, material.items, &others))
}
