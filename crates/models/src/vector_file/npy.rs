//! `NumPy`'s `.npy` (format 1.0 to 3.0): a header that is a Python dict, then the array.

use super::{Packed, Refusal, TWO_DIMENSIONS, VectorFile, unpack};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Larger headers cannot be honest.
const HEADER_BYTES_MAX: usize = 1 << 16;

/// The vectors of an array of two dimensions, row by row.
pub(super) fn read(bytes: &[u8]) -> Result<VectorFile, Refusal> {
    let damaged = || ("it does not begin as .npy files do".to_owned(), "write it with numpy.save");
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(damaged)?;
    let (n, rest) = match version[0] {
        1 => rest.split_first_chunk::<2>().map(|(n, rest)| (usize::from(u16::from_le_bytes(*n)), rest)),
        2 | 3 => rest.split_first_chunk::<4>().map(|(n, rest)| (u32::from_le_bytes(*n) as usize, rest)),
        other => {
            return Err((format!("it has format {other}"), "1, 2 and 3 are read: write it with numpy.save"));
        }
    }
    .ok_or_else(damaged)?;
    let header = rest.get(..n).filter(|_| n <= HEADER_BYTES_MAX).ok_or_else(damaged)?;
    let header = std::str::from_utf8(header).map_err(|_| damaged())?;
    let value = |key: &str| {
        value_of(header, key)
            .ok_or_else(|| (format!("its header has no `{key}`"), "write it with numpy.save"))
    };
    let descr = value("descr")?;
    let packed = match descr.trim_matches(['\'', '"']) {
        "<f2" => Packed::F16,
        "<f4" => Packed::F32,
        "<f8" => Packed::F64,
        other => {
            let problem = format!("its numbers are `{other}`");
            return Err((problem, "little-endian f16, f32 and f64 are read: `array.astype('<f4')`"));
        }
    };
    if value("fortran_order")? != "False" {
        return Err((
            "it is in Fortran order".into(),
            "write it row by row: `numpy.ascontiguousarray(array)`",
        ));
    }
    let shape = value("shape")?;
    let sizes = shape.trim_matches(['(', ')']).split(',').map(str::trim).filter(|size| !size.is_empty());
    let sizes: Option<Vec<usize>> = sizes.map(|size| size.parse().ok()).collect();
    let sizes = sizes.ok_or_else(|| (format!("its array has the shape {shape}"), TWO_DIMENSIONS))?;
    unpack(&rest[n..], &sizes, packed)
}

// The text of a value: up to the comma after it, or to the end of a tuple.
fn value_of<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let after = quoted.iter().find_map(|key| header.split_once(key.as_str()))?.1;
    let value = after.trim_start().strip_prefix(':')?.trim_start();
    let end = if value.starts_with('(') { value.find(')')? + 1 } else { value.find([',', '}'])? };
    Some(value[..end].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}   \n");
        let mut bytes = MAGIC.to_vec();
        bytes.extend([version, 0]);
        match version {
            1 => bytes.extend((header.len() as u16).to_le_bytes()),
            _ => bytes.extend((header.len() as u32).to_le_bytes()),
        }
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn all_three_precisions_are_read_row_by_row() {
        let half: Vec<u8> =
            [0x3c00u16, 0xc000, 0x3800, 0x4400].iter().flat_map(|x| x.to_le_bytes()).collect();
        let single: Vec<u8> = [1.0f32, -2.0, 0.5, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let double: Vec<u8> = [1.0f64, -2.0, 0.5, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        for (version, descr, data) in [(1, "<f2", &half), (2, "<f4", &single), (3, "<f8", &double)] {
            let read = read(&file(version, descr, "False", "(2, 2)", data)).unwrap();
            assert_eq!((read.dim, read.values), (2, vec![1.0, -2.0, 0.5, 4.0]), "{descr}");
        }
    }

    #[test]
    fn what_is_not_rows_of_floats_is_refused_with_the_way_out() {
        let data = [0u8; 16];
        for (descr, order, shape, said) in [
            (">f4", "False", "(2, 2)", "little-endian"),
            ("<i4", "False", "(2, 2)", "little-endian"),
            ("<f4", "True", "(2, 2)", "ascontiguousarray"),
            ("<f4", "False", "(4,)", "two dimensions"),
            ("<f4", "False", "(1, 2, 2)", "two dimensions"),
            ("<f4", "False", "(0, 4)", "two dimensions"),
            ("<f4", "False", "(2, 3)", "cut off"),
            ("<f4", "False", "(9223372036854775807, 4)", "two dimensions"),
            ("<f4", "False", "(-1, 4)", "two dimensions"),
        ] {
            let (problem, remedy) = read(&file(1, descr, order, shape, &data)).unwrap_err();
            assert!(remedy.contains(said), "{descr} {order} {shape}: {problem} ({remedy})");
        }
        let whole = file(1, "<f4", "False", "(2, 2)", &data);
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end} of {} bytes", whole.len());
        }
        assert!(read(&file(9, "<f4", "False", "(2, 2)", &data)).unwrap_err().0.contains("format 9"));
    }
}
