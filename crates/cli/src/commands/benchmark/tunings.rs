//! `segue benchmark --study tunings`: every tuning of an encoder is measured in a process of its own, so that its memory is its own.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use segue::adapt::tuning_named;
use segue::encode::Provider;
use segue::failure::usage;
use segue_study::benchmark::tunings::{self, ALL, OneTuning, TuningRow};
use segue_study::benchmark::{BenchmarkData, BenchmarkRequest, targets};
use segue_train::encoder_fit::AdaptPlan;

use super::{Args, write_document};
use crate::screen::Screen;
use crate::show;
use crate::terminal::Terminal;

/// Measures all tunings that are asked for, or, in a process of its own, one.
pub(super) fn run(args: &Args, request: &BenchmarkRequest, screen: Screen) -> Result<()> {
    let Some(encoder) = args.encoder.as_deref() else {
        return Err(usage("--study tunings needs --encoder", "for example --encoder minilm"));
    };
    for name in &args.tunings {
        tuning_named(name)?;
    }
    if let Some(tuning) = &args.one_tuning {
        let rows = one_tuning(args, request, encoder, tuning, screen)?;
        return Screen { json: true, ..screen }.document(&rows);
    }
    let names: Vec<&str> = match args.tunings.as_slice() {
        [] => ALL.to_vec(),
        some => some.iter().map(String::as_str).collect(),
    };
    let shown = if args.file.is_some() { Screen { json: false, ..screen } } else { screen };
    let mut tables = Vec::new();
    for path in request.find()? {
        for seed in request.seeds.clone() {
            let data = request.read(&path, seed)?;
            if targets(&data.dataset, &request.targets).next().is_none() {
                continue;
            }
            // The cache then has these vectors, and no process pays for them.
            let mut provider = Provider::model(encoder, None)?;
            let data = BenchmarkData::encoded(data, &path, Some(&mut provider), &Terminal::new(screen))?;
            let measured: Result<Vec<Vec<TuningRow>>> =
                names.iter().map(|name| in_own_process(args, &path, seed, name, shown)).collect();
            for table in tunings::tables(request, &data, seed, &measured?)? {
                show::benchmark::tunings::show(&table, shown)?;
                tables.push(table);
            }
        }
    }
    write_document(args, &serde_json::to_string_pretty(&tables)?)?;
    if args.file.is_none() { screen.document(&tables) } else { Ok(()) }
}

/// The same command for one tuning; it answers with its rows, one for each domain.
fn in_own_process(
    args: &Args,
    path: &Path,
    seed: u64,
    tuning: &str,
    screen: Screen,
) -> Result<Vec<TuningRow>> {
    let bar = screen.bar(0, tuning);
    let program = std::env::current_exe().context("where this program is")?;
    let mut command = Command::new(program);
    command.args(["benchmark", "--study", "tunings", "--json", "--protocol", args.protocol.name()]);
    command.args(["--one-tuning", tuning, "--data"]).arg(path).args(args.flags_of_one_tuning(seed));
    let output = command.stderr(Stdio::inherit()).output().context("starting the process of a tuning")?;
    bar.finish_and_clear();
    if !output.status.success() {
        bail!("the process of tuning `{tuning}` ended with {}; its message is above", output.status);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("what the process of `{tuning}` answered"))
}

/// Adapts for every domain of the one data set that this process was given.
fn one_tuning(
    args: &Args,
    request: &BenchmarkRequest,
    encoder: &str,
    tuning: &str,
    screen: Screen,
) -> Result<Vec<TuningRow>> {
    let path = request.find()?.pop().context("no data")?;
    let seed = args.training.seed;
    let mut provider = Provider::model(encoder, None)?;
    let data = request.read(&path, seed)?;
    let data = BenchmarkData::encoded(data, &path, Some(&mut provider), &Terminal::new(screen))?;
    let one = OneTuning {
        request,
        data: &data,
        tuning,
        plan: AdaptPlan { seed, ..args.training.plan(tuning)? },
        fit_plan: request.plan(seed)?,
        provider: &provider,
    };
    one.rows()
}
