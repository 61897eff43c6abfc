//! What a rating is before anything is known of taste: the domain's mean, what the item gets on average, what the user gives on average.
//! The sequence model learns what is left.

use segue_data::{Event, TrainSet};

use crate::rows::Rows;
use crate::tensors::{ModelError, Tensors};

/// `μ + b_i + b_u` (Koren, Bell and Volinsky, 2009), biases shrunk towards 0; `b_u` from the user's earlier events in the same domain.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RatingBiases {
    means: Vec<f32>,      // [n_domains]
    deviations: Vec<f32>, // [n_domains], of what biases leave
    items: Vec<f32>,      // [n_rows]
}

/// Events by which a bias is shrunk.
const SHRINK: f32 = 10.0;
/// Least deviation at which there is something to predict.
const LEAST_DEVIATION: f32 = 1e-3;

impl RatingBiases {
    pub(super) fn learn(train: &TrainSet, rows: &Rows) -> Self {
        let n_domains = rows.of_domain.len();
        let known = || {
            let events = train.sequences.events().iter();
            events.filter_map(|event| {
                rows.row(event).map(|row| (row, rows.domain_of(row), f64::from(event.value)))
            })
        };
        let mut sums = vec![(0.0f64, 0.0f64); n_domains];
        known().for_each(|(_, domain, value)| sums[domain] = (sums[domain].0 + value, sums[domain].1 + 1.0));
        let means: Vec<f32> = sums.iter().map(|(sum, n)| (sum / n.max(1.0)) as f32).collect();
        let mut by_item = vec![(0.0f32, 0.0f32); rows.n_rows()];
        known().for_each(|(row, domain, value)| {
            by_item[row] = (by_item[row].0 + value as f32 - means[domain], by_item[row].1 + 1.0);
        });
        let items = by_item.into_iter().map(|(sum, n)| sum / (n + SHRINK)).collect();
        let mut biases = Self { means, deviations: vec![0.0; n_domains], items };
        let mut squares = vec![(0.0f64, 0.0f64); n_domains];
        for row in train.sequences.rows() {
            for (event, rest) in row.iter().zip(biases.residuals(row, rows)) {
                let Some(at) = rows.row(event) else { continue };
                let sum = &mut squares[rows.domain_of(at)];
                *sum = (sum.0 + f64::from(rest).powi(2), sum.1 + 1.0);
            }
        }
        biases.deviations = squares.iter().map(|(sum, n)| (sum / n.max(1.0)).sqrt() as f32).collect();
        biases
    }

    /// Whether a domain's values differ at all.
    pub(super) fn differ(&self, domain: usize) -> bool {
        self.deviations.get(domain).is_some_and(|deviation| *deviation > LEAST_DEVIATION)
    }

    /// The mean of a domain.
    pub(super) fn mean(&self, domain: usize) -> f32 {
        self.means[domain]
    }

    /// Of what is left after biases, the typical size.
    pub(super) fn deviation(&self, domain: usize) -> f32 {
        self.deviations[domain]
    }

    /// Value minus biases for every event of a user, each as it could be known before it; 0 out of scope.
    pub(super) fn residuals(&self, events: &[Event], rows: &Rows) -> Vec<f32> {
        let mut given = vec![(0.0f32, 0.0f32); self.means.len()];
        let residual = |event: &Event| {
            let Some(row) = rows.row(event) else { return 0.0 };
            let domain = rows.domain_of(row);
            let rest = event.value - self.means[domain] - self.items[row];
            let (sum, n) = given[domain];
            given[domain] = (sum + rest, n + 1.0);
            rest - sum / (n + SHRINK)
        };
        events.iter().map(residual).collect()
    }

    /// The rating of an item (a row) by a user with this history.
    pub(super) fn predict(&self, history: &[Event], rows: &Rows, row: usize) -> f32 {
        let domain = rows.domain_of(row);
        let rests = history.iter().filter_map(|event| {
            let known = rows.row(event).filter(|row| rows.domain_of(*row) == domain)?;
            Some(event.value - self.means[domain] - self.items[known])
        });
        let (sum, n) = rests.fold((0.0, 0.0), |(sum, n), rest| (sum + rest, n + 1.0));
        self.means[domain] + self.items[row] + sum / (n + SHRINK)
    }

    pub(super) fn save(&self, tensors: &mut Tensors) {
        tensors.put_f32("ratings.means", self.means.clone());
        tensors.put_f32("ratings.deviations", self.deviations.clone());
        tensors.put_f32("ratings.items", self.items.clone());
    }

    pub(super) fn load(rows: &Rows, tensors: &mut Tensors) -> Result<Self, ModelError> {
        let mut take = |name: &str, n: usize| {
            let values = tensors.take_f32(name)?;
            let expected = format!("{n} values");
            if values.len() == n {
                Ok(values)
            } else {
                Err(ModelError::Inconsistent { tensor: name.into(), expected })
            }
        };
        let n_domains = rows.of_domain.len();
        let (means, deviations) = (take("ratings.means", n_domains)?, take("ratings.deviations", n_domains)?);
        Ok(Self { means, deviations, items: take("ratings.items", rows.n_rows())? })
    }
}
