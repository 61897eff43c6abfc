//! The import itself: sniff, check the request, read table after table, build.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::consumer::{Checked, Consumer};
use super::domains::{DomainRule, Placement};
use super::formats;
use super::options::{ImportOptions, ImportProgress};
use super::provenance::{self, FileRecord};
use super::reader;
use super::report::{Content, Layout, Role, SniffReport, TableReport};
use super::roles;
use super::skipped::{LISTED_MAX, SkipReason, SkippedRow};
use super::staging::{ReadCounts, Staging};
use super::tally::Tally;
use crate::builder::BuildCounts;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::name_match::{self, NameLinks};
use crate::store::{self, DatasetHead};

/// What an import gives.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What was read, indexed.
    pub dataset: Dataset,
    /// How the sources were read, for `dataset.toml`.
    pub import: toml::Table,
    /// What sniffing found out about each source.
    pub reports: Vec<SniffReport>,
    /// What was counted while reading.
    pub counts: ReadCounts,
    /// What building noticed.
    pub built: BuildCounts,
    /// What linking by names did, where it was asked for.
    pub name_links: Option<NameLinks>,
    /// All rows left out, by reason.
    pub skipped_by_reason: BTreeMap<SkipReason, u64>,
    /// The first [`LISTED_MAX`] of them, with their lines.
    pub skipped: Vec<SkippedRow>,
    /// Things worth knowing, in words.
    pub warnings: Vec<String>,
}

impl Imported {
    /// Rows left out for any reason.
    pub fn n_skipped(&self) -> u64 {
        self.skipped_by_reason.values().sum()
    }
}

