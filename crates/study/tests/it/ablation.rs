//! What a part adds is the difference that it makes, and nothing where it is off.

use segue_models::{ExpertKind, TokenKind};
use segue_study::ablation::{
    AblationRequest, GraphVersion, Part, SequencePart, WholeFit, ablate, fit_without, page, sentences,
};
use segue_study::study::rank_model;
use segue_study::{PageOrigin, Study};
use segue_train::Session;

use crate::story::{Stage, Story};
use crate::studied::{plan, problem, recipe, study};

fn stage() -> Stage {
    Story { n_users: 500, ..Story::default() }.stage()
}

fn without_is_the_same(study: &Study<'_>, part: Part) {
    let (valid, test) = (study.problem.valid().expect("cases"), study.problem.test().expect("cases"));
    let fit = study.fit("whole", &valid).expect("it fits").chosen.fit;
    let whole = WholeFit { plan: study.plan(), fit: &fit, material: study.material() };
    let without = fit_without(part, whole, &valid, Session::unwatched()).expect("it fits");
    assert_eq!(fit.model, without.model, "{part}");
    let [ours, theirs] = [&fit.model, &without.model].map(|model| rank_model(&test, model).expect("ranks"));
    let difference = study.difference(&test, &ours, &theirs).expect("cases").difference;
    assert_eq!((difference.mean, difference.lo, difference.hi), (0.0, 0.0, 0.0), "{part}");
}

#[test]
fn a_part_that_is_off_adds_exactly_zero_and_is_refused_by_name() {
    let stage = stage();
    let recipe = recipe(plan(&[ExpertKind::Popularity, ExpertKind::Window]));
    let study = study(problem(&stage), &recipe);
    let off = [
        Part::Expert(ExpertKind::Linear),
        Part::Encoder,
        Part::Whitening,
        Part::Sequence(SequencePart::TimeGaps),
        Part::Modality(TokenKind::Image),
        Part::Facts,
    ];
    let on = Part::all_of(study.plan(), study.material(), study.problem.target);
    for part in off {
        assert!(!on.contains(&part), "{part}");
        without_is_the_same(&study, part);
    }
    let refused = |request: AblationRequest| format!("{:#}", ablate(&study, &request).expect_err("refused"));
    let by_name = refused(AblationRequest { parts: vec!["linear".to_owned()], ..Default::default() });
    assert!(by_name.contains("popularity, window, sources"), "{by_name}");
    let graph = refused(AblationRequest { graphs: vec![GraphVersion::None], ..Default::default() });
    assert!(graph.contains("`graph`: the data have nothing of it"), "{graph}");
    let image = AblationRequest { modalities: vec![TokenKind::Image], ..Default::default() };
    assert!(refused(image).contains("segue encode DATA --modality image"));
}

#[test]
fn every_part_that_is_on_is_switched_off_once_against_the_same_whole() {
    let stage = stage();
    let recipe = recipe(plan(&[ExpertKind::Popularity, ExpertKind::Window]));
    let table = ablate(&study(problem(&stage), &recipe), &AblationRequest::default()).expect("it fits");
    let names: Vec<&str> = table.parts.iter().map(|row| row.part.as_str()).collect();
    assert_eq!(names, ["popularity", "window", "sources"]);
    for row in &table.parts {
        for (on, whole) in [(&row.on_valid, &table.valid), (&row.on_test, &table.test)] {
            assert!((on.candidate - whole.mean).abs() < 1e-9, "{}", row.part);
            assert!((on.candidate - on.baseline - on.difference.mean).abs() < 1e-9, "{}", row.part);
        }
        assert_eq!(row.weight, row.experts.iter().map(|expert| expert.weight).sum::<f32>());
    }
    assert_eq!(sentences(&table).len(), table.parts.len());
    let origin = PageOrigin { data: "story".into(), command: "ablate".into(), generated: String::new() };
    let page = page(&[table], origin);
    assert_eq!((page.steps.len(), page.steps[0].steps.len(), page.steps[0].lines.len()), (1, 3, 2));
}
