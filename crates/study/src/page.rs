//! What the pages of all studies share: where they come from, and estimates for their pictures.

use segue_eval::bootstrap::Interval;
use segue_report::{Estimate, StepCurve, StepLine};

/// Where a page comes from.
#[derive(Clone, Debug)]
pub struct PageOrigin {
    /// Name of the data set.
    pub data: String,
    /// The command line, or what stands for it.
    pub command: String,
    /// The time and the program, as people read them.
    pub generated: String,
}

impl PageOrigin {
    /// The first lines of a page's provenance: names and texts.
    pub(crate) fn provenance(&self) -> Vec<(String, String)> {
        vec![("command".to_owned(), self.command.clone()), ("data".to_owned(), self.data.clone())]
    }
}

/// An interval as a point with whiskers.
pub(crate) fn estimate(interval: &Interval) -> Estimate {
    Estimate::new(interval.mean, interval.lo, interval.hi)
}

/// What a picture is called, and what its steps and its height are.
pub(crate) struct PictureLabels<'a> {
    pub(crate) title: String,
    pub(crate) steps: &'a str,
    pub(crate) height: &'a str,
}

/// A picture of these lines over these steps.
pub(crate) fn picture(labels: PictureLabels<'_>, steps: Vec<String>, lines: Vec<StepLine>) -> StepCurve {
    StepCurve {
        title: labels.title,
        x_label: labels.steps.to_owned(),
        y_label: labels.height.to_owned(),
        steps,
        lines,
    }
}

/// A line of means.
pub(crate) fn mean_line(name: impl Into<String>, estimates: Vec<Estimate>) -> StepLine {
    StepLine { name: name.into(), estimates, is_difference: false }
}

/// A line of differences, which is read against zero.
pub(crate) fn difference_line(name: impl Into<String>, estimates: Vec<Estimate>) -> StepLine {
    StepLine { name: name.into(), estimates, is_difference: true }
}
