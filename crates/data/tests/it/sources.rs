//! Several sources in one data set.

use segue_data::import::{Source, domain_name, import_to};
use segue_data::store;

use crate::files::{Folder, events, good, run};

fn two() -> (Folder, segue_data::import::ImportOptions) {
    let folder = Folder::new();
    folder.file("books.csv", "user,item,rating,time\nann,1,5,100\nbob,2,4,200\n");
    folder.file("films.csv", "user,item,rating,time\nann,1,3,150\ncid,3,2,250\n");
    folder.file("books_meta.csv", "item_id,title\n1,Dune\n2,Emma\n9,Cold\n");
    let mut options = folder.options("books.csv");
    let source = |name: &str, domain: Option<&str>| Source {
        path: folder.path().join(name),
        domain: domain.map(str::to_owned),
    };
    options.sources =
        vec![source("books.csv", None), source("films.csv", None), source("books_meta.csv", Some("books"))];
    (folder, options)
}

#[test]
fn sources_become_domains_and_users_join_by_raw_id() {
    let (_folder, options) = two();
    let imported = run(&options).unwrap();
    assert_eq!(
        events(&imported),
        ["ann 1 100 5 books", "ann 1 150 3 films", "bob 2 200 4 books", "cid 3 250 2 films"]
    );
    let dataset = &imported.dataset;
    assert_eq!((dataset.users.len(), dataset.n_items()), (3, 5));
    let books = dataset.domain("books").unwrap();
    assert_eq!(dataset.items.label(dataset.items.get(books, "1").unwrap()), "Dune");
    let films = dataset.domain("films").unwrap();
    assert_eq!(dataset.items.label(dataset.items.get(films, "1").unwrap()), "1");
}

#[test]
fn disjoint_users_with_the_same_id_are_different_people() {
    let (_folder, mut options) = two();
    options.disjoint_users = true;
    let imported = run(&options).unwrap();
    let mut users: Vec<&str> = imported.dataset.users.iter().collect();
    users.sort_unstable();
    assert_eq!(users, ["books/ann", "books/bob", "films/ann", "films/cid"]);
}

#[test]
fn events_below_the_minimum_rating_are_counted_and_left_out() {
    let (_folder, mut options) = two();
    options.min_rating = Some(3.5);
    let imported = run(&options).unwrap();
    assert_eq!(imported.counts.n_below_min_rating, 2);
    assert_eq!(imported.dataset.sequences.n_events(), 2);
}

#[test]
fn what_is_written_reads_back_with_its_provenance() {
    let (folder, mut options) = two();
    options.seed = 7;
    let to = folder.path().join("out");
    let mut last = None;
    let (imported, head) = import_to(&options, &to, &mut |progress| last = Some(progress)).unwrap();
    let (dataset, read) = store::read(&to).unwrap();
    assert_eq!(read.data_sha256(), head.data_sha256());
    assert_eq!(dataset.sequences, imported.dataset.sequences);
    assert_eq!(read.seed, 7);
    let files = read.import["files"].as_array().unwrap();
    assert_eq!(files.len(), 3);
    let books = files.iter().find(|file| file["path"].as_str().unwrap().ends_with("books.csv")).unwrap();
    let expected = segue_data::hash::of_file(&folder.path().join("books.csv")).unwrap();
    assert_eq!(books["sha256"].as_str().unwrap(), expected);
    assert_eq!(books["n_rows"].as_integer(), Some(2));
    let last = last.unwrap();
    assert_eq!(last.bytes_done, last.bytes_total);
    assert_eq!(last.rows, 7);
}

#[test]
fn the_same_sources_and_seed_give_the_same_bytes_at_any_number_of_threads() {
    let folder = Folder::new();
    folder.file("e.csv", good(200_000));
    let hash = |n_threads: usize| {
        let to = folder.path().join(format!("out{n_threads}"));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let options = folder.options("e.csv");
        pool.install(|| import_to(&options, &to, &mut |_| {})).unwrap().1.data_sha256()
    };
    let alone = hash(1);
    assert_eq!(hash(2), alone);
    assert_eq!(hash(5), alone);
}