/// Reads all sources and writes the data set to the folder `to`, which must not exist.
///
/// # Errors
/// When `to` exists, or reading or writing fails; nothing is written then.
pub fn import_to(
    options: &ImportOptions,
    to: &Path,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<(Imported, DatasetHead), DataError> {
    store::refuse_existing(to)?;
    let imported = import(options, progress)?;
    let head = store::write(&imported.dataset, options.seed, imported.import.clone(), to)?;
    Ok((imported, head))
}

/// Reads all sources into one data set.
///
/// # Errors
/// When the request does not fit the sources, a file cannot be read in full, or too many of its rows are bad.
pub fn import(
    options: &ImportOptions,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<Imported, DataError> {
    check(options)?;
    let mut reports = Vec::with_capacity(options.sources.len());
    for source in &options.sources {
        reports.push(super::sniff::sniff(source, options)?);
    }
    attach(options, &mut reports)?;
    check_columns(options, &reports)?;
    let mut run = Run::new(options, &reports, progress)?;
    for report in &reports {
        run.tables(report, Content::Items)?;
    }
    formats::read(&mut run, &reports)?;
    for phase in [Content::Events, Content::Users, Content::Triples, Content::Links] {
        for report in &reports {
            run.tables(report, phase)?;
        }
    }
    run.finish(reports)
}

fn check(options: &ImportOptions) -> Result<(), DataError> {
    let problem = |problem: &str, remedy: &str| Err(DataError::request(problem, remedy));
    if options.sources.is_empty() {
        return problem("there is nothing to import", "name at least one file or folder");
    }
    if options.domain_by.is_none() && !options.domain_groups.is_empty() {
        return problem("groups of values without a column", "name the column with --domain-by");
    }
    DomainRule::of(options)?;
    if options.link_by_name.is_some_and(|least| !(least > 0.0 && least <= 1.0)) {
        return problem("the confidence of a link must be above 0 and at most 1", "for example 0.9");
    }
    if !(0.0..=1.0).contains(&options.max_bad_share) {
        return problem("the share of bad rows must be from 0 to 1", "for example 0.01");
    }
    Ok(())
}

// A source without events (an item table) belongs to the domain of the same name, or to the only one.
fn attach(options: &ImportOptions, reports: &mut [SniffReport]) -> Result<(), DataError> {
    let has_events = |report: &SniffReport| {
        report.tables.iter().any(|table| {
            !matches!(table.content, Content::Items | Content::Users | Content::Triples | Content::Links)
        })
    };
    let mut labels: Vec<String> =
        reports.iter().filter(|r| has_events(r)).map(|report| report.domain.clone()).collect();
    labels.dedup();
    for (source, report) in options.sources.iter().zip(reports) {
        let is_about_items = report.tables.iter().any(|table| table.content == Content::Items);
        if has_events(report) || labels.contains(&report.domain) || source.domain.is_some() {
            continue;
        }
        match labels.as_slice() {
            [only] => report.domain.clone_from(only),
            [] => {}
            _ if !is_about_items => {}
            _ => {
                let problem =
                    format!("it is not clear to which domain these items belong: {}", labels.join(", "));
                let remedy = format!("say so: {}={}", labels[0], report.path.display());
                return Err(DataError::format(&report.path, None, problem, remedy));
            }
        }
    }
    Ok(())
}

fn check_columns(options: &ImportOptions, reports: &[SniffReport]) -> Result<(), DataError> {
    let tables: Vec<&TableReport> = reports.iter().flat_map(|report| &report.tables).collect();
    let columns = || {
        let all = tables.iter().flat_map(|table| table.columns.iter().map(|column| column.name.as_str()));
        all.collect::<Vec<_>>().join(", ")
    };
    if let Some(column) = roles::unknown(&options.columns, &tables).first() {
        let problem = format!("no table has a column `{column}`");
        return Err(DataError::request(problem, format!("name one of: {}", columns())));
    }
    let has_rating = |table: &&TableReport| table.column(&Role::Rating).is_some();
    if options.min_rating.is_some() && !tables.iter().any(has_rating) {
        let problem = "a minimum rating, but no table has a rating column";
        return Err(DataError::request(problem, format!("name it with --rating-col, one of: {}", columns())));
    }
    let is_cut = |table: &&TableReport| {
        table.domain_field.is_some()
            || table.content == Content::ItemIndex
            || (table.content == Content::Events && table.column(&Role::Domain).is_some())
    };
    match &options.domain_by {
        Some(column) if !tables.iter().any(is_cut) => Err(DataError::request(
            format!("no table can be cut into domains by `{column}`"),
            format!("name a column of the items or events: {}", columns()),
        )),
        _ => Ok(()),
    }
}

fn link_by_name(dataset: &mut Dataset, min_confidence: f64) -> Result<NameLinks, DataError> {
    let Some(graph) = &mut dataset.graph else {
        return Err(DataError::request(
            "there is no graph whose entities items could be linked to",
            "name a file of triples, too, or leave out --link-by-name",
        ));
    };
    let report = name_match::link(&dataset.items, graph, min_confidence);
    if report.n_entities == 0 {
        return Err(DataError::request(
            "no entity of the graph has a name: their ids are codes, and no fact states a label",
            "add triples with the relation `label` (entity, label, name), give a .link file, or leave out --link-by-name",
        ));
    }
    Ok(report)
}

/// An import while it runs.
pub(super) struct Run<'a> {
    options: &'a ImportOptions,
    progress: &'a mut dyn FnMut(ImportProgress),
    pub(super) staging: Staging<'a>,
    placements: BTreeMap<String, Placement>,
    bytes_total: u64,
    bytes_before: u64,
    skipped: Vec<SkippedRow>,
    skipped_by_reason: BTreeMap<SkipReason, u64>,
    files: Vec<FileRecord>,
}

impl<'a> Run<'a> {
    fn new(
        options: &'a ImportOptions,
        reports: &[SniffReport],
        progress: &'a mut dyn FnMut(ImportProgress),
    ) -> Result<Self, DataError> {
        let mut staging = Staging::new(options)?;
        let mut placements = BTreeMap::new();
        for group in &options.domain_groups {
            staging.builder.domain(&group.name)?;
        }
        for report in reports {
            let placement =
                placements.entry(report.domain.clone()).or_insert_with(|| Placement::new(&report.domain));
            placement.is_by_item |= report.tables.iter().any(|table| table.domain_field.is_some());
        }
        let bytes_total = reports.iter().flat_map(|report| &report.tables).map(|table| table.n_bytes).sum();
        Ok(Self {
            options,
            progress,
            staging,
            placements,
            bytes_total,
            bytes_before: 0,
            skipped: Vec::new(),
            skipped_by_reason: BTreeMap::new(),
            files: Vec::new(),
        })
    }

    // Reads the plain tables of a source that have this content.
    fn tables(&mut self, report: &SniffReport, content: Content) -> Result<(), DataError> {
        let is_plain = |table: &&TableReport| table.content == content && table.layout != Layout::OfFormat;
        report.tables.iter().filter(is_plain).try_for_each(|table| self.table(table, &report.domain))
    }

    /// Takes the placement of a label out, to be given back with [`Self::give_back`].
    pub(super) fn take_placement(&mut self, label: &str) -> Placement {
        self.placements.remove(label).unwrap_or_else(|| Placement::new(label))
    }

    /// Gives a placement back.
    pub(super) fn give_back(&mut self, placement: Placement) {
        self.placements.insert(placement.label().to_owned(), placement);
    }

    // Reads one table: the next blocks are read while the last ones are parsed and the ones before are staged.
    fn table(&mut self, table: &TableReport, label: &str) -> Result<(), DataError> {
        let (mut feed, parser) = reader::open(table)?;
        let consumer = Consumer::new(table, self.options)?;
        let mut placement = self.take_placement(label);
        let mut tally = Tally::default();
        let mut unparsed = feed.read()?;
        let mut checked: Vec<Checked> = Vec::new();
        while !unparsed.is_empty() || !checked.is_empty() {
            let staging = &mut self.staging;
            let (to_parse, to_stage) = (std::mem::take(&mut unparsed), std::mem::take(&mut checked));
            let (read, (parsed, staged)) = rayon::join(
                || feed.read(),
                || {
                    rayon::join(
                        || {
                            to_parse
                                .into_par_iter()
                                .map(|block| consumer.check(parser.parse(block)))
                                .collect()
                        },
                        || {
                            to_stage
                                .iter()
                                .try_for_each(|batch| staging.take(&consumer, batch, &mut placement))
                        },
                    )
                },
            );
            staged?;
            (unparsed, checked) = (read?, parsed);
            for checked in &mut checked {
                tally.add(&table.path, checked.batch_mut());
            }
            tally.refuse_early(&table.path, self.options.max_bad_share)?;
            (self.progress)(ImportProgress {
                bytes_done: self.bytes_before + feed.n_bytes(),
                bytes_total: self.bytes_total,
                rows: self.staging.counts.n_rows + tally.n_rows,
            });
        }
        self.give_back(placement);
        self.close(table, tally, feed.sha256()?)
    }

    /// Books a table that was read to its end; refuses it when too many rows are bad.
    pub(super) fn close(
        &mut self,
        table: &TableReport,
        tally: Tally,
        sha256: String,
    ) -> Result<(), DataError> {
        tally.refuse(&table.path, self.options.max_bad_share)?;
        self.bytes_before += table.n_bytes;
        self.staging.counts.n_rows += tally.n_rows;
        self.files.push(FileRecord::new(table, sha256, tally.n_rows, tally.skips.n()));
        for (reason, n) in tally.skips.counts {
            *self.skipped_by_reason.entry(reason).or_default() += n;
        }
        let room = LISTED_MAX.saturating_sub(self.skipped.len());
        self.skipped.extend(tally.skips.listed.into_iter().take(room));
        (self.progress)(ImportProgress {
            bytes_done: self.bytes_before,
            bytes_total: self.bytes_total,
            rows: self.staging.counts.n_rows,
        });
        Ok(())
    }

    fn finish(self, reports: Vec<SniffReport>) -> Result<Imported, DataError> {
        let counts = self.staging.counts;
        let (mut dataset, built) = self.staging.builder.finish();
        if dataset.sequences.n_events() == 0 && dataset.graph.is_none() {
            return Err(DataError::request(
                "there is no event in these files",
                "name a file of interactions: rows with a user and an item",
            ));
        }
        for group in &self.options.domain_groups {
            if dataset.domain(&group.name).is_some_and(|domain| dataset.items.range(domain).is_empty()) {
                return Err(DataError::request(
                    format!("no item belongs to the group `{}` ({})", group.name, group.values.join(", ")),
                    "check how its values are written in the column given with --domain-by",
                ));
            }
        }
        let name_links =
            self.options.link_by_name.map(|least| link_by_name(&mut dataset, least)).transpose()?;
        let mut imported = Imported {
            name_links,
            warnings: provenance::warnings(&dataset, counts, built, &reports, self.options),
            dataset,
            import: toml::Table::new(),
            reports,
            counts,
            built,
            skipped_by_reason: self.skipped_by_reason,
            skipped: self.skipped,
        };
        imported.import = provenance::table(&imported, &self.files, self.options)?;
        Ok(imported)
    }
}
