//! `segue few-shot`: how good a domain is with a part of its users, with and without the other domains.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use segue_data::{Dataset, DomainIdx, Split};
use segue_models::ItemVectors;
use segue_train::zero_shot::JudgeRule;
use segue_train::{Judge, MaskRule};

use super::train::{Settings, read};
use crate::clock;
use crate::config::RunConfig;
use crate::failure::usage;
use crate::few_shot::{FewShotCurve, Subject, curve, page, show};
use crate::run_split;
use crate::screen::Screen;
use crate::train_run;

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
    let mut curves = Vec::new();
    for target in prepared.targets.clone() {
        let subject = prepared.subject(target);
        let test = prepared.test(&subject)?;
        let measured = curve(&subject, &test, &args.shares, screen)?;
        show(&measured, screen)?;
        curves.push(measured);
    }
    if let Some(out) = &args.out {
        write_page(out, &curves, &prepared.dataset.name, screen)?;
    }
    screen.document(&curves)
}

/// Writes the page of the curves.
pub(crate) fn write_page(out: &Path, curves: &[FewShotCurve], data: &str, screen: Screen) -> Result<()> {
    let command: Vec<String> = std::env::args().collect();
    let generated = format!("{} by segue {}", clock::now(), env!("CARGO_PKG_VERSION"));
    let report = page(curves, (data, &command), generated);
    std::fs::write(out, segue_eval::report::render(&report))
        .with_context(|| format!("cannot write `{}`", out.display()))?;
    screen.say(format!("\nreport  {}", out.display()))
}

/// Whether the shares can be revealed.
pub(crate) fn check_shares(shares: &[f64]) -> Result<()> {
    match shares.iter().find(|share| !(0.0..=100.0).contains(*share)) {
        Some(share) => Err(usage(format!("`{share}` is no share in percent"), "give numbers from 0 to 100")),
        None => Ok(()),
    }
}

/// A data set, filtered and cut.
pub(crate) struct Prepared {
    pub(crate) dataset: Dataset,
    vectors: Option<ItemVectors>,
    pub(crate) split: Split,
    config: RunConfig,
    plan: segue_train::FitPlan,
    pub(crate) targets: Vec<DomainIdx>,
}

impl Prepared {
    /// Reads, filters and cuts.
    pub(crate) fn of(path: &Path, config: RunConfig, screen: Screen) -> Result<Self> {
        let (mut dataset, vectors, _) = read(path)?;
        if dataset.domains.len() < 2 {
            let problem =
                format!("data set `{}` has one domain: there is no other that could help", dataset.name);
            return Err(usage(problem, "import several domains: segue import NAME=PATH NAME=PATH --to DATA"));
        }
        let targets = train_run::targets(&dataset, &config)?;
        for note in train_run::apply_filters(&mut dataset, &config)? {
            screen.say(note)?;
        }
        let split = run_split::cut(&dataset, &config)?;
        let plan = config.fit_plan();
        Ok(Self { dataset, vectors, split, config, plan, targets })
    }

    /// What is measured for one target.
    pub(crate) fn subject(&self, target: DomainIdx) -> Subject<'_> {
        Subject {
            items: &self.dataset.items,
            split: &self.split,
            vectors: self.vectors.as_ref(),
            target,
            target_name: &self.dataset.domains[target.at()].name,
            plan: &self.plan,
            rule: JudgeRule { mask: MaskRule::Seen, sampled: None },
            refit: self.config.fit.refit,
            settings: self.config.table_settings(),
        }
    }

    /// The test cases, whole at every share.
    pub(crate) fn test<'a>(&'a self, subject: &Subject<'a>) -> Result<Judge<'a>> {
        let cases = &self.split.test.0;
        Judge::new(cases, subject.items, subject.target, subject.rule.mask, None).context("test")
    }
}
