//! What a few-shot curve says, in sentences.

use segue::verdicts;
use segue_report::number;
use segue_report::{Sentence, Tone};

use super::{FLOOR, FewShotCurve, Share, TARGET_ONLY};
use crate::study::members_in_words;

/// What was measured, in one line.
pub fn heading(curve: &FewShotCurve) -> String {
    format!(
        "{}: NDCG@10 by the share of its {} users that is revealed; {} test cases, {}",
        curve.target,
        number::count(curve.n_users),
        number::count(curve.n_test_cases),
        if curve.refit { "fitted on train + valid" } else { "fitted on train" }
    )
}

/// A share as people write it.
pub fn percent(percent: f64) -> String {
    format!("{percent} %")
}

/// The experts of the blend of all domains with their weights, or that the floor is served.
pub fn members_in_share(share: &Share) -> String {
    if share.serves_floor {
        return "the floor: nothing is proved to be better".to_owned();
    }
    members_in_words(&share.members)
}

/// One sentence per baseline: where the other domains help, where they cost, where it is open.
pub fn sentences(curve: &FewShotCurve) -> Vec<Sentence> {
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
