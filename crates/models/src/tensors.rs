//! Named arrays of a model on disk: safetensors, with sizes and numbers checked on the way in.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors, View};

/// What can be wrong with a model's arrays or its fit.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// An array is not there.
    #[error("tensor `{0}` is missing\n  hint: the artifact is damaged or of another version: train again")]
    Missing(String),
    /// An array has another shape, type or content than its model needs.
    #[error(
        "tensor `{tensor}` does not fit: expected {expected}\n  hint: the artifact is damaged or belongs to other data: train again"
    )]
    Inconsistent {
        /// Name of the array.
        tensor: String,
        /// What was expected.
        expected: String,
    },
    /// The container is broken.
    #[error("not a readable safetensors file: {0}\n  hint: the artifact is damaged: train again")]
    Container(String),
    /// Text vectors that belong to another catalog, or to other texts.
    #[error(
        "the text vectors of `{model}` were made before the items or their texts changed\n  hint: `segue encode` the data set again; only new texts take time"
    )]
    Stale {
        /// The encoder's name.
        model: String,
    },
    /// The data cannot support this model; says why.
    #[error("{expert} stands aside: {reason}")]
    StandsAside {
        /// Which expert.
        expert: &'static str,
        /// Why, with the numbers.
        reason: String,
    },
    /// It cannot be fitted in closed form.
    #[error("{0} is trained step by step, not in closed form; this is a bug")]
    NeedsTraining(&'static str),
    /// A fit produced a number that is not finite.
    #[error("{0} produced a value that is not finite; this is a bug")]
    NotFinite(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
enum Array {
    F32(Vec<f32>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    Bytes(Vec<u8>),
}

/// One-dimensional arrays by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors {
    arrays: BTreeMap<String, Array>,
}

struct Raw {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Raw {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        self.bytes.as_slice().into()
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Tensors {
    /// No arrays.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an f32 array.
    pub fn put_f32(&mut self, name: &str, values: Vec<f32>) {
        self.arrays.insert(name.to_owned(), Array::F32(values));
    }

    /// Adds a u32 array.
    pub fn put_u32(&mut self, name: &str, values: Vec<u32>) {
        self.arrays.insert(name.to_owned(), Array::U32(values));
    }

    /// Adds a u64 array.
    pub fn put_u64(&mut self, name: &str, values: Vec<u64>) {
        self.arrays.insert(name.to_owned(), Array::U64(values));
    }

    /// Adds a list of texts (stored as JSON).
    pub fn put_texts(&mut self, name: &str, texts: &[String]) {
        let bytes = serde_json::to_vec(texts).unwrap_or_default();
        self.arrays.insert(name.to_owned(), Array::Bytes(bytes));
    }

    /// Takes an f32 array; every value must be finite.
    ///
    /// # Errors
    /// When it is missing, of another type, or has a value that is not finite.
    pub fn take_f32(&mut self, name: &str) -> Result<Vec<f32>, ModelError> {
        match self.take(name)? {
            Array::F32(values) if values.iter().all(|value| value.is_finite()) => Ok(values),
            _ => Err(inconsistent(name, "finite f32 values")),
        }
    }

    /// Takes a u32 array.
    ///
    /// # Errors
    /// When it is missing or of another type.
    pub fn take_u32(&mut self, name: &str) -> Result<Vec<u32>, ModelError> {
        match self.take(name)? {
            Array::U32(values) => Ok(values),
            _ => Err(inconsistent(name, "u32 values")),
        }
    }

    /// Takes a u64 array.
    ///
    /// # Errors
    /// When it is missing or of another type.
    pub fn take_u64(&mut self, name: &str) -> Result<Vec<u64>, ModelError> {
        match self.take(name)? {
            Array::U64(values) => Ok(values),
            _ => Err(inconsistent(name, "u64 values")),
        }
    }

    /// Takes a list of texts.
    ///
    /// # Errors
    /// When it is missing or not a list of texts.
    pub fn take_texts(&mut self, name: &str) -> Result<Vec<String>, ModelError> {
        let Array::Bytes(bytes) = self.take(name)? else { return Err(inconsistent(name, "texts")) };
        serde_json::from_slice(&bytes).map_err(|_| inconsistent(name, "texts as JSON"))
    }

    fn take(&mut self, name: &str) -> Result<Array, ModelError> {
        self.arrays.remove(name).ok_or_else(|| ModelError::Missing(name.to_owned()))
    }

    /// The bytes of a safetensors file.
    ///
    /// # Errors
    /// When the container cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let raw: Vec<(String, Raw)> =
            self.arrays.iter().map(|(name, array)| (name.clone(), raw(array))).collect();
        safetensors::serialize(raw.iter().map(|(name, raw)| (name.as_str(), raw)), None)
            .map_err(|e| ModelError::Container(e.to_string()))
    }

    /// Reads the bytes of a safetensors file.
    ///
    /// # Errors
    /// When the container is broken or has a type that Segue does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let container = SafeTensors::deserialize(bytes).map_err(|e| ModelError::Container(e.to_string()))?;
        let mut arrays = BTreeMap::new();
        for (name, view) in container.tensors() {
            let data = view.data();
            let array = match view.dtype() {
                Dtype::F32 => Array::F32(
                    data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
                ),
                Dtype::U32 => Array::U32(
                    data.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
                ),
                Dtype::U64 => Array::U64(data.chunks_exact(8).map(to_u64).collect()),
                Dtype::U8 => Array::Bytes(data.to_vec()),
                _ => return Err(inconsistent(&name, "f32, u32, u64 or u8")),
            };
            arrays.insert(name, array);
        }
        Ok(Self { arrays })
    }
}

fn to_u64(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

fn raw(array: &Array) -> Raw {
    let (dtype, n, bytes) = match array {
        Array::F32(values) => {
            (Dtype::F32, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
        }
        Array::U32(values) => {
            (Dtype::U32, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
        }
        Array::U64(values) => {
            (Dtype::U64, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
        }
        Array::Bytes(values) => (Dtype::U8, values.len(), values.clone()),
    };
    Raw { dtype, shape: vec![n], bytes }
}

fn inconsistent(name: &str, expected: &str) -> ModelError {
    ModelError::Inconsistent { tensor: name.to_owned(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_round_trip_and_nan_is_refused() {
        let mut tensors = Tensors::new();
        tensors.put_f32("a", vec![1.5, -2.0]);
        tensors.put_u32("b", vec![7]);
        tensors.put_u64("c", vec![u64::MAX - 3]);
        tensors.put_texts("d", &["é".into()]);
        tensors.put_f32("nan", vec![f32::NAN]);
        let mut back = Tensors::from_bytes(&tensors.to_bytes().unwrap()).unwrap();
        assert_eq!(back.take_f32("a").unwrap(), [1.5, -2.0]);
        assert_eq!(back.take_u32("b").unwrap(), [7]);
        assert_eq!(back.take_u64("c").unwrap(), [u64::MAX - 3]);
        assert_eq!(back.take_texts("d").unwrap(), ["é"]);
        assert!(back.take_f32("nan").is_err());
        assert!(back.take_f32("a").is_err(), "taken once");
        assert!(Tensors::from_bytes(b"hello").is_err());
    }
}
