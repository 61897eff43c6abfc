//! S3-Rec text: `user item item …` in time order without times, and a JSON object of item attributes beside it.

use std::path::{Path, PathBuf};

use super::super::lines::{self, Line};
use super::super::report::{Content, SniffReport, TableReport};
use super::super::run::Run;
use super::super::skipped::SkipReason;
use super::super::staging::FormatEvent;
use super::super::tally::Tally;
use super::{Files, ends, head_of, holding, lacks, plain_name};
use crate::error::DataError;
use crate::import::events::check_id;

const ATTRIBUTES: &str = "_item2attributes.json";

/// Whether this is one list file, or a folder with an attribute file.
pub(super) fn claims(files: &Files) -> bool {
    match files.files.as_slice() {
        [only] => is_list(only),
        _ => files.ending(ATTRIBUTES).next().is_some(),
    }
}

/// Whether the lines are integers of different number, the way lists of items are.
pub(super) fn is_list(path: &Path) -> bool {
    let head = head_of(path);
    let counts: Vec<usize> = head.lines().take(200).map(|line| line.split(' ').count()).collect();
    let is_integer = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let all_integers = head.lines().take(200).all(|line| line.trim_end().split(' ').all(is_integer));
    let is_ragged = counts.iter().any(|&n| n != counts[0]);
    all_integers && is_ragged && counts.iter().sum::<usize>() > 2 * counts.len()
}

/// The list file and its attributes.
pub(super) fn plan(files: &Files) -> Result<Vec<TableReport>, DataError> {
    let lists: Vec<&PathBuf> = match files.files.as_slice() {
        [only] => vec![only],
        all => all.iter().filter(|file| ends(file, ".txt") && is_list(file)).collect(),
    };
    let list = match lists.as_slice() {
        [] => {
            return Err(lacks(
                files,
                "file of lists",
                "each line is a user and then their items, between spaces",
            ));
        }
        [only] => *only,
        several => {
            let names: Vec<String> = several.iter().map(|file| plain_name(file)).collect();
            let problem = format!("several data sets in one folder: {}", names.join(", "));
            return Err(DataError::format(&files.root, None, problem, "name the file to import"));
        }
    };
    let mut tables = vec![TableReport::of_format(list, Content::Lists)?];
    let name = plain_name(list);
    let stem = name.strip_suffix(".txt").unwrap_or(&name);
    let attributes = list.with_file_name(format!("{stem}{ATTRIBUTES}"));
    if attributes.is_file() {
        tables.push(TableReport::of_format(&attributes, Content::ItemAttributes)?);
    }
    Ok(tables)
}

/// Reads the lists and the attributes.
pub(super) fn read(run: &mut Run<'_>, report: &SniffReport) -> Result<(), DataError> {
    let mut placement = run.take_placement(&report.domain);
    for table in holding(report, Content::Lists) {
        let mut tally = Tally::default();
        let sha256 = lines::each(&table.path, &mut tally, |_, line| {
            let mut words = line.split_ascii_whitespace();
            let user = words.next().unwrap_or_default();
            let items: Vec<&str> = words.collect();
            if let Some(reason) = problem_of(user, &items) {
                return Ok(Line::Bad(reason));
            }
            for item in items {
                let event = FormatEvent { split: table.split, ..FormatEvent::new(user, item) };
                run.staging.add_event(event, &mut placement)?;
            }
            Ok(Line::Row)
        })?;
        run.close(table, tally, sha256)?;
    }
    for table in holding(report, Content::ItemAttributes) {
        let domain = run.staging.builder.domain(placement.label())?;
        let mut tally = Tally::default();
        let sha256 = lines::object(&table.path, &mut tally, |item, attributes| {
            let text = attributes.replace(['[', ']', '"'], "").replace(',', " ");
            let words: Vec<&str> = text.split_ascii_whitespace().collect();
            run.staging.builder.describe_item(domain, item, &[("attributes", &words.join(" "))]);
        })?;
        run.close(table, tally, sha256)?;
    }
    run.give_back(placement);
    Ok(())
}

/// Why a user's list cannot be used.
pub(super) fn problem_of(user: &str, items: &[&str]) -> Option<SkipReason> {
    if items.is_empty() {
        return Some(SkipReason::NoItem);
    }
    let user = check_id(user, SkipReason::NoUser);
    let mut items = items.iter().map(|item| check_id(item, SkipReason::NoItem));
    user.err().or_else(|| items.find_map(Result::err))
}
