//! The `model.bin` of `CTranslate2`: a version, the name of the architecture, and variables by name; f16 or f32 here, little-endian.

use super::{Array, n_values};
use crate::encoder::f16_to_f32;

/// The arrays of floats, in the file's order, and the whole numbers that stand alone.
pub(crate) struct Variables {
    /// Arrays of half or single precision.
    pub(crate) arrays: Vec<Array>,
    /// Such as the number of attention heads.
    pub(crate) numbers: Vec<(String, i64)>,
}

pub(crate) fn variables(bytes: &[u8]) -> Result<Variables, String> {
    let mut reader = Reader(bytes);
    let version = reader.u32()?;
    if !(1..=64).contains(&version) {
        return Err(format!("it does not begin as CTranslate2's files do: version {version}"));
    }
    let _ = (reader.text()?, reader.u32()?); // the architecture and its revision
    let n = reader.u32()?;
    let mut variables = Variables { arrays: Vec::new(), numbers: Vec::new() };
    for _ in 0..n {
        let name = reader.text()?;
        let problem = |e: String| format!("variable `{name}`: {e}");
        let rank = reader.take(1)?[0];
        let shape: Result<Vec<usize>, String> =
            (0..rank).map(|_| reader.u32().map(|size| size as usize)).collect();
        let (shape, kind) = (shape?, reader.take(1)?[0]);
        let n_bytes = reader.u32()? as usize;
        let bytes = reader.take(n_bytes).map_err(problem)?;
        let width = match kind {
            0 | 3 => 4,
            1 => 1,
            2 | 4 => 2,
            other => return Err(problem(format!("numbers of kind {other}"))),
        };
        if n_values(&shape, n_bytes / width).map_err(problem)? * width != n_bytes {
            return Err(problem(format!("shape {shape:?} with {n_bytes} bytes")));
        }
        let values: Vec<f32> = match kind {
            0 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            4 => bytes.chunks_exact(2).map(|b| f16_to_f32(u16::from_le_bytes([b[0], b[1]]))).collect(),
            _ => {
                if shape.is_empty() {
                    variables.numbers.push((name, whole(bytes)));
                }
                continue;
            }
        };
        variables.arrays.push(Array { name, shape, values });
    }
    Ok(variables)
}

// A whole number of one, two or four bytes, with its sign.
fn whole(bytes: &[u8]) -> i64 {
    match *bytes {
        [a] => i64::from(a as i8),
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        _ => 0,
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    // Its length with the closing zero, in two bytes, then the text.
    fn text(&mut self) -> Result<String, String> {
        let n = self.take(2)?;
        let text = self.take(usize::from(u16::from_le_bytes([n[0], n[1]])))?;
        let text = text.strip_suffix(b"\0").ok_or("a name without its end")?;
        String::from_utf8(text.to_vec()).map_err(|_| "a name is not UTF-8".into())
    }
}

/// The arrays of a whisper model's encoder under their Hugging Face names, with the number of layers.
pub(crate) fn whisper_encoder(variables: Vec<Array>) -> Result<(Vec<Array>, usize), String> {
    let mut arrays = Vec::new();
    let mut n_layers = 0;
    for mut array in variables {
        let Some(name) = array.name.strip_prefix("encoder/") else { continue };
        let name = name.to_owned();
        // `layer_norm` is no layer of the blocks.
        if let Some(known) = outside_layers(&name) {
            array.name = format!("model.encoder.{known}");
        } else if let Some((at, part)) = name.strip_prefix("layer_").and_then(|rest| rest.split_once('/')) {
            let at: usize = at.parse().map_err(|_| format!("variable `encoder/{name}` has no layer"))?;
            n_layers = n_layers.max(at + 1);
            let prefix = format!("model.encoder.layers.{at}");
            if part.starts_with("self_attention/linear_0/") {
                arrays.extend(split_qkv(&array, &prefix)?);
                continue;
            }
            let known = in_layer(part).ok_or_else(|| format!("variable `encoder/{name}` is not known"))?;
            array.name = format!("{prefix}.{known}");
        } else {
            continue;
        }
        arrays.push(array);
    }
    if n_layers == 0 {
        return Err("it has no layers of an encoder".into());
    }
    Ok((arrays, n_layers))
}

fn outside_layers(name: &str) -> Option<&'static str> {
    Some(match name {
        "conv1/weight" => "conv1.weight",
        "conv1/bias" => "conv1.bias",
        "conv2/weight" => "conv2.weight",
        "conv2/bias" => "conv2.bias",
        "position_encodings/encodings" => "embed_positions.weight",
        "layer_norm/gamma" => "layer_norm.weight",
        "layer_norm/beta" => "layer_norm.bias",
        _ => return None,
    })
}

