//! User records in the shape of the Python module's.

use base64::Engine as _;
use kinesis_agg_codec::{KeyBytes, UserRecord};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::kinesis_record::EnclosingRecord;
use crate::lambda::record::{BASE64, EventRecord, RecordShape};
use crate::read::Delivered;

/// What was delivered, as JSON in the shape that AWS's Python module
/// (`aws_kinesis_agg` 1.2.3) yields: a Lambda event's record, so that what
/// reads those reads these.
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
/// Fields in the Python module's order:
///
/// | What | JSON |
/// |---|---|
/// | a user record of an aggregate | `kinesis` with `kinesisSchemaVersion`, `sequenceNumber`, `approximateArrivalTimestamp`, `explicitHashKey` or null, `partitionKey`, `subSequenceNumber`, `aggregated` (true), `data`, and `recordId` in a transformation; then the fields beside `kinesis`, as they came |
/// | what is no aggregate, or malformed, of [`RecordShape::Kinesis`] | as it came |
/// | the same of other shapes | `kinesis` with `kinesisSchemaVersion`, `sequenceNumber`, `partitionKey`, `approximateArrivalTimestamp`, `shardId`, `data`, `recordId` |
///
/// `kinesisSchemaVersion` is `1.0` where the service does not tell (Python
/// module's guess). What else the Kinesis record lacks, this lacks; there the
/// Python module fails. A key that is not UTF-8 comes as `partitionKeyBase64`
/// or `explicitHashKeyBase64`. An explicit hash key is never invented: where
/// the user record has none, it is null, whatever the table holds; the Python
/// module takes the table's first.
#[derive(Clone, Debug)]
pub struct UserRecordEvent<'a>(Delivered<'a, EventRecord>);

impl<'a> From<Delivered<'a, EventRecord>> for UserRecordEvent<'a> {
    fn from(delivered: Delivered<'a, EventRecord>) -> Self {
        Self(delivered)
    }
}

impl<'a> UserRecordEvent<'a> {
    /// What was delivered.
    #[must_use]
    pub const fn delivered(&self) -> &Delivered<'a, EventRecord> {
        &self.0
    }
}

impl Serialize for UserRecordEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let enclosing = self.0.enclosing();
        let user_record = self.0.user_record();
        let is_kinesis = enclosing.shape() == RecordShape::Kinesis;
        if is_kinesis && user_record.is_none() {
            return enclosing.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        let kinesis = Kinesis {
            enclosing,
            user_record,
        };
        map.serialize_entry("kinesis", &kinesis)?;
        if is_kinesis {
            for (name, value) in enclosing.fields() {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

struct Kinesis<'a> {
    enclosing: &'a EventRecord,
    user_record: Option<&'a UserRecord<'a>>,
}

impl Serialize for Kinesis<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let enclosing = self.enclosing;
        let mut map = serializer.serialize_map(None)?;
        match enclosing.metadata("kinesisSchemaVersion") {
            Some(version) => map.serialize_entry("kinesisSchemaVersion", version)?,
            None if enclosing.shape() == RecordShape::Kinesis => {}
            None => map.serialize_entry("kinesisSchemaVersion", "1.0")?,
        }
        if let Some(number) = enclosing.sequence_number() {
            map.serialize_entry("sequenceNumber", number)?;
        }
        let timestamp = enclosing.approximate_arrival_timestamp();
        let timestamp = timestamp.map(|value| ("approximateArrivalTimestamp", value));
        match self.user_record {
            Some(user_record) => {
                entry(&mut map, timestamp)?;
                let names = ["explicitHashKey", "explicitHashKeyBase64"];
                match user_record.explicit_hash_key() {
                    Some(key) => key_entry(&mut map, names, key)?,
                    None => map.serialize_entry("explicitHashKey", &())?,
                }
                let names = ["partitionKey", "partitionKeyBase64"];
                key_entry(&mut map, names, user_record.partition_key())?;
                map.serialize_entry("subSequenceNumber", &user_record.sub_sequence_number())?;
                map.serialize_entry("aggregated", &true)?;
                map.serialize_entry("data", &BASE64.encode(user_record.data()))?;
            }
            None => {
                if let Some(key) = enclosing.partition_key() {
                    map.serialize_entry("partitionKey", key)?;
                }
                entry(&mut map, timestamp)?;
                let shard_id = enclosing.metadata("shardId");
                entry(&mut map, shard_id.map(|value| ("shardId", value)))?;
                map.serialize_entry("data", &BASE64.encode(enclosing.data()))?;
            }
        }
        let record_id = match enclosing.shape() {
            RecordShape::Kinesis => enclosing.metadata("recordId"),
            _ => enclosing.field("recordId"),
        };
        entry(&mut map, record_id.map(|value| ("recordId", value)))?;
        map.end()
    }
}

fn entry<M: SerializeMap, T: Serialize + ?Sized>(
    map: &mut M,
    entry: Option<(&'static str, &T)>,
) -> Result<(), M::Error> {
    match entry {
        Some((name, value)) => map.serialize_entry(name, value),
        None => Ok(()),
    }
}

fn key_entry<M: SerializeMap>(
    map: &mut M,
    [name, name_base64]: [&'static str; 2],
    key: KeyBytes<'_>,
) -> Result<(), M::Error> {
    match key.to_str() {
        Ok(text) => map.serialize_entry(name, text),
        Err(_) => map.serialize_entry(name_base64, &BASE64.encode(key)),
    }
}
