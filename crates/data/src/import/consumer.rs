//! What is done with the batches of a table: rows are checked here, in parallel, before `staging.rs` takes them one by one.

use super::batch::Batch;
use super::domains::ValueList;
use super::events::{EventColumns, ParsedEvents, check_id};
use super::options::ImportOptions;
use super::report::{Content, Role, TableReport};
use super::skipped::SkipReason;
use crate::error::DataError;

/// How the batches of one table are used.
pub(super) enum Consumer {
    Events(EventColumns),
    Rows { content: Content, roles: Vec<Role>, domain: Option<(String, ValueList)> },
}

/// A batch whose rows were checked.
pub(super) enum Checked {
    Events(ParsedEvents),
    Rows(Batch),
}

impl Checked {
    pub(super) fn batch_mut(&mut self) -> &mut Batch {
        match self {
            Self::Events(parsed) => &mut parsed.batch,
            Self::Rows(batch) => batch,
        }
    }
}

impl Consumer {
    pub(super) fn new(table: &TableReport, options: &ImportOptions) -> Result<Self, DataError> {
        if table.content == Content::Events {
            return match EventColumns::of(table, options.min_rating) {
                Some(columns) => Ok(Self::Events(columns)),
                None => Err(DataError::format(
                    &table.path,
                    Some(1),
                    "no user or no item column",
                    "name them with --user-col and --item-col",
                )),
            };
        }
        let list = if table.domain_is_sequence { ValueList::Spaced } else { ValueList::Piped };
        let domain = table.domain_field.clone().map(|field| (field, list));
        Ok(Self::Rows { content: table.content, roles: super::reader::used_roles(table), domain })
    }

    pub(super) fn check(&self, mut batch: Batch) -> Checked {
        match self {
            Self::Events(columns) => Checked::Events(columns.parse(batch)),
            Self::Rows { content, roles, .. } => {
                let problems: Vec<(usize, SkipReason)> = (0..batch.n_rows())
                    .filter_map(|row| problem_of(*content, roles, &batch, row).map(|reason| (row, reason)))
                    .collect();
                for (row, reason) in problems {
                    batch.reject(row, reason);
                    batch.lines[row] = Batch::REJECTED;
                }
                Checked::Rows(batch)
            }
        }
    }
}

fn problem_of(content: Content, roles: &[Role], batch: &Batch, row: usize) -> Option<SkipReason> {
    let must_be_filled = |role: &Role| match role {
        Role::Item => Some(SkipReason::NoItem),
        Role::User if content == Content::Users => Some(SkipReason::NoUser),
        Role::Head | Role::Relation | Role::Tail | Role::Entity => Some(SkipReason::EmptyPart),
        _ => None,
    };
    roles.iter().enumerate().find_map(|(slot, role)| {
        let when_empty = must_be_filled(role)?;
        check_id(batch.cell(row, slot), when_empty).err()
    })
}