fn in_layer(part: &str) -> Option<&'static str> {
    Some(match part {
        "self_attention/layer_norm/gamma" => "self_attn_layer_norm.weight",
        "self_attention/layer_norm/beta" => "self_attn_layer_norm.bias",
        "self_attention/linear_1/weight" => "self_attn.out_proj.weight",
        "self_attention/linear_1/bias" => "self_attn.out_proj.bias",
        "ffn/layer_norm/gamma" => "final_layer_norm.weight",
        "ffn/layer_norm/beta" => "final_layer_norm.bias",
        "ffn/linear_0/weight" => "fc1.weight",
        "ffn/linear_0/bias" => "fc1.bias",
        "ffn/linear_1/weight" => "fc2.weight",
        "ffn/linear_1/bias" => "fc2.bias",
        _ => return None,
    })
}

// Query, key and value stand one behind the other; keys have no bias, so theirs is zero.
fn split_qkv(array: &Array, prefix: &str) -> Result<Vec<Array>, String> {
    let (n_rows, is_bias) = (array.shape.first().copied().unwrap_or(0), array.shape.len() == 1);
    if n_rows == 0 || !n_rows.is_multiple_of(3) {
        return Err(format!("variable `{}` has the shape {:?}", array.name, array.shape));
    }
    let mut shape = array.shape.clone();
    shape[0] /= 3;
    let mut parts = Vec::new();
    for (part, values) in ["q", "k", "v"].into_iter().zip(array.values.chunks_exact(array.values.len() / 3)) {
        if is_bias && part == "k" {
            if values.iter().any(|value| *value != 0.0) {
                return Err(format!("variable `{}` has a bias of keys", array.name));
            }
            continue;
        }
        let name = format!("{prefix}.self_attn.{part}_proj.{}", if is_bias { "bias" } else { "weight" });
        parts.push(Array { name, shape: shape.clone(), values: values.to_vec() });
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut bytes = 6u32.to_le_bytes().to_vec();
        let text = |bytes: &mut Vec<u8>, text: &str| {
            bytes.extend((text.len() as u16 + 1).to_le_bytes());
            bytes.extend(text.as_bytes());
            bytes.push(0);
        };
        text(&mut bytes, "WhisperSpec");
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(5u32.to_le_bytes());
        let half: Vec<u8> = [0x3c00u16, 0xc000, 0x3800].iter().flat_map(|x| x.to_le_bytes()).collect();
        let zero_key: Vec<u8> = [1.0f32, 0.0, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let variables: [(&str, &[u32], u8, &[u8]); 5] = [
            ("encoder/layer_0/self_attention/linear_0/weight", &[3, 1], 4, &half),
            ("encoder/layer_0/self_attention/linear_0/bias", &[3], 0, &zero_key),
            ("encoder/num_heads", &[], 2, &[6, 0]),
            ("encoder/layer_norm/gamma", &[3], 4, &half),
            ("decoder/layer_norm/gamma", &[3], 4, &half),
        ];
        for (name, shape, kind, data) in variables {
            text(&mut bytes, name);
            bytes.push(shape.len() as u8);
            shape.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
            bytes.push(kind);
            bytes.extend((data.len() as u32).to_le_bytes());
            bytes.extend(data);
        }
        bytes
    }

    #[test]
    fn queries_keys_and_values_are_taken_apart() {
        let variables = variables(&file()).unwrap();
        assert_eq!(variables.numbers, [("encoder/num_heads".to_owned(), 6)]);
        assert_eq!(variables.arrays.len(), 4);
        let (arrays, n_layers) = whisper_encoder(variables.arrays).unwrap();
        assert_eq!(n_layers, 1);
        let found: Vec<(&str, &[f32])> = arrays
            .iter()
            .map(|array| (array.name.rsplit("self_attn.").next().unwrap(), &array.values[..]))
            .collect();
        let expected: [(&str, &[f32]); 6] = [
            ("q_proj.weight", &[1.0]),
            ("k_proj.weight", &[-2.0]),
            ("v_proj.weight", &[0.5]),
            ("q_proj.bias", &[1.0]),
            ("v_proj.bias", &[2.0]),
            ("model.encoder.layer_norm.weight", &[1.0, -2.0, 0.5]),
        ];
        assert_eq!(found, expected);
        let (norm, parts) = arrays.split_last().unwrap();
        assert_eq!(norm.name, "model.encoder.layer_norm.weight");
        assert!(parts.iter().all(|array| array.name.starts_with("model.encoder.layers.0.self_attn.")));
    }

    #[test]
    fn a_file_that_is_cut_or_claims_too_much_is_refused() {
        let whole = file();
        for end in 0..whole.len() {
            assert!(variables(&whole[..end]).is_err(), "{end} of {} bytes", whole.len());
        }
        let mut huge = whole.clone();
        let at = whole.windows(6).position(|part| part == b"weight").unwrap() + 8;
        huge[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(variables(&huge).is_err());
        assert!(whisper_encoder(Vec::new()).is_err());
    }
}
