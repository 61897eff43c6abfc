//! ABXI text: `user item|unix_time …` in time order, and a JSON object item → [index, domain 0 or 1].

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use foldhash::fast::FixedState;

use super::super::domains::Placement;
use super::super::lines::{self, Line};
use super::super::report::{Content, SniffReport, TableReport};
use super::super::run::Run;
use super::super::skipped::SkipReason;
use super::super::staging::FormatEvent;
use super::super::tally::Tally;
use super::{Files, ends, head_of, holding, lacks, plain_name, s3rec};
use crate::error::DataError;
use crate::ids::DomainIdx;

const MAP: &str = "_map_item_";

/// Whether a file has lines of `item|time`.
pub(super) fn claims(files: &Files) -> bool {
    timed(files).next().is_some()
}

fn timed(files: &Files) -> impl Iterator<Item = &PathBuf> {
    files.files.iter().filter(|file| is_timed(file))
}

fn is_timed(path: &Path) -> bool {
    let is_pair = |word: &str| {
        word.rsplit_once('|').is_some_and(|(item, time)| !item.is_empty() && time.parse::<i64>().is_ok())
    };
    let is_timed_line = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1).peekable();
        words.peek().is_some() && words.all(is_pair)
    };
    let head = head_of(path);
    let mut head = head.lines().take(20).peekable();
    ends(path, ".txt") && head.peek().is_some() && head.all(is_timed_line)
}

/// The file of sequences and the map of items beside it.
pub(super) fn plan(files: &Files) -> Result<Vec<TableReport>, DataError> {
    let found: Vec<&PathBuf> =
        if files.files.len() == 1 { files.files.iter().collect() } else { timed(files).collect() };
    let sequences = match found.as_slice() {
        [] => {
            return Err(lacks(
                files,
                "file of sequences",
                "each line is a user and then `item|unix_time` words",
            ));
        }
        [only] => *only,
        _ => {
            let problem = "several files of sequences in one folder";
            return Err(DataError::format(&files.root, None, problem, "name the file to import"));
        }
    };
    let mut tables = vec![TableReport::of_format(sequences, Content::TimedLists)?];
    if let Some(map) = map_of(sequences)? {
        tables.push(TableReport::of_format(&map, Content::ItemIndex)?);
    }
    Ok(tables)
}

// `afk_50_preprocessed.txt` goes with `afk_map_item_50.json`: the map with the same beginning, or the only one.
fn map_of(sequences: &Path) -> Result<Option<PathBuf>, DataError> {
    let folder = match sequences.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut maps = Files::of(folder)?.files;
    maps.retain(|file| plain_name(file).contains(MAP) && ends(file, ".json"));
    let name = plain_name(sequences);
    let beginning = name.split('_').next().unwrap_or_default().to_owned();
    let same = maps.iter().position(|map| plain_name(map).starts_with(&format!("{beginning}{MAP}")));
    Ok(match (same, maps.len()) {
        (Some(at), _) => Some(maps.swap_remove(at)),
        (None, 1) => maps.pop(),
        _ => None,
    })
}

/// Reads the map, then the sequences: items get their raw ids back.
pub(super) fn read(run: &mut Run<'_>, report: &SniffReport) -> Result<(), DataError> {
    let mut placement = run.take_placement(&report.domain);
    let mut raw_of: HashMap<u64, String, FixedState> = HashMap::default();
    for table in holding(report, Content::ItemIndex) {
        let mut tally = Tally::default();
        let mut entries: Vec<(String, u64, u64)> = Vec::new();
        let mut is_good = true;
        let sha256 = lines::object(&table.path, &mut tally, |raw, value| {
            match serde_json::from_str::<(u64, u64)>(value) {
                Ok((index, domain)) => entries.push((raw.to_owned(), index, domain)),
                Err(_) => is_good = false,
            }
        })?;
        if !is_good {
            let remedy = "each item needs [index, domain], two whole numbers";
            return Err(DataError::format(&table.path, None, "a value is not [index, domain]", remedy));
        }
        entries.sort_by_key(|&(_, index, domain)| (domain, index));
        for (raw, index, domain) in entries {
            let domain: DomainIdx = run.staging.domain_of_number(domain)?;
            run.staging.builder.item(domain, &raw);
            placement.place(&raw, domain);
            placement.used.insert(domain);
            raw_of.insert(index, raw);
        }
        placement.is_by_item = true;
        run.close(table, tally, sha256)?;
    }
    read_lists(run, report, &raw_of, &mut placement)?;
    run.give_back(placement);
    Ok(())
}

fn read_lists(
    run: &mut Run<'_>,
    report: &SniffReport,
    raw_of: &HashMap<u64, String, FixedState>,
    placement: &mut Placement,
) -> Result<(), DataError> {
    for table in holding(report, Content::TimedLists) {
        let mut tally = Tally::default();
        let sha256 = lines::each(&table.path, &mut tally, |_, line| {
            let (user, words) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let events = match events_of(words, raw_of) {
                Ok(events) => events,
                Err(reason) => return Ok(Line::Bad(reason)),
            };
            let items: Vec<&str> = events.iter().map(|&(item, _)| item).collect();
            if let Some(reason) = s3rec::problem_of(user, &items) {
                return Ok(Line::Bad(reason));
            }
            for (item, time) in events {
                let event = FormatEvent { timestamp: Some(time), ..FormatEvent::new(user, item) };
                run.staging.add_event(event, placement)?;
            }
            Ok(Line::Row)
        })?;
        run.close(table, tally, sha256)?;
    }
    Ok(())
}

fn events_of<'a>(
    words: &'a str,
    raw_of: &'a HashMap<u64, String, FixedState>,
) -> Result<Vec<(&'a str, i64)>, SkipReason> {
    let event = |word: &'a str| {
        let (item, time) = word.rsplit_once('|').ok_or(SkipReason::BadTime)?;
        let time = time.parse().map_err(|_| SkipReason::BadTime)?;
        if raw_of.is_empty() {
            return Ok((item, time));
        }
        let index: u64 = item.parse().map_err(|_| SkipReason::BadReference)?;
        Ok((raw_of.get(&index).ok_or(SkipReason::BadReference)?.as_str(), time))
    };
    words.split_ascii_whitespace().map(event).collect()
}
