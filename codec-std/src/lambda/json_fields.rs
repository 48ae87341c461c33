//! The fields of a JSON object, exactly as they were written.

use alloc::borrow::Cow;
use core::fmt;
use core::ops::Not as _;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

/// A field of a JSON object, as it was written: no number is rounded and no
/// escape is changed, in the name or in the value.
#[derive(Clone, Debug)]
pub struct JsonField<'a> {
    name: Cow<'a, RawValue>,
    value: Cow<'a, RawValue>,
    is_name_escaped: bool,
}

impl<'a> JsonField<'a> {
    /// Creates a field whose name is `name`.
    #[must_use]
    pub fn new(name: &str, value: &'a RawValue) -> Self {
        // A string always has a JSON form.
        let name = serde_json::value::to_raw_value(name);
        let name = name.unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self::from_written(Cow::Owned(name), Cow::Borrowed(value))
    }

    fn from_written(name: Cow<'a, RawValue>, value: Cow<'a, RawValue>) -> Self {
        let is_name_escaped = name.get().as_bytes().contains(&b'\\');
        Self {
            name,
            value,
            is_name_escaped,
        }
    }

    /// Returns the name, or `None` if it is not Unicode text because an escape denotes a
    /// lone surrogate.
    #[must_use]
    pub fn name(&self) -> Option<Cow<'_, str>> {
        if self.is_name_escaped {
            serde_json::from_str(self.name.get()).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(self.unescaped_name()))
        }
    }

    /// Returns the name between its quotes, which is its text if there are no escapes.
    fn unescaped_name(&self) -> &str {
        let written = self.name.get();
        let inner = written.strip_prefix('"');
        let inner = inner.and_then(|inner| inner.strip_suffix('"'));
        inner.unwrap_or(written)
    }

    /// Returns the name as it was written, with quotes and escapes.
    #[must_use]
    pub fn written_name(&self) -> &RawValue {
        &self.name
    }

    /// Returns the value as it was written.
    #[must_use]
    pub fn value(&self) -> &RawValue {
        &self.value
    }

    /// Returns a field that borrows from this one.
    #[must_use]
    pub fn as_borrowed(&self) -> JsonField<'_> {
        JsonField {
            name: Cow::Borrowed(&self.name),
            value: Cow::Borrowed(&self.value),
            is_name_escaped: self.is_name_escaped,
        }
    }

    fn is_named(&self, name: &str) -> bool {
        if self.is_name_escaped {
            self.name().is_some_and(|own| own == name)
        } else {
            self.unescaped_name() == name
        }
    }

    fn has_same_name(&self, other: &JsonField<'_>) -> bool {
        if self.is_name_escaped || other.is_name_escaped {
            self.key() == other.key()
        } else {
            self.name.get() == other.name.get()
        }
    }

    /// Returns the key by which names are compared: the text or, if there is none, the
    /// name as it was written.
    fn key(&self) -> (bool, Cow<'_, str>) {
        match self.name() {
            Some(text) => (true, text),
            None => (false, Cow::Borrowed(self.name.get())),
        }
    }

    fn into_owned(self) -> JsonField<'static> {
        JsonField {
            name: Cow::Owned(self.name.into_owned()),
            value: Cow::Owned(self.value.into_owned()),
            is_name_escaped: self.is_name_escaped,
        }
    }
}

/// The fields of a JSON object, in order, as they were written.
///
/// If a name is given more than once, the last value is used, in the position of the
/// first. (JavaScript, Python and most other JSON readers choose the same value.) Two
/// names are equal if they are the same text, however it is escaped. A name that is not
/// Unicode text cannot be looked up, but the field is kept.
///
/// ```
/// use kinesis_agg::lambda::JsonFields;
///
/// let fields = JsonFields::parse(r#"{"n":1.50,"id":"a\u0062","n":12345678901234567890.10}"#)?;
/// assert_eq!(fields.get("n").unwrap().get(), "12345678901234567890.10");
/// assert_eq!(fields.text("id").unwrap(), "ab");
/// assert_eq!(fields.to_string(), r#"{"n":12345678901234567890.10,"id":"a\u0062"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// Deserializing borrows from the input, so it works only with [`serde_json::from_str`]
/// and [`serde_json::from_slice`]. For other inputs, deserialize a `Box<RawValue>`,
/// [`parse`](Self::parse) its text and call [`into_owned`](Self::into_owned).
#[derive(Clone, Debug, Default)]
pub struct JsonFields<'a>(Vec<JsonField<'a>>);

/// The error for a field that is not a string of Unicode text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name} is not a string of Unicode text")]
#[non_exhaustive]
pub struct NotAString {
    /// The name of the field.
    pub name: String,
}

/// Up to this number of fields, comparing all names with each other takes less time than
/// sorting them.
const FEW: usize = 16;

