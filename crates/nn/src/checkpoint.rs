//! Named arrays and numbers in one safetensors file: written whole or not at all, and read only into what fits.
//!
//! The file has one entry of metadata, [`FORMAT`], whose text is a JSON object of the numbers. The same content has the
//! same bytes. A name that is missing, unknown, or of another shape or type is refused before anything is read.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

/// Name of the metadata entry, and version of the format.
pub const FORMAT: &str = "segue-checkpoint-1";

/// Bytes converted at one time.
const PIECE: usize = 1 << 16;

/// Why a checkpoint was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The operating system did not let us open, read, write, rename or sync.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// What it answered.
        source: std::io::Error,
    },
    /// The file is not a whole checkpoint.
    #[error("`{}` is not a readable checkpoint: {reason}\n  hint: it is damaged or was not written by this version; start from an older one", path.display())]
    Damaged {
        /// Where it lies.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file belongs to something else.
    #[error("`{}` does not fit: {difference}\n  hint: load it with the configuration that it was written with", path.display())]
    Different {
        /// Where it lies.
        path: PathBuf,
        /// The first difference, by name.
        difference: String,
    },
}

/// An array to be stored.
#[derive(Clone, Debug)]
pub struct Array<'a> {
    /// Unique in the file.
    pub name: String,
    /// Row-major shape.
    pub shape: Vec<usize>,
    /// As many as the shape says.
    pub values: Values<'a>,
}

/// Values of an array, in parts that follow each other.
#[derive(Clone, Debug)]
pub enum Values<'a> {
    /// Weights, moments.
    F32(Vec<&'a [f32]>),
    /// Sums over a whole training.
    F64(&'a [f64]),
    /// Numbers of rows.
    U32(&'a [u32]),
}

/// A number beside the arrays: step, epoch, best result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A count or a seed.
    U64(u64),
    /// A measure; any value comes back, also NaN.
    F64(f64),
}

/// Numbers by name.
pub type Scalars = BTreeMap<String, Scalar>;

/// What an array must be: name, shape, type.
pub(crate) type Expected = (String, Vec<usize>, Dtype);

impl Values<'_> {
    pub(crate) fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::F64(_) => Dtype::F64,
            Self::U32(_) => Dtype::U32,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::F32(parts) => parts.iter().map(|part| part.len()).sum(),
            Self::F64(values) => values.len(),
            Self::U32(values) => values.len(),
        }
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        match self {
            Self::F32(parts) => parts.iter().try_for_each(|part| write_values(part, f32::to_le_bytes, out)),
            Self::F64(values) => write_values(values, f64::to_le_bytes, out),
            Self::U32(values) => write_values(values, u32::to_le_bytes, out),
        }
    }
}

fn write_values<T: Copy, const N: usize>(
    values: &[T],
    bytes_of: fn(T) -> [u8; N],
    out: &mut impl Write,
) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(PIECE);
    for piece in values.chunks(PIECE / N) {
        bytes.clear();
        bytes.extend(piece.iter().flat_map(|&value| bytes_of(value)));
        out.write_all(&bytes)?;
    }
    Ok(())
}

impl Array<'_> {
    fn n_bytes(&self) -> usize {
        self.values.len() * self.values.dtype().bitsize() / 8
    }
}

