//! An expert: one fitted scorer for one target domain that can stand alone.

use segue_data::{DomainIdx, ItemCatalog, ItemGraph, ItemIdx, TrainSet};

use super::content::Content;
use super::graph_walks::{GraphPath, GraphWalks};
use super::{ExpertConfig, ExpertId, FitContext, Fitted};
use crate::fusion::TokenKind;
use crate::query::{Place, Query, faded_history};
use crate::sequence::{SequenceModel, TaskPrediction, TokenEffect};
use crate::tensors::{ModelError, Tensors};

/// A fitted expert. An expert that was not fitted does not exist, so it cannot score.
#[derive(Clone, Debug, PartialEq)]
pub struct Expert {
    /// Which one.
    pub id: ExpertId,
    /// The domain that it scores.
    pub domain: DomainIdx,
    config: ExpertConfig,
    model: Fitted,
    spread: f32,
}

impl Expert {
    /// Fits one expert on training events in closed form.
    ///
    /// # Errors
    /// When the data cannot support it (it stands aside and says why), or when it is trained step by step
    /// ([`of_sequence`](Self::of_sequence)).
    pub fn fit(
        id: ExpertId,
        config: &ExpertConfig,
        train: &TrainSet,
        context: FitContext<'_>,
    ) -> Result<Self, ModelError> {
        let model = config.settings().fit(id, train, &context)?;
        Ok(Self { id, domain: context.domain, config: config.clone(), model, spread: 0.0 })
    }

    /// The expert of a trained sequence model; `config` is what it was trained with.
    pub fn of_sequence(id: ExpertId, domain: DomainIdx, config: ExpertConfig, model: SequenceModel) -> Self {
        Self { id, domain, config, model: Fitted::Sequence(Box::new(model)), spread: 0.0 }
    }

    /// The expert back from its arrays.
    ///
    /// # Errors
    /// When an array is missing or does not fit the catalog.
    pub fn load(
        id: ExpertId,
        config: ExpertConfig,
        items: &ItemCatalog,
        domain: DomainIdx,
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        let model = config.settings().load(items, Place { domain, scope: id.scope }, tensors)?;
        Ok(Self { id, domain, config, model, spread: 0.0 })
    }

    /// The arrays of the model.
    pub fn save(&self) -> Tensors {
        let mut tensors = Tensors::new();
        self.model.scorer().save(&mut tensors);
        tensors
    }

    /// The settings it was fitted with.
    pub fn config(&self) -> &ExpertConfig {
        &self.config
    }

    /// The same fit read with other settings, where they only concern scoring ([`ExpertConfig::differs_in_scoring_only`]).
    #[must_use]
    pub fn with_scoring_of(mut self, config: ExpertConfig) -> Self {
        config.settings().score_by(&mut self.model);
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
        self.model.scorer().score(query, &self.history(query, items), scores);
    }

    /// The history items that count, with their weights, newest first; empty for popularity, and for sequence models, which have no
    /// fixed weights.
    pub fn history(&self, query: &Query<'_>, items: &ItemCatalog) -> Vec<(ItemIdx, f32)> {
        let Some(fading) = self.config.settings().fading() else { return Vec::new() };
        faded_history(query, fading, |item| self.id.scope.keeps(item, query.domain, items))
    }

    /// Words and bigrams that a candidate shares with the history, where this expert reads text.
    pub fn shared_words(
        &self,
        query: &Query<'_>,
        items: &ItemCatalog,
        candidate: usize,
        n: usize,
    ) -> Vec<(String, f32)> {
        self.model.scorer().shared_words(&self.history(query, items), candidate, n)
    }

    /// The history item whose text resembles a candidate's most, where this expert compares text vectors.
    pub fn most_alike(&self, query: &Query<'_>, items: &ItemCatalog, candidate: usize) -> Option<ItemIdx> {
        self.model.scorer().most_alike(&self.history(query, items), candidate)
    }

    /// Cosine of two items by what this expert reads of their content; `None` for experts that read none.
    pub fn content_similarity(&self, a: ItemIdx, b: ItemIdx) -> Option<f32> {
        self.model.scorer().content_similarity(a, b)
    }

    /// The paths over `graph` that carry the score of a candidate for somebody with this [`history`](Self::history), strongest first,
    /// where this expert walks on it.
    pub fn paths(
        &self,
        graph: &ItemGraph,
        history: &[(ItemIdx, f32)],
        candidate: usize,
        n: usize,
    ) -> Vec<GraphPath> {
        self.model.scorer().paths(graph, history, candidate, n)
    }

    /// Position of a candidate by popularity (1 = most popular), where this expert counts.
    pub fn popularity_rank(&self, candidate: usize) -> Option<f64> {
        self.model.scorer().popularity_rank(candidate)
    }

    /// A quantile of the stored item → candidate weights, where the model has them.
    pub fn weights_quantile(&self, share: f64) -> Option<f32> {
        self.model.scorer().item_weights().and_then(|weights| weights.quantile(share))
    }

    /// Whether the model is an approximation of what its name promises, and which.
    pub fn note(&self) -> Option<&'static str> {
        self.model.scorer().note()
    }

    /// The text model inside, where there is one.
    pub fn content(&self) -> Option<&Content> {
        if let Fitted::Content(model) = &self.model { Some(model) } else { None }
    }

    /// The walks inside, where there are any.
    pub fn graph_walks(&self) -> Option<&GraphWalks> {
        if let Fitted::Graph(model) = &self.model { Some(model) } else { None }
    }

    /// The sequence model inside, where there is one.
    pub fn sequence_model(&self) -> Option<&SequenceModel> {
        if let Fitted::Sequence(model) = &self.model { Some(model) } else { None }
    }

    /// What the further tasks of a sequence model say of candidates (counted within the domain); nothing where there is no such
    /// model.
    pub fn predict(&self, query: &Query<'_>, candidates: &[usize]) -> Vec<TaskPrediction> {
        let none = || vec![TaskPrediction::default(); candidates.len()];
        self.sequence_model().map_or_else(none, |model| model.predict(query, candidates))
    }

    /// Attribute values of users that it reads: ids below it; 0 when it does not look at profiles.
    pub fn n_profile_values(&self) -> usize {
        self.sequence_model().map_or(0, SequenceModel::n_profile_values)
    }

    /// The same expert without one kind of tokens in its fused item vectors; `None` where it has none.
    pub fn without_token(&self, kind: TokenKind) -> Option<Self> {
        let model = self.sequence_model()?.without_token(kind)?;
        Some(Self { model: Fitted::Sequence(Box::new(model)), ..self.clone() })
    }

    /// How much each kind of tokens counts in a candidate's fused vector; they sum to 1. Empty where vectors are not fused, or nothing is
    /// known of the item.
    pub fn token_weights(&self, candidate: usize) -> Vec<(TokenKind, f32)> {
        let Some(model) = self.sequence_model() else { return Vec::new() };
        let Some(fused) = model.input.fused() else { return Vec::new() };
        let weights = fused.weights(model.rows.candidates().start + candidate);
        let there = fused.kinds().iter().copied().zip(weights.iter().copied());
        there.filter(|(_, weight)| *weight > 0.0).collect()
    }

    /// The tokens of a candidate's fused vector with their weights and effects; nothing where vectors are not fused.
    pub fn token_effects(&self, query: &Query<'_>, candidate: usize) -> Vec<TokenEffect> {
        self.sequence_model().map_or_else(Vec::new, |model| model.token_effects(query, candidate))
    }
}
