//! What of a recipe is to be switched off.

use anyhow::Result;
use segue::failure::usage;
use segue_models::TokenKind;
use serde::Serialize;

use crate::ablation::part::Part;
use crate::study::Study;

/// Parts, graphs and modalities; with none of them named, all parts of the recipe.
#[derive(Clone, Debug, Default)]
pub struct AblationRequest {
    /// Names of parts to switch off, one after the other.
    pub parts: Vec<String>,
    /// Graphs to fit the recipe with.
    pub graphs: Vec<GraphVersion>,
    /// Modalities to leave out of everything that reads them.
    pub modalities: Vec<TokenKind>,
}

/// The graph that a recipe is fitted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GraphVersion {
    /// What the data state.
    True,
    /// The same relations and degrees, other partners.
    Random,
    /// No graph.
    None,
}

impl GraphVersion {
    /// The name in commands and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::Random => "random",
            Self::None => "none",
        }
    }

    /// What is missing of the recipe with the true graph.
    pub(super) fn part(self) -> Option<Part> {
        match self {
            Self::True => None,
            Self::Random => Some(Part::Facts),
            Self::None => Some(Part::Modality(TokenKind::Graph)),
        }
    }
}

impl AblationRequest {
    /// Whether anything is named.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.graphs.is_empty() && self.modalities.is_empty()
    }

    /// The modalities, each once, of which the recipe has something to lose.
    pub(super) fn modalities_of(&self, study: &Study<'_>) -> Result<Vec<TokenKind>> {
        let mut kinds = self.modalities.clone();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.iter().try_for_each(|kind| check(study, *kind))?;
        Ok(kinds)
    }

    /// The graphs, each once, where the recipe reads one.
    pub(super) fn graphs_of(&self, study: &Study<'_>) -> Result<Vec<GraphVersion>> {
        let mut versions = self.graphs.clone();
        versions.sort_unstable();
        versions.dedup();
        if !versions.is_empty() {
            check(study, TokenKind::Graph)?;
        }
        Ok(versions)
    }
}

/// Refuses a modality without which the recipe would be the same, or empty.
fn check(study: &Study<'_>, kind: TokenKind) -> Result<()> {
    let on = Part::modalities_of(study.plan(), study.material());
    if !on.contains(&kind) {
        let names: Vec<&str> = on.iter().map(|kind| kind.name()).collect();
        let problem = format!(
            "`{}`: the data have nothing of it, or no expert of the recipe reads it; read are: {}",
            kind.name(),
            names.join(", ")
        );
        let remedy = match kind {
            TokenKind::Image | TokenKind::Audio => {
                format!("`segue encode DATA --modality {}` computes its vectors", kind.name())
            }
            TokenKind::Graph => {
                "import triples or item fields, and name `graph` or `joint` in fit.experts".to_owned()
            }
            _ => "name an expert that reads it in fit.experts, such as `joint`".to_owned(),
        };
        return Err(usage(problem, remedy));
    }
    if Part::Modality(kind).plan_without(study.plan()).experts.is_empty() {
        let problem = format!("without `{}` no expert of the recipe is left", kind.name());
        return Err(usage(problem, "name more kinds in fit.experts"));
    }
    Ok(())
}
