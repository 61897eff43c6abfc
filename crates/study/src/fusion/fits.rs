//! The models of the study, each set of tokens trained once.

use std::collections::BTreeMap;

use crate::ablation::part::Part;
use crate::fusion::tokens::{fit_joint, tokens_of};
use anyhow::{Context, Result};
use segue_models::{ExpertKind, TokenKind};
use segue_recommend::DomainModel;
use segue_train::FitPlan;
use segue_train::Judge;

use crate::study::Study;
use segue::failure::usage;

/// Models by their tokens and by how far their seed is from the study's: as fitted on train, and as served.
pub struct Fits<'s, 'a> {
    study: &'s Study<'a>,
    valid: &'s Judge<'a>,
    models: BTreeMap<(Vec<TokenKind>, u64), (DomainModel, DomainModel)>,
}

/// Refuses data with less than two modalities.
pub fn check(study: &Study<'_>) -> Result<()> {
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
        "`segue encode DATA --modality image` makes vectors; triples come with `segue import`",
    ))
}

impl<'s, 'a> Fits<'s, 'a> {
    pub fn new(study: &'s Study<'a>, valid: &'s Judge<'a>) -> Self {
        Self { study, valid, models: BTreeMap::new() }
    }

    /// Trains the model that fuses all tokens of the recipe; those that the target's items have.
    pub fn fused(&mut self) -> Result<Vec<TokenKind>> {
        let asked = self.study.plan().joint.fusion.tokens.clone();
        let pair = self.fit(&asked, 0)?;
        let tokens = tokens_of(&pair.0).to_vec();
        self.models.insert((tokens.clone(), 0), pair);
        Ok(tokens)
    }

    /// The model of these tokens.
    pub fn of(&mut self, tokens: &[TokenKind]) -> Result<&(DomainModel, DomainModel)> {
        self.again(tokens, 0)
    }

    /// The model of these tokens whose seed is so far from the study's.
    pub fn again(&mut self, tokens: &[TokenKind], off: u64) -> Result<&(DomainModel, DomainModel)> {
        let key = (tokens.to_vec(), off);
        if !self.models.contains_key(&key) {
            let pair = self.fit(tokens, off)?;
            self.models.insert(key.clone(), pair);
        }
        self.models.get(&key).context("it was just put there")
    }

    fn fit(&self, tokens: &[TokenKind], off: u64) -> Result<(DomainModel, DomainModel)> {
        let Self { study, valid, .. } = self;
        let what = format!("{}: {}", study.target_name(), super::names(tokens));
        let plan = FitPlan { seed: study.plan().seed.wrapping_add(off), ..study.plan().clone() };
        let fitted =
            study.watched(&what, |session| fit_joint(tokens, &plan, study.material(), valid, session))?;
        let served = if study.recipe.refit { study.refitted(&fitted)? } else { fitted.clone() };
        Ok((fitted, served))
    }
}
