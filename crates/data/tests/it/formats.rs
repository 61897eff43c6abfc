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
