//! The encoder adapted for one target, and the items' vectors by it.

use anyhow::{Context, Result};
use segue_data::DomainIdx;
use segue_models::ItemVectors;
use segue_models::item_vectors::TextFields;
use segue_train::encoder_fit::{AdaptMaterial, AdaptPlan, adapt_encoder};
use segue_train::learn::Epoch;
use segue_train::{Keeping, Objective};

use super::Lessons;
use super::meter::Meter;
use segue::adapt::AdaptFigures;
use segue::encode::{Provider, encode_items};
use segue::observer::Task;
use segue::{Observer, Problem};

/// How the encoder is adapted.
pub struct Adapting {
    /// The training.
    pub plan: AdaptPlan,
    /// Whose events.
    pub lessons: Lessons,
}

/// What an encoder is adapted for.
pub struct Adaptable<'a> {
    /// The target and its events.
    pub problem: &'a Problem<'a>,
    /// The items' vectors by the encoder as it is.
    pub text: &'a ItemVectors,
    /// The ranks that count on valid.
    pub objective: Objective,
}

/// Vectors for one target. Where only other domains teach, the target's valid cases are not asked either.
///
/// # Errors
/// When the encoder cannot be adapted, or the target has no valid case.
pub fn adapted_vectors(
    adapting: &Adapting,
    provider: &Provider,
    adaptable: &Adaptable<'_>,
    observer: &dyn Observer,
) -> Result<ItemVectors> {
    let meter = Meter::start();
    let &Adaptable { problem, text, objective } = adaptable;
    let target = problem.target;
    let valid = problem.valid()?;
    let teaches = |domain: &DomainIdx| match adapting.lessons {
        Lessons::Target => *domain == target,
        Lessons::Sources => *domain != target,
        Lessons::All => true,
    };
    let domains: Vec<DomainIdx> = (0..problem.domains.len() as u16).map(DomainIdx).filter(teaches).collect();
    let material = AdaptMaterial {
        train: &problem.split.train,
        items: problem.items,
        vectors: text,
        domains: &domains,
        valid: (adapting.lessons != Lessons::Sources).then_some(&valid),
        objective,
    };
    let task = Task::start(observer, "adapt", adapting.plan.max_passes);
    let show = |epoch: &Epoch| task.step(1, || format!("loss {:.3}", epoch.loss));
    let adapted =
        adapt_encoder(provider.encoder()?.clone(), &adapting.plan, material, (Keeping::nothing(), show))
            .context("adapting the encoder")?;
    drop(task);
    let figures = AdaptFigures::of(&adapted);
    let usage = meter.read();
    let cpu = usage.cpu_s.map_or(String::new(), |cpu| format!("; {cpu:.0} CPU-s"));
    let name = problem.target_name();
    observer.note(&format!("{name}: {}, {:.0} s{cpu}", figures.in_words(), usage.wall_s));
    let mut encoder = adapted.encoder;
    encoder.merge();
    let mut provider = Provider::with_encoder(text.model.clone(), encoder);
    Ok(encode_items(&mut provider, problem.items, TextFields::Short, observer)?.0)
}
