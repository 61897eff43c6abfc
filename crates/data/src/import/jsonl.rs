//! JSON lines: a block of objects → cells of the wanted keys.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::batch::{Batch, LIST_SEPARATOR, Span};
use super::blocks::Block;
use super::delimited;
use super::options::Encoding;
use super::python;
use super::skipped::SkipReason;

/// Parses blocks of JSON objects, one a line.
pub(super) struct JsonParser {
    wanted: Vec<String>,
    encoding: Encoding,
}

impl JsonParser {
    /// Cells of the keys `wanted`, in this order.
    pub(super) fn new(wanted: Vec<String>, encoding: Encoding) -> Self {
        Self { wanted, encoding }
    }

    /// The cells of a block; numbers keep their digits, lists are joined, `null` is empty.
    pub(super) fn parse(&self, block: Block) -> Batch {
        let mut batch = Batch::new(self.wanted.len());
        let is_overlong = block.is_overlong;
        let text = delimited::text_of(block.bytes, self.encoding, &mut batch);
        for (at, line) in text.lines().enumerate() {
            batch.n_lines += 1;
            let object = line.trim_ascii();
            if object.is_empty() {
                continue;
            }
            if is_overlong {
                batch.bad.push(at as u32, SkipReason::LineTooLong, line.as_bytes());
            } else if self.push_object(object, &mut batch) {
                batch.lines.push(at as u32);
            } else {
                batch.bad.push(at as u32, SkipReason::BadJson, line.as_bytes());
            }
        }
        batch
    }

    fn push_object(&self, object: &str, batch: &mut Batch) -> bool {
        let Some(object) = python::as_json(object) else { return false };
        let kept = batch.spans.len();
        batch.spans.resize(kept + self.wanted.len(), Span::EMPTY);
        let is_good = each_member(&object, |key, value| {
            if let Some(slot) = self.wanted.iter().position(|wanted| wanted == key) {
                let start = batch.text.len();
                if push_value(value, &mut batch.text) {
                    let len = (batch.text.len() - start) as u32;
                    batch.spans[kept + slot] = Span { start: start as u32, len };
                }
            }
        });
        if !is_good {
            batch.spans.truncate(kept);
        }
        is_good
    }
}

/// Calls `member` with each key and raw value of a JSON object; `false` when it is not one.
pub(super) fn each_member(object: &str, member: impl FnMut(&str, &str)) -> bool {
    struct Members<F>(F);
    impl<'de, F: FnMut(&str, &str)> Visitor<'de> for Members<F> {
        type Value = ();

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<Key<'de>>()? {
                let value: &RawValue = map.next_value()?;
                (self.0)(&key.0, value.get());
            }
            Ok(())
        }
    }
    let mut parser = serde_json::Deserializer::from_str(object);
    (&mut parser).deserialize_map(Members(member)).is_ok() && parser.end().is_ok()
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

// Appends the value as text; `false` when it is not text (a lone surrogate).
fn push_value(raw: &str, into: &mut String) -> bool {
    match raw.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<Key<'_>>(raw) {
            Ok(text) => into.push_str(&text.0),
            Err(_) => return false,
        },
        // `null`, and objects: no text, and no id.
        Some(b'n' | b'{') | None => {}
        Some(b'[') => {
            let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw) else {
                return false;
            };
            for element in elements {
                let before = into.len();
                if push_value(element.get(), into) && before > 0 && into.len() > before {
                    into.push(LIST_SEPARATOR);
                }
            }
            if into.ends_with(LIST_SEPARATOR) {
                into.pop();
            }
        }
        Some(_) => into.push_str(raw),
    }
    true
}
