//! The curve in the terminal, and what it says in sentences.

use anyhow::Result;
use segue_eval::report::{Sentence, Tone};
use segue_train::few_shot::ChosenOn;

use super::{FLOOR, FewShotCurve, Share, TARGET_ONLY, TRANSFER};
use crate::grid::Grid;
use crate::number;
use crate::screen::Screen;
use crate::study::members_in_words;
use crate::verdicts;

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
    for share in &curve.shares {
        let masked = share.systems.iter().filter_map(|system| Some((system.name, system.masked_ndcg_at_10?)));
        let masked: Vec<String> =
            masked.map(|(name, ndcg)| format!("{name} {}", number::estimate(&ndcg))).collect();
        if !masked.is_empty() {
            let share = percent(share.percent);
            screen.say(format!(
                "nothing is masked; at {share} with known items masked: {}",
                masked.join(" · ")
            ))?;
        }
    }
    screen.heading("Which experts, by weight")?;
    for share in &curve.shares {
        screen.say(format!("{:>7}  {}", percent(share.percent), members(share)))?;
    }
    screen.heading("Verdicts")?;
    for sentence in sentences(curve) {
        screen.say(format!("{} {}", verdicts::sign(sentence.tone), sentence.text))?;
    }
    Ok(())
}

/// What was measured, in one line.
pub(super) fn heading(curve: &FewShotCurve) -> String {
    format!(
        "{}: NDCG@10 by the share of its {} users that is revealed; {} test cases, {}",
        curve.target,
        number::count(curve.n_users),
        number::count(curve.n_test_cases),
        if curve.refit { "fitted on train + valid" } else { "fitted on train" }
    )
}

/// A share as people write it.
pub(super) fn percent(percent: f64) -> String {
    format!("{percent} %")
}

/// The experts of the blend of all domains.
pub(super) fn members(share: &Share) -> String {
    if share.serves_floor {
        return "the floor: nothing is proved to be better".to_owned();
    }
    members_in_words(&share.members)
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

/// One sentence per baseline: where the other domains help, where they cost, where it is open.
pub(super) fn sentences(curve: &FewShotCurve) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    for baseline in [TARGET_ONLY, FLOOR] {
        for tone in [Tone::Loss, Tone::Gain, Tone::Undecided] {
            sentences.extend(sentence(curve, baseline, tone));
        }
    }
    sentences
}

fn sentence(curve: &FewShotCurve, baseline: &str, tone: Tone) -> Option<Sentence> {
    let differences =
        curve.shares.iter().flat_map(|share| share.differences.iter().map(move |found| (share, found)));
    let at: Vec<String> = differences
        .filter(|(_, found)| {
            found.against == baseline && verdicts::tone(&found.ndcg_at_10.difference) == tone
        })
        .map(|(share, found)| {
            format!("{} ({})", percent(share.percent), number::signed(found.ndcg_at_10.difference.mean))
        })
        .collect();
    if at.is_empty() {
        return None;
    }
    let target = &curve.target;
    let verb = match tone {
        Tone::Gain => "gains over",
        Tone::Loss => "LOSES against",
        _ => "shows no proven difference from",
    };
    let text = format!("In {target}, the blend of all domains {verb} `{baseline}` at {}", at.join(", "));
    Some(Sentence::new(tone, text))
}
