//! `AdaLoRA`'s allocation of ranks: which singular values stay, while their number falls.

use segue_nn::low_rank::LowRank;
use segue_nn::{Gradients, ParamId, Params};

use crate::encoder::{AdaLoraConfig, Network};

/// The budget of singular values over all layers (Zhang et al., 2023, section 3): every few steps the least important ones are set to
/// zero. Until the budget has fallen, one that was set to zero has a gradient and may come back.
#[derive(Clone, Debug, PartialEq)]
pub struct RankBudget {
    config: AdaLoraConfig,
    schedule: RankSchedule,
    deltas: Vec<Delta>,
}

// Steps of the schedule, and numbers of singular values at its start and its end.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RankSchedule {
    warm: usize,
    settled: usize,
    interval: usize,
    first: usize,
    last: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Delta {
    rank: usize,
    a: Smoothed,        // [rank, n_in]
    b: Smoothed,        // [rows, rank]
    singular: Smoothed, // [rank]
}

// Sensitivity of each number and its uncertainty, as moving averages (equations 9 and 10).
#[derive(Clone, Debug, PartialEq)]
struct Smoothed {
    id: ParamId,
    sensitivity: Vec<f32>,
    uncertainty: Vec<f32>,
}

impl RankBudget {
    /// The budget of a training of `n_steps`; without effect on a network whose deltas have no singular values.
    pub fn new(network: &Network, params: &Params, config: &AdaLoraConfig, n_steps: usize) -> Self {
        let deltas: Vec<Delta> = network.deltas().filter_map(|delta| Delta::of(delta, params)).collect();
        let steps = |share: f64| (share * n_steps as f64).round() as usize;
        let schedule = RankSchedule {
            warm: steps(config.warmup_share),
            settled: n_steps.saturating_sub(steps(config.final_share)),
            interval: steps(config.interval_share).max(1),
            first: deltas.len() * config.initial_rank,
            last: deltas.len() * config.target_rank,
        };
        Self { config: config.clone(), schedule, deltas }
    }

    /// Number of singular values that may stay at a step (from 0): all until the warm-up ends, then falling with the third power to
    /// the target (equation 12).
    pub fn at(&self, step: usize) -> usize {
        self.schedule.at(step)
    }

    /// To be called after every step `step` (from 0) of the optimizer, with the gradients that it took: remembers the sensitivities
    /// until the budget has fallen, and sets the singular values to zero that are out.
    pub fn update(&mut self, params: &mut Params, gradients: &Gradients, step: usize) {
        let RankSchedule { warm, settled, interval, .. } = self.schedule;
        if step <= settled {
            self.deltas.iter_mut().for_each(|delta| delta.observe(params, gradients, &self.config));
        }
        if step < warm || (step < settled && !(step - warm).is_multiple_of(interval)) {
            return;
        }
        // After the last observation this is the same choice every time.
        let kept = self.most_important(self.at(step));
        let mut out = kept.iter().map(|kept| !kept);
        for delta in &self.deltas {
            let values = params.get_mut(delta.singular.id).iter_mut();
            values.zip(&mut out).filter(|(_, out)| *out).for_each(|(value, _)| *value = 0.0);
        }
    }

    /// All that it remembers from step to step, by name, for checkpoints.
    pub fn memory(&mut self) -> impl Iterator<Item = (String, &mut [f32])> {
        self.deltas.iter_mut().enumerate().flat_map(|(at, delta)| {
            let parts = [("a", &mut delta.a), ("b", &mut delta.b), ("singular", &mut delta.singular)];
            parts.into_iter().flat_map(move |(part, smoothed)| {
                let name = |what: &str| format!("rank_budget.{at}.{part}.{what}");
                let Smoothed { sensitivity, uncertainty, .. } = smoothed;
                [
                    (name("sensitivity"), sensitivity.as_mut_slice()),
                    (name("uncertainty"), uncertainty.as_mut_slice()),
                ]
            })
        })
    }

    /// The rank that each delta has at present: its singular values that are not zero.
    pub fn ranks(&self, params: &Params) -> Vec<usize> {
        let rank =
            |delta: &Delta| params.get(delta.singular.id).iter().filter(|value| **value != 0.0).count();
        self.deltas.iter().map(rank).collect()
    }

    // Ties go to the earlier one, so that the choice is the same everywhere.
    fn most_important(&self, n: usize) -> Vec<bool> {
        let importance: Vec<f32> = self.deltas.iter().flat_map(Delta::importance).collect();
        let mut order: Vec<usize> = (0..importance.len()).collect();
        order.sort_by(|&a, &b| importance[b].total_cmp(&importance[a]).then(a.cmp(&b)));
        let mut kept = vec![false; importance.len()];
        order.into_iter().take(n).for_each(|at| kept[at] = true);
        kept
    }
}

impl RankSchedule {
    fn at(self, step: usize) -> usize {
        if step < self.warm {
            return self.first;
        }
        if step >= self.settled {
            return self.last;
        }
        let left = 1.0 - (step - self.warm) as f64 / (self.settled - self.warm) as f64;
        self.last + ((self.first - self.last) as f64 * left.powi(3)).round() as usize
    }
}

impl Delta {
    fn of(delta: &LowRank, params: &Params) -> Option<Self> {
        let smoothed = |id: ParamId| {
            let zeros = vec![0.0; params.get(id).len()];
            Smoothed { id, sensitivity: zeros.clone(), uncertainty: zeros }
        };
        let singular = smoothed(delta.singular?);
        Some(Self { rank: delta.rank, a: smoothed(delta.a), b: smoothed(delta.b), singular })
    }

    fn observe(&mut self, params: &Params, gradients: &Gradients, config: &AdaLoraConfig) {
        for smoothed in [&mut self.a, &mut self.b, &mut self.singular] {
            smoothed.observe(params, gradients, config);
        }
    }

    // Of each singular value with its two vectors: its own, and the means over theirs (equation 8).
    fn importance(&self) -> Vec<f32> {
        let (n_in, n_rows) = (self.a.sensitivity.len() / self.rank, self.b.sensitivity.len() / self.rank);
        let of_rank = |k: usize| {
            let row: f32 = (k * n_in..(k + 1) * n_in).map(|at| self.a.importance(at)).sum();
            let column: f32 = (0..n_rows).map(|row| self.b.importance(row * self.rank + k)).sum();
            self.singular.importance(k) + row / n_in as f32 + column / n_rows as f32
        };
        (0..self.rank).map(of_rank).collect()
    }
}

impl Smoothed {
    // The sensitivity of a number is |w · ∂L/∂w|, its uncertainty how far that is from its average.
    fn observe(&mut self, params: &Params, gradients: &Gradients, config: &AdaLoraConfig) {
        let (beta1, beta2) = (config.sensitivity_decay, config.uncertainty_decay);
        let now = params.get(self.id).iter().zip(gradients.get(self.id)).map(|(w, g)| (w * g).abs());
        for ((sensitivity, uncertainty), now) in
            self.sensitivity.iter_mut().zip(&mut self.uncertainty).zip(now)
        {
            *sensitivity = beta1 * *sensitivity + (1.0 - beta1) * now;
            *uncertainty = beta2 * *uncertainty + (1.0 - beta2) * (now - *sensitivity).abs();
        }
    }

    fn importance(&self, at: usize) -> f32 {
        self.sensitivity[at] * self.uncertainty[at]
    }
}
