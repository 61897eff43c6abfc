//! `segue pretrain` and `segue adapt`: what they leave is taken by the other commands, an interruption changes no byte, and what cannot
//! be done is said.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
#[cfg(unix)]
use std::process::Stdio;
#[cfg(unix)]
use std::time::{Duration, Instant};

use crate::command::{Folder, stderr, stdout};
use crate::determinism::files;
use crate::tiny_model::TinyModel;

const WORDS: [&str; 5] = ["red", "fox", "runs", "blue", "sea"];

/// A data set `data` whose titles the tiny model can read; users stay with a word.
fn import(folder: &Folder, n_items: usize, n_users: usize) {
    let mut table = "user_id,item_id,timestamp,title\n".to_owned();
    let mut draw = 7u64;
    for event in 0..n_users * 12 {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The first events name the items one by one; later ones stay with the user's first word.
        let drawn = (draw >> 33) as usize % (n_items / 5) * 5 + event % n_users % 5;
        let (user, item) = (event % n_users, if event < n_items { event } else { drawn });
        writeln!(table, "u{user},i{item},{},{}", 1_700_000_000 + event * 60, title_of(item)).unwrap();
    }
    std::fs::write(folder.join("tales.csv"), table).unwrap();
    folder.ok("import tales=tales.csv --text-col title --to data --name foxes");
}

fn title_of(item: usize) -> String {
    (0..6).map(|at| WORDS[item / 5usize.pow(at) % 5]).collect::<Vec<_>>().join(" ")
}

/// The binary with a cache of its own.
fn segue(folder: &Folder, arguments: &str) -> Command {
    let mut command = folder.segue(arguments);
    command.env("SEGUE_HOME", folder.join("home"));
    command
}

