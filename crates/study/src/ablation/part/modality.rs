//! Which experts read which modality, and how it is left out of them.
//!
//! | modality | is | left out |
//! |---|---|---|
//! | text | words of titles, descriptions and fields, and their vectors | `content`, `encoder` and `transfer` go; `linear` has no text prior, `behavior` and `joint` no tags, `joint` no text token |
//! | image, audio | vectors of images, of sounds | the expert of that name goes; `joint` has no such token |
//! | graph | facts: of an imported graph, and those that item fields state by values that repeat | `graph` goes; `joint` has no graph token |
//! | id | vectors of items' own that are learned from events | `behavior` goes, whose item vectors are nothing else; `transfer` and `joint` have none |
//!
//! What counts events (`popularity`, `recent`, `window`, `linear`) learns no item vectors and stays without `id`; what fields state
//! stays in the graph without `text`.

use segue_models::{ExpertKind, TokenKind};
use segue_train::FitPlan;
use segue_train::material::Material;

/// Experts that are nothing without the modality.
fn depends_on(modality: TokenKind, expert: ExpertKind) -> bool {
    match modality {
        TokenKind::Text => {
            matches!(expert, ExpertKind::Content | ExpertKind::Encoder | ExpertKind::Transfer)
        }
        TokenKind::Image => expert == ExpertKind::Image,
        TokenKind::Audio => expert == ExpertKind::Audio,
        TokenKind::Graph => expert == ExpertKind::Graph,
        TokenKind::Id => expert == ExpertKind::Behavior,
    }
}

/// Whether an expert comes out differently without the modality.
pub(super) fn is_read_by(modality: TokenKind, expert: ExpertKind) -> bool {
    let reads_beside = match expert {
        ExpertKind::Joint => true,
        ExpertKind::Linear | ExpertKind::Behavior => modality == TokenKind::Text,
        ExpertKind::Transfer => modality == TokenKind::Id,
        _ => false,
    };
    reads_beside || depends_on(modality, expert)
}

/// Whether the data have the modality and an expert of the recipe reads it.
pub(super) fn is_on(modality: TokenKind, plan: &FitPlan, material: Material<'_>) -> bool {
    let has_text = material.vectors.is_some() || !material.items.fields().is_empty();
    let is_there = match modality {
        TokenKind::Text => has_text,
        TokenKind::Image => material.media.is_some_and(|media| media.image.is_some()),
        TokenKind::Audio => material.media.is_some_and(|media| media.audio.is_some()),
        TokenKind::Graph => material.graph.is_some(),
        TokenKind::Id => true,
    };
    let reads = |expert: ExpertKind| match expert {
        ExpertKind::Joint => {
            let has_tags = modality == TokenKind::Text && plan.joint.fusion.tags;
            has_tags || plan.joint.fusion.tokens.contains(&modality)
        }
        // Its prior comes from `content`.
        ExpertKind::Linear => false,
        ExpertKind::Transfer if modality == TokenKind::Id => plan.transfer.text.id_bound > 0.0,
        other => is_read_by(modality, other),
    };
    is_there && plan.experts.iter().any(|&expert| reads(expert))
}

/// Takes it out of the recipe.
pub(super) fn switch_off(modality: TokenKind, plan: &mut FitPlan) {
    plan.experts.retain(|expert| !depends_on(modality, *expert));
    let fusion = &mut plan.joint.fusion;
    fusion.tokens.retain(|token| *token != modality);
    // Without any token there is nothing to fuse.
    if fusion.tokens.is_empty() {
        plan.experts.retain(|expert| *expert != ExpertKind::Joint);
    }
    match modality {
        TokenKind::Text => fusion.tags = false,
        TokenKind::Id => plan.transfer.text.id_bound = 0.0,
        TokenKind::Image | TokenKind::Audio | TokenKind::Graph => {}
    }
}
