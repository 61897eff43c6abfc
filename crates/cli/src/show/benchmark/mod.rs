//! The tables of benchmarks.

pub(crate) mod tables;
pub(crate) mod tunings;
