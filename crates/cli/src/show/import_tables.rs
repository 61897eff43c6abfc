//! What an import read, guessed, left out and noticed, in the terminal and as JSON.

use std::path::Path;

use anyhow::Result;
use segue_data::import::{Confidence, Imported, Role, SniffReport, TableReport};
use segue_data::name_match::NameLinks;
use segue_data::store::DatasetHead;
use serde::Serialize;

use crate::grid::Grid;
use crate::screen::Screen;
use segue::facts::DataFacts;
use segue_report::number::count;

/// Rows left out that are shown; all are counted, and the first hundred are in the JSON.
const SKIPPED_SHOWN: usize = 5;

/// What `segue import --json` writes.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    data: &'a Path,
    sha256: String,
    facts: DataFacts,
    sources: &'a [SniffReport],
    n_rows: u64,
    n_skipped: u64,
    skipped: &'a [segue_data::import::SkippedRow],
    warnings: &'a [String],
    name_links: Option<&'a NameLinks>,
}

/// The document of an import.
pub(crate) fn document<'a>(imported: &'a Imported, head: &DatasetHead, to: &'a Path) -> Document<'a> {
    Document {
        data: to,
        sha256: head.data_sha256(),
        facts: DataFacts::of(&imported.dataset),
        sources: &imported.reports,
        n_rows: imported.counts.n_rows,
        n_skipped: imported.n_skipped(),
        skipped: &imported.skipped,
        warnings: &imported.warnings,
        name_links: imported.name_links.as_ref(),
    }
}

/// Guesses, sizes, rows left out, warnings.
pub(crate) fn show(imported: &Imported, screen: Screen) -> Result<()> {
    show_reports(&imported.reports, screen)?;
    screen.heading(&imported.dataset.name)?;
    screen.say(DataFacts::of(&imported.dataset).in_words())?;
    screen.say(format!(
        "{} rows read, {} left out as unusable",
        count(imported.counts.n_rows),
        count(imported.n_skipped())
    ))?;
    for row in imported.skipped.iter().take(SKIPPED_SHOWN) {
        screen.say(format!(
            "  {} line {}: {}: {}",
            row.file.display(),
            row.line,
            row.reason.in_words(),
            row.excerpt
        ))?;
    }
    if let Some(report) = &imported.name_links {
        show_name_links(report, screen)?;
    }
    for warning in &imported.warnings {
        Screen::note(&format!("warning: {warning}"));
    }
    Ok(())
}

/// What linking by names did, with examples.
pub(crate) fn show_name_links(report: &NameLinks, screen: Screen) -> Result<()> {
    screen.say(format!(
        "linked by name, confidence {} or more: {} of {} items without a link ({} with equal names); {} ambiguous, {} refused, {} like \
         none of the {} entities with names",
        report.min_confidence,
        count(report.n_linked),
        count(report.n_items),
        count(report.n_exact),
        count(report.n_ambiguous),
        count(report.n_refused),
        count(report.n_unlike),
        count(report.n_entities)
    ))?;
    let mut grid = Grid::new(&["  ", "item", "entity", ">confidence"]);
    for (what, pairs) in
        [("linked", &report.linked), ("ambiguous", &report.ambiguous), ("refused", &report.refused)]
    {
        for pair in pairs {
            grid.row(&[
                format!("  {what}"),
                pair.item.clone(),
                pair.entity.clone(),
                format!("{:.3}", pair.confidence),
            ]);
        }
    }
    screen.say(grid.text())
}

/// What every file was taken for.
pub(crate) fn show_reports(reports: &[SniffReport], screen: Screen) -> Result<()> {
    for report in reports {
        screen.heading(&format!("{} ({})", report.path.display(), report.format.name()))?;
        for table in &report.tables {
            show_table(table, screen)?;
        }
        for unused in &report.unused {
            screen.say(format!("{}: not read", file_name(unused)))?;
        }
    }
    Ok(())
}

fn show_table(table: &TableReport, screen: Screen) -> Result<()> {
    if table.columns.is_empty() {
        return screen.say(format!("{}: {}", file_name(&table.path), table.content.in_words()));
    }
    screen.say(format!("{}: {}", file_name(&table.path), table.content.in_words()))?;
    let mut grid = Grid::new(&["  column", "is", "because", "first rows"]);
    for (at, column) in table.columns.iter().enumerate().filter(|(_, column)| column.role != Role::Unused) {
        let because = match column.confidence {
            Confidence::Low => "its values (a guess)",
            Confidence::Medium => "its name",
            Confidence::High => "the format",
            Confidence::Given => "you said so",
        };
        let samples: Vec<&str> =
            table.samples.iter().filter_map(|row| row.get(at)).map(String::as_str).collect();
        grid.row(&[
            format!("  {}", column.name),
            column.role.in_words(),
            because.to_owned(),
            samples.join(" · ").chars().take(60).collect(),
        ]);
    }
    screen.say(grid.text())
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
