//! Sends a finished run to an `MLflow` tracking server: settings as parameters, passes and test figures as metrics.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::failure::{failed, usage};
use crate::figures::RunFigures;
use crate::run::dir::RunDir;
use crate::tracking::{self, Record};

/// Longest single request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// Entries of one request; the server takes 1000 metrics and 100 parameters.
const METRICS_PER_REQUEST: usize = 500;
const PARAMS_PER_REQUEST: usize = 100;
/// Characters of a parameter's value that every version of the server takes.
const VALUE_CHARS_MAX: usize = 500;

/// A tracking server.
pub struct Server {
    agent: ureq::Agent,
    address: String,
}

/// Where a run is now.
pub struct Exported {
    /// Identifier that the server gave.
    pub run_id: String,
    /// Parameters sent.
    pub n_params: usize,
    /// Metric values sent.
    pub n_metrics: usize,
}

impl Server {
    /// The server at `address`.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(address: &str) -> Result<Self> {
        let plain = address.starts_with("http:");
        if !plain && !address.starts_with("https:") {
            return Err(usage(
                format!("`{address}` is no address of a server"),
                "it begins with http: or https:",
            ));
        }
        if !plain && !cfg!(feature = "https") {
            let problem = format!("this build of segue cannot reach `{address}`: it has no TLS");
            return Err(usage(problem, "build with --features https, or put a local proxy in front"));
        }
        let config =
            ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build();
        Ok(Self { agent: config.into(), address: address.trim_end_matches('/').to_owned() })
    }

    /// Sends the run to the experiment of this name, which is made where it is missing.
    ///
    /// # Errors
    /// When the run cannot be read, or the server refuses it.
    pub fn export(&self, run: &RunDir, experiment: &str) -> Result<Exported> {
        let (manifest, figures) = (run.manifest()?, run.figures()?);
        let records = tracking::read(&run.path)?;
        let mut params = Vec::new();
        flatten("", &serde_json::to_value(run.config_table()?)?, &mut params);
        let ended = milliseconds(&manifest.finished);
        let metrics = metrics_of(&records, &figures, ended);
        let began = records.first().map_or(ended, |record| ((record.ended - record.seconds) * 1e3) as i64);
        let tags =
            [("segue.version", &manifest.versions.segue), ("segue.data_sha256", &manifest.data.sha256)];
        let tags: Vec<Value> =
            tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let created = self.post(
            "runs/create",
            &json!({
                "experiment_id": self.experiment(experiment)?,
                "run_name": manifest.name,
                "start_time": began,
                "tags": tags,
            }),
        )?;
        let run_id = self.text_at(&created, "/run/info/run_id")?;
        for part in params.chunks(PARAMS_PER_REQUEST) {
            self.post("runs/log-batch", &json!({ "run_id": run_id, "params": part }))?;
        }
        for part in metrics.chunks(METRICS_PER_REQUEST) {
            self.post("runs/log-batch", &json!({ "run_id": run_id, "metrics": part }))?;
        }
        let end = json!({ "run_id": run_id, "status": "FINISHED", "end_time": ended });
        self.post("runs/update", &end)?;
        Ok(Exported { run_id, n_params: params.len(), n_metrics: metrics.len() })
    }

    fn experiment(&self, name: &str) -> Result<String> {
        let address = self.method("experiments/get-by-name");
        let asked = self.agent.get(&address).query("experiment_name", name).call();
        let (status, answer) = Self::answer(asked, &address)?;
        match status {
            200 => self.text_at(&answer, "/experiment/experiment_id"),
            404 => {
                let made = self.post("experiments/create", &json!({ "name": name }))?;
                self.text_at(&made, "/experiment_id")
            }
            _ => Err(self.refused(&address, status, &answer)),
        }
    }

    fn post(&self, method: &str, body: &Value) -> Result<Value> {
        let address = self.method(method);
        let request = self.agent.post(&address).header("Content-Type", "application/json");
        let (status, answer) = Self::answer(request.send(body.to_string()), &address)?;
        if status == 200 { Ok(answer) } else { Err(self.refused(&address, status, &answer)) }
    }

    fn method(&self, name: &str) -> String {
        format!("{}/api/2.0/mlflow/{name}", self.address)
    }

    fn answer(
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
        address: &str,
    ) -> Result<(u16, Value)> {
        let read = response.and_then(|mut response| {
            let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
            Ok((response.status().as_u16(), text))
        });
        let (status, text) = read.map_err(|error| {
            failed(format!("`{address}` cannot be reached: {error}"), "start the server, or check --mlflow")
        })?;
        let said = || Value::String(text.chars().take(200).collect());
        Ok((status, serde_json::from_str(&text).unwrap_or_else(|_| said())))
    }

    fn refused(&self, address: &str, status: u16, answer: &Value) -> anyhow::Error {
        let said = answer["message"].as_str().map_or_else(|| answer.to_string(), str::to_owned);
        let problem = format!("`{address}` refused with status {status}: {said}");
        failed(problem, format!("check that `{}` is an MLflow tracking server", self.address))
    }

    fn text_at(&self, answer: &Value, place: &str) -> Result<String> {
        answer.pointer(place).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
            let problem = format!("`{}` answers without `{place}`", self.address);
            failed(problem, "the address must lead to an MLflow tracking server")
        })
    }
}

fn milliseconds(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)
}

// `section.key` and the value as it is written in the config.
fn flatten(path: &str, value: &Value, params: &mut Vec<Value>) {
    if let Value::Object(entries) = value {
        for (name, value) in entries {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            flatten(&path, value, params);
        }
        return;
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text: String = text.chars().take(VALUE_CHARS_MAX).collect();
    params.push(json!({ "key": path, "value": text }));
}

fn metrics_of(records: &[Record], figures: &RunFigures, ended: i64) -> Vec<Value> {
    let mut metrics = Vec::new();
    let mut add = |name: String, value: f64, timestamp: i64, step: usize| {
        if value.is_finite() {
            metrics.push(json!({ "key": key(&name), "value": value, "timestamp": timestamp, "step": step }));
        }
    };
    for record in records {
        let place = format!("{}/{}/{}", record.domain, record.expert, record.stage.name());
        let ended = (record.ended * 1e3) as i64;
        add(format!("{place}/loss"), record.loss, ended, record.pass);
        if let Some(metric) = record.metric {
            add(format!("{place}/valid ndcg@10"), metric, ended, record.pass);
        }
    }
    for domain in &figures.domains {
        for system in &domain.test.systems {
            for (name, interval) in &system.summary.masked.metrics {
                add(format!("{}/{}/test {name}", domain.domain, system.name), interval.mean, ended, 0);
            }
        }
    }
    metrics
}

/// A name of the characters that the server takes; its `@` is an underscore.
fn key(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-. /".contains(c);
    name.chars().map(|c| if fits(c) { c } else { '_' }).take(250).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_flat_and_names_have_no_foreign_characters() {
        let mut params = Vec::new();
        flatten("", &json!({ "seed": 3, "fit": { "experts": ["window"], "refit": true } }), &mut params);
        let texts: Vec<String> = params.iter().map(|p| format!("{}={}", p["key"], p["value"])).collect();
        assert_eq!(texts, [r#""fit.experts"="[\"window\"]""#, r#""fit.refit"="true""#, r#""seed"="3""#]);
        assert_eq!(key("films/behavior@all/test ndcg@10"), "films/behavior_all/test ndcg_10");
        assert_eq!(milliseconds("1970-01-01T00:00:02Z"), 2000);
    }
}
