//! What the entities of a graph are called: by their labels and by facts that state a name, else by the words of their ids.

use crate::graph::KnowledgeGraph;

/// Last parts of relations whose tails are names.
const NAMING: [&str; 6] = ["label", "name", "title", "preflabel", "altlabel", "alias"];

/// The names of every entity, `[n_entities]`; none for ids without words (`m.02vxn`, `Q42`) of which no fact states a name, and for
/// names themselves.
pub(super) fn names(graph: &KnowledgeGraph) -> Vec<Vec<String>> {
    let is_naming: Vec<bool> = graph.relations.iter().map(is_naming).collect();
    let n = graph.entities.len();
    let (mut stated, mut is_only_name) = (vec![Vec::new(); n], vec![false; n]);
    for fact in graph.triples.iter().filter(|fact| is_naming[fact.relation.0 as usize]) {
        let name = literal(graph.entities.raw(fact.tail.0).unwrap_or_default());
        stated[fact.head.0 as usize].push(name.to_owned());
        is_only_name[fact.tail.0 as usize] = true;
    }
    for fact in graph.triples.iter().filter(|fact| !is_naming[fact.relation.0 as usize]) {
        is_only_name[fact.head.0 as usize] = false;
        is_only_name[fact.tail.0 as usize] = false;
    }
    for (at, label) in graph.labels.iter().enumerate().filter(|(_, label)| !label.is_empty()) {
        stated[at].push(label.clone());
        is_only_name[at] = false;
    }
    for (at, raw) in graph.entities.iter().enumerate() {
        if is_only_name[at] {
            stated[at].clear();
        } else if stated[at].is_empty() {
            stated[at].extend(words_of_id(raw));
        }
    }
    stated
}

fn is_naming(relation: &str) -> bool {
    let last = relation.trim_end_matches('>').rsplit(['.', '/', '#', ':']).next().unwrap_or(relation);
    NAMING.contains(&last.to_ascii_lowercase().replace('_', "").as_str())
}

// `"Toy Story"@en` → `Toy Story`.
fn literal(raw: &str) -> &str {
    let quoted = raw.strip_prefix('"').and_then(|rest| rest.rsplit_once('"'));
    quoted.map_or(raw, |(name, _)| name)
}

/// The words of an id: of an address its last part, with `_` as blanks and `%C3%A9` as `é`.
pub(super) fn words_of_id(raw: &str) -> Option<String> {
    let raw = raw.trim_start_matches('<').trim_end_matches('>');
    let last = match raw.split_once("://") {
        // A name may have a slash of its own: `resource/AC/DC`.
        Some((_, path)) => path
            .split_once("/resource/")
            .or_else(|| path.rsplit_once(['/', '#']))
            .map_or(path, |(_, last)| last),
        None => raw,
    };
    let name = percent_decoded(last).replace('_', " ");
    let n_letters = name.chars().filter(|c| c.is_alphabetic()).count();
    let n_digits = name.chars().filter(char::is_ascii_digit).count();
    let is_code = ["m.", "g.", "/m/", "/g/"].iter().any(|start| last.starts_with(start))
        || (n_digits > 0 && n_letters <= n_digits && !name.contains(' ') && !raw.contains("/resource/"));
    let has_sign = name.chars().any(|c| !c.is_whitespace() && !c.is_ascii_digit());
    (!is_code && has_sign && (n_letters >= 2 || raw.contains("/resource/"))).then_some(name)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let code = code.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| *first == b'%');
        if let Some(byte) = code {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_words_are_names_and_codes_are_not() {
        let of = |raw: &str| words_of_id(raw).unwrap_or_default();
        assert_eq!(of("http://kb.example/resource/Beyonc%C3%A9"), "Beyoncé");
        assert_eq!(of("<http://kb.example/resource/AC/DC>"), "AC/DC");
        assert_eq!(of("http://kb.example/films#Toy_Story"), "Toy Story");
        assert_eq!(of("http://kb.example/resource/100%_Wolf"), "100% Wolf");
        assert_eq!(of("Toy_Story_(film)"), "Toy Story (film)");
        assert_eq!(of("Ran_(1985)"), "Ran (1985)");
        assert_eq!(of("http://kb.example/resource/U2"), "U2");
        for code in ["m.02vxn", "Q42", "1234", "", "/m/0abcde", "http://kb.example/entity/1999"] {
            assert_eq!(words_of_id(code), None, "{code}");
        }
    }

    #[test]
    fn stated_names_stand_before_ids_and_are_no_entities_of_their_own() {
        let graph = KnowledgeGraph::of_facts([
            ("Q1", "http://kb.example/rdf-schema#label", "\"Heat\"@en"),
            ("Q1", "skos:altLabel", "Fuego contra fuego"),
            ("Q1", "directed_by", "Michael Mann"),
        ]);
        let names = names(&graph);
        let of = |raw: &str| names[graph.entities.get(raw).unwrap() as usize].clone();
        assert_eq!(of("Q1"), ["Heat", "Fuego contra fuego"]);
        assert_eq!(of("Michael Mann"), ["Michael Mann"]);
        assert!(of("\"Heat\"@en").is_empty());
        let labeled = KnowledgeGraph {
            labels: vec!["Heat".into(), String::new()],
            ..KnowledgeGraph::of_facts([("Q1", "kind", "Q2")])
        };
        assert_eq!(super::names(&labeled), [vec!["Heat".to_owned()], Vec::new()]);
    }
}
