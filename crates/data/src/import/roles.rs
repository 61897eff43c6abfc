//! Guesses what the columns of a table say: first from their names, then from their values.

use super::events;
use super::options::ColumnRoles;
use super::report::{ColumnReport, Confidence, Role, TableReport};
use super::time::TimeForm;

// Names without case and punctuation, the most telling first.
const USER: &[&str] = &[
    "userid",
    "user",
    "uid",
    "reviewerid",
    "customerid",
    "memberid",
    "accountid",
    "visitorid",
    "profileid",
    "personid",
    "useridx",
    "reviewer",
    "customer",
    "member",
    "visitor",
    "username",
    "sessionid",
];
const ITEM: &[&str] = &[
    "itemid",
    "item",
    "parentasin",
    "movieid",
    "productid",
    "asin",
    "bookid",
    "newsid",
    "articleid",
    "trackid",
    "songid",
    "artistid",
    "businessid",
    "gameid",
    "animeid",
    "recipeid",
    "videoid",
    "contentid",
    "iid",
    "itemidx",
    "sku",
    "isbn",
    "movie",
    "product",
    "book",
    "song",
    "track",
    "artist",
];
const RATING: &[&str] = &[
    "rating",
    "overall",
    "stars",
    "bookrating",
    "score",
    "ratingvalue",
    "eventvalue",
    "value",
    "weight",
    "playcount",
    "plays",
    "count",
];
const TIME: &[&str] = &[
    "timestamp",
    "unixreviewtime",
    "unixtime",
    "eventtime",
    "time",
    "ts",
    "datetime",
    "createdat",
    "ratedat",
    "date",
    "reviewtime",
];
const DOMAIN: &[&str] = &["domain"];
const EVENT_KIND: &[&str] =
    &["eventtype", "event", "feedbacktype", "interactiontype", "behavior", "behaviour", "action", "kind"];
const SPLIT: &[&str] = &["split"];

const TITLE: &[&str] =
    &["title", "name", "itemname", "movietitle", "producttitle", "booktitle", "productname", "bookname"];
const BRAND: &[&str] = &["brand", "store", "manufacturer"];
const CATEGORIES: &[&str] = &["categories", "category"];
const DESCRIPTION: &[&str] = &["description", "overview", "synopsis"];

/// A column before its role is known.
pub(super) struct Profile<'a> {
    pub(super) name: &'a str,
    pub(super) cells: Vec<&'a str>,
}

/// Guesses the role of each column. `has_names` is false when the names are only positions.
pub(super) fn guess(columns: &[Profile<'_>], has_names: bool) -> Vec<ColumnReport> {
    let mut reports: Vec<ColumnReport> = columns
        .iter()
        .map(|column| ColumnReport {
            name: column.name.to_owned(),
            role: Role::Unused,
            confidence: Confidence::Low,
            time: None,
            is_sequence: false,
        })
        .collect();
    if has_names {
        by_name(&mut reports);
    } else {
        by_values(columns, &mut reports);
    }
    set_time_forms(columns, &mut reports);
    reports
}

fn by_name(reports: &mut [ColumnReport]) {
    let roles = [
        (Role::User, USER),
        (Role::Item, ITEM),
        (Role::Rating, RATING),
        (Role::Time, TIME),
        (Role::Domain, DOMAIN),
        (Role::EventKind, EVENT_KIND),
        (Role::Split, SPLIT),
    ];
    for (role, names) in roles {
        let best = names.iter().find_map(|&name| {
            reports.iter().position(|report| report.role == Role::Unused && folded(&report.name) == name)
        });
        if let Some(at) = best {
            reports[at].role = role;
            reports[at].confidence = Confidence::Medium;
        }
    }
}

// Headerless: the time and rating columns are told by their values; of the others, user comes before item.
fn by_values(columns: &[Profile<'_>], reports: &mut [ColumnReport]) {
    let is_time = |column: &Profile<'_>| {
        let form = TimeForm::of(column.cells.iter().copied());
        let plausible =
            |&cell: &&str| form.and_then(|form| form.parse(cell)).is_some_and(|time| time > 300_000_000);
        !column.cells.is_empty() && column.cells.iter().all(plausible)
    };
    let is_rating = |column: &Profile<'_>| {
        let small = |cell: &&str| events::rating(cell).is_some_and(|value| (-1.0..=10.0).contains(&value));
        !column.cells.is_empty() && column.cells.iter().all(small)
    };
    let n = columns.len();
    let time = (2..n).find(|&at| is_time(&columns[at]));
    let rating = (2..n).find(|&at| Some(at) != time && is_rating(&columns[at]));
    for (at, role) in [(time, Role::Time), (rating, Role::Rating)] {
        if let Some(at) = at {
            reports[at].role = role;
        }
    }
    if n < 2 {
        return;
    }
    let swapped = looks_like_asin(&columns[0]) && !looks_like_asin(&columns[1]);
    let (user, item) = if swapped { (1, 0) } else { (0, 1) };
    reports[user].role = Role::User;
    reports[item].role = Role::Item;
}

