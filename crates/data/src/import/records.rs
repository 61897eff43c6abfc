//! Where a record of a quoted table ends: at a line end outside of quotes (RFC 4180).

use memchr::{memchr, memchr2, memrchr};

/// A quoted text longer than this is taken for a forgotten quote.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// Where a record ends, if that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordEnd {
    /// Position of the line end.
    At(usize),
    /// A quote is not closed within the allowed length: the first line alone is the (bad) record.
    Unclosed,
    /// The bytes end before the record does.
    NeedMore,
}

/// The end of the record that begins at `start`. A quote counts only at the beginning of a cell.
pub(super) fn record_end(bytes: &[u8], start: usize, separator: u8) -> RecordEnd {
    let limit = bytes.len().min(start + RECORD_BYTES_MAX);
    let mut at = start;
    loop {
        if bytes.get(at) == Some(&b'"') {
            match quoted_end(&bytes[..limit.max(at)], at) {
                Some(after) => at = after,
                None if limit < bytes.len() => return RecordEnd::Unclosed,
                None => return RecordEnd::NeedMore,
            }
        }
        let Some(offset) = memchr2(separator, b'\n', &bytes[at..]) else {
            return RecordEnd::NeedMore;
        };
        at += offset;
        if bytes[at] == b'\n' {
            return RecordEnd::At(at);
        }
        at += 1;
    }
}

/// The position after the quote that closes the one at `open`; a doubled quote is part of the text.
pub(super) fn quoted_end(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += memchr(b'"', bytes.get(at..)?)? + 1;
        if bytes.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

/// How many of the bytes are whole records, reading from a record's beginning.
pub(super) fn whole_records(bytes: &[u8], separator: u8) -> usize {
    let mut start = 0;
    loop {
        let Some(quote) = memchr(b'"', &bytes[start..]) else {
            return memrchr(b'\n', &bytes[start..]).map_or(start, |at| start + at + 1);
        };
        if let Some(line_end) = memrchr(b'\n', &bytes[start..start + quote]) {
            start += line_end + 1;
        }
        match record_end(bytes, start, separator) {
            RecordEnd::At(end) => start = end + 1,
            RecordEnd::NeedMore => return start,
            RecordEnd::Unclosed => match memchr(b'\n', &bytes[start..]) {
                Some(line_end) => start += line_end + 1,
                None => return start,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_within_quotes_belongs_to_the_record() {
        let text = b"a,\"two\nlines \"\"x\"\"\",b\nnext,1,2\n";
        assert_eq!(record_end(text, 0, b','), RecordEnd::At(21));
        assert_eq!(whole_records(text, b','), text.len());
        assert_eq!(whole_records(&text[..15], b','), 0);
    }

    #[test]
    fn a_quote_within_a_cell_is_text() {
        let text = b"5\" pipe,1\nnext,2\n";
        assert_eq!(record_end(text, 0, b','), RecordEnd::At(9));
        assert_eq!(whole_records(text, b','), text.len());
    }

    #[test]
    fn a_forgotten_quote_costs_one_line_not_the_file() {
        let mut text = b"a,\"open\n".to_vec();
        for _ in 0..200_000 {
            text.extend_from_slice(b"b,c,d\n");
        }
        assert_eq!(record_end(&text, 0, b','), RecordEnd::Unclosed);
        assert_eq!(whole_records(&text, b','), text.len());
    }
}
