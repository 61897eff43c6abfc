//! One training step: the loss of a batch of questions and its gradient.
//!
//! A question with several known answers is one row of the product over all entities: its loss is the sum of the losses of its
//! facts, which share their logits. That is the 1-vs-all loss of every fact at a fraction of the work.

use segue_data::{EntityIdx, Facts, Question};
use segue_nn::answers::{Answers, answers_cross_entropy};
use segue_nn::dropout::{DropoutKey, dropout};
use segue_nn::{Gradients, add_scaled};

use crate::graph_links::model::GraphModel;
use crate::graph_links::product::Sides;
use crate::graph_links::regularization::Regularizer;
use crate::graph_links::relation_loss::Pairs;
use crate::graph_links::score::{QueryGradients, ScoreFunction};

/// Rows whose scores over all entities are in memory at once.
const ROWS_PER_BLOCK: usize = 256;

/// A question and some of its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// What is asked.
    pub question: Question,
    /// Right answers, at least one.
    pub answers: Vec<EntityIdx>,
}

impl Lesson {
    /// All questions that the facts answer; one with more than `most` answers becomes several, so that no step hangs on one question.
    pub fn all_of(facts: &Facts, most: usize) -> Vec<Self> {
        let cut = |(question, answers): (Question, &[EntityIdx])| {
            // Every n-th answer, so that neighbors in the file are not always together.
            let n = answers.len().div_ceil(most.max(1));
            let part = move |at: usize| answers[at..].iter().step_by(n).copied().collect();
            (0..n).map(|at| Self { question, answers: part(at) }).collect::<Vec<_>>()
        };
        facts.iter().flat_map(cut).collect()
    }
}

/// What a step learns from. The loss is a sum over facts times `scale`, so that a fact can weigh the same in every batch.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// One or more of a question, each with answers of its own.
    pub lessons: &'a [&'a Lesson],
    /// Factor of the loss and of its gradient.
    pub scale: f32,
}

/// Buffers of a step, reused.
#[derive(Debug, Default)]
pub struct GraphStep {
    heads: Vec<f32>,       // [B, entity width]
    relations: Vec<f32>,   // [B, relation width]
    queries: Vec<f32>,     // [B, entity width]
    d_heads: Vec<f32>,     // as heads
    d_relations: Vec<f32>, // as relations
    d_queries: Vec<f32>,   // as queries
    scores: Vec<f32>,      // [rows of a block, N]
}

impl GraphStep {
    /// The loss of the batch with relation prediction and regularization; its gradient is added.
    /// `key` decides what is dropped. Equal at any thread count.
    ///
    /// # Panics
    /// When a lesson names what the model does not have.
    pub fn losses(
        &mut self,
        model: &GraphModel,
        batch: Batch<'_>,
        key: DropoutKey,
        gradients: &mut Gradients,
    ) -> f64 {
        let Batch { lessons, scale } = batch;
        self.gather(model, lessons, key);
        let mut loss = self.entity_loss(model, batch, gradients);
        let weight = model.config.relation_weight;
        if weight > 0.0 {
            loss += f64::from(weight)
                * self.relation_loss(model, Batch { scale: weight * scale, ..batch }, gradients);
        }
        self.scatter(model, lessons, key, gradients);
        f64::from(scale) * loss + regularize(model, batch, gradients)
    }

    // The batch's anchors and relations with some values dropped, and their queries.
    fn gather(&mut self, model: &GraphModel, lessons: &[&Lesson], key: DropoutKey) {
        self.heads.clear();
        self.relations.clear();
        for lesson in lessons {
            self.heads.extend_from_slice(model.entity(lesson.question.anchor.0 as usize));
            self.relations.extend_from_slice(model.relation(model.relation_row(lesson.question)));
        }
        self.drop_out(model, key, false);
        self.queries.resize(self.heads.len(), 0.0);
        let (width, relation_width) = (model.entity_width(), model.relation_width());
        let rows = self.heads.chunks_exact(width).zip(self.relations.chunks_exact(relation_width));
        for ((head, relation), query) in rows.zip(self.queries.chunks_exact_mut(width)) {
            model.config.function.query(head, relation, query);
        }
        for gradient in [&mut self.d_heads, &mut self.d_queries] {
            gradient.clear();
            gradient.resize(self.heads.len(), 0.0);
        }
        self.d_relations.clear();
        self.d_relations.resize(self.relations.len(), 0.0);
    }

    // Of values, or of their gradients. An angle of zero is no missing rotation, so angles stay.
    fn drop_out(&mut self, model: &GraphModel, key: DropoutKey, is_gradient: bool) {
        let (heads, relations) = if is_gradient {
            (&mut self.d_heads, &mut self.d_relations)
        } else {
            (&mut self.heads, &mut self.relations)
        };
        dropout(model.config.dropout, key.of(0), heads);
        if model.config.function != ScoreFunction::RotatE {
            dropout(model.config.dropout, key.of(1), relations);
        }
    }

