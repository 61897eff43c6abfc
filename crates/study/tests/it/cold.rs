//! Items that nobody has touched are found by their texts; users who are new are served from what they did elsewhere.

use segue_models::ExpertKind;
use segue_study::cold_users::ColdUsers;
use segue_study::{cold_items, cold_users};

use crate::story::{Source, Story};
use crate::studied::{plan, problem, recipe, study};

#[test]
fn unseen_items_are_found_by_those_who_read_and_by_nobody_who_counts() {
    let stage = Story { n_users: 800, ..Story::default() }.stage();
    let recipe = recipe(plan(&[ExpertKind::Popularity, ExpertKind::Content]));
    let measured = cold_items::measure(&study(problem(&stage), &recipe)).expect("it fits");
    assert!(measured.n_held_out > 0 && measured.n_unseen_cases > 0);
    assert_eq!(measured.n_unseen_cases + measured.n_warm_cases, stage.test().n_cases());
    assert_eq!(measured.unseen[0].name, "blend");
    assert!(measured.unseen.iter().all(|row| row.ndcg_at_10.n == measured.n_unseen_cases));
    let hr = |name: &str| {
        let row = measured.unseen.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("{name}"));
        row.hr_at_10.mean
    };
    // One of ten of 96 items by chance; of the taste's genre are 8.
    assert!(hr("content") > 0.3 && hr("popularity") < 0.15, "{:?}", measured.unseen);
    let warm = &measured.warm;
    assert!((warm.candidate - warm.baseline - warm.difference.mean).abs() < 1e-9);
}

fn new_users(source: Source) -> ColdUsers {
    let stage = Story { n_users: 2_400, source, ..Story::default() }.stage();
    let recipe = recipe(plan(&[ExpertKind::Popularity, ExpertKind::Window]));
    cold_users::measure(&study(problem(&stage), &recipe)).expect("it fits")
}

fn ndcg(measured: &ColdUsers, name: &str) -> f64 {
    let found = measured.systems.iter().find(|system| system.name == name);
    found.unwrap_or_else(|| panic!("{name}")).ndcg_at_10.mean
}

#[test]
fn new_users_are_served_by_what_their_source_tells_and_by_nothing_where_it_tells_nothing() {
    let shared = new_users(Source::SharedTaste);
    assert!((430..=530).contains(&shared.n_held_out), "about 20 % of 2,400: {}", shared.n_held_out);
    assert!(shared.systems.iter().all(|system| system.ndcg_at_10.n == shared.n_cases));
    assert_eq!(shared.members.len(), 2);
    assert!(ndcg(&shared, "window@sources") > 1.2 * ndcg(&shared, "popularity"), "{:?}", shared.systems);
    assert!(shared.systems[0].blend_minus_it.is_none());
    for system in &shared.systems[1..] {
        let minus = system.blend_minus_it.as_ref().expect("the blend minus it").difference.mean;
        let gap = shared.systems[0].ndcg_at_10.mean - system.ndcg_at_10.mean;
        assert!((minus - gap).abs() < 1e-9, "{}", system.name);
    }
    let shuffled = new_users(Source::Shuffled);
    assert!(
        ndcg(&shuffled, "window@sources") < 1.1 * ndcg(&shuffled, "popularity"),
        "{:?}",
        shuffled.systems
    );
}
