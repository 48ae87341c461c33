//! Bytes that were written as text: hexadecimal digits, base64, JSON, Python, dumps.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use std::sync::LazyLock;

use anyhow::{anyhow, bail};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};
use kinesis_agg::codec::MAGIC;
use serde_json::value::RawValue;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use base64::engine::GeneralPurpose as Base64;
// The SIMD engine takes a fraction of the time, on the targets that it supports.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use base64::engine::simd::Simd as Base64;

/// The standard alphabet; decoding accepts missing padding.
static BASE64: LazyLock<Base64> = LazyLock::new(|| {
    let config = GeneralPurposeConfig::new();
    let config = config.with_decode_padding_mode(DecodePaddingMode::Indifferent);
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    return Base64::standard(config);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return Base64::new(&base64::alphabet::STANDARD, config);
});

/// Decodes base64 of either alphabet, with or without padding, and appends the bytes.
pub(crate) fn decode_base64(text: &[u8], bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    let start = bytes.len();
    let Err(fault) = BASE64.decode_vec(text, bytes) else {
        return Ok(());
    };
    bytes.truncate(start);
    let is_url_safe = |byte: &u8| matches!(byte, b'-' | b'_');
    if text.iter().any(is_url_safe) {
        let standard = text.iter().map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        });
        let standard: Vec<_> = standard.collect();
        if BASE64.decode_vec(&standard, bytes).is_ok() {
            return Ok(());
        }
        bytes.truncate(start);
    }
    let unpadded = text.trim_ascii_end();
    let unpadded = unpadded.strip_suffix(b"=").unwrap_or(unpadded);
    let unpadded = unpadded.strip_suffix(b"=").unwrap_or(unpadded);
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    Err(match unpadded.iter().position(|byte| !is_digit(byte)) {
        Some(place) if unpadded.get(place) == Some(&b'=') => anyhow!(
            "the base64 padding at character {} is not at the end: are these several values?",
            place.saturating_add(1)
        ),
        Some(place) => anyhow!("not base64: {}", shown_character(unpadded, place)),
        None if unpadded.len() % 4 == 1 => {
            anyhow!("the base64 ends in the middle of a group of 4 characters: it was cut off")
        }
        None => match fault {
            DecodeError::InvalidLastSymbol { .. } => {
                anyhow!("the base64 ends in the middle of a byte: it was cut off")
            }
            _ => anyhow!("the base64 has wrong padding"),
        },
    })
}

/// Describes a character that should not be there. All before it are ASCII.
fn shown_character(text: &[u8], place: usize) -> String {
    let rest = text.get(place..).unwrap_or_default();
    let rest = String::from_utf8_lossy(rest.get(..char::MAX.len_utf8()).unwrap_or(rest));
    let character = rest.chars().next().unwrap_or_default();
    format!("{character:?} at character {}", place.saturating_add(1))
}

/// Encodes base64, with padding.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Encodes base64, with padding, and appends it.
pub(crate) fn append_base64(bytes: &[u8], text: &mut Vec<u8>) {
    let mut roomy = [0; SHORT];
    let roomy_len = bytes.len().next_multiple_of(STEP).saturating_add(AHEAD);
    match roomy.get_mut(..roomy_len) {
        None => append_encoded(bytes, text),
        Some(roomy) => {
            let (place, _zeros) = roomy.split_at_mut(bytes.len());
            place.copy_from_slice(bytes);
            let end = text.len().saturating_add(encoded_len(bytes.len()));
            append_encoded(roomy, text);
            text.truncate(end);
            // The characters that encode only zeros that were added.
            let padding = bytes.len().next_multiple_of(3).saturating_sub(bytes.len());
            for place in text.iter_mut().rev().take(padding) {
                *place = b'=';
            }
        }
    }
}

// The crate encodes `STEP` bytes at a time as long as `AHEAD` more follow, and the rest one
// group at a time: for a short text, that takes most of the time. So short data is copied to a
// buffer in which zeros follow it. Without that, `deaggregate` takes 1.07 to 1.09 times as long on
// user records of 100 bytes.
const STEP: usize = 24;
const AHEAD: usize = 8;

/// The longest data that is copied, in bytes.
const SHORT: usize = 512;

fn append_encoded(bytes: &[u8], text: &mut Vec<u8>) {
    let start = text.len();
    text.resize(start.saturating_add(encoded_len(bytes.len())), 0);
    if let Some(place) = text.get_mut(start..) {
        // Cannot fail: the slice has the exact length.
        let _written = BASE64.encode_slice(bytes, place);
    }
}

fn encoded_len(bytes: usize) -> usize {
    base64::encoded_len(bytes, true).unwrap_or(usize::MAX)
}

/// Returns true for the characters that people write between bytes.
const fn is_separator(byte: &u8) -> bool {
    matches!(*byte, b' ' | b':' | b'\t')
}

/// Decodes hexadecimal digits: `0x`, and spaces or colons between bytes, are allowed.
pub(crate) fn decode_hex(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let whole = text.trim_ascii();
    let text = whole.strip_prefix(b"0x").unwrap_or(whole);
    let is_wrong = |byte: &u8| !byte.is_ascii_hexdigit() && !is_separator(byte);
    if let Some(place) = text.iter().position(is_wrong) {
        let prefix_len = whole.len().saturating_sub(text.len());
        let place = place.saturating_add(prefix_len);
        bail!("not hexadecimal: {}", shown_character(whole, place));
    }
    let digits: Cow<'_, [u8]> = match text.iter().any(is_separator) {
        false => Cow::Borrowed(text),
        true => text
            .iter()
            .copied()
            .filter(|b| !is_separator(b))
            .collect::<Vec<_>>()
            .into(),
    };
    match digits.len() % 2 {
        0 => Ok(hex::decode(&digits)?),
        _ => bail!("the number of hexadecimal digits is odd: it was cut off"),
    }
}

