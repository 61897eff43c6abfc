//! One mark for each model over the whole page: experts have colors, the blend is ink, what others printed is hollow.

use std::collections::BTreeMap;

use super::model::{Estimate, ModelKind, Report};

/// Colors in the style sheet (`--k0` to `--k9`).
const N_COLORS: usize = 10;
/// Colors and their hatched twins.
const N_FILLS: usize = 2 * N_COLORS;

/// How a model is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// An expert, by its place in the order of first appearance.
    Expert(usize),
    /// The blend.
    Blend,
    /// The method trained on one domain alone.
    Single,
    /// A number printed by others.
    Published,
    /// A measured improvement.
    Gain,
    /// A measured harm.
    Loss,
    /// Anything without a color of its own.
    Other,
}

impl Mark {
    /// The class that gives the mark its color.
    pub(super) fn class(self) -> String {
        match self {
            Self::Expert(place) => format!("k{}", place % N_FILLS),
            Self::Blend => "blend".into(),
            Self::Single => "single".into(),
            Self::Published => "published".into(),
            Self::Gain => "gain".into(),
            Self::Loss => "loss".into(),
            Self::Other => "other".into(),
        }
    }

    /// The mark of a difference: decided only when its interval excludes zero.
    pub(super) fn of_difference(difference: &Estimate) -> Self {
        if difference.lo > 0.0 && difference.has_interval() {
            Self::Gain
        } else if difference.hi < 0.0 && difference.has_interval() {
            Self::Loss
        } else {
            Self::Other
        }
    }
}

/// The marks of all models of a report.
#[derive(Debug, Clone, Default)]
pub(super) struct Palette {
    marks: BTreeMap<String, Mark>,
    experts: Vec<String>,
}

impl Palette {
    /// Gives each expert the next color in the order in which the report names them.
    pub(super) fn of(report: &Report) -> Self {
        let mut palette = Self::default();
        for row in report.domains.iter().flat_map(|domain| &domain.metrics) {
            match row.kind {
                ModelKind::Expert => palette.add_expert(&row.name),
                ModelKind::Blend => palette.add(&row.name, Mark::Blend),
                ModelKind::SingleDomain => palette.add(&row.name, Mark::Single),
                ModelKind::Published => palette.add(&row.name, Mark::Published),
            }
        }
        for domain in &report.domains {
            for row in &domain.weights {
                palette.add_expert(&row.expert);
            }
            for row in &domain.search {
                palette.add_expert(&row.expert);
            }
        }
        for item in report.examples.iter().flat_map(|example| &example.items) {
            for (expert, _) in &item.shares {
                palette.add_expert(expert);
            }
        }
        palette
    }

    /// How the model called `name` is drawn.
    pub(super) fn mark(&self, name: &str) -> Mark {
        self.marks.get(name).copied().unwrap_or(Mark::Other)
    }

    /// How a row of the accuracy table is drawn: its kind decides, then its name.
    pub(super) fn mark_of_kind(&self, kind: ModelKind, name: &str) -> Mark {
        match kind {
            ModelKind::Expert => self.mark(name),
            ModelKind::Blend => Mark::Blend,
            ModelKind::SingleDomain => Mark::Single,
            ModelKind::Published => Mark::Published,
        }
    }

    fn add_expert(&mut self, name: &str) {
        if !self.marks.contains_key(name) {
            self.marks.insert(name.into(), Mark::Expert(self.experts.len()));
            self.experts.push(name.into());
        }
    }

    fn add(&mut self, name: &str, mark: Mark) {
        self.marks.entry(name.into()).or_insert(mark);
    }
}
