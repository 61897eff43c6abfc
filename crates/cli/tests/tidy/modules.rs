//! No circles between the modules of a crate: whoever reads one can read what it stands on first.
//!
//! A module is a file or folder right under `src`. It uses another one where its files name `crate::other`, or something
//! that the crate's root exports again from `other`; tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A circle that stands: the crate's folder, its modules, the reason.
type Standing = (&'static str, &'static [&'static str], &'static str);

/// The list shrinks: a circle that is smaller or gone fails the test, too, until it is so here.
const STANDING: &[Standing] = &[(
    "cli",
    &["args", "commands"],
    "the tree of arguments holds those of every command, and `completions` prints that tree",
)];

/// Who uses whom.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// The text of one source file, by its path under `src`.
type Sources = BTreeMap<PathBuf, String>;

/// The sources of every crate, by its folder.
fn crates() -> BTreeMap<String, Sources> {
    let mut crates: BTreeMap<String, Sources> = BTreeMap::new();
    for (name, text) in super::sources() {
        let inside = name.strip_prefix("crates/").and_then(|rest| rest.split_once("/src/"));
        if let Some((folder, path)) = inside {
            crates.entry(folder.to_owned()).or_default().insert(PathBuf::from(path), text);
        }
    }
    crates
}

/// The module that a file belongs to; `None` for the crate's root and for files of tests.
fn module_of(path: &Path) -> Option<String> {
    let name = path.iter().next()?.to_str()?.trim_end_matches(".rs");
    let is_root = path.iter().count() == 1 && (name == "lib" || name == "main");
    (!is_root && path.file_stem()? != "tests").then(|| name.to_owned())
}

/// The text without comments and without what stands under `#[cfg(test)]`. In formatted code an item ends where a brace
/// closes at its own indentation.
fn shipped(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let mut rest = lines.by_ref().skip_while(|line| line.trim_start().starts_with("#["));
            let head = rest.next().unwrap_or_default();
            if !head.ends_with(';') && !head.ends_with('}') {
                rest.find(|line| indent(line) == indent(head) && line.trim_start().starts_with('}'));
            }
        } else if !line.trim_start().starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// First names of the paths that follow `crate::` in a text: one, or those of a group in braces.
fn names_after_crate(text: &str) -> BTreeSet<&str> {
    let first_name =
        |path: &'_ str| path.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().map(str::len);
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let is_word = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let rest = &text[at + "crate::".len()..];
        let paths = if rest.starts_with('{') { members(rest) } else { vec![rest] };
        for path in paths.into_iter().filter(|_| !is_word) {
            names.extend(first_name(path).map(|n| &path[..n]));
        }
    }
    names
}

/// Members of a group `{a::{x, y}, b}` at the start of a text: `a::{x, y}` and `b`.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (0, 1, Vec::new());
    for (at, c) in group.char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if (c == ',' && depth == 1) || depth == 0 {
            members.push(group[start..at].trim());
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    members
}

/// Which module each name comes from that the root exports again (`pub use module::{A, B};`).
fn exported_again(root: &str, modules: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut origins = BTreeMap::new();
    for statement in root.split(';').filter_map(|statement| statement.split_once("use ")) {
        let path = statement.1.trim_start_matches("crate::");
        let Some((module, names)) = path.split_once("::") else { continue };
        if modules.contains(module) {
            let words = names.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            origins.extend(words.map(|name| (name.to_owned(), module.to_owned())));
        }
    }
    origins
}

fn uses(sources: &Sources) -> Uses {
    let modules: BTreeSet<String> = sources.keys().filter_map(|path| module_of(path)).collect();
    let root = ["lib.rs", "main.rs"].iter().find_map(|name| sources.get(Path::new(name)));
    let origins = exported_again(&root.map(|text| shipped(text)).unwrap_or_default(), &modules);
    let mut uses = Uses::new();
    for (path, text) in sources {
        let Some(module) = module_of(path) else { continue };
        let text = shipped(text);
        let named = names_after_crate(&text).into_iter().filter_map(|name| {
            modules.get(name).or_else(|| origins.get(name)).filter(|used| **used != module).cloned()
        });
        uses.entry(module.clone()).or_default().extend(named);
    }
    uses
}

fn reachable<'a>(uses: &'a Uses, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = uses.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(module) = open.pop() {
        if seen.insert(module) {
            open.extend(uses.get(module).into_iter().flatten().map(String::as_str));
        }
    }
    seen
}

/// Modules that can all be reached from each other.
fn circles(uses: &Uses) -> BTreeSet<Vec<String>> {
    let mut circles = BTreeSet::new();
    for module in uses.keys() {
        let back = |other: &&str| reachable(uses, other).contains(module.as_str());
        let circle: Vec<String> =
            reachable(uses, module).into_iter().filter(back).map(str::to_owned).collect();
        circles.extend((!circle.is_empty()).then_some(circle));
    }
    circles
}

fn crate_of(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect()
}

#[test]
fn circles_are_found_over_groups_folders_and_names_exported_again() {
    let sources = crate_of(&[
        ("lib.rs", "pub mod a;\npub mod b;\npub use c::{Thing, other};\n"),
        ("a.rs", "use crate::b::X;\n#[cfg(test)]\nmod tests {\n    use crate::d::Y;\n}\n"),
        ("b/mod.rs", "/// Not [`crate::d`].\nmod deep;\n"),
        ("b/deep.rs", "use crate::{\n    Thing,\n    e::{F, G},\n};\n"),
        ("b/tests.rs", "use crate::d::Y;\n"),
        ("c.rs", "fn f() {\n    crate::a::run();\n}\n"),
        ("d.rs", "use crate::a::Z;\n"),
        ("e.rs", "#[cfg(test)]\nmod tests;\nuse crate::e::F;\n"),
    ]);
    let uses = uses(&sources);
    assert_eq!(uses["b"], BTreeSet::from(["c".to_owned(), "e".to_owned()]));
    assert_eq!(circles(&uses), BTreeSet::from([vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]]));
}

#[test]
fn no_crate_has_a_circle_of_modules_that_is_not_listed() {
    let crates = crates();
    assert!(crates.len() >= 7, "{} crates", crates.len());
    let mut found: BTreeSet<(String, Vec<String>)> = BTreeSet::new();
    for (name, sources) in &crates {
        found.extend(circles(&uses(sources)).into_iter().map(|circle| (name.clone(), circle)));
    }
    let listed = STANDING.iter().map(|(name, circle, _)| {
        ((*name).to_owned(), circle.iter().map(|module| (*module).to_owned()).collect::<Vec<_>>())
    });
    let listed: BTreeSet<(String, Vec<String>)> = listed.collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "circles that are not listed: {new:?}\nlisted and not there: {gone:?}"
    );
}