/// Amazon's item ids: ten capitals or digits.
pub(super) fn looks_like_asin(column: &Profile<'_>) -> bool {
    let is_asin = |cell: &&&str| {
        cell.len() == 10 && cell.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let n = column.cells.iter().filter(is_asin).count();
    n > 0 && n * 10 >= column.cells.len() * 9
}

fn set_time_forms(columns: &[Profile<'_>], reports: &mut [ColumnReport]) {
    for (column, report) in columns.iter().zip(reports) {
        if report.role == Role::Time {
            report.time = TimeForm::of(column.cells.iter().copied());
        }
    }
}

/// Puts the caller's columns in place of the guessed ones, where the table has them.
pub(super) fn apply(given: &ColumnRoles, columns: &[Profile<'_>], reports: &mut [ColumnReport]) {
    for (role, column) in named(given) {
        if column == "none" {
            for report in reports.iter_mut().filter(|report| report.role == role) {
                report.role = Role::Unused;
            }
        } else if let Some(at) = find(column, reports) {
            for report in reports.iter_mut().filter(|report| report.role == role) {
                report.role = Role::Unused;
            }
            reports[at].role = role;
            reports[at].confidence = Confidence::Given;
        }
    }
    for column in &given.text {
        if let Some(at) = find(column, reports) {
            reports[at].role = Role::Text(field_name(&reports[at].name));
            reports[at].confidence = Confidence::Given;
        }
    }
    set_time_forms(columns, reports);
}

fn named(given: &ColumnRoles) -> impl Iterator<Item = (Role, &str)> {
    let roles = [
        (Role::User, &given.user),
        (Role::Item, &given.item),
        (Role::Rating, &given.rating),
        (Role::Time, &given.time),
        (Role::Domain, &given.domain),
        (Role::EventKind, &given.event),
    ];
    roles.into_iter().filter_map(|(role, column)| Some((role, column.as_deref()?)))
}

/// The columns named by the caller that none of the tables has.
pub(super) fn unknown<'a>(given: &'a ColumnRoles, tables: &[&TableReport]) -> Vec<&'a str> {
    let all = named(given).map(|(_, column)| column).chain(given.text.iter().map(String::as_str));
    all.filter(|&column| column != "none")
        .filter(|column| tables.iter().all(|table| find(column, &table.columns).is_none()))
        .collect()
}

/// The position of a column given by name (exact, then without case) or one-based position.
pub(super) fn find(column: &str, reports: &[ColumnReport]) -> Option<usize> {
    let exact = reports.iter().position(|report| report.name == column);
    let position =
        || column.parse::<usize>().ok().filter(|at| (1..=reports.len()).contains(at)).map(|at| at - 1);
    exact.or_else(|| reports.iter().position(|r| r.name.eq_ignore_ascii_case(column))).or_else(position)
}

/// The name of a text column: the canonical one where known, else its own in lower case.
pub(super) fn field_name(column: &str) -> String {
    let name = folded(column);
    let canonical =
        [("title", TITLE), ("brand", BRAND), ("categories", CATEGORIES), ("description", DESCRIPTION)];
    match canonical.iter().find(|(_, names)| names.contains(&name.as_str())) {
        Some((field, _)) => (*field).to_owned(),
        None => column.to_lowercase(),
    }
}

/// Gives the text columns fields of their own: the first keeps the canonical name, later ones their own name.
pub(super) fn keep_fields_apart(columns: &mut [ColumnReport]) {
    for at in 1..columns.len() {
        let (before, rest) = columns.split_at_mut(at);
        let column = &mut rest[0];
        let is_taken = |field: &str| before.iter().any(|other| other.role == Role::Text(field.to_owned()));
        let Role::Text(field) = &column.role else { continue };
        if is_taken(field) {
            let own = column.name.to_lowercase();
            let field = if is_taken(&own) { format!("{own}_{}", at + 1) } else { own };
            column.role = Role::Text(field);
        }
    }
}

/// Whether a name is one of those that columns of interactions have.
pub(super) fn is_known(name: &str) -> bool {
    let name = folded(name);
    let lists = [USER, ITEM, RATING, TIME, EVENT_KIND, TITLE, CATEGORIES, DESCRIPTION];
    lists.iter().any(|names| names.contains(&name.as_str()))
}

/// A name without case and punctuation.
pub(super) fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
