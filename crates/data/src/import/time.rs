//! Times in the forms that logs have: Unix seconds to nanoseconds, ISO 8601, US and European dates.

use jiff::civil;
use serde::Serialize;

/// 1970-01-01; earlier times are counted with a warning.
pub(super) const EARLIEST: i64 = 0;
/// 2100-01-01; later times are counted with a warning.
pub(super) const LATEST: i64 = 4_102_444_800;

/// How a column writes times; found once per column from its first rows, so that one column has one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeForm {
    /// Unix seconds (fractions are cut off).
    Seconds,
    /// Unix milliseconds.
    Milliseconds,
    /// Unix microseconds.
    Microseconds,
    /// Unix nanoseconds.
    Nanoseconds,
    /// Dates with the year first, or month/day/year.
    Date,
    /// Dates as day/month/year.
    DateDayFirst,
}

impl TimeForm {
    /// The form of a column with these cells, `None` when none of them is a time.
    pub(super) fn of<'a>(cells: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let (mut largest, mut n_dates, mut day_first) = (None, 0, false);
        for cell in cells.into_iter().map(str::trim).filter(|cell| !cell.is_empty()) {
            match cell.parse::<f64>() {
                // `20191113`: a Unix time of this size would be a day of 1970.
                Ok(number)
                    if (19_000_101.0..21_010_101.0).contains(&number) && date(cell, false).is_some() =>
                {
                    n_dates += 1;
                }
                Ok(number) if number.is_finite() => {
                    largest = Some(largest.map_or(number.abs(), |known: f64| known.max(number.abs())));
                }
                _ => {
                    n_dates += u32::from(date(cell, false).is_some() || date(cell, true).is_some());
                    day_first |= date(cell, false).is_none() && date(cell, true).is_some();
                }
            }
        }
        match largest {
            Some(largest) => Some(Self::of_magnitude(largest)),
            None if n_dates > 0 && day_first => Some(Self::DateDayFirst),
            None if n_dates > 0 => Some(Self::Date),
            None => None,
        }
    }

    fn of_magnitude(largest: f64) -> Self {
        match largest {
            n if n < 1e11 => Self::Seconds,
            n if n < 1e14 => Self::Milliseconds,
            n if n < 1e17 => Self::Microseconds,
            _ => Self::Nanoseconds,
        }
    }

    /// Unix seconds of a cell, `None` when it is no time or does not fit.
    pub(super) fn parse(self, cell: &str) -> Option<i64> {
        let cell = cell.trim_ascii();
        let per_second = match self {
            Self::Seconds => 1,
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1_000_000,
            Self::Nanoseconds => 1_000_000_000,
            Self::Date => return date(cell, false),
            Self::DateDayFirst => return date(cell, true),
        };
        number(cell).map(|time| time.div_euclid(per_second))
    }
}

// An integer, or a float rounded down.
fn number(cell: &str) -> Option<i64> {
    if let Ok(integer) = cell.parse::<i64>() {
        return Some(integer);
    }
    if !cell.contains(['.', 'e', 'E']) {
        return None;
    }
    let float = cell.parse::<f64>().ok()?.floor();
    (float.abs() < 9e18).then_some(float as i64)
}

// Unix seconds of a date with optional time of day and offset; without offset it is UTC.
fn date(cell: &str, day_first: bool) -> Option<i64> {
    let (day, rest) = civil_date(cell, day_first)?;
    let days = i64::from(civil::Date::new(1970, 1, 1).ok()?.until(day).ok()?.get_days());
    let rest = rest.strip_prefix('T').unwrap_or(rest).trim_ascii();
    let of_day = if rest.is_empty() { 0 } else { seconds_of_day(rest)? };
    Some(days * 86_400 + of_day)
}

