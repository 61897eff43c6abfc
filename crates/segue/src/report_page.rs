//! The figures of a run as the page that [`segue_report`] renders.

use anyhow::Result;
use segue_data::{Dataset, UserIdx};
use segue_eval::bootstrap::Interval;
use segue_eval::metric_table::MetricTable;
use segue_models::ExpertConfig;
use segue_recommend::{DatasetHistories, DomainModel, Histories, Model, Request, When};
use segue_report::{
    DomainReport, Estimate, Example, ExampleItem, MetricRow, ModelKind, Report, SliceRow, TransferRow,
    TrialRow, WeightRow,
};

use crate::config::RunConfig;
use crate::example_users::example_users;
use crate::explained::{ExplainedItem, explain_list, newest_titles};
use crate::figures::{CaseGroup, DomainFigures, HEADLINE, RunFigures, SystemFigures, SystemKind};
use crate::run::manifest::RunManifest;
use crate::tracking::{Record, curves_of};
use crate::verdicts;
use segue_report::number;

/// What the page of a run is made from.
#[derive(Clone, Copy)]
pub struct RunPage<'a> {
    /// The model.
    pub model: &'a Model,
    /// The people that it was trained on, some of whose lists are shown.
    pub dataset: &'a Dataset,
    /// What was measured.
    pub figures: &'a RunFigures,
    /// The settings.
    pub config: &'a RunConfig,
    /// What reproduces the run.
    pub manifest: &'a RunManifest,
    /// The passes of its trainings.
    pub passes: &'a [Record],
}

/// The page of a run.
///
/// # Errors
/// When the data set has other items than the model.
pub fn of_run(run: &RunPage<'_>) -> Result<Report> {
    let RunPage { model, dataset, figures, config, manifest, passes } = *run;
    let mut examples = Vec::new();
    for target in model.targets() {
        for user in example_users(dataset, target.domain, config.report.examples) {
            examples.push(example(model, dataset, target, user)?);
        }
    }
    Ok(Report {
        title: format!("Segue: {}", figures.data.name),
        subtitle: format!("{} · {} · all items ranked", figures.split, figures.regime.in_words()),
        generated: Some(format!("{} by segue {}", manifest.finished, manifest.versions.segue)),
        headline: verdicts::of_run(figures),
        dataset: data_facts(figures),
        domains: figures.domains.iter().map(|domain| of_domain(domain, config)).collect(),
        examples,
        steps: Vec::new(),
        curves: curves_of(passes),
        provenance: provenance(manifest),
        refresh_seconds: None,
    })
}

fn data_facts(figures: &RunFigures) -> Vec<(String, String)> {
    let data = &figures.data;
    let mut facts = vec![
        ("events".to_owned(), number::count(data.n_events)),
        ("users".to_owned(), number::count(data.n_users)),
        ("users in several domains".to_owned(), number::count(data.n_shared_users)),
        ("items".to_owned(), number::count(data.n_items)),
        ("facts in the graph".to_owned(), number::count(data.n_triples)),
    ];
    for domain in &data.domains {
        let sizes = format!(
            "{} items, {} events, {} users",
            number::count(domain.n_items),
            number::count(domain.n_events),
            number::count(domain.n_users)
        );
        facts.push((domain.name.clone(), sizes));
    }
    facts
}

