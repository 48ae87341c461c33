//! User records as JSON in the shape of the Python module.

use kinesis_agg_codec::KeyBytes;
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::kinesis_record::EnclosingRecord;
use crate::lambda::json_fields::{JsonField, JsonObject, push_string, serialize_json};
use crate::lambda::record::{EventRecord, RecordShape, push_base64};
use crate::read::Delivered;

/// A user record, or a Kinesis record that is not an aggregate, as JSON in the shape that
/// AWS's Python module (`aws_kinesis_agg` 1.2.3) yields: a record of a Lambda event.
/// Programs that read the Python module's output can also read this.
///
/// ```
/// use kinesis_agg::Deaggregator;
/// use kinesis_agg::lambda::{EventRecord, UserRecordEvent};
///
/// let record: EventRecord = serde_json::from_str(
///     r#"{"recordId":"7","data":"eA==","kinesisRecordMetadata":{"sequenceNumber":"4959",
///         "partitionKey":"k","shardId":"s","approximateArrivalTimestamp":1.50}}"#,
/// )?;
/// let delivered = Deaggregator::new().deaggregate_one(&record).next().unwrap();
/// assert_eq!(
///     serde_json::to_string(&UserRecordEvent::from(delivered))?,
///     concat!(
///         r#"{"kinesis":{"kinesisSchemaVersion":"1.0","sequenceNumber":"4959","#,
///         r#""partitionKey":"k","approximateArrivalTimestamp":1.50,"shardId":"s","#,
///         r#""data":"eA==","recordId":"7"}}"#,
///     ),
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// The fields, in the Python module's order:
///
/// | Delivered | JSON |
/// |---|---|
/// | a user record of an aggregate | `kinesis` with `kinesisSchemaVersion`, `sequenceNumber`, `approximateArrivalTimestamp`, `explicitHashKey` or null, `partitionKey`, `subSequenceNumber`, `aggregated` (true), `data`, and `recordId` in a transformation; then the fields beside `kinesis`, unchanged |
/// | a record of [`RecordShape::Kinesis`] that is plain or malformed | the record, unchanged |
/// | a plain or malformed record of another shape | `kinesis` with `kinesisSchemaVersion`, `sequenceNumber`, `partitionKey`, `approximateArrivalTimestamp`, `shardId`, `data`, `recordId`; for [`RecordShape::Pipes`], then all other fields, unchanged |
///
/// Values of the Kinesis record are written unchanged, whatever their type. Differences
/// to the Python module:
///
/// - `kinesisSchemaVersion` is `1.0` if the record has none. (The Python module does the
///   same.)
/// - A field that the Kinesis record lacks is left out. (The Python module fails.)
/// - A key that is not UTF-8 is written as `partitionKeyBase64` or
///   `explicitHashKeyBase64`.
/// - The explicit hash key of a user record without one is `null`. (The Python module
///   writes the first key in the table.)
#[derive(Clone, Debug)]
pub struct UserRecordEvent<'a>(Delivered<'a, EventRecord>);

impl<'a> From<Delivered<'a, EventRecord>> for UserRecordEvent<'a> {
    fn from(delivered: Delivered<'a, EventRecord>) -> Self {
        Self(delivered)
    }
}

impl<'a> UserRecordEvent<'a> {
    /// Returns the delivered item.
    #[must_use]
    pub const fn delivered(&self) -> &Delivered<'a, EventRecord> {
        &self.0
    }
}

impl Serialize for UserRecordEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = String::new();
        self.write_json(&mut json);
        serialize_json(json, serializer)
    }
}

impl UserRecordEvent<'_> {
    /// Appends the JSON to `json`. Writes the same as `serde_json`, in less time.
    pub fn write_json(&self, json: &mut String) {
        let enclosing = self.0.enclosing();
        if enclosing.shape() == RecordShape::Kinesis && self.0.user_record().is_none() {
            return enclosing.write_json(json);
        }
        let mut object = JsonObject::new(core::mem::take(json));
        object.json_with("kinesis", |json| self.write_kinesis(json));
        match enclosing.shape() {
            RecordShape::Kinesis => enclosing.fields().for_each(|field| object.field(field)),
            RecordShape::Pipes => {
                let others = enclosing.fields().filter(|field| !is_in_kinesis(field));
                others.for_each(|field| object.field(field));
            }
            _ => {}
        }
        *json = object.finish();
    }

    fn write_kinesis(&self, json: &mut String) {
        let enclosing = self.0.enclosing();
        let shape = enclosing.shape();
        let about = |name| match shape {
            RecordShape::Pipes => enclosing.field(name),
            _ => enclosing.metadata(name),
        };
        let mut object = JsonObject::new(core::mem::take(json));
        match about("kinesisSchemaVersion") {
            Some(version) => object.json("kinesisSchemaVersion", version.get()),
            None if shape == RecordShape::Kinesis => {}
            None => object.json("kinesisSchemaVersion", "\"1.0\""),
        }
        let mut written = |name, value: Option<&RawValue>| {
            if let Some(value) = value {
                object.json(name, value.get());
            }
        };
        written("sequenceNumber", enclosing.written_sequence_number());
        let timestamp = enclosing.approximate_arrival_timestamp();
        let timestamp_name = "approximateArrivalTimestamp";
        if let Some(user_record) = self.0.user_record() {
            written(timestamp_name, timestamp);
            let names = ["explicitHashKey", "explicitHashKeyBase64"];
            match user_record.explicit_hash_key() {
                Some(key) => write_key(&mut object, names, key),
                None => object.json("explicitHashKey", "null"),
            }
            let names = ["partitionKey", "partitionKeyBase64"];
            write_key(&mut object, names, user_record.partition_key());
            let number = user_record.sub_sequence_number().to_string();
            object.json("subSequenceNumber", &number);
            object.json("aggregated", "true");
            object.json_with("data", |json| push_base64(user_record.data(), json));
        } else {
            written("partitionKey", enclosing.written_partition_key());
            written(timestamp_name, timestamp);
            written("shardId", enclosing.metadata("shardId"));
            object.json_with("data", |json| push_base64(enclosing.data(), json));
        }
        let record_id = match shape {
            RecordShape::Kinesis => enclosing.metadata("recordId"),
            _ => enclosing.field("recordId"),
        };
        if let Some(record_id) = record_id {
            object.json("recordId", record_id.get());
        }
        *json = object.finish();
    }
}

/// Returns true for a field of [`RecordShape::Pipes`] that is written inside `kinesis`.
fn is_in_kinesis(field: &JsonField<'_>) -> bool {
    const IN_KINESIS: [&str; 5] = [
        "kinesisSchemaVersion",
        "partitionKey",
        "sequenceNumber",
        "approximateArrivalTimestamp",
        "recordId",
    ];
    field
        .name()
        .is_some_and(|name| IN_KINESIS.contains(&name.as_ref()))
}

fn write_key(object: &mut JsonObject, [name, name_base64]: [&'static str; 2], key: KeyBytes<'_>) {
    match key.to_str() {
        Ok(text) => object.json_with(name, |json| push_string(text, json)),
        Err(_) => object.json_with(name_base64, |json| push_base64(key.as_ref(), json)),
    }
}
