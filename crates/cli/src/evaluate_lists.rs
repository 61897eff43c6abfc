//! Measures lists that any tool made.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use segue_data::ItemIdx;
use segue_eval::Metric;
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_eval::lists::{ListCounts, ListEvaluation, PerUser, Qrels, Run, evaluate_lists};
use segue_report::{DomainReport, Estimate, MetricRow, Report, Sentence, TransferRow};
use serde::Serialize;

use crate::evaluate_run::write_page;
use crate::grid::Grid;
use crate::screen::Screen;
use segue::failure::{failed, usage};
use segue::prepared::cut;
use segue::run::dir::RunDir;
use segue::run::people::People;
use segue::verdicts;
use segue_report::number::{self, count};

/// What is measured against what.
pub(crate) struct Request<'a> {
    /// The lists.
    pub(crate) lists: &'a Path,
    /// A file of judgments, or a run.
    pub(crate) truth: &'a Path,
    /// Data set of the run, where it has been moved.
    pub(crate) data: Option<&'a Path>,
    /// Domain of the run.
    pub(crate) domain: Option<&'a str>,
    /// Lists to compare with.
    pub(crate) baseline: Option<&'a Path>,
    /// Names of measures.
    pub(crate) measures: &'a [String],
    /// Where a page goes.
    pub(crate) report: Option<&'a Path>,
}

#[derive(Serialize)]
struct Document {
    lists: String,
    counts: ListCounts,
    rows: Vec<Row>,
}

#[derive(Clone, Serialize)]
struct Row {
    measure: String,
    value: Interval,
    /// Lists minus baseline, paired by user.
    difference: Option<Interval>,
}

/// Measures.
pub(crate) fn run(request: &Request<'_>, screen: Screen) -> Result<()> {
    let parse = |name: &String| {
        name.parse::<Metric>().map_err(|e| usage(e.to_string(), "for example --measures ndcg@10,recall@20"))
    };
    let measures: Vec<Metric> = request.measures.iter().map(parse).collect::<Result<_>>()?;
    let Truth { judgments: truth, items } = read_truth(request)?;
    let lists = Run::read(request.lists)?;
    if !items.is_empty() && !lists.has_item(|item| items.contains(item)) {
        let (lists, domain) = (request.lists.display(), request.domain.unwrap_or_default());
        let problem = format!("no item of `{lists}` is in domain `{domain}`: nothing can be measured");
        return Err(failed(problem, "name the domain that the lists are of with --domain"));
    }
    let evaluation = evaluate_lists(&lists, &truth, &measures)?;
    let bootstrap = Bootstrap::default();
    let differences = match request.baseline {
        Some(path) => {
            let baseline = evaluate_lists(&Run::read(path)?, &truth, &measures)?;
            evaluation.differences(&baseline, &bootstrap)?.into_iter().map(Some).collect()
        }
        None => vec![None; measures.len()],
    };
    let values = evaluation.intervals(&bootstrap)?;
    let row = |((metric, value), difference): ((&Metric, Interval), Option<Interval>)| Row {
        measure: metric.to_string(),
        value,
        difference,
    };
    let rows: Vec<Row> = evaluation.metrics.iter().zip(values).zip(differences).map(row).collect();
    show(request, &evaluation, &rows, screen)?;
    if rows.iter().all(|row| row.value.mean == 0.0) {
        Screen::note(
            "warning: no list holds a right item; lists that were made without --before-test hide what a user has, the answers too",
        );
    }
    if let Some(to) = request.report {
        write_page(&page(request, &evaluation.counts, &rows), to)?;
    }
    screen.document(&Document { lists: request.lists.display().to_string(), counts: evaluation.counts, rows })
}

/// What lists are measured against.
struct Truth {
    judgments: Qrels,
    /// Raw ids of the items that lists may hold; empty where only judgments are known.
    items: BTreeSet<String>,
}

