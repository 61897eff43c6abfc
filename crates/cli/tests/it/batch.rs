//! Lists of all users equal the lists of single users, in every format.

use segue_data::table::{self, Column};

use crate::command::Folder;
use crate::data;

type Row = (String, String, i32, f32);

#[test]
fn a_parquet_of_all_users_equals_single_recommendations() {
    let folder = Folder::new("batch");
    data::import(&folder);
    data::train(&folder, "run", "--target films");
    let counts = folder.json("recommend run --all-users --to lists.parquet -n 7 --at end");
    assert_eq!((&counts["n_users"], &counts["n_rows"]), (&240.into(), &(240 * 7).into()));
    let rows = read(&folder.join("lists.parquet"));
    for user in ["u0", "u5", "u44", "u149"] {
        let list = folder.json(&format!("recommend run --user {user} -n 7 --at end"));
        let single: Vec<Row> = list["items"].as_array().unwrap().iter().map(|item| row(user, item)).collect();
        let batch: Vec<Row> = rows.iter().filter(|row| row.0 == user).cloned().collect();
        assert_eq!(batch, single, "{user}");
    }
    check_text_formats(&folder, &rows);
    let refused = folder.fails(2, "recommend run --all-users --to lists.parquet");
    assert!(refused.contains("already exists"), "{refused}");
    let left: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("partial"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn row(user: &str, item: &serde_json::Value) -> Row {
    let id = item["id"].as_str().unwrap().to_owned();
    (user.to_owned(), id, item["rank"].as_i64().unwrap() as i32, item["score"].as_f64().unwrap() as f32)
}

fn read(path: &std::path::Path) -> Vec<Row> {
    let columns = table::read(path).unwrap();
    let column = |name: &str| columns.iter().find(|(known, _)| known == name).unwrap().1.clone();
    let (Column::Text(users), Column::Text(items)) = (column("user"), column("item")) else {
        panic!("not text")
    };
    let (Column::I32(ranks), Column::F32(scores)) = (column("rank"), column("score")) else {
        panic!("not numbers")
    };
    (0..users.len()).map(|at| (users[at].clone(), items[at].clone(), ranks[at], scores[at])).collect()
}

fn check_text_formats(folder: &Folder, rows: &[Row]) {
    folder.ok("recommend run --all-users --to lists.csv -n 7 --at end");
    folder.ok("recommend run --all-users --to lists.jsonl -n 7 --at end");
    let csv = std::fs::read_to_string(folder.join("lists.csv")).unwrap();
    let lines: Vec<String> =
        rows.iter().map(|(user, item, rank, score)| format!("{user},{item},{score},{rank},films")).collect();
    assert!(csv.lines().skip(1).eq(lines.iter().map(String::as_str)));
    let jsonl = std::fs::read_to_string(folder.join("lists.jsonl")).unwrap();
    for (line, row) in jsonl.lines().zip(rows) {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((object["user"].as_str().unwrap(), object["item"].as_str().unwrap()), (&*row.0, &*row.1));
    }
}
