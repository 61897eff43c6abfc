//! How well the further tasks of a sequence model do on cases: ratings against simple means, probabilities against what was chosen.

use rayon::prelude::*;
use segue_data::{ItemCatalog, TrainSet};
use segue_eval::prediction::{ProbabilityFigures, RatingFigures, calibrate};
use segue_models::behavior::{Behavior, shown_against};
use segue_models::{Expert, ExpertId, Query};
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

/// Measures the tasks of an expert; `None` when it has none. `train` is what it was trained on.
pub fn measure_tasks(expert: &Expert, train: &TrainSet, judge: &Judge<'_>, seed: u64) -> Option<TaskFigures> {
    let model = expert.sequence_model()?;
    if !model.predicts_ratings() && !model.predicts_clicks() {
        return None;
    }
    let n_negatives = model.config.tasks.click_negatives;
    let said: Vec<_> = (0..judge.n_cases())
        .into_par_iter()
        .map(|at| model.predict(&judge.query(at), &shown(judge, at, n_negatives, seed)))
        .collect();
    let ratings: Vec<(usize, f32)> =
        said.iter().enumerate().filter_map(|(at, said)| Some((at, said[0].rating?))).collect();
    let clicks: Vec<(f64, bool)> = said
        .iter()
        .flat_map(|said| said.iter().enumerate())
        .filter_map(|(place, said)| Some((f64::from(said.click?), place == 0)))
        .collect();
    let model = ProbabilityFigures::of(&clicks);
    Some(TaskFigures {
        expert: expert.id,
        rating: rating_task(&ratings, train, judge),
        click: model.map(|model| ClickTask { n_negatives, model }),
    })
}

/// Slope and shift of a model's logits of choices that fit the cases; as they are where choices are no task.
pub(crate) fn calibration_of(model: &Behavior, judge: &Judge<'_>, seed: u64) -> [f32; 2] {
    if !model.predicts_clicks() {
        return model.config.tasks.calibration;
    }
    let n_negatives = model.config.tasks.click_negatives;
    let pairs: Vec<Vec<(f64, bool)>> = (0..judge.n_cases())
        .into_par_iter()
        .map(|at| {
            let logits = model.click_logits(&judge.query(at), &shown(judge, at, n_negatives, seed));
            logits.iter().enumerate().map(|(place, logit)| (f64::from(*logit), place == 0)).collect()
        })
        .collect();
    calibrate(&pairs.concat()).map(|x| x as f32)
}

// The target of a case and items drawn against it, another draw for every case.
fn shown(judge: &Judge<'_>, at: usize, n: usize, seed: u64) -> Vec<usize> {
    let n_items = judge.items().range(judge.domain()).len();
    shown_against(judge.targets()[at] as usize, n_items, n, seed.wrapping_mul(1_000_003) ^ at as u64)
}

fn rating_task(ratings: &[(usize, f32)], train: &TrainSet, judge: &Judge<'_>) -> Option<RatingTask> {
    let biases = Biases::of(train, judge.items(), judge);
    let pairs = |predict: &dyn Fn(usize, f32) -> f64| {
        let pair = |&(at, rating): &(usize, f32)| (predict(at, rating), f64::from(judge.value(at)));
        RatingFigures::of(&ratings.iter().map(pair).collect::<Vec<_>>())
    };
    Some(RatingTask {
        model: pairs(&|_, rating| f64::from(rating))?,
        mean: pairs(&|_, _| biases.mean)?,
        biases: pairs(&|at, _| biases.predict(&judge.query(at), judge.targets()[at] as usize))?,
    })
}

/// Events by which a bias is shrunk.
const SHRINK: f64 = 10.0;

struct Biases {
    mean: f64,
    items: Vec<f64>, // [n_candidates]
    first: usize,
}

impl Biases {
    fn of(train: &TrainSet, items: &ItemCatalog, judge: &Judge<'_>) -> Self {
        let range = items.range(judge.domain());
        let inside = || train.sequences.events().iter().filter(|event| range.contains(&event.item.at()));
        let n = inside().count().max(1) as f64;
        let mean = inside().map(|event| f64::from(event.value)).sum::<f64>() / n;
        let mut sums = vec![(0.0, 0.0); range.len()];
        for event in inside() {
            let sum = &mut sums[event.item.at() - range.start];
            *sum = (sum.0 + f64::from(event.value) - mean, sum.1 + 1.0);
        }
        let items = sums.into_iter().map(|(sum, n)| sum / (n + SHRINK)).collect();
        Self { mean, items, first: range.start }
    }

    fn predict(&self, query: &Query<'_>, candidate: usize) -> f64 {
        let rest = query.history.iter().filter_map(|event| {
            let item = event.item.at().checked_sub(self.first)?;
            Some(f64::from(event.value) - self.mean - self.items.get(item)?)
        });
        let (sum, n) = rest.fold((0.0, 0.0), |(sum, n), rest| (sum + rest, n + 1.0));
        self.mean + self.items[candidate] + sum / (n + SHRINK)
    }
}
