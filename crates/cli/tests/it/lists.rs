//! Lists that any tool made.

use crate::command::Folder;
use crate::data;

#[test]
fn lists_of_another_tool_are_measured_and_compared() {
    let folder = Folder::new("lists");
    std::fs::write(folder.join("ours.csv"), "user,item,score\nann,tea,0.9\nann,mug,0.4\nbob,mug,1\n")
        .unwrap();
    let theirs = r#"{"user":"ann","item":"tea","score":0.1}
{"user":"ann","item":"mug","score":0.4}
{"user":"bob","item":"tea","score":1}
"#;
    std::fs::write(folder.join("theirs.jsonl"), theirs).unwrap();
    std::fs::write(folder.join("truth.csv"), "user,item\nann,tea\nbob,mug\n").unwrap();
    let document = folder.json(
        "evaluate ours.csv --truth truth.csv --baseline theirs.jsonl --measures ndcg@10,reciprocal_rank@10 --report page.html",
    );
    assert_eq!(document["rows"][1]["value"]["mean"], 1.0);
    assert_eq!(document["rows"][1]["difference"]["mean"], 0.75);
    assert_eq!(document["counts"]["n_evaluated"], 2);
    assert!(std::fs::read_to_string(folder.join("page.html")).unwrap().contains("reciprocal_rank@10"));
    let message = folder.fails(2, "evaluate ours.csv --truth truth.csv --measures precise@3");
    assert!(message.contains("precise@3") && message.contains("hint:"), "{message}");
}

#[test]
fn lists_made_before_the_test_split_are_judged_by_it() {
    let folder = Folder::new("before-test");
    data::import(&folder);
    data::train(&folder, "run", "--target films");
    folder.ok("recommend run --all-users --before-test --to lists.csv");
    let document = folder.json("evaluate lists.csv --truth run --domain films --measures hit_rate@10");
    assert!(document["rows"][0]["value"]["mean"].as_f64().unwrap() > 0.2, "{document}");
    let message = folder.fails(1, "evaluate lists.csv --truth run --domain books");
    assert!(message.contains("no item of `lists.csv` is in domain `books`"), "{message}");
}
