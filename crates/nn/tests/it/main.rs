//! What every layer must hold, whatever it computes: one binary, and a list that no public layer can be missing from.

#![expect(clippy::unwrap_used, reason = "a test stops where something is missing")]

mod checkpoint;
mod conformance;
mod finite_difference;
mod golden;
mod inference;
mod losses;
mod registry;
mod row_table;
mod subject;
mod subjects;
