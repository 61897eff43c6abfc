//! Run folders: one under construction, its state, its manifest, a finished one, and what two of them differ in.

pub mod manifest;
pub mod state;
pub mod new;
pub mod dir;
pub mod people;
pub mod diff;
