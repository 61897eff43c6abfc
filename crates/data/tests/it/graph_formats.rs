//! Formats that hold facts: each has its own order of head, relation and tail.

use segue_data::import::Format;

use crate::files::{Folder, events, run};

fn named_triples(imported: &segue_data::import::Imported) -> Vec<String> {
    let graph = imported.dataset.graph.as_ref().unwrap();
    let name = |triple: &segue_data::Triple| {
        let entity = |at: segue_data::EntityIdx| graph.entities.raw(at.0).unwrap().to_owned();
        format!(
            "{} {} {}",
            entity(triple.head),
            graph.relations.raw(triple.relation.0).unwrap(),
            entity(triple.tail)
        )
    };
    graph.triples.iter().map(name).collect()
}

#[test]
fn kgat_and_openke_order_their_triples_differently() {
    let kgat = Folder::new();
    kgat.file("train.txt", "0 0 1\n1 1\n");
    kgat.file("test.txt", "0 2\n1\n");
    kgat.file("kg_final.txt", "0 1 3\n2 0 3\n");
    kgat.file("item_list.txt", "org_id remap_id freebase_id\nB0 0 m.0\nB1 1 m.1\nB2 2 m.2\n");
    kgat.file("entity_list.txt", "org_id remap_id\nm.0 0\nm.1 1\nm.2 2\nm.3 3\n");
    kgat.file("relation_list.txt", "org_id remap_id\nr.zero 0\nr.one 1\n");
    let mut options = kgat.options("");
    options.sources[0].domain = Some("d".into());
    let imported = run(&options).unwrap();
    assert_eq!(imported.reports[0].format, Format::Kgat);
    assert_eq!(named_triples(&imported), ["m.0 r.one m.3", "m.2 r.zero m.3"]);
    assert_eq!(events(&imported), ["0 B0 0 1 d", "0 B1 0 1 d", "0 B2 0 1 d", "1 B1 0 1 d"]);
    assert_eq!(imported.dataset.published_split, [0, 0, 2, 0]);
    assert_eq!(imported.dataset.graph.as_ref().unwrap().links.len(), 2);
    let openke = Folder::new();
    openke.file("entity2id.txt", "4\nm.0\t0\nm.1\t1\nm.2\t2\nm.3\t3\n");
    openke.file("relation2id.txt", "2\nr.zero\t0\nr.one\t1\n");
    // Head, tail, relation.
    openke.file("train2id.txt", "1\n0 3 1\n");
    openke.file("test2id.txt", "1\n2 3 0\n");
    let imported = run(&openke.options("")).unwrap();
    assert_eq!(imported.reports[0].format, Format::Openke);
    assert_eq!(named_triples(&imported), ["m.0 r.one m.3", "m.2 r.zero m.3"]);
}

#[test]
fn triples_alone_and_beside_events_are_read_as_head_relation_tail() {
    let alone = Folder::new();
    alone.file("train.txt", "Q1\tP1\tQ2\nQ2\tP1\tQ3\n");
    alone.file("test.txt", "Q1\tP2\tQ3\n");
    alone.file("test_negatives.txt", "Q1\tP2\tQ9\n");
    let imported = run(&alone.options("")).unwrap();
    assert_eq!(imported.reports[0].format, Format::Triples);
    assert_eq!(named_triples(&imported), ["Q1 P2 Q3", "Q1 P1 Q2", "Q2 P1 Q3"]);
    let beside = Folder::new();
    beside.file("user_artists.dat", "userID\tartistID\tweight\n2\t51\t13883\n2\t52\t7\n");
    beside.file("kg.txt", "0\tmusic.origin\t9\n");
    beside.file("item_index2entity_id.txt", "51\t0\n52\t1\n");
    beside.file("artist_dbpedia.tsv", "51\tdbpedia:X\n");
    let imported = run(&beside.options("")).unwrap();
    let graph = imported.dataset.graph.as_ref().unwrap();
    assert_eq!((graph.triples.len(), graph.links.len(), imported.dataset.sequences.n_events()), (1, 2, 2));
    assert_eq!(imported.reports[0].unused.len(), 1);
}
