//! Arrays of a safetensors file, read one at a time and converted to f32: a large model is never in memory twice.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata};

use crate::encoder::error::EncoderError;
use crate::model_folder::{self, OpenFile};

/// Larger headers are refused: they cannot be honest.
const HEADER_BYTES_MAX: u64 = 16 << 20;

/// An open safetensors file.
#[derive(Debug)]
pub(crate) struct WeightsFile {
    path: PathBuf,
    file: OpenFile,
    metadata: Metadata,
    first_byte: u64,
    prefix: String,
}

impl WeightsFile {
    /// Opens a file and checks its table of contents against its length.
    pub(crate) fn open(path: &Path) -> Result<Self, EncoderError> {
        let mut file = model_folder::open(path).map_err(|e| EncoderError::io(path, e))?;
        let n_bytes = file.metadata().map_err(|e| EncoderError::io(path, e))?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_| EncoderError::damaged(path, "shorter than 8 bytes"))?;
        let header_bytes = u64::from_le_bytes(length);
        if header_bytes > HEADER_BYTES_MAX || header_bytes > n_bytes - 8 {
            let reason = format!("it claims a header of {header_bytes} bytes and has {n_bytes} in all");
            return Err(EncoderError::damaged(path, reason));
        }
        let mut header = vec![0; header_bytes as usize];
        file.read_exact(&mut header).map_err(|e| EncoderError::io(path, e))?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|e| EncoderError::damaged(path, e.to_string()))?;
        let expected = (metadata.data_len() as u64).saturating_add(8 + header_bytes);
        if n_bytes != expected {
            let reason = format!("it has {n_bytes} bytes, its header speaks of {expected}");
            return Err(EncoderError::damaged(path, reason));
        }
        let prefix = find_prefix(&metadata);
        Ok(Self { path: path.to_path_buf(), file, metadata, first_byte: 8 + header_bytes, prefix })
    }

    /// Names of all arrays, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.metadata.tensors().into_keys().collect();
        names.sort();
        names
    }

    /// Reads an array that must have this shape; f32, f16 and bf16 become f32.
    pub(crate) fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EncoderError> {
        self.read_whole_name(&format!("{}{name}", self.prefix), shape)
    }

    /// Whether there is an array of this name, which is not of the encoder itself.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.metadata.info(name).is_some()
    }

    /// As [`read`](Self::read), an array that is not of the encoder itself, such as one of a head.
    pub(crate) fn read_whole_name(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EncoderError> {
        let name = name.to_owned();
        let Some(info) = self.metadata.info(&name) else {
            return Err(EncoderError::Missing { path: self.path.clone(), tensor: name });
        };
        if info.shape != shape {
            let (received, expected) = (info.shape.clone(), shape.to_vec());
            return Err(EncoderError::Shape { path: self.path.clone(), tensor: name, received, expected });
        }
        let (start, end) = info.data_offsets;
        let dtype = info.dtype;
        let n_bits = shape.iter().try_fold(dtype.bitsize(), |n, size| n.checked_mul(*size));
        let n_bytes = n_bits.map(|bits| bits / 8);
        if end.checked_sub(start) != n_bytes || end > self.metadata.data_len() {
            let reason = format!("tensor `{name}` of shape {shape:?} claims bytes {start} to {end}");
            return Err(EncoderError::damaged(&self.path, reason));
        }
        let mut bytes = vec![0; end - start];
        let at = SeekFrom::Start(self.first_byte + start as u64);
        let read = self.file.seek(at).and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|e| EncoderError::io(&self.path, e))?;
        let values: Vec<f32> = match dtype {
            Dtype::F32 => {
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
            }
            Dtype::F16 => {
                bytes.chunks_exact(2).map(|b| f16_to_f32(u16::from_le_bytes([b[0], b[1]]))).collect()
            }
            Dtype::BF16 => {
                let wide = |b: &[u8]| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16);
                bytes.chunks_exact(2).map(wide).collect()
            }
            other => {
                return Err(EncoderError::Unsupported {
                    path: self.path.clone(),
                    what: format!("type {other:?} of tensor `{name}`"),
                    supported: "supported are F32, F16 and BF16",
                });
            }
        };
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(EncoderError::damaged(&self.path, format!("tensor `{name}` has a value that is not finite")))
    }
}

// Models with a head keep the encoder under a name of its own.
fn find_prefix(metadata: &Metadata) -> String {
    const ANCHOR: &str = "embeddings.word_embeddings.weight";
    let names = metadata.tensors();
    let mut found: Vec<&str> = names.keys().filter_map(|name| name.strip_suffix(ANCHOR)).collect();
    found.sort_by_key(|prefix| prefix.len());
    found.first().copied().unwrap_or_default().to_owned()
}

/// Half precision to single (IEEE 754), exact.
pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0f32 } else { -1.0 };
    let (exponent, fraction) = ((bits >> 10) & 0x1f, f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * (-24f32).exp2(),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => f32::from_bits(
            u32::from(bits & 0x8000) << 16
                | (u32::from(exponent) + 112) << 23
                | u32::from(bits & 0x3ff) << 13,
        ),
    }
}

/// Single precision to half, to the nearest, ties to even; too large becomes infinite.
pub(crate) fn f32_to_f16(value: f32) -> u16 {
    let sign = (value.to_bits() >> 16 & 0x8000) as u16;
    let size = value.abs();
    // Rounded to a whole number of the last places of the half: 2^-24 below 2^-14, else 2^(exponent - 10).
    let exponent = ((size.to_bits() >> 23) as i32 - 127).max(-14);
    let steps = (f64::from(size) * (10.0 - f64::from(exponent)).exp2()).round_ties_even();
    let whole = if steps >= 1024.0 { (exponent + 14) * 1024 } else { 0 };
    if exponent > 15 || whole + steps as i32 >= 0x7c00 {
        return sign | 0x7c00;
    }
    sign | (whole + steps as i32) as u16
}

#[cfg(test)]
mod tests {
    use super::{f16_to_f32, f32_to_f16};

    #[test]
    fn every_half_comes_back_and_others_are_rounded() {
        for bits in 0..=u16::MAX {
            let value = f16_to_f32(bits);
            if !value.is_nan() {
                assert_eq!(f32_to_f16(value), bits, "{value}");
            }
        }
        assert_eq!(f32_to_f16(1.0 + 1.4 / 1024.0), 0x3c01);
        assert_eq!(f32_to_f16(1.0 + 1.5 / 1024.0), 0x3c02, "ties to even");
        assert_eq!(f32_to_f16(1.999_9), 0x4000, "into the next power");
    }

    #[test]
    fn half_precision_has_its_table_values() {
        let expected = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65_504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x8000, -0.0),
            (0x7c00, f32::INFINITY),
        ];
        for (bits, value) in expected {
            assert_eq!(f16_to_f32(bits), value, "{bits:#x}");
        }
        assert!(f16_to_f32(0x7e00).is_nan());
    }
}
