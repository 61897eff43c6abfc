//! Trains a model of a knowledge graph; the filtered MRR on valid chooses the pass.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_data::{Facts, Question, Triple};
use segue_eval::links::{LinkFigures, rank_links};
use segue_models::ModelError;
use segue_models::graph_links::{
    Batch, GraphConfig, GraphModel, GraphSize, GraphStep, Lesson, ScoreFunction,
};
use segue_models::range::{self, first, outside};
use segue_nn::dropout::DropoutKey;
use segue_nn::{Gradients, Params};

use crate::error::TrainError;
use crate::keeping::Keeping;
use crate::learn::{Epoch, LearnPlan, Learner, Method, learn};

/// Settings of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GraphPlan {
    /// What is learned, and by which loss.
    pub config: GraphConfig,
    /// Learning rate of Adagrad.
    pub rate: f32,
    /// Questions per step.
    pub batch: usize,
    /// Answers of a question that are learned together; a question with more becomes several.
    pub answers: usize,
    /// Most passes.
    pub epochs: usize,
    /// Passes without a better MRR on valid after which training stops.
    pub patience: usize,
    /// Seed of the start, of the order and of dropout.
    pub seed: u64,
}

impl GraphPlan {
    /// The defaults of a score function.
    pub fn of(function: ScoreFunction) -> Self {
        let is_product = matches!(function, ScoreFunction::ComplEx | ScoreFunction::DistMult);
        let config = GraphConfig {
            function,
            dim: if is_product { 500 } else { 200 },
            n3: if is_product { 0.01 } else { 0.0 },
            relation_weight: 0.1,
            dropout: 0.0,
        };
        let rate = if is_product { 0.1 } else { 0.05 };
        Self { config, rate, batch: 128, answers: 8, epochs: 100, patience: 25, seed: 0 }
    }

    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        first([
            // Tighter than what a model may hold: the members of an ensemble stand side by side in one model.
            outside("dim", self.config.dim, range::WIDTH),
            self.config.problem().map(str::to_owned),
            outside("rate", self.rate, range::LEARNING_RATE),
            outside("batch", self.batch, range::BATCH),
            outside("answers", self.answers, range::BATCH),
            outside("epochs", self.epochs, 1..=*range::PASSES.end()),
        ])
    }
}

impl Default for GraphPlan {
    fn default() -> Self {
        Self::of(ScoreFunction::ComplEx)
    }
}

/// A model of several members.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphEnsemble {
    /// All of them in one ([`GraphModel::together`]).
    pub model: GraphModel,
    /// Every member's curve.
    pub curves: Vec<Vec<Epoch>>,
    /// MRR on valid of all together; `None` without facts of valid.
    pub valid_mrr: Option<f64>,
}

/// What there is to learn; never the test split.
#[derive(Clone, Copy, Debug)]
pub struct GraphMaterial<'a> {
    /// Number of entities.
    pub n_entities: usize,
    /// Number of relations.
    pub n_relations: usize,
    /// Facts to learn from.
    pub train: &'a [Triple],
    /// Facts that choose the pass; empty: the last pass is kept.
    pub valid: &'a [Triple],
    /// Facts that are no wrong answers to a question of valid. Published figures filter by all facts, test among them: no vector is
    /// learned from them, but which pass is kept depends on them. By train and valid alone nothing does.
    pub filter: &'a Facts,
}

/// Trains; the model of the best pass, and the curve.
///
/// # Errors
/// When settings are out of range, there is nothing to learn from, training diverges, or as [`learn`] where `keeping` says so.
pub fn fit_graph(
    plan: &GraphPlan,
    material: GraphMaterial<'_>,
    keeping: Keeping<'_>,
    observe: impl FnMut(&Epoch),
) -> Result<(GraphModel, Vec<Epoch>), TrainError> {
    check(plan, material)?;
    let size = GraphSize { n_entities: material.n_entities, n_relations: material.n_relations };
    let model = GraphModel::new(plan.config, size, &mut ChaCha8Rng::seed_from_u64(plan.seed));
    let model = model.map_err(of_graph)?;
    let lessons = Lesson::all_of(&Facts::of(material.train.iter().copied()), plan.answers);
    let n_answers: usize = lessons.iter().map(|lesson| lesson.answers.len()).sum();
    let learn_plan = LearnPlan {
        n_examples: lessons.len(),
        batch_size: plan.batch.min(lessons.len()),
        method: Method::Adagrad,
        learning_rate: plan.rate,
        warmup_steps: 1,
        weight_decay: 0.0,
        clip_norm: f32::MAX,
        epochs: if material.valid.is_empty() { plan.epochs } else { 0 },
        max_epochs: plan.epochs,
        patience: plan.patience,
        seed: plan.seed,
    };
    let mut learner = GraphLearner {
        answers_per_lesson: n_answers as f32 / lessons.len() as f32,
        filter: material.filter,
        valid: material.valid,
        step: GraphStep::default(),
        model,
        lessons,
    };
    let curve = learn(&mut learner, &learn_plan, keeping, observe)?;
    Ok((learner.model, curve))
}

