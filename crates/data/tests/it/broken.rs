//! Files that cannot be imported: a clear error with a remedy, and nothing written.

use segue_data::import::{DomainGroup, Format, ImportOptions, import_to};

use crate::files::{Folder, good, source};

/// Imports `name` (a file of the folder, or the folder) with changed options and gives the error's text, having
/// checked that it has a remedy and that nothing was written.
fn refused(folder: &Folder, name: &str, change: impl FnOnce(&mut ImportOptions)) -> String {
    let mut options = folder.options(name);
    change(&mut options);
    let outside = Folder::new();
    let error = match import_to(&options, &outside.path().join("out"), &mut |_| {}) {
        Ok((imported, _)) => panic!("`{name}` was imported: {:?}", imported.counts),
        Err(error) => error.to_string(),
    };
    assert!(error.contains("hint: ") || error.starts_with("cannot "), "no remedy: {error}");
    let left: Vec<_> = std::fs::read_dir(outside.path()).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    error
}

fn assert_refused(name: &str, bytes: impl AsRef<[u8]>, expected: &[&str]) {
    let folder = Folder::new();
    folder.file(name, bytes);
    let error = refused(&folder, name, |_| {});
    for part in expected {
        assert!(error.contains(part), "{name}: `{part}` is not in: {error}");
    }
}

fn utf16(text: &str, big: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[test]
fn what_is_no_table_is_named_with_its_cure() {
    assert_refused("empty.csv", "", &["the file is empty"]);
    assert_refused("blank.csv", "\n\n   \n\n", &["has no rows"]);
    assert_refused("archive.csv", b"PK\x03\x04rest", &["ZIP archive", "unzip"]);
    assert_refused("seven.csv", b"7z\xbc\xaf\x27\x1c", &["7-Zip"]);
    assert_refused("old.csv", b"BZh91AY&SY", &["bzip2", "bunzip2"]);
    assert_refused("old.csv", b"\xfd7zXZ\0\0", &["xz", "unxz"]);
    assert_refused("paper.csv", b"%PDF-1.7", &["PDF"]);
    assert_refused("data.csv", b"SQLite format 3\0", &["SQLite"]);
    assert_refused("photo.csv", b"\x89PNG\r\n\x1a\n", &["image"]);
    assert_refused("noise.csv", [0, 1, 2, 3, 0, 0, 7, 8].repeat(100), &["binary data"]);
}

#[test]
fn text_in_another_encoding_is_named_with_its_cure() {
    let text = good(10);
    assert_refused("le.csv", [b"\xff\xfe".as_slice(), &utf16(&text, false)].concat(), &["UTF-16", "iconv"]);
    assert_refused("be.csv", [b"\xfe\xff".as_slice(), &utf16(&text, true)].concat(), &["UTF-16", "iconv"]);
    assert_refused("bare.csv", utf16(&text, false), &["UTF-16 text without", "iconv"]);
    assert_refused("mac.csv", text.replace('\n', "\r"), &["line 1", "carriage return"]);
    let latin1: Vec<u8> = text.replace("u1", "ü1").chars().map(|c| c as u32 as u8).collect();
    assert_refused("latin1.csv", latin1.repeat(20), &["line 3", "not UTF-8", "--encoding latin1"]);
}

#[test]
fn tables_without_the_needed_columns_are_refused() {
    assert_refused("one.csv", "user\nann\nbob\n", &["line 1", "no separator", "--separator"]);
    assert_refused(
        "abc.csv",
        "a,b,c\nx,y,1\nz,w,2\n",
        &["no user and no item column among: a, b, c", "--user-col"],
    );
    assert_refused("items.csv", "item_id,title\n1,One\n2,Two\n", &["no event", "a user and an item"]);
    assert_refused("header.csv", "user_id,item_id,rating\n", &["no event"]);
    assert_refused("twice.csv", "user,item,item\na,b,c\n", &["line 1", "column 3", "`item`"]);
    assert_refused("long.csv", "x".repeat(10 << 20), &["no separator"]);
    let ragged: String = (0..300).map(|n| "x,".repeat(1 + n % 60) + "\n").collect();
    assert_refused("ragged.csv", ragged, &["line 1"]);
}

#[test]
fn a_table_with_too_many_bad_rows_is_refused_with_the_first_of_them() {
    let text = good(100).replace(",1,1500", ",NaN,1500");
    assert_refused(
        "nan.csv",
        &text,
        &["line 2", "20 of 100 rows", "not a finite number", "--rating-col", "--max-bad-share"],
    );
    let soon = "user,item,timestamp\n".to_owned() + &"ann,x,soon\n".repeat(30);
    assert_refused("soon.csv", soon, &["line 2", "30 of 30", "time", "--time-col"]);
    let short = good(60).replace(",3,", ",");
    assert_refused("short.csv", short, &["line 4", "12 of 60", "columns", "--separator"]);
    let two = "user,item,rating\na,b,1\na,c,x\na,d,y\n";
    assert_refused("small.csv", two, &["2 of 3 rows"]);
}

#[test]
fn json_that_is_not_lines_of_objects_is_refused() {
    assert_refused("array.json", "[{\"user\":1,\"item\":2}]", &["JSON array", "jq"]);
    assert_refused("pretty.json", "{\n \"user\": 1,\n \"item\": 2\n}\n", &["line 1", "JSON object a line"]);
    assert_refused("cut.jsonl", "{\"user\": \"a\", \"item", &["JSON"]);
    assert_refused(
        "no_ids.jsonl",
        "{\"colour\": 1}\n{\"colour\": 2}\n",
        &["no user and no item column among: colour"],
    );
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    folder.file("e.csv", good(20));
    let expect = |error: String, parts: &[&str]| {
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    };
    expect(refused(&folder, "e.csv", |o| o.sources.clear()), &["nothing to import"]);
    expect(refused(&folder, "e.csv", |o| o.separator = Some(";".into())), &["one column only", "comma"]);
    expect(refused(&folder, "e.csv", |o| o.separator = Some("ab".into())), &["`ab` cannot separate"]);
    expect(
        refused(&folder, "e.csv", |o| o.columns.user = Some("usr".into())),
        &["`usr`", "user_id, item_id"],
    );
    expect(
        refused(&folder, "e.csv", |o| o.domain_by = Some("genre".into())),
        &["`genre`", "user_id, item_id"],
    );
    expect(refused(&folder, "e.csv", |o| o.max_bad_share = 2.0), &["from 0 to 1"]);
    let group = |name: &str| DomainGroup { name: name.into(), values: vec!["1".into()] };
    expect(refused(&folder, "e.csv", |o| o.domain_groups.push(group("a"))), &["--domain-by"]);
    let both = |o: &mut ImportOptions| {
        o.domain_by = Some("rating".into());
        o.domain_groups = vec![group("a"), group("b")];
    };
    expect(refused(&folder, "e.csv", both), &["`1` is in the groups `a` and `b`"]);
    expect(refused(&folder, "e.csv", |o| o.format = Some(Format::Recbole)), &["no RecBole atomic file"]);
    expect(refused(&folder, "e.csv", |o| o.format = Some(Format::Movielens)), &["no MovieLens file"]);
    expect(refused(&folder, "e.csv", |o| o.format = Some(Format::Kgat)), &["there is no"]);
    expect(refused(&folder, "e.csv", |o| o.format = Some(Format::Openke)), &["there is no train2id.txt"]);
    expect(refused(&folder, "e.csv", |o| o.format = Some(Format::Mind)), &["there is no news.tsv"]);
    expect(refused(&folder, "nowhere.csv", |_| {}), &["cannot open", "nowhere.csv"]);
    let mut options = folder.options("e.csv");
    options.name = "again".into();
    let to = folder.file("taken", "");
    let error = import_to(&options, &to, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("already exists"), "{error}");
}

#[test]
fn paths_that_are_no_files_are_refused() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(refused(&folder, "empty", |_| {}).contains("no file in this folder"));
    let device = |o: &mut ImportOptions| o.sources = vec![source(std::path::Path::new("/dev/null"))];
    assert!(refused(&folder, "x", device).contains("not a regular file"));
    let inner = Folder::new();
    inner.file("notes.md", "hello");
    inner.file("more.md", "hello");
    assert!(refused(&inner, "", |_| {}).contains("no file of this folder is a known format"));
}

