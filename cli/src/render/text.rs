//! Bytes and numbers as text for people.

use core::cmp::Ordering;
use core::fmt::Write as _;

use indicatif::{HumanBytes, HumanCount};
use kinesis_agg::read::KeyBytes;
use unicode_width::UnicodeWidthStr as _;

/// Returns a decimal number unchanged, and any other key as [`shown`] does.
pub(crate) fn shown_key(key: KeyBytes<'_>, width: usize) -> String {
    match key.to_str() {
        Ok(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            cut(digits, width)
        }
        _ => shown(key.as_bytes(), width),
    }
}

/// Returns printable text in quotes, and other bytes as hex, cut to `width` cells.
pub(crate) fn shown(bytes: &[u8], width: usize) -> String {
    let is_printable = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    let mut text = String::new();
    match str::from_utf8(bytes) {
        Ok(utf8) if utf8.chars().all(is_printable) => {
            text.push('"');
            for c in utf8.chars().take(width) {
                match c {
                    '"' | '\'' | '\\' => text.push(c),
                    // Line ends, and characters that are invisible alone.
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

/// Returns the cells that a text takes on a terminal.
pub(crate) fn width_of(text: &str) -> usize {
    text.width()
}

/// Returns as much of the text as fits into this many cells.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        // The mark for the cut needs a cell, too.
        if width_of(&kept) >= width {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

/// Pads the text with spaces: after it, or before a number.
pub(crate) fn pad(text: &str, width: usize, is_number: bool) -> String {
    let spaces = " ".repeat(width.saturating_sub(width_of(text)));
    match is_number {
        true => spaces + text,
        false => format!("{text}{spaces}"),
    }
}

/// Formats a number as in `2,000`.
pub(crate) fn grouped(number: u64) -> String {
    HumanCount(number).to_string()
}

/// Formats a number and a noun, as in `1 user record` or `2,000 user records`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{} {noun}s", HumanCount(number)),
    }
}

/// Formats a size: exact if it is small, else rounded with a unit.
pub(crate) fn size(bytes: u64) -> String {
    const EXACT_BELOW: u64 = 10 << 10;
    match bytes {
        0..EXACT_BELOW => count(bytes, "byte"),
        _ => HumanBytes(bytes).to_string(),
    }
}

/// Returns the share of a whole in percent, rounded.
pub(crate) fn percent(part: u64, whole: u64) -> u64 {
    let [part, whole] = [part, whole].map(u128::from);
    let rounded = part.saturating_mul(100).saturating_add(whole / 2);
    let percent = rounded.checked_div(whole).unwrap_or_default();
    u64::try_from(percent).unwrap_or(u64::MAX)
}

/// Describes the difference in percent.
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

/// Returns a quotient with one decimal, rounded.
pub(crate) fn tenths(number: u128, divisor: u64) -> String {
    let divisor = u128::from(divisor);
    let rounded = number.saturating_mul(10).saturating_add(divisor / 2);
    let tenths = rounded.checked_div(divisor).unwrap_or_default();
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Converts a length to `u64`.
pub(crate) fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_printed_for_savings_and_for_extra_cost() {
        assert_eq!(difference(1, 57), "98 % fewer");
        assert_eq!(difference(5, 5), "the same");
        assert_eq!(difference(3, 2), "50 % more");
    }
}
