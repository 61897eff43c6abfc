//! A target without any interaction of its own: settings and weights are chosen on the source domains.
//!
//! Every source plays the target once: its events are taken away (those of the real target, too), the experts are fitted on what is
//! left and judged on the source's valid cases. What a new domain may be asked is what these cases ask: histories may hold its
//! items, training may not. An expert that needs events of the domain scores nothing there, so the blend leaves it out by itself;
//! no list of kinds is kept. Source: the leave-one-domain-out protocol of domain generalization (Li et al., "Deeper, Broader
//! and Artier Domain Generalization", ICCV 2017; Gulrajani and Lopez-Paz, "In Search of Lost Domain Generalization", ICLR 2021,
//! section 3), with a blend in place of a model.

use segue_data::{CaseSet, DomainIdx, ItemCatalog, reveal};
use segue_eval::bootstrap::Interval;
use segue_models::{Expert, ExpertConfig, ExpertId, ModelError};
use segue_recommend::{Blend, DomainModel, Member};
use serde::{Deserialize, Serialize};

use crate::domain_fit::{DomainFit, fit_domain, refit_domain};
use crate::error::TrainError;
use crate::fit_plan::FitPlan;
use crate::judge::{Judge, JudgeRule};
use crate::material::Material;
use crate::session::Session;

/// One expert of a zero-shot blend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZeroShotMember {
    /// Fitted on the target's material with these settings.
    pub expert: ExpertId,
    /// Its settings: those found on the source where it has the largest weight.
    pub config: ExpertConfig,
    /// Its weight, the mean over the sources; all weights add up to 1.
    pub weight: f32,
    /// Its weight on each source, in the order of [`ZeroShot::sources`].
    pub on_sources: Vec<f32>,
}

/// What one source said while it played the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZeroShotSource {
    /// Which source it was.
    pub domain: DomainIdx,
    /// Valid cases it was judged on.
    pub n_cases: usize,
    /// NDCG@10 of its best expert alone, 95 % interval.
    pub best: Option<(ExpertId, Interval)>,
}

/// Settings and weights chosen without the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZeroShot {
    /// The experts with weight.
    pub members: Vec<ZeroShotMember>,
    /// Where they were judged.
    pub sources: Vec<ZeroShotSource>,
}

/// The domains that are asked in the target's place, and how they answer.
#[derive(Clone, Copy, Debug)]
pub struct SourceCases<'a> {
    /// Each source with its valid cases; cases of other domains are passed over.
    pub cases: &'a [(DomainIdx, &'a CaseSet)],
    /// How they are judged.
    pub rule: JudgeRule,
}

/// Chooses on `sources` and fits for `target` on `material`. Events of the target in `material` are used for the last fit only:
/// leave them out, and nothing of the target is used at all. In the histories of the sources' valid cases they are hidden.
///
/// # Errors
/// When no source has valid cases, or as [`fit_domain`].
pub fn fit_zero_shot(
    plan: &FitPlan,
    material: Material<'_>,
    sources: SourceCases<'_>,
    target: DomainIdx,
    session: Session<'_>,
) -> Result<(ZeroShot, DomainModel), TrainError> {
    let mut fits = Vec::new();
    let Material { train, items, .. } = material;
    for &(source, valid) in sources.cases {
        let cases = without(valid, items, target).of_domain(source);
        if source == target || cases.is_empty() {
            continue;
        }
        let train = reveal::without_domains(train, items, &[source, target]);
        let judge = Judge::new(&cases, items, source, sources.rule.mask, sources.rule.sampled)?;
        let fit = fit_domain(plan, material.with_train(&train), &judge, session)?;
        fits.push(SourceFit { fit, n_cases: cases.len() });
    }
    if fits.is_empty() {
        return Err(TrainError::request(
            "no source domain has valid cases, so nothing can be chosen for a domain without events",
            "import a domain with events, or choose another split",
        ));
    }
    let (zero_shot, experts) = mean_blend(&fits);
    let model = DomainModel { domain: target, experts, blend: zero_shot.blend(), cold: Vec::new() };
    let model = fit_members(model, &zero_shot, material, plan.seed, session)?;
    Ok((zero_shot, model))
}

