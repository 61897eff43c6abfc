//! Every known layout imports as its publisher means it.

use segue_data::import::{DomainGroup, Format, sniff};

use crate::files::{Folder, events, run};

const RECBOLE_INTER: &str = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n\
    1\ta\t3\t881250949\n1\tb\t4\t881250950\n2\ta\t5\t881250951\n2\tc\t1\t881250940\n";
const RECBOLE_ITEM: &str = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n\
    a\tToy Story\t1995\tAnimation Children's Comedy\nb\tHeat\t1995\tAction Crime Comedy\nc\t\t\t\n";

fn recbole() -> Folder {
    let folder = Folder::new();
    folder.file("ml.inter", RECBOLE_INTER);
    folder.file("ml.item", RECBOLE_ITEM);
    folder.file("ml.user", "user_id:token\tage:token\n1\t24\n2\t53\n3\t99\n");
    folder.file("ml.kg", "head_id:token\trelation_id:token\ttail_id:token\nm.1\tfilm.actor\tm.2\n");
    folder.file("ml.link", "item_id:token\tentity_id:token\na\tm.1\nzzz\tm.9\n");
    folder
}

#[test]
fn a_recbole_folder_brings_events_items_users_and_graph() {
    let folder = recbole();
    let imported = run(&folder.options("")).unwrap();
    let dataset = &imported.dataset;
    assert_eq!(imported.reports[0].format, Format::Recbole);
    assert_eq!((dataset.users.len(), dataset.n_items(), dataset.sequences.n_events()), (3, 3, 4));
    let a = dataset.items.get(segue_data::DomainIdx(0), "a").unwrap();
    assert_eq!(dataset.items.label(a), "Toy Story");
    assert_eq!(dataset.items.field("release_year").unwrap().values[a.at()], "1995");
    assert_eq!(dataset.user_fields[0].values, ["24", "53", "99"]);
    let graph = dataset.graph.as_ref().unwrap();
    assert_eq!((graph.triples.len(), graph.links.len()), (1, 1));
    assert_eq!(imported.built.n_links_without_item, 1);
}

#[test]
fn an_item_goes_to_the_group_with_most_of_its_genres() {
    let folder = recbole();
    let mut options = folder.options("");
    options.domain_by = Some("genre".into());
    let group = |name: &str, values: &[&str]| DomainGroup {
        name: name.into(),
        values: values.iter().map(|&value| value.into()).collect(),
    };
    options.domain_groups =
        vec![group("tense", &["action", "Crime"]), group("family", &["Animation", "Children's", "Comedy"])];
    let imported = run(&options).unwrap();
    let names: Vec<&str> = imported.dataset.domains.iter().map(|domain| domain.name.as_str()).collect();
    assert_eq!(names, ["tense", "family", "other"]);
    assert_eq!(
        events(&imported),
        [
            "1 a 881250949 3 family",
            "1 b 881250950 4 tense",
            "2 a 881250951 5 family",
            "2 c 881250940 1 other"
        ]
    );
    assert_eq!(imported.dataset.graph.as_ref().unwrap().links.len(), 1);
    options.domain_groups.push(group("none", &["Western"]));
    assert!(run(&options).unwrap_err().to_string().contains("no item belongs to the group `none`"));
    options.domain_groups.clear();
    options.domain_by = Some("genre-typo".into());
    assert!(run(&options).unwrap_err().to_string().contains("name a column"));
}

