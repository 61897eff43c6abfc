//! Paths and weights of modalities are facts: every edge is stated, without the path the score is lower, weights sum to 1.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_data::{Dataset, DatasetBuilder, ItemGraph, ItemIdx, RawInteraction, TrainSet, Triple};
use segue_models::graph_walks::{GraphWalksConfig, PathStep};
use segue_models::sequence::{JointConfig, Lessons, SequenceConfig, SequenceModel, TokenEffect};
use segue_models::{
    Expert, ExpertConfig, ExpertId, ExpertKind, FitContext, FusionInputs, ItemVectors, Place, Scope,
    TextSpace,
};
use segue_recommend::{Blend, DomainModel, Member, Reason, Request, artifact};

use crate::world::{Folder, SOURCE, TARGET, World};

const N_ITEMS: usize = 24;
const N_USERS: usize = 30;
const GRAPH: ExpertId = ExpertId { kind: ExpertKind::Graph, scope: Scope::Target };
const JOINT: ExpertId = ExpertId { kind: ExpertKind::Joint, scope: Scope::Target };

// Authors write for one taste and live in two towns; genres are a field; films have facts of their own.
fn dataset() -> Dataset {
    let mut builder = DatasetBuilder::new("library", 5);
    let domains = ["films", "books"].map(|name| builder.domain(name).expect("two domains"));
    for domain in domains {
        for item in 0..N_ITEMS {
            let (title, genre) = (format!("the tale number{item}"), format!("genre{}", item % 4));
            let texts = [("title", title.as_str()), ("genres", &genre)];
            builder.describe_item(domain, &item.to_string(), &texts);
            let entity = format!("{}-{item}", domain.0);
            builder.triple(&entity, "book.book.written_by", &format!("author{}", item % 6));
            builder.link(domain, &item.to_string(), &entity);
        }
    }
    for author in 0..6 {
        builder.triple(&format!("author{author}"), "lives_in", &format!("town{}", author % 2));
    }
    for user in 0..N_USERS {
        for step in 0..8 {
            let domain = domains[usize::from(step % 4 != 0)];
            let item = if step % 3 == 2 { user * 5 + step } else { user % 6 + 6 * ((user + step) % 4) };
            builder.interaction(&RawInteraction {
                user: &format!("u{user}"),
                item: &(item % N_ITEMS).to_string(),
                domain,
                timestamp: Some(1_700_000_000 + (user * 1_000 + step * 50_000) as i64),
                value: 1.0,
                kind: 0,
                split: None,
            });
        }
    }
    builder.finish().0
}

// Only the named experts have weight; all have where none is named.
fn library(only: Option<usize>) -> World {
    let dataset = dataset();
    let (items, graph) = (&dataset.items, ItemGraph::of(&dataset).expect("facts are stated"));
    let train = TrainSet { sequences: dataset.sequences.clone(), ..TrainSet::default() };
    let context = FitContext { graph: Some(&graph), ..FitContext::new(items, TARGET) };
    let through_users = GraphWalksConfig { through_users: 1.0, ..GraphWalksConfig::default() };
    let walks = |id: ExpertId, config: GraphWalksConfig| {
        let fitted = Expert::fit(id, &ExpertConfig::Graph(config), &train, context);
        fitted.expect("relations bring items together").with_spread(0.3)
    };
    let elsewhere = ExpertId { scope: Scope::Sources, ..GRAPH };
    let words = ItemVectors::of_words(items).expect("titles have words");
    let space = TextSpace::new(&words, &train, items);
    let inputs = FusionInputs { text: space.as_ref(), graph: Some(&graph), ..FusionInputs::default() };
    let experts = vec![
        walks(GRAPH, GraphWalksConfig::default()),
        walks(elsewhere, through_users),
        joint(Lessons { train: &train, items, inputs }),
    ];
    let member = |expert: &Expert| Member { expert: expert.id, warm: 0.25, cold: 0.25 };
    let all = Blend { members: experts.iter().map(member).collect(), cold_offset: 0.0 };
    let ids: Vec<ExpertId> = experts.iter().map(|expert| expert.id).collect();
    let blend = only.map_or(all, |at| Blend::only(&ids, at));
    World::of(dataset, DomainModel { domain: TARGET, experts, blend, cold: vec![false; N_ITEMS] })
}