fn read_truth(request: &Request<'_>) -> Result<Truth> {
    if !request.truth.is_dir() {
        return Ok(Truth { judgments: Qrels::read(request.truth)?, items: BTreeSet::new() });
    }
    let config = RunDir::open(request.truth)?.config()?;
    let Some(domain) = request.domain else {
        return Err(usage("--truth names a run, and it has several domains", "say which with --domain"));
    };
    let people = People::beside(request.truth, request.data)?.unchanged()?;
    let dataset = &people.dataset;
    let domain = dataset.domain(domain).ok_or_else(|| {
        let known: Vec<&str> = dataset.domains.iter().map(|domain| domain.name.as_str()).collect();
        usage(format!("no domain `{domain}`"), format!("known domains: {}", known.join(", ")))
    })?;
    let split = cut(dataset, &config)?;
    let mut judgments = PerUser::new();
    for case in split.test.open_for_measurement().cases().iter().filter(|case| case.domain == domain) {
        let user = dataset.users.raw(case.row).unwrap_or_default().to_owned();
        judgments.entry(user).or_default().insert(dataset.items.raw(case.target).to_owned(), 1.0);
    }
    let items = dataset.items.range(domain).map(|item| dataset.items.raw(ItemIdx(item as u32)).to_owned());
    Ok(Truth { judgments: Qrels::new(judgments)?, items: items.collect() })
}

fn show(request: &Request<'_>, evaluation: &ListEvaluation, rows: &[Row], screen: Screen) -> Result<()> {
    screen.heading(&request.lists.display().to_string())?;
    let mut columns = vec!["measure", ">mean, 95 % interval over users"];
    if let Some(baseline) = request.baseline {
        columns.push(">minus the baseline, paired");
        screen.say(format!("baseline: {}", baseline.display()))?;
    }
    let mut grid = Grid::new(&columns);
    for row in rows {
        let mut cells = vec![row.measure.clone(), number::estimate(&row.value)];
        cells.extend(row.difference.as_ref().map(number::difference));
        grid.row(&cells);
    }
    screen.say(grid.text())?;
    screen.say(counts_in_words(&evaluation.counts))
}

fn counts_in_words(counts: &ListCounts) -> String {
    format!(
        "{} users measured ({} without a list count 0) · {} without a relevant item left out · {} lists of users without \
         judgments ignored · {} lists with ties, ordered by id",
        count(counts.n_evaluated),
        count(counts.n_missing_list),
        count(counts.n_without_relevant),
        count(counts.n_not_judged),
        count(counts.n_with_ties)
    )
}

fn page(request: &Request<'_>, counts: &ListCounts, rows: &[Row]) -> Report {
    let estimate = |interval: &Interval| Estimate::new(interval.mean, interval.lo, interval.hi);
    let name = request.lists.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let values = rows.iter().map(|row| (row.measure.clone(), estimate(&row.value))).collect();
    let compared = rows.iter().find_map(|row| Some((row, row.difference?)));
    let sentence = compared.map(|(row, difference)| {
        let text = format!("{} minus the baseline: {}", row.measure, number::difference(&difference));
        Sentence::new(verdicts::tone(&difference), text)
    });
    let transfer = compared.map(|(row, difference)| TransferRow {
        metric: row.measure.clone(),
        single: Estimate::point(row.value.mean - difference.mean),
        cross: estimate(&row.value),
        difference: estimate(&difference),
        sentence: sentence.clone().map(|sentence| sentence.text).unwrap_or_default(),
    });
    Report {
        title: format!("Lists: {name}"),
        subtitle: counts_in_words(counts),
        headline: sentence.into_iter().collect(),
        domains: vec![DomainReport {
            name: name.clone(),
            metrics: vec![MetricRow { name, values, ..MetricRow::default() }],
            transfer,
            ..DomainReport::default()
        }],
        provenance: vec![("command".into(), std::env::args().collect::<Vec<_>>().join(" "))],
        ..Report::default()
    }
}
