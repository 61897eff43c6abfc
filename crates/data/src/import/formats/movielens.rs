//! `MovieLens`: 100K (`u.data`, `u.item`), 1M and 10M (`::`), 20M and later (CSV with a header).

use super::super::look::{self, Expect};
use super::super::options::{Encoding, ImportOptions};
use super::super::report::{Content, Role, TableReport};
use super::{Files, fixed, table};
use crate::error::DataError;
use crate::import::delimited::Separator;

// The flags of `u.item`, in column order.
const GENRES: [&str; 19] = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
];

/// Whether these are files of one of the releases.
pub(super) fn claims(files: &Files) -> bool {
    let has = |name| files.named(name).is_some();
    has("u.data") || has("u.item") || has("ratings.dat") || (has("ratings.csv") && has("movies.csv"))
}

/// Which files of a release are read, and as what.
pub(super) fn plan(files: &Files, options: &ImportOptions) -> Result<Vec<TableReport>, DataError> {
    let mut tables = Vec::new();
    let tab = Separator::Char('\t');
    let pipe = Separator::Char('|');
    for (name, separator, content, roles) in [
        ("u.data", tab, Content::Events, events()),
        ("u.item", pipe, Content::Items, hundred_k_items()),
        ("u.user", pipe, Content::Users, users(["age", "gender", "occupation", "zip_code"])),
        ("ratings.dat", Separator::DoubleColon, Content::Events, events()),
        ("movies.dat", Separator::DoubleColon, Content::Items, items()),
        (
            "users.dat",
            Separator::DoubleColon,
            Content::Users,
            users(["gender", "age", "occupation", "zip_code"]),
        ),
    ] {
        let Some(path) = files.named(name) else { continue };
        let expect = Expect {
            separator: Some(separator),
            has_header: Some(false),
            encoding: Some(Encoding::Utf8OrLatin1),
        };
        tables.push(fixed(look::at(path, options, expect)?, content, &roles)?);
    }
    if tables.is_empty() {
        for name in ["ratings.csv", "movies.csv"] {
            if let Some(path) = files.named(name) {
                tables.push(table::of_file(path, options, Expect::default())?);
            }
        }
    }
    if tables.is_empty() {
        let remedy = "name the folder of a release: it has u.data, ratings.dat or ratings.csv";
        return Err(DataError::format(&files.root, None, "there is no MovieLens file", remedy));
    }
    Ok(tables)
}

fn events() -> Vec<Role> {
    vec![Role::User, Role::Item, Role::Rating, Role::Time]
}

fn items() -> Vec<Role> {
    vec![Role::Item, Role::Text("title".into()), Role::Text("genres".into())]
}

fn users(columns: [&str; 4]) -> Vec<Role> {
    let texts = columns.map(|column| Role::Text(column.to_owned()));
    std::iter::once(Role::User).chain(texts).collect()
}

fn hundred_k_items() -> Vec<Role> {
    let text = |name: &str| Role::Text(name.to_owned());
    let flag = |genre: &str| Role::Flag { field: "genres".to_owned(), value: genre.to_owned() };
    [Role::Item, text("title"), text("release_date"), Role::Unused, Role::Unused]
        .into_iter()
        .chain(GENRES.map(flag))
        .collect()
}
