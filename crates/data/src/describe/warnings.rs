//! What a description means for training, in words.

use super::{Description, Part, day};

/// 2100-01-01.
const LATEST: i64 = 4_102_444_800;

/// The warnings of a description.
pub(super) fn of(description: &Description) -> Vec<String> {
    let mut warnings = Vec::new();
    let total = &description.total;
    let n = total.n_events;
    if description.n_skipped > 0 {
        warnings.push(format!(
            "the import left out {} rows: see [import] in dataset.toml",
            description.n_skipped
        ));
    }
    if n == 0 {
        warnings.push("there are no events: only the graph can be used".to_owned());
        return warnings;
    }
    warnings.extend(of_times(total.time_range));
    if total.n_ties * 10 > n as u64 {
        let share = percent(total.n_ties as usize, n);
        warnings.push(format!(
            "{share} of events have the time of the event before: their order is that of the file"
        ));
    }
    if total.n_duplicates * 100 > n as u64 {
        let share = percent(total.n_duplicates as usize, n);
        warnings.push(format!("{share} of events say the same as the event before them, at the same time"));
    }
    description.domains.iter().for_each(|part| warnings.extend(of_domain(part)));
    for overlap in description.overlaps.iter().filter(|overlap| overlap.n_users == 0) {
        let (first, second) = (&overlap.first, &overlap.second);
        let text =
            format!("no user has events in both `{first}` and `{second}`: only content can carry over");
        warnings.push(text);
    }
    warnings
}

fn of_times(range: Option<(i64, i64)>) -> Vec<String> {
    let Some((first, last)) = range else {
        return vec![
            "no times: only the order of events counts, and a split by time is not possible".to_owned(),
        ];
    };
    let mut warnings = Vec::new();
    if first < 0 {
        warnings.push(format!("the first event is dated {}: check the time column", day(first)));
    }
    if last > LATEST {
        warnings.push(format!("the last event is dated {}: check the time column and its unit", day(last)));
    }
    warnings
}

fn of_domain(part: &Part) -> Vec<String> {
    let name = &part.name;
    let mut warnings = Vec::new();
    if part.n_events < 1_000 {
        warnings
            .push(format!("`{name}` has only {} events: measurements on it will be noisy", part.n_events));
    }
    if part.n_items_without_events * 2 > part.n_items {
        let share = percent(part.n_items_without_events, part.n_items);
        warnings.push(format!(
            "{share} of the items of `{name}` have no event: check that item ids of all files agree"
        ));
    }
    if part.n_users_below_three * 2 > part.n_users {
        let share = percent(part.n_users_below_three, part.n_users);
        warnings.push(format!("{share} of the users of `{name}` have fewer than three events there"));
    }
    if part.share_text < 0.5 && part.n_items > 0 {
        let without =
            percent(part.n_items - (part.share_text * part.n_items as f64).round() as usize, part.n_items);
        warnings.push(format!("{without} of the items of `{name}` have no text: content cannot help there"));
    }
    warnings
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.0} %", 100.0 * part as f64 / whole.max(1) as f64)
}
