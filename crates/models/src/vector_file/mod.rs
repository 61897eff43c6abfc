//! Vectors of items that another program computed: `.npy`, `.safetensors`, `.parquet`, or floats and nothing else.
//!
//! Files in reading order: this one, `npy`.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};
use segue_data::{DataError, number_rows};

use crate::encoder::f16_to_f32;
use crate::model_folder;

mod npy;

/// The rows of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorFile {
    /// Length of a vector.
    pub dim: usize,
    /// `[n, dim]`, finite.
    pub values: Vec<f32>,
    /// Raw ids of the rows, where the file has them.
    pub ids: Option<Vec<String>>,
}

/// How numbers are packed; all of them little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packed {
    F16,
    BF16,
    F32,
    F64,
}

impl VectorFile {
    /// Reads a file of the kind that its name ends with; one of another name holds little-endian f32 and nothing else, `dim` of them a
    /// vector.
    ///
    /// # Errors
    /// When the file cannot be read, is of another kind, is damaged, has a number that is not finite, or vectors of another length than
    /// `dim`.
    pub fn read(path: &Path, dim: Option<usize>) -> Result<Self, DataError> {
        let refused = |(problem, remedy): (String, &str)| DataError::format(path, None, problem, remedy);
        let bytes = || model_folder::read(path).map_err(|e| DataError::io("read", path, e));
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let read = match extension.to_ascii_lowercase().as_str() {
            "npy" => npy::read(&bytes()?).map_err(refused)?,
            "safetensors" => read_safetensors(&bytes()?).map_err(refused)?,
            "parquet" => {
                let rows = number_rows::read(path)?;
                Self { dim: rows.dim, values: rows.values, ids: Some(rows.ids) }
            }
            _ => read_floats(&bytes()?, dim).map_err(refused)?,
        };
        read.check(dim).map_err(refused)?;
        Ok(read)
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim.max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn check(&self, dim: Option<usize>) -> Result<(), Refusal> {
        if self.is_empty() {
            return Err(("it has no vectors".into(), "write it again"));
        }
        if let Some(expected) = dim.filter(|&dim| dim != self.dim) {
            let problem = format!("its vectors have {} numbers, not {expected}", self.dim);
            return Err((problem, "`--dim` is only needed for files of floats and nothing else"));
        }
        if let Some(at) = self.values.iter().position(|value| !value.is_finite()) {
            let (row, column) = (at / self.dim, at % self.dim);
            let of = self.ids.as_ref().map_or(String::new(), |ids| format!(" (item `{}`)", ids[row]));
            let problem = format!("row {}{of} has {} at place {}", row + 1, self.values[at], column + 1);
            return Err((
                problem,
                "numbers must be finite and fit f32: leave such items out, or give them zeros",
            ));
        }
        Ok(())
    }
}

/// What is wrong, and what helps.
type Refusal = (String, &'static str);

const TWO_DIMENSIONS: &str = "vectors are an array of two dimensions, `[items, numbers]`, none of them 0";

// The numbers of an array of this shape, which must have two dimensions.
fn unpack(bytes: &[u8], shape: &[usize], packed: Packed) -> Result<VectorFile, Refusal> {
    let &[n, dim] = shape else {
        return Err((format!("its array has the shape {shape:?}"), TWO_DIMENSIONS));
    };
    let width = match packed {
        Packed::F16 | Packed::BF16 => 2,
        Packed::F32 => 4,
        Packed::F64 => 8,
    };
    let expected = n.checked_mul(dim).and_then(|n| n.checked_mul(width));
    if expected.is_none_or(|expected| expected == 0) {
        return Err((format!("its array has the shape {shape:?}"), TWO_DIMENSIONS));
    }
    if expected != Some(bytes.len()) {
        let problem = format!("shape {shape:?} of {width} bytes each does not fit its {} bytes", bytes.len());
        return Err((problem, "the file is cut off or damaged: write it again"));
    }
    let half = |b: &[u8]| u16::from_le_bytes([b[0], b[1]]);
    let values = match packed {
        Packed::F16 => bytes.chunks_exact(2).map(|b| f16_to_f32(half(b))).collect(),
        Packed::BF16 => bytes.chunks_exact(2).map(|b| f32::from_bits(u32::from(half(b)) << 16)).collect(),
        Packed::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Packed::F64 => bytes
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
            .collect(),
    };
    Ok(VectorFile { dim, values, ids: None })
}

fn read_floats(bytes: &[u8], dim: Option<usize>) -> Result<VectorFile, Refusal> {
    let Some(dim) = dim else {
        let remedy = "known are .npy, .safetensors and .parquet; for little-endian f32 and nothing else say how many a vector has: `--dim N`";
        return Err(("its name does not say what it is".into(), remedy));
    };
    let row = dim.saturating_mul(4);
    if row == 0 || !bytes.len().is_multiple_of(row) {
        let problem = format!("its {} bytes are no whole number of vectors of {dim} f32", bytes.len());
        return Err((problem, "check `--dim`; a header before the numbers is not understood"));
    }
    unpack(bytes, &[bytes.len() / row, dim], Packed::F32)
}

fn read_safetensors(bytes: &[u8]) -> Result<VectorFile, Refusal> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| (format!("it is not a readable safetensors file: {e}"), "write it again"))?;
    let mut tensors = file.tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let [(name, tensor)] = tensors.as_slice() else {
        let names: Vec<&str> = tensors.iter().take(8).map(|(name, _)| name.as_str()).collect();
        let problem = format!("it has {} tensors: `{}`", tensors.len(), names.join("`, `"));
        return Err((problem, "write a file with one tensor, the vectors"));
    };
    let packed = match tensor.dtype() {
        Dtype::F16 => Packed::F16,
        Dtype::BF16 => Packed::BF16,
        Dtype::F32 => Packed::F32,
        Dtype::F64 => Packed::F64,
        other => return Err((format!("tensor `{name}` has type {other:?}"), "write f16, bf16, f32 or f64")),
    };
    unpack(tensor.data(), tensor.shape(), packed)
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::*;

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn floats_and_nothing_else_need_a_length_that_fits() {
        let read = read_floats(&bytes(&[1.0, 2.0, 3.0, 4.0]), Some(2)).unwrap();
        assert_eq!((read.len(), read.dim, read.values), (2, 2, vec![1.0, 2.0, 3.0, 4.0]));
        for (dim, said) in [(None, "--dim N"), (Some(3), "16 bytes"), (Some(0), "16 bytes")] {
            let (problem, remedy) = read_floats(&bytes(&[0.0; 4]), dim).unwrap_err();
            assert!(format!("{problem} {remedy}").contains(said), "{dim:?}: {problem} {remedy}");
        }
        assert!(read_floats(&[0; 6], Some(1)).is_err());
    }

