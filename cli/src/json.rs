//! Base64 in JSON, and the fields of a line.

use alloc::borrow::Cow;
use std::sync::LazyLock;

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use kinesis_agg::lambda::JsonFields;
use serde_json::value::RawValue;

/// The standard alphabet; the padding may be missing where it is read.
static BASE64: LazyLock<Base64> = LazyLock::new(|| {
    let config = GeneralPurposeConfig::new();
    base64(config.with_decode_padding_mode(DecodePaddingMode::Indifferent))
});

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use base64::engine::GeneralPurpose as Base64;
// Vectors take a fraction of the time, where the crate has them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use base64::engine::simd::Simd as Base64;

fn base64(config: GeneralPurposeConfig) -> Base64 {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    return Base64::standard(config);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return Base64::new(&base64::alphabet::STANDARD, config);
}

/// Decodes base64 and appends the bytes.
pub(crate) fn decode_base64(text: &[u8], bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    BASE64.decode_vec(text, bytes).context("not base64")
}

/// Decodes the base64 of a field `data` and appends the bytes.
pub(crate) fn decode_data(encoded: &str, bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    decode_base64(encoded.as_bytes(), bytes).context("data")
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
            // What stands for zeros alone.
            let padding = bytes.len().next_multiple_of(3).saturating_sub(bytes.len());
            for place in text.iter_mut().rev().take(padding) {
                *place = b'=';
            }
        }
    }
}

// The library's vectors take so many bytes at a time, while as many are ahead, and leave the
// rest to a loop over single ones: for a short text, that is most of the time.
const STEP: usize = 24;
const AHEAD: usize = 8;

/// Bytes that are copied, so that zeros stand behind them.
const SHORT: usize = 512;

fn append_encoded(bytes: &[u8], text: &mut Vec<u8>) {
    let start = text.len();
    text.resize(start.saturating_add(encoded_len(bytes.len())), 0);
    if let Some(place) = text.get_mut(start..) {
        // The place has the length.
        let _written = BASE64.encode_slice(bytes, place);
    }
}

fn encoded_len(bytes: usize) -> usize {
    base64::encoded_len(bytes, true).unwrap_or(usize::MAX)
}

/// Reads the fields of a line.
pub(crate) fn parse_fields(line: &[u8]) -> anyhow::Result<JsonFields<'_>> {
    let text = str::from_utf8(line).context("not UTF-8")?;
    JsonFields::parse(text).map_err(|error| anyhow!("not a JSON object: {}", told(&error)))
}

/// Returns the string in the field `name`, or the text whose base64 is in
/// `name_base64`.
pub(crate) fn text_or_base64<'a>(
    fields: &'a JsonFields<'_>,
    name: &str,
    name_base64: &str,
) -> anyhow::Result<Option<Cow<'a, str>>> {
    let plain = fields.string(name)?;
    let Some(encoded) = fields.string(name_base64)? else {
        return Ok(plain);
    };
    if plain.is_some() {
        bail!("both {name} and {name_base64}");
    }
    let mut bytes = Vec::new();
    decode_base64(encoded.as_bytes(), &mut bytes).context(name_base64.to_owned())?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text.into())),
        Err(_) => bail!("{name_base64} is not UTF-8, which nothing can be written under"),
    }
}

/// Returns the base64 text in the field `data`.
pub(crate) fn data_of<'a>(fields: &'a JsonFields<'_>) -> anyhow::Result<Cow<'a, str>> {
    let written = fields.get_non_null("data").map(RawValue::get);
    let inner = written.and_then(|written| written.strip_prefix('"')?.strip_suffix('"'));
    match inner {
        // `memchr` searches long data many bytes at a time.
        Some(inner) if memchr::memchr(b'\\', inner.as_bytes()).is_none() => Ok(inner.into()),
        _ => fields.string("data")?.context("no data"),
    }
}

/// Describes an error without its line number, which would count from the start
/// of our line.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(what) => format!("{what} at column {}", error.column()),
        None => text,
    }
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
