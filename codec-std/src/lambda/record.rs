//! A Kinesis record as an event has it.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::kinesis_record::{EnclosingRecord, SharedData};
use crate::lambda::fields::{Fields, text_of};

/// The standard alphabet; the padding may be missing.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whose record it is. Told by its fields, as the Python module does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordShape {
    /// Of a Lambda event of a stream: all about it under `kinesis`.
    Kinesis,
    /// Of a Kinesis Analytics application's preprocessing, its source a stream:
    /// `kinesisStreamRecordMetadata`.
    Analytics,
    /// Of a Firehose transformation, its source a stream:
    /// `kinesisRecordMetadata`.
    Firehose,
    /// Of a `GetRecords` answer, as the AWS command line and dumps of boto3's
    /// answers have it: `Data`, `PartitionKey`, `SequenceNumber`.
    GetRecords,
    /// Only `data` and what else there is, as in a Firehose transformation
    /// without a stream as its source.
    Bare,
}

/// How a shape calls what every Kinesis record has.
#[derive(Clone, Copy, Debug)]
struct Names {
    /// The object that tells about the record.
    metadata: Option<&'static str>,
    /// The data stands in there.
    is_data_inside: bool,
    data: &'static str,
    partition_key: &'static str,
    sequence_number: &'static str,
    approximate_arrival_timestamp: &'static str,
}

const LAMBDA: Names = Names {
    metadata: None,
    is_data_inside: false,
    data: "data",
    partition_key: "partitionKey",
    sequence_number: "sequenceNumber",
    approximate_arrival_timestamp: "approximateArrivalTimestamp",
};

impl RecordShape {
    const fn names(self) -> Names {
        let metadata = match self {
            Self::Kinesis => "kinesis",
            Self::Analytics => "kinesisStreamRecordMetadata",
            Self::Firehose => "kinesisRecordMetadata",
            Self::Bare => return LAMBDA,
            Self::GetRecords => {
                return Names {
                    metadata: None,
                    is_data_inside: false,
                    data: "Data",
                    partition_key: "PartitionKey",
                    sequence_number: "SequenceNumber",
                    approximate_arrival_timestamp: "ApproximateArrivalTimestamp",
                };
            }
        };
        Names {
            metadata: Some(metadata),
            is_data_inside: matches!(self, Self::Kinesis),
            ..LAMBDA
        }
    }

    fn of(fields: &Fields) -> Self {
        [
            Self::Kinesis,
            Self::Analytics,
            Self::Firehose,
            Self::GetRecords,
        ]
        .into_iter()
        .find(|shape| {
            let names = shape.names();
            let mark = names.metadata.unwrap_or(names.data);
            fields.get(mark).is_some_and(|value| value.get() != "null")
        })
        .unwrap_or(Self::Bare)
    }
}

/// Why an object is no Kinesis record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EventRecordError {
    /// `kinesis`, or what takes its place, is no object.
    #[error("{name} is not an object")]
    NotAnObject {
        /// Its name.
        name: &'static str,
    },
    /// There is no data, or no text.
    #[error("no {name} in base64")]
    NoData {
        /// How the shape calls it.
        name: &'static str,
    },
    /// The data is no base64.
    #[error("{name} is not base64")]
    NotBase64 {
        /// How the shape calls it.
        name: &'static str,
    },
    /// A record that has to be answered for does not say its id.
    #[error("no recordId to answer for")]
    NoRecordId,
}

/// A Kinesis record of an event, in any [`RecordShape`].
///
/// Every field survives as it was written: numbers keep their digits, unknown
/// fields stay. Data comes out in padded base64.
///
/// ```
/// use kinesis_agg::EnclosingRecord;
/// use kinesis_agg::lambda::EventRecord;
///
/// let record: EventRecord = serde_json::from_str(
///     r#"{"kinesis":{"partitionKey":"k","data":"eA==","approximateArrivalTimestamp":1.50}}"#,
/// )?;
/// assert_eq!(record.data(), b"x");
/// assert_eq!(record.approximate_arrival_timestamp().unwrap().get(), "1.50");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventRecord {
    shape: RecordShape,
    /// What stands beside the metadata; data and metadata are null in here.
    fields: Fields,
    /// Without their data.
    metadata: Fields,
    data: Bytes,
    partition_key: Option<String>,
    sequence_number: Option<String>,
}

