//! Reasons are facts: taking the event away changes the score by exactly what was said, and every absence has its stage.

use segue_data::{Event, ItemIdx};
use segue_recommend::{Reason, Request, WhyNot};

use crate::world::{
    N_BOOKS, NEW_BOOK, SOURCE, book, candidate, histories, query, recommender, scores, window_alone,
};

fn without(history: &[Event], item: ItemIdx) -> Vec<Event> {
    history.iter().copied().filter(|event| event.item != item).collect()
}

#[test]
fn the_effect_of_an_event_is_the_score_with_it_minus_the_score_without_it() {
    let recommender = recommender();
    let mut n_named = 0;
    for history in histories(&recommender) {
        let list = recommender.recommend(&query(&history), &Request::default()).unwrap();
        for ranked in &list.items {
            let at = candidate(&recommender, ranked.item);
            let mut named = Vec::new();
            for reason in recommender.explain(&query(&history), ranked.item).unwrap() {
                if let Reason::Event { item, effect } = reason {
                    let reduced = scores(&recommender, &without(&history, item))[at];
                    assert_eq!(effect, ranked.score - reduced, "{ranked:?} without {item:?}");
                    named.push((item, effect));
                }
            }
            assert!(named.windows(2).all(|pair| pair[0].1 >= pair[1].1), "strongest first: {named:?}");
            for event in &history {
                let reduced = scores(&recommender, &without(&history, event.item))[at];
                let is_named = named.iter().filter(|(item, _)| *item == event.item).count();
                assert_eq!(is_named, usize::from(ranked.score > reduced), "{ranked:?} and {event:?}");
            }
            n_named += named.len();
        }
    }
    assert!(n_named > 500, "{n_named}");
}

#[test]
fn shared_words_stand_in_both_texts_and_popularity_is_a_true_place() {
    let recommender = recommender();
    let items = &recommender.dataset.items;
    for history in histories(&recommender).iter().filter(|history| !history.is_empty()) {
        for ranked in recommender.recommend(&query(history), &Request::default()).unwrap().items {
            let mut n_popular = 0;
            for reason in recommender.explain(&query(history), ranked.item).unwrap() {
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
    let recommender = recommender();
    let history = &histories(&recommender)[0];
    let request = Request { n: 5, exclude: vec![book(&recommender, 4)], allow_seen: false };
    let ask = |item: ItemIdx| recommender.why_not(&query(history), &request, item).unwrap();
    let film = recommender.dataset.items.get(SOURCE, "2").unwrap();
    assert_eq!(ask(film), WhyNot::OtherDomain { domain: "films".into() });
    assert_eq!(ask(book(&recommender, 4)), WhyNot::Excluded);
    let list = recommender.recommend(&query(history), &request).unwrap();
    let scores = scores(&recommender, history);
    let (mut n_seen, mut n_out_ranked) = (0, 0);
    for number in (0..N_BOOKS).filter(|&number| number != 4) {
        let item = book(&recommender, number);
        let place = list.items.iter().position(|ranked| ranked.item == item);
        match ask(item) {
            WhyNot::InList { rank } => assert_eq!(place, Some(rank - 1)),
            WhyNot::Seen => {
                assert!(place.is_none() && history.iter().any(|event| event.item == item));
                n_seen += 1;
            }
            WhyNot::OutRanked { rank, score, needed } => {
                assert!(place.is_none() && rank > 5);
                assert_eq!(score, scores[candidate(&recommender, item)]);
                assert_eq!(needed, list.items[4].score);
                assert!(score <= needed);
                // One more place each: with a list of that length it is the last.
                let longer = Request { n: rank, ..request.clone() };
                let longer = recommender.recommend(&query(history), &longer).unwrap();
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
    let recommender = window_alone();
    let history = &histories(&recommender)[0];
    let new = book(&recommender, NEW_BOOK);
    let request = Request { n: 1, ..Request::default() };
    let stage = recommender.why_not(&query(history), &request, new).unwrap();
    assert!(matches!(stage, WhyNot::Unscored { rank } if rank > 1), "{stage:?}");
    // The whole blend reads titles.
    let stage = crate::world::recommender().why_not(&query(history), &request, new).unwrap();
    assert!(!matches!(stage, WhyNot::Unscored { .. }), "{stage:?}");
}

#[test]
fn allowed_again_a_seen_book_is_ranked_like_any_other() {
    let recommender = recommender();
    let history = &histories(&recommender)[0];
    let seen = history.iter().find(|event| event.item.at() >= book_start(&recommender)).unwrap().item;
    let request = Request { n: N_BOOKS, allow_seen: true, ..Request::default() };
    let stage = recommender.why_not(&query(history), &request, seen).unwrap();
    assert!(matches!(stage, WhyNot::InList { .. }), "{stage:?}");
}

fn book_start(recommender: &segue_recommend::Recommender) -> usize {
    recommender.dataset.items.range(crate::world::TARGET).start
}
