//! The benchmark's tables in the terminal.

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use segue_study::benchmark::{
    BenchmarkReport, BenchmarkRow, Measured, RowCandidates, RowDifference, SeedSummary, grouped, over_seeds,
};
use segue_train::DomainFit;

use crate::screen::Screen;

fn line(text: &str) -> Result<()> {
    Screen::raw(&format!("{text}\n"))
}

/// Prints one table per domain and what the blends are made of.
pub(crate) fn tables(report: &BenchmarkReport, measured: &[Measured]) -> Result<()> {
    let mut domains: Vec<&str> = Vec::new();
    for row in &report.rows {
        if !domains.contains(&row.domain.as_str()) {
            domains.push(&row.domain);
        }
    }
    for domain in domains {
        let rows: Vec<&BenchmarkRow> =
            report.rows.iter().chain(&report.strict_rows).filter(|row| row.domain == domain).collect();
        line(&format!("\n{} · {domain}", report.protocol))?;
        line(&table(&rows).to_string())?;
        for difference in report.differences.iter().filter(|d| d.domain == domain) {
            line(&in_words(difference))?;
        }
    }
    for (name, fit) in measured.iter().flat_map(|m| &m.fits) {
        line(&format!("\nBlend of {name} (chosen on valid)"))?;
        line(&blend_table(fit).to_string())?;
    }
    Ok(())
}

fn in_words(difference: &RowDifference) -> String {
    format!(
        "{} − {} ({}, mask {}, {}, seed {}): {:+.4} [{:+.4}, {:+.4}] NDCG@10",
        difference.candidate,
        difference.baseline,
        difference.regime,
        difference.mask_rule,
        candidates(difference.candidates),
        difference.seed,
        difference.mean,
        difference.ci95[0],
        difference.ci95[1],
    )
}

fn table(rows: &[&BenchmarkRow]) -> Table {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["model", "regime", "mask", "candidates", "HR@10", "NDCG@10", "95 % interval", "seeds"]);
    for group in grouped(rows.iter().copied()) {
        let Some(first) = group.first() else { continue };
        let number = |metric: &str| {
            let SeedSummary { mean, sd } = over_seeds(&group, metric);
            if group.len() > 1 { format!("{mean:.4} ± {sd:.4}") } else { format!("{mean:.4}") }
        };
        let interval = match (group.len(), first.ci95.get("ndcg@10")) {
            (1, Some([lo, hi])) => format!("[{lo:.4}, {hi:.4}]"),
            _ => String::new(),
        };
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row(vec![
            Cell::new(&first.name),
            Cell::new(first.regime.unwrap_or("published")),
            Cell::new(first.mask_rule.unwrap_or("")),
            Cell::new(candidates(first.candidates)),
            right(number("hr@10")),
            right(number("ndcg@10")),
            right(interval),
            right(if first.seed.is_some() { group.len().to_string() } else { String::new() }),
        ]);
    }
    table
}

fn candidates(candidates: RowCandidates) -> String {
    match candidates {
        RowCandidates::All(all) => all.to_owned(),
        RowCandidates::Sampled(n) => n.to_string(),
    }
}

fn blend_table(fit: &DomainFit) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["expert", "alone NDCG@10", "weight", "cold", "gain [95 %]", "verdict", "settings"]);
    for (evidence, member) in fit.fitted.evidence.iter().zip(&fit.fitted.blend.members) {
        let chosen = fit.trials.iter().find(|trial| trial.expert == evidence.expert && trial.chosen);
        let settings = chosen.and_then(|trial| serde_json::to_string(&trial.config).ok()).unwrap_or_default();
        table.add_row([
            evidence.expert.to_string(),
            format!("{:.4}", evidence.alone.mean),
            format!("{:.3}", member.warm),
            format!("{:.3}", member.cold),
            format!("{:+.4} [{:+.4}, {:+.4}]", evidence.gain.mean, evidence.gain.lo, evidence.gain.hi),
            if evidence.kept { "kept".into() } else { "refused".into() },
            settings,
        ]);
    }
    table
}
