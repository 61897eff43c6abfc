//! A text source in blocks of whole records, so that blocks can be parsed in parallel.

use memchr::{memchr, memrchr};

use super::bytes::ByteSource;
use super::records;
use crate::error::DataError;

/// A longer line is a bad row.
pub const LINE_BYTES_MAX: usize = 8 << 20;

const BLOCK_BYTES: usize = 1 << 20;
const OVERLONG_EXCERPT_BYTES: usize = 400;

/// Whole records; ends with a line end.
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// Whether the file begins here.
    pub(super) is_first: bool,
    /// The block is the beginning of one line longer than [`LINE_BYTES_MAX`].
    pub(super) is_overlong: bool,
}

/// Cuts a source into blocks.
pub(super) struct BlockReader {
    source: ByteSource,
    // The separator, when cells may be quoted.
    quoted: Option<u8>,
    rest: Vec<u8>,
    is_first: bool,
    at_end: bool,
}

impl BlockReader {
    pub(super) fn new(source: ByteSource, quoted: Option<u8>) -> Self {
        Self { source, quoted, rest: Vec::new(), is_first: true, at_end: false }
    }

    pub(super) fn source(&self) -> &ByteSource {
        &self.source
    }

    /// The next block, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Block>, DataError> {
        let mut bytes = std::mem::take(&mut self.rest);
        loop {
            if !self.at_end {
                bytes.reserve(BLOCK_BYTES + 1);
                self.at_end = self.source.read_into(&mut bytes, BLOCK_BYTES)? < BLOCK_BYTES;
                if self.is_first && bytes.starts_with(b"\xef\xbb\xbf") {
                    bytes.drain(..3);
                }
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            if self.at_end && bytes.last() != Some(&b'\n') {
                bytes.push(b'\n');
            }
            let whole = if self.at_end { bytes.len() } else { self.whole_records(&bytes) };
            if whole > 0 {
                self.rest = bytes.split_off(whole);
                return Ok(Some(self.block(bytes, false)));
            }
            if bytes.len() > LINE_BYTES_MAX {
                return self.overlong(bytes).map(Some);
            }
        }
    }

    fn whole_records(&self, bytes: &[u8]) -> usize {
        match self.quoted {
            Some(separator) => records::whole_records(bytes, separator),
            None => memrchr(b'\n', bytes).map_or(0, |at| at + 1),
        }
    }

    fn block(&mut self, bytes: Vec<u8>, is_overlong: bool) -> Block {
        let is_first = std::mem::replace(&mut self.is_first, false);
        Block { bytes, is_first, is_overlong }
    }

    // Reads to the end of the line without keeping it.
    fn overlong(&mut self, mut bytes: Vec<u8>) -> Result<Block, DataError> {
        let mut excerpt = bytes[..OVERLONG_EXCERPT_BYTES].to_vec();
        excerpt.retain(|&byte| byte != b'\n');
        excerpt.push(b'\n');
        loop {
            if let Some(end) = memchr(b'\n', &bytes) {
                self.rest = bytes.split_off(end + 1);
                return Ok(self.block(excerpt, true));
            }
            bytes.clear();
            if self.at_end {
                return Ok(self.block(excerpt, true));
            }
            self.at_end = self.source.read_into(&mut bytes, BLOCK_BYTES)? < BLOCK_BYTES;
        }
    }
}