impl<'a> JsonFields<'a> {
    /// Reads the fields of a JSON object.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a JSON object.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Returns a field, even if it is `null`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&JsonField<'a>> {
        self.0.iter().find(|field| field.is_named(name))
    }

    /// Returns the value of a field, even if it is `null`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.field(name).map(JsonField::value)
    }

    /// Returns the value of a field that is not `null`.
    #[must_use]
    pub fn get_non_null(&self, name: &str) -> Option<&RawValue> {
        self.get(name).filter(|value| value.get() != "null")
    }

    /// Returns the text of a string, or the digits of a number as they were
    /// written. Returns `None` if the field is missing, is something else, or
    /// is not Unicode text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        text_of(self.get(name)?)
    }

    /// Returns the text of a string, or `None` if the field is missing or
    /// `null`.
    ///
    /// # Errors
    ///
    /// Returns [`NotAString`] if the field is something else, or a string that is not
    /// Unicode text.
    pub fn string(&self, name: &str) -> Result<Option<Cow<'_, str>>, NotAString> {
        let Some(value) = self.get_non_null(name) else {
            return Ok(None);
        };
        match string_of(value) {
            Some(text) => Ok(Some(text)),
            None => Err(NotAString {
                name: name.to_owned(),
            }),
        }
    }

    /// Iterates over the fields, in order.
    pub fn iter(&self) -> core::slice::Iter<'_, JsonField<'a>> {
        self.0.iter()
    }

    /// Copies everything that is borrowed.
    #[must_use]
    pub fn into_owned(self) -> JsonFields<'static> {
        JsonFields(self.0.into_iter().map(JsonField::into_owned).collect())
    }

    /// Sets a field to `null` and returns its value.
    pub(crate) fn take(&mut self, name: &str) -> Option<Cow<'a, RawValue>> {
        let found = self.0.iter_mut().find(|field| field.is_named(name))?;
        let null = Cow::Borrowed(RawValue::NULL);
        Some(core::mem::replace(&mut found.value, null))
    }

    /// Like [`take`](Self::take), for fields that all borrow from the input.
    pub(crate) fn take_borrowed(&mut self, name: &str) -> Option<&'a RawValue> {
        match self.take(name)? {
            Cow::Borrowed(value) => Some(value),
            Cow::Owned(_) => None,
        }
    }

    /// Keeps one field of each name: the value of the last, in the position of the first.
    fn dedup(&mut self) {
        let fields = &mut self.0;
        let is_repeated = |(place, field): (usize, &JsonField<'_>)| {
            let mut earlier = fields.iter().take(place);
            earlier.any(|earlier| earlier.has_same_name(field))
        };
        if fields.len() <= FEW && fields.iter().enumerate().any(is_repeated).not() {
            return;
        }
        let mut in_order: Vec<_> = core::mem::take(fields).into_iter().enumerate().collect();
        // Sorting limits the time for an object with many names to n log n.
        in_order.sort_by(|(_, a), (_, b)| a.key().cmp(&b.key()));
        in_order.dedup_by(|(_, later), (_, first)| {
            let is_same = later.has_same_name(first);
            if is_same {
                core::mem::swap(&mut later.value, &mut first.value);
            }
            is_same
        });
        in_order.sort_by_key(|(place, _)| *place);
        *fields = in_order.into_iter().map(|(_, field)| field).collect();
    }
}

/// If a name is given more than once, the last value is used, as in
/// [`parse`](JsonFields::parse).
impl<'a> FromIterator<JsonField<'a>> for JsonFields<'a> {
    fn from_iter<I: IntoIterator<Item = JsonField<'a>>>(fields: I) -> Self {
        let mut fields = Self(fields.into_iter().collect());
        fields.dedup();
        fields
    }
}

impl<'a, 'b> IntoIterator for &'b JsonFields<'a> {
    type Item = &'b JsonField<'a>;
    type IntoIter = core::slice::Iter<'b, JsonField<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonFields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = JsonFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonFields<'de>, A::Error> {
        let mut fields = JsonFields::default();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let field = JsonField::from_written(Cow::Borrowed(name), Cow::Borrowed(value));
            fields.0.push(field);
        }
        fields.dedup();
        Ok(fields)
    }
}

/// Writes the object unchanged, except that there is no white space between fields.
impl fmt::Display for JsonFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut object = JsonObject::new(String::new());
        for field in self {
            object.field(field);
        }
        f.write_str(&object.finish())
    }
}

impl Serialize for JsonFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_json(self.to_string(), serializer)
    }
}

/// Returns the text of a string, or the digits of a number.
pub(crate) fn text_of(value: &RawValue) -> Option<Cow<'_, str>> {
    let written = value.get();
    match written.bytes().next()? {
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(written)),
        _ => string_of(value),
    }
}

/// Returns the text of a string.
pub(crate) fn string_of(value: &RawValue) -> Option<Cow<'_, str>> {
    let written = value.get();
    let inner = written.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') {
        serde_json::from_str(written).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Appends a JSON string.
