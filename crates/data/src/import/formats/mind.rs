//! MIND folders (Wu et al., "MIND: A Large-scale Dataset for News Recommendation", ACL 2020): `news.tsv` of articles with the
//! Wikidata entities in them, `behaviors.tsv` of impressions with the history before each.

use std::path::Path;

use serde::Deserialize;

use super::super::domains::Placement;
use super::super::lines::{self, Line};
use super::super::report::{ColumnReport, Confidence, Content, Role, SniffReport, TableReport};
use super::super::run::Run;
use super::super::skipped::{SkipReason, excerpt};
use super::super::tally::Tally;
use super::super::time::TimeForm;
use super::mind_log::{Impression, MindLog};
use super::{Files, head_of, holding, lacks};
use crate::error::DataError;
use crate::import::events::check_id;

const NEWS: &str = "news.tsv";
const BEHAVIORS: &str = "behaviors.tsv";
/// The relation from an article to what its text names.
const MENTIONS: &str = "mentions";

/// Whether the folder has one of the two files with its number of columns.
pub(super) fn claims(files: &Files) -> bool {
    let is_there = |name: &str, n_columns: usize| {
        let has_line =
            |path: &Path| head_of(path).lines().take(20).any(|line| cells(line).len() == n_columns);
        files.named(name).is_some_and(has_line)
    };
    is_there(BEHAVIORS, 5) || is_there(NEWS, 8)
}

/// The articles and the impressions.
pub(super) fn plan(files: &Files) -> Result<Vec<TableReport>, DataError> {
    let (Some(news), Some(behaviors)) = (files.named(NEWS), files.named(BEHAVIORS)) else {
        let missing = if files.named(NEWS).is_some() { BEHAVIORS } else { NEWS };
        return Err(lacks(files, missing, "name the folder that has news.tsv and behaviors.tsv"));
    };
    let text = |name: &str| Role::Text(name.to_owned());
    let articles = [
        ("news id", Role::Item),
        ("category", text("category")),
        ("subcategory", text("subcategory")),
        ("title", text("title")),
        ("abstract", text("description")),
        ("url", Role::Unused),
        ("title entities", Role::Entity),
        ("abstract entities", Role::Entity),
    ];
    let impressions = [
        ("impression id", Role::Unused),
        ("user id", Role::User),
        ("time", Role::Time),
        ("history", Role::History),
        ("impressions", Role::Shown),
    ];
    Ok(vec![table(news, Content::Items, &articles)?, table(behaviors, Content::Impressions, &impressions)?])
}

fn table(path: &Path, content: Content, columns: &[(&str, Role)]) -> Result<TableReport, DataError> {
    let column = |(name, role): &(&str, Role)| ColumnReport {
        name: (*name).to_owned(),
        role: role.clone(),
        confidence: Confidence::High,
        time: (*role == Role::Time).then_some(TimeForm::Date),
        is_sequence: false,
    };
    let row = |line: &str| cells(line).into_iter().map(|cell| excerpt(cell.as_bytes())).collect();
    let mut report = TableReport::of_format(path, content)?;
    report.columns = columns.iter().map(column).collect();
    report.samples = head_of(path).lines().take(3).map(row).collect();
    Ok(report)
}

/// Reads all MIND sources of one domain: articles first, then impressions, then every user's events in one.
pub(super) fn read(run: &mut Run<'_>, reports: &[&SniffReport]) -> Result<(), DataError> {
    let Some(first) = reports.first() else { return Ok(()) };
    let mut placement = run.take_placement(&first.domain);
    let tables = |content: Content| reports.iter().flat_map(move |report| holding(report, content));
    for table in tables(Content::Items) {
        read_articles(run, table, &mut placement)?;
    }
    let mut log = MindLog::default();
    for table in tables(Content::Impressions) {
        let mut tally = Tally::default();
        let sha256 = lines::each(&table.path, &mut tally, |_, line| {
            Ok(match impression(line) {
                Ok(impression) => {
                    log.add(&impression);
                    Line::Row
                }
                Err(reason) => Line::Bad(reason),
            })
        })?;
        run.close(table, tally, sha256)?;
    }
    log.stage(run, &mut placement)?;
    run.give_back(placement);
    Ok(())
}

