//! The learning rate as a function of the step.

/// How the rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// It does not.
    Constant,
    /// In a straight line.
    Linear,
    /// Along half a cosine (Loshchilov and Hutter, 2017, without restarts).
    Cosine,
}

/// A linear rise over `n_warmup` steps, then a fall that reaches `floor` at step `n_steps` and stays there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The highest rate, positive.
    pub peak: f64,
    /// Steps until the peak; 0: the first step has it.
    pub n_warmup: u64,
    /// Steps in all, not below `n_warmup`; not read where the rate is constant.
    pub n_steps: u64,
    /// The lowest rate after the warm-up, in [0, `peak`].
    pub floor: f64,
    /// How the rate falls.
    pub decay: Decay,
}

impl Schedule {
    /// The same rate in every step.
    pub fn constant(rate: f64) -> Self {
        Self { peak: rate, n_warmup: 0, n_steps: 0, floor: rate, decay: Decay::Constant }
    }

    /// The rate of a step, counted from 0. The first step has `peak / (n_warmup + 1)`: no step is without a rate.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.n_warmup {
            return self.peak * (step + 1) as f64 / (self.n_warmup + 1) as f64;
        }
        let n_falling = self.n_steps.saturating_sub(self.n_warmup);
        let done =
            if n_falling == 0 { 1.0 } else { ((step - self.n_warmup) as f64 / n_falling as f64).min(1.0) };
        let left = match self.decay {
            Decay::Constant => return self.peak,
            Decay::Linear => 1.0 - done,
            Decay::Cosine => f64::midpoint(1.0, (std::f64::consts::PI * done).cos()),
        };
        self.floor + (self.peak - self.floor) * left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(decay: Decay) -> Vec<f64> {
        let schedule = Schedule { peak: 1.0, n_warmup: 3, n_steps: 7, floor: 0.2, decay };
        (0..10).map(|step| (schedule.rate(step) * 1e3).round() / 1e3).collect()
    }

    #[test]
    fn the_rate_rises_falls_and_stays_at_the_floor() {
        assert_eq!(rates(Decay::Linear), [0.25, 0.5, 0.75, 1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2]);
        assert_eq!(rates(Decay::Cosine), [0.25, 0.5, 0.75, 1.0, 0.883, 0.6, 0.317, 0.2, 0.2, 0.2]);
        assert_eq!(rates(Decay::Constant), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let constant = Schedule::constant(0.3);
        assert!([0, 1, u64::MAX].iter().all(|&step| constant.rate(step) == 0.3));
    }

    #[test]
    fn odd_lengths_give_rates_within_the_bounds() {
        for (n_warmup, n_steps) in [(0, 0), (0, 1), (5, 5), (5, 2), (u64::MAX - 1, u64::MAX)] {
            for decay in [Decay::Linear, Decay::Cosine, Decay::Constant] {
                let schedule = Schedule { peak: 1.0, n_warmup, n_steps, floor: 0.0, decay };
                for step in [0, 1, 4, 5, 6, u64::MAX] {
                    let rate = schedule.rate(step);
                    assert!((0.0..=1.0).contains(&rate), "{schedule:?} at {step}: {rate}");
                }
            }
        }
    }
}