/// Trains `n_members` models that differ by their seed alone, each until its best pass, and puts them together: errors that depend on
/// start and order cancel (Lakshminarayanan et al., NIPS 2017). `observe` is told the member, from 0.
///
/// # Errors
/// As [`fit_graph`]; also when there is to be no member, or all do not fit in memory.
pub fn fit_members(
    plan: &GraphPlan,
    n_members: usize,
    material: GraphMaterial<'_>,
    keeping: Keeping<'_>,
    mut observe: impl FnMut(usize, &Epoch),
) -> Result<GraphEnsemble, TrainError> {
    if n_members == 0 {
        return Err(TrainError::request("a model of no members", "give at least 1"));
    }
    check(plan, material)?;
    // Refused now, not after all of them are trained.
    let whole = GraphConfig { dim: plan.config.dim.saturating_mul(n_members), ..plan.config };
    let too_large = |problem: ModelError| {
        let problem = format!("{n_members} members do not go into one model: {problem}");
        TrainError::request(problem, "train fewer members, or lower dim")
    };
    let size = GraphSize { n_entities: material.n_entities, n_relations: material.n_relations };
    GraphModel::check(&whole, size).map_err(too_large)?;
    let (mut members, mut curves) = (Vec::new(), Vec::new());
    for member in 0..n_members {
        // Neighboring seeds share no member.
        let plan = GraphPlan { seed: plan.seed ^ (member as u64) << 32, ..*plan };
        let folder = keeping.folder.map(|folder| folder.join(format!("member-{member}")));
        let keeping = Keeping { folder: folder.as_deref(), ..keeping };
        let (model, curve) = fit_graph(&plan, material, keeping, |epoch| observe(member, epoch))?;
        members.push(model);
        curves.push(curve);
    }
    let model = GraphModel::together(&members).map_err(of_graph)?;
    let valid_mrr =
        (!material.valid.is_empty()).then(|| mrr(&model, material.valid, material.filter)).transpose()?;
    Ok(GraphEnsemble { model, curves, valid_mrr })
}

fn of_graph(source: ModelError) -> TrainError {
    TrainError::Model { expert: "graph".to_owned(), source }
}

fn mrr(model: &GraphModel, facts: &[Triple], filter: &Facts) -> Result<f64, TrainError> {
    let score = |questions: &[Question], scores: &mut [f32]| model.score(questions, scores);
    let ranks = rank_links(facts, filter, model.n_entities(), score)?;
    Ok(LinkFigures::of(&ranks).map_or(0.0, |figures| figures.mrr))
}

fn check(plan: &GraphPlan, material: GraphMaterial<'_>) -> Result<(), TrainError> {
    if let Some(problem) = plan.problem() {
        return Err(TrainError::request(problem, "give a value in that range"));
    }
    if material.train.is_empty() {
        return Err(TrainError::request("there is no fact to learn from", "give a graph with facts"));
    }
    Ok(())
}

struct GraphLearner<'a> {
    model: GraphModel,
    lessons: Vec<Lesson>,
    answers_per_lesson: f32,
    filter: &'a Facts,
    valid: &'a [Triple],
    step: GraphStep,
}

impl Learner for GraphLearner<'_> {
    fn params(&mut self) -> &mut Params {
        &mut self.model.params
    }

    fn losses(&mut self, batch: &[usize], key: DropoutKey, gradients: &mut Gradients) -> f64 {
        let lessons: Vec<&Lesson> = batch.iter().map(|&at| &self.lessons[at]).collect();
        // The same for every batch, so that a fact weighs the same wherever it stands.
        let scale = 1.0 / (batch.len() as f32 * self.answers_per_lesson);
        self.step.losses(&self.model, Batch { lessons: &lessons, scale }, key, gradients)
    }

    fn validate(&mut self) -> Result<f64, TrainError> {
        mrr(&self.model, self.valid, self.filter)
    }
}
