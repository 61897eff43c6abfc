//! What a run leaves while it is made: every pass of every trained expert as a line of `curves.jsonl`, as scalars for
//! `TensorBoard`, and as a page that shows itself anew.

mod curve_log;
mod curves;
mod event_file;
mod recorder;

pub use curve_log::{Record, read};
pub use curves::curves_of;
pub use recorder::{LIVE_PAGE, Recorder};
