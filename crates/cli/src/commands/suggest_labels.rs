//! `segue suggest-labels`: which users or items to ask about next.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use segue::run::dir;
use segue::run::people::People;
use segue_data::TrainSet;
use segue_study::suggest::{About, KnownData, Strategy, SuggestionRequest, suggest};

use super::query_args::target;
use crate::screen::Screen;
use crate::show;

/// Arguments of `segue suggest-labels`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run folder, its name under runs/, or an artifact folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Data set with the users, where it is not where it was when the run was trained
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Domain that more should be known about [default: the only target]
    #[arg(long, value_name = "DOMAIN")]
    target: Option<String>,
    /// Users without events in the domain, or items of it
    #[arg(long, value_enum, default_value_t = What::Users)]
    what: What,
    /// Length of the list
    #[arg(long, short, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    n: u32,
    /// How they are chosen [default: active for users; popularity-entropy for items, or entropy0 where
    /// all ratings are equal]
    #[arg(long, value_enum)]
    strategy: Option<StrategyArg>,
    /// Seed of chance and ties
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

/// What to ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    Users,
    Items,
}

/// A strategy by its name; its meaning is its help.
#[derive(Clone, Copy, Debug)]
struct StrategyArg(Strategy);

impl ValueEnum for StrategyArg {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [StrategyArg; Strategy::ALL.len()] = {
            let mut all = [StrategyArg(Strategy::Random); Strategy::ALL.len()];
            let mut at = 0;
            while at < all.len() {
                all[at] = StrategyArg(Strategy::ALL[at]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()).help(self.0.meaning()))
    }
}

/// Suggests.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let run = dir::locate(&args.run);
    let model = dir::read_model(&run)?;
    let domain = target(&model, args.target.as_deref(), "--target")?;
    let people = People::beside(&run, args.data.as_deref())?;
    people.note().iter().for_each(|note| Screen::note(note));
    // Refuses a data set whose items have other numbers than the model's.
    people.histories(model.catalog())?;
    let dataset = &people.dataset;
    // All that the run knows: its test events too, since asking comes after measuring.
    let train = TrainSet { sequences: dataset.sequences.clone(), profiles: dataset.profiles.clone() };
    let known =
        KnownData { users: &dataset.users, items: &dataset.items, domains: &dataset.domains, train: &train };
    let request = SuggestionRequest {
        about: match args.what {
            What::Users => About::Users,
            What::Items => About::Items,
        },
        strategy: args.strategy.map(|strategy| strategy.0),
        n: args.n as usize,
        seed: args.seed,
    };
    let suggestions = suggest(&known, model.target(domain)?, &request)?;
    screen.document(&suggestions)?;
    show::suggestions::show(&suggestions, screen)
}
