//! What each crate must never do, as `docs/architecture.md` says it: each line there that a text search can check is a rule here.

use super::{in_files, is_in_code, lines_with, none, sources};

/// Words that must not stand in the shipped code of a folder, and why; files after that are exempt.
struct Ban {
    folder: &'static str,
    words: &'static [&'static str],
    except: &'static [&'static str],
}

const CLOCK: &[&str] = &["SystemTime", "Instant::now", "Timestamp::now", "Zoned::now"];
const TERMINAL: &[&str] = &["println!", "eprintln!", "io::stdout", "io::stderr", "IsTerminal"];
const ARGUMENTS: &[&str] = &["env::args"];
const DISK: &[&str] = &["std::fs", "fs::", "File::open", "File::create"];
const GENERATOR: &[&str] = &["seed_from_u64", "from_os_rng", "rand::rng", "thread_rng"];

const BANS: &[Ban] = &[
    Ban { folder: "crates/data/src", words: CLOCK, except: &[] },
    Ban { folder: "crates/nn/src", words: CLOCK, except: &[] },
    Ban { folder: "crates/eval/src", words: CLOCK, except: &[] },
    Ban { folder: "crates/models/src", words: CLOCK, except: &[] },
    Ban { folder: "crates/recommend/src", words: CLOCK, except: &[] },
    Ban { folder: "crates/train/src", words: CLOCK, except: &[] },
    Ban { folder: "crates/report/src", words: CLOCK, except: &[] },
    Ban { folder: "crates/study/src", words: CLOCK, except: &["crates/study/src/benchmark/meter.rs"] },
    Ban {
        folder: "crates/segue/src",
        words: CLOCK,
        // Where time is shown, or is what is measured.
        except: &["crates/segue/src/clock.rs", "crates/segue/src/encode/"],
    },
    Ban { folder: "crates/train/src", words: &["TestSet"], except: &[] },
    Ban { folder: "crates/train/src", words: DISK, except: &["crates/train/src/learn/training.rs"] },
    Ban { folder: "crates/nn/src", words: DISK, except: &["crates/nn/src/checkpoint.rs"] },
    Ban { folder: "crates/models/src", words: GENERATOR, except: &[] },
    Ban { folder: "crates/nn/src", words: GENERATOR, except: &["crates/nn/src/cross_entropy/tests.rs"] },
    Ban { folder: "crates/recommend/src", words: GENERATOR, except: &[] },
    Ban {
        folder: "crates/recommend/src",
        words: DISK,
        except: &[
            "crates/recommend/src/artifact",
            "crates/recommend/src/graph_artifact",
            "crates/recommend/src/folder.rs",
        ],
    },
    Ban { folder: "crates/report/src", words: DISK, except: &[] },
];

const LIBRARIES: &[&str] =
    &["data", "nn", "models", "eval", "recommend", "train", "report", "segue", "study"];

fn offences(ban: &Ban) -> Vec<String> {
    let files: Vec<_> = sources()
        .into_iter()
        .filter(|(name, _)| name.starts_with(ban.folder))
        .filter(|(name, _)| !ban.except.iter().any(|exempt| name.starts_with(exempt)))
        .collect();
    in_files(&files, |text| found(text, ban.words))
}

fn found(text: &str, words: &[&str]) -> Vec<String> {
    let shipped = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    lines_with(shipped, |line| is_in_code(line) && words.iter().any(|word| line.contains(word)))
}

#[test]
fn no_crate_does_what_it_must_never_do() {
    assert_eq!(found("// SystemTime\nlet now = SystemTime::now();\n", CLOCK).len(), 1);
    none(&BANS.iter().flat_map(offences).collect::<Vec<_>>());
}

#[test]
fn no_library_knows_a_terminal_or_arguments() {
    for name in LIBRARIES {
        for words in [TERMINAL, ARGUMENTS] {
            let folder = format!("crates/{name}/src");
            let files: Vec<_> = sources().into_iter().filter(|(file, _)| file.starts_with(&folder)).collect();
            none(&in_files(&files, |text| found(text, words)));
        }
    }
}

/// The command holds nothing that Python would miss; its size says when it begins to.
const MOST_LINES_OF_THE_COMMAND: usize = 6_500;

#[test]
fn the_command_stays_small() {
    let own = |(name, _): &(String, String)| name.starts_with("crates/cli/src/");
    let n_lines: usize =
        sources().iter().filter(|file| own(file)).map(|(_, text)| text.lines().count()).sum();
    assert!(n_lines <= MOST_LINES_OF_THE_COMMAND, "crates/cli/src has {n_lines} lines");
}

#[test]
fn the_test_split_is_opened_where_it_is_measured_only() {
    let opens = [concat!("test", ".0"), concat!("open_for_", "measurement")];
    let allowed = [
        "crates/data/src/",
        "crates/segue/src/problem.rs",
        "crates/segue/src/training_run.rs",
        "crates/segue/src/run/people.rs",
        "crates/study/src/",
        "crates/cli/src/evaluate_lists.rs",
    ];
    let shipped = sources().into_iter().filter(|(name, _)| name.contains("/src/"));
    let others: Vec<_> =
        shipped.filter(|(name, _)| !allowed.iter().any(|place| name.starts_with(place))).collect();
    none(&in_files(&others, |text| found(text, &opens)));
}
