//! The experts: scorers of a target's items that can stand alone. Each kind is one file (a folder where it is long) with its facts,
//! its settings and its model; this file is the list of them. Modules in reading order:

pub mod contract;
mod expert;
pub(crate) mod grid;
pub mod popularity;
pub mod window;
pub mod linear;
pub mod content;
pub mod text_vectors;
pub mod graph_walks;
mod trained;

use std::fmt;

use rand::RngCore;
use serde::{Deserialize, Serialize};

pub use self::contract::FitContext;
use self::contract::{KindFacts, Scorer, Settings};
pub use self::expert::Expert;
use crate::query::Scope;
use crate::sequence::{JointConfig, SequenceConfig, SequenceModel, TransferConfig};

/// The kinds of experts. Their order is that of tables, and part of what a seed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpertKind {
    /// [`popularity`] over all time.
    Popularity,
    /// [`popularity`] with a half-life.
    Recent,
    /// [`window`].
    Window,
    /// [`linear`].
    Linear,
    /// [`content`].
    Content,
    /// [`text_vectors`].
    Encoder,
    /// [`text_vectors`] of images.
    Image,
    /// [`text_vectors`] of sounds.
    Audio,
    /// [`graph_walks`].
    Graph,
    /// [`sequence`](crate::sequence) over items by their ids.
    Behavior,
    /// [`sequence`](crate::sequence) over items by their texts.
    Transfer,
    /// [`sequence`](crate::sequence) over items by all that is known about them.
    Joint,
}

/// In the order of the variants.
const FACTS: &[KindFacts] = &[
    popularity::POPULARITY,
    popularity::RECENT,
    window::WINDOW,
    linear::LINEAR,
    content::CONTENT,
    text_vectors::ENCODER,
    text_vectors::IMAGE,
    text_vectors::AUDIO,
    graph_walks::GRAPH,
    trained::BEHAVIOR,
    trained::TRANSFER,
    trained::JOINT,
];

/// Settings of one expert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpertConfig {
    /// For [`ExpertKind::Popularity`] and [`ExpertKind::Recent`].
    Popularity(popularity::PopularityConfig),
    /// For [`ExpertKind::Window`].
    Window(window::WindowConfig),
    /// For [`ExpertKind::Linear`].
    Linear(linear::LinearConfig),
    /// For [`ExpertKind::Content`].
    Content(content::ContentConfig),
    /// For [`ExpertKind::Encoder`].
    Encoder(text_vectors::TextVectorsConfig),
    /// For [`ExpertKind::Image`].
    Image(text_vectors::TextVectorsConfig),
    /// For [`ExpertKind::Audio`].
    Audio(text_vectors::TextVectorsConfig),
    /// For [`ExpertKind::Graph`].
    Graph(graph_walks::GraphWalksConfig),
    /// For [`ExpertKind::Behavior`].
    Behavior(SequenceConfig),
    /// For [`ExpertKind::Transfer`].
    Transfer(TransferConfig),
    /// For [`ExpertKind::Joint`].
    Joint(Box<JointConfig>),
}

impl ExpertConfig {
    fn settings(&self) -> &dyn Settings {
        match self {
            Self::Popularity(config) => config,
            Self::Window(config) => config,
            Self::Linear(config) => config,
            Self::Content(config) => config,
            Self::Encoder(config) | Self::Image(config) | Self::Audio(config) => config,
            Self::Graph(config) => config,
            Self::Behavior(config) => config,
            Self::Transfer(config) => config,
            Self::Joint(config) => &**config,
        }
    }
}

/// A fitted model of any kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fitted {
    Popularity(popularity::Popularity),
    Window(window::Window),
    Linear(linear::Linear),
    Content(content::Content),
    TextVectors(text_vectors::TextVectors),
    Graph(graph_walks::GraphWalks),
    Sequence(Box<SequenceModel>),
}

impl Fitted {
    fn scorer(&self) -> &dyn Scorer {
        match self {
            Self::Popularity(model) => model,
            Self::Window(model) => model,
            Self::Linear(model) => model,
            Self::Content(model) => model,
            Self::TextVectors(model) => model,
            Self::Graph(model) => model,
            Self::Sequence(model) => &**model,
        }
    }
}

impl ExpertKind {
    /// All kinds, in the order of tables.
    pub const ALL: [Self; FACTS.len()] = {
        let mut all = [Self::Popularity; FACTS.len()];
        let mut at = 0;
        while at < FACTS.len() {
            assert!(FACTS[at].kind as usize == at, "the facts stand in the order of the variants");
            all[at] = FACTS[at].kind;
            at += 1;
        }
        all
    };

    fn facts(self) -> &'static KindFacts {
        &FACTS[self as usize]
    }

    /// The name in configs, tables and files.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Whether it is trained unless somebody names the kinds.
    pub fn is_default(self) -> bool {
        self.facts().is_default
    }

    /// Whether scores depend on the history at all, so that other domains can help.
    pub fn uses_history(self) -> bool {
        self.facts().uses_history
    }

    /// Whether it is trained by gradient steps ([`Expert::of_sequence`]) instead of [`Expert::fit`].
    pub fn learns_by_steps(self) -> bool {
        self.facts().learns_by_steps
    }

    /// How it looks at other domains, if it can: by an expert of its own for them, or by one mixed sequence.
    pub fn scope_with_sources(self) -> Option<Scope> {
        self.facts().scope_with_sources
    }

    /// Whether the data have what the kind is fitted on; always true for kinds that say themselves why they stand aside.
    pub fn has_material(self, context: &FitContext<'_>) -> bool {
        (self.facts().has_material)(context)
    }
}

impl ExpertConfig {
    /// The default settings of a kind.
    pub fn default_of(kind: ExpertKind) -> Self {
        (kind.facts().default)()
    }

    /// Where the search of a kind starts: its default and, where other settings are known to work on other data, those too. Where
    /// known items compete with new ones (`known_compete`), an item may be recommended again.
    pub fn starts_of(kind: ExpertKind, known_compete: bool) -> Vec<Self> {
        let default = Self::default_of(kind);
        let further = default.settings().further_starts(kind, known_compete);
        std::iter::once(default).chain(further).collect()
    }

    /// The same settings with one of them at a neighboring value of its grid.
    #[must_use]
    pub fn step(&self, kind: ExpertKind, rng: &mut dyn RngCore) -> Self {
        self.settings().step(kind, rng)
    }

    /// Whether `other` differs in nothing but what concerns scoring, so that a fit with these settings serves it
    /// ([`Expert::with_scoring_of`]).
    pub fn differs_in_scoring_only(&self, other: &Self) -> bool {
        self.settings().differs_in_scoring_only(other)
    }
}

/// Which expert: its kind and the domains it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExpertId {
    /// What it computes.
    pub kind: ExpertKind,
    /// Whose events it uses.
    pub scope: Scope,
}

impl fmt::Display for ExpertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            Scope::Target => write!(f, "{}", self.kind.name()),
            Scope::Sources => write!(f, "{}@sources", self.kind.name()),
            Scope::All => write!(f, "{}@all", self.kind.name()),
        }
    }
}
