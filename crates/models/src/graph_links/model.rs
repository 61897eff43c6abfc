//! The vectors of entities and relations, and the scores that they give.

use rand::Rng;
use segue_data::Question;
use segue_nn::{Init, ParamId, Params};
use serde::{Deserialize, Serialize};

use crate::graph_links::product::Sides;
use crate::graph_links::score::{Comparison, ScoreFunction};
use crate::tensors::{ModelError, Tensors};

/// Values above which a table is refused: 8 GiB.
const VALUES_MAX: usize = 1 << 31;

/// What is learned, and by which loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphConfig {
    /// Score function.
    pub function: ScoreFunction,
    /// Numbers per entity, from 1; complex ones where the function has such.
    pub dim: usize,
    /// Weight of the regularization of the vectors of each fact: the cube of every modulus (N3), of `TransE` the square.
    pub n3: f32,
    /// Weight of relation prediction beside entity prediction.
    pub relation_weight: f32,
    /// Share of the values of anchor and relation that are dropped, in [0, 1).
    pub dropout: f32,
}

impl GraphConfig {
    /// What is wrong with the settings.
    pub fn problem(&self) -> Option<&'static str> {
        let weight = |x: f32| x.is_finite() && x >= 0.0;
        if self.dim == 0 || self.dim > 1 << 20 {
            return Some("dim must be from 1 to 1,048,576");
        }
        if !weight(self.n3) || !weight(self.relation_weight) {
            return Some("n3 and relation weight must be finite and not negative");
        }
        (!(0.0..1.0).contains(&self.dropout)).then_some("dropout must be in [0, 1)")
    }
}

/// What the tables of a model have rows for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphSize {
    /// Number of entities.
    pub n_entities: usize,
    /// Number of relations, without reciprocals.
    pub n_relations: usize,
}

/// A model of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphModel {
    /// Settings.
    pub config: GraphConfig,
    /// `entities` (`[N, entity width]`) and `relations` (`[2 R, relation width]`: all relations, then their reciprocals).
    pub params: Params,
    pub(crate) entities: ParamId,
    pub(crate) relations: ParamId,
    size: GraphSize,
}

impl GraphModel {
    /// Drawn at random, as training starts.
    ///
    /// # Errors
    /// When the settings are out of range or the tables would not fit in memory.
    pub fn new(config: GraphConfig, size: GraphSize, rng: &mut impl Rng) -> Result<Self, ModelError> {
        let deviation = match config.function.comparison() {
            // As Lacroix et al. start.
            Comparison::Product => 1e-3,
            Comparison::Distance(_) => 1.0 / (config.dim.max(1) as f32).sqrt(),
        };
        // Angles all around the circle.
        let relation_deviation =
            if config.function == ScoreFunction::RotatE { std::f32::consts::PI } else { deviation };
        let (mut params, shapes) = (Params::new(), shapes(&config, size)?);
        let entities = params.add("entities", &shapes[0], Init::Normal(deviation), rng);
        let relations = params.add("relations", &shapes[1], Init::Normal(relation_deviation), rng);
        Ok(Self { config, params, entities, relations, size })
    }

