//! JSON objects whose values stay as they were written.

use core::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;

/// The fields of an object, in order. Of a name given twice, the last value
/// counts, where the first stood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    /// A field that is there, even if it is null.
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| &**value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    /// Frees the memory of a value that is kept elsewhere.
    pub(crate) fn clear(&mut self, name: &str) {
        if let Some((_, value)) = self.0.iter_mut().find(|(other, _)| other == name) {
            *value = RawValue::NULL.to_owned();
        }
    }
}

/// The text of a string, or of a number; none of anything else.
pub(crate) fn text_of(value: &RawValue) -> Option<String> {
    let written = value.get();
    match written.bytes().next()? {
        b'"' => serde_json::from_str(written).ok(),
        b'-' | b'0'..=b'9' => Some(written.to_owned()),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields: Vec<(usize, String, Box<RawValue>)> = Vec::new();
        while let Some((name, value)) = map.next_entry()? {
            fields.push((fields.len(), name, value));
        }
        // By sorting, so that a hostile object with many names takes no long time.
        fields.sort_by(|(_, a, _), (_, b, _)| a.cmp(b));
        fields.dedup_by(|(_, name, value), (_, earlier_name, earlier_value)| {
            let is_same = name == earlier_name;
            if is_same {
                core::mem::swap(value, earlier_value);
            }
            is_same
        });
        fields.sort_by_key(|(place, _, _)| *place);
        let in_order = fields.into_iter().map(|(_, name, value)| (name, value));
        Ok(Fields(in_order.collect()))
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_were_written_and_the_last_of_a_name_counts() {
        let written =
            r#"{"b":1.50,"a":1E400,"n":12345678901234567890.10,"s":"\u00e9","o":{ "x": [1, 2.0]}}"#;
        let fields: Fields = serde_json::from_str(written).unwrap();
        assert_eq!(serde_json::to_string(&fields).unwrap(), written);
        let fields: Fields = serde_json::from_str(r#"{"x":1,"y":2,"x":3,"x":4}"#).unwrap();
        assert_eq!(serde_json::to_string(&fields).unwrap(), r#"{"x":4,"y":2}"#);
    }
}
