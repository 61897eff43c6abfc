//! What every section of the page needs to know: the marks of the models and how much may be shown.

use super::palette::Palette;

/// The colors and the limits of one page.
pub(super) struct Context {
    /// How each model is drawn.
    pub(super) palette: Palette,
    /// How much is shown.
    pub(super) limits: Limits,
}

/// The most of each thing a page shows. What is left out is said in place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Domains.
    pub(super) domains: usize,
    /// Metrics of a domain, as numbers.
    pub(super) metrics: usize,
    /// Metrics of a domain, as plots.
    pub(super) plots: usize,
    /// Models in a table.
    pub(super) models: usize,
    /// Slices of a domain.
    pub(super) slices: usize,
    /// Models within a slice.
    pub(super) slice_models: usize,
    /// Measures beyond accuracy.
    pub(super) measures: usize,
    /// Trials of a domain.
    pub(super) trials: usize,
    /// Users shown as examples.
    pub(super) examples: usize,
    /// Items of an example.
    pub(super) items: usize,
    /// History entries of an example, and reasons of an item.
    pub(super) lines: usize,
    /// Parts of a share bar, the rest summed.
    pub(super) parts: usize,
    /// Curves, and the series of each.
    pub(super) curves: usize,
    /// Points of a series.
    pub(super) points: usize,
    /// Facts, provenance lines, and headline sentences.
    pub(super) facts: usize,
    /// Characters of a label.
    pub(super) text_chars: usize,
}

/// From generous to certain: a page is written with the first of these that keeps it small enough.
pub(super) const LEVELS: [Limits; 6] = [FULL, LONG, USUAL, SHORT, REDUCED, MINIMAL];

const FULL: Limits = Limits {
    domains: 12,
    metrics: 12,
    plots: 8,
    models: 40,
    slices: 8,
    slice_models: 8,
    measures: 10,
    trials: 60,
    examples: 60,
    items: 12,
    lines: 8,
    parts: 6,
    curves: 12,
    points: 240,
    facts: 40,
    text_chars: 240,
};

const LONG: Limits = Limits { plots: 6, trials: 40, examples: 32, items: 10, points: 160, ..FULL };

const USUAL: Limits = Limits {
    plots: 4,
    slice_models: 6,
    trials: 30,
    examples: 14,
    items: 8,
    lines: 4,
    parts: 5,
    points: 120,
    ..LONG
};

const SHORT: Limits = Limits {
    plots: 3,
    slice_models: 5,
    trials: 12,
    examples: 10,
    items: 6,
    lines: 3,
    parts: 4,
    points: 80,
    ..USUAL
};

const REDUCED: Limits = Limits {
    domains: 8,
    metrics: 6,
    plots: 2,
    models: 16,
    slices: 6,
    slice_models: 5,
    measures: 6,
    trials: 12,
    examples: 6,
    items: 5,
    lines: 3,
    parts: 4,
    curves: 4,
    points: 80,
    facts: 20,
    text_chars: 80,
};

const MINIMAL: Limits = Limits {
    domains: 4,
    metrics: 4,
    plots: 1,
    models: 10,
    slices: 5,
    slice_models: 3,
    measures: 5,
    trials: 6,
    examples: 3,
    items: 5,
    lines: 2,
    parts: 3,
    curves: 2,
    points: 40,
    facts: 12,
    text_chars: 40,
};
