//! House rules that a program can check: which crate may know which, how long files and functions grow, what must
//! not be in the tree. Each rule is tried on a small offence first.

mod boundaries;
mod glossary;
mod modules;
mod signatures;
mod size;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const MAX_FILE_LINES: usize = 800;
const MAX_FUNCTION_LINES: usize = 70;

/// Who may depend on whom in what is shipped. A new crate or edge is argued in the design first.
const EDGES: &[(&str, &[&str])] = &[
    ("segue-data", &[]),
    ("segue-nn", &[]),
    ("segue-models", &["segue-data", "segue-nn"]),
    ("segue-eval", &["segue-data"]),
    ("segue-recommend", &["segue-data", "segue-models"]),
    ("segue-train", &["segue-data", "segue-nn", "segue-models", "segue-eval", "segue-recommend"]),
    ("segue-report", &["segue-data", "segue-eval"]),
    (
        "segue",
        &[
            "segue-data",
            "segue-nn",
            "segue-models",
            "segue-eval",
            "segue-recommend",
            "segue-train",
            "segue-report",
        ],
    ),
    (
        "segue-study",
        &[
            "segue",
            "segue-data",
            "segue-nn",
            "segue-models",
            "segue-eval",
            "segue-recommend",
            "segue-train",
            "segue-report",
        ],
    ),
    ("segue-store", &["segue-data"]),
    ("segue-server", &["segue-data", "segue-models", "segue-recommend", "segue-eval", "segue-store"]),
    (
        "segue-cli",
        &[
            "segue",
            "segue-study",
            "segue-server",
            "segue-store",
            "segue-data",
            "segue-nn",
            "segue-models",
            "segue-eval",
            "segue-recommend",
            "segue-train",
            "segue-report",
        ],
    ),
];

/// Outside crates (by the start of their name) that only some of ours may use.
const FENCED: &[(&str, &[&str])] = &[
    ("tokio", &["segue-server", "segue-store"]),
    ("axum", &["segue-server", "segue-store"]),
    ("clap", &["segue-cli"]),
    ("indicatif", &["segue-cli"]),
    ("console", &["segue-cli"]),
    ("comfy-table", &["segue-cli"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run `{program}`: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "`{program} {}` failed: {complaint}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Tracked text files with their content; the lock file is cargo's, not ours.
fn texts() -> Vec<(String, String)> {
    let listed = output_of("git", &["ls-files", "-z"]);
    let names = listed.split('\0').filter(|name| !name.is_empty() && *name != "Cargo.lock");
    // A file that was deleted but not yet committed is listed too; one that is not UTF-8 is no text.
    let read =
        |name: &str| std::fs::read_to_string(root().join(name)).ok().map(|text| (name.to_owned(), text));
    names.filter_map(read).collect()
}

fn sources() -> Vec<(String, String)> {
    texts().into_iter().filter(|(name, _)| is_source(name)).collect()
}

fn is_source(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "rs")
}

fn none(offences: &[String]) {
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}

/// Offences of each file under `rule`, with the file's name in front.
fn in_files(files: &[(String, String)], rule: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let offences = |(name, text): &(String, String)| {
        rule(text).into_iter().map(|offence| format!("{name}: {offence}")).collect::<Vec<_>>()
    };
    files.iter().flat_map(offences).collect()
}

fn edges_outside(metadata: &Value) -> Vec<String> {
    let mut offences = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
            offences.push(format!("crate `{name}` is not in the list of edges"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            // Edges are about what is shipped: a bench or test may build its input with another crate.
            let ours = dependency["path"].is_string() && dependency["kind"] != "dev";
            let fenced = FENCED.iter().find(|(start, _)| on.starts_with(start));
            if (ours && !allowed.contains(&on)) || fenced.is_some_and(|(_, users)| !users.contains(&name)) {
                offences.push(format!("`{name}` may not depend on `{on}`"));
            }
        }
    }
    offences
}

/// Functions longer than allowed.
fn long_functions(text: &str) -> Vec<String> {
    let long = functions(text).into_iter().filter(|function| function.n_lines > MAX_FUNCTION_LINES);
    long.map(|function| format!("line {}: `{}` has {} lines", function.line, function.name, function.n_lines))
        .collect()
}

/// Lines of every function.
fn function_lengths(text: &str) -> Vec<usize> {
    functions(text).iter().map(|function| function.n_lines).collect()
}

struct Function<'a> {
    name: &'a str,
    line: usize,
    n_lines: usize,
}

/// All functions. In formatted code a function ends where a brace closes at its own indentation.
fn functions(text: &str) -> Vec<Function<'_>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let at_indent =
            |line: &&str| line.len() - line.trim_start().len() == indent && !line.trim().is_empty();
        let ends =
            |line: &&str| at_indent(line) && (line.trim_start().starts_with('}') || line.ends_with(';'));
        let one_line = line.ends_with('}') || line.ends_with(';');
        let after = lines[start + 1..].iter().position(ends).unwrap_or(0);
        functions.push(Function { name, line: start + 1, n_lines: if one_line { 1 } else { after + 2 } });
    }
    functions
}

