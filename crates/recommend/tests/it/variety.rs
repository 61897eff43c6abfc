//! The stage that puts the best items into another order.

use segue_data::ItemIdx;
use segue_models::ExpertKind;
use segue_recommend::{Blend, Request, Rerank, WhyNot};

use crate::world::{N_BOOKS, World, book, dataset, histories, query, target, world};

fn mmr(trade_off: f32, depth: usize) -> Request {
    Request { n: 6, rerank: Rerank::Mmr { trade_off, depth }, ..Request::default() }
}

fn items(world: &World, history: &[segue_data::Event], request: &Request) -> Vec<ItemIdx> {
    let list = world.model.recommend(&query(history), request).expect("a trained target");
    list.items.into_iter().map(|listed| listed.item).collect()
}

// Mean likeness of two items of a list, by their words.
fn likeness(world: &World, list: &[ItemIdx]) -> f32 {
    let is_reader = |expert: &&segue_models::Expert| expert.id.kind == ExpertKind::Content;
    let reader = world.target().experts.iter().find(is_reader).expect("it is there");
    let pairs = list.iter().enumerate().flat_map(|(at, a)| list[..at].iter().map(move |b| (*a, *b)));
    let alike: Vec<f32> =
        pairs.map(|(a, b)| reader.content_similarity(a, b).expect("it reads texts")).collect();
    alike.iter().sum::<f32>() / alike.len() as f32
}

#[test]
fn by_scores_alone_a_list_is_the_list_without_the_stage() {
    let world = world();
    for history in histories(&world) {
        let plain = Request { n: 6, ..Request::default() };
        let expected = world.model.recommend(&query(&history), &plain).unwrap();
        for depth in [0, 1, 5, 6, 20, 1_000] {
            assert_eq!(world.model.recommend(&query(&history), &mmr(1.0, depth)).unwrap(), expected);
        }
        assert_eq!(
            world.model.recommend(&query(&history), &mmr(0.3, 0)).unwrap(),
            expected,
            "nothing to move"
        );
    }
}

#[test]
fn variety_makes_lists_less_alike_and_keeps_the_best_item() {
    let world = world();
    let (mut plain_sum, mut varied_sum) = (0.0, 0.0);
    for history in histories(&world) {
        let plain = items(&world, &history, &Request { n: 6, ..Request::default() });
        let varied = items(&world, &history, &mmr(0.4, 20));
        assert_eq!(plain[0], varied[0]);
        assert_eq!(varied.len(), 6);
        plain_sum += likeness(&world, &plain);
        varied_sum += likeness(&world, &varied);
    }
    assert!(varied_sum < 0.9 * plain_sum, "{varied_sum} {plain_sum}");
}

#[test]
fn an_item_whose_place_was_given_away_is_told_so() {
    let world = world();
    let history = &histories(&world)[0];
    let request = mmr(0.2, N_BOOKS);
    let by_score = items(&world, history, &Request { n: N_BOOKS, ..Request::default() });
    let list = items(&world, history, &request);
    let mut n_away = 0;
    for item in (0..N_BOOKS).map(|number| book(&world, number)) {
        let place = by_score.iter().position(|&other| other == item).map(|place| place + 1);
        match world.model.why_not(&query(history), &request, item).unwrap() {
            WhyNot::InList { rank } => assert_eq!(list[rank - 1], item),
            WhyNot::ReRanked { rank } => {
                assert!(rank <= 6 && place == Some(rank) && !list.contains(&item));
                n_away += 1;
            }
            WhyNot::OutRanked { rank, .. } | WhyNot::Unscored { rank } => {
                assert!(rank > 6 && place == Some(rank) && !list.contains(&item));
            }
            WhyNot::Seen => assert_eq!(place, None),
            stage => panic!("{stage:?}"),
        }
    }
    assert!(n_away > 0);
}

#[test]
fn a_trade_off_that_is_none_and_a_model_that_cannot_compare_are_refused() {
    let world = world();
    for trade_off in [-0.1, 1.1, f32::NAN] {
        let message = world.model.recommend(&query(&[]), &mmr(trade_off, 5)).unwrap_err().to_string();
        assert!(message.contains("trade-off") && message.contains("hint:"), "{message}");
    }
    let dataset = dataset();
    let mut blind = target(&dataset);
    blind.experts.retain(|expert| expert.id.kind != ExpertKind::Content);
    blind.blend = Blend::only(&blind.expert_ids(), 0);
    let blind = World::of(dataset, blind);
    let message = blind.model.recommend(&query(&[]), &mmr(0.5, 5)).unwrap_err().to_string();
    assert!(message.contains("cannot compare items") && message.contains("hint:"), "{message}");
}
