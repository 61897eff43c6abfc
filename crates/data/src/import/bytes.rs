//! Bytes of a source file: decompressed, counted and hashed while they are read.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::bufread::MultiGzDecoder;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::DataError;

const EXPANSION_MAX: u64 = 300;
const EXPANSION_FREE_BYTES: u64 = 64 << 20;
const READ_BYTES: usize = 1 << 18;

/// How a file is packed; told by its first bytes, not by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Plain.
    None,
    /// gzip, any number of members.
    Gzip,
    /// Zstandard.
    Zstd,
}

struct Meter {
    hasher: Sha256,
    n_bytes: u64,
}

struct MeteredFile {
    file: File,
    meter: Arc<Mutex<Meter>>,
}

impl Read for MeteredFile {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(into)?;
        let mut meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
        meter.hasher.update(&into[..n]);
        meter.n_bytes += n as u64;
        Ok(n)
    }
}

/// An open source file.
pub(super) struct ByteSource {
    path: PathBuf,
    compression: Compression,
    reader: Box<dyn Read + Send>,
    meter: Arc<Mutex<Meter>>,
    n_out: u64,
}

impl ByteSource {
    /// Opens a regular, non-empty file.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let file = open_regular(path)?;
        let compression = compression_of(&mut &file, path)?;
        let file = open_again(path, file)?;
        let meter = Arc::new(Mutex::new(Meter { hasher: Sha256::new(), n_bytes: 0 }));
        let metered = MeteredFile { file, meter: Arc::clone(&meter) };
        let reader: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(metered),
            Compression::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(READ_BYTES, metered))),
            Compression::Zstd => {
                let buffered = BufReader::with_capacity(READ_BYTES, metered);
                let decoder = zstd::stream::read::Decoder::with_buffer(buffered);
                Box::new(decoder.map_err(|e| DataError::io("open", path, e))?)
            }
        };
        Ok(Self { path: path.to_owned(), compression, reader, meter, n_out: 0 })
    }

    pub(super) fn compression(&self) -> Compression {
        self.compression
    }

    /// Appends up to `n` bytes to `buffer`; fewer only at the end of the file.
    pub(super) fn read_into(&mut self, buffer: &mut Vec<u8>, n: usize) -> Result<usize, DataError> {
        let before = buffer.len();
        let read = self.reader.by_ref().take(n as u64).read_to_end(buffer);
        read.map_err(|e| self.broken(e))?;
        let n = buffer.len() - before;
        self.n_out += n as u64;
        let n_in = self.n_bytes();
        if self.compression != Compression::None
            && self.n_out > EXPANSION_FREE_BYTES
            && self.n_out / n_in.max(1) > EXPANSION_MAX
        {
            return Err(DataError::format(
                &self.path,
                None,
                format!("{n_in} bytes expand to more than {EXPANSION_MAX} times as many: refused"),
                "if this is no decompression bomb, decompress the file yourself and import the result",
            ));
        }
        Ok(n)
    }

    /// Bytes read of the stored file so far.
    pub(super) fn n_bytes(&self) -> u64 {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).n_bytes
    }

    /// SHA-256 of the bytes read of the stored file: of all of it, once the end was reached.
    pub(super) fn sha256(&self) -> String {
        let hasher = self.meter.lock().unwrap_or_else(PoisonError::into_inner).hasher.clone();
        crate::hash::hex(&hasher.finalize())
    }

    fn broken(&self, cause: std::io::Error) -> DataError {
        if self.compression == Compression::None {
            return DataError::io("read", &self.path, cause);
        }
        let problem = match cause.kind() {
            ErrorKind::UnexpectedEof => "the compressed stream ends too early".to_owned(),
            _ => format!("the compressed stream is damaged: {cause}"),
        };
        DataError::format(&self.path, None, problem, "copy or download the file again; nothing was imported")
    }
}

fn open_regular(path: &Path) -> Result<File, DataError> {
    let meta = std::fs::metadata(path).map_err(|e| DataError::io("open", path, e))?;
    if !meta.is_file() {
        let problem = if meta.is_dir() { "this is a folder" } else { "this is not a regular file" };
        return Err(DataError::format(path, None, problem, "name the file to import"));
    }
    if meta.len() == 0 {
        return Err(DataError::format(path, None, "the file is empty", "export or download it again"));
    }
    File::open(path).map_err(|e| DataError::io("open", path, e))
}

fn open_again(path: &Path, mut file: File) -> Result<File, DataError> {
    std::io::Seek::rewind(&mut file).map_err(|e| DataError::io("read", path, e))?;
    Ok(file)
}

fn compression_of(file: &mut impl Read, path: &Path) -> Result<Compression, DataError> {
    let mut head = Vec::new();
    file.by_ref().take(16).read_to_end(&mut head).map_err(|e| DataError::io("read", path, e))?;
    Ok(match head.as_slice() {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        _ => Compression::None,
    })
}

/// The first bytes of a file, decompressed.
pub(super) struct Sample {
    pub(super) bytes: Vec<u8>,
    /// Whether these are all bytes.
    pub(super) is_whole: bool,
    pub(super) compression: Compression,
}

/// Reads up to `n` bytes from the beginning.
pub(super) fn sample(path: &Path, n: usize) -> Result<Sample, DataError> {
    let mut source = ByteSource::open(path)?;
    let mut bytes = Vec::new();
    source.read_into(&mut bytes, n)?;
    let mut more = Vec::new();
    let is_whole = source.read_into(&mut more, 1)? == 0;
    if bytes.is_empty() {
        return Err(DataError::format(path, None, "the file is empty", "export or download it again"));
    }
    Ok(Sample { bytes, is_whole, compression: source.compression() })
}
