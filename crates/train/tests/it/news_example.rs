//! The example about news runs, on what it makes and on a MIND folder.

use segue_data::split::SplitRule;

use crate::folder::Folder;

#[path = "../../../../examples/news.rs"]
#[expect(dead_code, reason = "its main is not called here")]
mod news;

/// The columns of an expert's row.
fn row<'a>(said: &'a str, name: &str) -> Vec<&'a str> {
    let line =
        said.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no `{name}`: {said}"));
    line.split_whitespace().skip(1).collect()
}

#[test]
fn news_measures_every_expert_and_gives_reasons_over_authors() {
    let rule = SplitRule::GlobalTime { train: 0.8, valid: 0.1 };
    let said = news::tell(&news::made_up(150, 200, 7), rule, 2).expect("a list");
    for name in ["window", "content", "behavior"] {
        let columns = row(&said, name);
        assert_eq!(columns[0], columns[1], "`{name}` does not read the graph: {said}");
    }
    assert_eq!(row(&said, "graph")[0], "–", "{said}");
    let number = |name: &str, at: usize| -> f64 { row(&said, name)[at].parse().expect("a number") };
    assert!(number("graph", 1) > 2.0 * number("window", 1), "new articles have no clicks: {said}");
    assert!(number("blend", 1) > number("blend", 0), "the graph knows authors: {said}");
    assert!(said.contains("\n5. ") && said.contains("– written by →"), "{said}");
}

#[test]
fn news_reads_a_mind_folder() {
    let folder = Folder::new("news");
    let entity = |n: usize| format!("[{{\"Label\": \"Person {n}\", \"WikidataId\": \"Q{n}\"}}]");
    let article = |n: usize| {
        let (topic, who) = (["golf", "chess", "opera"][n % 3], entity(n % 6));
        format!("N{n}\tlife\t{topic}\tAbout {topic} {n}\tA text on {topic}\tu\t{who}\t[]\n")
    };
    // Everybody reads of one topic: three articles before, two clicks.
    let impression = |user: usize| {
        let item = |step: usize| user % 3 + 3 * ((user / 3 + step) % 10);
        let history: Vec<String> = (0..3).map(|step| format!("N{}", item(step))).collect();
        let row = |step: usize, day: usize| {
            format!(
                "{day}\tU{user}\t11/{day}/2019 9:05:58 AM\t{}\tN{}-1 N0-0\n",
                history.join(" "),
                item(step)
            )
        };
        row(3, 11) + &row(4, 12)
    };
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let write = |name: &str, text: String| std::fs::write(folder.0.join(name), text).expect("a file");
    write("news.tsv", (0..30).map(article).collect());
    write("behaviors.tsv", (0..60).map(impression).collect());
    let dataset = news::read_mind(&folder.0).expect("a MIND folder");
    assert_eq!(dataset.sequences.n_events(), 60 * 5);
    let said = news::tell(&dataset, SplitRule::LeaveOneOut, 2).expect("a list");
    assert!(said.starts_with("60 users, 30 articles, 300 clicks"), "{said}");
    // Everybody goes on in order, which `window` knows for sure: a reason is what was read, not a path.
    assert!(said.contains("less without: About"), "{said}");
}
