//! Python dictionary literals, one a line: what Amazon 2014 calls JSON.

use std::borrow::Cow;

/// Whether a line begins like a Python dictionary and not like a JSON object.
fn is_literal(line: &str) -> bool {
    let inner = line.strip_prefix('{').map_or("", str::trim_ascii_start);
    inner.starts_with('\'') || inner.starts_with("u'")
}

/// A line as JSON, translated if it is a Python literal; `None` when that fails.
pub(super) fn as_json(line: &str) -> Option<Cow<'_, str>> {
    if is_literal(line) { to_json(line).map(Cow::Owned) } else { Some(Cow::Borrowed(line)) }
}

/// The literal as JSON; `None` when a string is not closed or a word is unknown.
fn to_json(literal: &str) -> Option<String> {
    let mut json = String::with_capacity(literal.len() + 16);
    let mut rest = literal;
    while let Some(c) = rest.chars().next() {
        rest = match c {
            '\'' | '"' => string(&rest[1..], c, &mut json)?,
            c if c.is_ascii_alphabetic() => word(rest, &mut json)?,
            '(' | ')' => {
                json.push(if c == '(' { '[' } else { ']' });
                &rest[1..]
            }
            _ => {
                json.push(c);
                &rest[c.len_utf8()..]
            }
        };
    }
    Some(json)
}

// `None`, `True`, `False`, an exponent, or the prefix of a string.
fn word<'a>(rest: &'a str, json: &mut String) -> Option<&'a str> {
    for (python, as_json) in [("None", "null"), ("True", "true"), ("False", "false"), ("e", "e"), ("E", "E")]
    {
        if let Some(after) = rest.strip_prefix(python) {
            json.push_str(as_json);
            return Some(after);
        }
    }
    rest.strip_prefix('u').filter(|after| after.starts_with(['\'', '"']))
}

// Copies a string up to its closing quote, with Python's escapes as JSON's.
fn string<'a>(text: &'a str, quote: char, json: &mut String) -> Option<&'a str> {
    json.push('"');
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => {
                json.push('"');
                return Some(&text[at + c.len_utf8()..]);
            }
            '"' => json.push_str("\\\""),
            '\\' => match chars.next()?.1 {
                escaped @ ('n' | 't' | 'r' | 'b' | 'f' | '\\' | '"' | '/') => json.extend(['\\', escaped]),
                'u' => json.push_str("\\u"),
                'x' => json.push_str("\\u00"),
                '\'' => json.push('\''),
                other => json.extend(['\\', '\\', other]),
            },
            c if c.is_control() => json.push(' '),
            c => json.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_dictionary_becomes_json() {
        let literal = r#"{'asin': 'B01', 'title': "It's \"1\"", 'price': 1.5e3, 'ok': True, 'related': None, 'x': u'\xe9\''}"#;
        assert!(is_literal(literal));
        let value: serde_json::Value = serde_json::from_str(&to_json(literal).unwrap()).unwrap();
        assert_eq!(value["title"], "It's \"1\"");
        assert_eq!(value["price"], 1500.0);
        assert_eq!(value["x"], "é'");
        assert_eq!(value["ok"], true);
        assert!(to_json("{'a': 'open").is_none());
        assert!(!is_literal(r#"{"a": 1}"#));
    }
}
