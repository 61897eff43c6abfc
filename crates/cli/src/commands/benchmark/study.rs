//! `segue benchmark --study`: ablation and transfer matrix under a published protocol.

use anyhow::Result;
use segue_data::ItemGraph;
use segue_data::protocol::ProtocolData;
use segue_eval::metric_table::TableSettings;
use segue_models::ItemVectors;
use segue_models::sequence::SequenceTuning;
use segue_train::FitPlan;
use segue_train::zero_shot::JudgeRule;

use super::Protocol;
use super::targets::targets;
use crate::ablation::{self, Ablation, Asked};
use crate::cold_items::{self, ColdItems};
use crate::cold_users::{self, ColdUsers};
use crate::failure::usage;
use crate::fusion_study::{self, FusionTable};
use crate::screen::Screen;
use crate::selection::{self, TargetSelection, Tried};
use crate::study::Subject;

/// What is studied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Study {
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
pub(super) struct Studied {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ablations: Vec<Ablation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) fusions: Vec<FusionTable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) transfers: Vec<TargetSelection>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) cold_items: Vec<ColdItems>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) cold_users: Vec<ColdUsers>,
}

/// The same as one JSON document.
#[derive(Debug, serde::Serialize)]
pub(super) struct StudyDocument {
    pub(super) data_sha256: String,
    #[serde(flatten)]
    pub(super) studied: Studied,
}

impl Studied {
    /// Studies the domains of one data set that are asked for.
    pub(super) fn add(
        &mut self,
        (study, protocol): (Study, Protocol),
        data: &ProtocolData,
        (plan, vectors): (&FitPlan, Option<&ItemVectors>),
        (asked, names, refit): (&Asked, &[String], bool),
        screen: Screen,
    ) -> Result<()> {
        if matches!(study, Study::Transfer | Study::ColdUsers) && data.dataset.domains.len() < 2 {
            let problem =
                format!("`{}` has one domain: there is no other that could help", data.dataset.name);
            return Err(usage(
                problem,
                "--protocol abxi has two; for others import several as one data set: segue transfer DATA",
            ));
        }
        let mut settings = TableSettings::default();
        settings.bootstrap.seed = plan.seed;
        let graph = ItemGraph::of(&data.dataset);
        for target in targets(&data.dataset, names) {
            let subject = Subject {
                items: &data.dataset.items,
                domains: &data.dataset.domains,
                split: &data.split,
                vectors,
                media: None,
                graph: graph.as_ref(),
                target,
                plan,
                rule: JudgeRule { mask: protocol.mask(), sampled: protocol.negatives(plan.seed) },
                refit,
                settings: settings.clone(),
            };
            match study {
                Study::Ablate => {
                    let table = ablation::ablate(&subject, asked, screen)?;
                    ablation::show(&table, screen)?;
                    self.ablations.push(table);
                }
                Study::Fusion => {
                    let table = fusion_study::study(&subject, screen)?;
                    fusion_study::show(&table, screen)?;
                    self.fusions.push(table);
                }
                Study::ColdItems => {
                    let measured = cold_items::study(&subject, screen)?;
                    cold_items::show(&measured, screen)?;
                    self.cold_items.push(measured);
                }
                Study::ColdUsers => {
                    let measured = cold_users::study(&subject, screen)?;
                    cold_users::show(&measured, screen)?;
                    self.cold_users.push(measured);
                }
                // Encoders are tuned in processes of their own, before this is reached.
                Study::Tunings => {}
                Study::Transfer => {
                    let tried = Tried { each: true, tunings: &SequenceTuning::ALL, encoders: &[] };
                    self.transfers.push(selection::study(&subject, &tried, screen)?);
                }
            }
        }
        Ok(())
    }

    /// Shows what is shown once all is measured.
    pub(super) fn show(&self, screen: Screen) -> Result<()> {
        if self.transfers.is_empty() { Ok(()) } else { selection::show(&self.transfers, screen) }
    }
}
