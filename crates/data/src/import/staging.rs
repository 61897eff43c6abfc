//! Batches of every kind of table → the builder.

use super::batch::{Batch, BatchRow, LIST_SEPARATOR};
use super::consumer::{Checked, Consumer};
use super::domains::{DomainRule, Placement, ValueList};
use super::events::{EventColumns, GoodRow, ParsedEvents};
use super::options::ImportOptions;
use super::report::{Content, Role};
use super::time::{EARLIEST, LATEST};
use crate::builder::{DatasetBuilder, RawInteraction};
use crate::error::DataError;
use crate::ids::DomainIdx;

/// What was counted while reading, apart from bad rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ReadCounts {
    /// Rows of all files, good or bad.
    pub n_rows: u64,
    /// Events left out because their rating is below the minimum asked for.
    pub n_below_min_rating: u64,
    /// Events before 1970 (kept).
    pub n_before_1970: u64,
    /// Events after 2100 (kept).
    pub n_after_2100: u64,
    /// Events of histories without times, dated by what came after them (kept).
    pub n_undated: u64,
    /// Items that were shown and not chosen (left out).
    pub n_not_chosen: u64,
    /// Items that were shown, without a word on whether they were chosen (left out).
    pub n_not_known_chosen: u64,
    /// Events of items that the table of items lacks, where a format promises that it has all (kept).
    pub n_undescribed: u64,
}

/// The builder with what is needed to place rows in it.
pub(super) struct Staging<'a> {
    options: &'a ImportOptions,
    rule: DomainRule,
    pub(super) builder: DatasetBuilder,
    pub(super) counts: ReadCounts,
    // Scratch for prefixed user ids.
    user: String,
}

/// An event as the formats have it that list what users did, without ratings.
#[derive(Clone, Copy)]
pub(super) struct FormatEvent<'a> {
    pub(super) user: &'a str,
    pub(super) item: &'a str,
    /// Unix seconds, if the format has a time.
    pub(super) timestamp: Option<i64>,
    /// From [`DatasetBuilder::event_kind`].
    pub(super) kind: u8,
    /// Published split, if the format has one.
    pub(super) split: Option<u8>,
}

impl<'a> FormatEvent<'a> {
    /// An event of the first kind, without time and split.
    pub(super) fn new(user: &'a str, item: &'a str) -> Self {
        Self { user, item, timestamp: None, kind: 0, split: None }
    }
}

impl<'a> Staging<'a> {
    pub(super) fn new(options: &'a ImportOptions) -> Result<Self, DataError> {
        Ok(Self {
            options,
            rule: DomainRule::of(options)?,
            builder: DatasetBuilder::new(&options.name, options.seed),
            counts: ReadCounts::default(),
            user: String::new(),
        })
    }

