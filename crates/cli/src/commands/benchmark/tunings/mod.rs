//! `segue benchmark --study tunings`: what each way to tune an encoder costs, and what its vectors are worth beside those of full tuning.

mod one;
mod show;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use segue_data::protocol::ProtocolData;
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_train::Judge;
use segue_train::judge::paired_gain;
use serde::Serialize;

use self::one::TuningRow;
use super::targets::targets;
use super::{Args, find, read, vectors, write_document};
use crate::commands::adapt::tuning_named;
use crate::encode::Provider;
use crate::failure::usage;
use crate::screen::Screen;

/// In the order of the table: nothing trained, everything trained, then the ways that train little.
const ALL: [&str; 6] = ["frozen", "full", "lora", "adalora", "adapter", "prefix"];
/// Share of full tuning's NDCG@10 that a way which trains little must keep.
const SHARE_OF_FULL: f64 = 0.99;

/// The table of one domain.
#[derive(Debug, Serialize)]
pub(super) struct TuningTable {
    target: String,
    seed: u64,
    n_test_cases: usize,
    rows: Vec<Line>,
    /// Ways that train little and are below the bar, or not above the encoder as it is.
    missed: Vec<String>,
}

/// A tuning beside the others.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    row: TuningRow,
    /// NDCG@10 on test over that of full tuning.
    of_full: Option<f64>,
    /// NDCG@10 on test minus that of full tuning, and of the encoder as it is; paired by case, users resampled.
    minus_full: Option<Interval>,
    minus_frozen: Option<Interval>,
}

/// Measures all tunings, each in a process of its own, so that its memory is its own.
pub(super) fn run(args: &Args, screen: Screen) -> Result<()> {
    let Some(encoder) = args.encoder.as_deref() else {
        return Err(usage("--study tunings needs --encoder", "for example --encoder minilm"));
    };
    for name in &args.tunings {
        tuning_named(name)?;
    }
    if let Some(tuning) = &args.one_tuning {
        let path = find(args)?.pop().context("no data")?;
        let seed = args.training.seed;
        return one::run(args, (&read(args, &path, seed)?, seed, tuning), screen);
    }
    let names: Vec<&str> = match args.tunings.as_slice() {
        [] => ALL.to_vec(),
        some => some.iter().map(String::as_str).collect(),
    };
    let shown = if args.file.is_some() { Screen { json: false, ..screen } } else { screen };
    let mut tables = Vec::new();
    for path in find(args)? {
        for seed in 0..args.seeds {
            let data = read(args, &path, seed)?;
            if targets(&data.dataset, &args.target).next().is_none() {
                continue;
            }
            // The cache then has these vectors, and no process pays for them.
            vectors(&mut Provider::model(encoder, None)?, &data, screen)?;
            let measured: Result<Vec<Vec<TuningRow>>> =
                names.iter().map(|name| in_own_process(args, (&path, seed, name), shown)).collect();
            for table in tables_of(args, &data, (seed, measured?))? {
                show::show(&table, shown)?;
                tables.push(table);
            }
        }
    }
    write_document(args, &serde_json::to_string_pretty(&tables)?)?;
    if args.file.is_none() { screen.document(&tables) } else { Ok(()) }
}

// The same command for one tuning; it answers with its rows, one for each domain.
fn in_own_process(
    args: &Args,
    (path, seed, tuning): (&Path, u64, &str),
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

fn tables_of(
    args: &Args,
    data: &ProtocolData,
    (seed, measured): (u64, Vec<Vec<TuningRow>>),
) -> Result<Vec<TuningTable>> {
    let mut tables = Vec::new();
    for (at, target) in targets(&data.dataset, &args.target).enumerate() {
        let rows: Vec<TuningRow> = measured.iter().filter_map(|rows| rows.get(at).cloned()).collect();
        let (mask, negatives) = (args.protocol.mask(), args.protocol.negatives(seed));
        let test =
            Judge::new(data.split.test.open_for_measurement(), &data.dataset.items, target, mask, negatives)?;
        tables.push(table(&rows, seed, test.users())?);
    }
    Ok(tables)
}

fn table(rows: &[TuningRow], seed: u64, users: &[u32]) -> Result<TuningTable> {
    let cases_of = |name: &str| rows.iter().find(|row| row.tuning == name).map(|row| row.cases.clone());
    let (full, frozen) = (cases_of("full"), cases_of("frozen"));
    let full_mean = rows.iter().find(|row| row.tuning == "full").map(|row| row.test.mean);
    let bootstrap = Bootstrap { seed, ..Bootstrap::default() };
    let minus = |row: &TuningRow, other: &Option<Vec<f64>>, name: &str| {
        let other = other.as_ref().filter(|_| row.tuning != name);
        other.map(|other| paired_gain(&row.cases, other, users, bootstrap)).transpose()
    };
    let (target, n_test_cases) = (rows[0].target.clone(), users.len());
    let mut lines = Vec::new();
    for row in rows {
        lines.push(Line {
            of_full: full_mean.filter(|full| *full > 0.0).map(|full| row.test.mean / full),
            minus_full: minus(row, &full, "full")?,
            minus_frozen: minus(row, &frozen, "frozen")?,
            row: TuningRow { cases: Vec::new(), ..row.clone() },
        });
    }
    let missed = lines.iter().filter(|line| line.misses()).map(|line| line.row.tuning.clone()).collect();
    Ok(TuningTable { target, seed, n_test_cases, rows: lines, missed })
}

impl Line {
    fn trains_little(&self) -> bool {
        !matches!(self.row.tuning.as_str(), "frozen" | "full")
    }

    // By the means: an interval that holds zero proves neither side.
    fn misses(&self) -> bool {
        let below_full = self.of_full.is_some_and(|share| share < SHARE_OF_FULL);
        let not_above_frozen = self.minus_frozen.is_some_and(|gain| gain.mean <= 0.0);
        self.trains_little() && (below_full || not_above_frozen)
    }
}
