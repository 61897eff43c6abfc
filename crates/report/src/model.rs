//! What a report says: plain data, filled in by whoever ran the evaluation and written to `report.json` beside the page.
//!
//! Every list keeps the caller's order where order means something (metrics, measures, history) and may be empty: an empty
//! section is left out of the page. A number that is unknown is `NaN`; it is shown as `n/a` and stored as JSON `null`.

use serde::{Deserialize, Serialize};

use super::null;

/// Everything one page shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// One line under the heading: data, protocol, size.
    pub subtitle: String,
    /// When and by what the numbers were made, ready to print.
    pub generated: Option<String>,
    /// The verdicts, one sentence each, most important first.
    pub headline: Vec<Sentence>,
    /// Facts about the data as (name, value).
    pub dataset: Vec<(String, String)>,
    /// One entry for each domain.
    pub domains: Vec<DomainReport>,
    /// Recommendations for single users, with their reasons.
    pub examples: Vec<Example>,
    /// Estimates of a few systems over a few steps, such as shares of the training data.
    pub steps: Vec<StepCurve>,
    /// Loss and validation curves.
    pub curves: Vec<Curve>,
    /// What reproduces the page as (name, value): seed, versions, data hash, command.
    pub provenance: Vec<(String, String)>,
    /// Seconds after which a browser reads the page anew; `None` for a page that does not change.
    pub refresh_seconds: Option<u32>,
}

/// A verdict in one sentence, such as "Other domains add +.004 [.001, .007] NDCG@10 in films".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// The sentence.
    pub text: String,
    /// What it concludes.
    #[serde(default)]
    pub tone: Tone,
}

impl Sentence {
    /// A sentence with its conclusion.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }
}

/// What a sentence concludes; decides the sign in front of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// A measured improvement.
    Gain,
    /// A measured harm.
    Loss,
    /// The evidence does not decide.
    Undecided,
    /// A statement of fact.
    #[default]
    Fact,
}

/// A measured value with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value itself, `NaN` when it could not be measured.
    #[serde(deserialize_with = "null::number")]
    pub mean: f64,
    /// Lower end of the interval, `NaN` when unknown.
    #[serde(default = "null::nan", deserialize_with = "null::number")]
    pub lo: f64,
    /// Upper end of the interval, `NaN` when unknown.
    #[serde(default = "null::nan", deserialize_with = "null::number")]
    pub hi: f64,
}

impl Estimate {
    /// A value with its interval.
    pub const fn new(mean: f64, lo: f64, hi: f64) -> Self {
        Self { mean, lo, hi }
    }

    /// A value whose interval is unknown, such as one from a paper.
    pub const fn point(mean: f64) -> Self {
        Self::new(mean, f64::NAN, f64::NAN)
    }

    /// Value and ends, for scales.
    pub(super) fn numbers(&self) -> [f64; 3] {
        [self.mean, self.lo, self.hi]
    }

    /// Whether both ends of the interval are known.
    pub fn has_interval(&self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }
}

impl Default for Estimate {
    fn default() -> Self {
        Self::point(f64::NAN)
    }
}

/// The results of one domain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DomainReport {
    /// The domain as a reader calls it.
    pub name: String,
    /// Accuracy of every model, in any order.
    pub metrics: Vec<MetricRow>,
    /// What each expert contributes to the blend.
    pub weights: Vec<WeightRow>,
    /// What the other domains contribute.
    pub transfer: Option<TransferRow>,
    /// Accuracy on parts of the test set: head, mid, tail, unseen items, cold users.
    pub slices: Vec<SliceRow>,
    /// Measures beyond accuracy as (model, [(measure, value)]): coverage, Gini, popularity lift, diversity, novelty.
    #[serde(deserialize_with = "null::table")]
    pub beyond: Vec<(String, Vec<(String, f64)>)>,
    /// Settings that were tried on the validation set.
    pub search: Vec<TrialRow>,
}

/// What a row of the accuracy table is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// One expert alone.
    #[default]
    Expert,
    /// Experts combined.
    Blend,
    /// The same method trained on this domain alone.
    SingleDomain,
    /// A number printed by others.
    Published,
}

