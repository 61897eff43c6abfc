//! What pseudo-labels add, as tables.

use anyhow::Result;
use segue_report::number;
use segue_study::few_shot::{FewShotCurve, PseudoMeasured, TRANSFER, percent as percent_of};
use segue_train::pseudo_labels::PseudoTrial;

use crate::grid::Grid;
use crate::screen::Screen;

/// Writes the tables, where pseudo-labels were asked for.
pub(crate) fn show(curve: &FewShotCurve, screen: Screen) -> Result<()> {
    if curve.shares.iter().all(|share| share.pseudo_labels.is_none()) {
        return Ok(());
    }
    screen.heading(&format!("Pseudo-labels for hidden users, in `{TRANSFER}`"))?;
    let mut grid = Grid::new(&[
        ">share",
        ">confidence",
        ">labels",
        ">users",
        ">right on valid",
        ">gain on valid",
        "verdict",
        ">NDCG@10",
        ">gain on test",
    ]);
    for share in &curve.shares {
        let Some(measured) = &share.pseudo_labels else { continue };
        let trials = measured.evidence.as_ref().map_or(&[][..], |evidence| &evidence.trials);
        for trial in trials {
            grid.row(&trial_row(share.percent, trial, measured));
        }
        let test = [number::estimate(&measured.ndcg_at_10), number::difference(&measured.gain.difference)];
        grid.row(&last_row(share.percent, measured, test));
    }
    screen.say(grid.text())
}

fn trial_row(percent: f64, trial: &PseudoTrial, measured: &PseudoMeasured) -> [String; 9] {
    let kept = measured.evidence.as_ref().and_then(|evidence| evidence.kept) == Some(trial.threshold);
    [
        percent_of(percent),
        format!("{:.4}", trial.threshold),
        number::count(trial.n_labels),
        number::count(trial.n_users),
        format!("{:.1} %", trial.precision * 100.0),
        number::difference(&trial.gain),
        if kept { "kept" } else { "" }.to_owned(),
        String::new(),
        String::new(),
    ]
}

fn last_row(percent: f64, measured: &PseudoMeasured, [ndcg, gain]: [String; 2]) -> [String; 9] {
    let verdict = match &measured.evidence {
        None => "not tried: too few valid cases",
        Some(evidence) if evidence.trials.is_empty() => "nobody to label",
        Some(evidence) if evidence.kept.is_none() => "negative result, off",
        Some(_) if measured.serves_floor => "on; the floor is served",
        Some(_) => "on",
    };
    let empty = String::new;
    [percent_of(percent), empty(), empty(), empty(), empty(), empty(), verdict.to_owned(), ndcg, gain]
}
