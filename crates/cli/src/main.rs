//! The `segue` command: the only reader of arguments, environment and terminal; it holds no algorithm.
//!
//! Exit codes: 0 = done, 1 = a check or an input failed, 2 = the command line or the config is wrong,
//! 130 = Ctrl-C ended it; a run that was stopped so can be gone on with.

mod args;
mod commands;

mod evaluate_lists;
mod evaluate_run;
mod facts;
mod ablation;
mod cold_items;
mod cold_users;
mod few_shot;
mod fusion_study;
mod selection;
mod study;
mod figures;
mod measure;
mod train_run;
mod tracking;

mod encode;
mod training_folder;

mod batch;
mod example_users;
mod explained;
mod import_tables;
mod list_file;
mod words;
mod path_words;
mod profile_text;

mod manifest;
mod mlflow;
mod report_page;
mod run_diff;
mod run_dir;
mod run_state;
mod new_run;
mod run_split;
mod run_tables;
mod verdicts;

mod config;
mod config_keys;
mod config_layers;
mod config_models;

mod clock;
mod failure;
mod fit_bar;
mod grid;
mod interrupt;
mod machine;
mod number;
mod screen;

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
