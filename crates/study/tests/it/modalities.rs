//! A modality left out is a recipe that never had it; a graph that tells the taste helps, and a random one does not; fusion is studied on
//! the models that it names.

use segue::Problem;
use segue_data::{EntityIdx, ItemGraph, ItemIdx, KnowledgeGraph, Link};
use segue_eval::bootstrap::Bootstrap;
use segue_models::sequence::JointConfig;
use segue_models::{ExpertKind, TokenKind};
use segue_recommend::DomainModel;
use segue_study::ablation::{Part, WholeFit, fit_without, refit_without};
use segue_study::fusion::{
    Tested, TokenCounts, blend_late, faithfulness, fit_joint, tokens_of, weights_sum, with_members,
};
use segue_train::judge::mean;
use segue_train::{DomainFit, FitPlan, Material, Session, fit_domain};

use crate::story::{N_ITEMS, Stage, Story, TARGET};
use crate::studied;

const N_GENRES: usize = 12;

fn stage() -> Stage {
    Story { n_users: 600, ..Story::default() }.stage()
}

// Every item –genre→ its genre, in both domains.
fn graph(stage: &Stage) -> ItemGraph {
    let items = &stage.dataset.items;
    let names: Vec<(String, String)> = (0..items.len() as u32)
        .map(|item| {
            let number: usize = items.raw(ItemIdx(item)).parse().expect("a number");
            (format!("item{item}"), format!("genre{}", number % N_GENRES))
        })
        .collect();
    let facts = names.iter().map(|(item, genre)| (item.as_str(), "genre", genre.as_str()));
    let mut stated = KnowledgeGraph::of_facts(facts);
    let entity = |name: &String| EntityIdx(stated.entities.get(name).expect("it is stated"));
    let link = |(item, (name, _)): (usize, &(String, String))| Link {
        item: ItemIdx(item as u32),
        entity: entity(name),
    };
    stated.links = names.iter().enumerate().map(link).collect();
    ItemGraph::new(items, Some(&stated)).expect("items are linked")
}

fn plan(experts: &[ExpertKind]) -> FitPlan {
    let mut joint = JointConfig::default();
    joint.sequence.width = 16;
    joint.sequence.n_layers = 1;
    joint.sequence.max_epochs = 2;
    // One setting each, so that nothing is tuned inside a blend.
    FitPlan {
        experts: experts.into(),
        budget: 1,
        search_cases: 400,
        use_sources: false,
        joint,
        ..FitPlan::default()
    }
}

fn fit(stage: &Stage, plan: &FitPlan, material: Material<'_>) -> DomainFit {
    fit_domain(plan, material, &stage.valid(), Session::unwatched()).expect("the data can be learned")
}

#[test]
fn without_a_modality_the_recipe_is_the_one_that_never_had_it() {
    let stage = stage();
    let graph = graph(&stage);
    let bare = stage.dataset.items.clone().without_text();
    let material = stage.material().with_graph(Some(&graph));
    let plan = plan(&[ExpertKind::Window, ExpertKind::Linear, ExpertKind::Content, ExpertKind::Graph]);
    let whole = fit(&stage, &plan, material);
    let without = |part| {
        fit_without(
            part,
            WholeFit { plan: &plan, fit: &whole, material },
            &stage.valid(),
            Session::unwatched(),
        )
        .expect("it fits")
        .model
    };
    let only = |kinds: &[ExpertKind]| FitPlan { experts: kinds.into(), ..plan.clone() };

    let no_graph = only(&[ExpertKind::Window, ExpertKind::Linear, ExpertKind::Content]);
    assert_eq!(without(Part::Modality(TokenKind::Graph)), fit(&stage, &no_graph, stage.material()).model);

    let no_text = only(&[ExpertKind::Window, ExpertKind::Linear, ExpertKind::Graph]);
    let of_ids = Material { items: &bare, ..material };
    assert_eq!(without(Part::Modality(TokenKind::Text)), fit(&stage, &no_text, of_ids).model);

    let random = graph.permuted(plan.seed);
    let other = material.with_graph(Some(&random));
    assert_eq!(without(Part::Facts), fit(&stage, &plan, other).model);
    // Fitted again on more events, it is still the random graph's.
    let more = material.with_train(&stage.split.train_valid);
    let again = refit_without(Part::Facts, &without(Part::Facts), more, plan.seed, Session::unwatched());
    let walks = |model: &DomainModel| model.experts.last().expect("graph").save().to_bytes().expect("arrays");
    let true_again = segue_train::refit_domain(&whole.model, more, plan.seed, Session::unwatched());
    assert_ne!(walks(&again.expect("it fits")), walks(&true_again.expect("it fits")));
}