// It is not trained: any numbers do here.
fn joint(lessons: Lessons<'_>) -> Expert {
    let sequence = SequenceConfig { width: 8, n_heads: 1, n_layers: 1, ..SequenceConfig::default() };
    let config = JointConfig { sequence, ..JointConfig::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let place = Place { domain: TARGET, scope: JOINT.scope };
    let model = SequenceModel::with_fusion(&config, lessons, place, &mut rng).expect("it has content");
    let config = ExpertConfig::Joint(Box::new(config));
    Expert::of_sequence(JOINT, TARGET, config, model.trained()).with_spread(0.3)
}

/// A path as [`Reason::Path`] has it.
struct Named {
    expert: ExpertId,
    from: ItemIdx,
    together: Option<ItemIdx>,
    steps: Vec<PathStep>,
    effect: f32,
}

// For every user, what is said of every item of their list.
fn explained(world: &World) -> Vec<(u32, ItemIdx, Vec<Reason>)> {
    let mut all = Vec::new();
    for user in 0..N_USERS as u32 {
        let person = world.person(user);
        let request = Request { explain: true, ..Request::default() };
        let list = world.model.recommend(&person.query(TARGET, None), &request).expect("a target");
        all.extend(list.items.into_iter().map(|listed| (user, listed.item, listed.reasons)));
    }
    all
}

fn paths(reasons: Vec<Reason>) -> Vec<Named> {
    let path = |reason| match reason {
        Reason::Path { expert, from, together, steps, effect } => {
            Some(Named { expert, from, together, steps, effect })
        }
        _ => None,
    };
    reasons.into_iter().filter_map(path).collect()
}

#[test]
fn a_path_leads_edge_by_stated_edge_from_the_history_to_the_item() {
    let world = library(None);
    let graph = world.model.catalog().graph().expect("facts are stated");
    let mut lengths = [0; 4];
    for (user, item, reasons) in explained(&world) {
        let history = world.person(user).history;
        for path in paths(reasons) {
            assert!(history.iter().any(|event| event.item == path.from), "{user}");
            let mut at = graph.entity_of(path.together.unwrap_or(path.from)).expect("it is linked");
            for step in &path.steps {
                assert!(graph.states(step.fact), "{step:?}");
                assert_eq!(step.from(), at, "an edge starts where the one before it ends");
                at = step.to();
            }
            assert_eq!(Some(at), graph.entity_of(item), "the path ends at the item");
            let length = path.steps.len() + usize::from(path.together.is_some());
            assert!((1..=3).contains(&length), "{length} edges");
            lengths[length] += 1;
            let domain = world.dataset.items.domain_of(path.from);
            assert_eq!(domain == SOURCE, path.expert.scope == Scope::Sources);
        }
    }
    assert!(lengths[2] > 100 && lengths[3] > 0, "{lengths:?}");
}

#[test]
fn without_the_facts_of_a_path_the_expert_scores_the_item_lower() {
    let world = library(None);
    let (graph, items) = (world.model.catalog().graph().expect("facts are stated"), &world.dataset.items);
    let mut n_tried = 0;
    for (user, item, reasons) in explained(&world).into_iter().step_by(7) {
        let person = world.person(user);
        let query = person.query(TARGET, None);
        let candidate = item.at() - items.range(TARGET).start;
        for path in paths(reasons) {
            let model = world.target();
            let expert = model.experts.iter().find(|expert| expert.id == path.expert).expect("it spoke");
            let walks = expert.graph_walks().expect("it walks");
            let history = expert.history(&query, items);
            let score = |graph: &ItemGraph| walks.score_without(graph, &history, candidate, &[]);
            let mut served = vec![0.0; N_ITEMS];
            expert.score(&query, items, &mut served);
            let whole = score(graph);
            assert!(
                (whole - served[candidate]).abs() < 1e-4 * whole,
                "{whole} is walked, {} served",
                served[candidate]
            );
            let facts: Vec<Triple> = path.steps.iter().map(|step| step.fact).collect();
            let lower = score(&graph.without(&facts));
            assert!(lower < whole, "{lower} without, {whole} with");
            let lost = (whole - lower) / whole;
            assert!((path.effect - lost).abs() < 1e-4, "{} is said, {lost} is lost", path.effect);
            n_tried += 1;
        }
    }
    assert!(n_tried > 50, "{n_tried}");
}

fn modalities(reasons: &[Reason]) -> Vec<TokenEffect> {
    let found = reasons.iter().find_map(|reason| match reason {
        Reason::Modalities { expert, tokens } if *expert == JOINT => Some(tokens.clone()),
        _ => None,
    });
    found.expect("something is known of every book")
}

#[test]
fn weights_of_modalities_sum_to_one_and_a_modality_left_out_weighs_nothing() {
    let world = library(None);
    let joint = world.target().experts.iter().find(|expert| expert.id == JOINT).expect("it is there");
    for (user, item, reasons) in explained(&world) {
        let tokens = modalities(&reasons);
        let sum: f32 = tokens.iter().map(|token| token.weight).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{user} {item:?}: {tokens:?}");
        assert!(tokens.windows(2).all(|pair| pair[0].weight >= pair[1].weight), "largest first: {tokens:?}");
        let candidate = item.at() - world.dataset.items.range(TARGET).start;
        for token in &tokens {
            let blind = joint.without_token(token.token).expect("it has others");
            let left = blind.token_weights(candidate);
            assert_eq!(left.len() + 1, tokens.len(), "{left:?}");
            assert!(left.iter().all(|(kind, _)| *kind != token.token), "{left:?}");
            let sum: f32 = left.iter().map(|(_, weight)| weight).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{left:?}");
        }
        if user == 3 {
            break;
        }
    }
}

#[test]
fn a_model_read_back_has_the_same_graph_and_gives_the_same_reasons() {
    let folder = Folder::new("graph-round-trip");
    let world = library(None);
    let dir = folder.path().join("model");
    artifact::write(&world.model, 5, &dir).unwrap();
    let back = World { dataset: world.dataset.clone(), model: artifact::read(&dir).unwrap() };
    assert_eq!(world.model.catalog().graph(), back.model.catalog().graph());
    assert!(back.model.catalog().graph().is_some());
    assert_eq!(explained(&world), explained(&back));
}

#[test]
fn experts_without_weight_give_no_paths_and_no_weights() {
    for (_, _, reasons) in explained(&library(Some(2))).into_iter().take(20) {
        assert!(!reasons.iter().any(|reason| matches!(reason, Reason::Path { .. })));
    }
}

#[test]
fn refused_experts_say_what_they_would_have_said_with_weight() {
    let heard = library(None);
    // Only `joint` has weight: both experts that walk over the graph are refused.
    let refused = library(Some(2));
    let is_path = |reason: &Reason| matches!(reason, Reason::Path { .. });
    let mut n_said = 0;
    for (user, item, reasons) in explained(&heard).into_iter().take(40) {
        let spoken: Vec<Reason> = reasons.into_iter().filter(is_path).collect();
        let person = heard.person(user);
        let query = person.query(TARGET, None);
        assert_eq!(refused.model.refused_reasons(&query, item).unwrap(), spoken);
        assert_eq!(heard.model.refused_reasons(&query, item).unwrap(), []);
        n_said += spoken.len();
    }
    assert!(n_said > 40, "{n_said}");
}
