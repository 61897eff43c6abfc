//! `segue evaluate`: measures a run again, or lists that any tool made.

use std::path::PathBuf;

use anyhow::Result;

use crate::screen::Screen;
use crate::{evaluate_lists, evaluate_run};
use segue::failure::usage;
use segue::run::dir;

/// Arguments of `segue evaluate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run folder, or a file of lists: CSV, TSV or JSON lines of user, item, score
    #[arg(value_name = "RUN|LISTS")]
    what: PathBuf,
    /// What was right: a file of user, item and optionally relevance; or a run, whose test split is taken
    #[arg(long, value_name = "FILE|RUN")]
    truth: Option<PathBuf>,
    /// Domain of the run given as --truth
    #[arg(long, value_name = "DOMAIN", requires = "truth")]
    domain: Option<String>,
    /// Data set of the run, where it is not where it was when the run was trained
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Lists to compare with
    #[arg(long, value_name = "LISTS", requires = "truth")]
    baseline: Option<PathBuf>,
    /// Measures
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = "ndcg@10,recall@10,hit_rate@10,reciprocal_rank@10"
    )]
    measures: Vec<String>,
    /// Write a page with the results
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// Evaluates.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let what = dir::locate(&args.what);
    match &args.truth {
        None if what.is_dir() => {
            evaluate_run::run(&what, args.data.as_deref(), args.report.as_deref(), screen)
        }
        None => Err(usage(
            format!("`{}` is a file of lists, and nothing says what was right", what.display()),
            "give --truth FILE (user, item) or --truth RUN --domain D; or name a run folder to measure it again",
        )),
        Some(truth) => {
            let request = evaluate_lists::Request {
                lists: &what,
                truth: &dir::locate(truth),
                data: args.data.as_deref(),
                domain: args.domain.as_deref(),
                baseline: args.baseline.as_deref(),
                measures: &args.measures,
                report: args.report.as_deref(),
            };
            evaluate_lists::run(&request, screen)
        }
    }
}
