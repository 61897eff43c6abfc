//! From values to places on a strip: a linear scale with round ticks. Places are percentages, so a plot fits any width.

/// Steps aimed at between the two ends.
const N_STEPS: f64 = 4.0;
/// The same for a plot of the whole width.
const N_STEPS_WIDE: f64 = 7.0;
/// Free space beyond the outermost value, as a part of the range.
const MARGIN: f64 = 0.04;

/// A linear scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    lo: f64,
    hi: f64,
    step: f64,
}

impl Scale {
    /// The scale that shows all finite `values`; without such values it has no ticks.
    pub(super) fn covering(values: impl IntoIterator<Item = f64>) -> Self {
        let finite = values.into_iter().filter(|x| x.is_finite() && x.abs() < 1e15);
        let (lo, hi) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), x| (lo.min(x), hi.max(x)));
        if lo > hi {
            return Self { lo: 0.0, hi: 1.0, step: 0.0 };
        }
        let range = if hi > lo { hi - lo } else { hi.abs().max(1e-3) };
        let (lo, hi) = (pad(lo, -MARGIN * range), pad(hi, MARGIN * range));
        Self { lo, hi, step: round_step((hi - lo) / N_STEPS) }
    }

    /// The scale that shows all finite `values` and zero; without such values it has no ticks.
    pub(super) fn from_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let mut finite = values.into_iter().filter(|x| x.is_finite()).peekable();
        let zero = finite.peek().map(|_| 0.0);
        Self::covering(finite.chain(zero))
    }

    /// Whether there was no value to show.
    pub(super) fn is_empty(&self) -> bool {
        self.step == 0.0
    }

    /// The same scale with more ticks, for a plot of the whole width.
    pub(super) fn wide(self) -> Self {
        if self.is_empty() {
            return self;
        }
        Self { step: round_step((self.hi - self.lo) / N_STEPS_WIDE), ..self }
    }

    /// Where `x` lies, in percent of the width, kept inside.
    pub(super) fn place(&self, x: f64) -> f64 {
        let place = (x - self.lo) / (self.hi - self.lo) * 100.0;
        if place.is_finite() { place.clamp(0.0, 100.0) } else { 0.0 }
    }

    /// Round values inside the scale.
    pub(super) fn ticks(&self) -> Vec<f64> {
        if self.is_empty() {
            return Vec::new();
        }
        let (first, last) = ((self.lo / self.step).ceil() as i64, (self.hi / self.step).floor() as i64);
        (first..=last).take(16).map(|n| n as f64 * self.step).collect()
    }

    /// Decimals that tell the ticks apart.
    pub(super) fn tick_decimals(&self) -> usize {
        (-(self.step.log10() + 1e-9).floor()).clamp(0.0, 6.0) as usize
    }
}

/// Moves an end outward; an end at zero stays, since bars start there.
fn pad(end: f64, by: f64) -> f64 {
    if end == 0.0 { 0.0 } else { end + by }
}

/// The smallest of 1, 2, 5 times a power of ten that is not much below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * 0.8).unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round() {
        let scale = Scale::from_zero([0.31]);
        let ticks: Vec<String> =
            scale.ticks().iter().map(|x| format!("{x:.*}", scale.tick_decimals())).collect();
        assert_eq!(ticks, ["0.0", "0.1", "0.2", "0.3"]);
    }

    #[test]
    fn nothing_finite_has_no_ticks() {
        assert!(Scale::covering([f64::NAN, f64::INFINITY]).wide().ticks().is_empty());
        assert!(Scale::from_zero([]).is_empty());
    }

    #[test]
    fn zero_stays_at_the_edge_of_positive_bars() {
        assert_eq!(Scale::from_zero([0.2, 0.4]).place(0.0), 0.0);
    }

    proptest! {
        #[test]
        fn places_stay_inside_and_in_order(a in -1e9..1e9f64, b in -1e9..1e9f64) {
            let scale = Scale::covering([a, b]);
            prop_assert!((0.0..=100.0).contains(&scale.place(a)));
            prop_assert_eq!(a < b, scale.place(a) < scale.place(b));
            prop_assert!(scale.ticks().len() <= 16);
        }
    }
}