    #[test]
    fn a_number_that_is_not_finite_is_named() {
        let mut read = read_floats(&bytes(&[1.0, 2.0, 3.0, f32::NAN]), Some(2)).unwrap();
        assert!(read.check(None).unwrap_err().0.contains("row 2 has NaN at place 2"));
        read.values[3] = 4.0;
        assert!(read.check(Some(2)).is_ok());
        assert!(read.check(Some(3)).unwrap_err().0.contains("2 numbers, not 3"));
    }

    #[test]
    fn one_tensor_of_two_dimensions_is_read() {
        let file = |tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]| {
            let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
                (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
            });
            safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()
        };
        let single = bytes(&[1.0, -2.0, 0.5, 4.0]);
        let half: Vec<u8> =
            [0x3c00u16, 0xc000, 0x3800, 0x4400].iter().flat_map(|x| x.to_le_bytes()).collect();
        let upper: Vec<u8> = single.chunks_exact(4).flat_map(|b| [b[2], b[3]]).collect();
        for (dtype, bytes) in [(Dtype::F32, single.clone()), (Dtype::F16, half), (Dtype::BF16, upper)] {
            let read = read_safetensors(&file(&[("v", dtype, vec![2, 2], bytes)])).unwrap();
            assert_eq!(read.values, [1.0, -2.0, 0.5, 4.0], "{dtype:?}");
        }
        let two =
            file(&[("a", Dtype::F32, vec![4], single.clone()), ("b", Dtype::F32, vec![4], single.clone())]);
        assert!(read_safetensors(&two).unwrap_err().0.contains("`a`, `b`"));
        for shape in [vec![4], vec![1, 2, 2]] {
            let refused = read_safetensors(&file(&[("v", Dtype::F32, shape, single.clone())]));
            assert!(refused.unwrap_err().1.contains("two dimensions"));
        }
        assert!(
            read_safetensors(&file(&[("v", Dtype::I32, vec![2, 2], single)])).unwrap_err().0.contains("I32")
        );
        assert!(read_safetensors(&two[..20]).is_err());
    }
}
