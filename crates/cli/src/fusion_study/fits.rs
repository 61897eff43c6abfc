//! The models of the study, each set of tokens trained once.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use segue_models::{ExpertKind, TokenKind};
use segue_recommend::DomainModel;
use segue_train::FitPlan;
use segue_train::Judge;
use segue_train::ablation::Part;
use segue_train::fusion_study::{fit_joint, tokens_of};

use crate::failure::usage;
use crate::screen::Screen;
use crate::study::{Subject, watched};

/// Models by their tokens and by how far their seed is from the study's: as fitted on train, and as served.
pub(super) struct Fits<'s, 'a> {
    subject: &'s Subject<'a>,
    valid: &'s Judge<'a>,
    screen: Screen,
    models: BTreeMap<(Vec<TokenKind>, u64), (DomainModel, DomainModel)>,
}

/// Refuses data with less than two modalities.
pub(super) fn check(subject: &Subject<'_>) -> Result<()> {
    let mut plan = FitPlan { experts: vec![ExpertKind::Joint], ..subject.plan.clone() };
    // Tags are no token.
    plan.joint.fusion.tags = false;
    let found = Part::modalities_of(&plan, subject.material());
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
    pub(super) fn new(subject: &'s Subject<'a>, valid: &'s Judge<'a>, screen: Screen) -> Self {
        Self { subject, valid, screen, models: BTreeMap::new() }
    }

    /// Trains the model that fuses all tokens of the recipe; those that the target's items have.
    pub(super) fn fused(&mut self) -> Result<Vec<TokenKind>> {
        let asked = self.subject.plan.joint.fusion.tokens.clone();
        let pair = self.fit(&asked, 0)?;
        let tokens = tokens_of(&pair.0).to_vec();
        self.models.insert((tokens.clone(), 0), pair);
        Ok(tokens)
    }

    /// The model of these tokens.
    pub(super) fn of(&mut self, tokens: &[TokenKind]) -> Result<&(DomainModel, DomainModel)> {
        self.again(tokens, 0)
    }

    /// The model of these tokens whose seed is so far from the study's.
    pub(super) fn again(&mut self, tokens: &[TokenKind], off: u64) -> Result<&(DomainModel, DomainModel)> {
        let key = (tokens.to_vec(), off);
        if !self.models.contains_key(&key) {
            let pair = self.fit(tokens, off)?;
            self.models.insert(key.clone(), pair);
        }
        self.models.get(&key).context("it was just put there")
    }

    fn fit(&self, tokens: &[TokenKind], off: u64) -> Result<(DomainModel, DomainModel)> {
        let Self { subject, valid, .. } = self;
        let what = format!("{}: {}", subject.target_name(), super::names(tokens));
        let plan = FitPlan { seed: subject.plan.seed.wrapping_add(off), ..subject.plan.clone() };
        let fitted = watched(self.screen, &what, |session| {
            Ok(fit_joint(tokens, &plan, subject.material(), valid, session)?)
        })?;
        let served = if subject.refit { subject.refitted(&fitted)? } else { fitted.clone() };
        Ok((fitted, served))
    }
}