fn json(folder: &Folder, arguments: &str) -> serde_json::Value {
    let output = segue(folder, &format!("--json {arguments}")).output().unwrap();
    assert!(output.status.success(), "segue {arguments}\n{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

fn fails(folder: &Folder, code: i32, arguments: &str) -> String {
    let output = segue(folder, arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "segue {arguments}\n{}", stderr(&output));
    let text = stderr(&output);
    assert!(text.contains("hint: "), "{text}");
    text
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_keys().collect()
}

#[test]
fn what_it_leaves_is_encoded_with_adapted_and_pretrained_further() {
    let (folder, model) = (Folder::new("pretrain"), TinyModel::with_mask());
    let model = model.write().display().to_string();
    import(&folder, 300, 60);
    let (events, aside) = (folder.join("data/interactions.parquet"), folder.join("aside"));
    std::fs::rename(&events, &aside).unwrap();
    let done = json(&folder, &format!("pretrain data --model {model} --out texts --steps 9 --passes 2"));
    std::fs::rename(&aside, &events).unwrap();
    let figures = &done["figures"];
    assert_eq!((&figures["n_texts"], &figures["n_held_out"]), (&285.into(), &15.into()), "{done}");
    let loss = |at: &str| figures[at]["loss"].as_f64().unwrap();
    assert!(loss("after") <= loss("before") && figures["had_head"] == false, "{done}");
    let lora = ["adapter_config.json", "adapter_model.safetensors"];
    let expected = [&lora[..], &["mlm_head.safetensors", "pretrain.json", "tuning.json"]].concat();
    assert_eq!(names(&folder.join("texts")), expected);
    json(&folder, "encode data --model texts");

    let adapt = "adapt data --tuning lora --steps 5 --passes 2 --rate 0.01";
    json(&folder, &format!("{adapt} --model texts --to both"));
    let vectors = || std::fs::read(folder.join("data/text-vectors.safetensors")).unwrap();
    let of_texts = vectors();
    json(&folder, "encode data --model both");
    assert!(vectors() != of_texts, "an adaptation upon the pretraining");
    let more = "pretrain data --tuning full --steps 3 --passes 1 --mlm 2";
    let again = json(&folder, &format!("{more} --model both --out again"));
    assert_eq!(again["figures"]["had_head"], true, "the head of the first pretraining: {again}");
    json(&folder, "encode data --model again");

    json(
        &folder,
        &format!("pretrain data --model {model} --tuning prefix --out narrow --steps 2 --passes 1"),
    );
    let refusal = fails(&folder, 1, "pretrain data --model narrow --out wide");
    assert!(refusal.contains("`prefix` parts") && !folder.join("wide").exists(), "{refusal}");
    let refusal = fails(&folder, 1, "adapt data --model narrow --to wide");
    assert!(refusal.contains("`prefix` parts") && !folder.join("wide").exists(), "{refusal}");
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is_written() {
    let (folder, model) = (Folder::new("pretrain-no"), TinyModel::with_mask());
    let model = model.write().display().to_string();
    import(&folder, 300, 60);
    let start = format!("pretrain data --model {model} --out new");
    let cases = [
        (2, "--tuning frozen", "trains nothing"),
        (2, "--tuning loar", "did you mean `lora`?"),
        (2, "--domains tails", "its domains: tales"),
        (2, "--resume", "no training was begun"),
    ];
    for (code, flags, words) in cases {
        let refusal = fails(&folder, code, &format!("{start} {flags}"));
        assert!(refusal.contains(words) && !folder.join("new").exists(), "{refusal}");
    }
    let refusal = fails(&folder, 1, &format!("{start} --tuning adalora"));
    assert!(refusal.contains("initial_rank is 12") && !folder.join("new").exists(), "{refusal}");
    let taken = fails(&folder, 2, &format!("pretrain data --model {model} --out data"));
    assert!(taken.contains("`data` exists already"), "{taken}");
    let without = TinyModel::new();
    let without = without.write().display().to_string();
    let refusal = fails(&folder, 1, &format!("pretrain data --model {without} --out maskless"));
    assert!(refusal.contains("[MASK]") && !folder.join("maskless").exists(), "{refusal}");
    json(&folder, &format!("pretrain data --model {without} --out maskless-2 --mlm 0 --steps 1 --passes 1"));
}

/// Starts a command, waits for its first checkpoint, and presses Ctrl-C.
#[cfg(unix)]
fn interrupted(mut command: Command, checkpoint: &Path) {
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while !checkpoint.is_file() {
        assert!(start.elapsed() < Duration::from_mins(2), "no checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("--resume"), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_what_goes_on_to_the_same_bytes() {
    let (folder, model) = (Folder::new("pretrain-resume"), TinyModel::with_mask());
    let model = model.write().display().to_string();
    import(&folder, 3000, 300);
    let commands = [
        format!("pretrain data --model {model} --tuning lora --steps 90 --passes 3 --out"),
        format!("adapt data --model {model} --tuning lora --steps 60 --passes 3 --target tales --to"),
    ];
    for (at, command) in commands.iter().enumerate() {
        let (whole, stopped) = (format!("whole{at}"), format!("stopped{at}"));
        json(&folder, &format!("{command} {whole}"));
        let (whole, to) = (folder.join(&whole), folder.join(&stopped));
        let checkpoint = to.join("checkpoints/state.safetensors");
        interrupted(segue(&folder, &format!("{command} {stopped}")), &checkpoint);
        let refusal = fails(&folder, 2, &format!("{command} {stopped}"));
        assert!(refusal.contains("not done") && refusal.contains("--resume"), "{refusal}");
        let refusal = fails(&folder, 1, &format!("{command} {stopped} --resume --seed 5"));
        assert!(refusal.contains("`plan.seed`: 0, now 5"), "{refusal}");
        json(&folder, &format!("{command} {stopped} --resume"));
        let (whole, resumed): (BTreeMap<_, _>, BTreeMap<_, _>) = (files(&whole), files(&to));
        assert!(whole == resumed, "{command}: {:?} {:?}", whole.keys(), resumed.keys());
        let refusal = fails(&folder, 2, &format!("{command} {stopped} --resume"));
        assert!(refusal.contains("is done"), "{refusal}");
    }
}
