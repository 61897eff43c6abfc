//! `segue demo`: `MovieLens` 100K as two domains, from files to ten explained recommendations.

use std::path::PathBuf;

use anyhow::{Context, Result};
use segue_data::import::{DomainGroup, ImportOptions, Source, import};
use segue_data::{Dataset, UserIdx};
use segue_models::Query;
use segue_recommend::{Recommender, Request};
use serde::Serialize;

use super::train::{Settings, show_end};
use crate::interrupt;
use crate::screen::Screen;
use crate::show::run_tables;
use segue::config::RunConfig;
use segue::example_users::example_users;
use segue::explained::{ExplainedList, explain_list, newest_titles, refused_words};
use segue::facts::DataFacts;
use segue::failure::failed;
use segue::figures::RunFigures;
use segue::prepared::LoadedData;
use segue::run::dir;
use segue::run::train::{Place, TrainingRun, train_run};
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
    let (to, stop) = (Place::New(&to), interrupt::listen()?);
    let data = LoadedData::imported(dataset, &args.data);
    let finished = train_run(TrainingRun { data, config: &config, to, stop }, &Terminal::new(screen))?;
    for domain in &finished.figures.domains {
        run_tables::show_weights(screen, domain)?;
        run_tables::show_test(screen, domain)?;
    }
    run_tables::show_verdicts(screen, &finished.figures)?;
    let recommendations = show_recommendations(&finished.recommender, screen)?;
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

// Ten items for the user with most events in one domain and fewest in the other, in the other.
fn show_recommendations(recommender: &Recommender, screen: Screen) -> Result<ExplainedList> {
    let dataset = &recommender.dataset;
    let elsewhere = |user: UserIdx, domain: segue_data::DomainIdx| {
        let range = dataset.items.range(domain);
        let events = dataset.sequences.of(user);
        let inside = events.iter().filter(|event| range.contains(&event.item.at())).count();
        (events.len() - inside, inside)
    };
    let candidates = recommender.domains.iter().filter_map(|model| {
        let user = *example_users(dataset, model.domain, 1).first()?;
        Some((model.domain, user, elsewhere(user, model.domain)))
    });
    let (domain, user, (n_elsewhere, n_inside)) = candidates
        .max_by(|a, b| (a.2.0 * (b.2.1 + 1)).cmp(&(b.2.0 * (a.2.1 + 1))))
        .context("there is no user to recommend to")?;
    let raw = dataset.users.raw(user.0).unwrap_or_default();
    let query = recommender.query_of(user, domain);
    let list = explain_list(recommender, Some(raw), &query, &Request::default())?;
    screen.heading(&format!(
        "Ten `{}` films for user {raw}, who rated {} films elsewhere and {} here",
        list.domain,
        count(n_elsewhere),
        count(n_inside)
    ))?;
    screen.say(format!("newest: {}", newest_titles(recommender, &query, 4).join(" · ")))?;
    screen.say(table(&list))?;
    show_refused(recommender, (&query, &list), screen)?;
    Ok(list)
}

// A user who wonders what the graph knows sees it, and that the blend does not listen to it.
fn show_refused(
    recommender: &Recommender,
    (query, list): (&Query<'_>, &ExplainedList),
    screen: Screen,
) -> Result<()> {
    let said = refused_words(recommender, query, list, REFUSED_SHOWN)?;
    if said.is_empty() {
        return Ok(());
    }
    screen.heading("What experts say of these that have no weight, since no gain of them is proved here")?;
    said.iter().try_for_each(|(title, words)| screen.say(format!("{title}: {words}")))
}
