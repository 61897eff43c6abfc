//! Studies under a published protocol.

use anyhow::Result;
use segue::failure::usage;
use segue::pipeline::Recipe;
use segue::{Observer, Problem};
use segue_data::ItemGraph;
use segue_data::protocol::ProtocolData;
use segue_models::behavior::SequenceTuning;
use segue_models::{ItemVectors, MediaVectors};

use super::Protocol;
use super::request::targets;
use crate::Study;
use crate::ablation::{self, Ablation, Asked};
use crate::cold_items::{self, ColdItems};
use crate::cold_users::{self, ColdUsers};
use crate::fusion::{self, FusionTable};
use crate::selection::{self, TargetSelection, Tried};

/// What is studied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StudyKind {
    /// What each part of the recipe adds
    Ablate,
    /// Fusion of modalities against a late blend of single ones, and whether its weights are true
    Fusion,
    /// Which other domain helps which target
    Transfer,
    /// How well items are found that nobody has touched: 5 % are held out
    ColdItems,
    /// How well users are served who are new to the domain and known in another: 20 % are held out
    ColdUsers,
    /// What each way to tune the encoder costs, and what its vectors are worth
    Tunings,
}

/// What the studies of all data sets and seeds gave.
#[derive(Debug, Default, serde::Serialize)]
pub struct Studied {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    /// What parts add, by target.
    pub ablations: Vec<Ablation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    /// What fusion adds, by target.
    pub fusions: Vec<FusionTable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    /// Which domain helps, by target.
    pub transfers: Vec<TargetSelection>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    /// How unseen items are found, by target.
    pub cold_items: Vec<ColdItems>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    /// How new users are served, by target.
    pub cold_users: Vec<ColdUsers>,
}

/// The same as one JSON document.
#[derive(Debug, serde::Serialize)]
pub struct StudyDocument {
    pub data_sha256: String,
    #[serde(flatten)]
    pub studied: Studied,
}

impl StudyKind {
    /// All, in the order of help texts.
    pub const ALL: [Self; 6] =
        [Self::Ablate, Self::Fusion, Self::Transfer, Self::ColdItems, Self::ColdUsers, Self::Tunings];

    /// The name in commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ablate => "ablate",
            Self::Fusion => "fusion",
            Self::Transfer => "transfer",
            Self::ColdItems => "cold-items",
            Self::ColdUsers => "cold-users",
            Self::Tunings => "tunings",
        }
    }
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
    pub asked: &'a Asked,
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
    pub fn add(
        &mut self,
        asked: &ProtocolStudy<'_>,
        data: &ProtocolData,
        text: Option<&ItemVectors>,
        media: &MediaVectors,
    ) -> Result<()> {
        let needs_sources = matches!(asked.kind, StudyKind::Transfer | StudyKind::ColdUsers);
        if needs_sources && !Protocol::has_sources(&data.dataset) {
            let problem =
                format!("`{}` has one domain: there is no other that could help", data.dataset.name);
            return Err(usage(
                problem,
                "--protocol abxi has two; for others import several as one data set: segue transfer DATA",
            ));
        }
        let graph = ItemGraph::of(&data.dataset);
        for target in targets(&data.dataset, asked.targets) {
            let problem = Problem {
                items: &data.dataset.items,
                domains: &data.dataset.domains,
                split: &data.split,
                text,
                media: Some(media),
                graph: graph.as_ref(),
                target,
                rule: asked.protocol.rule(asked.recipe.plan.seed),
            };
            self.study(asked, &Study { problem, recipe: asked.recipe, observer: asked.observer })?;
        }
        Ok(())
    }

    fn study(&mut self, asked: &ProtocolStudy<'_>, study: &Study<'_>) -> Result<()> {
        match asked.kind {
            StudyKind::Ablate => self.ablations.push(ablation::ablate(study, asked.asked)?),
            StudyKind::Fusion => self.fusions.push(fusion::study(study)?),
            StudyKind::ColdItems => self.cold_items.push(cold_items::study(study)?),
            StudyKind::ColdUsers => self.cold_users.push(cold_users::study(study)?),
            // Encoders are tuned in processes of their own, before this is reached.
            StudyKind::Tunings => {}
            StudyKind::Transfer => {
                let tried = Tried { each: true, tunings: &SequenceTuning::ALL, encoders: &[] };
                self.transfers.push(selection::study(study, &tried)?);
            }
        }
        Ok(())
    }
}
