//! JSON objects whose values are left as they were written.

use alloc::borrow::Cow;
use core::fmt;
use std::sync::LazyLock;

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
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

/// Decodes base64, behind what is there.
pub(crate) fn decode_base64(text: &[u8], bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    BASE64.decode_vec(text, bytes).context("not base64")
}

/// Decodes what a field `data` holds, behind what is there.
pub(crate) fn decode_data(encoded: &str, bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    decode_base64(encoded.as_bytes(), bytes).context("data")
}

/// Encodes base64, with padding.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Encodes base64, with padding, behind what is there.
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

/// A field as it was written: no number is rounded, no escape is changed.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: Cow<'a, RawValue>,
    pub(crate) value: &'a RawValue,
}

/// The fields of an object, in order. Of a name given twice, the last counts.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, Field<'a>)>);

/// Fields of which comparing all takes less time than hashing them.
const FEW: usize = 16;

impl<'a> Fields<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> anyhow::Result<Self> {
        let text = str::from_utf8(line).context("not UTF-8")?;
        serde_json::from_str(text).map_err(|error| anyhow!("not a JSON object: {}", told(&error)))
    }

    /// A field that is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let field = self.written(name)?;
        (field.value.get() != "null").then_some(field.value)
    }

    /// A field that is there, even if it is null.
    pub(crate) fn written(&self, name: &str) -> Option<&Field<'a>> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, field)| field)
    }

    /// Fields by their text. Of a name given twice, the first counts.
    pub(crate) fn first_of(
        fields: impl Iterator<Item = (Cow<'a, str>, &'a RawValue)>,
    ) -> anyhow::Result<Self> {
        let mut firsts = IndexMap::new();
        for (name, value) in fields {
            firsts.entry(name).or_insert(value);
        }
        let with_written_name = |(name, value)| {
            let written = serde_json::value::to_raw_value(&name)?;
            let name_and_value = Field {
                name: Cow::Owned(written),
                value,
            };
            Ok((name, name_and_value))
        };
        let fields: anyhow::Result<_> = firsts.into_iter().map(with_written_name).collect();
        fields.map(Self)
    }

    /// All fields but those of these names.
    pub(crate) fn without(&self, names: &[&str]) -> impl Iterator<Item = &Field<'a>> {
        self.0
            .iter()
            .filter(|(name, _)| !names.contains(&name.as_ref()))
            .map(|(_, field)| field)
    }

    /// A string, if the field is there and not null.
    pub(crate) fn text(&self, name: &str) -> anyhow::Result<Option<Cow<'a, str>>> {
        self.get(name)
            .map(|value| {
                let text = text_of(value).ok();
                text.with_context(|| format!("{name} is not a string of Unicode text"))
            })
            .transpose()
    }

    /// The string `name`, or what the base64 in `name_base64` stands for.
    pub(crate) fn text_or_base64(
        &self,
        name: &str,
        name_base64: &str,
    ) -> anyhow::Result<Option<Cow<'a, str>>> {
        let plain = self.text(name)?;
        let Some(encoded) = self.text(name_base64)? else {
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

    /// The field `data`, which stands for bytes in base64.
    pub(crate) fn data(&self) -> anyhow::Result<Cow<'a, str>> {
        self.text("data")?.context("no data")
    }
}

/// The error without its line number, which counts from the start of our line.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(what) => format!("{what} at column {}", error.column()),
        None => text,
    }
}

/// The text of a JSON string.
fn text_of(value: &RawValue) -> serde_json::Result<Cow<'_, str>> {
    let written = value.get();
    let inner = written
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match inner {
        // Without an escape, a string stands for itself.
        Some(inner) if memchr::memchr(b'\\', inner.as_bytes()).is_none() => Ok(inner.into()),
        _ => serde_json::from_str(written).map(Cow::Owned),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            // A lone surrogate stands for no text; such a name is only passed on.
            let text = text_of(name).unwrap_or_else(|_| name.get().into());
            let name = Cow::Borrowed(name);
            fields.push((text, Field { name, value }));
        }
        let is_new = |(place, (name, _)): (usize, &(Cow<'_, str>, _))| {
            !fields
                .iter()
                .take(place)
                .any(|(earlier, _)| earlier == name)
        };
        if fields.len() > FEW || !fields.iter().enumerate().all(is_new) {
            let by_name: IndexMap<_, _> = fields.into_iter().collect();
            fields = by_name.into_iter().collect();
        }
        Ok(Fields(fields))
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

    #[test]
    fn the_last_value_of_a_name_counts_where_the_first_stood_among_few_and_many() {
        for count in [2, FEW - 1, FEW, FEW + 1, 3 * FEW] {
            let mut written: Vec<_> = (0..count).map(|n| format!(r#""f{n}":{n}"#)).collect();
            // An escape is another way to write the same name.
            written.push(r#""\u00660":-1"#.to_owned());
            let line = format!("{{{}}}", written.join(","));
            let fields = Fields::parse(line.as_bytes()).unwrap();
            let values: Vec<_> = fields.without(&[]).map(|field| field.value.get()).collect();
            let mut expected: Vec<_> = (0..count).map(|n| n.to_string()).collect();
            expected[0] = "-1".to_owned();
            assert_eq!(values, expected, "{count} names");
        }
    }
}
