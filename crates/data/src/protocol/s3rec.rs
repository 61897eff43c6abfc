//! S3-Rec text files (Zhou et al., CIKM 2020): one user a line, `user item item …` in time order, no timestamps;
//! beside it optionally `NAME_item2attributes.json`. Leave-one-out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ProtocolData, SourceFiles, files_ending, stem};
use crate::builder::{DatasetBuilder, RawInteraction};
use crate::error::DataError;
use crate::split::SplitRule;

/// The data files under `path`: itself when it is a file, else every `.txt` file in the folder.
///
/// # Errors
/// When there is none.
pub fn find(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let found = files_ending(path, ".txt")?;
    if found.is_empty() {
        return Err(DataError::format(
            path,
            None,
            "no .txt file here",
            "name a file in S3-Rec format: `user item item …` a line",
        ));
    }
    Ok(found)
}

/// Reads one file.
///
/// # Errors
/// When a line has no item, or the files cannot be read.
pub fn read(path: &Path, seed: u64) -> Result<ProtocolData, DataError> {
    let mut files = SourceFiles::new();
    let text = files.read(path)?;
    let name = stem(path);
    let mut builder = DatasetBuilder::new(&name, seed);
    let domain = builder.domain(&name)?;
    let mut n_rows = 0;
    for (at, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let Some(user) = words.next() else { continue };
        let before = builder.n_events();
        for item in words {
            builder.interaction(&RawInteraction {
                user,
                item,
                domain,
                timestamp: None,
                value: 1.0,
                kind: 0,
                split: None,
            });
        }
        if builder.n_events() == before {
            let problem = format!("user `{user}` has no items");
            return Err(DataError::format(
                path,
                Some(at as u64 + 1),
                problem,
                "each line is `user item item …`",
            ));
        }
        n_rows += 1;
    }
    if n_rows == 0 {
        return Err(DataError::format(path, None, "the file is empty", "each line is `user item item …`"));
    }
    read_attributes(path, &name, domain, &mut files, &mut builder)?;
    let (dataset, _) = builder.finish();
    let split = SplitRule::LeaveOneOut.cut(&dataset.sequences, &dataset.items, &[], false)?;
    Ok(ProtocolData { dataset, split, sha256: files.sha256() })
}

fn read_attributes(
    path: &Path,
    name: &str,
    domain: crate::DomainIdx,
    files: &mut SourceFiles,
    builder: &mut DatasetBuilder,
) -> Result<(), DataError> {
    let beside = path.with_file_name(format!("{name}_item2attributes.json"));
    if !beside.exists() {
        return Ok(());
    }
    let attributes: BTreeMap<String, Vec<serde_json::Value>> = serde_json::from_str(&files.read(&beside)?)
        .map_err(|e| {
            let remedy = "expected {\"item\": [attribute, …], …}; remove the file to run without attributes";
            DataError::format(&beside, Some(e.line() as u64), e.to_string(), remedy)
        })?;
    for (item, values) in attributes {
        let words: Vec<String> =
            values.iter().map(|value| format!("a{}", value.to_string().trim_matches('"'))).collect();
        builder.describe_item(domain, &item, &[("attributes", &words.join(" "))]);
    }
    Ok(())
}
