//! `segue benchmark`: reproduces published tables.

use anyhow::Result;

use crate::failure::failed;
use crate::screen::Screen;

/// Arguments of `segue benchmark`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs the benchmark.
pub(crate) fn run(_args: &Args, _screen: &Screen) -> Result<()> {
    Err(failed("`segue benchmark` is not part of this build", "build the main branch"))
}
