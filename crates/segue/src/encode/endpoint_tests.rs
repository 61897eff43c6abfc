//! The endpoint against a stub on this machine: answers are written down before, one per connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;

const PATIENCE: Patience =
    Patience { n_tries: 3, first_wait: Duration::from_millis(5), timeout: Duration::from_secs(5), seed: 7 };

// Serves the answers in order, then stops; gives the bodies of the requests.
fn stub(answers: Vec<(u16, String)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http:{}127.0.0.1:{}/v1", "//", listener.local_addr().unwrap().port());
    let serve = move || {
        answers
            .into_iter()
            .map(|(status, answer)| {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
                }
                let length = head.to_lowercase();
                let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                let mut body = vec![0; length.trim().parse().unwrap()];
                reader.read_exact(&mut body).unwrap();
                let n = answer.len();
                let head_out =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {n}\r\nConnection: close\r\n\r\n");
                reader.get_mut().write_all((head_out + &answer).as_bytes()).unwrap();
                head + &String::from_utf8(body).unwrap()
            })
            .collect()
    };
    (address, std::thread::spawn(serve))
}

fn vectors(n: usize) -> String {
    // Last first: the order of the answer does not count, the index does.
    let data: Vec<_> =
        (0..n).rev().map(|at| serde_json::json!({ "index": at, "embedding": [at as f32, 1.0] })).collect();
    serde_json::json!({ "data": data, "usage": { "total_tokens": 10 } }).to_string()
}

fn texts(n: usize) -> Vec<String> {
    (0..n).map(|at| format!("text {at}")).collect()
}

#[test]
fn texts_go_in_batches_and_passing_failures_are_tried_again() {
    let answers = vec![(503, "busy".into()), (200, vectors(64)), (429, String::new()), (200, vectors(6))];
    let (address, server) = stub(answers);
    let mut endpoint = Endpoint::with_patience(&address, "m", Some("secret".into()), PATIENCE).unwrap();
    let (rows, dim) = endpoint.encode(&texts(70), &|_| {}).unwrap();
    assert_eq!((rows.len(), dim, endpoint.n_tokens()), (140, 2, 20));
    assert_eq!((rows[2 * 63], rows[2 * 64], rows[2 * 69]), (63.0, 0.0, 5.0));
    let requests = server.join().unwrap();
    assert!(requests[0].to_lowercase().contains("authorization: bearer secret"));
    assert!(requests[1].contains("text 63") && requests[3].contains("text 64"));
}

#[test]
fn refusals_and_nonsense_end_at_once_with_a_remedy() {
    for (status, answer, word) in [
        (401, "no key".to_owned(), "SEGUE_ENDPOINT_KEY"),
        (200, "<html>".to_owned(), "OpenAI-compatible"),
        (200, vectors(1), "1 vectors for 2 texts"),
    ] {
        let (address, server) = stub(vec![(status, answer)]);
        let mut endpoint = Endpoint::with_patience(&address, "m", Some("secret".into()), PATIENCE).unwrap();
        let error = endpoint.encode(&texts(2), &|_| {}).unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains("secret"), "{error}");
        server.join().unwrap();
    }
}

#[test]
fn patience_ends_and_waits_grow() {
    let (address, server) = stub((0..3).map(|_| (500, "down".to_owned())).collect());
    let mut endpoint = Endpoint::with_patience(&address, "m", None, PATIENCE).unwrap();
    let error = endpoint.encode(&texts(1), &|_| {}).unwrap_err().to_string();
    assert!(error.contains("failed 3 times") && error.contains("down"), "{error}");
    server.join().unwrap();
    let waits: Vec<Duration> = (0..9).map(|at| Patience::default().wait(at)).collect();
    assert!(waits[3] > waits[0] && waits.iter().all(|&wait| wait <= WAIT_MAX), "{waits:?}");
    assert!(Endpoint::new("ftp:x", "m", None).is_err());
}
