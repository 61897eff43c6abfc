//! The encoder adapted for one target, and the items' vectors by it.

use anyhow::{Context, Result};
use segue_data::DomainIdx;
use segue_data::protocol::ProtocolData;
use segue_models::ItemVectors;
use segue_models::item_vectors::TextFields;
use segue_train::encoder_fit::{AdaptMaterial, AdaptPlan, adapt_encoder};
use segue_train::learn::Epoch;
use segue_train::{Judge, Keeping, Objective};

use super::Lessons;
use super::meter::Meter;
use crate::commands::adapt::AdaptFigures;
use crate::encode::{Provider, encode_items};
use crate::screen::Screen;

/// How the encoder is adapted.
pub(super) struct Adapting {
    /// The training.
    pub(super) plan: AdaptPlan,
    /// Whose events.
    pub(super) lessons: Lessons,
}

/// Vectors for one target. Where only other domains teach, the target's valid cases are not asked either.
pub(super) fn adapted_vectors(
    (adapting, provider): (&Adapting, &Provider),
    data: &ProtocolData,
    vectors: &ItemVectors,
    (valid, objective): (&Judge<'_>, Objective),
    screen: Screen,
) -> Result<ItemVectors> {
    let meter = Meter::start();
    let target = valid.domain();
    let teaches = |domain: &DomainIdx| match adapting.lessons {
        Lessons::Target => *domain == target,
        Lessons::Sources => *domain != target,
        Lessons::All => true,
    };
    let domains: Vec<DomainIdx> = data.dataset.domain_indexes().filter(teaches).collect();
    let material = AdaptMaterial {
        train: &data.split.train,
        items: &data.dataset.items,
        vectors,
        domains: &domains,
        valid: (adapting.lessons != Lessons::Sources).then_some(valid),
        objective,
    };
    let bar = screen.bar(adapting.plan.max_passes, "adapt");
    let show = |_: &Epoch| bar.inc(1);
    let adapted =
        adapt_encoder(provider.encoder()?.clone(), &adapting.plan, material, (Keeping::nothing(), show))
            .context("adapting the encoder")?;
    bar.finish_and_clear();
    let figures = AdaptFigures::of(&adapted);
    let usage = meter.read();
    let cpu = usage.cpu_s.map_or(String::new(), |cpu| format!("; {cpu:.0} CPU-s"));
    let name = &data.dataset.domains[target.at()].name;
    Screen::note(&format!("{name}: {}, {:.0} s{cpu}", figures.in_words(), usage.wall_s));
    let mut encoder = adapted.encoder;
    encoder.merge();
    let mut provider = Provider::with_encoder(vectors.model.clone(), encoder);
    Ok(encode_items(&mut provider, (&data.dataset.items, TextFields::Short), screen)?.0)
}