fn read_articles(run: &mut Run<'_>, table: &TableReport, placement: &mut Placement) -> Result<(), DataError> {
    let mut tally = Tally::default();
    let sha256 = lines::each(&table.path, &mut tally, |_, line| {
        let article = match article(line) {
            Ok(article) => article,
            Err(reason) => return Ok(Line::Bad(reason)),
        };
        let domain = match &table.domain_field {
            Some(field) => {
                let value = article.texts.iter().find(|(name, _)| name == field).map_or("", |(_, text)| text);
                let domain = run.staging.domain_of_cell(value)?;
                placement.place(article.id, domain)
            }
            None => run.staging.builder.domain(placement.label())?,
        };
        placement.used.insert(domain);
        let builder = &mut run.staging.builder;
        // The parts of MIND repeat articles: the first row counts, and the builder counts the others.
        let is_new = !builder.has_item(domain, article.id);
        builder.describe_item(domain, article.id, &article.texts);
        if is_new && !article.mentions.is_empty() {
            builder.link(domain, article.id, article.id);
            for mention in &article.mentions {
                builder.triple(article.id, MENTIONS, &mention.id);
                builder.label_entity(&mention.id, &mention.label);
            }
        }
        Ok(Line::Row)
    })?;
    run.close(table, tally, sha256)
}

struct Article<'a> {
    id: &'a str,
    texts: [(&'static str, &'a str); 4],
    /// Entities of title and abstract, each once.
    mentions: Vec<Mention>,
}

#[derive(Deserialize)]
struct Mention {
    #[serde(rename = "WikidataId")]
    id: String,
    #[serde(rename = "Label", default)]
    label: String,
}

// Cells are never quoted: a quotation mark belongs to the text.
fn cells(line: &str) -> Vec<&str> {
    line.trim_end_matches('\r').split('\t').collect()
}

fn article(line: &str) -> Result<Article<'_>, SkipReason> {
    let [id, category, subcategory, title, description, _, in_title, in_abstract] = cells(line)[..] else {
        return Err(SkipReason::ColumnCount);
    };
    check_id(id, SkipReason::NoItem)?;
    let mut mentions: Vec<Mention> = Vec::new();
    for mention in mentions_of(in_title)?.into_iter().chain(mentions_of(in_abstract)?) {
        check_id(&mention.id, SkipReason::BadEntities)?;
        if mentions.iter().all(|known| known.id != mention.id) {
            mentions.push(mention);
        }
    }
    let texts = [
        ("category", category),
        ("subcategory", subcategory),
        ("title", title),
        ("description", description),
    ];
    Ok(Article { id, texts, mentions })
}

// Some rows of MIND have nothing instead of an empty list.
fn mentions_of(cell: &str) -> Result<Vec<Mention>, SkipReason> {
    if cell.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(cell).map_err(|_| SkipReason::BadEntities)
}

fn impression(line: &str) -> Result<Impression<'_>, SkipReason> {
    let [_, user, time, history, shown] = cells(line)[..] else { return Err(SkipReason::ColumnCount) };
    check_id(user, SkipReason::NoUser)?;
    let time = TimeForm::Date.parse(time).ok_or(SkipReason::BadTime)?;
    let mut impression = Impression { user, time, ..Impression::default() };
    for item in history.split_ascii_whitespace() {
        check_id(item, SkipReason::NoItem)?;
        impression.history.push(item);
    }
    for shown in shown.split_ascii_whitespace() {
        let (item, mark) = shown.rsplit_once('-').unwrap_or((shown, ""));
        check_id(item, SkipReason::NoItem)?;
        match mark {
            "1" => impression.clicks.push(item),
            "0" => impression.n_not_clicked += 1,
            // The test part of MIND keeps its clicks to itself.
            "" if !shown.ends_with('-') => impression.n_not_known += 1,
            _ => return Err(SkipReason::BadImpression),
        }
    }
    let is_empty = impression.clicks.is_empty() && impression.n_not_clicked + impression.n_not_known == 0;
    if is_empty { Err(SkipReason::NoItem) } else { Ok(impression) }
}
