//! The `segue` command: the only reader of arguments, environment and terminal; it holds no algorithm.
//!
//! Exit codes: 0 = done, 1 = a check or an input failed, 2 = the command line or the config is wrong,
//! 130 = Ctrl-C ended it; a run that was stopped so can be resumed.

mod args;
mod choice;
mod commands;
mod show;

mod studied;
mod evaluate_lists;
mod evaluate_run;

mod failure;
mod grid;
mod interrupt;
mod screen;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; a closed terminal leaves nobody to tell.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    let screen = screen::Screen { json: cli.json, quiet: cli.quiet };
    match commands::run(&cli, screen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if failure::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            screen::Screen::note(&failure::message(&error));
            // With --json the one document on standard output is the error.
            let _ = screen.document(&failure::document(&error));
            ExitCode::from(failure::exit_code(&error))
        }
    }
}
