//! Files with a few bad rows: the good rows are imported, the bad ones counted and listed with their line.

use segue_data::import::{Encoding, ImportOptions, SkipReason, import_to};

use crate::files::{Folder, events, good, gzip, run, zstd};

const N_GOOD: usize = 40;

/// The good rows (lines 1 to 41) and these bytes behind them must give `n_events` events and these bad rows.
fn assert_skips(name: &str, tail: impl AsRef<[u8]>, n_events: usize, expected: &[(u64, SkipReason)]) {
    let folder = Folder::new();
    folder.file(name, [good(N_GOOD).as_bytes(), tail.as_ref()].concat());
    let to = folder.path().join("out");
    let (imported, head) =
        import_to(&folder.options(name), &to, &mut |_| {}).unwrap_or_else(|e| panic!("{name}: {e}"));
    let found: Vec<(u64, SkipReason)> = imported.skipped.iter().map(|row| (row.line, row.reason)).collect();
    assert_eq!(found, expected, "{name}");
    assert_eq!(imported.n_skipped(), expected.len() as u64, "{name}");
    assert_eq!(head.n_events, n_events, "{name}");
    assert_eq!(
        imported.counts.n_rows,
        (n_events + expected.len()) as u64,
        "{name}: every row is accounted for"
    );
    assert!(imported.skipped.iter().all(|row| row.file.ends_with(name) && row.excerpt.chars().count() <= 81));
    let recorded = head.import["n_skipped"].as_integer().unwrap();
    assert_eq!(recorded, expected.len() as i64, "{name}: dataset.toml");
}

fn assert_one_skip(name: &str, row: impl AsRef<[u8]>, reason: SkipReason) {
    let tail = [row.as_ref(), b"\nlast,x,1,1500000000\n"].concat();
    assert_skips(name, tail, N_GOOD + 1, &[(42, reason)]);
}

#[test]
fn bad_values_cost_their_row() {
    assert_one_skip("nan.csv", "u,i,NaN,1500000000", SkipReason::BadRating);
    assert_one_skip("inf.csv", "u,i,inf,1500000000", SkipReason::BadRating);
    assert_one_skip("huge.csv", "u,i,1e400,1500000000", SkipReason::BadRating);
    assert_one_skip("none.csv", "u,i,,1500000000", SkipReason::BadRating);
    assert_one_skip("word.csv", "u,i,good,1500000000", SkipReason::BadRating);
    assert_one_skip("no_user.csv", ",i,1,1500000000", SkipReason::NoUser);
    assert_one_skip("no_item.csv", "u,,1,1500000000", SkipReason::NoItem);
    assert_one_skip("no_time.csv", "u,i,1,", SkipReason::BadTime);
    assert_one_skip("word_time.csv", "u,i,1,yesterday", SkipReason::BadTime);
    assert_one_skip("beyond_i64.csv", "u,i,1,99999999999999999999", SkipReason::BadTime);
    assert_one_skip("float_time.csv", "u,i,1,1e300", SkipReason::BadTime);
    assert_one_skip("nan_time.csv", "u,i,1,NaN", SkipReason::BadTime);
    assert_one_skip("long_id.csv", format!("{},i,1,1500000000", "u".repeat(2_000)), SkipReason::IdTooLong);
}

#[test]
fn bad_rows_cost_themselves_only() {
    assert_one_skip("few.csv", "u,i,1", SkipReason::ColumnCount);
    assert_one_skip("many.csv", "u,i,1,1500000000,more", SkipReason::ColumnCount);
    assert_one_skip("semicolons.csv", "u;i;1;1500000000", SkipReason::ColumnCount);
    assert_one_skip("header.csv", "user_id,item_id,rating,timestamp", SkipReason::RepeatedHeader);
    assert_one_skip("nul.csv", b"u,i\0,1,1500000000", SkipReason::NulByte);
    assert_one_skip("latin1.csv", b"u,caf\xe9,1,1500000000", SkipReason::NotUtf8);
    assert_one_skip("cut_char.csv", b"u,caf\xc3,1,1500000000", SkipReason::NotUtf8);
    assert_one_skip("long.csv", "x,".repeat(5 << 20), SkipReason::LineTooLong);
    assert_one_skip("open_quote.csv", "u,\"i,1,1500000000", SkipReason::BadQuote);
    assert_one_skip("behind_quote.csv", "u,\"i\"x,1,1500000000", SkipReason::BadQuote);
}

#[test]
fn line_numbers_count_blank_lines_and_quoted_line_ends() {
    let tail = "\n\nu,\"a\nb\",1,1500000000\nu,i,x,1500000000\n\r\nu,i,1,1500000000\nu,i,y,1500000000";
    // Blank 42, 43; quoted 44 to 45; bad 46; blank 47; good 48; bad 49.
    let expected = [(46, SkipReason::BadRating), (49, SkipReason::BadRating)];
    assert_skips("quoted.csv", tail, N_GOOD + 2, &expected);
}

