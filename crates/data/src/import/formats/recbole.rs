//! `RecBole` atomic files: tab-separated, header cells `name:type`.

use super::super::look::{self, Expect};
use super::super::options::ImportOptions;
use super::super::report::{Confidence, Content, Role, TableReport};
use super::super::roles::{self, Profile};
use super::{Files, plain_name, recbole_cases};
use crate::error::DataError;
use crate::import::delimited::Separator;

const SUFFIXES: [(&str, Content); 5] = [
    (".inter", Content::Events),
    (".item", Content::Items),
    (".user", Content::Users),
    (".kg", Content::Triples),
    (".link", Content::Links),
];

/// Whether any file is an atomic file.
pub(super) fn claims(files: &Files) -> bool {
    // `u.item` and `u.user` of MovieLens 100K have the same ends.
    let is_atomic = |path| plain_name(path) != "u.item" && plain_name(path) != "u.user";
    SUFFIXES.iter().any(|(suffix, _)| files.ending(suffix).any(is_atomic))
}

/// The tables of an atomic folder or file.
pub(super) fn plan(files: &Files, options: &ImportOptions) -> Result<Vec<TableReport>, DataError> {
    let mut tables = Vec::new();
    for (suffix, content) in SUFFIXES {
        for path in files.ending(suffix) {
            let expect =
                Expect { separator: Some(Separator::Char('\t')), has_header: Some(true), encoding: None };
            tables.push(table(look::at(path, options, expect)?, content, options)?);
        }
    }
    if tables.is_empty() {
        let remedy = "name a folder with .inter, .item, .user, .kg or .link files";
        return Err(DataError::format(&files.root, None, "there is no RecBole atomic file", remedy));
    }
    Ok(tables)
}

// What a column of a file with this content says, from what its name was taken for and from its type.
fn role_of(content: Content, guessed: Role, name: &str, kind: &str) -> Role {
    match (content, guessed) {
        (Content::Events | Content::Cases, role) => role,
        (Content::Items | Content::Links, Role::Item) => Role::Item,
        (Content::Users, Role::User) => Role::User,
        (Content::Items | Content::Users, _) if kind == "float_seq" => Role::Unused,
        (Content::Items | Content::Users, _) => Role::Text(roles::field_name(name)),
        (Content::Triples, _) if name.starts_with("head") => Role::Head,
        (Content::Triples, _) if name.starts_with("relation") => Role::Relation,
        (Content::Triples, _) if name.starts_with("tail") => Role::Tail,
        (Content::Links, _) if name.starts_with("entity") => Role::Entity,
        _ => Role::Unused,
    }
}

fn table(look: look::Look, mut content: Content, options: &ImportOptions) -> Result<TableReport, DataError> {
    let names: Vec<(&str, &str)> =
        look.names.iter().map(|name| name.rsplit_once(':').unwrap_or((name, "token"))).collect();
    let profiles: Vec<Profile<'_>> = look
        .profiles()
        .into_iter()
        .zip(&names)
        .map(|(profile, &(name, _))| Profile { name, ..profile })
        .collect();
    let mut columns = roles::guess(&profiles, true);
    let history = names.iter().position(|&(name, kind)| kind == "token_seq" && name.ends_with("_list"));
    if let (Content::Events, Some(history)) = (content, history) {
        content = Content::Cases;
        columns[history].role = Role::History;
    }
    for (column, &(name, kind)) in columns.iter_mut().zip(&names) {
        column.confidence = Confidence::High;
        column.is_sequence = kind == "token_seq";
        column.role = role_of(content, column.role.clone(), name, kind);
    }
    roles::keep_fields_apart(&mut columns);
    if content == Content::Events {
        roles::apply(&options.columns, &profiles, &mut columns);
    }
    let needed: &[Role] = match content {
        Content::Events | Content::Cases => &[Role::User, Role::Item],
        Content::Items => &[Role::Item],
        Content::Users => &[Role::User],
        Content::Triples => &[Role::Head, Role::Relation, Role::Tail],
        _ => &[Role::Item, Role::Entity],
    };
    if let Some(missing) = needed.iter().find(|role| columns.iter().all(|column| column.role != **role)) {
        let problem = format!("no {} column among: {}", missing.in_words(), look.names.join(", "));
        let remedy = "RecBole names them like `user_id:token`, tab-separated in the first line";
        return Err(DataError::format(&look.path, Some(1), problem, remedy));
    }
    let split = if content == Content::Cases { recbole_cases::split_of(&look.path) } else { None };
    Ok(TableReport { split, ..look.into_report(content, columns) })
}
