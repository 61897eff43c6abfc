//! Small files that tests make for themselves.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use segue_data::DataError;
use segue_data::import::{ImportOptions, Imported, Source, import};

/// A folder that is removed at the end of the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static N: AtomicUsize = AtomicUsize::new(0);
        let name = format!("segue-it-{}-{}", std::process::id(), N.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The file or folder as one source.
    pub(crate) fn options(&self, name: &str) -> ImportOptions {
        ImportOptions::new("test", vec![source(&self.0.join(name))])
    }
}

/// A header and `n` good rows: lines 1 to `n + 1`.
pub(crate) fn good(n: usize) -> String {
    let row = |at: usize| format!("u{},i{},{},{}\n", at % 5, at, 1 + at % 5, 1_500_000_000 + at);
    std::iter::once("user_id,item_id,rating,timestamp\n".to_owned()).chain((0..n).map(row)).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    // As the command line tool does.
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn source(path: &Path) -> Source {
    Source { path: path.to_owned(), domain: None }
}

pub(crate) fn run(options: &ImportOptions) -> Result<Imported, DataError> {
    import(options, &mut |_| {})
}

/// All events as `user item time value domain`, sorted.
pub(crate) fn events(imported: &Imported) -> Vec<String> {
    let dataset = &imported.dataset;
    let mut lines = Vec::new();
    for (row, user) in dataset.users.iter().enumerate() {
        for event in dataset.sequences.row(row) {
            let domain = &dataset.domains[dataset.items.domain_of(event.item).at()].name;
            let item = dataset.items.raw(event.item);
            lines.push(format!("{user} {item} {} {} {domain}", event.timestamp, event.value));
        }
    }
    lines.sort();
    lines
}
