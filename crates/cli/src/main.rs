//! The segue command.

use clap::Parser;

mod commands;

#[derive(Parser)]
enum Command {
    /// Run a published protocol
    Benchmark(commands::benchmark::Args),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Benchmark(args) => commands::benchmark::run(&args),
    }
}
