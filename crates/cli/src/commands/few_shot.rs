//! `segue few-shot`: how good a domain is with a part of its users, with and without the other domains.

use std::path::PathBuf;

use anyhow::Result;
use segue::failure::usage;
use segue_study::cold_users;
use segue_study::few_shot::{CurveRequest, ask, curve, page};
use segue_study::suggest::UserStrategy;
use segue_train::MaskRule;
use segue_train::judge::JudgeRule;

use super::train::Settings;
use crate::screen::Screen;
use crate::show;
use crate::studied::StudiedData;

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
    /// In place of the curve: 20 % of the users are new to the target and known elsewhere
    #[arg(long, conflicts_with_all = ["shares", "ask", "out", "pseudo_labels"])]
    cold_users: bool,
    /// Beside the curve: the surest lists of hidden users become training events, where valid proves a gain
    #[arg(long, conflicts_with = "ask")]
    pseudo_labels: bool,
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

fn run_asking(args: &Args, asks: Ask, studied: &StudiedData, screen: Screen) -> Result<()> {
    let mut curves = Vec::new();
    for study in studied.studies() {
        let curve = ask(&study, asks.strategy(), &args.shares)?;
        show::asking::show(&curve, screen)?;
        curves.push(curve);
    }
    screen.document(&curves)
}

fn run_cold_users(studied: &StudiedData, screen: Screen) -> Result<()> {
    let mut all = Vec::new();
    for study in studied.studies() {
        let measured = cold_users::measure(&study)?;
        show::cold_users::show(&measured, screen)?;
        all.push(measured);
    }
    screen.document(&all)
}

/// Measures.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    check_shares(&args.shares)?;
    let config = args.settings.resolve()?.config;
    let rule = JudgeRule { mask: args.mask.rule(), sampled: None };
    let studied = StudiedData::read(&args.data, &config, rule, screen)?;
    studied.need_sources()?;
    if let Some(asks) = args.ask {
        return run_asking(args, asks, &studied, screen);
    }
    if args.cold_users {
        return run_cold_users(&studied, screen);
    }
    let request = CurveRequest { shares: &args.shares, pseudo_labels: args.pseudo_labels };
    let mut curves = Vec::new();
    for study in studied.studies() {
        let measured = curve(&study, request)?;
        show::few_shot::show(&measured, screen)?;
        curves.push(measured);
    }
    studied.write_page(args.out.as_deref(), |origin| page(&curves, origin), screen)?;
    screen.document(&curves)
}

/// Whether the shares can be revealed.
fn check_shares(shares: &[f64]) -> Result<()> {
    match shares.iter().find(|share| !(0.0..=100.0).contains(*share)) {
        Some(share) => Err(usage(format!("`{share}` is no share in percent"), "give numbers from 0 to 100")),
        None => Ok(()),
    }
}
