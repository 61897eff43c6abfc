//! An expert: one fitted scorer for one target domain that can stand alone.

use std::fmt;

use segue_data::{DomainIdx, ItemCatalog, ItemGraph, ItemIdx, TrainSet};
use serde::{Deserialize, Serialize};

use crate::behavior::{Behavior, BehaviorConfig, JointConfig, TaskPrediction, TokenEffect, TransferConfig};
use crate::content::{Content, ContentConfig};
use crate::fusion::TokenKind;
use crate::graph_walks::{GraphPath, GraphWalks, GraphWalksConfig};
use crate::item_vectors::TextSpace;
use crate::linear::{Linear, LinearConfig};
use crate::popularity::{Popularity, PopularityConfig};
use crate::query::{Query, Scope};
use crate::similarity::ItemSimilarity;
use crate::tensors::{ModelError, Tensors};
use crate::text_vectors::{TextVectors, TextVectorsConfig};
use crate::window::{Window, WindowConfig};

/// The kinds of experts; a new kind is a new variant, and the compiler shows every place that must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpertKind {
    /// [`Popularity`] over all time.
    Popularity,
    /// [`Popularity`] with a half-life.
    Recent,
    /// [`Window`].
    Window,
    /// [`Linear`].
    Linear,
    /// [`Content`].
    Content,
    /// [`TextVectors`].
    Encoder,
    /// [`TextVectors`] of images.
    Image,
    /// [`TextVectors`] of sounds.
    Audio,
    /// [`GraphWalks`].
    Graph,
    /// [`Behavior`].
    Behavior,
    /// [`Behavior`] with item vectors from text.
    Transfer,
    /// [`Behavior`] with item vectors fused from all that is known about items.
    Joint,
}

impl ExpertKind {
    /// All kinds, in the order of tables.
    pub const ALL: [Self; 12] = [
        Self::Popularity,
        Self::Recent,
        Self::Window,
        Self::Linear,
        Self::Content,
        Self::Encoder,
        Self::Image,
        Self::Audio,
        Self::Graph,
        Self::Behavior,
        Self::Transfer,
        Self::Joint,
    ];

    /// Whether it is trained unless somebody names the kinds: not `transfer` and `joint`, which cost as much as `behavior` and more, and
    /// have not made a blend on real data better yet (docs/experiments.md).
    pub fn is_default(self) -> bool {
        !matches!(self, Self::Transfer | Self::Joint)
    }

    /// The name in configs, tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Popularity => "popularity",
            Self::Recent => "recent",
            Self::Window => "window",
            Self::Linear => "linear",
            Self::Content => "content",
            Self::Encoder => "encoder",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Graph => "graph",
            Self::Behavior => "behavior",
            Self::Transfer => "transfer",
            Self::Joint => "joint",
        }
    }

    /// Whether scores depend on the history at all, so that other domains can help.
    pub fn uses_history(self) -> bool {
        !matches!(self, Self::Popularity | Self::Recent)
    }

    /// Whether it is trained by gradient steps ([`Expert::of_behavior`], [`Expert::of_transfer`]) instead of [`Expert::fit`].
    pub fn learns_by_steps(self) -> bool {
        matches!(self, Self::Behavior | Self::Transfer | Self::Joint)
    }

    /// How it looks at other domains, if it can: by an expert of its own for them, or by one mixed sequence.
    pub fn scope_with_sources(self) -> Option<Scope> {
        match self {
            Self::Popularity | Self::Recent => None,
            Self::Window
            | Self::Linear
            | Self::Content
            | Self::Encoder
            | Self::Image
            | Self::Audio
            | Self::Graph => Some(Scope::Sources),
            Self::Behavior | Self::Transfer | Self::Joint => Some(Scope::All),
        }
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

/// Settings of one expert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpertConfig {
    /// For [`ExpertKind::Popularity`] and [`ExpertKind::Recent`].
    Popularity(PopularityConfig),
    /// For [`ExpertKind::Window`].
    Window(WindowConfig),
    /// For [`ExpertKind::Linear`].
    Linear(LinearConfig),
    /// For [`ExpertKind::Content`].
    Content(ContentConfig),
    /// For [`ExpertKind::Encoder`].
    Encoder(TextVectorsConfig),
    /// For [`ExpertKind::Image`].
    Image(TextVectorsConfig),
    /// For [`ExpertKind::Audio`].
    Audio(TextVectorsConfig),
    /// For [`ExpertKind::Graph`].
    Graph(GraphWalksConfig),
    /// For [`ExpertKind::Behavior`].
    Behavior(BehaviorConfig),
    /// For [`ExpertKind::Transfer`].
    Transfer(TransferConfig),
    /// For [`ExpertKind::Joint`].
    Joint(Box<JointConfig>),
}

