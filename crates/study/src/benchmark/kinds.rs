//! Studies under a published protocol.

use anyhow::Result;
use segue::Observer;
use segue::failure::usage;
use segue::pipeline::Recipe;
use segue_models::sequence::SequenceTuning;

use super::Protocol;
use super::data::BenchmarkData;
use super::request::targets;
use crate::Study;
use crate::ablation::{self, Ablation, AblationRequest};
use crate::cold_items::{self, ColdItems};
use crate::cold_users::{self, ColdUsers};
use crate::fusion::{self, FusionTable};
use crate::selection::{self, TargetSelection, WaysToTry};

/// What is studied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StudyKind {
    /// What each part of the recipe adds.
    Ablate,
    /// Fusion of modalities against a late blend of single ones, and whether its weights are true.
    Fusion,
    /// Which other domain helps which target.
    Transfer,
    /// How well items are found that nobody has touched: 5 % are held out.
    ColdItems,
    /// How well users are served who are new to the domain and known in another: 20 % are held out.
    ColdUsers,
    /// What each way to tune the encoder costs, and what its vectors are worth.
    Tunings,
}

/// What the studies of all data sets and seeds gave.
#[derive(Debug, Default, serde::Serialize)]
pub struct Studied {
    /// What parts add, by target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ablations: Vec<Ablation>,
    /// What fusion adds, by target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fusions: Vec<FusionTable>,
    /// Which domain helps, by target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<TargetSelection>,
    /// How unseen items are found, by target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cold_items: Vec<ColdItems>,
    /// How new users are served, by target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cold_users: Vec<ColdUsers>,
}

/// The same as one JSON document.
#[derive(Debug, serde::Serialize)]
pub struct StudyDocument {
    /// The hash of the data set, or one over those of several.
    pub data_sha256: String,
    /// The tables.
    #[serde(flatten)]
    pub studied: Studied,
}

/// Studies under a protocol: which, of what, by which recipe.
pub struct ProtocolStudy<'a> {
    /// Which study.
    pub kind: StudyKind,
    /// The protocol.
    pub protocol: Protocol,
    /// The recipe.
    pub recipe: &'a Recipe,
    /// What an ablation switches off.
    pub ablation: &'a AblationRequest,
    /// Names of the domains that are studied; all when empty.
    pub targets: &'a [String],
    /// Who hears how far it is.
    pub observer: &'a dyn Observer,
}

impl Studied {
    /// Studies the domains of one data set that are asked for.
    ///
    /// # Errors
    /// When the data do not support the study.
    pub fn add(&mut self, asked: &ProtocolStudy<'_>, data: &BenchmarkData) -> Result<()> {
        let dataset = &data.data.dataset;
        let needs_sources = matches!(asked.kind, StudyKind::Transfer | StudyKind::ColdUsers);
        if needs_sources && !Protocol::has_sources(dataset) {
            let problem = format!("`{}` has one domain: there is no other that could help", dataset.name);
            return Err(usage(
                problem,
                "--protocol abxi has two; for others import several as one data set: segue transfer DATA",
            ));
        }
        let rule = asked.protocol.rule(asked.recipe.plan.seed);
        for target in targets(dataset, asked.targets) {
            let problem = data.problem(target, rule);
            self.study(asked, &Study { problem, recipe: asked.recipe, observer: asked.observer })?;
        }
        Ok(())
    }

    fn study(&mut self, asked: &ProtocolStudy<'_>, study: &Study<'_>) -> Result<()> {
        match asked.kind {
            StudyKind::Ablate => self.ablations.push(ablation::ablate(study, asked.ablation)?),
            StudyKind::Fusion => self.fusions.push(fusion::measure(study)?),
            StudyKind::ColdItems => self.cold_items.push(cold_items::measure(study)?),
            StudyKind::ColdUsers => self.cold_users.push(cold_users::measure(study)?),
            // Encoders are tuned in processes of their own, before this is reached.
            StudyKind::Tunings => {}
            StudyKind::Transfer => {
                let tried = WaysToTry { each: true, tunings: &SequenceTuning::ALL, encoders: &[] };
                self.transfers.push(selection::measure(study, tried)?);
            }
        }
        Ok(())
    }
}
