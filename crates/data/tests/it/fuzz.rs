//! Properties: arbitrary bytes never panic, valid tables come back as they went in.

use proptest::prelude::*;

use segue_data::import::{Format, import_to, sniff};

use crate::files::{Folder, events, gzip, run, zstd};

/// Names that lead into every reader.
const NAMES: [&str; 14] = [
    "e.csv",
    "e.tsv",
    "e.txt",
    "e.jsonl",
    "e.parquet",
    "e.inter",
    "e.kg",
    "u.data",
    "u.item",
    "ratings.dat",
    "sequences.tsv",
    "train2id.txt",
    "news.tsv",
    "behaviors.tsv",
];

fn never_panics(bytes: &[u8], name: &str, format: Option<Format>) {
    let folder = Folder::new();
    folder.file(name, bytes);
    imports_or_not(&folder, name, 1, format);
}

/// Imports a file of the folder, or the folder, in which there are so many files.
fn imports_or_not(folder: &Folder, name: &str, n_files: usize, format: Option<Format>) {
    let mut options = folder.options(name);
    options.format = format;
    let _ = sniff(&options.sources[0], &options);
    let outside = Folder::new();
    let to = outside.path().join("out");
    let is_ok = import_to(&options, &to, &mut |_| {}).is_ok();
    assert_eq!(is_ok, to.exists());
    let n_left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(n_left, n_files, "sources are as they were");
    let n_written = std::fs::read_dir(outside.path()).unwrap().count();
    assert_eq!(n_written, usize::from(is_ok), "nothing half-written");
}

/// Bytes that look like tables more often than noise does.
fn table_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b",".to_vec()),
        Just(b"\t".to_vec()),
        Just(b"::".to_vec()),
        Just(b"|".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b" ".to_vec()),
        Just(b"{\"user\":1,\"item\":[\"a\",null]}\n".to_vec()),
        Just(b"{'asin': 'x".to_vec()),
        Just(b"user_id,item_id,timestamp\n".to_vec()),
        Just(b"user_id:token\titem_id:token\n".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"1500000000".to_vec()),
        Just(b"11/11/2019 9:05:58 AM".to_vec()),
        Just(b"1\tU1\t11/11/2019 9:05:58 AM\tN1 N2\tN1-1 N3-0\n".to_vec()),
        Just(b"[{\"WikidataId\": \"Q1\", \"Label\": \"x\"}]".to_vec()),
        Just(b"-9223372036854775808".to_vec()),
        Just(b"2019-11-13T08:36:57+99:99".to_vec()),
        Just(b"1e308".to_vec()),
        Just("é\u{301}🎬".as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
        "[a-z0-9]{1,4}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

fn cell() -> impl Strategy<Value = String> {
    // No control characters: the import replaces none, but a line end or NUL needs quoting or is refused.
    "[^\\p{Cc}\\x{feff}]{1,12}".prop_filter("quotes within a bare cell", |text| !text.contains('"'))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), name in 0..NAMES.len()) {
        never_panics(&bytes, NAMES[name], None);
    }

    #[test]
    fn broken_tables_never_panic(
        bytes in table_like(),
        name in 0..NAMES.len(),
        format in prop::option::of(0..Format::ALL.len()),
    ) {
        never_panics(&bytes, NAMES[name], format.map(|at| Format::ALL[at]));
    }

    #[test]
    fn broken_impressions_never_panic(news in table_like(), behaviors in table_like(), is_named in any::<bool>()) {
        let folder = Folder::new();
        folder.file("news.tsv", news);
        folder.file("behaviors.tsv", behaviors);
        imports_or_not(&folder, "", 2, is_named.then_some(Format::Mind));
    }

    #[test]
    fn packed_bytes_that_are_cut_never_panic(bytes in table_like(), cut in 0.0..1.0f64, zst in any::<bool>()) {
        let packed = if zst { zstd(&bytes) } else { gzip(&bytes) };
        let end = (packed.len() as f64 * cut) as usize;
        never_panics(&packed[..end], "e.csv", None);
    }

    #[test]
    fn a_valid_table_comes_back_as_it_went_in(
        rows in prop::collection::vec((cell(), cell(), 0u8..50, 0i64..4_000_000_000), 2..60),
        layout in 0..4usize,
    ) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut text = match layout {
            0 => "user_id,item_id,rating,timestamp\n".to_owned(),
            1 => "user_id\titem_id\trating\ttimestamp\r\n".to_owned(),
            2 => "user_id;item_id;rating;timestamp\n".to_owned(),
            _ => String::new(),
        };
        let mut expected = Vec::new();
        // Larger than a thousand million, so that seconds stay seconds.
        let time_of = |time: i64| time + 300_000_000;
        for (user, item, rating, time) in &rows {
            let (rating, time) = (f32::from(*rating) / 4.0, time_of(*time));
            text += &match layout {
                0 => format!("{},{},{rating},{time}\n", quoted(user), quoted(item)),
                1 => format!("{user}\t{item}\t{rating}\t{time}\r\n"),
                2 => format!("{};{};{rating};{time}\n", quoted(user), quoted(item)),
                _ => {
                    let object = serde_json::json!({"user_id": user, "item_id": item, "rating": rating, "timestamp": time});
                    format!("{object}\n")
                }
            };
            expected.push(format!("{user} {item} {time} {rating} e"));
        }
        expected.sort();
        let folder = Folder::new();
        folder.file("e.x", &text);
        let mut options = folder.options("e.x");
        options.sources[0].domain = Some("e".into());
        let imported = run(&options).unwrap();
        prop_assert_eq!(imported.n_skipped(), 0);
        prop_assert_eq!(events(&imported), expected);
    }
}
