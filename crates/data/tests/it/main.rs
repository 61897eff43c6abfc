//! Integration tests of the data crate, one binary.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::format_collect, clippy::format_push_string, reason = "the files are small")]

mod broken;
mod damaged;
mod files;
mod formats;
mod mind;
mod profiles;
mod fuzz;
mod graph_formats;
mod sources;
mod tolerated;
