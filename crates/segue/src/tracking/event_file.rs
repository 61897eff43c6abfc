//! Writes event files as `TensorBoard` reads them: records of a length, its checksum, an `Event` message and its checksum.
//!
//! The checksum is CRC-32C, rotated right by 15 bits plus a constant, so that a checksum of a checksum is not weak. The messages
//! have four kinds of fields only, which are written by hand: `wall_time` (1, double), `step` (2, varint), `file_version`
//! (3, string) and `summary` (5) with values (1) of `tag` (1, string) and `simple_value` (2, float).

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const VERSION: &str = "brain.Event:2";
const MASK: u32 = 0xa282_ead8;
/// CRC-32C (Castagnoli), the polynomial with its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// A number at a step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scalar {
    /// Its name; what stands before the first `/` groups.
    pub(crate) tag: String,
    /// The step.
    pub(crate) step: u64,
    /// The number.
    pub(crate) value: f32,
    /// When it was known, seconds since 1970.
    pub(crate) wall_time: f64,
}

/// An event file that grows.
pub(crate) struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Starts the file anew; its name must hold `tfevents`.
    pub(crate) fn create(path: &Path, wall_time: f64) -> Result<Self> {
        let parent = path.parent().context("an event file lies in a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot create `{}`", parent.display()))?;
        let file = File::create(path).with_context(|| format!("cannot create `{}`", path.display()))?;
        let mut events = Self { path: path.to_owned(), file };
        let mut event = double(1, wall_time);
        event.extend(bytes(3, VERSION.as_bytes()));
        events.put(&event)?;
        Ok(events)
    }

    /// Adds a number; a reader that follows the file sees it at once.
    pub(crate) fn add(&mut self, scalar: &Scalar) -> Result<()> {
        let mut value = bytes(1, scalar.tag.as_bytes());
        value.push(2 << 3 | 5);
        value.extend(scalar.value.to_le_bytes());
        let mut event = double(1, scalar.wall_time);
        event.push(2 << 3);
        event.extend(varint(scalar.step));
        event.extend(bytes(5, &bytes(1, &value)));
        self.put(&event)
    }

    fn put(&mut self, event: &[u8]) -> Result<()> {
        let written = self.file.write_all(&record(event));
        written.with_context(|| format!("cannot write `{}`", self.path.display()))
    }
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let checksums = [masked_crc(&length), masked_crc(data)].map(u32::to_le_bytes);
    [&length[..], &checksums[0], data, &checksums[1]].concat()
}

fn masked_crc(data: &[u8]) -> u32 {
    crc(data).rotate_right(15).wrapping_add(MASK)
}

fn crc(data: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in data {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
        }
    }
    !crc
}

fn double(field: u8, value: f64) -> Vec<u8> {
    let mut out = vec![field << 3 | 1];
    out.extend(value.to_le_bytes());
    out
}

fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    out.extend(varint(value.len() as u64));
    out.extend(value);
    out
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        assert_eq!(crc(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc(&[0xff; 32]), 0x62a8_ab43);
        let rising: Vec<u8> = (0..32).collect();
        assert_eq!(crc(&rising), 0x46dd_794e);
        assert_eq!(crc(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_file_is_what_the_format_says_byte_by_byte() {
        let folder = std::env::temp_dir().join(format!("segue-events-{}", std::process::id()));
        let path = folder.join("events.out.tfevents.1.segue");
        let mut events = EventFile::create(&path, 1.0).unwrap();
        events.add(&Scalar { tag: "loss/a".into(), step: 300, value: 0.5, wall_time: 2.0 }).unwrap();
        let written = fs::read(&path).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        // By hand from the format; `scripts/check/event_files.py` reads whole files with TensorBoard's own code.
        let head = [24, 0, 0, 0, 0, 0, 0, 0, 163, 127, 75, 34, 9, 0, 0, 0, 0, 0, 0, 240, 63, 26, 13];
        assert_eq!(&written[..head.len()], head);
        assert_eq!(&written[23..36], b"brain.Event:2");
        let second = &written[40..];
        assert_eq!(second[..8], 29u64.to_le_bytes());
        let event = [
            &[9, 0, 0, 0, 0, 0, 0, 0, 64, 16, 0xac, 2, 42, 15, 10, 13, 10, 6][..],
            b"loss/a",
            &[21, 0, 0, 0, 63],
        ];
        assert_eq!(second[12..12 + 29], event.concat());
        assert_eq!(second.len(), 8 + 4 + 29 + 4);
    }
}
