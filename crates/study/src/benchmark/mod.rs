//! The one recipe under a published protocol, with floors and published rows beside it; and studies under such a protocol.

mod kinds;
mod measure;
mod meter;
mod protocol;
mod published;
mod request;
mod row;
pub mod adapted;
pub mod tunings;

pub use kinds::{ProtocolStudy, Studied, StudyDocument, StudyKind};
pub use measure::{Benchmark, Measured, grouped, measure, over_seeds};
pub use protocol::{Lessons, Protocol};
pub use published::Published;
pub use request::{Request, encoded, targets};
pub use row::{Candidates, Difference, Kind, Report, Row, hash_of_all};
