//! Environment variables that look like settings and are none.

use super::keys::KEYS;

/// Variables that the program reads besides those of the keys.
pub(super) const OTHERS: [&str; 5] =
    ["SEGUE_HOME", "SEGUE_CONFIG", "SEGUE_THREADS", "SEGUE_PYTHON", "SEGUE_ENDPOINT_KEY"];

/// How alike two names are of which one is a slip of the other: about one letter in four may differ.
const SIMILARITY_MIN: f64 = 0.75;

/// A warning about every variable that nobody reads and that was probably meant for a setting.
pub(super) fn warnings<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let known: Vec<String> =
        KEYS.iter().map(super::keys::Key::variable).chain(OTHERS.map(str::to_owned)).collect();
    names
        .filter(|name| name.starts_with("SEGUE_") && !known.iter().any(|known| known == name))
        .filter_map(|name| {
            let meant = meant(name, &known)?;
            Some(format!("warning: `{name}` is read by nothing\n  hint: did you mean `{meant}`?"))
        })
        .collect()
}

// Without the beginning that all have, which would make all of them alike.
fn meant<'a>(given: &str, known: &'a [String]) -> Option<&'a str> {
    let part = |name: &str| name.trim_start_matches("SEGUE_").to_uppercase();
    let given = part(given);
    let without_section = KEYS
        .iter()
        .find(|key| key.path.split_once('.').is_some_and(|(_, name)| name.to_uppercase() == given));
    if let Some(key) = without_section {
        return known.iter().find(|name| **name == key.variable()).map(String::as_str);
    }
    let similarity = |name: &str| strsim::normalized_damerau_levenshtein(&given, &part(name));
    let likeliest = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)))?;
    (similarity(likeliest) >= SIMILARITY_MIN).then_some(likeliest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_warned_of_and_nothing_else() {
        let meant = |name: &str| warnings([name].into_iter()).pop();
        for (name, right) in [
            ("SEGUE_FIT_BUDGT", "SEGUE_FIT_BUDGET"),
            ("SEGUE_BUDGET", "SEGUE_FIT_BUDGET"),
            ("SEGUE_FIT_BUGDET", "SEGUE_FIT_BUDGET"),
            ("SEGUE_SEEED", "SEGUE_SEED"),
            ("SEGUE_THREAD", "SEGUE_THREADS"),
            ("SEGUE_fit_budget", "SEGUE_FIT_BUDGET"),
        ] {
            let warning = meant(name).unwrap_or_else(|| panic!("{name}"));
            assert!(warning.contains(&format!("did you mean `{right}`?")), "{warning}");
        }
        for name in ["SEGUE_DATA", "SEGUE_RUNS_FOLDER", "SEGUE_X", "HOME", "SEGUE_FIT_BUDGET"] {
            assert_eq!(meant(name), None);
        }
        assert!(warnings(OTHERS.into_iter()).is_empty());
    }

    #[test]
    fn every_variable_that_the_code_names_is_known() {
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        folders.push(concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/src").into());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.components().any(|part| part.as_os_str() == "config") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let names = text.match_indices("SEGUE_").map(|(at, _)| {
                        let end = text[at..].find(|c: char| !(c.is_ascii_uppercase() || c == '_'));
                        &text[at..end.map_or(text.len(), |end| at + end)]
                    });
                    for name in names.filter(|name| *name != "SEGUE_") {
                        assert!(OTHERS.contains(&name), "{name} in {}", path.display());
                    }
                }
            }
        }
    }
}
