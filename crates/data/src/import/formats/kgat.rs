//! KGAT folders: `train.txt` and `test.txt` (`user item item …`), `kg_final.txt` (`head relation tail`), name lists.

use std::collections::BTreeSet;

use super::super::domains::Placement;
use super::super::lines::{self, Line};
use super::super::report::{Content, SniffReport, TableReport};
use super::super::run::Run;
use super::super::skipped::SkipReason;
use super::super::staging::FormatEvent;
use super::super::tally::Tally;
use super::indexed::Names;
use super::{Files, holding, lacks, plain_name, s3rec};
use crate::error::DataError;

const NAMES: [&str; 4] = ["user_list.txt", "item_list.txt", "entity_list.txt", "relation_list.txt"];

/// Whether the folder has the graph or the lists.
pub(super) fn claims(files: &Files) -> bool {
    let is_list = |name| files.named(name).is_some_and(s3rec::is_list);
    files.named("kg_final.txt").is_some() || (is_list("train.txt") && is_list("test.txt"))
}

/// Which files of the folder are read, and as what.
pub(super) fn plan(files: &Files) -> Result<Vec<TableReport>, DataError> {
    let mut tables = Vec::new();
    for name in NAMES {
        if let Some(path) = files.named(name) {
            tables.push(TableReport::of_format(path, Content::Names)?);
        }
    }
    for (name, split) in [("train.txt", 0), ("valid.txt", 1), ("test.txt", 2)] {
        if let Some(path) = files.named(name) {
            tables.push(TableReport { split: Some(split), ..TableReport::of_format(path, Content::Lists)? });
        }
    }
    if let Some(path) = files.named("kg_final.txt") {
        tables.push(TableReport::of_format(path, Content::Triples)?);
    }
    if tables.is_empty() {
        return Err(lacks(files, "train.txt and kg_final.txt", "name the folder that has them"));
    }
    Ok(tables)
}

/// Reads names, lists and graph. An item is the entity with the same index.
pub(super) fn read(run: &mut Run<'_>, report: &SniffReport) -> Result<(), DataError> {
    let mut placement = run.take_placement(&report.domain);
    let mut names: [Names; 4] = Default::default();
    for table in holding(report, Content::Names) {
        let name = plain_name(&table.path).to_ascii_lowercase();
        if let Some(at) = NAMES.iter().position(|known| *known == name) {
            names[at] = Names::read(run, table)?;
        }
    }
    let seen = read_lists(run, report, &names, &mut placement)?;
    read_graph(run, report, &names, &placement, &seen)?;
    run.give_back(placement);
    Ok(())
}

// Events of users; gives the indexes of the items in them.
fn read_lists(
    run: &mut Run<'_>,
    report: &SniffReport,
    names: &[Names; 4],
    placement: &mut Placement,
) -> Result<BTreeSet<String>, DataError> {
    let [users, items, ..] = names;
    let mut seen = BTreeSet::new();
    for table in holding(report, Content::Lists) {
        let mut tally = Tally::default();
        let sha256 = lines::each(&table.path, &mut tally, |_, line| {
            let mut words = line.split_ascii_whitespace();
            let user = words.next().unwrap_or_default();
            let list: Vec<&str> = words.collect();
            // A user without items stands in these files when all of theirs are in the other part.
            if list.is_empty() {
                return Ok(Line::Row);
            }
            if let Some(reason) = s3rec::problem_of(user, &list) {
                return Ok(Line::Bad(reason));
            }
            for item in list {
                let event = FormatEvent::new(users.of(user), items.of(item));
                run.staging.add_event(FormatEvent { split: table.split, ..event }, placement)?;
                if !seen.contains(item) {
                    seen.insert(item.to_owned());
                }
            }
            Ok(Line::Row)
        })?;
        run.close(table, tally, sha256)?;
    }
    Ok(seen)
}

// Facts, and links of the items that stand in them.
fn read_graph(
    run: &mut Run<'_>,
    report: &SniffReport,
    names: &[Names; 4],
    placement: &Placement,
    seen: &BTreeSet<String>,
) -> Result<(), DataError> {
    let [_, items, entities, relations] = names;
    for table in holding(report, Content::Triples) {
        let mut tally = Tally::default();
        let mut in_facts = BTreeSet::new();
        let sha256 = lines::each(&table.path, &mut tally, |_, line| {
            let [head, relation, tail] = line.split_ascii_whitespace().collect::<Vec<_>>()[..] else {
                return Ok(Line::Bad(SkipReason::ColumnCount));
            };
            run.staging.builder.triple(entities.of(head), relations.of(relation), entities.of(tail));
            in_facts
                .extend([head, tail].into_iter().filter(|index| seen.contains(*index)).map(str::to_owned));
            Ok(Line::Row)
        })?;
        for index in &in_facts {
            run.staging.link(items.of(index), entities.of(index), placement);
        }
        run.close(table, tally, sha256)?;
    }
    Ok(())
}
