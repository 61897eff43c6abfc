//! `segue completions`: the completion script of a shell.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::screen::Screen;

/// Arguments of `segue completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell, for example: segue completions bash > ~/.local/share/bash-completion/completions/segue
    shell: Shell,
}

/// Writes the script to standard output.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "segue", &mut script);
    Screen::raw(&String::from_utf8(script)?)
}
