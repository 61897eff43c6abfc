//! The matrix as a page.

use segue_report::{Report, StepCurve};

use super::TargetSelection;
use super::sentences::{heading, sentences};
use crate::page::{PageOrigin, PictureLabels, difference_line, estimate, picture};
use crate::study::members_in_words;

/// The page of all targets.
pub fn page(targets: &[TargetSelection], origin: PageOrigin) -> Report {
    let mut provenance = origin.provenance();
    for target in targets {
        for way in &target.ways {
            let name = format!("{} by {}", target.target, way.name);
            provenance.push((name, members_in_words(&way.members)));
        }
    }
    Report {
        title: format!("Which domain helps which: {}", origin.data),
        subtitle: targets.first().map(|target| target.split.clone()).unwrap_or_default(),
        generated: Some(origin.generated),
        headline: sentences(targets),
        steps: targets.iter().flat_map(|target| [on_valid(target), on_test(target)]).collect(),
        provenance,
        ..Report::default()
    }
}

fn on_valid(target: &TargetSelection) -> StepCurve {
    let judged = target.ways.iter().filter(|way| way.judged.gain.is_some());
    let estimates = judged.clone().filter_map(|way| way.judged.gain.as_ref()).map(estimate).collect();
    let labels = PictureLabels {
        title: heading(target),
        steps: "way",
        height: "NDCG@10 on valid over the target alone",
    };
    let names = judged.map(|way| way.name.clone()).collect();
    picture(labels, names, vec![difference_line("on valid", estimates)])
}

fn on_test(target: &TargetSelection) -> StepCurve {
    let name = |source: &Option<String>| source.clone().unwrap_or_else(|| "best of all ways".to_owned());
    let estimates = target.choices.iter().map(|choice| estimate(&choice.on_test.difference)).collect();
    let labels = PictureLabels {
        title: format!("{}: what was chosen, on test", target.target),
        steps: "source",
        height: "NDCG@10 over the target alone",
    };
    let names = target.choices.iter().map(|choice| name(&choice.source)).collect();
    picture(labels, names, vec![difference_line("on test", estimates)])
}
