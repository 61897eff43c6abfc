//! An OpenAI-compatible embeddings endpoint: vLLM, TEI, Ollama, or a service.

use std::time::Duration;

use anyhow::Result;
use segue_data::hash;
use serde::Deserialize;

use crate::failure::{failed, usage};

/// Texts of one request.
const TEXTS_PER_REQUEST: usize = 64;
/// Longest wait that an endpoint can ask for.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// How often and how patiently a request is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Tries in all, at least 1.
    pub n_tries: u32,
    /// Wait after the first failure; it doubles each time.
    pub first_wait: Duration,
    /// Longest single request.
    pub timeout: Duration,
    /// Seed of the jitter.
    pub seed: u64,
}

impl Default for Patience {
    fn default() -> Self {
        let (first_wait, timeout) = (Duration::from_millis(500), Duration::from_mins(2));
        Self { n_tries: 6, first_wait, timeout, seed: 0 }
    }
}

impl Patience {
    /// The wait after try `at` (from 0): `first · 2^at`, times a factor between .5 and 1.5.
    fn wait(self, at: u32) -> Duration {
        let draw = hash::of_bytes(format!("{} {at}", self.seed).as_bytes());
        let share = u32::from_str_radix(&draw[..8], 16).map_or(0.5, |n| f64::from(n) / f64::from(u32::MAX));
        self.first_wait.mul_f64(f64::from(2u32.saturating_pow(at)) * (0.5 + share)).min(WAIT_MAX)
    }
}

/// An endpoint with one model.
pub struct Endpoint {
    agent: ureq::Agent,
    address: String,
    model: String,
    key: Option<String>,
    patience: Patience,
    n_tokens: u64,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Embedding>,
    #[serde(default)]
    usage: Used,
}

#[derive(Deserialize)]
struct Embedding {
    index: usize,
    embedding: Vec<f32>,
}

#[derive(Default, Deserialize)]
struct Used {
    #[serde(default)]
    total_tokens: u64,
}

// Whether another try can help.
enum Refusal {
    Passing(String, Option<Duration>),
    Final(anyhow::Error),
}

impl Endpoint {
    /// The model `model` behind `address` (up to and with `/v1`).
    ///
    /// # Errors
    /// When the address is none, or needs TLS that was not built in.
    pub fn new(address: &str, model: &str, key: Option<String>) -> Result<Self> {
        Self::with_patience(address, model, key, Patience::default())
    }

    fn with_patience(address: &str, model: &str, key: Option<String>, patience: Patience) -> Result<Self> {
        let plain = address.starts_with("http:");
        if !plain && !address.starts_with("https:") {
            let problem = format!("`{address}` is no address of an endpoint");
            return Err(usage(problem, "it begins with http: or https: and ends with /v1"));
        }
        if !plain && !cfg!(feature = "https") {
            let problem = format!("this build of segue cannot reach `{address}`: it has no TLS");
            return Err(usage(problem, "build with --features https, or put a local proxy in front"));
        }
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(patience.timeout))
            .http_status_as_error(false)
            .build();
        let address = format!("{}/embeddings", address.trim_end_matches('/'));
        Ok(Self { agent: config.into(), address, model: model.to_owned(), key, patience, n_tokens: 0 })
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Stands for the model in the cache: who answers cannot be hashed.
    pub fn sha256(&self) -> String {
        hash::of_bytes(format!("{}\n{}", self.address, self.model).as_bytes())
    }

    /// Tokens that the endpoint has counted.
    pub fn n_tokens(&self) -> u64 {
        self.n_tokens
    }

    /// Vectors `[n, dim]` and `dim`.
    ///
    /// # Errors
    /// When the endpoint does not answer, or answers with other vectors than were asked for.
    pub fn encode(
        &mut self,
        texts: &[String],
        observer: &(dyn Fn(usize) + Sync),
    ) -> Result<(Vec<f32>, usize)> {
        let (mut vectors, mut dim) = (Vec::new(), 0);
        for part in texts.chunks(TEXTS_PER_REQUEST) {
            let rows = self.request(part)?;
            if dim == 0 {
                dim = rows[0].len();
            }
            if dim == 0 || rows.iter().any(|row| row.len() != dim || row.iter().any(|x| !x.is_finite())) {
                return Err(failed(
                    format!("`{}` answered with vectors of different lengths", self.address),
                    "check that --model names an embedding model",
                ));
            }
            vectors.extend(rows.into_iter().flatten());
            observer(part.len());
        }
        Ok((vectors, dim))
    }

    fn request(&mut self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let body = serde_json::json!({ "model": self.model, "input": texts, "encoding_format": "float" });
        let mut last = String::new();
        for at in 0..self.patience.n_tries.max(1) {
            match self.try_once(&body.to_string(), texts.len()) {
                Ok(rows) => return Ok(rows),
                Err(Refusal::Final(error)) => return Err(error),
                Err(Refusal::Passing(reason, asked)) => {
                    last = reason;
                    if at + 1 < self.patience.n_tries {
                        let wait = self.patience.wait(at);
                        std::thread::sleep(asked.map_or(wait, |asked| asked.max(wait).min(WAIT_MAX)));
                    }
                }
            }
        }
        let problem = format!("`{}` failed {} times: {last}", self.address, self.patience.n_tries);
        Err(failed(problem, "start it or try later; what was encoded so far is kept"))
    }

    fn try_once(&mut self, body: &str, n: usize) -> Result<Vec<Vec<f32>>, Refusal> {
        let mut request = self.agent.post(&self.address).header("Content-Type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let mut response = request.send(body).map_err(|e| Refusal::Passing(e.to_string(), None))?;
        let status = response.status().as_u16();
        let asked = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|e| Refusal::Passing(e.to_string(), None))?;
        let said: String = text.chars().take(200).collect();
        match status {
            200 => {}
            408 | 429 | 500.. => {
                return Err(Refusal::Passing(
                    format!("status {status}: {said}"),
                    asked.map(Duration::from_secs),
                ));
            }
            _ => {
                let problem = format!("`{}` refused the request with status {status}: {said}", self.address);
                let remedy = "check the address, --model, and the key in SEGUE_ENDPOINT_KEY";
                return Err(Refusal::Final(failed(problem, remedy)));
            }
        }
        let answer: Answer = serde_json::from_str(&text).map_err(|e| self.nonsense(&e.to_string()))?;
        self.n_tokens += answer.usage.total_tokens;
        self.in_order(answer.data, n)
    }

    fn in_order(&self, data: Vec<Embedding>, n: usize) -> Result<Vec<Vec<f32>>, Refusal> {
        let mut rows = vec![Vec::new(); n];
        let n_received = data.len();
        for entry in data {
            if let Some(row) = rows.get_mut(entry.index) {
                *row = entry.embedding;
            }
        }
        if n_received != n || rows.iter().any(Vec::is_empty) {
            return Err(self.nonsense(&format!("{n_received} vectors for {n} texts")));
        }
        Ok(rows)
    }

    fn nonsense(&self, reason: &str) -> Refusal {
        let problem = format!("`{}` does not answer as an embeddings endpoint: {reason}", self.address);
        Refusal::Final(failed(problem, "the address must lead to an OpenAI-compatible /v1"))
    }
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
