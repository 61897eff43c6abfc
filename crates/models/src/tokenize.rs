//! Text → words and bigrams.

/// Words carrying no content, dropped before bigrams are formed.
const STOP_WORDS: &[&str] = &[
    "a", "about", "above", "across", "after", "again", "against", "all", "almost", "alone", "along",
    "already", "also", "although", "always", "am", "among", "an", "and", "another", "any", "anyone",
    "anything", "are", "around", "as", "at", "back", "be", "became", "because", "become", "been", "before",
    "behind", "being", "below", "beside", "between", "beyond", "both", "but", "by", "can", "cannot", "could",
    "did", "do", "does", "done", "down", "due", "during", "each", "either", "else", "enough", "etc", "even",
    "ever", "every", "except", "few", "first", "for", "from", "further", "get", "give", "go", "had", "has",
    "have", "having", "he", "hence", "her", "here", "hers", "him", "his", "how", "however", "i", "if", "in",
    "indeed", "into", "is", "it", "its", "itself", "just", "last", "least", "less", "made", "many", "may",
    "me", "might", "mine", "more", "most", "much", "must", "my", "myself", "neither", "never", "next", "no",
    "nor", "not", "nothing", "now", "of", "off", "often", "on", "once", "one", "only", "onto", "or", "other",
    "others", "our", "ours", "out", "over", "own", "per", "perhaps", "please", "put", "rather", "same",
    "see", "seem", "several", "she", "should", "since", "so", "some", "still", "such", "than", "that", "the",
    "their", "theirs", "them", "then", "there", "these", "they", "this", "those", "through", "thus", "to",
    "together", "too", "toward", "towards", "under", "until", "up", "upon", "us", "very", "via", "was", "we",
    "well", "were", "what", "whatever", "when", "where", "whether", "which", "while", "who", "whole",
    "whose", "why", "will", "with", "within", "without", "would", "yet", "you", "your", "yours",
];

/// Lower-cased words of letters and digits in any script, without stop words; characters of scripts that write without
/// spaces (Chinese, Japanese) are words of their own, so that bigrams of them act as words.
pub fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word = String::new();
    for character in text.chars().flat_map(char::to_lowercase) {
        if is_ideograph(character) {
            push(&mut found, &mut word);
            found.push(character.to_string());
        } else if character.is_alphanumeric() {
            word.push(character);
        } else {
            push(&mut found, &mut word);
        }
    }
    push(&mut found, &mut word);
    found
}

fn push(found: &mut Vec<String>, word: &mut String) {
    if !word.is_empty() && STOP_WORDS.binary_search(&word.as_str()).is_err() {
        found.push(std::mem::take(word));
    }
    word.clear();
}

fn is_ideograph(character: char) -> bool {
    matches!(character, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// Words, then pairs of neighboring words joined by a space.
pub fn words_and_bigrams(text: &str) -> Vec<String> {
    let mut features = words(text);
    let bigrams: Vec<String> = features.windows(2).map(|pair| format!("{} {}", pair[0], pair[1])).collect();
    features.extend(bigrams);
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_go_before_bigrams_are_formed_and_case_is_folded() {
        assert_eq!(words_and_bigrams("The Lord of the RINGS!"), ["lord", "rings", "lord rings"]);
        assert_eq!(words("Crème-brûlée 2"), ["crème", "brûlée", "2"]);
        assert_eq!(words_and_bigrams("红楼梦 TV"), ["红", "楼", "梦", "tv", "红 楼", "楼 梦", "梦 tv"]);
    }

    #[test]
    fn the_stop_words_are_sorted_for_the_binary_search() {
        assert!(STOP_WORDS.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
