//! The MIND layout, on rows as its publisher writes them.

use segue_data::import::{DomainGroup, Format, Imported, SkipReason, import_to, sniff};
use segue_data::{ItemGraph, store};

use crate::files::{Folder, events, run, source};

const MUSK: &str = r#"{"Label": "Elon Musk", "Type": "P", "WikidataId": "Q317521", "Confidence": 0.99, "OccurrenceOffsets": [0], "SurfaceForms": ["Musk"]}"#;
const TESLA: &str = r#"{"Label": "Tesla, Inc.", "Type": "O", "WikidataId": "Q478214", "Confidence": 1.0, "OccurrenceOffsets": [9]}"#;

fn article(id: &str, categories: [&str; 2], title: &str, entities: [&str; 2]) -> String {
    let [category, subcategory] = categories;
    let [in_title, in_abstract] = entities;
    format!(
        "{id}\t{category}\t{subcategory}\t{title}\tAbstract of {id}\t{id}.html\t{in_title}\t{in_abstract}\n"
    )
}

fn news() -> String {
    [
        article(
            "N1",
            ["news", "newsus"],
            "\"Musk\" builds",
            [&format!("[{MUSK}]"), &format!("[{TESLA}, {MUSK}]")],
        ),
        article("N2", ["news", "newsworld"], "Cars 5\" long", ["[]", &format!("[{TESLA}]")]),
        article("N3", ["sports", "golf"], "Open", ["", "[]"]),
        article("N4", ["sports", "golf"], "Closed", ["[]", "[]"]),
    ]
    .concat()
}

const BEHAVIORS: &str = "1\tU1\t11/11/2019 9:05:58 AM\tN2 N3 N2\tN1-1 N4-0 N3-0\n\
    2\tU2\t11/12/2019 6:11:30 PM\t\tN3-0 N4-1 N99-1\n\
    3\tU1\t11/12/2019 12:00:00 AM\tN2 N3 N2\tN4-1\n";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("news.tsv", news());
    folder.file("behaviors.tsv", BEHAVIORS);
    folder.file("entity_embedding.vec", "Q317521\t0.1\t0.2\n");
    folder
}

fn imported(folder: &Folder) -> Imported {
    let mut options = folder.options("");
    options.sources[0].domain = Some("news".into());
    run(&options).unwrap()
}

#[test]
fn clicks_have_their_time_and_a_history_stands_once_before_the_first_impression() {
    let folder = folder();
    let imported = imported(&folder);
    let dataset = &imported.dataset;
    assert_eq!(imported.reports[0].format, Format::Mind);
    assert_eq!(imported.reports[0].unused.len(), 1, "vectors are not read");
    assert_eq!(
        events(&imported),
        [
            "U1 N1 1573463158 1 news",
            "U1 N2 1573463157 1 news",
            "U1 N2 1573463157 1 news",
            "U1 N3 1573463157 1 news",
            "U1 N4 1573516800 1 news",
            "U2 N4 1573582290 1 news",
            "U2 N99 1573582290 1 news",
        ]
    );
    assert_eq!(dataset.event_kinds, ["click", "earlier click"]);
    let row = dataset.sequences.row(dataset.users.get("U1").unwrap() as usize);
    let order: Vec<(&str, u8)> =
        row.iter().map(|event| (dataset.items.raw(event.item), event.kind)).collect();
    assert_eq!(order, [("N2", 1), ("N3", 1), ("N2", 1), ("N1", 0), ("N4", 0)]);
    let counts = imported.counts;
    assert_eq!((counts.n_rows, imported.n_skipped()), (7, 0));
    assert_eq!((counts.n_undated, counts.n_not_chosen, counts.n_undescribed), (3, 3, 1));
    let warnings = imported.warnings.join("\n");
    for said in ["3 events of histories", "3 items were shown and not clicked", "1 events are of items"] {
        assert!(warnings.contains(said), "`{said}` is not in: {warnings}");
    }
}

