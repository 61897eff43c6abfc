//! Everything for one target domain: search settings, fit experts, choose the blend.

mod blend_choice;
mod expert_choice;

use segue_data::{DomainIdx, ItemCatalog, TrainSet};
use segue_models::{Expert, ExpertId, ExpertKind, FitContext, ItemSimilarity, ModelError, Scope};
use segue_recommend::{Blend, DomainModel};
use serde::{Deserialize, Serialize};

use self::expert_choice::TargetFit;
use crate::blend_fit::FittedBlend;
use crate::error::TrainError;
use crate::fit_plan::FitPlan;
use crate::judge::Judge;
use crate::learn::Epoch;
use crate::material::Material;
use crate::search::Trial;
use crate::sequence_fit::{Lessons, Pretrained, SequenceTraining, fit_sequence};
use crate::session::{Keeping, Session, Stage};

/// The outcome for one domain.
#[derive(Clone, Debug)]
pub struct DomainFit {
    /// Fitted experts and their blend.
    pub model: DomainModel,
    /// The blend with its evidence.
    pub fitted: FittedBlend,
    /// All settings tried: first those of every expert alone, then those inside a blend.
    pub trials: Vec<Trial>,
    /// How many of them were tried alone.
    pub n_tried_alone: usize,
    /// Experts that stood aside, and why.
    pub aside: Vec<(ExpertId, String)>,
    /// Passes of the experts that were trained by gradient steps.
    pub curves: Vec<ExpertCurve>,
    /// Experts that were tuned inside the blend as they were before, with their trials until then: another blend begins with them.
    pub untuned: Vec<Untuned>,
}

/// An expert as its own search left it.
#[derive(Clone, Debug)]
pub struct Untuned {
    /// Fitted with the settings that were best alone.
    pub expert: Expert,
    /// Those of its own search.
    pub trials: Vec<Trial>,
}

/// The passes of one training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpertCurve {
    /// Whose training it was.
    pub expert: ExpertId,
    /// From the first, over all phases.
    pub passes: Vec<Epoch>,
}

/// Trains all experts of the plan for one domain and blends them. `valid` holds the valid cases of the domain.
///
/// With a folder in `session`, trainings by gradient steps resume from their checkpoints; what is solved in closed form is solved
/// again. The outcome does not depend on either.
///
/// # Errors
/// When no expert can be fitted, a score is not finite, or it was stopped.
pub fn fit_domain(
    plan: &FitPlan,
    material: Material<'_>,
    valid: &Judge<'_>,
    session: Session<'_>,
) -> Result<DomainFit, TrainError> {
    fit_domain_from(plan, material, valid, session, None)
}

/// A fit whose experts another fit takes over where they would come out the same.
#[derive(Clone, Copy)]
pub struct EarlierFit<'a> {
    /// All of its outcome: experts that were tuned inside its blend are there as they were before, too.
    pub fit: &'a DomainFit,
    /// Which of its experts still hold under the other plan and material.
    pub holds: &'a dyn Fn(ExpertId) -> bool,
    /// A `transfer` expert that was pretrained on the same sources with the same settings: another tuning starts from it.
    pub pretrained: Option<Pretrained<'a>>,
}

/// As [`fit_domain`], with experts of an earlier fit, as they were before they were tuned inside its blend. So a fit in which all hold
/// comes out the same, and one without an expert that nothing depended on differs by that alone.
///
/// # Errors
/// As [`fit_domain`].
pub fn fit_domain_from(
    plan: &FitPlan,
    material: Material<'_>,
    valid: &Judge<'_>,
    session: Session<'_>,
    earlier: Option<EarlierFit<'_>>,
) -> Result<DomainFit, TrainError> {
    let Material { train, items, .. } = material;
    let words = material.vectors_of_words();
    let mut fit = TargetFit {
        plan,
        session,
        train,
        items,
        spaces: material.spaces(),
        learned: material.learned_spaces(words.as_ref()),
        pretrained: earlier.and_then(|earlier| earlier.pretrained),
        valid: valid.sample(plan.search_cases),
        neighbors: None,
        experts: Vec::new(),
        trials: Vec::new(),
        aside: Vec::new(),
        curves: Vec::new(),
        untuned: Vec::new(),
    };
    let ids = wanted(plan, &fit.spaces.context(items, valid.domain(), None));
    for (done, &id) in ids.iter().enumerate() {
        session.show(format!("search {id}"), done, ids.len() + 1);
        match earlier.filter(|earlier| (earlier.holds)(id)) {
            Some(earlier) => fit.take_over(earlier.fit, id),
            None => fit.choose(id)?,
        }
    }
    session.show("blend".into(), ids.len(), ids.len() + 1);
    let judge = valid.sample(plan.blend_cases);
    let mut model = DomainModel {
        domain: valid.domain(),
        experts: std::mem::take(&mut fit.experts),
        blend: Blend::default(),
        cold: cold_flags(train, items, valid.domain()),
    };
    let n_tried_alone = fit.trials.len();
    let fitted = fit.choose_blend(&mut model, &judge)?;
    let TargetFit { trials, aside, curves, untuned, .. } = fit;
    Ok(DomainFit { model, fitted, trials, n_tried_alone, aside, curves, untuned })
}