/// Writes a checkpoint: aside, synced, then under its name, so that a crash leaves the old file or the new one.
///
/// # Errors
/// When the system refuses.
///
/// # Panics
/// When a shape and its values differ, or a name is taken.
pub fn save(path: &Path, arrays: &[Array<'_>], scalars: &Scalars) -> Result<(), CheckpointError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(format!(".{name}.partial-{}", std::process::id()));
    let written = write(&aside, arrays, scalars).and_then(|()| {
        fs::rename(&aside, path).map_err(|source| io("rename to", path, source))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = File::open(parent).and_then(|folder| folder.sync_all());
        synced.map_err(|source| io("sync", parent, source))
    });
    if written.is_err() {
        // The first error is the one to tell; where the file was not even created, there is nothing to remove.
        let _ = fs::remove_file(&aside);
    }
    written
}

fn write(path: &Path, arrays: &[Array<'_>], scalars: &Scalars) -> Result<(), CheckpointError> {
    let mut arrays: Vec<&Array<'_>> = arrays.iter().collect();
    arrays.sort_by_key(|array| std::cmp::Reverse(array.values.dtype().bitsize())); // keeps all aligned
    let header = header(&arrays, scalars);
    let write_all = || -> std::io::Result<()> {
        let file = File::create(path)?;
        let mut out = BufWriter::with_capacity(PIECE, &file);
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        arrays.iter().try_for_each(|array| array.values.write(&mut out))?;
        out.flush()?;
        drop(out);
        file.sync_all()
    };
    write_all().map_err(|source| io("write", path, source))
}

fn header(arrays: &[&Array<'_>], scalars: &Scalars) -> String {
    let mut at = 0;
    let mut infos = Vec::with_capacity(arrays.len());
    let mut names = std::collections::HashSet::new();
    for array in arrays {
        let n_values: usize = array.shape.iter().product();
        assert_eq!(n_values, array.values.len(), "values of `{}`, shape {:?}", array.name, array.shape);
        assert!(names.insert(&array.name), "two arrays `{}`", array.name);
        let data_offsets = (at, at + array.n_bytes());
        at = data_offsets.1;
        let info = TensorInfo { dtype: array.values.dtype(), shape: array.shape.clone(), data_offsets };
        infos.push((array.name.clone(), info));
    }
    let texts: BTreeMap<&str, String> =
        scalars.iter().map(|(name, x)| (name.as_str(), x.to_text())).collect();
    let text = serde_json::to_string(&texts).expect("strings are JSON");
    let metadata = Metadata::new(Some(HashMap::from([(FORMAT.to_owned(), text)])), infos);
    let metadata = metadata.expect("offsets follow each other");
    let mut header = serde_json::to_string(&metadata).expect("a header is JSON");
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    header
}

impl Scalar {
    // The shortest decimals that give the same number back.
    fn to_text(self) -> String {
        match self {
            Self::U64(x) => format!("u64:{x}"),
            Self::F64(x) => format!("f64:{x:?}"),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("u64", x) => x.parse().ok().map(Self::U64),
            ("f64", x) => x.parse().ok().map(Self::F64),
            _ => None,
        }
    }
}

/// An opened checkpoint, whose arrays are not read yet.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    file: File,
    metadata: Metadata,
    data_start: u64,
    scalars: Scalars,
}

impl Checkpoint {
    /// Opens a file and reads its header; the file has the length that the header says.
    ///
    /// # Errors
    /// When the system refuses, or the file is not a whole checkpoint.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let mut file = File::open(path).map_err(|source| io("open", path, source))?;
        let n_bytes = file.metadata().map_err(|source| io("read", path, source))?.len();
        let damaged = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
        let mut word = [0; 8];
        file.read_exact(&mut word).map_err(|_| damaged(format!("{n_bytes} bytes are too few")))?;
        let n_header = u64::from_le_bytes(word);
        let data_start = n_header.checked_add(8).filter(|&start| start <= n_bytes);
        let data_start = data_start.ok_or_else(|| damaged(format!("a header of {n_header} bytes")))?;
        let mut header = vec![0; n_header as usize];
        file.read_exact(&mut header).map_err(|source| io("read", path, source))?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| damaged(error.to_string()))?;
        let expected = data_start + metadata.data_len() as u64;
        if n_bytes != expected {
            return Err(damaged(format!("{n_bytes} bytes instead of {expected}")));
        }
        let text = metadata.metadata().as_ref().and_then(|entries| entries.get(FORMAT));
        let text = text.ok_or_else(|| damaged(format!("no entry `{FORMAT}`")))?;
        let scalars = scalars_of(text).ok_or_else(|| damaged(format!("numbers `{text}`")))?;
        Ok(Self { path: path.to_owned(), file, metadata, data_start, scalars })
    }

    /// Step, epoch, best result: what was saved beside the arrays.
    pub fn scalars(&self) -> &Scalars {
        &self.scalars
    }

    /// Row-major shape of an array in the file; `None` where it has none of that name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| info.shape.as_slice())
    }

    /// Refuses a file whose arrays are not exactly these.
    pub(crate) fn expect(&self, expected: &[Expected]) -> Result<(), CheckpointError> {
        let stored = self.metadata.tensors();
        let stored = stored.iter().map(|(name, info)| (name.as_str(), (info.shape.as_slice(), info.dtype)));
        let stored: BTreeMap<_, _> = stored.collect();
        let wanted = expected.iter().map(|(name, shape, dtype)| (name.as_str(), (shape.as_slice(), *dtype)));
        let wanted: BTreeMap<_, _> = wanted.collect();
        let names = stored.keys().chain(wanted.keys()).collect::<std::collections::BTreeSet<_>>();
        for name in names {
            let difference = match (stored.get(name), wanted.get(name)) {
                (Some(stored), Some(wanted)) if stored == wanted => continue,
                (Some(stored), Some(wanted)) => {
                    format!(
                        "`{name}` is {:?} {:?} in the file, {:?} {:?} here",
                        stored.1, stored.0, wanted.1, wanted.0
                    )
                }
                (Some(stored), None) => format!("`{name}` {:?} is in the file and not here", stored.0),
                (None, wanted) => {
                    format!("`{name}` {:?} is not in the file", wanted.map_or(&[][..], |w| w.0))
                }
            };
            return Err(self.different(difference));
        }
        Ok(())
    }

    pub(crate) fn different(&self, difference: String) -> CheckpointError {
        CheckpointError::Different { path: self.path.clone(), difference }
    }

    pub(crate) fn damaged(&self, reason: String) -> CheckpointError {
        CheckpointError::Damaged { path: self.path.clone(), reason }
    }

    /// Reads an array of weights into parts that follow each other.
    ///
    /// # Errors
    /// When there is no such array of that length, or the system refuses.
    pub fn read_f32<'b>(
        &mut self,
        name: &str,
        parts: impl IntoIterator<Item = &'b mut [f32]>,
    ) -> Result<(), CheckpointError> {
        let mut left = self.seek(name, Dtype::F32)?;
        for part in parts {
            left = left
                .checked_sub(part.len())
                .ok_or_else(|| self.different(format!("`{name}` is too short")))?;
            self.read_values(part, f32::from_le_bytes)?;
        }
        if left > 0 { Err(self.different(format!("`{name}` has {left} values too many"))) } else { Ok(()) }
    }

    pub(crate) fn read_f64(&mut self, name: &str) -> Result<Vec<f64>, CheckpointError> {
        let mut values = vec![0.0; self.seek(name, Dtype::F64)?];
        self.read_values(&mut values, f64::from_le_bytes)?;
        Ok(values)
    }

    pub(crate) fn read_u32(&mut self, name: &str) -> Result<Vec<u32>, CheckpointError> {
        let mut values = vec![0; self.seek(name, Dtype::U32)?];
        self.read_values(&mut values, u32::from_le_bytes)?;
        Ok(values)
    }

    /// Goes to an array; its number of values, which the file is known to hold.
    fn seek(&mut self, name: &str, dtype: Dtype) -> Result<usize, CheckpointError> {
        let info = self.metadata.info(name).filter(|info| info.dtype == dtype);
        let info = info.ok_or_else(|| self.different(format!("`{name}` of {dtype:?} is not in the file")))?;
        let n_values = info.shape.iter().product();
        let start = self.data_start + info.data_offsets.0 as u64;
        let sought = self.file.seek(SeekFrom::Start(start));
        sought.map_err(|source| io("read", &self.path, source))?;
        Ok(n_values)
    }

    fn read_values<T, const N: usize>(
        &mut self,
        values: &mut [T],
        value_of: fn([u8; N]) -> T,
    ) -> Result<(), CheckpointError> {
        let mut bytes = vec![0; PIECE];
        for piece in values.chunks_mut(PIECE / N) {
            let bytes = &mut bytes[..piece.len() * N];
            self.file.read_exact(bytes).map_err(|source| io("read", &self.path, source))?;
            let words = bytes.as_chunks().0;
            piece.iter_mut().zip(words).for_each(|(value, word)| *value = value_of(*word));
        }
        Ok(())
    }
}

fn scalars_of(text: &str) -> Option<Scalars> {
    let texts: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
    texts.into_iter().map(|(name, text)| Some((name, Scalar::from_text(&text)?))).collect()
}

fn io(doing: &'static str, path: &Path, source: std::io::Error) -> CheckpointError {
    CheckpointError::Io { doing, path: path.to_owned(), source }
}
