//! The subcommands.

pub(crate) mod benchmark;