#[test]
fn articles_bring_texts_and_facts_with_names() {
    let folder = folder();
    let imported = imported(&folder);
    let dataset = &imported.dataset;
    let items = &dataset.items;
    let names: Vec<&str> = items.fields().iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["category", "subcategory", "title", "description"]);
    let one = items.get(dataset.domain("news").unwrap(), "N1").unwrap();
    assert_eq!(items.label(one), "\"Musk\" builds");
    assert_eq!(items.field("description").unwrap().values[one.at()], "Abstract of N1");
    let raw = dataset.graph.as_ref().unwrap();
    assert_eq!((raw.triples.len(), raw.links.len()), (3, 2), "an entity of title and abstract is one fact");
    let graph = ItemGraph::of(dataset).unwrap();
    let said: Vec<String> = graph
        .edges(graph.entity_of(one).unwrap())
        .iter()
        .map(|edge| {
            format!("{} {}", graph.relation_words(edge.relation), graph.name(edge.to, items).unwrap())
        })
        .collect();
    assert_eq!(said, ["mentions Elon Musk", "mentions Tesla, Inc.", "category news"]);
}

#[test]
fn what_was_imported_reads_back_with_the_names_of_entities() {
    let folder = folder();
    let (dir, mut options) = (folder.path().join("out"), folder.options(""));
    options.sources[0].domain = Some("news".into());
    let (imported, head) = import_to(&options, &dir, &mut |_| {}).unwrap();
    assert_eq!(head.import["n_not_chosen"].as_integer(), Some(3));
    assert_eq!(head.import["n_undated"].as_integer(), Some(3));
    let (dataset, _) = store::read(&dir).unwrap();
    let (written, read) = (imported.dataset.graph.unwrap(), dataset.graph.unwrap());
    assert_eq!(written.labels, read.labels);
    assert_eq!(read.labels.len(), read.entities.len());
    let tesla = read.entities.get("Q478214").unwrap();
    assert_eq!(read.labels[tesla as usize], "Tesla, Inc.");
}

#[test]
fn the_parts_of_mind_are_one_domain_in_which_no_event_is_twice() {
    let (train, dev) = (folder(), Folder::new());
    let five = article("N5", ["news", "newsus"], "Later", ["[]", "[]"]);
    dev.file("news.tsv", news() + &five);
    dev.file(
        "behaviors.tsv",
        "1\tU1\t11/15/2019 8:00:00 AM\tN2 N3 N2 N1 N4 N5\tN3-1\n2\tU3\t11/15/2019 8:00:00 AM\tN1\tN2\n",
    );
    for paths in [[train.path(), dev.path()], [dev.path(), train.path()]] {
        let mut options = train.options("");
        options.sources = paths.iter().map(|path| source(path)).collect();
        options.sources.iter_mut().for_each(|source| source.domain = Some("news".into()));
        let imported = run(&options).unwrap();
        assert_eq!(imported.dataset.domains.len(), 1);
        let of = |user: &str| -> Vec<String> {
            events(&imported).into_iter().filter(|event| event.starts_with(user)).collect()
        };
        assert_eq!(of("U1").len(), 7, "{:?}", of("U1"));
        assert!(of("U1").contains(&"U1 N5 1573804799 1 news".to_owned()), "{:?}", of("U1"));
        assert_eq!(of("U3"), ["U3 N1 1573804799 1 news"]);
        assert_eq!(imported.counts.n_not_known_chosen, 1);
        assert_eq!(imported.built.n_duplicate_items, 4);
        assert_eq!(imported.dataset.graph.as_ref().unwrap().triples.len(), 3, "facts of a repeated article");
    }
}

#[test]
fn categories_cut_the_articles_into_domains() {
    let folder = folder();
    let mut options = folder.options("");
    options.domain_by = Some("category".into());
    let imported = run(&options).unwrap();
    let mut names: Vec<&str> = imported.dataset.domains.iter().map(|domain| domain.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["news", "other", "sports"]);
    assert!(events(&imported).contains(&"U2 N99 1573582290 1 other".to_owned()));
    let group = |name: &str, value: &str| DomainGroup { name: name.into(), values: vec![value.into()] };
    options.domain_groups = vec![group("play", "sports"), group("world", "news")];
    let imported = run(&options).unwrap();
    assert!(events(&imported).contains(&"U1 N4 1573516800 1 play".to_owned()));
    assert_eq!(imported.dataset.graph.as_ref().unwrap().links.len(), 2);
}

