//! Integration tests of the data crate, one binary.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod broken;
mod damaged;
mod files;
mod formats;
mod fuzz;
mod sources;
mod tolerated;