#[test]
fn line_numbers_go_on_from_block_to_block() {
    let filler: String = (0..100_000).map(|n| format!("filler{n},item,3,1500000000\n")).collect();
    let tail = format!("{filler}u,i,x,1500000000\n{filler}u,i\n{filler}");
    let expected = [(100_042, SkipReason::BadRating), (200_043, SkipReason::ColumnCount)];
    assert_skips("blocks.csv", tail, N_GOOD + 300_000, &expected);
}

#[test]
fn only_the_first_bad_rows_are_listed_but_all_are_counted() {
    let folder = Folder::new();
    folder.file("e.csv", good(30_000) + &"u,i,x,1\n".repeat(250));
    let imported = run(&folder.options("e.csv")).unwrap();
    assert_eq!(imported.skipped.len(), 100);
    assert_eq!(imported.skipped_by_reason[&SkipReason::BadRating], 250);
    assert_eq!(imported.skipped[0].line, 30_002);
}

#[test]
fn json_rows_that_are_broken_cost_themselves() {
    let folder = Folder::new();
    let rows: String = (0..40).map(|n| format!("{{\"user\":\"u{n}\",\"item\":{n}}}\n")).collect();
    let bad = "{\"user\":\"u\",\"item\"\n[1,2]\n{\"user\":null,\"item\":1}\n{\"user\":{\"id\":1},\"item\":1}\n\
        {\"user\":\"u\"}\n{\"user\":\"\\ud800\",\"item\":1}\n{\"user\":\"u\",\"item\":1} x\nnull\n";
    folder.file("e.jsonl", rows + bad + "{\"item\":12345678901234567890123,\"user\":\"big\"}\n");
    let imported = run(&folder.options("e.jsonl")).unwrap();
    let found: Vec<(u64, SkipReason)> = imported.skipped.iter().map(|row| (row.line, row.reason)).collect();
    let (json, user, item) = (SkipReason::BadJson, SkipReason::NoUser, SkipReason::NoItem);
    let expected = [json, json, user, user, item, user, json, json];
    assert_eq!(found, (41..).zip(expected).collect::<Vec<_>>());
    assert!(events(&imported).contains(&"big 12345678901234567890123 0 1 e".to_owned()));
}

/// Every byte sequence here holds the same forty events.
fn assert_all_read(name: &str, bytes: impl AsRef<[u8]>) {
    assert_all_read_with(name, bytes, |_| {});
}

fn assert_all_read_with(name: &str, bytes: impl AsRef<[u8]>, change: impl FnOnce(&mut ImportOptions)) {
    let folder = Folder::new();
    folder.file("expected.csv", good(N_GOOD));
    folder.file(name, bytes);
    let mut expected = folder.options("expected.csv");
    expected.sources[0].domain = Some("d".into());
    let mut options = folder.options(name);
    options.sources[0].domain = Some("d".into());
    change(&mut options);
    let found = run(&options).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(found.n_skipped(), 0, "{name}");
    assert_eq!(events(&found), events(&run(&expected).unwrap()), "{name}");
}

#[test]
fn the_same_events_are_read_however_the_file_is_written() {
    let text = good(N_GOOD);
    assert_all_read("bom.csv", format!("\u{feff}{text}"));
    assert_all_read("crlf.csv", text.replace('\n', "\r\n"));
    assert_all_read("bom_crlf.csv", format!("\u{feff}{}", text.replace('\n', "\r\n")));
    assert_all_read("open_end.csv", text.trim_end());
    assert_all_read("blank_lines.csv", text.replace('\n', "\n\n"));
    assert_all_read("tabs.csv", text.replace(',', "\t"));
    assert_all_read("pipes.csv", text.replace(',', "|"));
    assert_all_read("colons.csv", text.replace(',', "::"));
    assert_all_read("spaces.csv", text.replace(',', "  "));
    assert_all_read(
        "quoted.csv",
        text.lines().map(|row| format!("\"{}\"\n", row.replace(',', "\",\""))).collect::<String>(),
    );
    assert_all_read("no_header.csv", &text[text.find('\n').unwrap() + 1..]);
    assert_all_read(
        "upper.csv",
        text.replacen("user_id,item_id,rating,timestamp", "USER_ID,ITEM_ID,RATING,TIMESTAMP", 1),
    );
    assert_all_read("swapped_names.csv", text.replacen("user_id,item_id", "ReviewerID,parent_asin", 1));
}

#[test]
fn packing_is_told_by_content_not_by_name() {
    let text = good(N_GOOD);
    let bytes = text.as_bytes();
    assert_all_read("e.csv.gz", gzip(bytes));
    assert_all_read("e.csv.zst", zstd(bytes));
    assert_all_read("gzip_inside.csv", gzip(bytes));
    assert_all_read("zstd_inside.txt", zstd(bytes));
    assert_all_read("plain_inside.csv.gz", bytes);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    assert_all_read("members.csv.gz", [gzip(first), gzip(second)].concat());
    assert_all_read("frames.csv.zst", [zstd(first), zstd(second)].concat());
    let json: String = text
        .lines()
        .skip(1)
        .map(|row| {
            let cells: Vec<&str> = row.split(',').collect();
            format!(
                "{{\"timestamp\":{},\"item_id\":\"{}\",\"rating\":{},\"user_id\":\"{}\"}}\n",
                cells[3], cells[1], cells[2], cells[0]
            )
        })
        .collect();
    assert_all_read("json_inside.csv", json);
}

