//! The passes of a run as the charts of a page: one per trained expert.

use segue_report::{Curve, Marker, Series};
use segue_train::Stage;

use super::Record;

/// One chart per expert and domain, in the order of their first passes: loss on the left, the metric on valid on the right.
pub fn curves_of(records: &[Record]) -> Vec<Curve> {
    let mut places: Vec<(&str, &str)> = Vec::new();
    for record in records {
        let place = (record.domain.as_str(), record.expert.as_str());
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places.into_iter().map(|(domain, expert)| curve(domain, expert, records)).collect()
}

fn curve(domain: &str, expert: &str, records: &[Record]) -> Curve {
    let of = |stage: Stage| {
        let own = move |record: &&Record| {
            (record.domain.as_str(), record.expert.as_str(), record.stage) == (domain, expert, stage)
        };
        records.iter().filter(own)
    };
    let loss = |record: &Record| (record.pass as f64, record.loss);
    let metric = |record: &Record| Some((record.pass as f64, record.metric?));
    let series = |name: &str, is_on_right: bool, points: Vec<(f64, f64)>| Series {
        name: name.to_owned(),
        points,
        is_on_right,
    };
    let metrics: Vec<(f64, f64)> = of(Stage::Fit).filter_map(metric).collect();
    let lines = [
        series("loss", false, of(Stage::Fit).map(loss).collect()),
        series("NDCG@10 on valid", true, metrics.clone()),
        series("loss, fitted again", false, of(Stage::Refit).map(loss).collect()),
    ];
    Curve {
        title: format!("{domain}: {expert}"),
        x_label: "pass".into(),
        y_label: "loss".into(),
        right_label: "NDCG@10 on valid".into(),
        series: lines.into_iter().filter(|series| !series.points.is_empty()).collect(),
        marker: best(&metrics).map(|(pass, _)| Marker { x: pass, label: format!("best pass {pass}") }),
    }
}

// The first of the highest: the pass that is kept.
fn best(metrics: &[(f64, f64)]) -> Option<(f64, f64)> {
    metrics.iter().copied().reduce(|best, next| if next.1 > best.1 { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::super::curve_log::tests::record;
    use super::*;

    #[test]
    fn a_chart_has_the_loss_the_metric_the_refit_and_the_best_pass() {
        let records = [
            record(Stage::Fit, 1, 3.0, Some(0.1)),
            record(Stage::Fit, 2, 2.0, Some(0.3)),
            record(Stage::Fit, 3, 1.0, Some(0.3)),
            record(Stage::Refit, 1, 2.5, None),
            Record { domain: "books".into(), ..record(Stage::Fit, 1, 4.0, Some(0.2)) },
        ];
        let curves = curves_of(&records);
        assert_eq!(
            curves.iter().map(|curve| curve.title.as_str()).collect::<Vec<_>>(),
            ["films: behavior", "books: behavior"]
        );
        let names: Vec<&str> = curves[0].series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["loss", "NDCG@10 on valid", "loss, fitted again"]);
        assert_eq!(curves[0].series[1].points, [(1.0, 0.1), (2.0, 0.3), (3.0, 0.3)]);
        assert_eq!(curves[0].marker.as_ref().unwrap().label, "best pass 2");
        assert!(curves_of(&[]).is_empty());
    }
}