fn is_in_code(line: &str) -> bool {
    !line.trim_start().starts_with("//")
}

fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if let Some(public) = rest.strip_prefix("pub") {
        rest = public.trim_start_matches(|c: char| c == '(' || c == ')' || c.is_alphabetic()).trim_start();
    }
    for word in ["default ", "const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// Lines with a macro or mark that may not stay; written in parts so that this file passes its own rule.
fn unfinished(text: &str) -> Vec<String> {
    let marks =
        [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("db", "g!("), concat!("FIX", "ME")];
    lines_with(text, |line| marks.iter().any(|mark| line.contains(mark)))
}

fn unsafe_code(text: &str) -> Vec<String> {
    let words =
        ["{", "fn ", "impl ", "trait ", "extern "].map(|after| format!("{} {after}", concat!("un", "safe")));
    lines_with(text, |line| {
        !line.trim_start().starts_with("//") && words.iter().any(|word| line.contains(word.as_str()))
    })
}

/// Lines that reach for the file system.
fn file_access(text: &str) -> Vec<String> {
    lines_with(text, |line| {
        let words: Vec<&str> = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).collect();
        words
            .iter()
            .any(|word| word.contains("std::fs") || word.starts_with("fs::") || word.starts_with("File::"))
    })
}

/// Links to other hosts. Names without a dot, numeric addresses and the names kept for examples are nobody's.
fn hosts(text: &str) -> Vec<String> {
    lines_with(text, |line| {
        let after_scheme = line.split("://").skip(1).zip(line.split("://"));
        after_scheme.filter(|(_, before)| before.ends_with("http") || before.ends_with("https")).any(
            |(after, _)| {
                let host = after
                    .split(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-'))
                    .next()
                    .unwrap_or("");
                let named = host.trim_matches('.').contains('.') && host.chars().any(char::is_alphabetic);
                named && !host.ends_with(".example") && !host.ends_with("example.com")
            },
        )
    })
}

fn lines_with(text: &str, is_offence: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = text.lines().enumerate().filter(|(_, line)| is_offence(line));
    lines.map(|(at, line)| format!("line {}: {}", at + 1, line.trim())).collect()
}

const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

fn names_nothing(path: &str) -> bool {
    Path::new(path).with_extension("").iter().any(|part| EMPTY_NAMES.iter().any(|name| part == *name))
}

fn empty_modules(text: &str) -> Vec<String> {
    lines_with(text, |line| {
        let words: Vec<&str> = line.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
        words.windows(2).any(|pair| pair[0] == "mod" && EMPTY_NAMES.contains(&pair[1]))
    })
}

/// Headings (outside code blocks) and code blocks of a Markdown file.
fn outline(markdown: &str) -> (usize, usize) {
    let (mut n_headings, mut n_fences) = (0, 0);
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            n_fences += 1;
        } else if n_fences % 2 == 0 && line.starts_with('#') {
            n_headings += 1;
        }
    }
    (n_headings, n_fences / 2)
}