impl ExpertConfig {
    /// The default settings of a kind.
    pub fn default_of(kind: ExpertKind) -> Self {
        match kind {
            ExpertKind::Popularity => Self::Popularity(PopularityConfig::default()),
            ExpertKind::Recent => {
                Self::Popularity(PopularityConfig { half_life_days: 30.0, ..PopularityConfig::default() })
            }
            ExpertKind::Window => Self::Window(WindowConfig::default()),
            ExpertKind::Linear => Self::Linear(LinearConfig::default()),
            ExpertKind::Content => Self::Content(ContentConfig::default()),
            ExpertKind::Encoder => Self::Encoder(TextVectorsConfig::default()),
            ExpertKind::Image => Self::Image(TextVectorsConfig::default()),
            ExpertKind::Audio => Self::Audio(TextVectorsConfig::default()),
            ExpertKind::Graph => Self::Graph(GraphWalksConfig::default()),
            ExpertKind::Behavior => Self::Behavior(BehaviorConfig::default()),
            ExpertKind::Transfer => Self::Transfer(TransferConfig::default()),
            ExpertKind::Joint => Self::Joint(Box::default()),
        }
    }

    // How much of its likeness to itself an item of the history gets; 0 for experts that have no such setting.
    fn repeat(&self) -> f32 {
        match self {
            Self::Content(config) => config.repeat,
            Self::Encoder(config) | Self::Image(config) | Self::Audio(config) => config.repeat,
            _ => 0.0,
        }
    }

    /// The same settings with another share of an item's likeness to itself; `None` where there is no such setting.
    #[must_use]
    pub fn with_repeat(&self, repeat: f32) -> Option<Self> {
        match self.clone() {
            Self::Content(config) => Some(Self::Content(ContentConfig { repeat, ..config })),
            Self::Encoder(config) => Some(Self::Encoder(TextVectorsConfig { repeat, ..config })),
            Self::Image(config) => Some(Self::Image(TextVectorsConfig { repeat, ..config })),
            Self::Audio(config) => Some(Self::Audio(TextVectorsConfig { repeat, ..config })),
            _ => None,
        }
    }
}

/// What a fit needs besides settings and training events.
#[derive(Clone, Copy)]
pub struct FitContext<'a> {
    /// Items of all domains, with their text.
    pub items: &'a ItemCatalog,
    /// The domain to recommend.
    pub domain: DomainIdx,
    /// Item → most similar candidates by words, for the text prior of `linear`; `None` without text.
    pub text_neighbors: Option<&'a ItemSimilarity>,
    /// Text vectors of an encoder; `None` when the data set has none.
    pub text_space: Option<&'a TextSpace<'a>>,
    /// Image vectors; `None` when the data set has none.
    pub image_space: Option<&'a TextSpace<'a>>,
    /// Audio vectors; `None` when the data set has none.
    pub audio_space: Option<&'a TextSpace<'a>>,
    /// What is stated about the items; `None` when the data set states nothing.
    pub graph: Option<&'a ItemGraph>,
}

