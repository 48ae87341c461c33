//! JSON objects whose values are left as they were written.

use alloc::borrow::Cow;
use core::fmt;

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The standard alphabet; the padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes base64 into `bytes`, replacing what was there.
pub(crate) fn decode_base64(text: &[u8], bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    bytes.clear();
    BASE64.decode_vec(text, bytes).context("not base64")
}

/// Encodes base64, with padding.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// A field as it was written: no number is rounded, no escape is changed.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: Cow<'a, RawValue>,
    pub(crate) value: &'a RawValue,
}

/// The fields of an object, in order. Of a name given twice, the last counts.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(IndexMap<Cow<'a, str>, Field<'a>>);

impl<'a> Fields<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> anyhow::Result<Self> {
        let text = str::from_utf8(line).context("not UTF-8")?;
        serde_json::from_str(text).map_err(|error| anyhow!("not a JSON object: {}", told(&error)))
    }

    /// A field that is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let field = self.0.get(name)?;
        (field.value.get() != "null").then_some(field.value)
    }

    /// A field that is there, even if it is null.
    pub(crate) fn written(&self, name: &str) -> Option<&Field<'a>> {
        self.0.get(name)
    }

    /// Adds a field, unless there is one of this name.
    pub(crate) fn add(&mut self, name: Cow<'a, str>, value: &'a RawValue) -> anyhow::Result<()> {
        if !self.0.contains_key(&name) {
            let written = serde_json::value::to_raw_value(&name)?;
            let name_and_value = Field {
                name: Cow::Owned(written),
                value,
            };
            self.0.insert(name, name_and_value);
        }
        Ok(())
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

    /// The bytes of the field `data`.
    pub(crate) fn data(&self, bytes: &mut Vec<u8>) -> anyhow::Result<()> {
        let encoded = self.text("data")?.context("no data")?;
        decode_base64(encoded.as_bytes(), bytes).context("data")
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
        Some(inner) if !inner.contains('\\') => Ok(inner.into()),
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
        let mut fields = IndexMap::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            // A lone surrogate stands for no text; such a name is only passed on.
            let text = text_of(name).unwrap_or_else(|_| name.get().into());
            let name = Cow::Borrowed(name);
            fields.insert(text, Field { name, value });
        }
        Ok(Fields(fields))
    }
}