    fn entity_loss(&mut self, model: &GraphModel, batch: Batch<'_>, gradients: &mut Gradients) -> f64 {
        let (width, n_entities) = (model.entity_width(), model.n_entities());
        let (table, comparison) = (model.params.get(model.entities), model.config.function.comparison());
        let mut loss = 0.0;
        let blocks = self.queries.chunks(ROWS_PER_BLOCK * width);
        let d_blocks = self.d_queries.chunks_mut(ROWS_PER_BLOCK * width);
        for ((queries, d_queries), lessons) in blocks.zip(d_blocks).zip(batch.lessons.chunks(ROWS_PER_BLOCK))
        {
            let sides = Sides { queries, table, width };
            self.scores.resize(lessons.len() * n_entities, 0.0);
            sides.scores(comparison, &mut self.scores);
            let (mut offsets, mut items) = (vec![0], Vec::new());
            for lesson in lessons {
                items.extend(lesson.answers.iter().map(|answer| answer.0));
                offsets.push(items.len());
            }
            let answers = Answers { offsets: &offsets, items: &items };
            loss += answers_cross_entropy(&mut self.scores, n_entities, answers, batch.scale);
            if let Some(d_table) = gradients.get_mut(model.entities) {
                sides.backward(comparison, &self.scores, d_queries, d_table);
            }
        }
        let (d_heads, d_relations) = (&mut self.d_heads, &mut self.d_relations);
        let relation_width = model.relation_width();
        let rows = self.heads.chunks_exact(width).zip(self.relations.chunks_exact(relation_width));
        let d_rows = d_heads.chunks_exact_mut(width).zip(d_relations.chunks_exact_mut(relation_width));
        for (((head, relation), d_row), d_query) in rows.zip(d_rows).zip(self.d_queries.chunks_exact(width)) {
            let d = QueryGradients { query: d_query, head: d_row.0, relation: d_row.1 };
            model.config.function.query_backward(head, relation, d);
        }
        loss
    }

    fn relation_loss(&mut self, model: &GraphModel, batch: Batch<'_>, gradients: &mut Gradients) -> f64 {
        let (mut pairs, mut relations) = (Vec::new(), Vec::new());
        for (row, lesson) in batch.lessons.iter().enumerate() {
            pairs.extend(lesson.answers.iter().map(|answer| (row, answer.0 as usize)));
            relations.resize(pairs.len(), model.relation_row(lesson.question) as u32);
        }
        let facts = Pairs { heads: &self.heads, ends: &pairs, relations: &relations };
        facts.loss(model, batch.scale, &mut self.d_heads, gradients)
    }

    // The gradients of the batch's rows, back to the tables.
    fn scatter(
        &mut self,
        model: &GraphModel,
        lessons: &[&Lesson],
        key: DropoutKey,
        gradients: &mut Gradients,
    ) {
        self.drop_out(model, key, true);
        let (width, relation_width) = (model.entity_width(), model.relation_width());
        if let Some(sums) = gradients.get_mut(model.entities) {
            for (lesson, row) in lessons.iter().zip(self.d_heads.chunks_exact(width)) {
                add_scaled(&mut sums[lesson.question.anchor.0 as usize * width..][..width], 1.0, row);
            }
        }
        if let Some(sums) = gradients.get_mut(model.relations) {
            for (lesson, row) in lessons.iter().zip(self.d_relations.chunks_exact(relation_width)) {
                let at = model.relation_row(lesson.question) * relation_width;
                add_scaled(&mut sums[at..][..relation_width], 1.0, row);
            }
        }
    }
}

// Every fact's head, relation and tail, each as often as it stands in the batch.
fn regularize(model: &GraphModel, batch: Batch<'_>, gradients: &mut Gradients) -> f64 {
    let weight = model.config.n3 * batch.scale;
    if weight == 0.0 {
        return 0.0;
    }
    let mut entities = vec![0.0; model.n_entities()];
    let mut relations = vec![0.0; 2 * model.n_relations()];
    for lesson in batch.lessons {
        let own = weight * lesson.answers.len() as f32;
        entities[lesson.question.anchor.0 as usize] += own;
        relations[model.relation_row(lesson.question)] += own;
        lesson.answers.iter().for_each(|answer| entities[answer.0 as usize] += weight);
    }
    let function = model.config.function;
    let mut loss = 0.0;
    if let Some(gradient) = gradients.get_mut(model.entities) {
        let values = model.params.get(model.entities);
        loss +=
            Regularizer::for_entities(function).penalty(&entities, model.entity_width(), values, gradient);
    }
    if let Some(gradient) = gradients.get_mut(model.relations) {
        let values = model.params.get(model.relations);
        let width = model.relation_width();
        loss += Regularizer::for_relations(function).penalty(&relations, width, values, gradient);
    }
    loss
}