impl<'a> FitContext<'a> {
    /// Items alone: nothing was encoded, nothing is stated about them.
    pub fn new(items: &'a ItemCatalog, domain: DomainIdx) -> Self {
        Self {
            items,
            domain,
            text_neighbors: None,
            text_space: None,
            image_space: None,
            audio_space: None,
            graph: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Model {
    Popularity(Popularity),
    Window(Window),
    Linear(Linear),
    Content(Content),
    Encoder(TextVectors),
    Graph(GraphWalks),
    Behavior(Box<Behavior>),
}

/// A fitted expert. An expert that was not fitted does not exist, so it cannot score.
#[derive(Clone, Debug, PartialEq)]
pub struct Expert {
    /// Which one.
    pub id: ExpertId,
    /// The domain that it scores.
    pub domain: DomainIdx,
    config: ExpertConfig,
    model: Model,
    spread: f32,
}

impl Expert {
    /// Fits one expert on training events in closed form.
    ///
    /// # Errors
    /// When the data cannot support it (it stands aside and says why), or when it is trained step by step
    /// ([`of_behavior`](Self::of_behavior)).
    pub fn fit(
        id: ExpertId,
        config: &ExpertConfig,
        train: &TrainSet,
        context: FitContext<'_>,
    ) -> Result<Self, ModelError> {
        let (items, domain) = (context.items, context.domain);
        let model = match config {
            ExpertConfig::Popularity(config) => {
                Model::Popularity(Popularity::fit(config, train, items, domain)?)
            }
            ExpertConfig::Window(config) => {
                Model::Window(Window::fit(config, train, items, domain, id.scope))
            }
            ExpertConfig::Linear(config) => {
                Model::Linear(Linear::fit(config, train, items, (domain, id.scope), context.text_neighbors)?)
            }
            ExpertConfig::Content(config) => Model::Content(Content::fit(config, items, domain)?),
            ExpertConfig::Encoder(config) => {
                Model::Encoder(TextVectors::fit(config, context.text_space, items, domain)?)
            }
            ExpertConfig::Image(config) => {
                Model::Encoder(TextVectors::of_media(config, ("image", context.image_space), items, domain)?)
            }
            ExpertConfig::Audio(config) => {
                Model::Encoder(TextVectors::of_media(config, ("audio", context.audio_space), items, domain)?)
            }
            ExpertConfig::Graph(config) => {
                Model::Graph(GraphWalks::fit(config, context.graph, train, (items, domain, id.scope))?)
            }
            ExpertConfig::Behavior(_) | ExpertConfig::Transfer(_) | ExpertConfig::Joint(_) => {
                return Err(ModelError::NeedsTraining(id.kind.name()));
            }
        };
        Ok(Self { id, domain, config: config.clone(), model, spread: 0.0 })
    }

    /// The expert of a trained behavior model.
    pub fn of_behavior(id: ExpertId, domain: DomainIdx, model: Behavior) -> Self {
        let config = ExpertConfig::Behavior(model.config.clone());
        Self { id, domain, config, model: Model::Behavior(Box::new(model)), spread: 0.0 }
    }

    /// The expert of a trained behavior model whose item vectors come from text; `config` is what it was trained with.
    pub fn of_transfer(id: ExpertId, domain: DomainIdx, config: TransferConfig, model: Behavior) -> Self {
        let config = ExpertConfig::Transfer(config);
        Self { id, domain, config, model: Model::Behavior(Box::new(model)), spread: 0.0 }
    }

    /// The expert of a trained behavior model whose item vectors are fused; `config` is what it was trained with.
    pub fn of_joint(id: ExpertId, domain: DomainIdx, config: JointConfig, model: Behavior) -> Self {
        let config = ExpertConfig::Joint(Box::new(config));
        Self { id, domain, config, model: Model::Behavior(Box::new(model)), spread: 0.0 }
    }

    /// The same expert without one kind of tokens in its fused item vectors; `None` where it has none.
    pub fn without_token(&self, kind: TokenKind) -> Option<Self> {
        let model = self.sequence_model()?.without_token(kind)?;
        Some(Self { model: Model::Behavior(Box::new(model)), ..self.clone() })
    }

    /// How much each kind of tokens counts in a candidate's fused vector; they sum to 1. Empty where vectors are not fused, or nothing is
    /// known of the item.
    pub fn token_weights(&self, candidate: usize) -> Vec<(TokenKind, f32)> {
        let Some(model) = self.sequence_model() else { return Vec::new() };
        let Some(fused) = &model.fused else { return Vec::new() };
        let weights = fused.weights(model.rows.candidates().start + candidate);
        let there = fused.kinds().iter().copied().zip(weights.iter().copied());
        there.filter(|(_, weight)| *weight > 0.0).collect()
    }

    /// The tokens of a candidate's fused vector with their weights and effects; nothing where vectors are not fused.
    pub fn token_effects(&self, query: &Query<'_>, candidate: usize) -> Vec<TokenEffect> {
        self.sequence_model().map_or_else(Vec::new, |model| model.token_effects(query, candidate))
    }

    /// The sequence model inside, where there is one.
    pub fn sequence_model(&self) -> Option<&Behavior> {
        match &self.model {
            Model::Behavior(model) => Some(model),
            _ => None,
        }
    }

    /// What the further tasks of a sequence model say of candidates (counted within the domain); nothing where there is no such
    /// model.
    pub fn predict(&self, query: &Query<'_>, candidates: &[usize]) -> Vec<TaskPrediction> {
        let none = || vec![TaskPrediction::default(); candidates.len()];
        self.sequence_model().map_or_else(none, |model| model.predict(query, candidates))
    }

    /// Attribute values of users that it reads: ids below it; 0 when it does not look at profiles.
    pub fn n_profile_values(&self) -> usize {
        match &self.model {
            Model::Behavior(model) => model.n_profile_values(),
            _ => 0,
        }
    }

    /// The settings it was fitted with.
    pub fn config(&self) -> &ExpertConfig {
        &self.config
    }

    /// The same model read with other settings, where they only concern scoring (recency).
    #[must_use]
    pub fn with_scoring_of(mut self, config: ExpertConfig) -> Self {
        self.config = config;
        self
    }

    /// Typical standard deviation of its scores over the candidates of a query; 0 until measured.
    pub fn spread(&self) -> f32 {
        self.spread
    }

    /// The same expert with its typical standard deviation, as measured on valid.
    #[must_use]
    pub fn with_spread(mut self, spread: f32) -> Self {
        self.spread = spread;
        self
    }

    /// Scores all candidates of the domain into `scores` (`[n_candidates]`); higher is better, 0 = knows nothing.
    pub fn score(&self, query: &Query<'_>, items: &ItemCatalog, scores: &mut [f32]) {
        let history = self.history(query, items);
        match (&self.model, &self.config) {
            (Model::Popularity(model), _) => model.score(query, scores),
            (Model::Window(model), ExpertConfig::Window(config)) => model.score(config, &history, scores),
            (Model::Window(model), _) => model.score(&WindowConfig::default(), &history, scores),
            (Model::Linear(model), _) => model.score(&history, scores),
            (Model::Content(model), config) => model.score(&history, config.repeat(), scores),
            (Model::Encoder(model), config) => model.score(&history, config.repeat(), scores),
            (Model::Graph(model), _) => model.score(&history, scores),
            (Model::Behavior(model), _) => model.score(query, scores),
        }
    }

    /// The history items that count, with their weights, newest first; empty for popularity, and for behavior, which has no
    /// fixed weights.
    pub fn history(&self, query: &Query<'_>, items: &ItemCatalog) -> Vec<(ItemIdx, f32)> {
        match &self.config {
            ExpertConfig::Popularity(_)
            | ExpertConfig::Behavior(_)
            | ExpertConfig::Transfer(_)
            | ExpertConfig::Joint(_) => Vec::new(),
            ExpertConfig::Window(config) => config.history(query, items, self.id.scope),
            ExpertConfig::Linear(config) => config.history(query, items, self.id.scope),
            ExpertConfig::Content(config) => config.history(query, items, self.id.scope),
            ExpertConfig::Encoder(config) | ExpertConfig::Image(config) | ExpertConfig::Audio(config) => {
                config.history(query, items, self.id.scope)
            }
            ExpertConfig::Graph(config) => config.history(query, items, self.id.scope),
        }
    }

    /// Words and bigrams that a candidate shares with the history, where this expert reads text.
    pub fn shared_words(
        &self,
        query: &Query<'_>,
        items: &ItemCatalog,
        candidate: usize,
        n: usize,
    ) -> Vec<(String, f32)> {
        match &self.model {
            Model::Content(model) => model.shared_words(&self.history(query, items), candidate, n),
            _ => Vec::new(),
        }
    }

    /// The history item whose text resembles a candidate's most, where this expert compares text vectors.
    pub fn most_alike(&self, query: &Query<'_>, items: &ItemCatalog, candidate: usize) -> Option<ItemIdx> {
        match &self.model {
            Model::Encoder(model) => {
                model.most_alike(&self.history(query, items), candidate).map(|(item, _)| item)
            }
            _ => None,
        }
    }

    /// The paths over `graph` that carry a candidate's score, strongest first, where this expert walks on it.
    pub fn paths(
        &self,
        (query, graph): (&Query<'_>, &ItemGraph),
        items: &ItemCatalog,
        candidate: usize,
        n: usize,
    ) -> Vec<GraphPath> {
        match (&self.model, &self.config) {
            (Model::Graph(model), ExpertConfig::Graph(config)) => {
                model.paths(config, graph, (&self.history(query, items), candidate), n)
            }
            _ => Vec::new(),
        }
    }

    /// The walks inside, with their settings, where there are any.
    pub fn graph_walks(&self) -> Option<(&GraphWalks, &GraphWalksConfig)> {
        match (&self.model, &self.config) {
            (Model::Graph(model), ExpertConfig::Graph(config)) => Some((model, config)),
            _ => None,
        }
    }

    /// Position of a candidate by popularity (1 = most popular), where this expert counts.
    pub fn popularity_rank(&self, candidate: usize) -> Option<f64> {
        match &self.model {
            Model::Popularity(model) => Some(model.rank(candidate)),
            _ => None,
        }
    }

    /// The text model inside, where there is one.
    pub fn content(&self) -> Option<&Content> {
        match &self.model {
            Model::Content(model) => Some(model),
            _ => None,
        }
    }

    /// Cosine of two items by what this expert reads of their content; `None` for experts that read none.
    pub fn content_similarity(&self, a: ItemIdx, b: ItemIdx) -> Option<f32> {
        match &self.model {
            Model::Content(model) => Some(model.similarity(a, b)),
            Model::Encoder(model) => Some(model.similarity(a, b)),
            _ => None,
        }
    }

    /// A quantile of the stored item → candidate weights, where the model has them.
    pub fn weights_quantile(&self, share: f64) -> Option<f32> {
        match &self.model {
            Model::Window(model) => model.similarity().quantile(share),
            Model::Linear(model) => model.weights().quantile(share),
            Model::Graph(model) => model.similarity().quantile(share),
            Model::Popularity(_) | Model::Content(_) | Model::Encoder(_) | Model::Behavior(_) => None,
        }
    }

    /// Whether the model is an approximation of what its name promises, and which.
    pub fn note(&self) -> Option<&'static str> {
        match &self.model {
            Model::Linear(model) if !model.is_exact() => Some("sparse approximation"),
            _ => None,
        }
    }

    /// The arrays of the model.
    pub fn save(&self) -> Tensors {
        let mut tensors = Tensors::new();
        match &self.model {
            Model::Popularity(model) => model.save(&mut tensors),
            Model::Window(model) => model.save(&mut tensors),
            Model::Linear(model) => model.save(&mut tensors),
            Model::Content(model) => model.save(&mut tensors),
            Model::Encoder(model) => model.save(&mut tensors),
            Model::Graph(model) => model.save(&mut tensors),
            Model::Behavior(model) => model.save(&mut tensors),
        }
        tensors
    }

    /// The expert back from its arrays.
    ///
    /// # Errors
    /// When an array is missing or does not fit the catalog.
    pub fn load(
        id: ExpertId,
        config: ExpertConfig,
        (items, domain): (&ItemCatalog, DomainIdx),
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        let target = items.range(domain);
        let shape = (items.len(), target.len());
        let model = match &config {
            ExpertConfig::Popularity(_) => Model::Popularity(Popularity::load(target.len(), tensors)?),
            ExpertConfig::Window(_) => Model::Window(Window::load(items.len(), target, tensors)?),
            ExpertConfig::Linear(_) => Model::Linear(Linear::load(shape, tensors)?),
            ExpertConfig::Content(config) => {
                Model::Content(Content::load(config, items.len(), target, tensors)?)
            }
            ExpertConfig::Encoder(_) | ExpertConfig::Image(_) | ExpertConfig::Audio(_) => {
                Model::Encoder(TextVectors::load(items.len(), target, tensors)?)
            }
            ExpertConfig::Graph(config) => {
                Model::Graph(GraphWalks::load(config, items.len(), target, tensors)?)
            }
            ExpertConfig::Behavior(config) => {
                Model::Behavior(Box::new(Behavior::load(config, items, (domain, id.scope), tensors)?))
            }
            ExpertConfig::Transfer(config) => {
                let place = (domain, id.scope);
                Model::Behavior(Box::new(Behavior::load_with_text(config, items, place, tensors)?))
            }
            ExpertConfig::Joint(config) => {
                let place = (domain, id.scope);
                Model::Behavior(Box::new(Behavior::load_with_fusion(config, items, place, tensors)?))
            }
        };
        Ok(Self { id, domain, config, model, spread: 0.0 })
    }
}
