//! `segue few-shot`: how good a domain is with a part of its users, with and without the other domains.

use std::path::PathBuf;

use anyhow::Result;

use super::train::Settings;
use crate::failure::usage;
use crate::few_shot::{curve, page, show};
use crate::screen::Screen;
use crate::study::{Prepared, write_page};

/// Arguments of `segue few-shot`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data set folder, made with `segue import`
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Percent of the target's users that are revealed, nested; 0 = nothing of the target, chosen on the other domains
    #[arg(long, value_delimiter = ',', default_value = "0,1,5,10,25,100", value_name = "PERCENT")]
    shares: Vec<f64>,
    /// Page to write, one file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Measures.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    check_shares(&args.shares)?;
    let config = args.settings.resolve()?.config;
    let prepared = Prepared::of(&args.data, config, screen)?;
    prepared.need_sources()?;
    let mut curves = Vec::new();
    for target in prepared.targets.clone() {
        let subject = prepared.subject(target);
        let test = subject.test()?;
        let measured = curve(&subject, &test, &args.shares, screen)?;
        show(&measured, screen)?;
        curves.push(measured);
    }
    if let Some(out) = &args.out {
        write_page(out, |origin| page(&curves, origin), &prepared.dataset.name, screen)?;
    }
    screen.document(&curves)
}

/// Whether the shares can be revealed.
fn check_shares(shares: &[f64]) -> Result<()> {
    match shares.iter().find(|share| !(0.0..=100.0).contains(*share)) {
        Some(share) => Err(usage(format!("`{share}` is no share in percent"), "give numbers from 0 to 100")),
        None => Ok(()),
    }
}