    /// Whether there can be a model of these settings, of so many entities and relations.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn check(config: &GraphConfig, size: GraphSize) -> Result<(), ModelError> {
        shapes(config, size).map(|_| ())
    }

    /// Several models of one graph as one, whose vectors are theirs one after another: its score of a fact is their mean.
    ///
    /// # Errors
    /// When there is none, their settings or sizes differ, or the vectors would not fit in memory.
    pub fn together(members: &[Self]) -> Result<Self, ModelError> {
        let refuse = |reason: &str| ModelError::StandsAside { expert: "graph", reason: reason.to_owned() };
        let first = members.first().ok_or_else(|| refuse("no model to put together"))?;
        if !members.iter().all(|other| other.config == first.config && other.size == first.size) {
            return Err(refuse("models of other settings or another graph do not go together"));
        }
        let config = GraphConfig { dim: first.config.dim * members.len(), ..first.config };
        let size = first.size;
        let [entity_shape, relation_shape] = shapes(&config, size)?;
        let (by_entity, by_relation) = config.function.mean_factors(members.len());
        let joined = |id: fn(&Self) -> ParamId, factor: f32| {
            let tables: Vec<&[f32]> = members.iter().map(|member| member.params.get(id(member))).collect();
            side_by_side(&tables, first.config.dim, factor)
        };
        let mut params = Params::new();
        let entities =
            params.add_values("entities", &entity_shape, joined(|model| model.entities, by_entity));
        let relations =
            params.add_values("relations", &relation_shape, joined(|model| model.relations, by_relation));
        Ok(Self { config, params, entities, relations, size })
    }

    /// Number of entities.
    pub fn n_entities(&self) -> usize {
        self.size.n_entities
    }

    /// Number of relations, without reciprocals.
    pub fn n_relations(&self) -> usize {
        self.size.n_relations
    }

    /// Values of an entity's vector.
    pub fn entity_width(&self) -> usize {
        self.config.function.entity_width(self.config.dim)
    }

    pub(crate) fn relation_width(&self) -> usize {
        self.config.function.relation_width(self.config.dim)
    }

    /// The row of a question's relation, or of its reciprocal.
    pub(crate) fn relation_row(&self, question: Question) -> usize {
        question.relation.0 as usize + if question.inverse { self.size.n_relations } else { 0 }
    }

    pub(crate) fn entity(&self, row: usize) -> &[f32] {
        let width = self.entity_width();
        &self.params.get(self.entities)[row * width..][..width]
    }

    pub(crate) fn relation(&self, row: usize) -> &[f32] {
        let width = self.relation_width();
        &self.params.get(self.relations)[row * width..][..width]
    }

    /// The score of every entity as the answer of every question, `[questions, N]`.
    ///
    /// # Panics
    /// When a question names what the model does not have, or the shape does not fit.
    pub fn score(&self, questions: &[Question], scores: &mut [f32]) {
        assert_eq!(scores.len(), questions.len() * self.size.n_entities, "shape of the scores");
        let width = self.entity_width();
        let mut queries = vec![0.0; questions.len() * width]; // [questions, width]
        for (question, query) in questions.iter().zip(queries.chunks_exact_mut(width)) {
            let anchor = self.entity(question.anchor.0 as usize);
            self.config.function.query(anchor, self.relation(self.relation_row(*question)), query);
        }
        let sides = Sides { queries: &queries, table: self.params.get(self.entities), width };
        sides.scores(self.config.function.comparison(), scores);
    }

    /// Into arrays named as those in `params`.
    pub fn save(&self, tensors: &mut Tensors) {
        tensors.put_f32("entities", self.params.get(self.entities).to_vec());
        tensors.put_f32("relations", self.params.get(self.relations).to_vec());
    }

    /// What [`save`](Self::save) wrote, under the same settings.
    ///
    /// # Errors
    /// When the settings are out of range, or an array is missing, not finite, or of another size.
    pub fn load(config: GraphConfig, size: GraphSize, tensors: &mut Tensors) -> Result<Self, ModelError> {
        let [entity_shape, relation_shape] = shapes(&config, size)?;
        let mut params = Params::new();
        let mut take = |name: &str, shape: [usize; 2]| {
            let values = tensors.take_f32(name)?;
            if values.len() != shape[0] * shape[1] {
                let expected =
                    format!("{} values of {} rows, not {}", shape[0] * shape[1], shape[0], values.len());
                return Err(ModelError::Inconsistent { tensor: name.to_owned(), expected });
            }
            Ok(params.add_values(name, &shape, values))
        };
        let entities = take("entities", entity_shape)?;
        let relations = take("relations", relation_shape)?;
        Ok(Self { config, params, entities, relations, size })
    }
}

// Tables whose rows are parts of `dim` values (all of a vector, or its real, then its imaginary numbers): each part of the one before the
// same part of the next.
fn side_by_side(tables: &[&[f32]], dim: usize, factor: f32) -> Vec<f32> {
    let n_values = tables.first().map_or(0, |table| table.len());
    let parts = (0..n_values).step_by(dim);
    let of_all = parts.flat_map(|part| tables.iter().flat_map(move |table| &table[part..part + dim]));
    of_all.map(|x| x * factor).collect()
}

fn shapes(config: &GraphConfig, size: GraphSize) -> Result<[[usize; 2]; 2], ModelError> {
    let refuse = |reason: String| ModelError::StandsAside { expert: "graph", reason };
    if let Some(problem) = config.problem() {
        return Err(refuse(problem.to_owned()));
    }
    let shapes = [
        [size.n_entities, config.function.entity_width(config.dim)],
        [2 * size.n_relations, config.function.relation_width(config.dim)],
    ];
    for [rows, width] in shapes {
        if rows.checked_mul(width).is_none_or(|n| n > VALUES_MAX) {
            return Err(refuse(format!("{rows} vectors of {width} values do not fit in memory; lower dim")));
        }
    }
    Ok(shapes)
}
