//! Where events come from, and which of them count at which time.

use segue_data::{DatasetBuilder, Field, ItemCatalog, RawInteraction, UserProfiles, Vocabulary};
use segue_recommend::{Catalog, DatasetHistories, Histories, Person, When};

use crate::world::{SOURCE, TARGET, World, dataset, world};

fn histories(world: &World) -> DatasetHistories<'_> {
    DatasetHistories::new(world.model.catalog(), &world.dataset).expect("its own data set")
}

#[test]
fn only_events_before_the_time_of_the_request_count() {
    let world = world();
    let histories = histories(&world);
    let all = histories.known("u5", None).unwrap().history;
    assert_eq!(all.len(), 9);
    for n in 0..all.len() {
        let before = histories.known("u5", Some(all[n].timestamp)).unwrap().history;
        assert_eq!(before, all[..n], "an event of the same second has not happened yet");
    }
    let catalog = world.model.catalog();
    let newest = catalog.newest().unwrap();
    assert_eq!(newest, world.dataset.sequences.events().iter().map(|event| event.timestamp).max().unwrap());
    assert_eq!((When::End.time(catalog).unwrap(), When::End.before()), (Some(newest), None));
    assert_eq!((When::At(7).time(catalog).unwrap(), When::At(7).before()), (Some(7), Some(7)));
    let now = When::Now(newest + 100 * 86_400 + 5);
    assert_eq!((now.time(catalog).unwrap(), now.before()), (Some(newest + 100 * 86_400 + 5), None));
    assert_eq!((now.days_since_data(catalog), When::End.days_since_data(catalog)), (Some(100), None));
}

#[test]
fn nobody_is_told_apart_from_somebody_without_events() {
    let world = world();
    let histories = histories(&world);
    assert_eq!(histories.person("nobody", None).unwrap(), None);
    let message = histories.known("nobody", None).unwrap_err().to_string();
    assert!(message.contains("no user `nobody`") && message.contains("hint:"), "{message}");
    assert_eq!(histories.known("u0", Some(0)).unwrap(), Person::default());
    assert_eq!(histories.people().len(), world.dataset.users.len());
    assert!(histories.people().any(|raw| raw == "u23"));
}

#[test]
fn data_without_times_is_asked_without_a_time() {
    let mut builder = DatasetBuilder::new("untimed", 1);
    let books = builder.domain("books").unwrap();
    builder.interaction(&RawInteraction {
        user: "u",
        item: "i",
        domain: books,
        timestamp: None,
        value: 1.0,
        kind: 0,
        split: None,
    });
    let catalog = Catalog::of(&builder.finish().0);
    assert!(!catalog.has_timestamps());
    assert_eq!(When::Now(1_800_000_000).time(&catalog).unwrap(), None);
    assert_eq!(When::End.time(&catalog).unwrap(), None);
    let message = When::At(5).time(&catalog).unwrap_err().to_string();
    assert!(message.contains("no times") && message.contains("hint:"), "{message}");
}

#[test]
fn a_data_set_whose_items_have_other_numbers_is_refused() {
    let world = world();
    let refused = |change: &dyn Fn(&mut segue_data::Dataset)| {
        let mut other = dataset();
        change(&mut other);
        let error = DatasetHistories::new(world.model.catalog(), &other).map(|_| ()).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("does not have the items") && message.contains("hint:"), "{message}");
        message
    };
    let ids = |items: &ItemCatalog, domain| -> Vec<String> {
        items.range(domain).map(|item| items.raw(segue_data::ItemIdx(item as u32)).to_owned()).collect()
    };
    let with_books = |items: &ItemCatalog, books: Vec<String>| {
        let books: Vocabulary = books.into_iter().collect();
        let films: Vocabulary = ids(items, SOURCE).into_iter().collect();
        ItemCatalog::new(vec![films, books], Vec::new())
    };
    let message = refused(&|other| {
        let mut books = ids(&other.items, TARGET);
        books.swap(4, 9);
        other.items = with_books(&other.items, books);
    });
    assert!(message.contains("instead of"), "{message}");
    let message = refused(&|other| {
        let mut books = ids(&other.items, TARGET);
        books.pop();
        other.items = with_books(&other.items, books);
    });
    assert!(message.contains("items in `books`"), "{message}");
    assert!(refused(&|other| other.domains[1].name = "songs".into()).contains("songs"));
    assert!(refused(&|other| other.event_kinds = vec!["view".into()]).contains("view"));
}

#[test]
fn people_may_go_and_values_keep_the_models_numbers() {
    let mut before = dataset();
    let n = before.users.len();
    let towns = |n_other: usize| -> Vec<Field> {
        let value = |user: usize| if user < n_other { "Ulm".to_owned() } else { "Graz".to_owned() };
        vec![Field { name: "town".into(), values: (0..n).map(value).collect() }]
    };
    before.user_fields = towns(6);
    before.profiles = UserProfiles::of(&before.user_fields, n).into();
    let catalog = Catalog::of(&before);
    let of = |dataset: &segue_data::Dataset, raw: &str| {
        let histories = DatasetHistories::new(&catalog, dataset).expect("the same items");
        let values = histories.known(raw, None).unwrap().profile;
        values.iter().map(|&value| catalog.attributes().name(value).unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((of(&before, "u1"), of(&before, "u20")), (vec!["Ulm".to_owned()], vec!["Graz".to_owned()]));
    // Now most live in Ulm, which would come first among this data set's own values.
    let mut after = before.clone();
    after.user_fields = towns(18);
    after.profiles = UserProfiles::of(&after.user_fields, n).into();
    assert_ne!(after.profiles.attributes(), before.profiles.attributes());
    assert_eq!((of(&after, "u1"), of(&after, "u20")), (vec!["Ulm".to_owned()], vec!["Graz".to_owned()]));
}
