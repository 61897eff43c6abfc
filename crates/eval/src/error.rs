//! The ways an evaluation can be refused, each with the values that tell why.

use std::path::PathBuf;

/// What every fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an evaluation was refused. Every variant is a fault of the input, not of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A score that cannot be ordered.
    #[error(
        "item {item} has score `{value}`, expected a finite number; hint: the scorer must fill every item"
    )]
    NonFiniteScore {
        /// Index of the item.
        item: usize,
        /// The score received: NaN or infinite.
        value: f32,
    },
    /// A value that cannot be averaged.
    #[error("value {index} of `{name}` is `{value}`, expected a finite number")]
    NonFiniteValue {
        /// What the values are.
        name: &'static str,
        /// Position of the value.
        index: usize,
        /// The value received.
        value: f64,
    },
    /// An item index outside the catalogue.
    #[error("item {item} is outside the {n_items} items of the catalogue")]
    ItemOutOfRange {
        /// Index received.
        item: usize,
        /// Size of the catalogue.
        n_items: usize,
    },
    /// The target was also given as a negative.
    #[error("the target {target} is among its own negatives; hint: exclude it when sampling")]
    TargetAmongNegatives {
        /// Index of the target.
        target: usize,
    },
    /// Some cases have sampled negatives, this one has none.
    #[error("no negatives are given, while other cases have some; hint: sample for all or for none")]
    MissingNegatives,
    /// Fewer items are left than were asked for.
    #[error("{requested} negatives requested, but only {available} items are not excluded")]
    TooFewItems {
        /// Number of negatives asked for.
        requested: usize,
        /// Number of items that may be drawn.
        available: usize,
    },
    /// Something went wrong in one case of many.
    #[error("case {case}: {source}")]
    InCase {
        /// Index of the case.
        case: usize,
        /// What went wrong there.
        source: Box<Error>,
    },
    /// Two slices that describe the same things differ in length.
    #[error("`{name}` has {received} entries, expected {expected}")]
    LengthMismatch {
        /// What the slice is.
        name: &'static str,
        /// Length required.
        expected: usize,
        /// Length received.
        received: usize,
    },
    /// There is nothing to average.
    #[error("`{name}` is empty; a mean over nothing is undefined")]
    Empty {
        /// What is empty.
        name: &'static str,
    },
    /// A setting outside its range.
    #[error("`{name}` is {received}, expected {expected}")]
    InvalidSetting {
        /// Name of the setting.
        name: &'static str,
        /// The range allowed.
        expected: &'static str,
        /// The value received.
        received: String,
    },
    /// A list names an item twice.
    #[error("the list names the same item at positions {first} and {second}")]
    DuplicateItem {
        /// Earlier position, from 0.
        first: usize,
        /// Later position, from 0.
        second: usize,
    },
    /// A user without relevant items has no defined value.
    #[error("no item is relevant, the metrics are undefined; hint: exclude such users and count them")]
    NoRelevantItems,
    /// Two evaluations that cannot be compared case by case.
    #[error("the two evaluations differ in users or metrics; hint: evaluate both against the same judgments")]
    NotPaired,
    /// A name that is no metric.
    #[error("`{received}` is no metric, expected `<metric>@<k>` such as `ndcg@10`, with a metric of {known}")]
    UnknownMetric {
        /// The name received.
        received: String,
        /// The metrics there are.
        known: String,
    },
    /// A file that cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line that cannot be understood.
    #[error("`{}` line {line}: {problem}; hint: {hint}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
        /// How to cure it.
        hint: &'static str,
    },
}

impl Error {
    /// Names the case in which this error arose.
    pub(crate) fn in_case(self, case: usize) -> Self {
        Self::InCase { case, source: Box::new(self) }
    }
}