/// Returns true if the text is hexadecimal digits that begin with the magic.
pub(crate) fn is_hex_of_magic(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"0x").unwrap_or(text);
    let digits = text.iter().filter(|byte| !is_separator(byte));
    let head: Vec<u8> = digits
        .take(MAGIC.len().saturating_mul(2))
        .copied()
        .collect();
    hex::decode(head).is_ok_and(|bytes| bytes == MAGIC)
}

/// Returns true if the text is base64 that begins with the magic.
pub(crate) fn is_base64_of_magic(text: &[u8]) -> bool {
    let mut start = Vec::new();
    // Eight characters are six bytes.
    let head = text.get(..8).unwrap_or_default();
    decode_base64(head, &mut start).is_ok() && start.starts_with(&MAGIC)
}

/// Decodes a JSON string with data: base64, the hexadecimal digits of an aggregate, or a bytes
/// literal as Python's `str` makes it.
pub(crate) fn decode_text(text: &str) -> anyhow::Result<Vec<u8>> {
    let text = text.trim();
    if is_hex_of_magic(text.as_bytes()) {
        return decode_hex(text.as_bytes());
    }
    if let Some(bytes) = decode_python(text) {
        return Ok(bytes);
    }
    let mut bytes = Vec::new();
    decode_base64(text.as_bytes(), &mut bytes)?;
    Ok(bytes)
}

/// Decodes `b'…'` as Python prints bytes. Returns `None` for any other text. If the bytes are
/// base64 or hex themselves, decodes those, too: a program may print encoded bytes.
pub(crate) fn decode_python(text: &str) -> Option<Vec<u8>> {
    let quoted = text.strip_prefix('b')?;
    let quote = quoted.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut bytes = Vec::new();
    let mut rest = inner.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let (&escape, behind) = rest.split_first()?;
        rest = behind;
        bytes.push(match escape {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' | b'\'' | b'"' => escape,
            b'x' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                *hex::decode(digits).ok()?.first()?
            }
            _ => return None,
        });
    }
    if is_base64_of_magic(&bytes) {
        let mut decoded = Vec::new();
        return decode_base64(&bytes, &mut decoded)
            .is_ok()
            .then_some(decoded);
    }
    match is_hex_of_magic(&bytes) {
        true => decode_hex(&bytes).ok(),
        false => Some(bytes),
    }
}

/// Decodes bytes that are JSON numbers: `[243,…]`, `{"type":"Buffer","data":[243,…]}` or
/// `{"0":243,…}`, as Node and `JSON.stringify` print them. Returns `None` for any other value.
pub(crate) fn decode_numbers(value: &RawValue) -> Option<Vec<u8>> {
    let text = value.get();
    match text.bytes().next()? {
        b'[' => serde_json::from_str(text).ok(),
        b'{' => {
            let fields = kinesis_agg::lambda::JsonFields::parse(text).ok()?;
            if fields.text("type").as_deref() == Some("Buffer") {
                return serde_json::from_str(fields.get("data")?.get()).ok();
            }
            let numbered = fields.iter().map(|field| {
                let place: usize = field.name()?.parse().ok()?;
                Some((place, field.value().get().parse::<u8>().ok()?))
            });
            let numbered: Option<BTreeMap<_, _>> = numbered.collect();
            let bytes = numbered?.into_iter().enumerate();
            let bytes = bytes.map(|(next, (place, byte))| (next == place).then_some(byte));
            let bytes: Option<Vec<u8>> = bytes.collect();
            bytes.filter(|bytes| !bytes.is_empty())
        }
        _ => None,
    }
}

/// Parses a line of `xxd` or `hexdump -C`: its offset and its bytes.
pub(crate) fn dump_line(line: &[u8]) -> Option<(usize, Vec<u8>)> {
    let text = str::from_utf8(line).ok()?;
    let (offset, rest) = text.split_at_checked(8)?;
    let offset = usize::from_str_radix(offset, 16).ok()?;
    // `xxd` writes a colon after the offset, `hexdump -C` two spaces.
    let (digits, most) = match rest.strip_prefix(": ") {
        Some(rest) => (rest.split("  ").next()?, 40),
        None if rest.is_empty() => ("", 0),
        None => (rest.strip_prefix("  ")?.split('|').next()?, 49),
    };
    let digits: Vec<u8> = digits.bytes().take(most).filter(|b| *b != b' ').collect();
    Some((offset, hex::decode(digits).ok()?))
}

/// Returns the offset of a part in its text or blob.
pub(crate) fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_every_length_is_that_of_the_library() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(2 * SHORT).collect();
        for start in 0..3 {
            for end in start..bytes.len() {
                let mut text = b"before".to_vec();
                append_base64(&bytes[start..end], &mut text);
                let expected = to_base64(&bytes[start..end]);
                assert_eq!(text, format!("before{expected}").into_bytes());
            }
        }
    }
}