#[test]
fn times_are_read_in_the_forms_that_logs_have() {
    let text = good(N_GOOD);
    let with_times = |form: &dyn Fn(i64) -> String| -> String {
        let mut lines = text.lines();
        let head = lines.next().unwrap().to_owned() + "\n";
        head + &lines
            .map(|row| {
                let (rest, time) = row.rsplit_once(',').unwrap();
                format!("{rest},{}\n", form(time.parse().unwrap()))
            })
            .collect::<String>()
    };
    // 1,500,000,000 is 2017-07-14T02:40:00Z.
    let clock = |time: i64| format!("2:40:{:02}", time - 1_500_000_000);
    assert_all_read("ms.csv", with_times(&|time| format!("{time}123")));
    assert_all_read("us.csv", with_times(&|time| format!("{time}123456")));
    assert_all_read("ns.csv", with_times(&|time| format!("{time}123456789")));
    assert_all_read("float.csv", with_times(&|time| format!("{time}.75")));
    assert_all_read("exponent.csv", with_times(&|time| format!("{:e}", time as f64)));
    assert_all_read("iso.csv", with_times(&|time| format!("2017-07-14T0{}Z", clock(time))));
    assert_all_read("offset.csv", with_times(&|time| format!("2017-07-14T0{}+00:00", clock(time))));
    assert_all_read("space.csv", with_times(&|time| format!("2017-07-14 0{}.5", clock(time))));
    assert_all_read("us_clock.csv", with_times(&|time| format!("7/14/2017 {} AM", clock(time))));
    assert_all_read("german.csv", with_times(&|time| format!("14.07.2017 0{}", clock(time))));
    assert_all_read("day_first.csv", with_times(&|time| format!("14/07/2017 0{}", clock(time))));
}

#[test]
fn odd_times_are_kept_and_counted() {
    let folder = Folder::new();
    folder.file("e.csv", good(N_GOOD) + "u,i,1,-5\nu,j,1,99999999999\nu,k,1,-7\n");
    let imported = run(&folder.options("e.csv")).unwrap();
    assert_eq!(imported.dataset.sequences.n_events(), N_GOOD + 3);
    assert_eq!((imported.counts.n_before_1970, imported.counts.n_after_2100), (2, 1));
    let warnings = imported.warnings.join("\n");
    assert!(warnings.contains("2 events are dated before 1970"), "{warnings}");
    assert!(warnings.contains("1 events are dated after 2100"), "{warnings}");
}

#[test]
fn repeated_rows_are_kept_and_counted() {
    let folder = Folder::new();
    folder.file("e.csv", "user,item,timestamp\nu,i,5\nu,i,5\nu,j,5\nu,i,6\n");
    let imported = run(&folder.options("e.csv")).unwrap();
    assert_eq!((imported.built.n_duplicates, imported.built.n_ties), (1, 2));
    assert_eq!(imported.dataset.sequences.n_events(), 4);
}

#[test]
fn a_stated_encoding_is_used() {
    let folder = Folder::new();
    folder.file("e.csv", b"user,item\nann,caf\xe9\nbob,caf\xe9\n");
    let mut options = folder.options("e.csv");
    options.encoding = Some(Encoding::Latin1);
    assert_eq!(events(&run(&options).unwrap())[0], "ann café 0 1 e");
}

#[test]
fn raw_ids_are_any_text() {
    let folder = Folder::new();
    let odd = [
        " padded ",
        "emoji 🎬",
        "\u{202e}right to left",
        "e\u{301}",
        "é",
        "'quote'",
        "007",
        "7",
        "-",
        "NULL",
    ];
    let rows: String = odd.iter().enumerate().map(|(at, id)| format!("{id}\t{id}\t{at}\n")).collect();
    folder.file("e.tsv", "user\titem\trating\n".to_owned() + &rows);
    let imported = run(&folder.options("e.tsv")).unwrap();
    let users: Vec<&str> = imported.dataset.users.iter().collect();
    assert_eq!(users, odd);
}

#[test]
fn a_share_of_bad_rows_can_be_allowed() {
    let folder = Folder::new();
    folder.file("e.csv", good(50) + &"u,i,x,1\n".repeat(50));
    let mut options = folder.options("e.csv");
    assert!(run(&options).is_err());
    options.max_bad_share = 0.5;
    assert_eq!(run(&options).unwrap().n_skipped(), 50);
}

#[test]
fn unreadable_ratings_can_be_left_out() {
    assert_all_read_with("e.csv", good(N_GOOD), |options| options.min_rating = Some(1.0));
    let folder = Folder::new();
    folder.file("e.csv", good(N_GOOD).replace(",1,", ",good,"));
    let mut options = folder.options("e.csv");
    options.columns.rating = Some("none".into());
    assert_eq!(run(&options).unwrap().dataset.sequences.n_events(), N_GOOD);
}
