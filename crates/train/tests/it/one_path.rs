//! The code that ranks offline is the code that is served: a rank measured is a place in a list.

use segue_recommend::{Recommender, Request};

use crate::story::{N_ITEMS, Story, TARGET};

#[test]
fn the_rank_that_the_judge_finds_is_the_place_in_a_long_list() {
    let stage = Story { n_users: 200, newcomers: true, ..Story::default() }.stage();
    let judge = stage.test().with_lists(N_ITEMS);
    let model = stage.unsearched();
    let rankings = judge
        .rank(|query, scores| {
            model.score(
                query,
                &stage.dataset.items,
                &mut segue_recommend::recommender::Scratch::default(),
                scores,
            );
        })
        .unwrap();
    let recommender = Recommender::new(stage.dataset.clone(), vec![model.clone()]);
    let start = stage.dataset.items.range(TARGET).start;
    let request = Request { n: N_ITEMS, ..Request::default() };
    for case in 0..judge.n_cases() {
        let list = recommender.recommend(&judge.query(case), &request).unwrap();
        let places: Vec<u32> = list.items.iter().map(|ranked| (ranked.item.at() - start) as u32).collect();
        assert_eq!(places, rankings.lists[case].items, "case {case}");
        let rank = rankings.masked[case];
        let target = judge.targets()[case];
        match places.iter().position(|&place| place == target) {
            Some(place) => {
                let (best, worst) = (rank.n_greater as usize, (rank.n_greater + rank.n_equal) as usize);
                assert!((best..=worst).contains(&place), "case {case}: place {place}, {rank:?}");
            }
            None => assert!(rank.is_unreachable() && judge.masked()[case].contains(&target), "case {case}"),
        }
        assert_eq!(places.len(), rank.n_candidates as usize, "case {case}");
    }
}
