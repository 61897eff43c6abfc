//! Fused items on disk: what a trained model keeps of them, with the graph network's outcome in place of the network.

use segue_nn::Params;

use super::config::{FusedSettings, TokenKind};
use super::inputs::{DenseInput, GraphInput, put_flags, take_flags};
use super::items::{FusedItems, ItemCache};
use crate::graph_links::network::NetworkCache;
use crate::rows::Rows;
use crate::tensors::{ModelError, Tensors};

impl FusedItems {
    /// The same with the outcome of the graph network in its place.
    pub(crate) fn kept(mut self, params: &Params) -> Self {
        self.graph = self.graph.as_ref().map(|graph| GraphInput::Kept {
            vectors: self.graph_vectors(params, graph, None, &mut NetworkCache::default()),
            present: graph.present(),
        });
        self.net = None;
        self.cache = ItemCache::default();
        self
    }

    /// What a kept model needs; `params` as the newest pass without a key read them.
    pub(crate) fn save(&self, params: &Params, tensors: &mut Tensors) {
        self.inputs.iter().for_each(|input| input.save(tensors));
        put_flags("fused.known", &self.known, tensors);
        let kinds: Vec<String> = self.kinds.iter().map(|kind| kind.name().to_owned()).collect();
        tensors.put_texts("fused.kinds", &kinds);
        if let Some(graph) = &self.graph {
            let vectors = self.graph_vectors(params, graph, None, &mut NetworkCache::default());
            tensors.put_f32("fused.graph.vectors", vectors);
            put_flags("fused.graph.present", &graph.present(), tensors);
        }
    }

    pub(crate) fn load(
        config: FusedSettings<'_>,
        rows: &Rows,
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        let names = tensors.take_texts("fused.kinds")?;
        let named = |name: &String| {
            let kind = TokenKind::ALL.into_iter().find(|kind| kind.name() == name);
            kind.filter(|kind| config.fusion.tokens.contains(kind))
        };
        let kinds: Option<Vec<TokenKind>> = names.iter().map(named).collect();
        let ascending = |kinds: &Vec<TokenKind>| !kinds.is_empty() && kinds.is_sorted_by(|a, b| a < b);
        let kinds = kinds.filter(ascending).ok_or_else(|| {
            let expected = "kinds of tokens as in the config, each once, in order".into();
            ModelError::Inconsistent { tensor: "fused.kinds".into(), expected }
        })?;
        let n_rows = rows.n_rows();
        let dense = kinds.iter().filter(|kind| !matches!(kind, TokenKind::Graph | TokenKind::Id));
        let dense: Result<Vec<_>, _> = dense.map(|&kind| DenseInput::load(kind, n_rows, tensors)).collect();
        let has_graph = kinds.contains(&TokenKind::Graph);
        let graph = has_graph.then(|| GraphInput::load(n_rows, config.width, tensors)).transpose()?;
        let known = take_flags("fused.known", n_rows, tensors)?;
        let items = Self::with_inputs(config, dense?, graph, known);
        if items.kinds != kinds {
            let expected = "an own token where the config has one".into();
            return Err(ModelError::Inconsistent { tensor: "fused.kinds".into(), expected });
        }
        Ok(items)
    }
}
