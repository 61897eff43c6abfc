//! The figures of a run in the terminal.

use anyhow::Result;
use segue_eval::bootstrap::Interval;
use segue_train::pseudo_labels::PseudoEvidence;
use segue_train::tasks::{ClickTask, RatingTask};

use crate::grid::Grid;
use crate::screen::Screen;
use segue::figures::{DomainFigures, HEADLINE, RunFigures, SystemFigures, SystemKind};
use segue::verdicts;
use segue_report::number;

/// Best experts shown in a test table.
const EXPERTS_SHOWN: usize = 4;

/// Everything about a run.
pub(crate) fn show_run(screen: Screen, figures: &RunFigures) -> Result<()> {
    for domain in &figures.domains {
        show_weights(screen, domain)?;
        show_test(screen, domain)?;
    }
    show_verdicts(screen, figures)
}

/// Which expert helps how much.
pub(crate) fn show_weights(screen: Screen, domain: &DomainFigures) -> Result<()> {
    screen.heading(&format!("{}: which expert helps how much (NDCG@10 on valid)", domain.domain))?;
    let mut grid = Grid::new(&["expert", ">alone", ">weight", ">what it adds to the others", ""]);
    let fitted = &domain.fitted;
    let mut order: Vec<usize> = (0..fitted.evidence.len()).collect();
    order.sort_by(|&a, &b| fitted.blend.members[b].warm.total_cmp(&fitted.blend.members[a].warm));
    for at in order {
        let (member, evidence) = (fitted.blend.members[at], &fitted.evidence[at]);
        let weights = match (member.warm, member.cold) {
            (warm, cold) if warm == cold => weight(warm),
            (warm, cold) => format!("{} (new items {})", weight(warm), weight(cold)),
        };
        let verdict = if evidence.kept { "kept" } else { "no proven gain: left out" };
        grid.row(&[
            member.expert.to_string(),
            number::value(evidence.alone.mean),
            weights,
            number::difference(&evidence.gain),
            verdict.to_owned(),
        ]);
    }
    screen.say(grid.text())?;
    for (expert, reason) in &domain.aside {
        screen.say(format!("{expert} stood aside: {reason}"))?;
    }
    domain.pseudo_labels.as_ref().map_or(Ok(()), |evidence| screen.say(pseudo_labels(evidence)))
}

fn pseudo_labels(evidence: &PseudoEvidence) -> String {
    let best = evidence.trials.iter().max_by(|a, b| a.gain.mean.total_cmp(&b.gain.mean));
    let Some(best) = best else {
        return "pseudo-labels: nobody to label, or nothing to calibrate by".to_owned();
    };
    let verdict = if evidence.kept.is_some() { "on" } else { "negative result, off" };
    format!(
        "pseudo-labels: {verdict}; the best of {} thresholds, {} labels for {} of {} users, adds {}",
        evidence.trials.len(),
        number::count(best.n_labels),
        number::count(best.n_users),
        number::count(evidence.n_users),
        number::difference(&best.gain)
    )
}

// Weights that count but are small have more decimals, so that none is shown as zero.
fn weight(weight: f32) -> String {
    if weight > 0.0 && weight < 0.01 { format!("{weight:.4}") } else { format!("{weight:.2}") }
}

/// What test said.
pub(crate) fn show_test(screen: Screen, domain: &DomainFigures) -> Result<()> {
    let n_cases = domain.test.systems.first().map_or(0, |system| system.summary.masked.n_cases);
    screen.heading(&format!(
        "{}: test, {} cases, all {} items ranked, known ones masked",
        domain.domain,
        number::count(n_cases),
        number::count(domain.n_candidates)
    ))?;
    let mut grid =
        Grid::new(&["model", ">NDCG@10", ">HR@10", ">MRR@10", ">unmasked", ">cold users", ">coverage"]);
    let mut systems: Vec<&SystemFigures> = domain.test.systems.iter().collect();
    systems.sort_by(|a, b| headline(b).total_cmp(&headline(a)));
    systems.sort_by_key(|system| match system.kind {
        SystemKind::Blend => 0,
        SystemKind::SingleDomain => 1,
        SystemKind::Expert => 2,
    });
    // Experts that are far behind say little; the page and metrics.json have them all.
    for system in systems.iter().take(2 + EXPERTS_SHOWN) {
        grid.row(&row(system));
    }
    screen.say(grid.text())?;
    show_tasks(screen, domain)
}

// Ratings and choices, where a model is trained for them.
fn show_tasks(screen: Screen, domain: &DomainFigures) -> Result<()> {
    if domain.test.tasks.is_empty() {
        return Ok(());
    }
    screen.heading(&format!("{}: ratings and choices on test", domain.domain))?;
    let mut grid = Grid::new(&[
        "expert",
        ">RMSE",
        ">of biases",
        ">of the mean",
        ">choices: ECE",
        ">AUC",
        ">log loss",
        ">base rate",
    ]);
    for tasks in &domain.test.tasks {
        let rating = |of: fn(&RatingTask) -> f64| tasks.rating.as_ref().map(of);
        let click = |of: fn(&ClickTask) -> f64| tasks.click.as_ref().map(of);
        let cells = [
            rating(|task| task.model.rmse),
            rating(|task| task.biases.rmse),
            rating(|task| task.mean.rmse),
            click(|task| task.model.ece),
            click(|task| task.model.auc),
            click(|task| task.model.log_loss),
            click(|task| task.model.base_rate),
        ];
        let cells = cells.map(|cell| cell.map_or_else(|| "–".to_owned(), number::value));
        grid.row(&std::iter::once(tasks.expert.to_string()).chain(cells).collect::<Vec<_>>());
    }
    screen.say(grid.text())
}

fn headline(system: &SystemFigures) -> f64 {
    system.summary.masked.mean(HEADLINE).unwrap_or(0.0)
}

fn row(system: &SystemFigures) -> [String; 7] {
    let summary = &system.summary;
    let interval = |found: Option<&Interval>| found.map_or_else(|| "–".to_owned(), number::estimate);
    let mean = |found: Option<f64>| found.map_or_else(|| "–".to_owned(), number::value);
    let note = system.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
    [
        format!("{}{note}", system.name),
        interval(summary.masked.metrics.get(HEADLINE)),
        mean(summary.masked.mean("hr@10")),
        mean(summary.masked.mean("mrr@10")),
        mean(summary.unmasked.mean(HEADLINE)),
        mean(summary.slices.get("users_cold").and_then(|slice| slice.mean(HEADLINE))),
        mean(summary.beyond.get("coverage@10").copied()),
    ]
}

/// What the figures say.
pub(crate) fn show_verdicts(screen: Screen, figures: &RunFigures) -> Result<()> {
    super::verdicts::show(&verdicts::of_run(figures), screen)
}
