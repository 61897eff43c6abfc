//! A report a person reads: one HTML file that needs no network, no fonts and no installation.
//!
//! [`render`] turns a [`Report`] into that file. Plots are tables whose rows hold strips of SVG, so every number stands
//! beside its picture, the page fits a phone, follows the reader's light or dark scheme, prints, and can be read aloud.
//! Everything a caller wrote is escaped, and the page is small whatever the size of the input: what is left out is said.

mod model;
mod null;

mod page;

mod accuracy;
mod beyond;
mod curves;
mod examples;
mod overview;
mod search;
mod slices;
mod steps;
mod transfer;
mod weights;

mod context;
mod markup;
mod cell;
pub mod number;
mod order;
mod palette;
mod plot;
mod scale;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use model::{
    Curve, DomainReport, Estimate, Example, ExampleItem, Marker, MetricRow, ModelKind, Report, Sentence,
    Series, SliceRow, StepCurve, StepLine, Tone, TransferRow, TrialRow, WeightRow,
};

/// A page is never longer than this.
pub const PAGE_BYTES_MAX: usize = 500_000;

/// The report as one self-contained HTML file of at most [`PAGE_BYTES_MAX`] bytes.
pub fn render(report: &Report) -> String {
    let mut page = String::new();
    for limits in context::LEVELS {
        page = page::page(report, limits);
        if page.len() <= PAGE_BYTES_MAX {
            break;
        }
    }
    page
}