#[test]
fn every_movielens_release_gives_the_same_events() {
    let expected = ["1 10 978300760 5 m", "1 20 978302109 3 m", "2 10 978301968 4 m"];
    let rows = [["1", "10", "5", "978300760"], ["1", "20", "3", "978302109"], ["2", "10", "4", "978301968"]];
    let joined = |separator: &str| rows.map(|row| row.join(separator)).join("\n") + "\n";
    let flags = |genre: usize| (0..19).map(|at| if at == genre { "|1" } else { "|0" }).collect::<String>();
    let latin1 = [b"10|Caf\xe9 (1995)|01-Jan-1995||http://x".as_slice(), flags(5).as_bytes(), b"\n"].concat();
    let folder = Folder::new();
    for name in ["100k", "1m", "latest"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    folder.file("100k/u.data", joined("\t"));
    folder.file("100k/u.item", latin1);
    folder.file("100k/u.user", "1|24|M|technician|85711\n2|53|F|other|94043\n");
    folder.file("1m/ratings.dat", joined("::"));
    folder.file("1m/movies.dat", b"10::Caf\xe9 (1995)::Comedy\n20::Heat (1995)::Action|Crime\n");
    folder.file("1m/users.dat", "1::F::1::10::48067\n2::M::56::16::70072\n");
    folder.file("latest/ratings.csv", format!("userId,movieId,rating,timestamp\n{}", joined(",")));
    folder.file(
        "latest/movies.csv",
        "movieId,title,genres\n10,\"Café (1995)\",Comedy\n20,\"Heat, The\",Action\n",
    );
    for name in ["100k", "1m", "latest"] {
        let mut options = folder.options(name);
        options.sources[0].domain = Some("m".into());
        let imported = run(&options).unwrap();
        assert_eq!(imported.reports[0].format, Format::Movielens, "{name}");
        assert_eq!(events(&imported), expected, "{name}");
        let dataset = &imported.dataset;
        let ten = dataset.items.get(segue_data::DomainIdx(0), "10").unwrap();
        assert_eq!(dataset.items.label(ten), "Café (1995)", "{name}");
        assert_eq!(dataset.items.field("genres").unwrap().values[ten.at()], "Comedy", "{name}");
        if name != "latest" {
            assert!(dataset.user_fields.iter().any(|field| field.name == "occupation"), "{name}");
        }
        options.domain_by = Some("genres".into());
        let domains = run(&options).unwrap().dataset.domains;
        assert!(domains.iter().any(|domain| domain.name == "Comedy"), "{name}: {domains:?}");
    }
}

#[test]
fn generic_tables_are_read_whatever_their_separator_and_names() {
    let folder = Folder::new();
    let expected =
        ["ann b1 1573634217 4.5 events", "ann b2 1573634218 1 events", "bob b1 1573634219 2 events"];
    folder.file(
        "events.csv",
        "user,item,rating,timestamp\nann,b1,4.5,1573634217\nann,b2,1,1573634218\nbob,b1,2,1573634219\n",
    );
    folder.file("events.tsv", "Item ID\tUser-ID\tscore\tdate\nb1\tann\t4.5\t2019-11-13T08:36:57Z\nb2\tann\t1\t2019-11-13T08:36:58Z\nb1\tbob\t2\t2019-11-13T08:36:59Z\n");
    folder.file("events.jsonl", "{\"userId\":\"ann\",\"sku\":\"b1\",\"stars\":4.5,\"ts\":1573634217000}\n{\"userId\":\"ann\",\"sku\":\"b2\",\"stars\":1,\"ts\":1573634218000}\n{\"userId\":\"bob\",\"sku\":\"b1\",\"stars\":2,\"ts\":1573634219000}\n");
    folder.file(
        "events.txt",
        "ann;b1;4,5;13.11.2019 08:36:57\nann;b2;1;13.11.2019 08:36:58\nbob;b1;2;13.11.2019 08:36:59\n",
    );
    for name in ["events.csv", "events.tsv", "events.jsonl", "events.txt"] {
        let options = folder.options(name);
        let report = sniff(&options.sources[0], &options).unwrap();
        assert_eq!(report.tables[0].samples.len(), 3, "{name}");
        assert_eq!(events(&run(&options).unwrap()), expected, "{name}: {report:#?}");
    }
}

fn domain_label(imported: &segue_data::import::Imported, domain: &str, raw: &str) -> String {
    let dataset = &imported.dataset;
    let domain = dataset.domain(domain).unwrap();
    dataset.items.label(dataset.items.get(domain, raw).unwrap()).to_owned()
}

#[test]
fn every_era_of_amazon_reviews_gives_the_same_events() {
    let expected = [
        "A2SUAM1J3GNN3B 0000013714 1378598400 5 Books",
        "A2SUAM1J3GNN3B B000F9SO12 1378598401 3 Books",
        "APOYTXLE4CTKLP 0000013714 1378598402 4 Books",
    ];
    let rows = expected.map(|row| row.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let with = |row: &dyn Fn(&[String]) -> String| rows.iter().map(|cells| row(cells)).collect::<String>();
    let folder = Folder::new();
    let eras = [
        ("ratings_Books.csv", with(&|r| format!("{},{},{}.0,{}\n", r[0], r[1], r[3], r[2]))),
        // 2018 has the item first.
        ("Books.csv", with(&|r| format!("{},{},{}.0,{}\n", r[1], r[0], r[3], r[2]))),
        (
            "Books.csv.gz",
            "user_id,parent_asin,rating,timestamp\n".to_owned()
                + &with(&|r| format!("{},{},{}.0,{}000\n", r[0], r[1], r[3], r[2])),
        ),
        (
            "reviews_Books_5.json",
            with(&|r| {
                format!(
                    "{{\"reviewerID\": \"{}\", \"asin\": \"{}\", \"reviewerName\": \"J. \\\"M\\\"\", \"helpful\": [0, 0], \
                     \"overall\": {}.0, \"summary\": \"s\", \"unixReviewTime\": {}, \"reviewTime\": \"09 13, 2009\"}}\n",
                    r[0], r[1], r[3], r[2]
                )
            }),
        ),
        (
            "Books.jsonl",
            with(&|r| {
                format!(
                    "{{\"rating\": {}.0, \"title\": \"Great\", \"text\": \"t\", \"images\": [], \"asin\": \"variant\", \
                     \"parent_asin\": \"{}\", \"user_id\": \"{}\", \"timestamp\": {}123, \"verified_purchase\": true}}\n",
                    r[3], r[1], r[0], r[2]
                )
            }),
        ),
    ];
    for (name, text) in eras {
        folder.file(name, text);
        let imported = run(&folder.options(name)).unwrap();
        assert_eq!(imported.reports[0].format, Format::Amazon, "{name}");
        assert_eq!(events(&imported), expected, "{name}");
        assert!(imported.dataset.items.fields().is_empty(), "{name}: review texts are not item texts");
    }
}

#[test]
fn amazon_descriptions_join_their_ratings_by_name() {
    let folder = Folder::new();
    folder.file("Books.csv", "A2SUAM1J3GNN3B,0000013714,5.0,1378598400\n");
    folder.file("Music.csv", "A2SUAM1J3GNN3B,B000F9SO12,5.0,1378598400\n");
    folder.file(
        "meta_Books.jsonl",
        "{\"main_category\": \"Books\", \"title\": \"Dune\", \"average_rating\": 4.5, \"features\": [\"Thick\", \"Old\"], \
         \"description\": [], \"price\": null, \"images\": [{\"thumb\": \"x\"}], \"store\": \"Herbert\", \
         \"categories\": [\"Books\", \"Sci-Fi\"], \"parent_asin\": \"0000013714\"}\n",
    );
    // 2014: Python literals.
    folder.file(
        "meta_Music.json",
        "{'asin': 'B000F9SO12', 'title': \"Rock 'n' Roll\", 'categories': [['Music', 'Rock']], 'price': 9.5, 'related': {'also': ['x']}}\n",
    );
    let mut options = folder.options("Books.csv");
    options.sources = ["Books.csv", "Music.csv", "meta_Books.jsonl", "meta_Music.json"]
        .map(|name| crate::files::source(&folder.path().join(name)))
        .to_vec();
    let imported = run(&options).unwrap();
    assert_eq!(domain_label(&imported, "Books", "0000013714"), "Dune");
    assert_eq!(domain_label(&imported, "Music", "B000F9SO12"), "Rock 'n' Roll");
    let items = &imported.dataset.items;
    let names: Vec<&str> = items.fields().iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["main_category", "title", "features", "description", "brand", "categories"]);
    assert_eq!(items.field("categories").unwrap().values, ["Books, Sci-Fi", "Music, Rock"]);
    options.domain_by = Some("categories".into());
    let imported = run(&options).unwrap();
    assert_eq!(domain_label(&imported, "Books", "0000013714"), "Dune");
}

#[test]
fn s3rec_lists_keep_their_order_and_bring_attributes() {
    let folder = Folder::new();
    folder.file("Beauty.txt", "1 9 3 5 3\n2 7\n3 3 9\n");
    folder.file("Beauty_item2attributes.json", "{\"9\": [1, 2], \"3\": [4], \"77\": []}");
    let imported = run(&folder.options("Beauty.txt")).unwrap();
    let dataset = &imported.dataset;
    assert_eq!(imported.reports[0].format, Format::S3rec);
    let raw: Vec<&str> = dataset.sequences.row(0).iter().map(|event| dataset.items.raw(event.item)).collect();
    assert_eq!(raw, ["9", "3", "5", "3"]);
    assert!(!dataset.has_timestamps);
    let domain = dataset.domain("Beauty").unwrap();
    let nine = dataset.items.get(domain, "9").unwrap();
    assert_eq!(dataset.items.field("attributes").unwrap().values[nine.at()], "1 2");
    assert_eq!(dataset.n_items(), 5);
}

#[test]
fn abxi_items_get_their_raw_ids_and_domains_back() {
    let folder = Folder::new();
    folder.file("afk_50_preprocessed.txt", "0 1|100 2|100 3|200\n1 3|50 9|60\n2 2|70\n");
    folder.file("afk_map_item_50.json", "{\"F1\": [1, 0], \"F2\": [2, 0], \"K3\": [3, 1], \"K4\": [4, 1]}");
    folder.file("other_map_item_50.json", "{}");
    let mut options = folder.options("afk_50_preprocessed.txt");
    options.max_bad_share = 0.4;
    let imported = run(&options).unwrap();
    assert_eq!(imported.skipped[0].line, 2, "item 9 is not in the map");
    assert_eq!(
        events(&imported),
        ["0 F1 100 1 domain-0", "0 F2 100 1 domain-0", "0 K3 200 1 domain-1", "2 F2 70 1 domain-0"]
    );
    assert_eq!((imported.dataset.n_items(), imported.built.n_ties), (4, 1));
    options.domain_by = Some("domain".into());
    let group = |name: &str, value: &str| DomainGroup { name: name.into(), values: vec![value.into()] };
    options.domain_groups = vec![group("food", "0"), group("kitchen", "1")];
    let names: Vec<String> =
        run(&options).unwrap().dataset.domains.into_iter().map(|domain| domain.name).collect();
    assert_eq!(names, ["food", "kitchen"]);
}

#[test]
fn minionerec_histories_give_every_event_once_with_its_split() {
    let folder = Folder::new();
    folder.file("train.tsv", "user_id\tsequence\nA\t1 2\n");
    folder.file("train_valid.tsv", "user_id\tsequence\nA\t1 2 3\nB\t4\n");
    folder.file("valid.tsv", "user_id\thistory\ttarget\nA\t1 2\t3\n");
    folder.file("test.tsv", "user_id\thistory\ttarget\nA\t2 3\t4\nA\t3 4\t5\nB\t4\t1\nC\t5\t2\n");
    folder.file(
        "items.jsonl",
        "{\"item_id\": 1, \"title\": \"One\", \"brand\": \"B\"}\n{\"item_id\": 9, \"title\": \"Nine\"}\n",
    );
    let mut options = folder.options("");
    options.sources[0].domain = Some("office".into());
    let imported = run(&options).unwrap();
    let dataset = &imported.dataset;
    assert_eq!(imported.reports[0].format, Format::Minionerec);
    assert_eq!(domain_label(&imported, "office", "1"), "One");
    let row = |user: &str| -> Vec<(String, u8)> {
        let at = dataset.users.get(user).unwrap() as usize;
        let range = dataset.sequences.offsets()[at]..dataset.sequences.offsets()[at + 1];
        let item = |at: usize| dataset.items.raw(dataset.sequences.events()[at].item).to_owned();
        range.map(|at| (item(at), dataset.published_split[at])).collect()
    };
    let pairs = |text: &str| -> Vec<(String, u8)> {
        text.split(' ').map(|pair| (pair[..1].to_owned(), pair[2..].parse().unwrap())).collect()
    };
    assert_eq!(row("A"), pairs("1/0 2/0 3/1 4/2 5/2"));
    assert_eq!(row("B"), pairs("4/0 1/2"));
    assert_eq!(row("C"), pairs("5/0 2/2"));
}

#[test]
fn llmcdsr_tables_have_domains_and_a_split() {
    let folder = Folder::new();
    folder.file(
        "items.tsv",
        "item_id\tdomain\tasin\ttitle\n0\tfood\tF0\tTea\n1\tfood\tF1\tJam\n2\tkitchen\tK2\tPot\n",
    );
    folder.file(
        "sequences.tsv",
        "user_id\tsplit\titems\ntrain_A_1\ttrain_A\t0 1\ntrain_B_1\ttrain_B\t2\nvalid_1\tvalid\t0 2 1\ntest_1\ttest\t2 0\n",
    );
    let imported = run(&folder.options("")).unwrap();
    let dataset = &imported.dataset;
    assert_eq!(imported.reports[0].format, Format::Llmcdsr);
    assert_eq!((dataset.users.len(), dataset.domains.len(), dataset.n_items()), (4, 2, 3));
    assert_eq!(domain_label(&imported, "kitchen", "2"), "Pot");
    assert_eq!(dataset.published_split, [0, 0, 0, 0, 0, 1, 0, 2]);
    assert!(dataset.items.field("asin").is_some() && dataset.items.field("domain").is_none());
}

#[test]
fn sequential_recbole_files_give_every_event_once() {
    let folder = Folder::new();
    let head = "user_id:token\titem_id_list:token_seq\titem_id:token\n";
    // Histories of at most three, the longest first.
    folder.file("s.train.inter", format!("{head}u\t2 3 4\t5\nu\t1 2 3\t4\nu\t1 2\t3\nu\t1\t2\nv\t7\t8\n"));
    folder.file("s.valid.inter", format!("{head}u\t3 4 5\t6\nv\t7 8\t9\n"));
    folder.file("s.test.inter", format!("{head}u\t4 5 6\t1\nv\t8\t1\nv\t7 8 9\t2\nw\t1 9\t3\n"));
    let mut options = folder.options("");
    options.max_bad_share = 0.3;
    let imported = run(&options).unwrap();
    let dataset = &imported.dataset;
    let row = |user: &str| -> String {
        let at = dataset.users.get(user).unwrap() as usize;
        let range = dataset.sequences.offsets()[at]..dataset.sequences.offsets()[at + 1];
        let event = |at: usize| {
            let item = dataset.items.raw(dataset.sequences.events()[at].item);
            format!("{item}/{}", dataset.published_split[at])
        };
        range.map(event).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("u"), "1/0 2/0 3/0 4/0 5/0 6/1 1/2");
    assert_eq!(row("v"), "7/0 8/0 9/1 2/2");
    assert_eq!(row("w"), "1/0 9/0 3/2");
    assert_eq!((imported.n_skipped(), imported.skipped[0].line), (1, 3));
}

#[test]
fn files_whose_ids_do_not_meet_are_warned_about() {
    let folder = Folder::new();
    let events = folder.file("e.csv", "user,item\na,1\nb,2\n");
    let items = folder.file("names.csv", "item_id,title\nB0,One\nB1,Two\n");
    let mut options = folder.options("e.csv");
    options.sources = vec![crate::files::source(&events), crate::files::source(&items)];
    let warnings = run(&options).unwrap().warnings.join("\n");
    assert!(warnings.contains("none of the 2 items with text has an event"), "{warnings}");
    options.min_rating = Some(3.0);
    assert!(run(&options).unwrap_err().to_string().contains("no table has a rating column"));
}
