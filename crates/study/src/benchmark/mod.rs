//! The one recipe under a published protocol, with floors and published rows beside it; and studies under such a protocol.

mod protocol;
mod request;
mod data;
mod published;
mod meter;
mod row;
mod sheet;
mod adapted;
mod measure;
mod kinds;
pub mod tunings;

pub use adapted::Adapting;
pub use data::BenchmarkData;
pub use kinds::{ProtocolStudy, Studied, StudyDocument, StudyKind};
pub use measure::{Benchmark, Measured, measure};
pub use protocol::{AdaptOn, Protocol};
pub use published::{FloorRecipe, Published, PublishedSystem};
pub use request::{BenchmarkRequest, targets};
pub use row::{
    BenchmarkReport, BenchmarkRow, RowCandidates, RowDifference, RowKind, SeedSummary, grouped, hash_of_all,
    over_seeds,
};