/// The accuracy of one model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricRow {
    /// The model.
    pub name: String,
    /// What it is.
    pub kind: ModelKind,
    /// Its values as (metric, estimate), the most important metric first.
    pub values: Vec<(String, Estimate)>,
    /// Where the number comes from or how it differs, if that needs saying.
    pub note: String,
}

/// What one expert contributes to the blend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WeightRow {
    /// The expert.
    pub expert: String,
    /// Its weight for items with enough training interactions.
    #[serde(deserialize_with = "null::number")]
    pub weight_warm: f64,
    /// Its weight for items with few or none.
    #[serde(deserialize_with = "null::number")]
    pub weight_cold: f64,
    /// What the blend gains by having it.
    pub gain: Estimate,
    /// Whether the blend keeps it.
    pub kept: bool,
    /// Why, in words.
    pub verdict: String,
}

/// Training on this domain alone against training on all domains.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransferRow {
    /// The metric compared.
    pub metric: String,
    /// This domain alone.
    pub single: Estimate,
    /// All domains.
    pub cross: Estimate,
    /// `cross - single`, paired by user.
    pub difference: Estimate,
    /// The verdict in words.
    pub sentence: String,
}

/// Accuracy on one part of the test set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SliceRow {
    /// The part: "head", "mid", "tail", "unseen items", "cold users".
    pub slice: String,
    /// Test cases in it.
    pub n: usize,
    /// Values as (model, estimate).
    pub values: Vec<(String, Estimate)>,
}

/// One setting that was tried on the validation set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrialRow {
    /// The expert tuned.
    pub expert: String,
    /// The setting, ready to print.
    pub params: String,
    /// Its validation score, higher is better.
    #[serde(deserialize_with = "null::number")]
    pub score: f64,
    /// Whether this setting was used.
    pub chosen: bool,
}

/// Recommendations for one user.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Example {
    /// The user.
    pub user: String,
    /// The domain the items are from.
    pub domain: String,
    /// What the user did, newest first.
    pub history: Vec<String>,
    /// What is recommended, best first.
    pub items: Vec<ExampleItem>,
}

/// One recommended item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExampleItem {
    /// Place in the list, from 1.
    pub rank: usize,
    /// The item as a reader calls it.
    pub title: String,
    /// Its blended score.
    #[serde(deserialize_with = "null::number")]
    pub score: f64,
    /// How much of the score comes from each expert, as (expert, share of 1).
    #[serde(deserialize_with = "null::named")]
    pub shares: Vec<(String, f64)>,
    /// Why it is here, in words.
    pub reasons: Vec<String>,
}

/// A line plot, such as loss by step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Curve {
    /// What is plotted.
    pub title: String,
    /// Name of the horizontal axis.
    pub x_label: String,
    /// Name of the vertical axis.
    pub y_label: String,
    /// Name of the second vertical axis, for lines that stand on it.
    pub right_label: String,
    /// The lines.
    pub series: Vec<Series>,
    /// A place on the horizontal axis, such as the best pass.
    pub marker: Option<Marker>,
}

/// A marked place of a plot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Marker {
    /// Where it is.
    #[serde(deserialize_with = "null::number")]
    pub x: f64,
    /// What is there.
    pub label: String,
}

/// One line of a plot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// The line's name.
    pub name: String,
    /// Its points as (x, y), in order of x.
    #[serde(deserialize_with = "null::points")]
    pub points: Vec<(f64, f64)>,
    /// Whether it is measured by the second vertical axis.
    pub is_on_right: bool,
}

/// Estimates of a few systems over a few steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepCurve {
    /// What is plotted.
    pub title: String,
    /// What the steps are.
    pub x_label: String,
    /// What is measured.
    pub y_label: String,
    /// The steps as a reader calls them, in order.
    pub steps: Vec<String>,
    /// The systems.
    pub lines: Vec<StepLine>,
}

/// One system of a [`StepCurve`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepLine {
    /// The system.
    pub name: String,
    /// One estimate for each step; `NaN` where there is none.
    pub estimates: Vec<Estimate>,
    /// Whether the values are differences, which are printed with their sign.
    pub is_difference: bool,
}