    /// Adds a checked batch to the builder.
    pub(super) fn take(
        &mut self,
        consumer: &Consumer,
        checked: &Checked,
        placement: &mut Placement,
    ) -> Result<(), DataError> {
        match (consumer, checked) {
            (Consumer::Events(columns), Checked::Events(parsed)) => {
                self.take_events(columns, parsed, placement)
            }
            (Consumer::Rows { content, roles, domain }, Checked::Rows(batch)) => {
                for row in (0..batch.n_rows()).filter(|&row| batch.lines[row] != Batch::REJECTED) {
                    match content {
                        Content::Items => {
                            let row = BatchRow { batch, row };
                            self.take_item(roles, domain.as_ref(), row, placement)?;
                        }
                        Content::Users => self.take_user(roles, batch, row, placement),
                        Content::Triples => self.take_triple(roles, batch, row),
                        _ => self.take_link(roles, batch, row, placement),
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take_events(
        &mut self,
        columns: &EventColumns,
        parsed: &ParsedEvents,
        placement: &mut Placement,
    ) -> Result<(), DataError> {
        self.counts.n_below_min_rating += parsed.n_below_min_rating;
        self.counts.n_before_1970 += parsed.n_before_1970;
        self.counts.n_after_2100 += parsed.n_after_2100;
        let is_simple = columns.domain.is_none()
            && !placement.is_by_item
            && columns.texts.is_empty()
            && !self.options.disjoint_users;
        if is_simple {
            return self.take_simple_events(columns, parsed, placement);
        }
        for good in &parsed.rows {
            let row = good.row as usize;
            let item = parsed.batch.cell(row, columns.item);
            let domain = match columns.domain {
                Some(slot) => self.domain_of_cell(parsed.batch.cell(row, slot))?,
                None => placement.domain_of(item, &mut self.builder)?,
            };
            placement.used.insert(domain);
            let event = self.event(columns, parsed, good, domain)?;
            let user = self.user_of(parsed.batch.cell(row, columns.user), domain);
            let item_staged = self.builder.item(domain, item);
            self.builder.interaction_interned(user, item_staged, &event);
            self.describe_by_event(columns, BatchRow { batch: &parsed.batch, row }, domain, placement);
        }
        Ok(())
    }

    // One domain, shared users: users and items are interned side by side.
    fn take_simple_events(
        &mut self,
        columns: &EventColumns,
        parsed: &ParsedEvents,
        placement: &mut Placement,
    ) -> Result<(), DataError> {
        let domain = self.builder.domain(placement.label())?;
        placement.used.insert(domain);
        let (batch, rows) = (&parsed.batch, &parsed.rows);
        let (known_users, known_items) = self.builder.vocabularies(domain);
        let cells = |column: usize| rows.iter().map(move |row| batch.cell(row.row as usize, column));
        let (users, items) = rayon::join(
            || known_users.intern_all(cells(columns.user)),
            || known_items.intern_all(cells(columns.item)),
        );
        self.builder.reserve(rows.len());
        for ((good, &user), &item) in rows.iter().zip(&users).zip(&items) {
            let event = self.event(columns, parsed, good, domain)?;
            self.builder.interaction_interned(user, item, &event);
        }
        Ok(())
    }

    fn event(
        &mut self,
        columns: &EventColumns,
        parsed: &ParsedEvents,
        good: &GoodRow,
        domain: DomainIdx,
    ) -> Result<RawInteraction<'static>, DataError> {
        let kind = match columns.kind {
            Some(slot) => self.builder.event_kind(parsed.batch.cell(good.row as usize, slot))?,
            None => 0,
        };
        Ok(RawInteraction {
            user: "",
            item: "",
            domain,
            timestamp: parsed.has_time.then_some(good.time),
            value: good.value,
            kind,
            split: good.split,
        })
    }

    /// Adds one event of a format that has no ratings.
    pub(super) fn add_event(
        &mut self,
        event: FormatEvent<'_>,
        placement: &mut Placement,
    ) -> Result<(), DataError> {
        let FormatEvent { user, item, timestamp, kind, split } = event;
        let domain = placement.domain_of(item, &mut self.builder)?;
        placement.used.insert(domain);
        if let Some(time) = timestamp {
            self.counts.n_before_1970 += u64::from(time < EARLIEST);
            self.counts.n_after_2100 += u64::from(time > LATEST);
        }
        let event = RawInteraction { user, item, domain, timestamp, value: 1.0, kind, split };
        let user = self.user_of(user, domain);
        let item = self.builder.item(domain, item);
        self.builder.interaction_interned(user, item, &event);
        Ok(())
    }

    /// The domain of a column's cell.
    pub(super) fn domain_of_cell(&mut self, cell: &str) -> Result<DomainIdx, DataError> {
        let name = self.rule.choose(cell, ValueList::Piped);
        self.builder.domain(name)
    }

    /// The domain with a number: of the group that has it, else `domain-0`, `domain-1`, ….
    pub(super) fn domain_of_number(&mut self, number: u64) -> Result<DomainIdx, DataError> {
        if self.options.domain_groups.is_empty() {
            return self.builder.domain(&format!("domain-{number}"));
        }
        self.domain_of_cell(&number.to_string())
    }

    /// The staging index of a user: of the domain's own one when users are disjoint.
    pub(super) fn user_of(&mut self, raw: &str, domain: DomainIdx) -> u32 {
        if !self.options.disjoint_users {
            return self.builder.user(raw);
        }
        self.user.clear();
        self.user.push_str(self.builder.domain_name(domain));
        self.user.push('/');
        self.user.push_str(raw);
        self.builder.user(&self.user)
    }

    // Text columns of an event table describe the item at its first event.
    fn describe_by_event(
        &mut self,
        columns: &EventColumns,
        row: BatchRow<'_>,
        domain: DomainIdx,
        placement: &mut Placement,
    ) {
        let item = row.cell(columns.item);
        if columns.texts.is_empty() || !placement.described.insert((domain, self.builder.item(domain, item)))
        {
            return;
        }
        let texts: Vec<(&str, &str)> =
            columns.texts.iter().map(|(slot, field)| (field.as_str(), row.cell(*slot))).collect();
        self.builder.describe_item(domain, item, &texts);
    }

    fn take_item(
        &mut self,
        roles: &[Role],
        domain_field: Option<&(String, ValueList)>,
        row: BatchRow<'_>,
        placement: &mut Placement,
    ) -> Result<(), DataError> {
        let mut item = "";
        let mut texts: Vec<(&str, String)> = Vec::with_capacity(roles.len());
        for (slot, role) in roles.iter().enumerate() {
            let cell = row.cell(slot);
            match role {
                Role::Item => item = cell,
                Role::Text(field) => texts.push((field, cell.to_owned())),
                Role::Domain => texts.push(("domain", cell.to_owned())),
                Role::Flag { field, value } => add_flag(&mut texts, field, value, cell),
                _ => {}
            }
        }
        let domain = match domain_field {
            Some((field, list)) => {
                let value =
                    texts.iter().find(|(name, _)| name == field).map_or("", |(_, text)| text.as_str());
                let name = self.rule.choose(value, *list);
                let domain = self.builder.domain(name)?;
                placement.place(item, domain)
            }
            None => self.builder.domain(placement.label())?,
        };
        placement.used.insert(domain);
        let readable: Vec<(&str, String)> = texts
            .into_iter()
            .filter(|(name, _)| roles.iter().all(|role| *role != Role::Domain) || *name != "domain")
            .map(|(name, text)| (name, text.replace(LIST_SEPARATOR, ", ")))
            .collect();
        let texts: Vec<(&str, &str)> = readable.iter().map(|(name, text)| (*name, text.as_str())).collect();
        self.builder.describe_item(domain, item, &texts);
        Ok(())
    }

    fn take_user(&mut self, roles: &[Role], batch: &Batch, row: usize, placement: &Placement) {
        let Some(slot) = roles.iter().position(|role| *role == Role::User) else { return };
        let raw = batch.cell(row, slot);
        let of_domain = |domain: &DomainIdx| format!("{}/{raw}", self.builder.domain_name(*domain));
        let names: Vec<String> = if self.options.disjoint_users {
            placement.used.iter().map(of_domain).collect()
        } else {
            vec![raw.to_owned()]
        };
        for name in &names {
            for (slot, role) in roles.iter().enumerate() {
                if let Role::Text(field) = role {
                    self.builder.describe_user(name, field, batch.cell(row, slot));
                }
            }
        }
    }

    fn take_triple(&mut self, roles: &[Role], batch: &Batch, row: usize) {
        let cell =
            |wanted: Role| roles.iter().position(|role| *role == wanted).map(|slot| batch.cell(row, slot));
        if let (Some(head), Some(relation), Some(tail)) =
            (cell(Role::Head), cell(Role::Relation), cell(Role::Tail))
        {
            self.builder.triple(head, relation, tail);
        }
    }

    fn take_link(&mut self, roles: &[Role], batch: &Batch, row: usize, placement: &Placement) {
        let cell =
            |wanted: Role| roles.iter().position(|role| *role == wanted).map(|slot| batch.cell(row, slot));
        if let (Some(item), Some(entity)) = (cell(Role::Item), cell(Role::Entity)) {
            self.link(item, entity, placement);
        }
    }

    /// Links an item in the domains of its sources (in all domains for a graph on its own).
    pub(super) fn link(&mut self, item: &str, entity: &str, placement: &Placement) {
        let all = (0..self.builder.n_domains() as u16).map(DomainIdx);
        let used = placement.used.iter().copied();
        let candidates: Vec<DomainIdx> =
            if placement.used.is_empty() { all.collect() } else { used.collect() };
        let holders = candidates.iter().filter(|&&domain| self.builder.has_item(domain, item));
        let mut holders: Vec<DomainIdx> = holders.copied().collect();
        if holders.is_empty() {
            // The builder counts links without item.
            holders.extend(candidates.first());
        }
        for domain in holders {
            self.builder.link(domain, item, entity);
        }
    }
}

fn add_flag<'t>(texts: &mut Vec<(&'t str, String)>, field: &'t str, value: &str, cell: &str) {
    let at = texts.iter().position(|(name, _)| *name == field).unwrap_or_else(|| {
        texts.push((field, String::new()));
        texts.len() - 1
    });
    if cell == "1" {
        if !texts[at].1.is_empty() {
            texts[at].1.push('|');
        }
        texts[at].1.push_str(value);
    }
}
