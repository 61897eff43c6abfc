//! Early against late fusion: one `joint` expert that fuses all modalities, and an ensemble of `joint` experts of one modality each whose
//! scores are blended.

use segue::Problem;
use segue::pipeline::{self, Recipe};
use segue_models::{Expert, ExpertKind, Scope, TokenKind};
use segue_recommend::{Blend, DomainModel, Member};

use segue_train::judge::{Judge, mean};
use segue_train::pool::{Pool, Weights};
use segue_train::session::Session;
use segue_train::{FitPlan, TrainError};

/// Weights tried for a member, as shares of the others' sum.
const SHARES: &[f32] = &[0.0, 0.06, 0.12, 0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0];
/// Rounds over all members; nearly always the second one changes nothing.
const ROUNDS_MAX: usize = 8;

/// Trains one `joint` expert of the target's own events that fuses these tokens; it stands alone in its model, which is fitted on train.
/// Its settings are the recipe's, without tags: words beside the fused vector would be a second text that no token stands for.
///
/// # Errors
/// As [`pipeline::choose`]; also when the data have nothing to fuse.
pub fn fit_joint(
    problem: &Problem<'_>,
    recipe: &Recipe,
    tokens: &[TokenKind],
    valid: &Judge<'_>,
    session: Session<'_>,
) -> Result<DomainModel, TrainError> {
    let mut plan = FitPlan { experts: vec![ExpertKind::Joint], use_sources: false, ..recipe.plan.clone() };
    plan.joint.fusion.tokens = tokens.to_vec();
    plan.joint.fusion.tags = false;
    // Labels that one model guesses would blur what its tokens give.
    let recipe = Recipe { plan, pseudo_labels: false, ..recipe.clone() };
    let model = pipeline::choose(problem, &recipe, valid, session)?.fit.model;
    let blend = Blend::only(&model.expert_ids(), 0);
    Ok(DomainModel { blend, ..model })
}

/// The tokens that a model of [`fit_joint`] fuses.
pub fn tokens_of(model: &DomainModel) -> &[TokenKind] {
    let fused = model.experts.first().and_then(Expert::sequence_model).and_then(|model| model.input.fused());
    fused.map_or(&[], |fused| fused.kinds())
}

/// The ensemble of models of one expert each: their standardized scores, with the weights that are best on `valid`.
///
/// # Errors
/// When there is no model, or a score is not finite.
pub fn blend_late(
    models: &[DomainModel],
    plan: &FitPlan,
    valid: &Judge<'_>,
) -> Result<DomainModel, TrainError> {
    let nothing =
        || TrainError::request("no model to blend", "fuse at least two of text, image, audio and graph");
    let first = models.first().ok_or_else(nothing)?;
    let mut ensemble = together(models, first);
    let judge = valid.sample(plan.blend_cases);
    let pool = Pool::collect(&judge, &ensemble.experts, &ensemble.cold, plan.objective)?;
    let weights = climb_weights(ensemble.experts.len(), |weights| mean(&pool.metric_values(weights)));
    let total: f32 = weights.iter().sum();
    for (member, weight) in ensemble.blend.members.iter_mut().zip(weights) {
        (member.warm, member.cold) = (weight / total, weight / total);
    }
    Ok(ensemble)
}

/// The ensemble's weights over other fits of the same experts, such as those on train and valid.
///
/// # Panics
/// When there are other than one model per member.
pub fn with_members(ensemble: &DomainModel, models: &[DomainModel]) -> DomainModel {
    assert_eq!(models.len(), ensemble.experts.len(), "one model per member");
    let cold = models.first().map_or_else(|| ensemble.cold.clone(), |model| model.cold.clone());
    DomainModel { blend: ensemble.blend.clone(), cold, ..together(models, ensemble) }
}

/// All experts in one model, without weights.
fn together(models: &[DomainModel], like: &DomainModel) -> DomainModel {
    let experts: Vec<Expert> = models.iter().flat_map(|model| model.experts.iter().cloned()).collect();
    debug_assert!(experts.iter().all(|expert| expert.id.scope == Scope::Target));
    let member = |expert: &Expert| Member { expert: expert.id, warm: 0.0, cold: 0.0 };
    let blend = Blend { members: experts.iter().map(member).collect(), cold_offset: 0.0 };
    DomainModel { domain: like.domain, experts, blend, cold: like.cold.clone() }
}

/// Coordinate ascent from even weights and from every member alone; the best end, the first of equals.
fn climb_weights(n: usize, score: impl Fn(&Weights) -> f64) -> Vec<f32> {
    let score =
        |weights: &[f32]| score(&Weights { warm: weights.into(), cold: weights.into(), cold_offset: 0.0 });
    let alone = |at: usize| (0..n).map(|other| if other == at { 1.0 } else { 0.0 }).collect::<Vec<f32>>();
    let mut best: Option<(f64, Vec<f32>)> = None;
    for start in std::iter::once(vec![1.0; n]).chain((0..n).map(alone)) {
        let (reached, weights) = climb_from(start, score);
        if best.as_ref().is_none_or(|(top, _)| reached > *top) {
            best = Some((reached, weights));
        }
    }
    best.map(|(_, weights)| weights).unwrap_or_default()
}

/// Changes one weight after the other as long as that gains; what is reached, and by which weights.
fn climb_from(mut weights: Vec<f32>, score: impl Fn(&[f32]) -> f64) -> (f64, Vec<f32>) {
    let mut reached = score(&weights);
    for _ in 0..ROUNDS_MAX {
        let before = reached;
        for at in 0..weights.len() {
            let others: f32 = weights.iter().sum::<f32>() - weights[at];
            for share in SHARES.iter().filter(|_| others > 0.0) {
                let mut tried = weights.clone();
                tried[at] = share * others;
                let found = score(&tried);
                if found > reached {
                    (reached, weights) = (found, tried);
                }
            }
        }
        if reached == before {
            break;
        }
    }
    (reached, weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_climb_to_the_best_mixture_and_leave_out_who_only_harms() {
        // Best at shares of .5, .5 and nothing.
        let score = |weights: &Weights| {
            let total: f32 = weights.warm.iter().sum();
            let off = |at: usize, best: f32| f64::from(weights.warm[at] / total - best).powi(2);
            -(off(0, 0.5) + off(1, 0.5) + off(2, 0.0))
        };
        let weights = climb_weights(3, score);
        assert_eq!(weights[2], 0.0);
        assert!((weights[0] / weights[1] - 1.0).abs() < 1e-6, "{weights:?}");
    }

    #[test]
    fn one_member_has_all_the_weight() {
        assert_eq!(climb_weights(1, |_| 0.0), [1.0]);
    }
}
