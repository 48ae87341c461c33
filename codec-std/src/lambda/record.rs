//! A Kinesis record in an event.

use alloc::borrow::Cow;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::kinesis_record::{EnclosingRecord, SharedData};
use crate::lambda::json_fields::{
    JsonField, JsonFields, JsonObject, serialize_json, string_of, text_of,
};

// Several times faster, on the targets that the crate has SIMD code for.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use base64::engine::GeneralPurpose as Base64;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use base64::engine::simd::Simd as Base64;

/// Base64 with the standard alphabet. Input may lack padding.
static BASE64: LazyLock<Base64> = LazyLock::new(|| {
    let config = GeneralPurposeConfig::new();
    let config = config.with_decode_padding_mode(DecodePaddingMode::Indifferent);
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    return Base64::standard(config);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return Base64::new(&base64::alphabet::STANDARD, config);
});

/// Appends a JSON string that holds base64, with padding.
pub(crate) fn push_base64(bytes: &[u8], json: &mut String) {
    json.push('"');
    BASE64.encode_string(bytes, json);
    json.push('"');
}

/// Encodes base64, with padding.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// The source of a record, detected from its fields as in the Python module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordShape {
    /// A Lambda event of a stream: the data and metadata are in `kinesis`.
    Kinesis,
    /// A preprocessing event of a Kinesis Analytics application that reads a Kinesis
    /// stream: the metadata is in `kinesisStreamRecordMetadata`.
    Analytics,
    /// A preprocessing event of a Kinesis Analytics application that reads a Firehose
    /// stream: the metadata is in `kinesisFirehoseRecordMetadata`, which holds only the
    /// arrival time.
    AnalyticsOfFirehose,
    /// A transformation event of a Firehose stream that reads a Kinesis stream: the
    /// metadata is in `kinesisRecordMetadata`.
    Firehose,
    /// A `GetRecords` response or a `SubscribeToShardEvent`, as the AWS command
    /// line and boto3 print them: `Data`, `PartitionKey`, `SequenceNumber`.
    GetRecords,
    /// An event of EventBridge Pipes: the fields of [`Kinesis`](Self::Kinesis), all on
    /// one level. Detected by `eventSource`.
    Pipes,
    /// `data` and any other fields, as in a transformation event of a Firehose stream
    /// that does not read a Kinesis stream.
    Bare,
}

/// The names of the common fields in a shape.
#[derive(Clone, Copy, Debug)]
struct Names {
    /// The object that describes the record.
    metadata: Option<&'static str>,
    /// Whether that object also holds the data.
    is_data_inside: bool,
    data: &'static str,
    partition_key: &'static str,
    sequence_number: &'static str,
    approximate_arrival_timestamp: &'static str,
}

const FLAT: Names = Names {
    metadata: None,
    is_data_inside: false,
    data: "data",
    partition_key: "partitionKey",
    sequence_number: "sequenceNumber",
    approximate_arrival_timestamp: "approximateArrivalTimestamp",
};

const GET_RECORDS: Names = Names {
    data: "Data",
    partition_key: "PartitionKey",
    sequence_number: "SequenceNumber",
    approximate_arrival_timestamp: "ApproximateArrivalTimestamp",
    ..FLAT
};

impl RecordShape {
    const fn names(self) -> Names {
        let metadata = match self {
            Self::Kinesis => "kinesis",
            Self::Analytics => "kinesisStreamRecordMetadata",
            Self::AnalyticsOfFirehose => "kinesisFirehoseRecordMetadata",
            Self::Firehose => "kinesisRecordMetadata",
            Self::GetRecords => return GET_RECORDS,
            Self::Pipes | Self::Bare => return FLAT,
        };
        Names {
            metadata: Some(metadata),
            is_data_inside: matches!(self, Self::Kinesis),
            ..FLAT
        }
    }

    fn of(fields: &JsonFields<'_>) -> Self {
        let has = |name| fields.get_non_null(name).is_some();
        [
            Self::Kinesis,
            Self::Analytics,
            Self::AnalyticsOfFirehose,
            Self::Firehose,
            Self::GetRecords,
        ]
        .into_iter()
        .find(|shape| {
            let names = shape.names();
            has(names.metadata.unwrap_or(names.data))
        })
        .unwrap_or(if has("eventSource") {
            Self::Pipes
        } else {
            Self::Bare
        })
    }
}

/// Returns true if an object with these fields is a Kinesis record, whatever other fields
/// it has.
pub(crate) fn is_record(fields: &JsonFields<'_>) -> bool {
    ["kinesis", "data", "Data"]
        .into_iter()
        .any(|name| fields.get_non_null(name).is_some())
}