#[test]
fn known_formats_say_what_is_wrong_with_their_files() {
    assert_refused(
        "x.inter",
        "user_id:token\trating:float\n1\t2\n",
        &["line 1", "no item column", "user_id:token"],
    );
    assert_refused("x.inter", "user_id:token,item_id:token\n1,2\n", &["one column only", "comma"]);
    assert_refused("u.data", "1\t2\n3\t4\n", &["2 columns instead of 4"]);
    let two = Folder::new();
    two.file("a.txt", "1 1 2 3\n2 4 5\n");
    two.file("b.txt", "1 1 2 3\n2 4 5\n");
    two.file("a_item2attributes.json", "{}");
    assert!(refused(&two, "", |_| {}).contains("several data sets in one folder: a.txt, b.txt"));
    let abxi = Folder::new();
    abxi.file("k_pre.txt", "1 1|100 2|200\n2 1|100 2|150 1|170\n");
    abxi.file("k_map_item_5.json", "{\"A\": [1, 0], \"B\": 2}");
    assert!(refused(&abxi, "k_pre.txt", |_| {}).contains("not [index, domain]"));
    abxi.file("k_map_item_5.json", "[1, 2]");
    assert!(refused(&abxi, "k_pre.txt", |_| {}).contains("not one JSON object"));
    abxi.file("k_map_item_5.json", "{\"A\": [1, 0]");
    assert!(refused(&abxi, "k_pre.txt", |_| {}).contains("not one JSON object"));
    let openke = Folder::new();
    openke.file("train2id.txt", "3\n0 1 0\n1 2 0\n");
    assert!(refused(&openke, "", |_| {}).contains("says 3 lines, there are 2"));
    openke.file("train2id.txt", "2\n0 1 0\n1 2 0\n");
    openke.file("entity2id.txt", "5\na\t0\nb\t1\n");
    assert!(refused(&openke, "", |_| {}).contains("says 5 lines, there are 2"));
}

#[test]
fn too_many_kinds_or_domains_are_refused() {
    let rows = |n: usize, column: &str| -> String {
        let head = format!("user,item,{column}\n");
        head + &(0..n).map(|at| format!("u,i{at},k{at}\n")).collect::<String>()
    };
    assert_refused("kinds.csv", rows(300, "event_type"), &["more than 255 kinds"]);
    assert_refused("domains.csv", rows(70_000, "domain"), &["more than 65535 domains", "--domain-by"]);
}

#[test]
fn items_that_may_belong_to_several_domains_must_be_told_theirs() {
    let folder = Folder::new();
    let books = folder.file("books.csv", good(10));
    let films = folder.file("films.csv", good(10));
    let items = folder.file("names.csv", "item_id,title\ni1,One\n");
    let all = |o: &mut ImportOptions| o.sources = vec![source(&books), source(&films), source(&items)];
    let error = refused(&folder, "x", all);
    assert!(error.contains("books, films") && error.contains("books="), "{error}");
}
