//! `segue graph`: from facts to a model, figures and completed facts.

use std::fmt::Write;

use crate::command::Folder;

// Every person of a family tree with two children each: parent, child and grandparent.
fn family(folder: &Folder) {
    let mut lines = Vec::new();
    for person in 2..64u32 {
        lines.push(format!("p{}\tparent_of\tp{person}", person / 2));
        lines.push(format!("p{person}\tchild_of\tp{}", person / 2));
        if person > 3 {
            lines.push(format!("p{}\tgrandparent_of\tp{person}", person / 4));
        }
    }
    let held = |at: usize| match at % 11 {
        3 => "valid",
        7 => "test",
        _ => "train",
    };
    std::fs::create_dir_all(folder.join("family")).unwrap();
    for part in ["train", "valid", "test"] {
        let own = lines.iter().enumerate().filter(|(at, _)| held(*at) == part);
        let mut text = String::new();
        own.for_each(|(_, line)| writeln!(text, "{line}").unwrap());
        std::fs::write(folder.join(&format!("family/{part}.txt")), text).unwrap();
    }
}

const SMALL: &str = "--dim 32 --epochs 40 --batch 32";

#[test]
fn a_graph_is_trained_measured_and_completed() {
    let folder = Folder::new("graph");
    family(&folder);
    let said = folder.ok(&format!("graph train family --out model {SMALL}"));
    assert!(said.contains("63 entities, 3 relations") && said.contains("MRR on valid"), "{said}");
    let said = folder.ok("graph evaluate model family --by-relation");
    assert!(said.contains("filtered: MRR") && said.contains("grandparent_of"), "{said}");
    let document = folder.json("graph evaluate model family --by-relation");
    let mrr = document["figures"]["mrr"].as_f64().unwrap();
    assert!(mrr > 0.3, "chance is .08: {mrr}");
    assert_eq!(document["relations"].as_array().unwrap().len(), 3);
    let tails = folder.json("graph predict model --head p5 --relation parent_of --top 63");
    let answers = tails["answers"].as_array().unwrap();
    let of = |id: &str| answers.iter().find(|answer| answer["entity"] == id).unwrap();
    assert_eq!(answers.len(), 63);
    let known = ["train", "valid", "test"];
    assert!(known.iter().any(|part| of("p10")["known"] == *part) && of("p40")["known"].is_null());
    let shares: f64 = answers.iter().map(|answer| answer["probability"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-6, "{shares}");
    let heads = folder.json("graph predict model --tail p10 --relation parent_of --top 63");
    let heads = heads["answers"].as_array().unwrap();
    assert!(heads.iter().any(|answer| answer["entity"] == "p5" && !answer["known"].is_null()));
    let new = folder.json("graph predict model --tail p10 --relation parent_of --top 63 --new");
    assert_eq!(new["answers"].as_array().unwrap().len(), 62);
}

#[test]
fn the_same_seed_writes_the_same_files() {
    let folder = Folder::new("graph-same");
    family(&folder);
    for (model, threads) in [("one", 1), ("two", 2)] {
        folder.ok(&format!(
            "--threads {threads} graph train family --out {model} {SMALL} --dropout 0.1 --seed 3"
        ));
    }
    for file in ["graph.json", "graph.safetensors"] {
        let read = |model: &str| std::fs::read(folder.join(&format!("{model}/{file}"))).unwrap();
        assert!(read("one") == read("two"), "{file}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_remedy() {
    let folder = Folder::new("graph-wrong");
    family(&folder);
    let fails = |code: i32, arguments: &str, part: &str| {
        let message = folder.fails(code, arguments);
        assert!(message.contains(part) && message.contains("hint:"), "{arguments}: {message}");
    };
    fails(2, "graph train family --out m --model complx", "did you mean `complex`?");
    fails(2, "graph train family --out m --dropout 1.5", "dropout must be");
    fails(2, "graph train family --out m --members 0", "--members 0 is outside");
    fails(2, "graph train family --out m --members 4000000", "--members 4000000 is outside");
    fails(2, "graph train family --out family", "exists already");
    fails(1, "graph train nothing --out m", "`nothing`");
    std::fs::write(folder.join("family/extra.txt"), "").unwrap();
    folder.ok(&format!("graph train family --out model {SMALL} --model distmult"));
    fails(1, "graph predict model --head p500 --relation parent_of", "no entity `p500`");
    fails(1, "graph predict model --head p5 --relation parentof", "did you mean `parent_of`?");
    folder.fails(2, "graph predict model --relation parent_of");
    folder.fails(2, "graph predict model --head p1 --tail p2 --relation parent_of");
    std::fs::create_dir_all(folder.join("other")).unwrap();
    for part in ["train", "valid", "test"] {
        std::fs::write(folder.join(&format!("other/{part}.txt")), "q1\tparent_of\tq2\n").unwrap();
    }
    fails(1, "graph evaluate model other", "does not know `q1`");
    std::fs::write(folder.join("other/train.txt"), "q1\tparent_of\n").unwrap();
    fails(1, "graph train other --out m", "train.txt");
}

#[test]
fn members_are_trained_one_after_another_and_measured_as_one() {
    let folder = Folder::new("graph-members");
    family(&folder);
    let document = folder.json("graph train family --out model --dim 8 --epochs 5 --batch 32 --members 3");
    assert_eq!(document["curves"].as_array().unwrap().len(), 3);
    assert_eq!(document["about"]["epochs"].as_array().unwrap().len(), 3);
    assert_eq!(document["config"]["dim"], 24);
    let measured = folder.json("graph evaluate model family --valid");
    assert_eq!(measured["figures"]["mrr"], document["about"]["valid_mrr"]);
}

#[test]
fn a_damaged_model_is_refused() {
    let folder = Folder::new("graph-damaged");
    family(&folder);
    folder.ok(&format!("graph train family --out model {SMALL} --model transe --seed 1"));
    let head = folder.join("model/graph.json");
    let text = std::fs::read_to_string(&head).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        std::fs::write(&head, text.replace(from, to)).unwrap();
        let message = folder.fails(1, "graph evaluate model family");
        assert!(message.contains("hint:"), "{message}");
        std::fs::write(&head, &text).unwrap();
    };
    refused("\"format_version\": 2", "\"format_version\": 1");
    refused("\"n_entities\": 63", "\"n_entities\": 64");
    refused("\"n_relations\": 3", "\"n_relations\": 4294967296");
    refused("\"dim\": 32", "\"dim\": 31");
    refused("\"transe\"", "\"complex\"");
    folder.ok("graph evaluate model family");
    let arrays = folder.join("model/graph.safetensors");
    let mut bytes = std::fs::read(&arrays).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&arrays, bytes).unwrap();
    let message = folder.fails(1, "graph evaluate model family");
    assert!(message.contains("SHA-256"), "{message}");
}

// Films of two studios: what a studio makes has its genre and its language; one film's genre is not told.
fn studio(folder: &Folder) {
    let (mut items, mut events) =
        ("item_id,title,studio,genre,language\n".to_owned(), "user_id,item_id\n".to_owned());
    for film in 0..40 {
        let (studio, genre, language) =
            if film % 2 == 0 { ("Aurora", "western", "English") } else { ("Borealis", "musical", "French") };
        let genre = if film == 6 { "" } else { genre };
        writeln!(items, "f{film},Film number {film},{studio},{genre},{language}").unwrap();
        writeln!(events, "u{},f{film}", film % 7).unwrap();
    }
    std::fs::create_dir_all(folder.join("source")).unwrap();
    std::fs::write(folder.join("source/items.csv"), items).unwrap();
    std::fs::write(folder.join("source/events.csv"), events).unwrap();
    folder.ok("import source --to films");
}

#[test]
fn a_missing_attribute_of_a_catalog_is_predicted_with_names_shown() {
    let folder = Folder::new("graph-catalog");
    studio(&folder);
    let said = folder.ok(&format!("graph train films --out model {SMALL}"));
    assert!(said.contains("46 entities, 3 relations"), "{said}");
    let document = folder.json("graph predict model --head f6 --relation field:genre --top 3");
    let answers = document["answers"].as_array().unwrap();
    assert_eq!(answers[0]["entity"], "genre=western", "{document}");
    assert!(answers[0]["known"].is_null() && answers[0].get("name").is_none());
    let said = folder.ok("graph predict model --tail genre=western --relation field:genre --new --top 46");
    assert!(said.contains("Film number 6") && said.contains("f6"), "{said}");
    assert!(folder.ok("graph predict model --head f6 --relation field:genre").contains("f6 (Film number 6)"));
    folder.ok("graph evaluate model films --by-relation");
}

#[test]
fn names_are_measured_against_stated_links() {
    let folder = Folder::new("graph-names");
    std::fs::create_dir_all(folder.join("source")).unwrap();
    let write =
        |name: &str, text: &str| std::fs::write(folder.join(&format!("source/x.{name}")), text).unwrap();
    write("inter", "user_id:token\titem_id:token\n1\t1\n1\t2\n2\t3\n");
    write("item", "item_id:token\ttitle:token_seq\n1\tHeat\n2\tRan\n3\tDune\n");
    write(
        "kg",
        "head_id:token\trelation_id:token\ttail_id:token\nHeat_(film)\tkind\tfilm\nRan\tkind\tfilm\nRan_(1985)\tkind\tfilm\n",
    );
    write("link", "item_id:token\tentity_id:token\n1\tHeat_(film)\n2\tRan_(1985)\n");
    folder.ok("import source --to data");
    let judged = folder.json("graph names data");
    // `Ran` is named twice: its year, which the title lacks, does not tell the two apart.
    assert_eq!(
        (judged[0]["n_linked"].as_u64(), judged[0]["n_right"].as_u64()),
        (Some(1), Some(1)),
        "{judged}"
    );
    assert_eq!(judged[0]["recall"].as_f64(), Some(0.5));
    folder.ok("import source --to linked --link-by-name --link-confidence 0.8");
    folder.fails(2, "import source --to other --link-confidence 0.8");
    std::fs::remove_file(folder.join("source/x.link")).unwrap();
    folder.ok("import source --to unlinked");
    assert!(folder.fails(1, "graph names unlinked").contains("no links of items"));
}
