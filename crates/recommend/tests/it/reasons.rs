//! Reasons are facts: taking the event away changes the score by exactly what was said, and every absence has its stage.

use segue_data::{Event, ItemIdx};
use segue_recommend::{Reason, Request, WhyNot};

use crate::world::{
    N_BOOKS, NEW_BOOK, SOURCE, book, candidate, histories, query, scores, window_alone, world,
};

fn without(history: &[Event], item: ItemIdx) -> Vec<Event> {
    history.iter().copied().filter(|event| event.item != item).collect()
}

#[test]
fn the_effect_of_an_event_is_the_score_with_it_minus_the_score_without_it() {
    let world = world();
    let mut n_named = 0;
    for history in histories(&world) {
        let list = world.model.recommend(&query(&history), &Request::default()).unwrap();
        for ranked in &list.items {
            let at = candidate(&world, ranked.item);
            let mut named = Vec::new();
            for reason in world.model.explain(&query(&history), ranked.item).unwrap() {
                if let Reason::Event { item, effect } = reason {
                    let reduced = scores(&world, &without(&history, item))[at];
                    assert_eq!(effect, ranked.score - reduced, "{ranked:?} without {item:?}");
                    named.push((item, effect));
                }
            }
            assert!(named.windows(2).all(|pair| pair[0].1 >= pair[1].1), "strongest first: {named:?}");
            for event in &history {
                let reduced = scores(&world, &without(&history, event.item))[at];
                let is_named = named.iter().filter(|(item, _)| *item == event.item).count();
                assert_eq!(is_named, usize::from(ranked.score > reduced), "{ranked:?} and {event:?}");
            }
            n_named += named.len();
        }
    }
    assert!(n_named > 500, "{n_named}");
}

#[test]
fn a_list_with_reasons_has_those_of_its_items_asked_one_by_one() {
    let world = world();
    for history in histories(&world) {
        let request = Request { explain: true, ..Request::default() };
        let list = world.model.recommend(&query(&history), &request).unwrap();
        for ranked in &list.items {
            assert_eq!(ranked.reasons, world.model.explain(&query(&history), ranked.item).unwrap());
        }
        let plain = world.model.recommend(&query(&history), &Request::default()).unwrap();
        assert!(plain.items.iter().all(|ranked| ranked.reasons.is_empty()));
        assert!(plain.items.iter().zip(&list.items).all(|(a, b)| a.item == b.item && a.score == b.score));
    }
}

#[test]
fn shared_words_stand_in_both_texts_and_popularity_is_a_true_place() {
    let world = world();
    let items = &world.dataset.items;
    for history in histories(&world).iter().filter(|history| !history.is_empty()) {
        for ranked in world.model.recommend(&query(history), &Request::default()).unwrap().items {
            let mut n_popular = 0;
            for reason in world.model.explain(&query(history), ranked.item).unwrap() {
                match reason {
                    Reason::SharedWords { words, .. } => {
                        for word in words {
                            assert!(items.label(ranked.item).contains(&word), "{word}");
                            assert!(history.iter().any(|event| items.label(event.item).contains(&word)));
                        }
                    }
                    Reason::Popular { rank, of, .. } => {
                        assert!(of == N_BOOKS && (1.0..=N_BOOKS as f64).contains(&rank));
                        n_popular += 1;
                    }
                    Reason::LikeText { item, .. } => {
                        assert!(item != ranked.item && history.iter().any(|event| event.item == item));
                    }
                    Reason::Event { .. }
                    | Reason::Profile { .. }
                    | Reason::Path { .. }
                    | Reason::Modalities { .. } => {}
                }
            }
            assert_eq!(n_popular, 1, "the refused expert of recent events says nothing");
        }
    }
}

#[test]
fn every_absence_names_its_stage() {
    let world = world();
    let history = &histories(&world)[0];
    let request = Request { n: 5, exclude: vec![book(&world, 4)], ..Request::default() };
    let ask = |item: ItemIdx| world.model.why_not(&query(history), &request, item).unwrap();
    let film = world.dataset.items.get(SOURCE, "2").unwrap();
    assert_eq!(ask(film), WhyNot::OtherDomain { domain: "films".into() });
    assert_eq!(ask(book(&world, 4)), WhyNot::Excluded);
    let list = world.model.recommend(&query(history), &request).unwrap();
    let scores = scores(&world, history);
    let (mut n_seen, mut n_out_ranked) = (0, 0);
    for number in (0..N_BOOKS).filter(|&number| number != 4) {
        let item = book(&world, number);
        let place = list.items.iter().position(|ranked| ranked.item == item);
        match ask(item) {
            WhyNot::InList { rank } => assert_eq!(place, Some(rank - 1)),
            WhyNot::Seen => {
                assert!(place.is_none() && history.iter().any(|event| event.item == item));
                n_seen += 1;
            }
            WhyNot::OutRanked { rank, score, needed } => {
                assert!(place.is_none() && rank > 5);
                assert_eq!(score, scores[candidate(&world, item)]);
                assert_eq!(needed, list.items[4].score);
                assert!(score <= needed);
                // One more place each: with a list of that length it is the last.
                let longer = Request { n: rank, ..request.clone() };
                let longer = world.model.recommend(&query(history), &longer).unwrap();
                assert_eq!(longer.items[rank - 1].item, item);
                n_out_ranked += 1;
            }
            stage => panic!("book {number}: {stage:?}"),
        }
    }
    assert!(n_seen > 0 && n_out_ranked > 5, "{n_seen} {n_out_ranked}");
}

#[test]
fn a_book_that_no_active_expert_knows_is_unscored() {
    let world = window_alone();
    let history = &histories(&world)[0];
    let new = book(&world, NEW_BOOK);
    let request = Request { n: 1, ..Request::default() };
    let stage = world.model.why_not(&query(history), &request, new).unwrap();
    assert!(matches!(stage, WhyNot::Unscored { rank } if rank > 1), "{stage:?}");
    // The whole blend reads titles.
    let stage = crate::world::world().model.why_not(&query(history), &request, new).unwrap();
    assert!(!matches!(stage, WhyNot::Unscored { .. }), "{stage:?}");
}

#[test]
fn allowed_again_a_seen_book_is_ranked_like_any_other() {
    let world = world();
    let history = &histories(&world)[0];
    let seen = history.iter().find(|event| event.item.at() >= book_start(&world)).unwrap().item;
    let request = Request { n: N_BOOKS, allow_seen: true, ..Request::default() };
    let stage = world.model.why_not(&query(history), &request, seen).unwrap();
    assert!(matches!(stage, WhyNot::InList { .. }), "{stage:?}");
}

fn book_start(world: &crate::world::World) -> usize {
    world.dataset.items.range(crate::world::TARGET).start
}
