//! The encoder adapted for one target, and the items' vectors by it.

use anyhow::{Context, Result};
use segue::adapt::AdaptFigures;
use segue::encode::{Provider, encode_items};
use segue::observer::Task;
use segue::{Observer, Problem};
use segue_data::DomainIdx;
use segue_models::ItemVectors;
use segue_models::item_vectors::TextFields;
use segue_train::encoder_fit::{AdaptMaterial, AdaptPlan, Adapted, adapt_encoder};
use segue_train::learn::Epoch;
use segue_train::{Keeping, Objective};

use super::AdaptOn;
use super::meter::Meter;

/// How the encoder is adapted for a target.
pub struct Adapting<'a> {
    /// The training.
    pub plan: AdaptPlan,
    /// Whose events teach.
    pub on: AdaptOn,
    /// The encoder as it is.
    pub provider: &'a Provider,
}

impl Adapting<'_> {
    /// Vectors of all items for one target, from those by the encoder as it is. Where only other domains teach, the target's valid cases
    /// are not asked either.
    pub(super) fn vectors(
        &self,
        problem: &Problem<'_>,
        text: &ItemVectors,
        objective: Objective,
        observer: &dyn Observer,
    ) -> Result<ItemVectors> {
        let meter = Meter::start();
        let adapted = self.adapt(problem, text, objective, observer)?;
        let figures = AdaptFigures::of(&adapted);
        let cost = meter.read();
        let cpu = cost.cpu_s.map_or(String::new(), |cpu| format!("; {cpu:.0} CPU-s"));
        let name = problem.target_name();
        observer.note(&format!("{name}: {}, {:.0} s{cpu}", figures.in_words(), cost.wall_s));
        let mut encoder = adapted.encoder;
        encoder.merge();
        let mut provider = Provider::with_encoder(text.model.clone(), encoder);
        Ok(encode_items(&mut provider, problem.items, TextFields::Short, observer)?.0)
    }

    fn adapt(
        &self,
        problem: &Problem<'_>,
        text: &ItemVectors,
        objective: Objective,
        observer: &dyn Observer,
    ) -> Result<Adapted> {
        let valid = problem.valid()?;
        let teaches = |domain: &DomainIdx| match self.on {
            AdaptOn::Target => *domain == problem.target,
            AdaptOn::Sources => *domain != problem.target,
            AdaptOn::All => true,
        };
        let domains: Vec<DomainIdx> =
            (0..problem.domains.len() as u16).map(DomainIdx).filter(teaches).collect();
        let material = AdaptMaterial {
            train: &problem.split.train,
            items: problem.items,
            vectors: text,
            domains: &domains,
            valid: (self.on != AdaptOn::Sources).then_some(&valid),
            objective,
        };
        let task = Task::start(observer, "adapt", self.plan.max_passes);
        let show = |epoch: &Epoch| task.step(1, || format!("loss {:.3}", epoch.loss));
        let encoder = self.provider.encoder()?.clone();
        adapt_encoder(encoder, &self.plan, material, Keeping::nothing(), show).context("adapting the encoder")
    }
}
