//! What the file of a model gives: the facts of its kind, settings that fit, load and are searched, and a scorer that scores, is
//! saved and gives reasons.

use rand::RngCore;
use segue_data::{DomainIdx, ItemCatalog, ItemGraph, ItemIdx, TrainSet};

use super::graph_walks::GraphPath;
use super::{ExpertConfig, ExpertId, ExpertKind, Fitted};
use crate::item_vectors::TextSpace;
use crate::query::{Fading, Place, Query, Scope};
use crate::similarity::ItemSimilarity;
use crate::tensors::{ModelError, Tensors};

/// What is fixed about a kind.
pub(crate) struct KindFacts {
    /// The kind.
    pub(crate) kind: ExpertKind,
    /// Its name in configs, tables and files.
    pub(crate) name: &'static str,
    /// Its default settings.
    pub(crate) default: fn() -> ExpertConfig,
    /// How it looks at other domains, if it can: by an expert of its own for them, or by one mixed sequence.
    pub(crate) scope_with_sources: Option<Scope>,
    /// Whether it is trained unless somebody names the kinds.
    pub(crate) is_default: bool,
    /// Whether scores depend on the history at all.
    pub(crate) uses_history: bool,
    /// Whether it is trained by gradient steps instead of [`Settings::fit`].
    pub(crate) learns_by_steps: bool,
    /// Whether there is anything that it could be fitted on. Only for kinds of which most data sets have nothing: where nobody named
    /// them, they are left out without a word.
    pub(crate) has_material: fn(&FitContext<'_>) -> bool,
}

impl KindFacts {
    /// A kind that is solved in closed form, reads a history, and looks at other domains by an expert of its own.
    pub(crate) const fn closed_form(
        kind: ExpertKind,
        name: &'static str,
        default: fn() -> ExpertConfig,
    ) -> Self {
        Self {
            kind,
            name,
            default,
            scope_with_sources: Some(Scope::Sources),
            is_default: true,
            uses_history: true,
            learns_by_steps: false,
            has_material: |_| true,
        }
    }
}

/// Settings of a kind.
pub(crate) trait Settings {
    /// Fits the model in closed form.
    fn fit(&self, id: ExpertId, train: &TrainSet, context: &FitContext<'_>) -> Result<Fitted, ModelError>;

    /// The model back from its arrays.
    fn load(&self, items: &ItemCatalog, place: Place, tensors: &mut Tensors) -> Result<Fitted, ModelError>;

    /// How older events of a history fade; `None` where the history has no fixed weights.
    fn fading(&self) -> Option<Fading> {
        None
    }

    /// Where a search starts besides these settings: families of settings that are known to work on other data. Where known items
    /// compete with new ones (`known_compete`), shares of an item's likeness to itself may count.
    fn further_starts(&self, _kind: ExpertKind, _known_compete: bool) -> Vec<ExpertConfig> {
        Vec::new()
    }

    /// The same settings with one of them at a neighboring value of its grid.
    fn step(&self, kind: ExpertKind, rng: &mut dyn RngCore) -> ExpertConfig;

    /// Whether `other` differs in nothing but what concerns scoring, so that the same fit serves it.
    fn differs_in_scoring_only(&self, _other: &ExpertConfig) -> bool {
        false
    }

    /// Has a fitted model score by these settings, where it keeps any that concern scoring.
    fn score_by(&self, _model: &mut Fitted) {}
}

/// A fitted model.
pub(crate) trait Scorer {
    /// Scores all candidates into `scores` (`[n_candidates]`); `history` is weighed by [`Settings::fading`].
    fn score(&self, query: &Query<'_>, history: &[(ItemIdx, f32)], scores: &mut [f32]);

    /// Puts the arrays into `tensors`.
    fn save(&self, tensors: &mut Tensors);

    /// Words and bigrams that a candidate shares with the history, strongest first, at most `n`.
    fn shared_words(&self, _history: &[(ItemIdx, f32)], _candidate: usize, _n: usize) -> Vec<(String, f32)> {
        Vec::new()
    }

    /// The history item that resembles a candidate's content most.
    fn most_alike(&self, _history: &[(ItemIdx, f32)], _candidate: usize) -> Option<ItemIdx> {
        None
    }

    /// The paths over `graph` that carry a candidate's score, strongest first, at most `n`.
    fn paths(
        &self,
        _graph: &ItemGraph,
        _history: &[(ItemIdx, f32)],
        _candidate: usize,
        _n: usize,
    ) -> Vec<GraphPath> {
        Vec::new()
    }

    /// Cosine of two items by what this expert reads of their content; `None` for experts that read none.
    fn content_similarity(&self, _a: ItemIdx, _b: ItemIdx) -> Option<f32> {
        None
    }

    /// Position of a candidate by popularity, 1 = most popular.
    fn popularity_rank(&self, _candidate: usize) -> Option<f64> {
        None
    }

    /// The stored item → candidate weights.
    fn item_weights(&self) -> Option<&ItemSimilarity> {
        None
    }

    /// Whether the model is an approximation of what its name promises, and which.
    fn note(&self) -> Option<&'static str> {
        None
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
