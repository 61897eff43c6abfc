//! The export of a run, against a server of a few lines on this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::Folder;
use crate::data;

/// Requests after which the server stops, whatever comes.
const N_REQUESTS_MAX: usize = 40;
/// Time without a byte after which a connection is given up.
const SILENCE: Duration = Duration::from_secs(30);

type Seen = Vec<(String, Value)>;

/// Answers until a run is ended; gives what it was sent.
fn serve(listener: TcpListener) -> JoinHandle<Seen> {
    std::thread::spawn(move || {
        let mut seen: Seen = Vec::new();
        while seen.len() < N_REQUESTS_MAX
            && seen.last().is_none_or(|(path, _)| !path.ends_with("runs/update"))
        {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(SILENCE)).unwrap();
            seen.push(answer(stream));
        }
        seen
    })
}

fn answer(mut stream: TcpStream) -> (String, Value) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_lowercase());
    }
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let path = lines[0].split_whitespace().nth(1).unwrap().to_owned();
    let (status, document) = match path.rsplit('/').next().unwrap() {
        place if place.starts_with("get-by-name") => ("404 Not Found", json!({ "error_code": "x" })),
        _ if path.ends_with("experiments/create") => ("200 OK", json!({ "experiment_id": "7" })),
        _ if path.ends_with("runs/create") => ("200 OK", json!({ "run": { "info": { "run_id": "r1" } } })),
        _ => ("200 OK", json!({})),
    };
    let text = document.to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    stream.write_all(format!("{head}{text}").as_bytes()).unwrap();
    (path, serde_json::from_slice(&body).unwrap_or_default())
}

#[test]
fn a_run_is_sent_with_its_settings_its_passes_and_its_figures() {
    let folder = Folder::new("mlflow");
    data::import(&folder);
    let config = "[fit]\nexperts = [\"popularity\", \"behavior\"]\nbudget = 1\nrefit = false\n";
    std::fs::write(folder.join("quick.toml"), config).unwrap();
    folder.ok("train data --to run --config quick.toml --target films");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http:{}{}", "//", listener.local_addr().unwrap());
    let server = serve(listener);
    let said = folder.json(&format!("runs export run --mlflow {address} --experiment shop"));
    assert_eq!(said["run_id"], "r1");
    let seen = server.join().unwrap();
    assert!(seen[0].0.contains("get-by-name?experiment_name=shop"), "{}", seen[0].0);
    assert_eq!((&seen[1].1["name"], &seen[2].1["experiment_id"]), (&json!("shop"), &json!("7")));
    assert_eq!(seen[2].1["run_name"], "run");
    let sent = |what: &str| -> Vec<Value> {
        let batches = seen.iter().filter(|(path, _)| path.ends_with("runs/log-batch"));
        batches.filter_map(|(_, body)| body[what].as_array()).flatten().cloned().collect()
    };
    assert!(sent("params").contains(&json!({ "key": "fit.budget", "value": "1" })));
    let passes = std::fs::read_to_string(folder.join("run/curves.jsonl")).unwrap();
    let metrics = sent("metrics");
    for line in passes.lines() {
        let pass: Value = serde_json::from_str(line).unwrap();
        let name = pass["expert"].as_str().unwrap().replace('@', "_");
        let key = format!("films/{name}/fit/loss");
        let found = metrics.iter().find(|metric| metric["key"] == *key && metric["step"] == pass["pass"]);
        assert_eq!(found.unwrap()["value"], pass["loss"]);
    }
    assert!(metrics.iter().any(|metric| metric["key"] == "films/blend/test ndcg_10"));
    assert_eq!(seen.last().unwrap().1["status"], "FINISHED");
    let refused = folder.fails(1, "runs export run --mlflow http:127.0.0.1:1");
    assert!(refused.contains("hint"), "{refused}");
    folder.fails(2, "runs export run --mlflow nowhere");
}
