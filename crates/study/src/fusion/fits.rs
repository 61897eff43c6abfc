//! The models of the study, each set of tokens trained once.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use segue::failure::usage;
use segue::pipeline::Recipe;
use segue_models::{ExpertKind, TokenKind};
use segue_recommend::DomainModel;
use segue_train::{FitPlan, Judge};

use super::tokens::{fit_joint, tokens_of};
use crate::ablation::Part;
use crate::study::Study;

/// One model, as it was chosen and as it would be served.
#[derive(Clone)]
pub(super) struct JointFit {
    /// Fitted on train: what valid judges.
    pub(super) chosen: DomainModel,
    /// Fitted again where the recipe asks for it: what test judges.
    pub(super) served: DomainModel,
}

/// Which model: its tokens, and how far its seed is from the study's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    tokens: Vec<TokenKind>,
    seed_offset: u64,
}

/// Trains models, and keeps them.
pub(super) struct Fits<'s, 'a> {
    study: &'s Study<'a>,
    valid: &'s Judge<'a>,
    models: BTreeMap<Key, JointFit>,
}

/// Refuses data with less than two modalities.
pub(super) fn check(study: &Study<'_>) -> Result<()> {
    let mut plan = FitPlan { experts: vec![ExpertKind::Joint], ..study.plan().clone() };
    // Tags are no token.
    plan.joint.fusion.tags = false;
    let found = Part::modalities_of(&plan, study.material());
    let names: Vec<&str> =
        found.iter().filter(|kind| **kind != TokenKind::Id).map(|kind| kind.name()).collect();
    if names.len() >= 2 {
        return Ok(());
    }
    let problem =
        format!("fusion needs two of text, image, audio and graph; the data have: {}", names.join(", "));
    Err(usage(
        problem,
        "`segue encode DATA --modality image` computes vectors; triples come with `segue import`",
    ))
}

impl<'s, 'a> Fits<'s, 'a> {
    pub(super) fn new(study: &'s Study<'a>, valid: &'s Judge<'a>) -> Self {
        Self { study, valid, models: BTreeMap::new() }
    }

    /// Trains the model that fuses all tokens of the recipe; those that the target's items have.
    pub(super) fn fused(&mut self) -> Result<Vec<TokenKind>> {
        let wanted = self.study.plan().joint.fusion.tokens.clone();
        let fit = self.fit(&wanted, 0)?;
        let tokens = tokens_of(&fit.chosen).to_vec();
        self.models.insert(Key { tokens: tokens.clone(), seed_offset: 0 }, fit);
        Ok(tokens)
    }

    /// The model of these tokens.
    pub(super) fn of(&mut self, tokens: &[TokenKind]) -> Result<&JointFit> {
        self.with_seed(tokens, 0)
    }

    /// The model of these tokens whose seed is so far from the study's.
    pub(super) fn with_seed(&mut self, tokens: &[TokenKind], seed_offset: u64) -> Result<&JointFit> {
        let key = Key { tokens: tokens.to_vec(), seed_offset };
        if !self.models.contains_key(&key) {
            let fit = self.fit(tokens, seed_offset)?;
            self.models.insert(key.clone(), fit);
        }
        self.models.get(&key).context("it was just inserted")
    }

    fn fit(&self, tokens: &[TokenKind], seed_offset: u64) -> Result<JointFit> {
        let Self { study, valid, .. } = self;
        let task = format!("{}: {}", study.target_name(), super::names(tokens));
        let plan = FitPlan { seed: study.plan().seed.wrapping_add(seed_offset), ..study.plan().clone() };
        let recipe = Recipe { plan, ..study.recipe.clone() };
        let chosen =
            study.watched(&task, |session| fit_joint(&study.problem, &recipe, tokens, valid, session))?;
        let served = study.served(&chosen)?;
        Ok(JointFit { chosen, served })
    }
}
