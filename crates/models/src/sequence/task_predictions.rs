//! What the further tasks of a trained sequence model say of items.

use segue_nn::dropout::DropoutKey;

use super::SequenceModel;
use super::tasks::{rating_of, shown_items};
use crate::query::Query;

/// What the further tasks say of one item.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TaskPrediction {
    /// The rating, on the scale of the domain's events; `None` where it is not trained.
    pub rating: Option<f32>,
    /// The probability that it is chosen, among itself and as many items drawn evenly as in training; `None` where that is not trained.
    pub click: Option<f32>,
}

impl SequenceModel {
    /// Whether ratings of the recommended domain are predicted.
    pub fn predicts_ratings(&self) -> bool {
        self.net.tasks.rating.is_some() && self.biases.differ(self.rows.target.at())
    }

    /// The mean of the domain's ratings; only where they are a task.
    ///
    /// # Panics
    /// When ratings are no task.
    pub fn mean_rating(&self) -> f32 {
        self.biases.mean(self.rows.target.at())
    }

    /// A candidate's rating by the means of item and user alone, which the model adds to; only where ratings are a task.
    ///
    /// # Panics
    /// When ratings are no task.
    pub fn rating_by_means(&self, query: &Query<'_>, candidate: usize) -> f32 {
        self.biases.predict(query.history, &self.rows, self.rows.candidates().start + candidate)
    }

    /// Whether choices are predicted.
    pub fn predicts_clicks(&self) -> bool {
        self.net.tasks.click.is_some()
    }

    /// What the further tasks say of candidates (counted within the domain); nothing for a user of whom nothing is known.
    pub fn predict(&self, query: &Query<'_>, candidates: &[usize]) -> Vec<TaskPrediction> {
        let Some(user) = self.user_vector(query) else {
            return vec![TaskPrediction::default(); candidates.len()];
        };
        let (domain, width) = (self.rows.target.at(), self.config.width);
        let items = self.items_of(domain);
        let of = |&candidate: &usize| {
            let v = &items[candidate * width..][..width];
            let rating =
                self.residual(domain, &user, v).map(|rest| self.rating_by_means(query, candidate) + rest);
            TaskPrediction { rating, click: self.click(domain, &user, v) }
        };
        candidates.iter().map(of).collect()
    }

    fn residual(&self, domain: usize, user: &[f32], item: &[f32]) -> Option<f32> {
        let id = self.net.tasks.rating.filter(|_| self.predicts_ratings())?;
        let size = 3 * self.config.width + 1;
        let own = &self.params.get(id)[domain * size..][..size];
        Some(rating_of(own, user, item) * self.biases.deviation(domain))
    }

    fn click(&self, domain: usize, user: &[f32], item: &[f32]) -> Option<f32> {
        let [slope, shift] = self.config.tasks.calibration;
        let logit = self.click_logit(domain, user, item)?;
        Some(1.0 / (1.0 + (-slope.mul_add(logit, shift)).exp()))
    }

    fn click_logit(&self, domain: usize, user: &[f32], item: &[f32]) -> Option<f32> {
        let id = self.net.tasks.click?;
        let (gamma, beta) = (self.params.get(id)[domain * 2], self.params.get(id)[domain * 2 + 1]);
        Some(gamma.mul_add(segue_nn::dot(user, item), beta))
    }

    /// Logits of choices before calibration, per candidate; empty where that is no task, or for a user of whom nothing is known.
    pub fn click_logits(&self, query: &Query<'_>, candidates: &[usize]) -> Vec<f32> {
        let Some(user) = self.user_vector(query) else { return Vec::new() };
        let (domain, width) = (self.rows.target.at(), self.config.width);
        let items = self.items_of(domain);
        let of = |&candidate: &usize| self.click_logit(domain, &user, &items[candidate * width..][..width]);
        candidates.iter().filter_map(of).collect()
    }
}

/// One chosen item and `n` others of a domain, drawn as in training: what the probability of a choice is about.
pub fn shown_against(target: usize, n_items: usize, n: usize, seed: u64) -> Vec<usize> {
    let shown = shown_items(&[target as u32], n_items, n, DropoutKey::new(seed));
    shown.into_iter().map(|item| item as usize).collect()
}