// What came of one source while it played the target.
struct SourceFit {
    fit: DomainFit,
    n_cases: usize,
}

fn without(cases: &CaseSet, items: &ItemCatalog, hidden: DomainIdx) -> CaseSet {
    cases.with_events(|_, event| items.domain_of(event.item) != hidden)
}

// The blend's mean over the sources, and of each member the expert as it was fitted where its weight is largest.
fn mean_blend(fits: &[SourceFit]) -> (ZeroShot, Vec<Expert>) {
    let weight_on = |fit: &SourceFit, id: ExpertId| {
        fit.fit
            .model
            .blend
            .members
            .iter()
            .find(|member| member.expert == id)
            .map_or(0.0, |member| member.cold)
    };
    let mut ids: Vec<ExpertId> = fits.iter().flat_map(|fit| fit.fit.model.expert_ids()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut members = Vec::new();
    let mut experts = Vec::new();
    for id in ids {
        let on_sources: Vec<f32> = fits.iter().map(|fit| weight_on(fit, id)).collect();
        let weight = on_sources.iter().sum::<f32>() / fits.len() as f32;
        let largest = (0..fits.len()).rev().max_by(|&a, &b| on_sources[a].total_cmp(&on_sources[b]));
        let found = largest
            .and_then(|at| fits[at].fit.model.experts.iter().find(|expert| expert.id == id))
            .filter(|_| weight > 0.0);
        let Some(expert) = found else { continue };
        let config = expert.config().clone();
        members.push(ZeroShotMember { expert: id, config, weight, on_sources });
        experts.push(expert.clone());
    }
    let source = |fit: &SourceFit| ZeroShotSource {
        domain: fit.fit.model.domain,
        n_cases: fit.n_cases,
        best: best_alone(&fit.fit),
    };
    let mut zero_shot = ZeroShot { members, sources: fits.iter().map(source).collect() };
    zero_shot.normalize();
    (zero_shot, experts)
}

fn best_alone(fit: &DomainFit) -> Option<(ExpertId, Interval)> {
    let evidence = fit.fitted.evidence.iter();
    let best = evidence.max_by(|a, b| a.alone.mean.total_cmp(&b.alone.mean))?;
    Some((best.expert, best.alone))
}

impl ZeroShot {
    fn normalize(&mut self) {
        let total: f32 = self.members.iter().map(|member| member.weight).sum();
        for member in &mut self.members {
            member.weight /= total.max(f32::MIN_POSITIVE);
        }
    }

    fn blend(&self) -> Blend {
        let member = |member: &ZeroShotMember| Member {
            expert: member.expert,
            warm: member.weight,
            cold: member.weight,
        };
        Blend { members: self.members.iter().map(member).collect(), cold_offset: 0.0 }
    }
}

// A member that cannot be fitted on this target (it has no text, say) is left out, and the others share its weight.
fn fit_members(
    mut model: DomainModel,
    zero_shot: &ZeroShot,
    material: Material<'_>,
    seed: u64,
    session: Session<'_>,
) -> Result<DomainModel, TrainError> {
    let mut left = zero_shot.clone();
    loop {
        if model.experts.is_empty() {
            return Err(TrainError::request(
                "no expert that works without events of its own can be fitted for this domain",
                "import item texts for it",
            ));
        }
        match refit_domain(&model, material, seed, session) {
            Err(TrainError::Model { expert, source: ModelError::StandsAside { .. } }) => {
                model.experts.retain(|member| member.id.to_string() != expert);
                left.members.retain(|member| member.expert.to_string() != expert);
                left.normalize();
                model.blend = left.blend();
            }
            other => return other,
        }
    }
}
