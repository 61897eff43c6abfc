//! `segue suggest-labels`: which users or items to ask about next.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use segue_data::{Dataset, DomainIdx, TrainSet};
use segue_models::content::{Content, ContentConfig};
use segue_recommend::Model;
use segue_study::suggest_items::{ItemPool, ItemStrategy, SuggestedItem};
use segue_study::suggest_users::{SuggestedUser, UserPool, UserStrategy};
use serde::Serialize;

use super::query_args::{domain_name, target};
use crate::grid::Grid;
use crate::screen::Screen;
use segue::failure::{failed, usage};
use segue::run::dir;
use segue::run::people::People;
use segue_report::number::count;

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
    strategy: Option<Strategy>,
    /// Seed of chance and ties
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

/// What to ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Users,
    Items,
}

/// How they are chosen; the text of each is what the command prints of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Strategy {
    /// users: those the model is least sure about, spread out over what they did elsewhere
    UncertainDiverse,
    /// users: those the model is least sure about
    Uncertain,
    /// users: each as unlike as can be to those known and those chosen before
    Diverse,
    /// users: those who did most elsewhere, who have the most to tell
    Active,
    /// items: many know them and their ratings disagree; ln(users) × entropy of the ratings
    PopularityEntropy,
    /// items: entropy of the ratings, with "never met" as a rating of half weight
    Entropy0,
    /// items: those most users have
    Popularity,
    /// items: each text as unlike as can be to those chosen before
    Coverage,
    /// both: by chance, the baseline
    Random,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Document {
    target: String,
    what: What,
    strategy: Strategy,
    in_words: String,
    seed: u64,
    /// How many there were to choose from.
    n_candidates: usize,
    suggestions: Vec<Suggestion>,
}

/// Somebody or something to ask about.
#[derive(Serialize)]
#[serde(untagged)]
enum Suggestion {
    User {
        rank: usize,
        /// Raw id.
        id: String,
        /// Entropy of the blend's softmax over its largest value, in [0, 1]: 1 = knows nothing.
        uncertainty: f64,
        /// Cosine distance to the nearest user that is known or stands above, in [0, 1].
        distance: f64,
        /// Events in the other domains.
        n_events: usize,
    },
    Item {
        rank: usize,
        /// Raw id.
        id: String,
        /// Title, or the id where there is none.
        title: String,
        /// What the strategy goes by.
        value: f64,
        /// Users who have it.
        n_users: u32,
    },
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
    let document = match args.what {
        What::Users => users(args, &model, &people.dataset, domain)?,
        What::Items => items(args, &model, &people.dataset, domain)?,
    };
    screen.document(&document)?;
    show(&document, screen)
}

fn users(args: &Args, model: &Model, dataset: &Dataset, domain: DomainIdx) -> Result<Document> {
    let strategy = args.strategy.unwrap_or(Strategy::Active);
    let by = strategy.for_users()?;
    let train = everything(dataset);
    let items = &dataset.items;
    let pool = UserPool::new(model.target(domain)?, &train, items);
    if pool.unknown.is_empty() {
        let problem = format!("every user with events has some in `{}`", domain_name(model, domain));
        return Err(failed(problem, "ask about items: --what items"));
    }
    let suggestion = |(at, user): (usize, SuggestedUser)| Suggestion::User {
        rank: at + 1,
        id: dataset.users.raw(user.row).unwrap_or_default().to_owned(),
        uncertainty: user.uncertainty,
        distance: user.distance,
        n_events: train.sequences.row(user.row as usize).len(),
    };
    let chosen = pool.suggest(by, args.n as usize, args.seed);
    let suggestions = chosen.into_iter().enumerate().map(suggestion).collect();
    Ok(document(args, domain_name(model, domain), strategy, pool.unknown.len(), suggestions))
}

