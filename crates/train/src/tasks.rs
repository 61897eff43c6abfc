//! How well the further tasks of a sequence model do on cases: ratings against simple means, probabilities against what was chosen.

use rayon::prelude::*;
use segue_eval::prediction::{
    Forecast, LabeledLogit, PredictedRating, ProbabilityFigures, RatingFigures, calibrate,
};
use segue_models::sequence::{SequenceModel, shown_against};
use segue_models::{Expert, ExpertId};
use serde::{Deserialize, Serialize};

use crate::judge::Judge;

/// The further tasks of one expert, on some cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskFigures {
    /// The expert.
    pub expert: ExpertId,
    /// Ratings; `None` where they are no task, or all the same.
    pub rating: Option<RatingTask>,
    /// Choices; `None` where they are no task.
    pub click: Option<ClickTask>,
}

/// Predicted ratings beside simple predictions of the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatingTask {
    /// By the model.
    pub model: RatingFigures,
    /// By the mean of the domain's training events.
    pub mean: RatingFigures,
    /// By mean, item and user biases (`μ + b_i + b_u`, shrunk towards 0 by 10 events; Koren, 2009).
    pub biases: RatingFigures,
}

/// Predicted probabilities of choices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClickTask {
    /// Items drawn evenly against each one that was chosen.
    pub n_negatives: usize,
    /// Of the calibrated probabilities.
    pub model: ProbabilityFigures,
}

/// Measures the tasks of an expert; `None` when it has none.
pub fn measure_tasks(expert: &Expert, judge: &Judge<'_>, seed: u64) -> Option<TaskFigures> {
    let model = expert.sequence_model()?;
    if !model.predicts_ratings() && !model.predicts_clicks() {
        return None;
    }
    let n_negatives = model.config.tasks.click_negatives;
    let predictions: Vec<_> = (0..judge.n_cases())
        .into_par_iter()
        .map(|at| model.predict(&judge.query(at), &shown(judge, at, n_negatives, seed)))
        .collect();
    // The first of the candidates is the one that was chosen.
    let clicks: Vec<Forecast> = predictions
        .iter()
        .flat_map(|candidates| candidates.iter().enumerate())
        .filter_map(|(place, candidate)| {
            Some(Forecast { probability: f64::from(candidate.click?), came_true: place == 0 })
        })
        .collect();
    let click = ProbabilityFigures::of(&clicks).map(|model| ClickTask { n_negatives, model });
    let ratings: Vec<Option<f32>> = predictions.iter().map(|candidates| candidates[0].rating).collect();
    Some(TaskFigures { expert: expert.id, rating: rating_task(model, &ratings, judge), click })
}

/// Slope and shift of a model's logits of choices that fit the cases; as they are where choices are no task.
pub(crate) fn calibration_of(model: &SequenceModel, judge: &Judge<'_>, seed: u64) -> [f32; 2] {
    if !model.predicts_clicks() {
        return model.config.tasks.calibration;
    }
    let n_negatives = model.config.tasks.click_negatives;
    let logits: Vec<Vec<LabeledLogit>> = (0..judge.n_cases())
        .into_par_iter()
        .map(|at| {
            let logits = model.click_logits(&judge.query(at), &shown(judge, at, n_negatives, seed));
            let labeled = |(place, logit)| LabeledLogit { logit: f64::from(logit), came_true: place == 0 };
            logits.into_iter().enumerate().map(labeled).collect()
        })
        .collect();
    calibrate(&logits.concat()).map(|x| x as f32)
}

// The target of a case and items drawn against it, another draw for every case.
fn shown(judge: &Judge<'_>, at: usize, n: usize, seed: u64) -> Vec<usize> {
    let n_items = judge.items().range(judge.domain()).len();
    shown_against(judge.targets()[at] as usize, n_items, n, seed.wrapping_mul(1_000_003) ^ at as u64)
}

/// `ratings[case]` is what the model predicts for the target; `None` where it cannot say.
fn rating_task(model: &SequenceModel, ratings: &[Option<f32>], judge: &Judge<'_>) -> Option<RatingTask> {
    let figures = |predict: &dyn Fn(usize, f32) -> f32| {
        let compare = |(case, rating): (usize, &Option<f32>)| {
            let predicted = f64::from(predict(case, (*rating)?));
            Some(PredictedRating { predicted, given: f64::from(judge.value(case)) })
        };
        RatingFigures::of(&ratings.iter().enumerate().filter_map(compare).collect::<Vec<_>>())
    };
    Some(RatingTask {
        model: figures(&|_, rating| rating)?,
        mean: figures(&|_, _| model.mean_rating())?,
        biases: figures(&|at, _| model.rating_by_means(&judge.query(at), judge.targets()[at] as usize))?,
    })
}
