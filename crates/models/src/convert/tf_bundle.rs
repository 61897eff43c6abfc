//! Checkpoints of TensorFlow: an index (a `LevelDB` table of names and places) and one data file.
//!
//! Of the index: the last 48 bytes say where the block of blocks is; a block has entries whose keys share their beginnings, then the
//! places of full keys. Of an entry, a protocol buffer: type, shape, shard, offset, size.

use super::{Array, n_values};

const FOOTER: usize = 48;
const MAGIC: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();
/// `DT_FLOAT`.
const FLOAT: u64 = 1;

/// The arrays of single precision, in the order of their names.
pub(crate) fn arrays(index: &[u8], data: &[u8]) -> Result<Vec<Array>, String> {
    let start = index.len().checked_sub(FOOTER).ok_or("the index is shorter than its footer")?;
    let footer = &index[start..];
    if footer[FOOTER - 8..] != MAGIC {
        return Err("the index does not end as LevelDB tables do".into());
    }
    let mut footer = Reader(footer);
    let _ = (footer.varint()?, footer.varint()?); // the meta block
    let blocks = block(index, footer.varint()?, footer.varint()?)?;
    let mut arrays = Vec::new();
    for (_, place) in entries(blocks)? {
        let mut place = Reader(place);
        for (name, value) in entries(block(index, place.varint()?, place.varint()?)?)? {
            // The first entry has no name: it is about the checkpoint as a whole.
            if name.is_empty() {
                continue;
            }
            let name = String::from_utf8(name).map_err(|_| "a name is not UTF-8")?;
            arrays.extend(array(&name, value, data).map_err(|e| format!("array `{name}`: {e}"))?);
        }
    }
    Ok(arrays)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: u64) -> Result<&'a [u8], String> {
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        let (taken, rest) = self.0.split_at_checked(n).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err("a number is too long".into())
    }

    // The next field of a protocol buffer: its number, and its value or its bytes.
    fn field(&mut self) -> Result<(u64, u64, &'a [u8]), String> {
        let tag = self.varint()?;
        match tag & 7 {
            0 => Ok((tag >> 3, self.varint()?, &[])),
            1 => Ok((tag >> 3, 0, self.take(8)?)),
            2 => {
                let n = self.varint()?;
                Ok((tag >> 3, 0, self.take(n)?))
            }
            5 => Ok((tag >> 3, 0, self.take(4)?)),
            kind => Err(format!("a field of kind {kind}")),
        }
    }
}

// A block is followed by its kind of compression, which must be none.
fn block(index: &[u8], offset: u64, size: u64) -> Result<&[u8], String> {
    let start =
        usize::try_from(offset).ok().filter(|&start| start <= index.len()).ok_or("a block beyond the end")?;
    let mut rest = Reader(&index[start..]);
    let block = rest.take(size)?;
    if rest.take(1)?[0] != 0 { Err("a block is compressed".into()) } else { Ok(block) }
}

type Entry<'a> = (Vec<u8>, &'a [u8]);

// Keys and values of a block.
fn entries(block: &[u8]) -> Result<Vec<Entry<'_>>, String> {
    let (rest, n) = block.split_last_chunk::<4>().ok_or("a block is too short")?;
    let n_places = u64::from(u32::from_le_bytes(*n)) * 4;
    let end = (rest.len() as u64).checked_sub(n_places).ok_or("a block has more places than bytes")?;
    let mut reader = Reader(&rest[..end as usize]);
    let mut key: Vec<u8> = Vec::new();
    let mut entries = Vec::new();
    while !reader.0.is_empty() {
        let (n_shared, n_own, n_value) = (reader.varint()?, reader.varint()?, reader.varint()?);
        if n_shared > key.len() as u64 {
            return Err("a key shares more than there is".into());
        }
        key.truncate(n_shared as usize);
        key.extend(reader.take(n_own)?);
        entries.push((key.clone(), reader.take(n_value)?));
    }
    Ok(entries)
}

fn array(name: &str, entry: &[u8], data: &[u8]) -> Result<Option<Array>, String> {
    let (mut kind, mut shape, mut offset, mut n_bytes) = (0, Vec::new(), 0, 0);
    let mut reader = Reader(entry);
    while !reader.0.is_empty() {
        match reader.field()? {
            (1, value, _) => kind = value,
            (2, _, bytes) => shape = shape_of(bytes)?,
            (3, shard, _) if shard != 0 => {
                return Err(format!("it is in data file {shard}, only one is read"));
            }
            (4, value, _) => offset = value,
            (5, value, _) => n_bytes = value,
            _ => {}
        }
    }
    if kind != FLOAT {
        return Ok(None);
    }
    let start = usize::try_from(offset).ok().filter(|&start| start <= data.len());
    let bytes = Reader(&data[start.ok_or("it begins beyond the data")?..]).take(n_bytes)?;
    let n = n_values(&shape, bytes.len() / 4)?;
    if bytes.len() != 4 * n {
        return Err(format!("shape {shape:?} with {} bytes", bytes.len()));
    }
    let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Ok(Some(Array { name: name.to_owned(), shape, values }))
}

fn shape_of(bytes: &[u8]) -> Result<Vec<usize>, String> {
    let mut shape = Vec::new();
    let mut reader = Reader(bytes);
    while !reader.0.is_empty() {
        if let (2, _, size) = reader.field()? {
            let mut size = Reader(size);
            let mut n = 0;
            while !size.0.is_empty() {
                if let (1, value, _) = size.field()? {
                    n = value;
                }
            }
            shape.push(usize::try_from(n).map_err(|_| format!("a size of {n}"))?);
        }
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    // One block with the entries "", "ab" [2] and "abc" (a counter of 8 bytes), and the block of blocks.
    fn index(size: u8) -> Vec<u8> {
        let mut block = b"\x00\x00\x02\x08\x01".to_vec();
        block.extend(b"\x00\x02\x0cab\x08\x01\x12\x04\x12\x02\x08\x02\x20\x04\x28");
        block.push(size);
        block.extend(b"\x02\x01\x04c\x08\x09\x28\x08");
        block.extend(b"\0\0\0\0\x01\0\0\0");
        let n = block.len() as u8;
        let mut bytes = block;
        bytes.extend(b"\0crc_");
        let top = bytes.len() as u8;
        bytes.extend([0, 1, 2, b'z', 0, n, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        bytes.extend(b"crc_");
        let mut footer = vec![0, 0, top, 14];
        footer.resize(FOOTER - 8, 0);
        bytes.extend(footer);
        bytes.extend(MAGIC);
        bytes
    }

    #[test]
    fn arrays_are_found_by_the_index_and_other_types_are_left_out() {
        let index = index(8);
        let data: Vec<u8> = [9.0f32, 1.5, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let arrays = arrays(&index, &data).unwrap();
        assert_eq!(arrays, [Array { name: "ab".into(), shape: vec![2], values: vec![1.5, -2.0] }]);
    }

    #[test]
    fn sizes_that_are_not_there_are_refused() {
        let data = [0u8; 12];
        for size in [4, 9, 127] {
            let error = arrays(&index(size), &data).unwrap_err();
            assert!(error.contains("array `ab`"), "{size}: {error}");
        }
        let whole = index(8);
        for end in 0..whole.len() {
            assert!(arrays(&whole[..end], &data).is_err());
        }
    }
}