#[test]
fn a_graph_that_tells_the_taste_helps_and_a_random_one_of_the_same_shape_does_not() {
    let stage = stage();
    let graph = graph(&stage);
    let material = stage.material().with_graph(Some(&graph));
    let plan = plan(&[ExpertKind::Popularity, ExpertKind::Graph]);
    let whole = fit(&stage, &plan, material);
    let ndcg = |model: &DomainModel| mean(&stage.ndcg(&stage.test(), model));
    let [random, none] = [Part::Facts, Part::Modality(TokenKind::Graph)].map(|part| {
        fit_without(
            part,
            WholeFit { plan: &plan, fit: &whole, material },
            &stage.valid(),
            Session::unwatched(),
        )
        .expect("it fits")
        .model
    });
    let [with, random, none] = [&whole.model, &random, &none].map(ndcg);
    assert!(with > 1.3 * random && with > 1.3 * none, "true {with}, random {random}, none {none}");
    assert!((random - none).abs() < 0.15 * none, "random {random}, none {none}");
}

#[test]
fn modalities_that_nobody_reads_or_that_are_not_there_are_not_on() {
    let stage = stage();
    let graph = graph(&stage);
    let material = stage.material().with_graph(Some(&graph));
    let on = |kinds: &[ExpertKind], material| Part::modalities_of(&plan(kinds), material);
    assert_eq!(on(&[ExpertKind::Window], material), []);
    assert_eq!(on(&[ExpertKind::Window, ExpertKind::Graph], material), [TokenKind::Graph]);
    assert_eq!(on(&[ExpertKind::Content, ExpertKind::Graph], stage.material()), [TokenKind::Text]);
    let all = [TokenKind::Text, TokenKind::Graph, TokenKind::Id];
    assert_eq!(on(&[ExpertKind::Joint], material), all);
    // Nothing is left of a recipe of one expert.
    let left = Part::Modality(TokenKind::Graph).plan_without(&plan(&[ExpertKind::Graph]));
    assert!(left.experts.is_empty());
}

#[test]
fn fused_and_single_models_fuse_what_they_name_and_their_late_blend_is_at_least_the_best_on_valid() {
    let stage = stage();
    let graph = graph(&stage);
    let problem = Problem { graph: Some(&graph), ..studied::problem(&stage) };
    let recipe = studied::recipe(plan(&[ExpertKind::Window]));
    let valid = stage.valid();
    let joint = |tokens: &[TokenKind]| {
        let model = fit_joint(&problem, &recipe, tokens, &valid, Session::unwatched()).expect("it fits");
        assert_eq!((tokens_of(&model), model.experts.len(), model.domain), (tokens, 1, TARGET));
        model
    };
    let singles = [joint(&[TokenKind::Text, TokenKind::Id]), joint(&[TokenKind::Graph, TokenKind::Id])];
    let late = blend_late(&singles, &recipe.plan, &valid).expect("there are two");
    let weights: Vec<f32> = late.blend.members.iter().map(|member| member.warm).collect();
    assert!(weights.len() == 2 && (weights.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{weights:?}");
    assert_eq!(with_members(&late, &singles), late);
    let ndcg = |model: &DomainModel| mean(&stage.ndcg(&valid, model));
    let best = singles.iter().map(ndcg).fold(0.0, f64::max);
    assert!(ndcg(&late) > best - 0.005, "late {}, best {best}", ndcg(&late));

    let fused = joint(&[TokenKind::Text, TokenKind::Graph, TokenKind::Id]);
    let (furthest, n_items) = weights_sum(&fused.experts[0], N_ITEMS);
    assert!(furthest < 1e-5 && n_items == N_ITEMS, "{furthest}, {n_items} items");
    check_faithfulness(&stage, &fused);
    // One token has all the weight: there is nothing to compare.
    let alone = joint(&[TokenKind::Graph]);
    let found = faithfulness(&alone.experts[0], &stage.test(), Tested::Target, Bootstrap::default());
    assert!(found.expect("it can be resampled").is_none());
}

fn check_faithfulness(stage: &Stage, fused: &DomainModel) {
    let test = stage.test();
    for tested in Tested::ALL {
        let found = faithfulness(&fused.experts[0], &test, tested, Bootstrap::default());
        let found = found.expect("it can be resampled").expect("items have three tokens");
        let count = |of: fn(&TokenCounts) -> usize| found.tokens.iter().map(of).sum::<usize>();
        assert_eq!(count(|token| token.n_weighs_most) + found.n_left_out, test.n_cases());
        assert_eq!(count(|token| token.n_missed_most) + found.n_none_missed, found.share.n);
        assert!((found.share.mean - count(|token| token.n_both) as f64 / found.share.n as f64).abs() < 1e-9);
    }
    // By hand: the item that came next, over all cases.
    let effects = |at: usize| fused.experts[0].token_effects(&test.query(at), test.targets()[at] as usize);
    let is_faithful = |at: &usize| {
        let effects = effects(*at);
        let heaviest = effects.iter().max_by(|a, b| a.weight.total_cmp(&b.weight)).expect("three");
        heaviest.effect > 0.0 && effects.iter().all(|other| other.effect <= heaviest.effect)
    };
    let n_faithful = (0..test.n_cases()).filter(is_faithful).count();
    let found = faithfulness(&fused.experts[0], &test, Tested::Target, Bootstrap::default());
    let found = found.expect("it can be resampled").expect("items have three tokens");
    assert!((found.share.mean * found.share.n as f64 - n_faithful as f64).abs() < 1e-6);
}