/// The reason why JSON is not a Kinesis record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EventRecordError {
    /// The JSON is not an object.
    #[error("not a JSON object")]
    NotARecord,
    /// `kinesis`, or the metadata field of another shape, is not an object.
    #[error("{name} is not an object")]
    NotAnObject {
        /// The name of the field.
        name: &'static str,
    },
    /// The field that holds the data is missing, or is not a string.
    #[error("no {name}: expected a string of base64")]
    NoData {
        /// The name of the field.
        name: &'static str,
    },
    /// The data is not base64.
    #[error("{name} is not base64 at byte {offset}")]
    NotBase64 {
        /// The name of the field.
        name: &'static str,
        /// The offset of the fault in the base64 text, in bytes. The length of the text
        /// if it ends too early.
        offset: usize,
    },
    /// The record has no `recordId`, which the answer to a transformation must contain.
    #[error("no recordId, which the answer must contain")]
    NoRecordId,
}

fn decode_base64(name: &'static str, encoded: &str) -> Result<Vec<u8>, EventRecordError> {
    use base64::DecodeError;
    BASE64.decode(encoded).map_err(|error| {
        let offset = match error {
            DecodeError::InvalidByte(offset, _) | DecodeError::InvalidLastSymbol { offset, .. } => {
                offset
            }
            _ => encoded.len(),
        };
        EventRecordError::NotBase64 { name, offset }
    })
}

/// A Kinesis record of an event, in any [`RecordShape`].
///
/// All fields are kept as they were written: numbers keep their digits, and unknown
/// fields and values of unexpected types are kept. If a name is given more than once, the
/// last value is used. The data is written in padded base64.
///
/// ```
/// use kinesis_agg::EnclosingRecord;
/// use kinesis_agg::lambda::EventRecord;
///
/// let record: EventRecord = serde_json::from_str(
///     r#"{"kinesis":{"partitionKey":"k","data":"eA==","approximateArrivalTimestamp":1.50},
///         "eventID":"shardId-000000000003:4959"}"#,
/// )?;
/// assert_eq!(record.data(), b"x");
/// assert_eq!(record.approximate_arrival_timestamp().unwrap().get(), "1.50");
/// assert_eq!(record.text("eventID").unwrap(), "shardId-000000000003:4959");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventRecord {
    shape: RecordShape,
    /// The fields, where data and metadata are replaced by `null`.
    fields: JsonFields<'static>,
    /// The metadata, where the data is replaced by `null`.
    metadata: JsonFields<'static>,
    data: Bytes,
    partition_key: Option<String>,
    sequence_number: Option<String>,
}

impl EventRecord {
    /// Reads a record from the text of a JSON object.
    ///
    /// # Errors
    ///
    /// - [`EventRecordError::NotARecord`]: the text is not a JSON object
    /// - [`EventRecordError::NotAnObject`]: the field that marks the shape is not
    ///   an object
    /// - [`EventRecordError::NoData`], [`EventRecordError::NotBase64`]: the data
    ///   cannot be read
    pub fn parse(json: &str) -> Result<Self, EventRecordError> {
        let mut fields = JsonFields::parse(json).map_err(|_| EventRecordError::NotARecord)?;
        let shape = RecordShape::of(&fields);
        let names = shape.names();
        let written_metadata = names.metadata.and_then(|name| fields.take(name));
        let mut metadata = match (names.metadata, &written_metadata) {
            (Some(name), Some(written)) => JsonFields::parse(written.get())
                .map_err(|_| EventRecordError::NotAnObject { name })?,
            _ => JsonFields::default(),
        };
        let around_data = if names.is_data_inside {
            &mut metadata
        } else {
            &mut fields
        };
        let name = names.data;
        let written_data = around_data.take(name);
        let encoded = written_data.as_deref().and_then(string_of);
        let encoded = encoded.ok_or(EventRecordError::NoData { name })?;
        let data = decode_base64(name, &encoded)?.into();
        let mut record = Self {
            shape,
            fields: fields.into_owned(),
            metadata: metadata.into_owned(),
            data,
            partition_key: None,
            sequence_number: None,
        };
        let text = |name| record.about(name).and_then(text_of).map(Cow::into_owned);
        let partition_key = text(names.partition_key);
        let sequence_number = text(names.sequence_number);
        record.partition_key = partition_key;
        record.sequence_number = sequence_number;
        Ok(record)
    }