impl EventRecord {
    fn new(mut fields: Fields) -> Result<Self, EventRecordError> {
        let shape = RecordShape::of(&fields);
        let names = shape.names();
        let mut metadata = Fields::default();
        if let Some(name) = names.metadata {
            let written = fields.get(name).unwrap_or(RawValue::NULL).get();
            metadata = serde_json::from_str(written)
                .map_err(|_| EventRecordError::NotAnObject { name })?;
            fields.clear(name);
        }
        let around_data = if names.is_data_inside {
            &mut metadata
        } else {
            &mut fields
        };
        let name = names.data;
        let encoded = around_data.get(name).map(RawValue::get);
        let encoded: String = encoded
            .and_then(|written| serde_json::from_str(written).ok())
            .ok_or(EventRecordError::NoData { name })?;
        let data = BASE64
            .decode(encoded)
            .map_err(|_| EventRecordError::NotBase64 { name })?;
        around_data.clear(name);
        let mut record = Self {
            shape,
            fields,
            metadata,
            data: data.into(),
            partition_key: None,
            sequence_number: None,
        };
        let text = |name| record.about(name).and_then(text_of);
        let partition_key = text(names.partition_key);
        let sequence_number = text(names.sequence_number);
        record.partition_key = partition_key;
        record.sequence_number = sequence_number;
        Ok(record)
    }

    /// What the object about the record has by this name; the record itself,
    /// in shapes without such an object.
    fn about(&self, name: &str) -> Option<&RawValue> {
        match self.shape.names().metadata {
            Some(_) => self.metadata.get(name),
            None => self.fields.get(name),
        }
    }

    /// Whose record it is.
    #[must_use]
    pub const fn shape(&self) -> RecordShape {
        self.shape
    }

    /// The data, in shared memory.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.data
    }

    /// When the stream took the record, as it was written: seconds with or
    /// without a fraction, milliseconds, or a text.
    #[must_use]
    pub fn approximate_arrival_timestamp(&self) -> Option<&RawValue> {
        let name = self.shape.names().approximate_arrival_timestamp;
        self.about(name).or_else(|| self.fields.get(name))
    }

    /// What an answer names the record by, in a transformation.
    #[must_use]
    pub fn record_id(&self) -> Option<String> {
        self.fields.get("recordId").and_then(text_of)
    }

    /// A field beside `kinesis` (or what takes its place), as it was written:
    /// `eventSourceARN`, `eventID`, `awsRegion`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&RawValue> {
        let is_data = !self.shape.names().is_data_inside && name == self.shape.names().data;
        let is_metadata = self.shape.names().metadata == Some(name);
        self.fields.get(name).filter(|_| !is_data && !is_metadata)
    }

    /// A field under `kinesis` (or what takes its place), as it was written:
    /// `kinesisSchemaVersion`, `shardId`.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&RawValue> {
        let is_data = self.shape.names().is_data_inside && name == self.shape.names().data;
        self.metadata.get(name).filter(|_| !is_data)
    }

    /// The fields beside `kinesis` (or what takes its place) and the data, in
    /// order, as they were written.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        let names = self.shape.names();
        let is_data = move |name: &str| !names.is_data_inside && name == names.data;
        let is_other = move |name: &str| names.metadata != Some(name) && !is_data(name);
        self.fields.iter().filter(move |(name, _)| is_other(name))
    }

    /// The fields under `kinesis` (or what takes its place) but the data, in
    /// order, as they were written.
    pub fn metadata_fields(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        let names = self.shape.names();
        let is_data = move |name: &str| names.is_data_inside && name == names.data;
        self.metadata.iter().filter(move |(name, _)| !is_data(name))
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
        Self::new(Fields::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// As it came.
impl Serialize for EventRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = self.shape.names();
        let data = (names.data, &self.data);
        let metadata = Part {
            fields: &self.metadata,
            data: names.is_data_inside.then_some(data),
            inside: None,
        };
        let record = Part {
            fields: &self.fields,
            data: (!names.is_data_inside).then_some(data),
            inside: names.metadata.map(|name| (name, &metadata)),
        };
        record.serialize(serializer)
    }
}

/// Fields, with what was taken out of them put back in its place.
struct Part<'a> {
    fields: &'a Fields,
    data: Option<(&'a str, &'a Bytes)>,
    inside: Option<(&'a str, &'a Part<'a>)>,
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.fields.iter() {
            match (self.data, self.inside) {
                (Some((data, bytes)), _) if data == name => {
                    map.serialize_entry(name, &BASE64.encode(bytes))?;
                }
                (_, Some((inside, part))) if inside == name => map.serialize_entry(name, part)?,
                _ => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}
