//! State dicts as `PyTorch` wrote them before version 1.6: pickles of a magic number, a version, the system and the dict; then the
//! pickled keys of the storages, and each storage as its number of values and the values.

use std::collections::HashMap;
use std::rc::Rc;

use super::pickle::{self, Value};
use super::{Array, n_values};

/// `0x1950a86a20f9469cfc6c` as a long of ten bytes.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// A tensor's place in its storage.
struct Tensor {
    name: String,
    storage: Rc<str>,
    first: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// The arrays of single precision, in the file's order; those of other types (such as counters of batches) are left out.
pub(crate) fn state_dict(bytes: &[u8]) -> Result<Vec<Array>, String> {
    if bytes.starts_with(b"PK") {
        return Err("it is a zip archive; only files from before PyTorch 1.6 are read".into());
    }
    if !bytes.starts_with(MAGIC) {
        return Err("it does not begin as PyTorch's files do".into());
    }
    let (_, rest) = pickle::read(bytes)?;
    let (version, rest) = pickle::read(rest)?;
    if version != Value::Number(1001) {
        return Err(format!("it has version {version:?} instead of 1001"));
    }
    let (_, rest) = pickle::read(rest)?;
    let (dict, rest) = pickle::read(rest)?;
    let (keys, mut rest) = pickle::read(rest)?;
    let (Value::Items(items), Value::Items(keys)) = (dict, keys) else {
        return Err("it has no dict of tensors".into());
    };
    let mut types = HashMap::new();
    let mut tensors = Vec::new();
    for pair in items.chunks_exact(2) {
        let Value::Text(name) = &pair[0] else { return Err("a key is not a text".into()) };
        tensors.push(tensor(name, &pair[1], &mut types).map_err(|e| format!("tensor `{name}`: {e}"))?);
    }
    let mut storages: HashMap<Rc<str>, &[u8]> = HashMap::new();
    for key in keys {
        let Value::Text(key) = key else { return Err("a storage's key is not a text".into()) };
        let width = *types.get(&key).ok_or_else(|| format!("storage {key} belongs to no tensor"))?;
        let (length, behind) = rest.split_at_checked(8).ok_or("a storage is missing")?;
        let n = u64::from_le_bytes(length.try_into().map_err(|_| "a length")?);
        let n_bytes = usize::try_from(n).ok().and_then(|n| n.checked_mul(width));
        let n_bytes = n_bytes
            .filter(|&n| n <= behind.len())
            .ok_or_else(|| format!("storage {key} claims {n} values"))?;
        storages.insert(key, &behind[..n_bytes]);
        rest = &behind[n_bytes..];
    }
    tensors.retain(|tensor| types[&tensor.storage] == SINGLE);
    tensors.into_iter().map(|tensor| gather(tensor, &storages)).collect()
}

/// Bytes of a value of single precision; other types of four bytes are not let in.
const SINGLE: usize = 4;

// The arguments of `_rebuild_tensor_v2`: storage, first value, shape, strides, and two that do not matter here.
fn tensor(name: &str, value: &Value, types: &mut HashMap<Rc<str>, usize>) -> Result<Tensor, String> {
    let arguments = match value {
        Value::Call(function, arguments) if function.ends_with("_rebuild_tensor_v2") => arguments,
        Value::Call(_, parameter) => match parameter.first() {
            Some(Value::Call(_, arguments)) => arguments,
            _ => return Err("a parameter without a tensor".into()),
        },
        _ => return Err("it is no tensor".into()),
    };
    let [Value::Reference(storage), first, shape, strides, ..] = &arguments[..] else {
        return Err("it has other parts than storage, offset, shape and strides".into());
    };
    let [_, Value::Name(kind), Value::Text(key), ..] = &storage[..] else {
        return Err("a strange storage".into());
    };
    let width = match &**kind {
        "torch FloatStorage" => SINGLE,
        "torch LongStorage" | "torch DoubleStorage" => 8,
        "torch HalfStorage" | "torch ShortStorage" => 2,
        "torch ByteStorage" | "torch BoolStorage" | "torch CharStorage" => 1,
        _ => return Err(format!("its type `{kind}` is not read")),
    };
    if *types.entry(Rc::clone(key)).or_insert(width) != width {
        return Err("its storage has two types".into());
    }
    let (shape, strides) = (sizes(shape)?, sizes(strides)?);
    if shape.len() != strides.len() {
        return Err(format!("shape {shape:?} with strides {strides:?}"));
    }
    Ok(Tensor { name: name.to_owned(), storage: Rc::clone(key), first: size(first)?, shape, strides })
}

fn size(value: &Value) -> Result<usize, String> {
    match value {
        Value::Number(n) => usize::try_from(*n).map_err(|_| format!("a size of {n}")),
        other => Err(format!("{other:?} is no size")),
    }
}

fn sizes(value: &Value) -> Result<Vec<usize>, String> {
    let Value::Tuple(parts) = value else { return Err(format!("{value:?} is no shape")) };
    parts.iter().map(size).collect()
}

fn gather(tensor: Tensor, storages: &HashMap<Rc<str>, &[u8]>) -> Result<Array, String> {
    let Tensor { name, storage, first, shape, strides } = tensor;
    let bytes = storages.get(&storage).ok_or_else(|| format!("tensor `{name}`: its storage is missing"))?;
    let n = n_values(&shape, bytes.len() / SINGLE).map_err(|e| format!("tensor `{name}`: {e}"))?;
    let mut values = Vec::with_capacity(n);
    let mut place = vec![0; shape.len()];
    for _ in 0..n {
        let steps = place
            .iter()
            .zip(&strides)
            .try_fold(first, |at, (place, stride): (&usize, _)| at.checked_add(place.checked_mul(*stride)?));
        let start = steps.and_then(|at| at.checked_mul(SINGLE));
        let value = start.and_then(|start| bytes.get(start..)?.first_chunk::<SINGLE>());
        let value = value.ok_or_else(|| format!("tensor `{name}` reaches beyond its storage"))?;
        values.push(f32::from_le_bytes(*value));
        for (place, size) in place.iter_mut().zip(&shape).rev() {
            *place += 1;
            if *place < *size {
                break;
            }
            *place = 0;
        }
    }
    Ok(Array { name, shape, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    // What `torch.save(OrderedDict(w=t), f, _use_new_zipfile_serialization=False)` writes, shortened: t is [2, 3] with strides
    // [1, 2] from value 1 on, in a storage of seven values.
    fn file(n: u64) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
        bytes.extend(
            b"\x80\x02ccollections\nOrderedDict\n)R(X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(",
        );
        bytes.extend(b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0sX\x03\0\0\0cpuK\x07NtQ");
        bytes.extend(b"K\x01K\x02K\x03\x86K\x01K\x02\x86\x89ccollections\nOrderedDict\n)RtRu.");
        bytes.extend(b"\x80\x02](X\x01\0\0\0se.");
        bytes.extend(n.to_le_bytes());
        (0..7).for_each(|at| bytes.extend((at as f32).to_le_bytes()));
        bytes
    }

    #[test]
    fn strided_tensors_become_row_major() {
        let arrays = state_dict(&file(7)).unwrap();
        let expected =
            Array { name: "w".into(), shape: vec![2, 3], values: vec![1.0, 3.0, 5.0, 2.0, 4.0, 6.0] };
        assert_eq!(arrays, [expected]);
    }

    #[test]
    fn a_file_that_is_cut_or_claims_too_much_is_refused() {
        let whole = file(7);
        for end in 0..whole.len() {
            assert!(state_dict(&whole[..end]).is_err(), "{end} of {} bytes", whole.len());
        }
        assert!(state_dict(&file(8)).unwrap_err().contains("claims 8 values"));
        assert!(state_dict(&file(u64::MAX)).is_err());
        assert!(state_dict(&file(5)).unwrap_err().contains('w'), "beyond the storage");
    }
}
