//! `segue few-shot`: how good a domain is with a part of its users, with and without the other domains.

use std::path::PathBuf;

use anyhow::Result;
use segue_train::MaskRule;
use segue_train::suggest_users::UserStrategy;

use super::train::Settings;
use crate::failure::usage;
use crate::few_shot::{Asked, ask, curve, page, show, show_asked};
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
    /// In place of the curve: users beyond the first share are asked for by this strategy of `suggest-labels`, against chance
    #[arg(long, value_enum, value_name = "STRATEGY", conflicts_with = "out")]
    ask: Option<Ask>,
    /// Which known items are left out of a masked ranking (`fit.objective` says whether masked or unmasked rankings count)
    #[arg(long, value_enum, default_value_t = Mask::Seen)]
    mask: Mask,
    /// Page to write, one file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Known items that are not ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Mask {
    /// All of them: what is served
    Seen,
    /// All but the answer, as in some published tables: it looks at the answer and cannot be served
    SeenExceptTarget,
}

impl Mask {
    fn rule(self) -> MaskRule {
        match self {
            Self::Seen => MaskRule::Seen,
            Self::SeenExceptTarget => MaskRule::SeenExceptTarget,
        }
    }
}

/// How users are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Ask {
    /// Those the model is least sure about, spread out
    UncertainDiverse,
    /// Those the model is least sure about
    Uncertain,
    /// Each as unlike as can be to those known
    Diverse,
    /// Those who did most elsewhere
    Active,
}

impl Ask {
    fn strategy(self) -> UserStrategy {
        match self {
            Self::UncertainDiverse => UserStrategy::UncertainDiverse,
            Self::Uncertain => UserStrategy::Uncertain,
            Self::Diverse => UserStrategy::Diverse,
            Self::Active => UserStrategy::Active,
        }
    }
}

fn run_asked(args: &Args, asks: Ask, prepared: &Prepared, screen: Screen) -> Result<()> {
    let mut all: Vec<Asked> = Vec::new();
    for target in prepared.targets.clone() {
        let subject = prepared.subject(target);
        let asked = ask(&subject, &subject.test()?, (asks.strategy(), &args.shares), screen)?;
        show_asked(&asked, screen)?;
        all.push(asked);
    }
    screen.document(&all)
}

/// Measures.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    check_shares(&args.shares)?;
    let config = args.settings.resolve()?.config;
    let prepared = Prepared::of(&args.data, config, screen)?.with_mask(args.mask.rule());
    prepared.need_sources()?;
    if let Some(asks) = args.ask {
        return run_asked(args, asks, &prepared, screen);
    }
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
