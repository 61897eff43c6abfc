//! Attributes of users from the file to the list: imported, described, trained on, asked for by name.

use std::fmt::Write;

use crate::command::Folder;

const N_USERS: usize = 120;

// A RecBole folder: reds like even items, blues odd ones.
fn import(folder: &Folder) {
    let dir = folder.join("shop");
    std::fs::create_dir(&dir).unwrap();
    let mut events = "user_id:token\titem_id:token\ttimestamp:float\n".to_owned();
    let mut users = "user_id:token\tage:token\tcolor:token\n".to_owned();
    for step in 0..8 {
        for user in 0..N_USERS {
            let draw = (user * 7919 + step * 104_729 + user * step * 613) / 7 % 20;
            let item = 2 * draw + user % 2;
            writeln!(events, "{user}\ti{item}\t{}", 1_700_000_000 + (step * N_USERS + user) * 60).unwrap();
        }
    }
    for user in 0..=N_USERS {
        writeln!(users, "{user}\t{}\t{}", 18 + user % 50, ["red", "blue"][user % 2]).unwrap();
    }
    std::fs::write(dir.join("shop.inter"), events).unwrap();
    std::fs::write(dir.join("shop.user"), users).unwrap();
    folder.json("import shop --to data");
}

#[test]
fn somebody_of_whom_only_attributes_are_known_gets_a_list_that_says_so() {
    let folder = Folder::new("profiles");
    import(&folder);
    let described = folder.ok("describe data");
    assert!(
        described.contains(
            "attributes of users: age (8 ranges, 100 % of users), color (2 values, 100 % of users)"
        )
    );
    std::fs::write(
        folder.join("segue.toml"),
        "[fit]\nexperts = [\"behavior\"]\n[behavior]\nprofile_tokens = true\n[split]\nrule = \"leave-one-out\"\n",
    )
    .unwrap();
    folder.json("train data --to run");
    let list = folder.json("recommend run --profile color=RED -n 8");
    assert_eq!(list["n_history"], 0);
    for item in list["items"].as_array().unwrap() {
        let number: usize = item["id"].as_str().unwrap()[1..].parse().unwrap();
        assert_eq!(number % 2, 0, "reds like even items: {list}");
        assert_eq!(item["why"], "fits your profile (color=red)");
        let reason = &item["reasons"][0];
        assert_eq!((&reason["kind"], &reason["values"][0]), (&"profile".into(), &"color=red".into()));
        assert!(reason["effect"].as_f64().unwrap() > 0.0);
    }
    // A user of the table without any event has the attributes of the table.
    let known = folder.ok(&format!("recommend run --user {N_USERS} -n 3"));
    assert!(
        known.contains("(0 events)") && known.contains("profile: age=") && known.contains("color=red"),
        "{known}"
    );
    let first = list["items"][0]["id"].as_str().unwrap().to_owned();
    let why = folder.ok(&format!("why run --profile color=red --item {first}"));
    assert!(why.contains("profile: color=red"), "{why}");
    let both = folder.ok("recommend run --history i1,i3 --profile color=blue --profile age=20 -n 3");
    assert!(both.contains("somebody new (2 events)") && both.contains("color=blue"), "{both}");
    refusals(&folder);
}

fn refusals(folder: &Folder) {
    let cases = [
        ("--profile colour=red", "no attribute `colour` of users\n  hint: did you mean `color`?"),
        ("--profile color=reed", "attribute `color` has no known value `reed`\n  hint: did you mean `red`?"),
        ("--profile color=?", "attribute `color` has no known value `?`\n  hint: known: "),
        (
            "--profile age=young",
            "attribute `age` has no known value `young`\n  hint: give a number, or one of its ranges: ≤ ",
        ),
        ("--profile red", "--profile `red` is not NAME=VALUE\n  hint: for example --profile gender=F"),
        ("--user 1 --profile color=red", "cannot be used with"),
    ];
    for (arguments, message) in cases {
        let said = folder.fails(2, &format!("recommend run {arguments}"));
        assert!(said.contains(message), "{arguments}: {said}");
    }
}
