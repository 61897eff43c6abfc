//! `segue recommend`: lists with their reasons, for one user or for all.

use std::path::PathBuf;

use anyhow::Result;
use segue_recommend::Recommender;

use super::query_args::{Model, Wanted, Whose, domain_name};
use crate::screen::Screen;
use crate::show::list::table;
use crate::terminal::Terminal;
use segue::batch;
use segue::explained::{explain_list, newest_titles};
use segue::failure::usage;
use segue::prepared::cut;
use segue::run::dir::{RunDir, locate};
use segue::words::profile_values;
use segue_report::number::count;

/// Arguments of `segue recommend`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("who").args(["user", "history", "profile", "all_users"]).required(true).multiple(true))]
pub(crate) struct Args {
    #[command(flatten)]
    model: Model,
    /// A user of the data, with all events and attributes
    #[arg(long, value_name = "ID", conflicts_with_all = ["history", "profile", "all_users"])]
    user: Option<String>,
    /// Items of somebody new, oldest first: "ID,ID,…"; an id that two domains have is written DOMAIN:ID
    #[arg(long, value_name = "ITEMS", conflicts_with = "all_users")]
    history: Option<String>,
    /// What is known about somebody new, such as gender=F; may be given several times, beside --history or alone
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "all_users")]
    profile: Vec<String>,
    /// Every user of the data; needs --to
    #[arg(long, requires = "to")]
    all_users: bool,
    /// File for the lists of all users: .parquet, .csv or .jsonl
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Take only events before the run's test split, so that `segue evaluate --truth RUN` can judge the lists
    #[arg(long, conflicts_with_all = ["history", "profile"])]
    before_test: bool,
    #[command(flatten)]
    wanted: Wanted,
}

/// Recommends.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let mut recommender = args.model.read()?;
    if args.before_test {
        let config = RunDir::open(&locate(&args.model.run))?.config()?;
        recommender.dataset.sequences = cut(&recommender.dataset, &config)?.train_valid.sequences;
    }
    match &args.to {
        Some(_) if !args.all_users => Err(usage(
            "--to writes the lists of all users",
            "give --all-users instead of --user or --history, or leave --to out and use --json for one list",
        )),
        Some(to) => all_users(args, &recommender, to, screen),
        None => one(args, &recommender, screen),
    }
}

fn one(args: &Args, recommender: &Recommender, screen: Screen) -> Result<()> {
    let domain = args.wanted.domain(recommender)?;
    let request = args.wanted.request(recommender)?;
    let whose =
        Whose { user: args.user.clone(), history: args.history.clone(), profile: args.profile.clone() };
    let known = whose.known(recommender)?;
    let query = known.query(domain);
    let list = explain_list(recommender, args.user.as_deref(), &query, &request)?;
    screen.document(&list)?;
    let who = args.user.as_ref().map_or_else(|| "somebody new".to_owned(), |user| format!("user {user}"));
    screen.heading(&format!(
        "{} for {who} ({} events)",
        domain_name(recommender, domain),
        count(query.history.len())
    ))?;
    let profile = profile_values(&recommender.dataset, query.profile);
    if !profile.is_empty() {
        screen.say(format!("profile: {}", profile.join(" · ")))?;
    }
    let newest = newest_titles(recommender, &query, 5);
    if !newest.is_empty() {
        screen.say(format!("newest: {}", newest.join(" · ")))?;
    }
    screen.say(table(&list))
}

fn all_users(args: &Args, recommender: &Recommender, to: &std::path::Path, screen: Screen) -> Result<()> {
    let domain = args.wanted.domain(recommender)?;
    let request = args.wanted.request(recommender)?;
    if to.exists() {
        return Err(usage(format!("`{}` already exists", to.display()), "name another file with --to"));
    }
    let counts = batch::recommend_all(recommender, domain, &request, to, &Terminal::new(screen))?;
    screen.document(&counts)?;
    screen.say(format!(
        "{} lists, {} rows, written to {}",
        count(counts.n_users),
        count(counts.n_rows),
        to.display()
    ))
}
