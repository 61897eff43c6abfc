//! Letters without case and diacritics: the Latin ones; of other scripts only the case is lost.

/// Plain letters and all that are read like them, in lower case.
const ALIKE: [(&str, &str); 28] = [
    ("a", "àáâãäåāăąǎ"),
    ("ae", "æ"),
    ("b", "ƀ"),
    ("c", "çćĉċč"),
    ("d", "ďđð"),
    ("e", "èéêëēĕėęěə"),
    ("g", "ĝğġģ"),
    ("h", "ĥħ"),
    ("i", "ìíîïĩīĭįı"),
    ("ij", "ĳ"),
    ("j", "ĵ"),
    ("k", "ķ"),
    ("l", "ĺļľŀł"),
    ("n", "ñńņňŉ"),
    ("o", "òóôõöøōŏőǒ"),
    ("oe", "œ"),
    ("r", "ŕŗř"),
    ("s", "śŝşšșſ"),
    ("ss", "ß"),
    ("t", "ţťŧț"),
    ("th", "þ"),
    ("u", "ùúûüũūŭůűųǔ"),
    ("w", "ŵ"),
    ("y", "ýÿŷ"),
    ("z", "źżž"),
    ("ng", "ŋ"),
    ("е", "ё"),
    ("и", "й"),
];

/// Adds a letter to a word, without case and diacritics.
pub(super) fn fold(letter: char, word: &mut String) {
    for lower in letter.to_lowercase() {
        match ALIKE.iter().find(|(_, alike)| !lower.is_ascii() && alike.contains(lower)) {
            Some((plain, _)) => word.push_str(plain),
            None if is_mark(lower) => {}
            None => word.push(lower),
        }
    }
}

/// Whether a character is a mark on the letter before it.
pub(super) fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_fall_off_and_other_scripts_stay() {
        let folded = |text: &str| {
            let mut word = String::new();
            text.chars().for_each(|c| fold(c, &mut word));
            word
        };
        assert_eq!(folded("ŁÓDŹ"), "lodz");
        assert_eq!(folded("İlkay"), "ilkay");
        assert_eq!(folded("Эпидемия"), "эпидемия");
        assert_eq!(folded("やなわ"), "やなわ");
    }
}
