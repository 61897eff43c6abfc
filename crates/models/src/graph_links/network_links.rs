//! Link prediction on the vectors that a [`Network`] starts from: the loss `L_K` that is trained with the recommendation.
//!
//! A question (anchor, relation, ?) is the product of anchor and relation, and an entity's score the product with that (`DistMult`, Yang
//! et al., ICLR 2015), with reciprocal relations for questions about heads. Candidates are drawn: a step must not cost more than
//! the recommendation that it serves.

use segue_nn::Gradients;
use segue_nn::dropout::DropoutKey;
use segue_nn::sampled_softmax::SampledSoftmax;

use super::network::{Adjacency, Network, Pass};
use crate::losses::LossForm;
use crate::losses::squared_error::squared_error;

/// Questions of one step.
struct Questions {
    anchors: Vec<u32>,
    relations: Vec<u32>,
    answers: Vec<u32>,
}

impl Network {
    /// The weighted mean loss of some facts, drawn by the key of the pass, each asked for its head or its tail; gradients are added. 0
    /// without facts.
    pub fn link_loss(&self, pass: Pass<'_>, form: LossForm, weight: f32, gradients: &mut Gradients) -> f64 {
        let Pass { params, adjacency, key } = pass;
        let key = key.unwrap_or(DropoutKey::new(0));
        if adjacency.facts().is_empty() || weight == 0.0 {
            return 0.0;
        }
        let questions = adjacency.questions(self.config.n_facts, key.of(0));
        let negatives = adjacency.drawn_entities(self.config.n_negatives, key.of(1));
        let width = self.width();
        let [nodes_id, relations_id] = self.arrays();
        let (nodes, relations) = (params.get(nodes_id), params.get(relations_id));
        let row = |table: &[f32], at: u32| -> Vec<f32> { table[at as usize * width..][..width].to_vec() };
        let mut queries = Vec::with_capacity(questions.anchors.len() * width); // [n_facts, width]
        for (&anchor, &relation) in questions.anchors.iter().zip(&questions.relations) {
            let pair = row(nodes, anchor).into_iter().zip(row(relations, relation));
            queries.extend(pair.map(|(x, r)| x * r));
        }
        let mut d_queries = vec![0.0; queries.len()];
        let (loss, of_rows) = match form {
            LossForm::Rank => {
                let positives = &questions.answers;
                let softmax = SampledSoftmax { width, table: nodes, positives, negatives: &negatives };
                let (loss, rows) = softmax.run(&queries, &mut d_queries);
                (loss, (rows.rows, rows.values))
            }
            LossForm::Mse => {
                let candidates = [questions.answers.as_slice(), &negatives].concat();
                squared(nodes, &queries, &questions.answers, candidates, &mut d_queries)
            }
        };
        if let Some(d_nodes) = gradients.get_mut(nodes_id) {
            for (node, d) in of_rows.0.iter().zip(of_rows.1.chunks_exact(width)) {
                segue_nn::add_scaled(&mut d_nodes[*node as usize * width..][..width], weight, d);
            }
        }
        for (at, d) in d_queries.chunks_exact(width).enumerate() {
            let (anchor, relation) = (questions.anchors[at], questions.relations[at]);
            let through =
                |factor: Vec<f32>| -> Vec<f32> { d.iter().zip(factor).map(|(d, x)| d * x).collect() };
            let (to_anchor, to_relation) = (through(row(relations, relation)), through(row(nodes, anchor)));
            for (id, row, d) in [(nodes_id, anchor, to_anchor), (relations_id, relation, to_relation)] {
                if let Some(sums) = gradients.get_mut(id) {
                    segue_nn::add_scaled(&mut sums[row as usize * width..][..width], weight, &d);
                }
            }
        }
        loss * f64::from(weight)
    }
}

// `(1/N) Σ_i Σ_j (q_i · e_j − [j answers i])²`, j over the answers of all questions and the entities drawn; rows are candidates
// with their gradients.
fn squared(
    nodes: &[f32],
    queries: &[f32],
    answers: &[u32],
    candidates: Vec<u32>,
    d_queries: &mut [f32],
) -> (f64, (Vec<u32>, Vec<f32>)) {
    if answers.is_empty() {
        return (0.0, (Vec::new(), Vec::new()));
    }
    let n = answers.len();
    let width = queries.len() / n;
    let of = |at: usize| &nodes[candidates[at] as usize * width..][..width];
    let mut d_candidates = vec![0.0; candidates.len() * width]; // [n_candidates, width]
    let mut loss = 0.0;
    for (at, query) in queries.chunks_exact(width).enumerate() {
        // An answer of another question may be one of this one's too; only its own is known here, and the others are not asked.
        let asked: Vec<usize> = std::iter::once(at)
            .chain((n..candidates.len()).filter(|&other| candidates[other] != answers[at]))
            .collect();
        let scores: Vec<f32> = asked.iter().map(|&other| segue_nn::dot(query, of(other))).collect();
        let labels: Vec<f32> = asked.iter().map(|&other| f32::from(other == at)).collect();
        let mut d_scores = vec![0.0; scores.len()];
        loss += squared_error(&scores, &labels, n, 1.0, &mut d_scores);
        for (&other, d) in asked.iter().zip(d_scores) {
            segue_nn::add_scaled(&mut d_queries[at * width..][..width], d, of(other));
            segue_nn::add_scaled(&mut d_candidates[other * width..][..width], d, query);
        }
    }
    (loss, (candidates, d_candidates))
}

impl Adjacency {
    fn questions(&self, n: usize, key: DropoutKey) -> Questions {
        let mut questions = Questions { anchors: Vec::new(), relations: Vec::new(), answers: Vec::new() };
        for at in 0..n as u64 {
            let number = key.of(at).number();
            let [head, relation, tail] = self.facts()[((number >> 1) % self.facts().len() as u64) as usize];
            let asks_for_head = number & 1 == 1;
            let reciprocal = relation + self.n_relations() as u32;
            let (anchor, relation, answer) =
                if asks_for_head { (tail, reciprocal, head) } else { (head, relation, tail) };
            questions.anchors.push(anchor);
            questions.relations.push(relation);
            questions.answers.push(answer);
        }
        questions
    }

    fn drawn_entities(&self, n: usize, key: DropoutKey) -> Vec<u32> {
        let n_entities = self.n_entities() as u64;
        (0..n as u64).map(|at| (key.of(at).number() % n_entities) as u32).collect()
    }
}
