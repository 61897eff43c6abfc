//! Numbers as the report prints them: four decimals, intervals in brackets, a true minus sign, "n/a" for the unknown.

use super::model::Estimate;

/// A value that is not known.
pub(super) const UNKNOWN: &str = "n/a";

/// A value with four decimals.
pub(super) fn value(x: f64) -> String {
    decimals(x, 4)
}

/// A difference with four decimals and its sign.
pub(super) fn signed(x: f64) -> String {
    let text = value(x);
    let positive = x.is_finite() && x > 0.0 && text.contains(|c: char| ('1'..='9').contains(&c));
    if positive { format!("+{text}") } else { text }
}

/// The interval of `estimate`, each end written by `write`; empty when it is unknown.
pub(super) fn interval(estimate: &Estimate, write: fn(f64) -> String) -> String {
    if estimate.has_interval() {
        format!("[{}, {}]", write(estimate.lo), write(estimate.hi))
    } else {
        String::new()
    }
}

/// Value and interval in one text, for tooltips.
pub(super) fn estimate(estimate: &Estimate, write: fn(f64) -> String) -> String {
    let mean = write(estimate.mean);
    if estimate.has_interval() { format!("{mean} {}", interval(estimate, write)) } else { mean }
}

/// A share of one in percent.
pub(super) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{}%", decimals(share * 100.0, 1)) } else { UNKNOWN.into() }
}

/// A count with its thousands set apart.
pub(super) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `x` with `n_decimals`; numbers too large for that in powers of ten.
pub(super) fn decimals(x: f64, n_decimals: usize) -> String {
    if !x.is_finite() {
        return UNKNOWN.into();
    }
    let size = x.abs();
    let text = if size >= 1e9 { format!("{size:.4e}") } else { format!("{size:.n_decimals$}") };
    let is_zero = !text.contains(|c: char| ('1'..='9').contains(&c));
    if x < 0.0 && !is_zero { format!("\u{2212}{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_four_decimals_and_no_negative_zero() {
        assert_eq!(value(0.123_45), "0.1235");
        assert_eq!(value(-0.5), "\u{2212}0.5000");
        assert_eq!(value(-0.000_01), "0.0000");
        assert_eq!(value(f64::NAN), "n/a");
        assert_eq!(value(f64::INFINITY), "n/a");
        assert_eq!(value(-1.5e300), "\u{2212}1.5000e300");
    }

    #[test]
    fn differences_show_their_sign() {
        assert_eq!(signed(0.0041), "+0.0041");
        assert_eq!(signed(-0.0041), "\u{2212}0.0041");
        assert_eq!(signed(0.000_01), "0.0000");
        assert_eq!(signed(f64::NAN), "n/a");
    }

    #[test]
    fn intervals_are_in_brackets_and_absent_when_unknown() {
        assert_eq!(estimate(&Estimate::new(0.1, 0.05, 0.15), value), "0.1000 [0.0500, 0.1500]");
        assert_eq!(estimate(&Estimate::point(0.1), value), "0.1000");
        assert_eq!(interval(&Estimate::new(0.004, 0.001, 0.007), signed), "[+0.0010, +0.0070]");
    }

    #[test]
    fn counts_and_shares_are_readable() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(percent(0.625), "62.5%");
    }
}
