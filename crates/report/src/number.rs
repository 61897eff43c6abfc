//! Numbers as people read them.

use std::time::Duration;

use segue_eval::bootstrap::Interval;

/// Four decimals.
pub fn value(x: f64) -> String {
    format!("{x:.4}")
}

/// Four decimals with the sign.
pub fn signed(x: f64) -> String {
    format!("{x:+.4}")
}

/// A value and its interval.
pub fn estimate(interval: &Interval) -> String {
    format!("{:.4} [{:.4}, {:.4}]", interval.mean, interval.lo, interval.hi)
}

/// A difference and its interval.
pub fn difference(interval: &Interval) -> String {
    format!("{:+.4} [{:+.4}, {:+.4}]", interval.mean, interval.lo, interval.hi)
}

/// A count with its thousands set apart.
pub fn count(n: impl TryInto<u64>) -> String {
    let digits = n.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1st`, `2nd`, `3rd`, `11th`; places between two (ties) are rounded down.
pub fn ordinal(place: f64) -> String {
    let n = place as u64;
    let ending = match (n % 10, n % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{}{ending}", count(n))
}

/// A length of time.
pub fn duration(seconds: f64) -> String {
    let whole = Duration::from_secs_f64(seconds.max(0.0)).as_secs();
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A size in bytes, in powers of 1,024.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = n as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if size >= 100.0 { format!("{size:.0} {}", UNITS[unit]) } else { format!("{size:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_their_endings() {
        let words = [1.0, 2.0, 3.0, 4.0, 11.0, 12.5, 21.0, 1_102.0].map(ordinal);
        assert_eq!(words, ["1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "1,102nd"]);
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(bytes(512), "0.5 KiB");
        assert_eq!(bytes(300 << 20), "300 MiB");
        assert_eq!(duration(9.25), "9.2 s");
        assert_eq!(duration(125.0), "2 min 5 s");
        assert_eq!(count(1_234_567_u64), "1,234,567");
    }
}
