//! Interactions: cells → checked values, in parallel; then interned and staged, users beside items.

use super::batch::Batch;
use super::report::{Role, TableReport};
use super::skipped::SkipReason;
use super::time::{EARLIEST, LATEST, TimeForm};

/// A longer id is a bad row.
pub const ID_BYTES_MAX: usize = 1_024;

/// Where the columns of an event table stand in its batches.
#[derive(Clone, Debug)]
pub(super) struct EventColumns {
    pub(super) user: usize,
    pub(super) item: usize,
    rating: Option<usize>,
    time: Option<(usize, TimeForm)>,
    pub(super) domain: Option<usize>,
    pub(super) kind: Option<usize>,
    split: Option<usize>,
    /// Text columns about the item.
    pub(super) texts: Vec<(usize, String)>,
    min_rating: Option<f32>,
    file_split: Option<u8>,
}

/// A row that can be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct GoodRow {
    pub(super) row: u32,
    pub(super) value: f32,
    pub(super) time: i64,
    pub(super) split: Option<u8>,
}

/// The usable rows of a batch.
pub(super) struct ParsedEvents {
    pub(super) batch: Batch,
    pub(super) rows: Vec<GoodRow>,
    pub(super) has_time: bool,
    pub(super) n_below_min_rating: u64,
    pub(super) n_before_1970: u64,
    pub(super) n_after_2100: u64,
}

impl EventColumns {
    /// The columns of `table`; `None` without user or item.
    pub(super) fn of(table: &TableReport, min_rating: Option<f32>) -> Option<Self> {
        let roles = super::reader::used_roles(table);
        let slot = |role: Role| roles.iter().position(|used| *used == role);
        let time = table.column(&Role::Time).and_then(|at| table.columns[at].time);
        let text = |(slot, role): (usize, &Role)| match role {
            Role::Text(field) => Some((slot, field.clone())),
            _ => None,
        };
        Some(Self {
            user: slot(Role::User)?,
            item: slot(Role::Item)?,
            rating: slot(Role::Rating),
            time: slot(Role::Time).map(|at| (at, time.unwrap_or(TimeForm::Seconds))),
            domain: slot(Role::Domain),
            kind: slot(Role::EventKind),
            split: slot(Role::Split),
            texts: roles.iter().enumerate().filter_map(text).collect(),
            min_rating,
            file_split: table.split,
        })
    }

    /// Checks every row of a batch.
    pub(super) fn parse(&self, mut batch: Batch) -> ParsedEvents {
        let mut rows = Vec::with_capacity(batch.n_rows());
        let (mut n_below, mut n_before, mut n_after) = (0, 0, 0);
        for row in 0..batch.n_rows() {
            match self.parse_row(&batch, row) {
                Err(reason) => batch.reject(row, reason),
                Ok(good) if self.min_rating.is_some_and(|min| good.value < min) => n_below += 1,
                Ok(good) => {
                    n_before += u64::from(good.time < EARLIEST);
                    n_after += u64::from(good.time > LATEST);
                    rows.push(good);
                }
            }
        }
        ParsedEvents {
            batch,
            rows,
            has_time: self.time.is_some(),
            n_below_min_rating: n_below,
            n_before_1970: n_before,
            n_after_2100: n_after,
        }
    }

    fn parse_row(&self, batch: &Batch, row: usize) -> Result<GoodRow, SkipReason> {
        check_id(batch.cell(row, self.user), SkipReason::NoUser)?;
        check_id(batch.cell(row, self.item), SkipReason::NoItem)?;
        let value = match self.rating {
            Some(slot) => rating(batch.cell(row, slot)).ok_or(SkipReason::BadRating)?,
            None => 1.0,
        };
        let time = match self.time {
            Some((slot, form)) => form.parse(batch.cell(row, slot)).ok_or(SkipReason::BadTime)?,
            None => 0,
        };
        let split = match self.split {
            Some(slot) => Some(split_tag(batch.cell(row, slot)).ok_or(SkipReason::BadSplit)?),
            None => self.file_split,
        };
        Ok(GoodRow { row: row as u32, value, time, split })
    }
}

/// Refuses an empty or overlong id.
pub(super) fn check_id(id: &str, when_empty: SkipReason) -> Result<(), SkipReason> {
    match id.len() {
        0 => Err(when_empty),
        n if n > ID_BYTES_MAX => Err(SkipReason::IdTooLong),
        _ => Ok(()),
    }
}

/// A finite number; a single decimal comma counts as a point.
pub(super) fn rating(cell: &str) -> Option<f32> {
    let bytes = cell.as_bytes();
    // `4` is what most ratings look like.
    if let [digit @ b'0'..=b'9'] = bytes {
        return Some(f32::from(digit - b'0'));
    }
    let cell = cell.trim_ascii();
    let value = match cell.parse::<f32>() {
        Ok(value) => value,
        Err(_) if cell.matches(',').count() == 1 && !cell.contains('.') => {
            cell.replace(',', ".").parse().ok()?
        }
        Err(_) => return None,
    };
    value.is_finite().then_some(value)
}

/// The tag of a part's name: 0 train, 1 valid, 2 test.
pub(super) fn split_tag(name: &str) -> Option<u8> {
    match name.trim_ascii() {
        "train" | "training" | "0" => Some(0),
        "valid" | "validation" | "val" | "dev" | "1" => Some(1),
        "test" | "2" => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rating_is_a_finite_number() {
        assert_eq!(rating("4"), Some(4.0));
        assert_eq!(rating(" 3.5 "), Some(3.5));
        assert_eq!(rating("3,5"), Some(3.5));
        for cell in ["", "NaN", "inf", "-inf", "1e99", "four", "1,234,5", "1,2.3"] {
            assert_eq!(rating(cell), None, "{cell}");
        }
    }
}
