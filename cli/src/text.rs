//! Bytes and numbers as text for people.

use core::cmp::Ordering;
use core::fmt::Write as _;

use indicatif::{HumanBytes, HumanCount};
use kinesis_agg::read::KeyBytes;

/// Characters of a line.
pub(crate) const WIDTH: usize = 80;

/// A number as it is, any other key as [`shown`].
pub(crate) fn shown_key(key: KeyBytes<'_>, width: usize) -> String {
    match key.to_str() {
        Ok(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            cut(digits, width)
        }
        _ => shown(key.as_bytes(), width),
    }
}

/// Text in quotes if it can be printed, else hex; as much as fits.
pub(crate) fn shown(bytes: &[u8], width: usize) -> String {
    let is_printable = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    let mut text = String::new();
    match str::from_utf8(bytes) {
        Ok(utf8) if utf8.chars().all(is_printable) => {
            text.push('"');
            for c in utf8.chars().take(width) {
                match c {
                    '"' | '\'' | '\\' => text.push(c),
                    // Line ends, and what is no sight by itself.
                    _ => text.extend(c.escape_debug()),
                }
            }
            text.push('"');
        }
        _ => {
            text.push_str("0x");
            for byte in bytes.iter().take(width) {
                let _infallible = write!(text, "{byte:02x}");
            }
        }
    }
    cut(&text, width)
}

/// As many characters as fit.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().nth(width).is_none() {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// `2,000`.
pub(crate) fn grouped(number: u64) -> String {
    HumanCount(number).to_string()
}

/// `1 user record`, `2,000 user records`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{} {noun}s", HumanCount(number)),
    }
}

/// Bytes to the byte as long as that can be read.
pub(crate) fn size(bytes: u64) -> String {
    const EXACT_BELOW: u64 = 10 << 10;
    match bytes {
        0..EXACT_BELOW => count(bytes, "byte"),
        _ => HumanBytes(bytes).to_string(),
    }
}

/// The share of a whole in rounded percent.
pub(crate) fn percent(part: u64, whole: u64) -> u64 {
    let [part, whole] = [part, whole].map(u128::from);
    let rounded = part.saturating_mul(100).saturating_add(whole / 2);
    let percent = rounded.checked_div(whole).unwrap_or_default();
    u64::try_from(percent).unwrap_or(u64::MAX)
}

/// How much less or more there is than there would be otherwise.
pub(crate) fn difference(now: u64, otherwise: u64) -> String {
    match now.cmp(&otherwise) {
        Ordering::Less => {
            let saved = otherwise.saturating_sub(now);
            format!("{} % fewer", percent(saved, otherwise))
        }
        Ordering::Equal => "the same".to_owned(),
        Ordering::Greater => match otherwise {
            0 => "more".to_owned(),
            _ => format!(
                "{} % more",
                percent(now.saturating_sub(otherwise), otherwise)
            ),
        },
    }
}

/// A quotient with one decimal, rounded.
pub(crate) fn tenths(number: u128, divisor: u64) -> String {
    let divisor = u128::from(divisor);
    let rounded = number.saturating_mul(10).saturating_add(divisor / 2);
    let tenths = rounded.checked_div(divisor).unwrap_or_default();
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A length as a number that adds up on every machine.
pub(crate) fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_more_is_said_too() {
        assert_eq!(difference(1, 57), "98 % fewer");
        assert_eq!(difference(5, 5), "the same");
        assert_eq!(difference(3, 2), "50 % more");
    }
}