    /// Creates a record of which only the data is known, of the shape
    /// [`Bare`](RecordShape::Bare).
    ///
    /// ```
    /// use kinesis_agg::lambda::EventRecord;
    ///
    /// let record = EventRecord::from_data(&b"x"[..]);
    /// assert_eq!(serde_json::to_string(&record)?, r#"{"data":"eA=="}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn from_data(data: impl Into<Bytes>) -> Self {
        let shape = RecordShape::Bare;
        let field = JsonField::new(shape.names().data, RawValue::NULL);
        Self {
            shape,
            fields: core::iter::once(field).collect(),
            metadata: JsonFields::default(),
            data: data.into(),
            partition_key: None,
            sequence_number: None,
        }
    }

    /// Like [`parse`](Self::parse), for records that must have a `recordId`.
    pub(crate) fn parse_with_id(json: &str) -> Result<Self, EventRecordError> {
        let record = Self::parse(json)?;
        match record.record_id() {
            Some(_) => Ok(record),
            None => Err(EventRecordError::NoRecordId),
        }
    }

    /// Returns a field that describes the record, from the metadata if the shape has such
    /// an object.
    fn about(&self, name: &str) -> Option<&RawValue> {
        match self.shape.names().metadata {
            Some(_) => self.metadata.get(name),
            None => self.fields.get(name),
        }
    }

    /// Returns the shape that the record was written in.
    #[must_use]
    pub const fn shape(&self) -> RecordShape {
        self.shape
    }

    /// Returns the data, in shared memory.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.data
    }

    /// Returns the time at which the stream stored the record, as it was
    /// written: seconds with or without a fraction, milliseconds, or a string.
    #[must_use]
    pub fn approximate_arrival_timestamp(&self) -> Option<&RawValue> {
        let name = self.shape.names().approximate_arrival_timestamp;
        self.about(name).or_else(|| self.fields.get(name))
    }

    /// Returns the sequence number as it was written.
    pub(crate) fn written_sequence_number(&self) -> Option<&RawValue> {
        self.about(self.shape.names().sequence_number)
    }

    /// Returns the partition key as it was written.
    pub(crate) fn written_partition_key(&self) -> Option<&RawValue> {
        self.about(self.shape.names().partition_key)
    }

    /// Returns the id that identifies the record in the answer to a transformation.
    #[must_use]
    pub fn record_id(&self) -> Option<Cow<'_, str>> {
        self.text("recordId")
    }

    /// Returns a field that is not in `kinesis` (or in the metadata object of another
    /// shape), as it was written: for example `eventSourceARN`, `eventID` or `awsRegion`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&RawValue> {
        self.fields.get(name).filter(|_| !self.is_own_field(name))
    }

    /// Returns a field in `kinesis` (or in the metadata object of another shape), as it
    /// was written: for example `kinesisSchemaVersion` or `shardId`.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&RawValue> {
        let value = self.metadata.get(name);
        value.filter(|_| !self.is_own_metadata(name))
    }

    /// Returns the text of a [`field`](Self::field) that is a string, or the digits of
    /// one that is a number. Returns `None` if the field is missing or is something else.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        text_of(self.field(name)?)
    }

    /// Returns the text of [`metadata`](Self::metadata), as [`text`](Self::text)
    /// does.
    #[must_use]
    pub fn metadata_text(&self, name: &str) -> Option<Cow<'_, str>> {
        text_of(self.metadata(name)?)
    }

    /// Iterates over the fields that [`field`](Self::field) returns, in order.
    pub fn fields(&self) -> impl Iterator<Item = &JsonField<'static>> {
        let is_own = |name: &str| self.is_own_field(name);
        self.fields
            .iter()
            .filter(move |field| !field.name().is_some_and(|name| is_own(&name)))
    }

    /// Iterates over the fields that [`metadata`](Self::metadata) returns, in
    /// order.
    pub fn metadata_fields(&self) -> impl Iterator<Item = &JsonField<'static>> {
        let is_own = |name: &str| self.is_own_metadata(name);
        self.metadata
            .iter()
            .filter(move |field| !field.name().is_some_and(|name| is_own(&name)))
    }

    /// Returns true for data and metadata, which are not returned as fields.
    fn is_own_field(&self, name: &str) -> bool {
        let names = self.shape.names();
        names.metadata == Some(name) || (!names.is_data_inside && name == names.data)
    }

    fn is_own_metadata(&self, name: &str) -> bool {
        let names = self.shape.names();
        names.is_data_inside && name == names.data
    }

    /// Appends the unchanged record to `json`. Writes the same as `serde_json`, in less
    /// time.
    pub fn write_json(&self, json: &mut String) {
        let names = self.shape.names();
        let mut object = JsonObject::new(core::mem::take(json));
        for field in &self.fields {
            match field.name().as_deref() {
                Some(name) if names.metadata == Some(name) => {
                    object.json_with(name, |json| self.write_metadata(json));
                }
                Some(name) if self.is_own_field(name) => {
                    object.json_with(name, |json| push_base64(&self.data, json));
                }
                _ => object.field(field),
            }
        }
        *json = object.finish();
    }

    fn write_metadata(&self, json: &mut String) {
        let mut object = JsonObject::new(core::mem::take(json));
        for field in &self.metadata {
            match field.name().as_deref() {
                Some(name) if self.is_own_metadata(name) => {
                    object.json_with(name, |json| push_base64(&self.data, json));
                }
                _ => object.field(field),
            }
        }
        *json = object.finish();
    }
}

impl EnclosingRecord for EventRecord {
    fn data(&self) -> &[u8] {
        &self.data
    }

    fn partition_key(&self) -> Option<&str> {
        self.partition_key.as_deref()
    }

    fn sequence_number(&self) -> Option<&str> {
        self.sequence_number.as_deref()
    }
}

impl SharedData for EventRecord {
    fn shared_data(&self) -> Bytes {
        self.data.clone()
    }
}

impl<'de> Deserialize<'de> for EventRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(json.get()).map_err(D::Error::custom)
    }
}

/// Serializes the unchanged record.
impl Serialize for EventRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = String::new();
        self.write_json(&mut json);
        serialize_json(json, serializer)
    }
}
