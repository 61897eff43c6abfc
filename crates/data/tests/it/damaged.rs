//! Compressed and binary files that are damaged: refused, never half read.

use segue_data::import::import_to;
use segue_data::table::{self, Column};

use crate::files::{Folder, good, gzip, run, zstd};

fn refused(name: &str, bytes: &[u8]) -> String {
    let folder = Folder::new();
    folder.file(name, bytes);
    let outside = Folder::new();
    let result = import_to(&folder.options(name), &outside.path().join("out"), &mut |_| {});
    let error = result.map(|(imported, _)| imported.counts).unwrap_err().to_string();
    assert!(error.contains("hint: "), "{error}");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    error
}

#[test]
fn truncated_streams_are_refused_wherever_they_end() {
    let text = good(40_000);
    for (name, packed) in [("e.csv.gz", gzip(text.as_bytes())), ("e.csv.zst", zstd(text.as_bytes()))] {
        for share in [30, 90, 99] {
            let error = refused(name, &packed[..packed.len() * share / 100]);
            assert!(error.contains("compressed stream"), "{name} {share} %: {error}");
        }
        assert!(refused(name, &packed[..packed.len() - 1]).contains("compressed stream"), "{name}");
    }
}

#[test]
fn damaged_streams_are_refused() {
    let mut packed = gzip(good(40_000).as_bytes());
    let end = packed.len();
    packed[end - 6] ^= 0xff;
    assert!(refused("checksum.csv.gz", &packed).contains("damaged"));
    let mut packed = zstd(good(40_000).as_bytes());
    let middle = packed.len() / 2;
    packed[middle..middle + 50].fill(0xaa);
    assert!(refused("middle.csv.zst", &packed).contains("compressed stream"));
    refused("head.csv.gz", b"\x1f\x8bnot gzip at all");
    refused("head.csv.zst", b"\x28\xb5\x2f\xfdnot zstd at all");
    refused("nothing.csv.gz", &gzip(b""));
}

#[test]
fn a_decompression_bomb_is_refused_while_it_expands() {
    let text = "user,item,rating\n".to_owned() + &"1,1,1\n".repeat((96 << 20) / 6);
    assert!(refused("bomb.csv.gz", &gzip(text.as_bytes())).contains("expand"));
    assert!(refused("bomb.csv.zst", &zstd(text.as_bytes())).contains("expand"));
}

fn parquet() -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.path().join("e.parquet");
    let n = 2_000;
    let columns = vec![
        ("user_id".to_owned(), Column::Text((0..n).map(|at| format!("u{}", at % 50)).collect())),
        ("item_id".to_owned(), Column::I32((0..n).map(|at| at % 70).collect())),
        ("rating".to_owned(), Column::F32((0..n).map(|at| (at % 9) as f32 / 2.0).collect())),
        ("timestamp".to_owned(), Column::I64((0..n).map(|at| 1_500_000_000_000 + i64::from(at)).collect())),
    ];
    table::write(&path, &columns).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn parquet_of_others_is_read_and_a_truncated_one_is_refused() {
    let bytes = parquet();
    let folder = Folder::new();
    folder.file("e.parquet", &bytes);
    let imported = run(&folder.options("e.parquet")).unwrap();
    assert_eq!((imported.dataset.users.len(), imported.dataset.sequences.n_events()), (50, 2_000));
    assert_eq!(imported.dataset.sequences.events()[0].timestamp, 1_500_000_000);
    for share in [1, 50, 99] {
        assert!(refused("e.parquet", &bytes[..bytes.len() * share / 100]).contains("Parquet"));
    }
    assert!(refused("magic.parquet", b"PAR1PAR1").contains("Parquet"));
}

#[test]
fn parquet_with_any_byte_changed_never_panics() {
    let bytes = parquet();
    let folder = Folder::new();
    for at in (0..bytes.len()).step_by(bytes.len() / 300) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x5a;
        folder.file("e.parquet", &changed);
        let _ = run(&folder.options("e.parquet"));
    }
}
