//! Ranges of settings: one sentence for every value that is out of its range.

use std::fmt::{Display, Write};
use std::ops::{Bound, Range, RangeBounds, RangeInclusive};

/// Where a probability may lie: at 1 nothing would be left to learn from.
pub const PROBABILITY: Range<f32> = 0.0..1.0;

/// Where the weight of a loss may lie. The end is far beyond any use, and finite, so that no sum of losses becomes infinite.
pub const WEIGHT: RangeInclusive<f32> = 0.0..=1e6;

/// Numbers that must be above 0: lengths of vectors, weights without which nothing is left to learn.
pub const POSITIVE: (Bound<f32>, Bound<f32>) = (Bound::Excluded(0.0), Bound::Included(1e6));

/// Where a learning rate may lie; beyond the end every training diverges.
pub const LEARNING_RATE: (Bound<f32>, Bound<f32>) = (Bound::Excluded(0.0), Bound::Included(100.0));

/// Widths of vectors that a model learns.
pub const WIDTH: RangeInclusive<usize> = 1..=8_192;

/// Counts of cases and trials: more of them than there are do no harm, so the end only catches slips.
pub const COUNT_MAX: usize = 1_000_000_000;

/// Draws against one answer. 0 stands for "none" or "all", as the setting says.
pub const NEGATIVES: RangeInclusive<usize> = 0..=10_000_000;

/// Sequences, texts or questions of one step.
pub const BATCH: RangeInclusive<usize> = 1..=1_000_000;

/// Passes over the data.
pub const PASSES: RangeInclusive<usize> = 0..=100_000;

/// What is wrong with `value` when it is outside of `allowed`; NaN is outside of every range.
pub fn outside<T: Copy + PartialOrd + Display>(
    name: &str,
    value: T,
    allowed: impl RangeBounds<T>,
) -> Option<String> {
    if allowed.contains(&value) {
        return None;
    }
    let mut text = format!("{name} {value} is outside ");
    // Writing into a `String` cannot fail.
    let _ = match allowed.start_bound() {
        Bound::Included(start) => write!(text, "[{start}, "),
        Bound::Excluded(start) => write!(text, "({start}, "),
        Bound::Unbounded => write!(text, "(-∞, "),
    };
    let _ = match allowed.end_bound() {
        Bound::Included(end) => write!(text, "{end}]"),
        Bound::Excluded(end) => write!(text, "{end})"),
        Bound::Unbounded => write!(text, "∞)"),
    };
    Some(text)
}

/// Settings are refused for one problem at a time: the first.
pub fn first<const N: usize>(problems: [Option<String>; N]) -> Option<String> {
    problems.into_iter().flatten().next()
}

/// The problem of a part, with the part's name in front.
pub fn of_part(name: &str, problem: Option<String>) -> Option<String> {
    problem.map(|problem| format!("{name}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_out_of_range_is_named_with_its_range() {
        assert_eq!(outside("dropout", 0.0_f32, PROBABILITY), None);
        assert_eq!(outside("dropout", 1.0, PROBABILITY).unwrap(), "dropout 1 is outside [0, 1)");
        assert_eq!(outside("dropout", f32::NAN, PROBABILITY).unwrap(), "dropout NaN is outside [0, 1)");
        assert_eq!(outside("rate", 0.0, LEARNING_RATE).unwrap(), "rate 0 is outside (0, 100]");
        assert_eq!(outside("rate", f32::INFINITY, LEARNING_RATE).unwrap(), "rate inf is outside (0, 100]");
        assert_eq!(outside("width", 8_193, WIDTH).unwrap(), "width 8193 is outside [1, 8192]");
        assert_eq!(outside("n", 0, 1..).unwrap(), "n 0 is outside [1, ∞)");
    }

    #[test]
    fn the_first_problem_is_told() {
        assert_eq!(first([None, Some("a".into()), Some("b".into())]).unwrap(), "a");
        assert_eq!(of_part("text", Some("a".into())).unwrap(), "text: a");
        assert_eq!(of_part("text", None), None);
    }
}