fn items(args: &Args, model: &Model, dataset: &Dataset, domain: DomainIdx) -> Result<Document> {
    let train = everything(dataset);
    let items = &dataset.items;
    let mut pool = ItemPool { train: &train, items, domain, content: None };
    let strategy = args.strategy.unwrap_or(if pool.has_ratings() {
        Strategy::PopularityEntropy
    } else {
        Strategy::Entropy0
    });
    let by = strategy.for_items()?;
    if by == ItemStrategy::PopularityEntropy && !pool.has_ratings() {
        let problem =
            format!("all ratings in `{}` are equal: they cannot disagree", domain_name(model, domain));
        return Err(failed(problem, "choose --strategy entropy0, which works without ratings"));
    }
    // Without texts there is none, and only coverage, which needs it, says so.
    let content = (by == ItemStrategy::Coverage)
        .then(|| Content::fit(&ContentConfig::default(), items, domain).ok())
        .flatten();
    pool.content = content.as_ref();
    let suggestion = |(at, found): (usize, SuggestedItem)| Suggestion::Item {
        rank: at + 1,
        id: items.raw(found.item).to_owned(),
        title: items.label(found.item).to_owned(),
        value: found.value,
        n_users: found.n_users,
    };
    let chosen = pool.suggest(by, args.n as usize, args.seed)?;
    let suggestions = chosen.into_iter().enumerate().map(suggestion).collect();
    Ok(document(args, domain_name(model, domain), strategy, items.range(domain).len(), suggestions))
}

// All that the run knows: its test events too, since asking comes after measuring.
fn everything(dataset: &Dataset) -> TrainSet {
    TrainSet { sequences: dataset.sequences.clone(), profiles: dataset.profiles.clone() }
}

fn document(
    args: &Args,
    target: &str,
    strategy: Strategy,
    n_candidates: usize,
    suggestions: Vec<Suggestion>,
) -> Document {
    Document {
        target: target.to_owned(),
        what: args.what,
        strategy,
        in_words: strategy.in_words(),
        seed: args.seed,
        n_candidates,
        suggestions,
    }
}

impl Strategy {
    fn for_users(self) -> Result<UserStrategy> {
        match self {
            Self::UncertainDiverse => Ok(UserStrategy::UncertainDiverse),
            Self::Uncertain => Ok(UserStrategy::Uncertain),
            Self::Diverse => Ok(UserStrategy::Diverse),
            Self::Active => Ok(UserStrategy::Active),
            Self::Random => Ok(UserStrategy::Random),
            Self::PopularityEntropy | Self::Entropy0 | Self::Popularity | Self::Coverage => Err(usage(
                format!("`{}` chooses items, not users", self.name()),
                "add --what items, or choose uncertain-diverse, uncertain, diverse or random",
            )),
        }
    }

    fn for_items(self) -> Result<ItemStrategy> {
        match self {
            Self::PopularityEntropy => Ok(ItemStrategy::PopularityEntropy),
            Self::Entropy0 => Ok(ItemStrategy::Entropy0),
            Self::Popularity => Ok(ItemStrategy::Popularity),
            Self::Coverage => Ok(ItemStrategy::Coverage),
            Self::Random => Ok(ItemStrategy::Random),
            Self::UncertainDiverse | Self::Uncertain | Self::Diverse | Self::Active => Err(usage(
                format!("`{}` chooses users, not items", self.name()),
                "leave --what items out, or choose popularity-entropy, entropy0, popularity, coverage or random",
            )),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn in_words(self) -> String {
        let help = self.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string));
        format!("{} – {}", self.name(), help.unwrap_or_default())
    }
}

fn show(document: &Document, screen: Screen) -> Result<()> {
    let (what, columns) = match document.what {
        What::Users => ("users", [">#", "user", ">uncertainty", ">distance", ">events elsewhere"]),
        What::Items => ("items", [">#", "item", "title", ">value", ">users"]),
    };
    screen.heading(&format!(
        "{}: {} of {} {what} to ask about next",
        document.target,
        count(document.suggestions.len()),
        count(document.n_candidates)
    ))?;
    screen.say(format!("strategy: {}", document.in_words))?;
    let mut grid = Grid::new(&columns);
    for suggestion in &document.suggestions {
        grid.row(&suggestion.cells());
    }
    screen.say(grid.text())
}

impl Suggestion {
    fn cells(&self) -> [String; 5] {
        match self {
            Self::User { rank, id, uncertainty, distance, n_events } => [
                rank.to_string(),
                id.clone(),
                format!("{uncertainty:.3}"),
                format!("{distance:.3}"),
                count(*n_events),
            ],
            Self::Item { rank, id, title, value, n_users } => {
                [rank.to_string(), id.clone(), title.clone(), format!("{value:.3}"), count(*n_users)]
            }
        }
    }
}
