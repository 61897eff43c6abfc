//! From two folders of CSV files to an explained list, by the library alone: `cargo run --release -p segue --example shop`.

use std::path::Path;

use anyhow::{Context, Result};
use segue::config::RunConfig;
use segue::data::import::{ImportOptions, Source, import};
use segue::explained::explain_list;
use segue::models::Query;
use segue::recommend::{Catalog, Model, Request};
use segue::train::{JudgeRule, Session};
use segue::{LoadedData, PreparedData};

#[expect(clippy::print_stdout, reason = "what it shows")]
pub(crate) fn main() -> Result<()> {
    // Import: one folder a domain; users are shared by their ids.
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop");
    let source = |name: &str| Source { path: shop.join(name), domain: Some(name.to_owned()) };
    let sources = vec![source("books"), source("films")];
    let dataset = import(&ImportOptions::new("shop", sources), &mut |_| {})?.dataset;
    // Fit: films are recommended, books help where they are proved to.
    let mut config = RunConfig::default();
    config.set("fit.budget", 4)?;
    let data = PreparedData::new(LoadedData::in_memory(dataset), &config)?;
    let films = data.dataset.domain("films").context("the shop has films")?;
    let problem = data.problem(films, JudgeRule::default());
    let fitted = segue::fit(&problem, config.recipe(), &problem.valid()?, Session::unwatched())?;
    // Recommend to somebody new who read two books, and say why.
    let model = Model::new(Catalog::of(&data.dataset), vec![fitted.served]);
    let history = model.catalog().history(&["books:b1", "books:b2"])?;
    let query = Query { domain: films, history: &history, profile: &[], timestamp: None };
    for item in explain_list(&model, None, &query, &Request::default())?.items {
        println!("{:>2}  {}: {}", item.rank, item.title, item.why);
    }
    Ok(())
}
