//! The glossary of `docs/architecture.md` names types that exist, and the page names files that exist.

use super::{none, root, sources};

/// Names in backticks of the last column of the glossary.
fn glossary_types(page: &str) -> Vec<String> {
    let glossary = page.split("## Glossary").nth(1).unwrap_or_default();
    let rows = glossary.lines().filter(|line| line.starts_with("| ")).skip(1);
    let last = rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    last.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

fn is_declared(name: &str, text: &str) -> bool {
    ["struct", "enum", "trait"].iter().any(|kind| {
        text.lines().any(|line| {
            let after = line.strip_prefix("pub ").and_then(|rest| rest.strip_prefix(kind));
            let after = after.and_then(|rest| rest.trim_start().strip_prefix(name));
            after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    })
}

/// Paths below `crates/` as the straight lines name them: `segue/src/problem.rs`, `models/src/experts/`.
fn named_paths(page: &str) -> Vec<String> {
    let words = page.split(|c: char| c.is_whitespace() || "`,()".contains(c));
    let is_path = |word: &&str| {
        !word.contains("NAME")
            && (word.contains("/src/") || word.contains("/tests/") || word.contains("/examples/"))
    };
    words.filter(is_path).map(|word| word.trim_end_matches(['.', ':', ';']).to_owned()).collect()
}

#[test]
fn the_glossary_names_types_that_exist() {
    assert_eq!(
        glossary_types("## Glossary\n| w | m | type |\n|---|---|---|\n| a | b | `C`, `D` |\n"),
        ["C", "D"]
    );
    assert!(is_declared("Case", "pub struct Case {") && !is_declared("Case", "pub struct CaseSet {"));
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).expect("the page is there");
    let (types, sources) = (glossary_types(&page), sources());
    assert!(types.len() > 20, "{} types are named", types.len());
    let missing = |name: &&String| !sources.iter().any(|(_, text)| is_declared(name, text));
    none(&types.iter().filter(missing).cloned().collect::<Vec<_>>());
}

#[test]
fn the_architecture_page_names_files_that_exist() {
    assert_eq!(named_paths("see (`segue/src/a.rs`), then data/src/b/."), ["segue/src/a.rs", "data/src/b/"]);
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).expect("the page is there");
    let exists = |path: &String| {
        let path = path.strip_prefix("crates/").unwrap_or(path);
        root().join("crates").join(path).exists()
    };
    let paths = named_paths(&page);
    assert!(paths.len() > 20, "{} paths are named", paths.len());
    none(&paths.into_iter().filter(|path| !exists(path)).collect::<Vec<_>>());
}