#[test]
fn a_column_of_the_events_cuts_them_into_domains() {
    let folder = Folder::new();
    folder.file("e.csv", "user,item,shop\na,1,north\na,2,south\nb,1,\n");
    let mut options = folder.options("e.csv");
    options.domain_by = Some("shop".into());
    let imported = run(&options).unwrap();
    assert_eq!(events(&imported), ["a 1 0 1 north", "a 2 0 1 south", "b 1 0 1 other"]);
}

#[test]
fn parts_of_a_published_split_are_tagged() {
    let folder = Folder::new();
    let part = |rows: &str| format!("user,item,time\n{rows}");
    folder.file("train.csv", part("a,1,10\nb,2,20\n"));
    folder.file("valid.csv", part("a,2,30\n"));
    folder.file("test.csv", part("a,3,40\n"));
    let dataset = run(&folder.options("")).unwrap().dataset;
    assert_eq!(dataset.sequences.n_events(), 4);
    let ann = dataset.users.get("a").unwrap() as usize;
    let offsets = dataset.sequences.offsets();
    assert_eq!(dataset.published_split[offsets[ann]..offsets[ann + 1]], [0, 1, 2]);
}

#[test]
fn text_columns_of_events_describe_items_when_asked_for() {
    let folder = Folder::new();
    folder.file("e.csv", "user,item,title\na,1,One\nb,1,Other\n");
    let mut options = folder.options("e.csv");
    assert!(run(&options).unwrap().dataset.items.field("title").is_none());
    options.columns.text = vec!["title".into()];
    let dataset = run(&options).unwrap().dataset;
    assert_eq!(dataset.items.field("title").unwrap().values, ["One"]);
}

#[test]
fn a_domain_is_named_after_its_file() {
    for (path, name) in [
        ("/x/Books.csv", "Books"),
        ("ratings_Books.csv.gz", "Books"),
        ("meta_Books.jsonl.zst", "Books"),
        ("reviews_Books_5.json.gz", "Books"),
        ("/x/ml-100k", "ml-100k"),
    ] {
        assert_eq!(domain_name(std::path::Path::new(path)), name);
    }
}

#[test]
fn items_are_linked_to_the_entities_of_their_names_and_it_is_written_down() {
    let (folder, mut options) = two();
    folder.file(
        "graph.tsv",
        "Q1\tlabel\tDune (1965 novel)\nQ1\twritten_by\tFrank_Herbert\nQ2\tlabel\tEmma Brown\nQ2\tkind\tQ3\n",
    );
    options.sources.push(Source { path: folder.path().join("graph.tsv"), domain: None });
    options.link_by_name = Some(0.9);
    let to = folder.path().join("data");
    let (imported, _) = import_to(&options, &to, &mut |_| ()).unwrap();
    let report = imported.name_links.as_ref().unwrap();
    assert_eq!((report.n_linked, report.n_exact, report.n_refused), (1, 1, 1), "{report:?}");
    let (dataset, head) = store::read(&to).unwrap();
    let graph = dataset.graph.unwrap();
    let link = graph.links[0];
    assert_eq!(dataset.items.label(link.item), "Dune");
    assert_eq!(graph.entities.raw(link.entity.0), Some("Q1"));
    let written = head.import["name_links"].as_table().unwrap();
    assert_eq!(written["n_linked"].as_integer(), Some(1));
    assert_eq!(written["refused"][0]["entity"].as_str(), Some("Q2"));
    // Without the wish nothing is linked, and without names there is nothing to link to.
    options.link_by_name = None;
    assert!(run(&options).unwrap().dataset.graph.unwrap().links.is_empty());
    options.link_by_name = Some(0.0);
    assert!(run(&options).unwrap_err().to_string().contains("confidence"));
    options.link_by_name = Some(0.9);
    folder.file("graph.tsv", "Q1\tkind\tQ2\nQ2\tkind\tQ3\n");
    assert!(run(&options).unwrap_err().to_string().contains("no entity of the graph has a name"));
    options.sources.pop();
    assert!(run(&options).unwrap_err().to_string().contains("no graph"));
}