pub(crate) fn push_string(text: &str, json: &mut String) {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        // `Value` adds the quotes and escapes.
        json.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// Serializes JSON text without changing it. A serde map could not, because its names
/// must be Unicode text.
///
/// # Errors
///
/// Returns an error if the serializer fails.
pub(crate) fn serialize_json<S: Serializer>(
    json: String,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let json = RawValue::from_string(json).map_err(S::Error::custom)?;
    json.serialize(serializer)
}

/// Writes a JSON object, field by field, after existing text.
#[derive(Debug)]
pub(crate) struct JsonObject {
    text: String,
    is_empty: bool,
}

impl JsonObject {
    pub(crate) fn new(mut text: String) -> Self {
        text.push('{');
        let is_empty = true;
        Self { text, is_empty }
    }

    /// Appends a field as it was written.
    pub(crate) fn field(&mut self, field: &JsonField<'_>) {
        self.separate();
        self.text.push_str(field.name.get());
        self.text.push(':');
        self.text.push_str(field.value.get());
    }

    /// Appends a field. `name` must need no escapes, and `value` must be JSON.
    pub(crate) fn json(&mut self, name: &str, value: &str) {
        self.json_with(name, |text| text.push_str(value));
    }

    /// Appends a field whose value `write` appends as JSON. `name` must need no escapes.
    pub(crate) fn json_with(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        self.separate();
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
        write(&mut self.text);
    }

    fn separate(&mut self) {
        if !core::mem::replace(&mut self.is_empty, false) {
            self.text.push(',');
        }
    }

    /// Ends the object and returns the text.
    pub(crate) fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_fields_keep_the_text_of_names_and_values() {
        for written in [
            r#"{"b":1.50,"a":1E400,"n":12345678901234567890.10,"s":"\u00e9","o":{ "x": [1, 2.0]}}"#,
            r#"{"\u0061":1,"\ud800":2,"\\\"":"\udc00"}"#,
            "{}",
        ] {
            let fields = JsonFields::parse(written).unwrap();
            assert_eq!(serde_json::to_string(&fields).unwrap(), written);
            assert_eq!(fields.into_owned().to_string(), written);
        }
    }

    #[test]
    fn the_last_value_of_a_repeated_name_is_used_in_the_position_of_the_first() {
        let fields = JsonFields::parse(r#"{"x":1,"y":2,"x":3,"x":4}"#).unwrap();
        assert_eq!(fields.to_string(), r#"{"x":4,"y":2}"#);
        for count in [2, FEW - 1, FEW, FEW + 1, 3 * FEW] {
            let mut written: Vec<_> = (0..count).map(|n| format!(r#""f{n}":{n}"#)).collect();
            // An escape is another way to write the same name.
            written.push(r#""\u00660":-1"#.to_owned());
            let object = format!("{{{}}}", written.join(","));
            let fields = JsonFields::parse(&object).unwrap();
            let values: Vec<_> = fields.iter().map(|field| field.value().get()).collect();
            let mut expected: Vec<_> = (0..count).map(|n| n.to_string()).collect();
            expected[0] = "-1".to_owned();
            assert_eq!(values, expected, "{count} names");
        }
    }

    /// A name whose text looks like an escape must differ from a name that is that escape.
    #[test]
    fn a_json_name_that_is_not_unicode_text_equals_no_other_name() {
        let written = r#"{"\ud800":1,"\"\\ud800\"":2,"\ud801":3,"x":4}"#;
        let fields = JsonFields::parse(written).unwrap();
        assert_eq!(fields.to_string(), written);
        let names: Vec<_> = fields.iter().map(JsonField::name).collect();
        let escape = Cow::Borrowed(r#""\ud800""#);
        assert_eq!(names, [None, Some(escape), None, Some("x".into())]);
        assert_eq!(fields.get(r#""\ud800""#).unwrap().get(), "2");
    }

    #[test]
    fn text_returns_a_value_for_strings_and_numbers_only() {
        let written = r#"{"s":"a\n","n":-7.50,"t":true,"z":null,"l":"\ud800"}"#;
        let fields = JsonFields::parse(written).unwrap();
        assert_eq!(fields.text("s").unwrap(), "a\n");
        assert_eq!(fields.text("n").unwrap(), "-7.50");
        for name in ["t", "z", "l", "missing"] {
            assert_eq!(fields.text(name), None, "{name}");
        }
        assert_eq!(fields.string("s").unwrap().unwrap(), "a\n");
        for name in ["n", "t", "l"] {
            let error = fields.string(name).unwrap_err().to_string();
            assert_eq!(error, format!("{name} is not a string of Unicode text"));
        }
        for name in ["z", "missing"] {
            assert_eq!(fields.string(name), Ok(None));
        }
        assert_eq!(fields.get("z").unwrap().get(), "null");
        assert!(fields.get_non_null("z").is_none());
    }
}