#[test]
fn broken_rows_cost_themselves_and_are_named_with_their_line() {
    let folder = folder();
    let broken = [
        article("N6", ["a", "b"], "cut", ["[{\"Label\": \"Elon", "[]"]),
        article("N7", ["a", "b"], "no id", ["[{\"Label\": \"Elon\"}]", "[]"]),
        article("N8", ["a", "b"], "empty id", ["[{\"WikidataId\": \"\"}]", "[]"]),
        article("N9", ["a", "b"], "an object", ["{}", "[]"]),
        "N10\ta\tb\ttitle\n".to_owned(),
        article("", ["a", "b"], "no news id", ["[]", "[]"]),
    ];
    let texts = (11..40).map(|n| article(&format!("N{n}"), ["a", "b"], "good", ["[]", "[]"]));
    folder.file("news.tsv", news() + &broken.concat() + &texts.collect::<String>());
    let rows = [
        "4\tU1\t11/13/2019 9:05:58 AM\tN2",
        "5\t\t11/13/2019 9:05:58 AM\tN2\tN1-1",
        "6\tU1\tyesterday\tN2\tN1-1",
        "7\tU1\t11/13/2019 9:05:58 AM\tN2\t",
        "8\tU1\t11/13/2019 9:05:58 AM\tN2\tN1-1 N2-2",
        "9\tU1\t11/13/2019 9:05:58 AM\tN2\tN1-",
        "10\tU1\t13/13/2019 9:05:58 AM\tN2\tN1-1",
    ];
    let good = (11..40).map(|n| format!("{n}\tU{n}\t11/13/2019 9:05:58 AM\tN2\tN{n}-1"));
    folder.file(
        "behaviors.tsv",
        BEHAVIORS.to_owned()
            + &rows.map(str::to_owned).into_iter().chain(good).collect::<Vec<_>>().join("\n"),
    );
    let imported = imported(&folder);
    let of = |file: &str| -> Vec<(u64, SkipReason)> {
        let skipped = imported.skipped.iter().filter(|row| row.file.ends_with(file));
        skipped.map(|row| (row.line, row.reason)).collect()
    };
    assert_eq!(
        of("news.tsv"),
        [
            (5, SkipReason::BadEntities),
            (6, SkipReason::BadEntities),
            (7, SkipReason::BadEntities),
            (8, SkipReason::BadEntities),
            (9, SkipReason::ColumnCount),
            (10, SkipReason::NoItem),
        ]
    );
    assert_eq!(
        of("behaviors.tsv"),
        [
            (4, SkipReason::ColumnCount),
            (5, SkipReason::NoUser),
            (6, SkipReason::BadTime),
            (7, SkipReason::NoItem),
            (8, SkipReason::BadImpression),
            (9, SkipReason::BadImpression),
            (10, SkipReason::BadTime),
        ]
    );
    assert_eq!(imported.counts.n_not_chosen, 3, "bad rows say nothing");
    assert_eq!(imported.dataset.sequences.n_events(), 7 + 2 * 29);
}

#[test]
fn a_folder_that_is_not_whole_or_mostly_broken_is_refused() {
    let folder = Folder::new();
    folder.file("news.tsv", news());
    let error = run(&folder.options("")).unwrap_err().to_string();
    assert!(error.contains("there is no behaviors.tsv") && error.contains("hint: "), "{error}");
    folder.file("behaviors.tsv", "1\tU1\t11/11/2019 9:05:58 AM\tN2\tN1-x\n");
    let error = run(&folder.options("")).unwrap_err().to_string();
    assert!(
        error.contains("behaviors.tsv") && error.contains("line 1") && error.contains("N1-1 N2-0"),
        "{error}"
    );
    let alone = folder.options("news.tsv");
    assert!(run(&alone).unwrap_err().to_string().contains("name the folder"));
}

#[test]
fn a_look_shows_columns_and_rows() {
    let folder = folder();
    let options = folder.options("");
    let report = sniff(&options.sources[0], &options).unwrap();
    let roles: Vec<String> = report.tables[1].columns.iter().map(|column| column.role.in_words()).collect();
    assert_eq!(roles, ["–", "user", "time", "history", "shown items"]);
    assert_eq!(report.tables[1].samples[1][3..], ["", "N3-0 N4-1 N99-1"]);
    assert_eq!(report.tables[0].samples[0][3], "\"Musk\" builds");
}
