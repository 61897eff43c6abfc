//! The time of a request, from words or the clock.

use anyhow::Result;
use segue_recommend::{Catalog, When};

use crate::clock;
use crate::failure::usage;

/// Age of the data, in days, above which a note says what asking now means.
const STALE_DAYS: i64 = 90;

/// Seconds after now that may be asked for: ten years. What lies beyond is milliseconds or a slip.
const FUTURE_S: i64 = 10 * 365 * 86_400;

/// When a list is asked for: now without `at`; else Unix seconds, a day (its first second, UTC), or `end`.
///
/// # Errors
/// When `at` is no time.
pub fn when(at: Option<&str>) -> Result<When> {
    let Some(text) = at else { return Ok(When::Now(clock::unix_seconds() as i64)) };
    if text == "end" {
        return Ok(When::End);
    }
    let in_range = |seconds: &i64| (0..clock::unix_seconds() as i64 + FUTURE_S).contains(seconds);
    // `2024` and `20240101` are slips for a day, not seconds of 1970.
    let is_date = matches!(text.len(), 4 | 8) && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = if is_date { None } else { text.parse().ok().or_else(|| clock::start_of_day(text)) };
    seconds.filter(in_range).map(When::At).ok_or_else(|| {
        usage(
            format!("`{text}` is no time"),
            "give Unix seconds (1700000000), a day (2026-03-01), or `end` for the end of the data",
        )
    })
}

/// What to say where now is long after the data: its events have faded, and lists differ from those that were measured.
pub fn note(when: When, catalog: &Catalog) -> Option<String> {
    let (days, newest) = (when.days_since_data(catalog)?, catalog.newest()?);
    (days > STALE_DAYS).then(|| {
        format!(
            "asked {days} days after the newest event of the data ({}): experts that fade events by their time see old histories; \
             --at end asks at the end of the data",
            clock::day(newest)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_seconds_a_day_or_the_end() {
        assert_eq!(when(Some("1700000000")).unwrap(), When::At(1_700_000_000));
        assert_eq!(when(Some("1970-01-03")).unwrap(), When::At(2 * 86_400));
        assert_eq!(when(Some("end")).unwrap(), When::End);
        assert!(matches!(when(None).unwrap(), When::Now(now) if now > 1_700_000_000));
        for text in ["", "yesterday", "2026-13-01", "1e9"] {
            assert!(when(Some(text)).unwrap_err().to_string().contains("is no time"), "{text}");
        }
    }
}
