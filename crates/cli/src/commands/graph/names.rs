//! `segue graph names`: links by names beside those that a data set states.

use std::path::PathBuf;

use anyhow::Result;
use segue_data::name_match::{self, Judged};
use segue_data::store;

use crate::grid::Grid;
use crate::screen::Screen;
use segue::failure::failed;
use segue_report::number::count;

/// Arguments of `segue graph names`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data set folder with a graph and links of items
    #[arg(value_name = "DATA")]
    data: PathBuf,
}

/// Judges and prints.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let (dataset, _) = store::read(&args.data)?;
    let graph = dataset.graph.as_ref().filter(|graph| !graph.links.is_empty()).ok_or_else(|| {
        failed(
            format!("`{}` has no links of items to entities to compare with", args.data.display()),
            "give a data set with a .link table; `segue import --link-by-name` links items where none is stated",
        )
    })?;
    let judged = name_match::judge(&dataset.items, graph);
    screen.say(format!("{} links are stated; by names alone there would be:", count(graph.links.len())))?;
    let columns =
        [">confidence", ">links", ">right", ">precision", ">recall", ">of items without a stated link"];
    let mut grid = Grid::new(&columns);
    for Judged { min_confidence, n_linked, n_right, precision, recall, n_unknown } in &judged {
        grid.row(&[
            format!("{min_confidence:.2}"),
            count(*n_linked),
            count(*n_right),
            precision.map_or("–".to_owned(), |precision| format!("{precision:.4}")),
            format!("{recall:.4}"),
            count(*n_unknown),
        ]);
    }
    screen.say(grid.text())?;
    screen.document(&judged)
}
