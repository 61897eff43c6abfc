//! `segue recommend`: lists with their reasons, for one user or for all.

use std::path::PathBuf;

use anyhow::Result;
use segue_recommend::{Histories, Model};

use super::query_args::{Asked, Wanted, Whose, domain_name, note_age};
use crate::screen::Screen;
use crate::show::list::table;
use crate::terminal::Terminal;
use segue::batch::Batch;
use segue::explained::{explain_list, newest_titles};
use segue::failure::usage;
use segue::run::dir::{RunDir, locate};
use segue::run::people::People;
use segue::words::profile_values;
use segue_report::number::count;

/// Arguments of `segue recommend`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("who").args(["user", "history", "profile", "all_users"]).required(true).multiple(true))]
pub(crate) struct Args {
    #[command(flatten)]
    asked: Asked,
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
    /// Take only events before the run's test split and ask at the time of each user's first test event, so that
    /// `segue evaluate --truth RUN` can judge the lists
    #[arg(long, conflicts_with_all = ["history", "profile", "at"])]
    before_test: bool,
    #[command(flatten)]
    wanted: Wanted,
}

/// Recommends.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let model = args.asked.model()?;
    match &args.to {
        Some(_) if !args.all_users => Err(usage(
            "--to writes the lists of all users",
            "give --all-users instead of --user or --history, or leave --to out and use --json for one list",
        )),
        Some(to) => all_users(args, &model, to, screen),
        None => one(args, &model, screen),
    }
}

// The people beside the run, as they were before its test split where that was asked for.
fn people(args: &Args, model: &Model) -> Result<People> {
    let people = args.asked.people()?;
    if !args.before_test {
        return Ok(people);
    }
    let config = RunDir::open(&locate(&args.asked.run))?.config()?;
    people.unchanged()?.before_test(&config, args.wanted.domain(model)?)
}

fn one(args: &Args, model: &Model, screen: Screen) -> Result<()> {
    let domain = args.wanted.domain(model)?;
    let request = args.wanted.request(model)?;
    let when = args.asked.when()?;
    let (person, time) = match &args.user {
        Some(user) if args.before_test => {
            let people = people(args, model)?;
            let person = people.histories(model.catalog())?.known(user, None)?;
            (person, people.time_of(user, when, model.catalog())?)
        }
        user => {
            let (history, profile) = (args.history.clone(), args.profile.clone());
            let whose = Whose { user: user.clone(), history, profile };
            (whose.person(&args.asked, when, model)?, when.time(model.catalog())?)
        }
    };
    let query = person.query(domain, time);
    if args.user.is_some() && query.history.is_empty() {
        Screen::note(
            "note: no event of this user counts: none is before that time, or the run's filters left all out",
        );
    }
    let list = explain_list(model, args.user.as_deref(), &query, &request)?;
    screen.document(&list)?;
    let who = args.user.as_ref().map_or_else(|| "somebody new".to_owned(), |user| format!("user {user}"));
    screen.heading(&format!(
        "{} for {who} ({} events)",
        domain_name(model, domain),
        count(query.history.len())
    ))?;
    let profile = profile_values(model.catalog(), query.profile);
    if !profile.is_empty() {
        screen.say(format!("profile: {}", profile.join(" · ")))?;
    }
    let newest = newest_titles(model, &query, 5);
    if !newest.is_empty() {
        screen.say(format!("newest: {}", newest.join(" · ")))?;
    }
    screen.say(table(&list))
}

fn all_users(args: &Args, model: &Model, to: &std::path::Path, screen: Screen) -> Result<()> {
    let domain = args.wanted.domain(model)?;
    let request = args.wanted.request(model)?;
    if to.exists() {
        return Err(usage(format!("`{}` already exists", to.display()), "name another file with --to"));
    }
    let (people, when) = (people(args, model)?, args.asked.when()?);
    if !args.before_test {
        note_age(when, model);
    }
    let batch = Batch { model, people: &people, when, domain, request: &request };
    let counts = batch.write(to, &Terminal::new(screen))?;
    screen.document(&counts)?;
    screen.say(format!(
        "{} lists, {} rows, written to {}",
        count(counts.n_users),
        count(counts.n_rows),
        to.display()
    ))
}