/// The same experts with the same settings and blend, fitted on more events (train and valid): the refit regime.
///
/// # Errors
/// When an expert that could be fitted before cannot now, or it was stopped.
pub fn refit_domain(
    model: &DomainModel,
    material: Material<'_>,
    seed: u64,
    session: Session<'_>,
) -> Result<DomainModel, TrainError> {
    let Material { train, items, .. } = material;
    let spaces = material.spaces();
    let words = material.vectors_of_words();
    let learned = material.learned_spaces(words.as_ref());
    let mut experts: Vec<Expert> = Vec::with_capacity(model.experts.len());
    let mut neighbors = None;
    let mut order: Vec<usize> = (0..model.experts.len()).collect();
    order.sort_by_key(|&at| is_late(model.experts[at].id.kind));
    for (done, &at) in order.iter().enumerate() {
        session.check_stop()?;
        let old = &model.experts[at];
        session.show(format!("refit {}", old.id), done, order.len());
        let expert = if let Some(sequence) = old.config().sequence() {
            let folder = session.keeping.folder_of(old.id, Stage::Refit);
            let training = SequenceTraining {
                id: old.id,
                domain: model.domain,
                lessons: Lessons { train, items, inputs: learned.inputs() },
                valid: None,
                seed,
                keeping: Keeping { folder: folder.as_deref(), ..session.keeping },
            };
            let show = |epoch: &Epoch| session.show_pass(old.id, Stage::Refit, sequence.epochs, epoch);
            fit_sequence(training, old.config(), show)?.0
        } else {
            let context = spaces.context(items, model.domain, neighbors.as_ref());
            Expert::fit(old.id, old.config(), train, context).map_err(|source| failed(old.id, source))?
        };
        let expert = expert.with_spread(old.spread());
        if neighbors.is_none() {
            neighbors = text_neighbors(&expert, items);
        }
        experts.push(expert);
    }
    experts.sort_by_key(|expert| model.experts.iter().position(|old| old.id == expert.id));
    let cold = cold_flags(train, items, model.domain);
    Ok(DomainModel { domain: model.domain, experts, blend: model.blend.clone(), cold })
}

/// Which candidates have no event in `train`.
pub fn cold_flags(train: &TrainSet, items: &ItemCatalog, domain: DomainIdx) -> Vec<bool> {
    let counts = train.sequences.item_counts(items.len());
    items.range(domain).map(|item| counts[item] == 0).collect()
}

fn wanted(plan: &FitPlan, context: &FitContext<'_>) -> Vec<ExpertId> {
    let mut kinds = plan.experts.clone();
    // Most data have no images, sounds or facts; that is worth a line only where somebody asked for them.
    if kinds == FitPlan::default().experts {
        kinds.retain(|kind| kind.has_material(context));
    }
    kinds.sort_by_key(|kind| is_late(*kind));
    let mut ids: Vec<ExpertId> = kinds.iter().map(|&kind| ExpertId { kind, scope: Scope::Target }).collect();
    if plan.use_sources && context.items.n_domains() > 1 {
        let with_sources =
            |&kind: &ExpertKind| kind.scope_with_sources().map(|scope| ExpertId { kind, scope });
        ids.extend(kinds.iter().filter_map(with_sources));
    }
    ids
}

// Content comes first: the text prior of the linear expert comes from it.
fn is_late(kind: ExpertKind) -> bool {
    kind != ExpertKind::Content
}

const NEIGHBORS_BY_TEXT: usize = 20;

fn text_neighbors(expert: &Expert, items: &ItemCatalog) -> Option<ItemSimilarity> {
    expert.content().map(|content| content.neighbors(items.len(), NEIGHBORS_BY_TEXT))
}

fn failed(expert: ExpertId, source: ModelError) -> TrainError {
    TrainError::Model { expert: expert.to_string(), source }
}
