//! How good are the lists? Ranks, metrics, intervals and slices; nothing here knows a model.
//!
//! Reading order, which is the order in which an evaluation runs:
//!
//! 1. [`full_ranking`] lets a scorer rank all candidates of every case. [`rank`] keeps where the target stands, with
//!    ties visible, [`top_list`] the list shown; [`negatives`] draws the sample that some published tables need.
//! 2. [`metric`] names every metric and has its formula, for the rank of one target as for a [`judged_list`].
//!    [`bootstrap`] puts intervals around means and paired differences.
//! 3. [`metric_table`] shows metrics at every cutoff and compares two systems. [`slices`] looks at groups of cases,
//!    [`beyond`] at what accuracy does not see; [`summary`] holds everything.
//! 4. [`leak`] checks that random targets are hit at chance.
//! 5. [`lists`] evaluates files of any tool instead of a scorer; [`triples`] reads them.
//! 6. [`links`] ranks the answers of questions to a knowledge graph. [`prediction`] judges ratings and probabilities.
//!
//! The protocol: candidates are all items of the domain, known items masked, and unmasked beside it; ties count by the
//! expected rank; users without a relevant item are excluded and counted. Results are the same at any number of
//! threads. A score that is not finite is an error that names its place, never a value in a mean.

pub mod error;
pub mod rank;

pub mod full_ranking;
pub mod negatives;
pub mod top_list;

pub mod bootstrap;
pub mod judged_list;
pub mod metric;

pub mod beyond;
pub mod metric_table;
pub mod slices;
pub mod summary;

pub mod leak;

pub mod lists;
pub mod triples;

pub mod links;
pub mod prediction;

pub use judged_list::JudgedList;
pub use metric::{Metric, MetricKind};