// `2019-11-13`, `2019/11/13`, `20191113`, `11/13/2019`, `13.11.2019`, `09 13, 2009`, and what follows.
fn civil_date(cell: &str, day_first: bool) -> Option<(civil::Date, &str)> {
    let (first, rest) = digits(cell)?;
    if first.len() == 8 {
        return Some((civil_of(&first[..4], &first[4..6], &first[6..])?, rest));
    }
    let separator = rest.chars().next().filter(|c| "-/. ".contains(*c))?;
    let (second, rest) = digits(&rest[1..])?;
    let rest = match rest.strip_prefix(separator) {
        Some(rest) => rest,
        None => rest.strip_prefix(", ").filter(|_| separator == ' ')?,
    };
    let (third, rest) = digits(rest)?;
    let parsed = match (first.len(), third.len()) {
        (4, 1 | 2) => civil_of(first, second, third)?,
        (1 | 2, 4) if day_first || separator == '.' => civil_of(third, second, first)?,
        (1 | 2, 4) => civil_of(third, first, second)?,
        _ => return None,
    };
    Some((parsed, rest))
}

fn civil_of(year: &str, month: &str, day: &str) -> Option<civil::Date> {
    civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

// `8:36`, `08:36:57.5`, `8:36:57 AM`, `08:36:57Z`, `08:36:57+02:00` (negative when the offset moves to the day before).
fn seconds_of_day(text: &str) -> Option<i64> {
    let (hour, rest) = digits(text)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => digits(rest)?,
        None => ("0", rest),
    };
    let rest = match rest.strip_prefix(['.', ',']) {
        Some(rest) => digits(rest)?.1,
        None => rest,
    };
    let (mut hour, minute, second): (i64, i64, i64) =
        (hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?);
    let mut offset = 0;
    match rest.trim_ascii() {
        "" | "Z" | "z" | "UTC" | "GMT" | "+00:00" => {}
        "AM" | "am" if (1..=12).contains(&hour) => hour %= 12,
        "PM" | "pm" if (1..=12).contains(&hour) => hour = hour % 12 + 12,
        zone => offset = zone_offset(zone)?,
    }
    ((0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second))
        .then(|| hour * 3_600 + minute * 60 + second - offset)
}

// Seconds east of UTC: `+02:00`, `-0530`, `+02`.
fn zone_offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = digits(&zone[1..])?;
    let (hours, minutes) = match (hours.len(), rest) {
        (4, "") => hours.split_at(2),
        (1 | 2, "") => (hours, "0"),
        (1 | 2, _) => (hours, rest.strip_prefix(':')?),
        _ => return None,
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..=18).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 3_600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_same_moment_gives_the_same_second() {
        // 2019-11-13T08:36:57Z
        let expected = 1_573_634_217;
        for cell in [
            "1573634217",
            "1573634217.9",
            "1573634217000",
            "1573634217000000",
            "1573634217000000000",
            "2019-11-13T08:36:57Z",
            "2019-11-13 08:36:57",
            "2019-11-13T08:36:57.123+00:00",
            "2019-11-13T10:36:57+02:00",
            "2019-11-13T03:06:57-0530",
            "2019/11/13 08:36:57",
            "20191113 08:36:57",
            "11/13/2019 8:36:57 AM",
            "13.11.2019 08:36:57",
            "13/11/2019 08:36:57",
        ] {
            let form = TimeForm::of([cell]).unwrap_or_else(|| panic!("{cell}"));
            assert_eq!(form.parse(cell), Some(expected), "{cell} as {form:?}");
        }
        assert_eq!(TimeForm::Date.parse("09 13, 2009"), Some(1_252_800_000));
        assert_eq!(TimeForm::Date.parse("11/13/2019 12:00:00 AM"), Some(1_573_603_200));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for cell in [
            "",
            "soon",
            "2019-13-01",
            "2019-02-30",
            "25:00",
            "2019-11-13T25:00",
            "1/2",
            "99999999999999999999",
        ] {
            assert_eq!(TimeForm::Date.parse(cell), None, "{cell}");
            assert_eq!(TimeForm::Seconds.parse(cell), None, "{cell}");
        }
        assert_eq!(TimeForm::Seconds.parse("-5"), Some(-5));
        assert_eq!(TimeForm::Milliseconds.parse("-1"), Some(-1));
    }

    #[test]
    fn one_column_has_one_unit() {
        assert_eq!(TimeForm::of(["0", "5", "1573634217000"]), Some(TimeForm::Milliseconds));
        assert_eq!(TimeForm::of(["01/02/2019", "13/02/2019"]), Some(TimeForm::DateDayFirst));
    }
}
