//! `segue demo`: `MovieLens` 100K as two domains, from files to ten explained recommendations.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use segue_data::import::{DomainGroup, ImportOptions, Source, import};
use segue_data::{Dataset, UserIdx, store};
use segue_models::Query;
use segue_recommend::{DatasetHistories, Histories, Model, Request, When};
use serde::Serialize;

use super::train::{Settings, show_end};
use crate::interrupt;
use crate::screen::{self, Screen};
use crate::show::run_tables;
use segue::config::RunConfig;
use segue::example_users::example_users;
use segue::explained::{ExplainedList, explain_list, newest_titles, refused_words};
use segue::facts::DataFacts;
use segue::failure::{failed, usage};
use segue::figures::RunFigures;
use segue::prepared::LoadedData;
use segue::run::dir;
use segue::training_run::{Place, TrainingRun, train_run};
use segue_report::number::count;

use crate::show::list::table;
use crate::terminal::Terminal;

/// Arguments of `segue demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder with ml-100k.inter, .item, .kg and .link (`RecBole` atomic files); scripts/demo fetches it
    #[arg(value_name = "ML-100K")]
    data: PathBuf,
    /// Run folder to write [default: runs/<time>-<data>-<hash>]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// The two domains: a film belongs to the group that more of its genres are in, and to `light` on a tie.
const GROUPS: [(&str, &[&str]); 2] = [
    ("light", &["Comedy", "Romance", "Children's", "Animation", "Musical", "Fantasy"]),
    (
        "dark",
        &[
            "Action",
            "Thriller",
            "Crime",
            "Horror",
            "Sci-Fi",
            "War",
            "Drama",
            "Film-Noir",
            "Mystery",
            "Western",
            "Adventure",
            "Documentary",
            "unknown",
        ],
    ),
];

/// Items of which refused experts are heard.
const REFUSED_SHOWN: usize = 3;

#[derive(Serialize)]
struct Document<'a> {
    run: PathBuf,
    data: DataFacts,
    figures: &'a RunFigures,
    recommendations: ExplainedList,
}

/// Runs the demonstration.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    if !args.data.join("ml-100k.inter").is_file() {
        let problem = format!("`{}` has no ml-100k.inter", args.data.display());
        return Err(failed(problem, "run scripts/demo, which fetches it; or name the folder that holds it"));
    }
    let config = args.settings.resolve()?.config;
    let dataset = read(args, &config)?;
    let facts = DataFacts::of(&dataset);
    screen.heading("1  MovieLens 100K, cut by genre into two domains that share their users")?;
    screen.say(facts.in_words())?;
    let to = match &args.to {
        Some(to) => to.clone(),
        None => dir::default_name("demo", "", &config)?,
    };
    let data = LoadedData::read(&keep(&dataset, &to, config.seed())?)?;
    let place = Place::New { folder: &to, command: screen::command_line() };
    let (to, stop) = (place, interrupt::listen()?);
    let finished = train_run(TrainingRun { data, config: &config, to, stop }, &Terminal::new(screen))?;
    for domain in &finished.figures.domains {
        run_tables::show_weights(screen, domain)?;
        run_tables::show_test(screen, domain)?;
    }
    run_tables::show_verdicts(screen, &finished.figures)?;
    let recommendations = show_recommendations(&finished.model, &finished.dataset, screen)?;
    show_end(screen, &finished)?;
    let run = finished.path.display();
    screen.say(format!("next    segue recommend {run} --history \"light:1,dark:50\" --domain dark"))?;
    screen.document(&Document {
        run: finished.path.clone(),
        data: facts,
        figures: &finished.figures,
        recommendations,
    })
}

fn read(args: &Args, config: &RunConfig) -> Result<Dataset> {
    let group = |(name, genres): (&str, &[&str])| DomainGroup {
        name: name.to_owned(),
        values: genres.iter().map(|&genre| genre.to_owned()).collect(),
    };
    let options = ImportOptions {
        domain_by: Some("class".to_owned()),
        domain_groups: GROUPS.map(group).to_vec(),
        seed: config.seed(),
        ..ImportOptions::new("ml-100k", vec![Source { path: args.data.clone(), domain: None }])
    };
    Ok(import(&options, &mut |_| {})?.dataset)
}

// A run stands beside a data set, so that of the demonstration is kept, too: `RUN-data`.
fn keep(dataset: &Dataset, run: &Path, seed: u64) -> Result<PathBuf> {
    if run.exists() {
        let problem = format!("`{}` already exists", run.display());
        return Err(usage(problem, "name another folder with --to; a run is never overwritten"));
    }
    let name = run.file_name().context("the run folder needs a name")?.to_string_lossy();
    let to = run.with_file_name(format!("{name}-data"));
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create `{}`", parent.display()))?;
    }
    store::write(dataset, seed, toml::Table::new(), &to)?;
    Ok(to)
}

// Ten items for the user with most events in one domain and fewest in the other, in the other.
fn show_recommendations(model: &Model, dataset: &Dataset, screen: Screen) -> Result<ExplainedList> {
    let elsewhere = |user: UserIdx, domain: segue_data::DomainIdx| {
        let range = dataset.items.range(domain);
        let events = dataset.sequences.of(user);
        let inside = events.iter().filter(|event| range.contains(&event.item.at())).count();
        (events.len() - inside, inside)
    };
    let candidates = model.targets().iter().filter_map(|target| {
        let user = *example_users(dataset, target.domain, 1).first()?;
        Some((target.domain, user, elsewhere(user, target.domain)))
    });
    let (domain, user, (n_elsewhere, n_inside)) = candidates
        .max_by(|a, b| (a.2.0 * (b.2.1 + 1)).cmp(&(b.2.0 * (a.2.1 + 1))))
        .context("there is no user to recommend to")?;
    let raw = dataset.users.raw(user.0).unwrap_or_default();
    let person = DatasetHistories::new(model.catalog(), dataset)?.known(raw, When::End.before())?;
    let query = person.query(domain, When::End.time(model.catalog())?);
    let list = explain_list(model, Some(raw), &query, &Request::default())?;
    screen.heading(&format!(
        "Ten `{}` films for user {raw}, who rated {} films elsewhere and {} here",
        list.domain,
        count(n_elsewhere),
        count(n_inside)
    ))?;
    screen.say(format!("newest: {}", newest_titles(model, &query, 4).join(" · ")))?;
    screen.say(table(&list))?;
    show_refused(model, &query, &list, screen)?;
    Ok(list)
}

// A user who wonders what the graph knows sees it, and that the blend does not listen to it.
fn show_refused(model: &Model, query: &Query<'_>, list: &ExplainedList, screen: Screen) -> Result<()> {
    let said = refused_words(model, query, list, REFUSED_SHOWN)?;
    if said.is_empty() {
        return Ok(());
    }
    screen.heading("What experts say of these that have no weight, since no gain of them is proved here")?;
    said.iter().try_for_each(|(title, words)| screen.say(format!("{title}: {words}")))
}
