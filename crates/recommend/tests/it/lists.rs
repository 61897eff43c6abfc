//! What a list shows: the order of the scores, without what may not be shown, with parts that add up.

use segue_data::ItemIdx;
use segue_recommend::Request;

use crate::world::{
    COLD_OFFSET, N_BOOKS, World, book, candidate, histories, query, scores, window_alone, world,
};

fn whole() -> Request {
    Request { n: N_BOOKS, allow_seen: true, ..Request::default() }
}

fn shown(world: &World, history: &[segue_data::Event], request: &Request) -> Vec<ItemIdx> {
    let list = world.model.recommend(&query(history), request).expect("a trained target");
    list.items.into_iter().map(|ranked| ranked.item).collect()
}

#[test]
fn the_order_of_a_list_is_the_order_of_the_scores() {
    for world in [world(), window_alone()] {
        for history in histories(&world) {
            let scores = scores(&world, &history);
            let mut order: Vec<usize> = (0..N_BOOKS).collect();
            order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap().then(a.cmp(&b)));
            let list = world.model.recommend(&query(&history), &whole()).unwrap();
            let places: Vec<usize> = list.items.iter().map(|r| candidate(&world, r.item)).collect();
            assert_eq!(places, order);
            assert!(list.items.iter().zip(&order).all(|(ranked, &at)| ranked.score == scores[at]));
        }
    }
}

#[test]
fn a_short_list_is_the_head_of_a_long_one() {
    let world = world();
    for history in histories(&world) {
        let long =
            world.model.recommend(&query(&history), &Request { n: 100, ..Request::default() }).unwrap();
        for n in [0, 1, 7, 10] {
            let short =
                world.model.recommend(&query(&history), &Request { n, ..Request::default() }).unwrap();
            assert_eq!(short.items, long.items[..n]);
        }
    }
}

#[test]
fn equal_scores_stand_in_the_order_of_the_catalog() {
    let world = window_alone();
    let range = world.dataset.items.range(crate::world::TARGET);
    let all: Vec<ItemIdx> = range.map(|item| ItemIdx(item as u32)).collect();
    assert_eq!(shown(&world, &[], &whole()), all, "a window without history knows nothing");
    assert_eq!(shown(&world, &[], &Request { n: 5, ..whole() }), all[..5]);
}

#[test]
fn seen_items_are_left_out_unless_allowed_and_excluded_ones_always() {
    let world = world();
    for history in histories(&world) {
        let seen: Vec<ItemIdx> = history.iter().map(|event| event.item).collect();
        let all = shown(&world, &history, &whole());
        assert_eq!(all.len(), N_BOOKS);
        let unseen = shown(&world, &history, &Request { n: N_BOOKS, ..Request::default() });
        let expected: Vec<ItemIdx> = all.iter().copied().filter(|item| !seen.contains(item)).collect();
        assert_eq!(unseen, expected, "masking changes no other place");
        // Excluding a film, or an item that does not exist, hides no book.
        let exclude = vec![all[0], all[3], ItemIdx(0), ItemIdx(u32::MAX)];
        let without = shown(&world, &history, &Request { exclude, ..whole() });
        let expected: Vec<ItemIdx> = all.iter().copied().filter(|i| ![all[0], all[3]].contains(i)).collect();
        assert_eq!(without, expected);
    }
}

#[test]
fn the_shares_of_the_experts_add_up_to_the_score() {
    let world = world();
    let model = world.target();
    for history in histories(&world) {
        for ranked in world.model.recommend(&query(&history), &whole()).unwrap().items {
            let cold = model.cold[candidate(&world, ranked.item)];
            assert_eq!(ranked.shares.len(), model.blend.active().count());
            let sum: f32 = ranked.shares.iter().map(|(_, share)| share).sum();
            let total = sum + if cold { COLD_OFFSET } else { 0.0 };
            assert!((total - ranked.score).abs() < 1e-5, "{ranked:?}");
            let refused = model.blend.members.iter().find(|m| m.warm == 0.0 && m.cold == 0.0).unwrap();
            assert!(ranked.shares.iter().all(|(expert, _)| *expert != refused.expert));
        }
    }
}

#[test]
fn a_domain_without_a_model_and_an_unknown_name_are_refused_with_a_hint() {
    let world = world();
    let films = segue_models::Query { domain: crate::world::SOURCE, ..query(&[]) };
    let messages = [
        world.model.recommend(&films, &whole()).unwrap_err().to_string(),
        world.model.catalog().domain("songs").unwrap_err().to_string(),
        world.model.catalog().item("no such item").unwrap_err().to_string(),
        world.model.catalog().item("3").unwrap_err().to_string(),
    ];
    for message in messages {
        assert!(message.contains("hint:"), "{message}");
    }
    assert_eq!(world.model.catalog().item("books:3").unwrap(), book(&world, 3));
}