fn provenance(manifest: &RunManifest) -> Vec<(String, String)> {
    let wall: f64 = manifest.timings.iter().map(|timing| timing.wall_seconds).sum();
    let cpu: Option<f64> = manifest.timings.iter().map(|timing| timing.cpu_seconds).sum();
    let unknown = || "unknown".to_owned();
    let mut facts = vec![
        ("command".to_owned(), manifest.command.join(" ")),
        ("seed".to_owned(), manifest.seed.to_string()),
        ("data".to_owned(), manifest.data.path.clone()),
        ("data SHA-256".to_owned(), manifest.data.sha256.clone()),
        ("config SHA-256".to_owned(), manifest.config_sha256.clone()),
        ("artifact SHA-256".to_owned(), manifest.artifact_sha256.clone()),
        ("threads".to_owned(), manifest.n_threads.to_string()),
        ("time on the clock".to_owned(), number::duration(wall)),
        ("processor time".to_owned(), cpu.map_or_else(unknown, number::duration)),
        ("peak memory".to_owned(), manifest.peak_memory_bytes.map_or_else(unknown, number::bytes)),
    ];
    facts.extend(
        manifest
            .timings
            .iter()
            .map(|timing| (format!("time: {}", timing.stage), number::duration(timing.wall_seconds))),
    );
    facts
}

fn of_domain(domain: &DomainFigures, config: &RunConfig) -> DomainReport {
    DomainReport {
        name: domain.domain.clone(),
        metrics: domain.test.systems.iter().map(|system| metric_row(system, config)).collect(),
        weights: weights(domain),
        transfer: transfer(domain),
        slices: slices(domain),
        beyond: domain.test.systems.iter().map(beyond).collect(),
        search: domain.trials.iter().map(trial).collect(),
    }
}

fn estimate(interval: &Interval) -> Estimate {
    Estimate::new(interval.mean, interval.lo, interval.hi)
}

fn metric_row(system: &SystemFigures, config: &RunConfig) -> MetricRow {
    let value = |table: &MetricTable, key: &str, name: String| {
        table.metrics.get(key).map(|interval| (name, estimate(interval)))
    };
    let (masked, unmasked) = (&system.summary.masked, &system.summary.unmasked);
    let mut values: Vec<(String, Estimate)> = Vec::new();
    values.extend(value(masked, HEADLINE, "NDCG@10".into()));
    values.extend(value(masked, "hr@10", "HR@10".into()));
    values.extend(value(masked, "mrr@10", "MRR@10".into()));
    for &k in config.recipe().table.cutoffs.iter().filter(|&&k| k != 10) {
        values.extend(value(masked, &format!("ndcg@{k}"), format!("NDCG@{k}")));
        values.extend(value(masked, &format!("hr@{k}"), format!("HR@{k}")));
    }
    values.extend(value(unmasked, HEADLINE, "NDCG@10 unmasked".into()));
    values.extend(value(unmasked, "hr@10", "HR@10 unmasked".into()));
    MetricRow {
        name: system.name.clone(),
        kind: match system.kind {
            SystemKind::Expert => ModelKind::Expert,
            SystemKind::SingleDomain => ModelKind::SingleDomain,
            SystemKind::Blend => ModelKind::Blend,
        },
        values,
        note: system.note.clone().unwrap_or_default(),
    }
}

fn weights(domain: &DomainFigures) -> Vec<WeightRow> {
    let fitted = &domain.fitted;
    let row = |(member, evidence): (&segue_recommend::Member, &segue_train::Evidence)| WeightRow {
        expert: member.expert.to_string(),
        weight_warm: f64::from(member.warm),
        weight_cold: f64::from(member.cold),
        gain: estimate(&evidence.gain),
        kept: evidence.kept,
        verdict: if evidence.kept {
            "its gain on valid excludes zero".into()
        } else {
            "no proven gain on valid: weight 0".into()
        },
    };
    fitted.blend.members.iter().zip(&fitted.evidence).map(row).collect()
}

fn transfer(domain: &DomainFigures) -> Option<TransferRow> {
    domain.fitted.gain_of_sources?;
    let system = |kind| {
        let found = domain.test.system(kind)?.summary.masked.metrics.get(HEADLINE)?;
        Some(estimate(found))
    };
    let difference = domain.test.transfer(CaseGroup::All)?.metrics.get(HEADLINE)?.difference;
    Some(TransferRow {
        metric: "NDCG@10".into(),
        single: system(SystemKind::SingleDomain)?,
        cross: system(SystemKind::Blend)?,
        difference: estimate(&difference),
        sentence: verdicts::of_domain(domain)
            .into_iter()
            .next()
            .map(|sentence| sentence.text)
            .unwrap_or_default(),
    })
}

