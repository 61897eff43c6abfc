//! Writes HTML that is balanced and escaped by construction: elements take a body, text and attributes are always escaped.

use super::cell::count;

/// Name and value pairs of an element. Values are the program's own: what a caller wrote is text, never an attribute.
pub(super) type Attributes<'a> = &'a [(&'a str, &'a str)];

/// A document under construction.
pub(super) struct Html {
    out: String,
    n_ids: usize,
    text_chars_max: usize,
}

impl Html {
    /// An empty document that cuts every text at `text_chars_max` characters.
    pub(super) fn new(text_chars_max: usize) -> Self {
        Self { out: String::new(), n_ids: 0, text_chars_max }
    }

    /// The document.
    pub(super) fn finish(self) -> String {
        self.out
    }

    /// An identifier no other element has. Never made from a caller's text.
    pub(super) fn fresh_id(&mut self, prefix: &str) -> String {
        self.n_ids += 1;
        format!("{prefix}{}", self.n_ids)
    }

    /// Writes text that the program itself contains and that is already HTML: the style sheet and the script.
    pub(super) fn constant(&mut self, html: &'static str) {
        self.out.push_str(html);
    }

    /// Writes escaped text.
    pub(super) fn text(&mut self, text: &str) {
        escape_into(&mut self.out, text, self.text_chars_max);
    }

    /// Writes a text that may be longer than a label.
    pub(super) fn prose(&mut self, text: &str) {
        escape_into(&mut self.out, text, self.text_chars_max.saturating_mul(4));
    }

    /// Writes a caller's text so that its direction cannot disturb its surroundings.
    pub(super) fn name(&mut self, text: &str) {
        self.within("bdi", "", |h| h.text(text));
    }

    /// An element of `class` (none when empty) around `body`.
    pub(super) fn within(&mut self, tag: &'static str, class: &str, body: impl FnOnce(&mut Self)) {
        let class = [("class", class)];
        self.within_with(tag, if class[0].1.is_empty() { &[] } else { &class }, body);
    }

    /// An element with attributes around `body`.
    pub(super) fn within_with(
        &mut self,
        tag: &'static str,
        attributes: Attributes,
        body: impl FnOnce(&mut Self),
    ) {
        self.start(tag, attributes);
        self.out.push('>');
        body(self);
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }

    /// An element of `class` around `text`.
    pub(super) fn leaf(&mut self, tag: &'static str, class: &str, text: &str) {
        self.within(tag, class, |h| h.text(text));
    }

    /// An element with attributes around `text`.
    pub(super) fn leaf_with(&mut self, tag: &'static str, attributes: Attributes, text: &str) {
        self.within_with(tag, attributes, |h| h.text(text));
    }

    /// An element without content: a shape, an input, a meta line.
    pub(super) fn empty(&mut self, tag: &'static str, attributes: Attributes) {
        self.start(tag, attributes);
        self.out.push_str("/>");
    }

    /// The header row of a table.
    pub(super) fn head(&mut self, columns: impl FnOnce(&mut Self)) {
        self.within("thead", "", |h| h.within("tr", "", columns));
    }

    /// A header cell of a column.
    pub(super) fn column(&mut self, class: &str, text: &str) {
        self.leaf_with("th", &[("scope", "col"), ("class", class)], text);
    }

    /// A header cell of a row, holding a caller's name.
    pub(super) fn row_name(&mut self, name: &str) {
        self.within_with("th", &[("scope", "row")], |h| h.name(name));
    }

    /// Says how many rows are not shown, if any.
    pub(super) fn left_out(&mut self, n_left_out: usize, what: &str) {
        if n_left_out > 0 {
            self.leaf("p", "note", &format!("{} more {what} not shown.", count(n_left_out)));
        }
    }

    fn start(&mut self, tag: &'static str, attributes: Attributes) {
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape_into(&mut self.out, value, usize::MAX);
            self.out.push('"');
        }
    }
}

/// Appends `text`, escaped and cut at `chars_max` characters.
///
/// Control characters and those that override the direction of text become U+FFFD: an identifier must not be able to
/// rearrange the page, and two identifiers that differ must not look alike.
fn escape_into(out: &mut String, text: &str, chars_max: usize) {
    for (n_written, character) in text.chars().enumerate() {
        if n_written == chars_max {
            out.push('…');
            return;
        }
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => out.push('\u{FFFD}'),
            control if control.is_control() => out.push('\u{FFFD}'),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Html;

    fn escaped(text: &str) -> String {
        let mut html = Html::new(40);
        html.text(text);
        html.finish()
    }

    #[test]
    fn text_cannot_open_an_element() {
        assert_eq!(escaped("<b>&\"'"), "&lt;b&gt;&amp;&quot;&#39;");
    }

    #[test]
    fn text_cannot_reverse_the_page() {
        assert_eq!(escaped("a\u{202E}b\u{0}c"), "a\u{FFFD}b\u{FFFD}c");
        assert_eq!(escaped("שלום\u{200F}"), "שלום\u{200F}", "marks of right-to-left scripts are text");
    }

    #[test]
    fn attribute_cannot_be_left() {
        let mut html = Html::new(40);
        html.within("p", "\" onclick=\"x", |h| h.text("y"));
        assert_eq!(html.finish(), "<p class=\"&quot; onclick=&quot;x\">y</p>");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(escaped(&"é".repeat(50)), format!("{}…", "é".repeat(40)));
        assert_eq!(escaped(&"é".repeat(40)), "é".repeat(40));
    }
}
