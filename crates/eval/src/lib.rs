//! How good are the lists? Ranks, metrics, intervals and slices; nothing here knows a model.
//!
//! Reading order = the order in which an evaluation runs:
//!
//! 1. [`full_ranking`] lets a scorer rank all candidates of every case; [`rank`] keeps where the target stands, with
//!    ties visible, and [`top_list`] the list shown. [`negatives`] draws the sample where a published table needs one.
//! 2. [`single`] turns ranks into HR, NDCG and MRR.
//! 3. [`bootstrap`] puts intervals around means and around paired differences.
//!
//! The protocol: candidates are all items of the domain, training positives masked; ties count by expected rank.
//! Results are the same at any number of threads. A score that is not finite is an error that names its place.

pub mod bootstrap;
pub mod error;
pub mod full_ranking;
mod line_parser;
pub mod lists;
pub mod measure;
pub mod metrics;
pub mod negatives;
pub mod rank;
pub mod single;
pub mod top_list;
pub mod triples;
