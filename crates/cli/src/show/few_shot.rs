//! A few-shot curve in the terminal.

use anyhow::Result;
use segue_report::number;
use segue_study::few_shot::{
    ChosenOn, FLOOR, FewShotCurve, Share, TARGET_ONLY, TRANSFER, heading, members_in_share, percent,
    sentences,
};

use crate::grid::Grid;
use crate::screen::Screen;

/// Writes the table and the verdicts.
pub(crate) fn show(curve: &FewShotCurve, screen: Screen) -> Result<()> {
    screen.heading(&heading(curve))?;
    let mut grid = Grid::new(&[
        ">share",
        ">users",
        ">events",
        ">valid",
        ">all domains",
        ">target only",
        ">floor",
        ">over target only",
        ">over floor",
    ]);
    for share in &curve.shares {
        grid.row(&row(share));
    }
    screen.say(grid.text())?;
    screen.say(
        "valid: cases to choose by; *: too few users there, so the other domains chose settings and weights",
    )?;
    curve.shares.iter().try_for_each(|share| show_masked(share, screen))?;
    super::pseudo_labels::show(curve, screen)?;
    screen.heading("Which experts, by weight")?;
    for share in &curve.shares {
        screen.say(format!("{:>7}  {}", percent(share.percent), members_in_share(share)))?;
    }
    super::verdicts::show(&sentences(curve), screen)
}

/// What masking known items gives, where the figures are those of unmasked rankings.
fn show_masked(share: &Share, screen: Screen) -> Result<()> {
    let masked = share.systems.iter().filter_map(|system| {
        let ndcg = system.masked_ndcg_at_10?;
        Some(format!("{} {}", system.name, number::estimate(&ndcg)))
    });
    let masked: Vec<String> = masked.collect();
    if masked.is_empty() {
        return Ok(());
    }
    let share = percent(share.percent);
    screen.say(format!("nothing is masked; at {share} with known items masked: {}", masked.join(" · ")))
}

fn row(share: &Share) -> [String; 9] {
    let system = |name: &str| {
        let found = share.systems.iter().find(|system| system.name == name);
        found.map_or_else(|| "–".to_owned(), |system| number::estimate(&system.ndcg_at_10))
    };
    let over = |name: &str| {
        let found = share.differences.iter().find(|difference| difference.against == name);
        found.map_or_else(|| "–".to_owned(), |found| number::difference(&found.ndcg_at_10.difference))
    };
    let star = if share.chosen_on == ChosenOn::Sources { "*" } else { "" };
    [
        percent(share.percent),
        number::count(share.n_users),
        number::count(share.n_events),
        format!("{}{star}", number::count(share.n_valid_cases)),
        system(TRANSFER),
        system(TARGET_ONLY),
        system(FLOOR),
        over(TARGET_ONLY),
        over(FLOOR),
    ]
}