#[test]
fn no_crate_knows_what_it_must_not() {
    let offence = r#"{"packages": [
        {"name": "segue-eval", "dependencies": [{"name": "segue-models", "path": "x"}, {"name": "clap"}]},
        {"name": "segue-tools", "dependencies": []}]}"#;
    assert_eq!(edges_outside(&serde_json::from_str(offence).unwrap()).len(), 3);
    let metadata = output_of(env!("CARGO"), &["metadata", "--no-deps", "--format-version", "1", "--offline"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    assert!(metadata["packages"].as_array().unwrap().len() >= 10);
    none(&edges_outside(&metadata));
}

#[test]
fn no_file_and_no_function_is_too_long() {
    let body = "        step();\n".repeat(MAX_FUNCTION_LINES - 2);
    let fits = format!("    pub(crate) fn fits(\n    ) {{\n{}    }}\n", &body[16..]);
    assert_eq!(long_functions(&fits), [""; 0]);
    assert_eq!(long_functions(&format!("    async fn grows() {{\n{body}        step();\n    }}\n")).len(), 1);
    let sources = sources();
    let mut offences = in_files(&sources, long_functions);
    let long = sources.iter().filter(|(_, text)| text.lines().count() > MAX_FILE_LINES);
    offences.extend(long.map(|(name, text)| format!("{name}: {} lines", text.lines().count())));
    none(&offences);
}

#[test]
fn nothing_unfinished_stays() {
    assert_eq!(unfinished(concat!("let x = to", "do!();\n// FIX", "ME: later\nfine()")).len(), 2);
    let texts = texts();
    none(&in_files(&texts, unfinished));
}

#[test]
fn unsafe_code_lives_in_the_kernels_only() {
    assert_eq!(
        unsafe_code(concat!("// un", "safe { }\nun", "safe { read(p) }\nunsafe_code = \"deny\"")).len(),
        1
    );
    let others: Vec<_> = sources().into_iter().filter(|(name, _)| !name.starts_with("crates/nn/")).collect();
    none(&in_files(&others, unsafe_code));
}

#[test]
fn models_open_paths_in_one_module() {
    assert_eq!(file_access("use std::fs;\nlet f = File::open(p)?;\nTextEncoder::open(folder)").len(), 2);
    let inside = |name: &str| name.starts_with("crates/models/src/") && !name.ends_with("/model_folder.rs");
    let models: Vec<_> = sources().into_iter().filter(|(name, _)| inside(name)).collect();
    assert!(models.len() > 50);
    none(&in_files(&models, file_access));
}

#[test]
fn no_module_is_named_after_nothing() {
    assert!(names_nothing("crates/data/src/utils/text.rs") && names_nothing("src/helpers.rs"));
    assert!(!names_nothing("crates/data/src/commonness.rs"));
    assert_eq!(empty_modules(concat!("pub mod ", "helper;\nmod help;")).len(), 1);
    let sources = sources();
    let mut offences = in_files(&sources, empty_modules);
    offences.extend(sources.into_iter().map(|(name, _)| name).filter(|name| names_nothing(name)));
    none(&offences);
}

#[test]
fn every_module_says_at_its_head_what_it_is_for() {
    let untold = |(name, text): &(String, String)| (!text.starts_with("//!")).then(|| name.clone());
    none(&sources().iter().filter_map(untold).collect::<Vec<_>>());
}

#[test]
fn no_text_links_to_another_host() {
    let scheme = concat!("https", "://");
    assert_eq!(hosts(&format!("see {scheme}somewhere.org/x")).len(), 1);
    let local =
        format!("{scheme}127.0.0.1:80 {scheme}localhost/ {scheme}x {scheme}shop.example \"{scheme}\"");
    assert_eq!(hosts(&local), [""; 0]);
    none(&in_files(&texts(), hosts));
}

#[test]
fn the_two_readmes_have_the_same_outline() {
    assert_eq!(outline("# A\n```sh\n# not a heading\n```\n## B\n"), (2, 1));
    let read = |name: &str| std::fs::read_to_string(root().join(name));
    if let (Ok(english), Ok(chinese)) = (read("README.md"), read("README.zh-CN.md")) {
        assert_eq!(
            outline(&english),
            outline(&chinese),
            "(headings, code blocks) of README.md, README.zh-CN.md"
        );
    }
}