const SLICES: [(&str, &str); 10] = [
    ("target_head", "popular items (half of all events)"),
    ("target_mid", "items in the middle (next 30 %)"),
    ("target_tail", "long tail (last 20 %)"),
    ("target_unseen", "items without training events"),
    ("target_cold", "items with fewer than 5 training events"),
    ("users_cold", "users with fewer than 5 events here"),
    ("activity_q1", "least active quarter"),
    ("activity_q2", "second quarter"),
    ("activity_q3", "third quarter"),
    ("activity_q4", "most active quarter"),
];

fn slices(domain: &DomainFigures) -> Vec<SliceRow> {
    let row = |&(key, name): &(&str, &str)| {
        let tables =
            domain.test.systems.iter().filter_map(|system| Some((system, system.summary.slices.get(key)?)));
        let values: Vec<(String, Estimate)> = tables
            .clone()
            .filter_map(|(system, table)| Some((system.name.clone(), estimate(table.metrics.get(HEADLINE)?))))
            .collect();
        let n = tables.map(|(_, table)| table.n_cases).max().unwrap_or(0);
        (n > 0).then(|| SliceRow { slice: name.to_owned(), n, values })
    };
    SLICES.iter().filter_map(row).collect()
}

fn beyond(system: &SystemFigures) -> (String, Vec<(String, f64)>) {
    let at_10 = system.summary.beyond.iter().filter(|(key, _)| key.ends_with("@10"));
    (system.name.clone(), at_10.map(|(key, &value)| (key.replace('_', " "), value)).collect())
}

fn trial(trial: &segue_train::Trial) -> TrialRow {
    TrialRow {
        expert: trial.expert.to_string(),
        params: params(&trial.config),
        score: trial.score,
        chosen: trial.chosen,
    }
}

// `window 20, decay 0.9, …` from the settings' own names.
fn params(config: &ExpertConfig) -> String {
    let Ok(serde_json::Value::Object(kinds)) = serde_json::to_value(config) else { return String::new() };
    let settings = kinds.values().filter_map(|settings| settings.as_object()).flatten();
    let write = |(name, value): (&String, &serde_json::Value)| match value.as_f64() {
        Some(number) => format!("{name} {}", number as f32),
        None => format!("{name} {value}"),
    };
    settings.filter(|(name, _)| *name != "budget_bytes").map(write).collect::<Vec<_>>().join(", ")
}

// A list of the end of the data: whoever opens the page later sees what was true then.
fn example(model: &Model, dataset: &Dataset, target: &DomainModel, user: UserIdx) -> Result<Example> {
    let raw = dataset.users.raw(user.0).unwrap_or_default();
    let person = DatasetHistories::new(model.catalog(), dataset)?.known(raw, When::End.before())?;
    let query = person.query(target.domain, When::End.time(model.catalog())?);
    let list = explain_list(model, Some(raw), &query, &Request::default())?;
    Ok(Example {
        user: raw.to_owned(),
        domain: list.domain.clone(),
        history: newest_titles(model, &query, 12),
        items: list.items.iter().map(example_item).collect(),
    })
}

fn example_item(item: &ExplainedItem) -> ExampleItem {
    let total: f32 = item.shares.iter().map(|share| share.part.max(0.0)).sum();
    let of_one = |part: f32| f64::from(part.max(0.0) / total.max(f32::MIN_POSITIVE));
    ExampleItem {
        rank: item.rank,
        title: item.title.clone(),
        score: f64::from(item.score),
        shares: item.shares.iter().map(|share| (share.expert.clone(), of_one(share.part))).collect(),
        reasons: item.phrases.clone(),
    }
}
