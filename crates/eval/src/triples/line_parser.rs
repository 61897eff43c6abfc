//! Takes one line apart into user, item and value, or says what is wrong with it.

use super::{TextFormat, Value};
use crate::error::Result;

const USER_NAMES: [&str; 4] = ["user", "user_id", "query", "query_id"];
const ITEM_NAMES: [&str; 4] = ["item", "item_id", "doc", "doc_id"];

/// A line that cannot be understood: what is wrong and how to cure it.
pub(crate) struct Problem {
    pub(crate) what: String,
    pub(crate) hint: &'static str,
}

impl Problem {
    fn new(what: impl Into<String>, hint: &'static str) -> Self {
        Self { what: what.into(), hint }
    }
}

/// Positions of the three fields in a line.
#[derive(Clone, Copy)]
struct Columns {
    user: usize,
    item: usize,
    value: Option<usize>,
}

/// What must be known to understand the next line.
pub(crate) struct LineParser {
    format: TextFormat,
    value: Value,
    /// Known after the first line.
    columns: Option<Columns>,
}

impl LineParser {
    pub(crate) fn new(format: TextFormat, value: Value) -> Self {
        Self { format, value, columns: None }
    }

    /// Passes the triple of a line to `sink`, which answers whether it is new.
    pub(crate) fn line(
        &mut self,
        line: &str,
        sink: &mut impl FnMut(&str, &str, f64) -> bool,
    ) -> Result<(), Problem> {
        if line.trim().is_empty() {
            return Ok(());
        }
        let fields = match self.format {
            TextFormat::Csv => split_quoted(line, ',')?,
            TextFormat::Tsv => line.split('\t').map(|field| field.trim().to_owned()).collect(),
            TextFormat::Plain => line.split_whitespace().map(str::to_owned).collect(),
            TextFormat::JsonLines => self.json_fields(line)?,
        };
        let Some(columns) = self.columns_of(&fields)? else { return Ok(()) };
        let (user, item, value) = self.triple(&fields, columns)?;
        if sink(user, item, value) {
            Ok(())
        } else {
            Err(Problem::new(
                format!("item `{item}` of user `{user}` was already given"),
                "keep one line for each user and item",
            ))
        }
    }

    /// Where the fields of this line stand; `None` if it is the header, which says where those of all others do.
    fn columns_of(&mut self, fields: &[String]) -> Result<Option<Columns>, Problem> {
        if self.format == TextFormat::JsonLines {
            return positions(fields.len(), self.value).map(Some);
        }
        if self.columns.is_some() {
            return Ok(self.columns);
        }
        let header = self.header(fields)?;
        let columns = header.map_or_else(|| positions(fields.len(), self.value), Ok)?;
        self.columns = Some(columns);
        Ok(header.is_none().then_some(columns))
    }

    /// The columns named by a header, or `None` if the line is no header.
    fn header(&self, fields: &[String]) -> Result<Option<Columns>, Problem> {
        let find = |names: &[&str]| {
            let named = |field: &String| names.contains(&field.to_ascii_lowercase().as_str());
            fields.iter().position(named)
        };
        let (Some(user), Some(item)) = (find(&USER_NAMES), find(&ITEM_NAMES)) else {
            return Ok(None);
        };
        let value = find(self.value.names());
        if value.is_none() && self.value == Value::Score {
            return Err(Problem::new("the header names no score", "name the column `score`"));
        }
        Ok(Some(Columns { user, item, value }))
    }

    /// The three fields of a JSON object; two if a relevance is left out.
    fn json_fields(&self, line: &str) -> Result<Vec<String>, Problem> {
        const HINT: &str =
            r#"write {"user": "u1", "item": "i1", "score": 0.5}, for judgments with "relevance""#;
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)
            .map_err(|error| Problem::new(format!("not a JSON object: {error}"), HINT))?;
        let find = |names: &[&str]| names.iter().find_map(|&name| object.get(name));
        let id = |names: &[&str]| match find(names) {
            Some(serde_json::Value::String(text)) => Ok(text.clone()),
            Some(serde_json::Value::Number(number)) => Ok(number.to_string()),
            _ => Err(Problem::new(format!("`{}` is missing or neither text nor number", names[0]), HINT)),
        };
        let mut fields = vec![id(&USER_NAMES)?, id(&ITEM_NAMES)?];
        match find(self.value.names()) {
            Some(value) => fields.push(value.to_string()),
            None if self.value == Value::Relevance => {}
            None => return Err(Problem::new("`score` is missing", HINT)),
        }
        Ok(fields)
    }

    /// Takes user, item and value out of the fields.
    fn triple<'f>(&self, fields: &'f [String], columns: Columns) -> Result<(&'f str, &'f str, f64), Problem> {
        let field = |column: usize| {
            fields.get(column).map(String::as_str).filter(|field| !field.is_empty()).ok_or_else(|| {
                Problem::new(
                    format!("field {} is missing or empty", column + 1),
                    "give every line the same fields",
                )
            })
        };
        let value = match columns.value {
            None => 1.0,
            Some(column) => number(field(column)?, self.value)?,
        };
        Ok((field(columns.user)?, field(columns.item)?, value))
    }
}

/// A finite number, or what is wrong with it.
fn number(text: &str, value: Value) -> Result<f64, Problem> {
    let name = value.names()[0];
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(Problem::new(
            format!("the {name} is `{text}`, expected a finite number"),
            "leave out items that have none",
        )),
        Err(_) => Err(Problem::new(
            format!("the {name} is `{text}`, expected a number"),
            "order the fields user, item, value, or name them in a header: user,item,score or user,item,relevance",
        )),
    }
}

/// The columns of a line without names, by how many there are.
fn positions(n_fields: usize, value: Value) -> Result<Columns, Problem> {
    let columns = |item, value| Ok(Columns { user: 0, item, value });
    match (n_fields, value) {
        (3, _) => columns(1, Some(2)),
        (6, Value::Score) => columns(2, Some(4)),
        (4, Value::Relevance) => columns(2, Some(3)),
        (2, Value::Relevance) => columns(1, None),
        (n, Value::Score) => Err(Problem::new(
            format!("{n} fields, expected `user item score` or the six of a TREC run"),
            "add the score, or name the columns in a header; the extension chooses commas, tabs or spaces",
        )),
        (n, Value::Relevance) => Err(Problem::new(
            format!("{n} fields, expected `user item [relevance]` or the four of TREC qrels"),
            "name the columns in a header; the extension chooses commas, tabs or spaces",
        )),
    }
}

/// Splits a line of CSV (RFC 4180) whose quoted fields do not span lines.
fn split_quoted(line: &str, separator: char) -> Result<Vec<String>, Problem> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            _ if char == separator && !quoted => fields.push(std::mem::take(&mut field)),
            _ => field.push(char),
        }
    }
    if quoted {
        return Err(Problem::new(
            "a quote is opened and not closed",
            "double the quotes inside a field; fields may not span lines",
        ));
    }
    fields.push(field);
    Ok(fields.into_iter().map(|field| field.trim().to_owned()).collect())
}
