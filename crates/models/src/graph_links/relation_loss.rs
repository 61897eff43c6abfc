//! Relation prediction beside entity prediction: which relation holds between head and tail?
//!
//! Source: Chen et al., AKBC 2021 ("Relation prediction as an auxiliary training objective"). All relations and reciprocals compete.

use segue_nn::Gradients;
use segue_nn::answers::{Answers, answers_cross_entropy};

use crate::graph_links::model::GraphModel;
use crate::graph_links::product::Sides;
use crate::graph_links::rotate::{Rotations, on_circle};
use crate::graph_links::score::ScoreFunction;
use crate::graph_links::{complex, dist_mult, trans_e};

/// The facts of a batch.
pub(crate) struct Pairs<'a> {
    /// Rows of the batch's anchors, as the step reads them, `[B, entity width]`.
    pub(crate) heads: &'a [f32],
    /// Of each fact the row of its head and the index of its tail.
    pub(crate) ends: &'a [(usize, usize)],
    /// Of each fact the row of its relation.
    pub(crate) relations: &'a [u32],
}

impl Pairs<'_> {
    /// Sum over facts of `−log softmax` of the relation; gradients of `scale · sum` are added.
    pub(crate) fn loss(
        &self,
        model: &GraphModel,
        scale: f32,
        d_heads: &mut [f32],
        gradients: &mut Gradients,
    ) -> f64 {
        if model.config.function == ScoreFunction::RotatE {
            return self.rotation_loss(model, scale, d_heads, gradients);
        }
        let (entity_width, width) = (model.entity_width(), model.relation_width());
        let mut queries = vec![0.0; self.ends.len() * width]; // [P, relation width]
        for (&(row, tail), query) in self.ends.iter().zip(queries.chunks_exact_mut(width)) {
            let (head, tail) = (&self.heads[row * entity_width..][..entity_width], model.entity(tail));
            match model.config.function {
                ScoreFunction::ComplEx => complex::relation_query(head, tail, query),
                ScoreFunction::DistMult => dist_mult::multiply(head, tail, query),
                _ => trans_e::difference(head, tail, query),
            }
        }
        let sides = Sides { queries: &queries, table: model.params.get(model.relations), width };
        let comparison = model.config.function.comparison();
        let mut scores = vec![0.0; self.ends.len() * 2 * model.n_relations()]; // [P, 2 R]
        sides.scores(comparison, &mut scores);
        let loss = self.cross_entropy(&mut scores, 2 * model.n_relations(), scale);
        let mut d_queries = vec![0.0; queries.len()];
        if let Some(d_relations) = gradients.get_mut(model.relations) {
            sides.backward(comparison, &scores, &mut d_queries, d_relations);
        }
        let Some(d_entities) = gradients.get_mut(model.entities) else { return loss };
        for (&(row, at), d_query) in self.ends.iter().zip(d_queries.chunks_exact(width)) {
            let (head, tail) = (&self.heads[row * entity_width..][..entity_width], model.entity(at));
            let d_head = &mut d_heads[row * entity_width..][..entity_width];
            let d_tail = &mut d_entities[at * entity_width..][..entity_width];
            match model.config.function {
                ScoreFunction::ComplEx => {
                    complex::relation_query_backward(head, tail, d_query, d_head, d_tail);
                }
                ScoreFunction::DistMult => dist_mult::multiply_backward(head, tail, d_query, d_head, d_tail),
                _ => trans_e::difference_backward(d_query, d_head, d_tail),
            }
        }
        loss
    }

    // A rotation is no sum: there is no one query of head and tail.
    fn rotation_loss(
        &self,
        model: &GraphModel,
        scale: f32,
        d_heads: &mut [f32],
        gradients: &mut Gradients,
    ) -> f64 {
        let width = model.entity_width();
        let (mut heads, mut tails) = (Vec::new(), Vec::new()); // [P, entity width]
        for &(row, tail) in self.ends {
            heads.extend_from_slice(&self.heads[row * width..][..width]);
            tails.extend_from_slice(model.entity(tail));
        }
        let circle = on_circle(model.params.get(model.relations), width / 2);
        let rotations = Rotations { heads: &heads, tails: &tails, circle: &circle, width };
        let mut scores = vec![0.0; self.ends.len() * 2 * model.n_relations()]; // [P, 2 R]
        rotations.scores(&mut scores);
        let loss = self.cross_entropy(&mut scores, 2 * model.n_relations(), scale);
        let (mut d_own, mut d_tails) = (vec![0.0; heads.len()], vec![0.0; heads.len()]);
        if let Some(d_angles) = gradients.get_mut(model.relations) {
            rotations.backward(&scores, &mut d_own, &mut d_tails, d_angles);
        }
        let Some(d_entities) = gradients.get_mut(model.entities) else { return loss };
        let rows = d_own.chunks_exact(width).zip(d_tails.chunks_exact(width));
        for (&(row, tail), (d_own, d_tail)) in self.ends.iter().zip(rows) {
            add(&mut d_heads[row * width..][..width], d_own);
            add(&mut d_entities[tail * width..][..width], d_tail);
        }
        loss
    }

    fn cross_entropy(&self, scores: &mut [f32], n_rows: usize, scale: f32) -> f64 {
        let offsets: Vec<usize> = (0..=self.ends.len()).collect();
        answers_cross_entropy(scores, n_rows, Answers { offsets: &offsets, items: self.relations }, scale)
    }
}

fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
