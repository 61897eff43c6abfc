//! How a data set came about, for `dataset.toml` and for warnings.

use serde::Serialize;

use super::options::{Format, ImportOptions};
use super::report::{SniffReport, TableReport};
use super::run::Imported;
use super::staging::ReadCounts;
use crate::builder::BuildCounts;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::ids::DomainIdx;
use crate::name_match::NameLinks;

/// One file that was read.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FileRecord {
    path: String,
    sha256: String,
    n_bytes: u64,
    content: String,
    columns: Vec<String>,
    n_rows: u64,
    n_skipped: u64,
}

impl FileRecord {
    pub(super) fn new(table: &TableReport, sha256: String, n_rows: u64, n_skipped: u64) -> Self {
        let column =
            |column: &super::report::ColumnReport| format!("{}: {}", column.name, column.role.in_words());
        Self {
            path: table.path.to_string_lossy().into_owned(),
            sha256,
            n_bytes: table.n_bytes,
            content: table.content.in_words().to_owned(),
            columns: table.columns.iter().map(column).collect(),
            n_rows,
            n_skipped,
        }
    }
}

#[derive(Serialize)]
struct Record<'a> {
    n_rows: u64,
    n_skipped: u64,
    n_below_min_rating: u64,
    n_before_1970: u64,
    n_after_2100: u64,
    #[serde(skip_serializing_if = "is_zero")]
    n_undated: u64,
    #[serde(skip_serializing_if = "is_zero")]
    n_not_chosen: u64,
    #[serde(skip_serializing_if = "is_zero")]
    n_not_known_chosen: u64,
    #[serde(skip_serializing_if = "is_zero")]
    n_undescribed: u64,
    n_ties: u64,
    n_duplicates: u64,
    n_duplicate_items: u64,
    n_links_without_item: u64,
    users: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_rating: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_by: Option<&'a str>,
    skipped: std::collections::BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_links: Option<&'a NameLinks>,
    sources: Vec<SourceRecord<'a>>,
    files: &'a [FileRecord],
}

// Most formats have nothing to count there.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[derive(Serialize)]
struct SourceRecord<'a> {
    path: String,
    format: &'static str,
    domain: &'a str,
}

/// The `[import]` table.
pub(super) fn table(
    imported: &Imported,
    files: &[FileRecord],
    options: &ImportOptions,
) -> Result<toml::Table, DataError> {
    let (counts, built) = (&imported.counts, &imported.built);
    let source = |report: &'_ SniffReport| -> (String, &'static str) {
        (report.path.to_string_lossy().into_owned(), report.format.name())
    };
    let record = Record {
        n_rows: counts.n_rows,
        n_skipped: imported.n_skipped(),
        n_below_min_rating: counts.n_below_min_rating,
        n_before_1970: counts.n_before_1970,
        n_after_2100: counts.n_after_2100,
        n_undated: counts.n_undated,
        n_not_chosen: counts.n_not_chosen,
        n_not_known_chosen: counts.n_not_known_chosen,
        n_undescribed: counts.n_undescribed,
        n_ties: built.n_ties,
        n_duplicates: built.n_duplicates,
        n_duplicate_items: built.n_duplicate_items,
        n_links_without_item: built.n_links_without_item,
        users: if options.disjoint_users { "disjoint" } else { "shared" },
        min_rating: options.min_rating,
        domain_by: options.domain_by.as_deref(),
        skipped: imported.skipped_by_reason.iter().map(|(reason, &n)| (reason.in_words(), n)).collect(),
        name_links: imported.name_links.as_ref(),
        sources: imported
            .reports
            .iter()
            .map(|report| {
                let (path, format) = source(report);
                SourceRecord { path, format, domain: &report.domain }
            })
            .collect(),
        files,
    };
    toml::Table::try_from(record).map_err(|e| {
        DataError::request(format!("the import cannot be recorded: {e}"), "report this as a bug")
    })
}

/// What a user should know about what was read.
pub(super) fn warnings(
    dataset: &Dataset,
    counts: ReadCounts,
    built: BuildCounts,
    reports: &[SniffReport],
    options: &ImportOptions,
) -> Vec<String> {
    let mut counted = vec![
        (counts.n_before_1970, "events are dated before 1970: check the time column and its unit".to_owned()),
        (counts.n_after_2100, "events are dated after 2100: check the time column and its unit".to_owned()),
        (
            counts.n_undated,
            "events of histories have no time: they are dated one second before the impression that shows them"
                .to_owned(),
        ),
        (
            counts.n_not_chosen,
            "items were shown and not clicked: they were counted and left out".to_owned(),
        ),
        (
            counts.n_not_known_chosen,
            "items were shown, and the file does not say whether they were clicked: they were left out"
                .to_owned(),
        ),
        (
            counts.n_undescribed,
            "events are of items that the table of items does not have: they were kept, without text"
                .to_owned(),
        ),
        (
            built.n_duplicate_items,
            "rows describe an item again: the first description was kept".to_owned(),
        ),
        (
            built.n_links_without_item,
            "links name an item that is not in the data: they were left out".to_owned(),
        ),
        (
            counts.n_below_min_rating,
            "events are below the minimum rating: they were left out".to_owned(),
        ),
    ];
    if options.domain_by.is_some() {
        let other = super::OTHER;
        let n = dataset.domain(other).map_or(0, |domain| dataset.items.range(domain).len()) as u64;
        counted.push((n, format!("items belong to none of the domains: they are in the domain `{other}`")));
    }
    let said = counted.into_iter().filter(|(n, _)| *n > 0).map(|(n, text)| format!("{n} {text}"));
    let mut warnings: Vec<String> = said.collect();
    warnings.extend(numbered_anew(reports, options));
    let counts = dataset.sequences.item_counts(dataset.n_items());
    warnings.extend(dataset.domain_indexes().filter_map(|domain| ids_disagree(dataset, &counts, domain)));
    warnings
}

// Several sources whose formats number users from 1 on, joined by these numbers.
fn numbered_anew(reports: &[SniffReport], options: &ImportOptions) -> Option<String> {
    let numbers_users = |report: &&SniffReport| {
        matches!(report.format, Format::S3rec | Format::Abxi | Format::Minionerec | Format::Llmcdsr)
    };
    let is_joined = !options.disjoint_users && reports.iter().filter(numbers_users).count() > 1;
    is_joined.then(|| {
        "these formats number users anew in each file: equal ids were joined, though they may be different \
         people (--disjoint-users keeps them apart)"
            .to_owned()
    })
}

// Items with text and items with events, and none with both: their ids are not the same.
fn ids_disagree(dataset: &Dataset, counts: &[u32], domain: DomainIdx) -> Option<String> {
    let has_text = |item: usize| dataset.items.fields().iter().any(|field| !field.values[item].is_empty());
    let (mut n_text, mut n_events, mut n_both) = (0, 0, 0);
    for item in dataset.items.range(domain) {
        let (text, events) = (has_text(item), counts[item] > 0);
        n_text += u64::from(text);
        n_events += u64::from(events);
        n_both += u64::from(text && events);
    }
    let name = &dataset.domains[domain.at()].name;
    (n_text > 0 && n_events > 0 && n_both == 0).then(|| {
        format!("`{name}`: none of the {n_text} items with text has an event: check that the item columns agree (--item-col)")
    })
}
