//! Whom and what to ask about: users without events in the domain, items of it.

use segue::failure::is_usage;
use segue_data::TrainSet;
use segue_data::reveal::with_events;
use segue_study::suggest::{About, KnownData, Strategy, Suggestion, SuggestionRequest, Suggestions, suggest};

use crate::story::{N_ITEMS, Stage, Story, TARGET};

const N_NEW: u32 = 40;

/// A story in which nobody of the first users reads books.
struct Shop {
    stage: Stage,
    train: TrainSet,
}

impl Shop {
    fn new() -> Self {
        let stage = Story { n_users: 300, ..Story::default() }.stage();
        let items = &stage.dataset.items;
        let keeps =
            |row: u32, event: &segue_data::Event| row >= N_NEW || items.domain_of(event.item) != TARGET;
        let train = with_events(&stage.split.train, keeps);
        Self { stage, train }
    }

    fn ask(&self, request: SuggestionRequest) -> anyhow::Result<Suggestions> {
        let dataset = &self.stage.dataset;
        let known = KnownData {
            users: &dataset.users,
            items: &dataset.items,
            domains: &dataset.domains,
            train: &self.train,
        };
        suggest(&known, &self.stage.unsearched(), &request)
    }
}

fn request(about: About, strategy: Option<Strategy>) -> SuggestionRequest {
    SuggestionRequest { about, strategy, n: 5, seed: 0 }
}

#[test]
fn suggested_users_are_new_to_the_domain_and_sorted_by_what_they_can_tell() {
    let shop = Shop::new();
    let found = shop.ask(request(About::Users, None)).expect("there are some");
    assert_eq!((found.target.as_str(), found.strategy, found.n_candidates), ("books", Strategy::Active, 40));
    assert_eq!(found, shop.ask(request(About::Users, None)).expect("there are some"));
    let mut told = Vec::new();
    for (at, suggestion) in found.suggestions.iter().enumerate() {
        let Suggestion::User { rank, id, uncertainty, distance, n_events } = suggestion else {
            panic!("users were asked for");
        };
        let row = shop.stage.dataset.users.get(id).expect("a raw id");
        assert!(*rank == at + 1 && row < N_NEW, "{id}");
        assert!((0.0..=1.0).contains(uncertainty) && (0.0..=1.0).contains(distance));
        told.push(*n_events);
    }
    assert!(told.len() == 5 && told.is_sorted_by(|a, b| a >= b), "{told:?}");
    for strategy in [Strategy::UncertainDiverse, Strategy::Uncertain, Strategy::Diverse, Strategy::Random] {
        let found = shop.ask(request(About::Users, Some(strategy))).expect("there are some");
        assert_eq!(found.suggestions.len(), 5, "{}", strategy.name());
    }
}

#[test]
fn suggested_items_are_of_the_domain_and_default_to_what_equal_ratings_allow() {
    let shop = Shop::new();
    let all = SuggestionRequest { n: 1_000, ..request(About::Items, None) };
    let found = shop.ask(all).expect("there are some");
    assert_eq!((found.strategy, found.n_candidates), (Strategy::Entropy0, N_ITEMS));
    assert_eq!(found.suggestions.len(), N_ITEMS, "there are no more");
    let values: Vec<f64> = found
        .suggestions
        .iter()
        .map(|suggestion| match suggestion {
            Suggestion::Item { value, .. } => *value,
            Suggestion::User { .. } => panic!("items were asked for"),
        })
        .collect();
    assert!(values.is_sorted_by(|a, b| a >= b) && values[0] > values[N_ITEMS - 1], "{values:?}");
    let document = serde_json::to_value(&found).expect("it is plain");
    assert_eq!((&document["what"], &document["strategy"]), (&"items".into(), &"entropy0".into()));
}

#[test]
fn items_that_cover_the_texts_are_unlike_each_other() {
    let shop = Shop::new();
    let genres = |strategy| {
        let found = shop.ask(SuggestionRequest { n: 6, ..request(About::Items, Some(strategy)) });
        let mut genres: Vec<String> = found
            .expect("there are texts")
            .suggestions
            .iter()
            .map(|suggestion| match suggestion {
                Suggestion::Item { title, .. } => title.rsplit(' ').next().unwrap_or_default().to_owned(),
                Suggestion::User { .. } => panic!("items were asked for"),
            })
            .collect();
        genres.sort();
        genres.dedup();
        genres.len()
    };
    assert_eq!(genres(Strategy::Coverage), 6);
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_would_help() {
    let shop = Shop::new();
    let refused = |about, strategy| shop.ask(request(about, Some(strategy))).expect_err("refused");
    let coverage = refused(About::Users, Strategy::Coverage);
    assert!(is_usage(&coverage) && coverage.to_string().contains("chooses items, not users"));
    assert!(refused(About::Items, Strategy::Active).to_string().contains("chooses users, not items"));
    let equal = refused(About::Items, Strategy::PopularityEntropy).to_string();
    assert!(equal.contains("all ratings in `books` are equal") && equal.contains("entropy0"), "{equal}");
    let all_known = Shop { train: shop.stage.split.train.clone(), ..Shop::new() };
    let nobody = all_known.ask(request(About::Users, None)).expect_err("everybody reads books");
    assert!(nobody.to_string().contains("every user with events has some in `books`"), "{nobody}");
}
