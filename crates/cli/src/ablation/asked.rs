//! What of a recipe is to be switched off.

use anyhow::Result;
use segue_models::TokenKind;
use segue_train::ablation::Part;
use serde::Serialize;

use crate::failure::usage;
use crate::study::Subject;

/// Parts, graphs and modalities; with none of them named, all parts of the recipe.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Asked {
    /// Parts to switch off, one after the other [default: all of the recipe, unless --graph or --modality is given]
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    pub(crate) parts: Vec<String>,
    /// Graphs to fit the recipe with: true, random (the same relations and degrees, other partners), none
    #[arg(long, value_enum, value_delimiter = ',', value_name = "GRAPH")]
    pub(crate) graph: Vec<GraphVersion>,
    /// Modalities to leave out of everything that reads them: text, image, audio, graph, id
    #[arg(long, value_parser = modality, value_delimiter = ',', value_name = "MODALITY")]
    pub(crate) modality: Vec<TokenKind>,
}

/// The graph that a recipe is fitted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GraphVersion {
    /// What the data state
    True,
    /// The same relations and degrees, other partners
    Random,
    /// No graph
    None,
}

impl GraphVersion {
    pub(crate) fn name(self) -> &'static str {
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

fn modality(name: &str) -> Result<TokenKind, String> {
    let find = TokenKind::ALL.into_iter().find(|kind| kind.name() == name);
    find.ok_or_else(|| format!("modalities: {}", TokenKind::ALL.map(TokenKind::name).join(", ")))
}

impl Asked {
    /// Whether anything is named.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.graph.is_empty() && self.modality.is_empty()
    }

    /// The modalities, each once.
    pub(super) fn modalities(&self, subject: &Subject<'_>) -> Result<Vec<TokenKind>> {
        let mut kinds = self.modality.clone();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.iter().try_for_each(|kind| check(subject, *kind))?;
        Ok(kinds)
    }

    /// The graphs, each once.
    pub(super) fn graphs(&self, subject: &Subject<'_>) -> Result<Vec<GraphVersion>> {
        let mut versions = self.graph.clone();
        versions.sort_unstable();
        versions.dedup();
        if !versions.is_empty() {
            check(subject, TokenKind::Graph)?;
        }
        Ok(versions)
    }
}

// Whether leaving it out changes anything, and leaves anything.
fn check(subject: &Subject<'_>, kind: TokenKind) -> Result<()> {
    let on = Part::modalities_of(subject.plan, subject.material());
    if !on.contains(&kind) {
        let names: Vec<&str> = on.iter().map(|kind| kind.name()).collect();
        let problem = format!(
            "`{}`: the data have nothing of it, or no expert of the recipe reads it; read are: {}",
            kind.name(),
            names.join(", ")
        );
        let remedy = match kind {
            TokenKind::Image | TokenKind::Audio => {
                format!("`segue encode DATA --modality {}` makes its vectors", kind.name())
            }
            TokenKind::Graph => {
                "import triples or item fields, and name `graph` or `joint` in fit.experts".to_owned()
            }
            _ => "name an expert that reads it in fit.experts, such as `joint`".to_owned(),
        };
        return Err(usage(problem, remedy));
    }
    if Part::Modality(kind).plan_without(subject.plan).experts.is_empty() {
        let problem = format!("without `{}` no expert of the recipe is left", kind.name());
        return Err(usage(problem, "name more kinds in fit.experts"));
    }
    Ok(())
}
