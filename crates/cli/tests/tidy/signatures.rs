//! Argument lists: at most five, and no tuple that hides two unlike things in one.

const MOST_ARGUMENTS: usize = 5;

/// A function's name, the line it begins on, and its parameters as written.
struct Signature {
    name: String,
    line: usize,
    parameters: Vec<String>,
}

/// The signatures of all functions in a formatted source text; closures and types of functions are none.
fn signatures(text: &str) -> Vec<Signature> {
    let mut found = Vec::new();
    let mut offset = 0;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if let Some(name) = super::function_name(line) {
            let after_name = offset + line.find("fn ").map_or(0, |place| place + 3) + name.len();
            if let Some(parameters) = parameters(&text[after_name..]) {
                found.push(Signature { name: name.to_owned(), line: at + 1, parameters });
            }
        }
        offset += line.len();
    }
    found
}

/// The parameters behind a function's name, split at the commas that stand between them.
fn parameters(rest: &str) -> Option<Vec<String>> {
    let open = opening(rest)?;
    let (mut depth, mut current, mut all) = (0_i32, String::new(), Vec::new());
    let mut before = ' ';
    for c in rest[open + 1..].chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            // An arrow is no bracket.
            '>' if before == '-' || before == '=' => {}
            ')' if depth == 0 => break,
            ')' | ']' | '}' | '>' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            all.push(std::mem::take(&mut current));
        } else {
            current.push(c);
        }
        before = c;
    }
    all.push(current);
    Some(all.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
}

// The bracket that opens the parameters: behind the generics, if there are any.
fn opening(rest: &str) -> Option<usize> {
    let (mut depth, mut before) = (0_i32, ' ');
    for (at, c) in rest.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            '(' if depth == 0 => return Some(at),
            _ => {}
        }
        before = c;
    }
    None
}

fn is_hidden_pair(parameter: &str) -> bool {
    parameter.starts_with('(') && parameter.contains("): (")
}

fn offences(text: &str) -> Vec<String> {
    let mut offences = Vec::new();
    for Signature { name, line, parameters } in signatures(text) {
        if parameters.len() > MOST_ARGUMENTS {
            offences.push(format!("line {line}: `{name}` has {} arguments", parameters.len()));
        }
        if let Some(pair) = parameters.iter().find(|parameter| is_hidden_pair(parameter)) {
            offences.push(format!("line {line}: `{name}` takes a tuple: {pair}"));
        }
    }
    offences
}

#[test]
fn argument_lists_are_short_and_hide_nothing() {
    let fits = "fn a<F: Fn(u8) -> u8>(&self, f: F, at: (f64, f64), b: &[u8], c: u8) -> u8 {\n}\n";
    assert_eq!(offences(fits), [""; 0]);
    assert_eq!(offences("fn a(b: u8, c: u8, d: u8, e: u8, f: u8, g: u8) {}\n").len(), 1);
    assert_eq!(offences("pub fn a(\n    (b, c): (&B, C),\n) {\n}\n").len(), 1);
    super::none(&super::in_files(&super::sources(), offences));
}
