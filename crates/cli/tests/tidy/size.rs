//! How long files and functions are over all: the 95th percentiles stay where a reader can follow.

use super::{function_lengths, none, sources};

/// 95 % of the files have at most so many lines.
const FILE_P95: usize = 400;
/// 95 % of the functions have at most so many lines.
const FUNCTION_P95: usize = 40;

fn percentile_95(mut values: Vec<usize>) -> usize {
    values.sort_unstable();
    values.get((values.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0)
}

#[test]
fn most_files_and_functions_are_short() {
    assert_eq!(percentile_95((1..=100).collect()), 95);
    let sources = sources();
    let files = percentile_95(sources.iter().map(|(_, text)| text.lines().count()).collect());
    let functions = percentile_95(sources.iter().flat_map(|(_, text)| function_lengths(text)).collect());
    let mut offences = Vec::new();
    if files > FILE_P95 {
        offences.push(format!("5 % of the files have over {files} lines; {FILE_P95} are meant"));
    }
    if functions > FUNCTION_P95 {
        offences.push(format!("5 % of the functions have over {functions} lines; {FUNCTION_P95} are meant"));
    }
    none(&offences);
}
