//! The events that services pass to a function.

use alloc::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::lambda::json_fields::{JsonFields, JsonObject, serialize_json};
use crate::lambda::record::{EventRecord, EventRecordError};
use crate::read::{Deaggregated, deaggregate};

type UserRecords<'a> = Deaggregated<'static, 'a, EventRecord>;

/// The reason why JSON is not an event.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EventError {
    /// The JSON is neither an object nor, where one is accepted, an array.
    #[error("neither an event nor a record")]
    NotAnEvent,
    /// A field is missing or has the wrong type.
    #[error("not an event: {name} is not {expected}")]
    WrongType {
        /// The name of the field.
        name: &'static str,
        /// The type that it should have.
        expected: &'static str,
    },
    /// The document has two lists of records.
    #[error("the document has both Records and records; only one of them may be present")]
    TwoLists,
    /// An on-failure document does not contain the event. Lambda adds it only for
    /// destinations in S3. The records are in the stream until they expire.
    #[error(
        "no payload in the on-failure document; read the records from the stream instead: \
         {shard_id} from sequence number {start_sequence_number} to {end_sequence_number}"
    )]
    NoPayload {
        /// The shard that holds the records.
        shard_id: String,
        /// The sequence number of the first record.
        start_sequence_number: String,
        /// The sequence number of the last record.
        end_sequence_number: String,
    },
    /// A record cannot be read.
    #[error("record {index} of the event: {error}")]
    Record {
        /// The position of the record in the event, from 0.
        index: usize,
        /// What is wrong with it.
        error: EventRecordError,
    },
}

/// Reads the elements of an array of records.
fn records_of(
    name: &'static str,
    json: &str,
    read: impl Fn(&str) -> Result<EventRecord, EventRecordError>,
) -> Result<Vec<EventRecord>, EventError> {
    let expected = "an array";
    let written: Vec<&RawValue> =
        serde_json::from_str(json).map_err(|_| EventError::WrongType { name, expected })?;
    let read_at = |(index, written): (usize, &&RawValue)| {
        read(written.get()).map_err(|error| EventError::Record { index, error })
    };
    written.iter().enumerate().map(read_at).collect()
}

/// Appends records as a JSON array.
fn write_records(records: &[EventRecord], json: &mut String) {
    json.push('[');
    for (place, record) in records.iter().enumerate() {
        if place > 0 {
            json.push(',');
        }
        record.write_json(json);
    }
    json.push(']');
}

/// The fields of an event, as they were written, except that the list of records is
/// replaced by `null`.
#[derive(Clone, Debug)]
struct Envelope {
    fields: JsonFields<'static>,
    records_name: &'static str,
}

impl Envelope {
    /// Reads an event: parses its records with `read`, and keeps everything else as
    /// written.
    fn parse(
        json: &str,
        records_name: &'static str,
        read: impl Fn(&str) -> Result<EventRecord, EventRecordError>,
    ) -> Result<(Self, Vec<EventRecord>), EventError> {
        let mut fields = JsonFields::parse(json).map_err(|_| EventError::NotAnEvent)?;
        let records = match fields.take(records_name) {
            Some(written) => records_of(records_name, written.get(), read)?,
            None => Vec::new(),
        };
        let fields = fields.into_owned();
        let envelope = Self {
            fields,
            records_name,
        };
        Ok((envelope, records))
    }

    fn require_array(&self, name: &'static str) -> Result<(), EventError> {
        let expected = "an array";
        let is_there = self.fields.get(name).is_some();
        let error = EventError::WrongType { name, expected };
        if is_there { Ok(()) } else { Err(error) }
    }

    fn require_string(&self, name: &'static str) -> Result<(), EventError> {
        let expected = "a string";
        match self.fields.string(name) {
            Ok(Some(_)) => Ok(()),
            _ => Err(EventError::WrongType { name, expected }),
        }
    }

    /// Returns the value of an optional boolean field, or false if it is missing.
    fn boolean(&self, name: &'static str) -> Result<bool, EventError> {
        let expected = "true or false";
        match self.fields.get_non_null(name).map(RawValue::get) {
            Some("true") => Ok(true),
            Some("false") | None => Ok(false),
            Some(_) => Err(EventError::WrongType { name, expected }),
        }
    }

    /// Serializes the original event with these records.
    fn serialize<S: Serializer>(
        &self,
        records: &[EventRecord],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut object = JsonObject::new(String::new());
        let mut are_written = records.is_empty() && self.fields.get(self.records_name).is_none();
        for field in &self.fields {
            if field.name().as_deref() == Some(self.records_name) {
                object.json_with(self.records_name, |json| write_records(records, json));
                are_written = true;
            } else {
                object.field(field);
            }
        }
        if !are_written {
            object.json_with(self.records_name, |json| write_records(records, json));
        }
        serialize_json(object.finish(), serializer)
    }
}

/// Implements the common methods of all events that are an object with a list of
/// records.
macro_rules! envelope {
    ($event:ident) => {
        impl $event {
            /// Returns all user records, lazily and in order.
            #[must_use]
            pub fn user_records(&self) -> UserRecords<'_> {
                deaggregate(&self.records)
            }

            /// Returns any field except the list of records, as it was written.
            #[must_use]
            pub fn field(&self, name: &str) -> Option<&RawValue> {
                let value = self.envelope.fields.get(name);
                value.filter(|_| name != self.envelope.records_name)
            }

            /// Returns the text of a [`field`](Self::field) that is a string, or the
            /// digits of one that is a number. Returns `None` if the field is missing or
            /// is something else.
            #[must_use]
            pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
                self.envelope.fields.text(name)
            }
        }

        impl<'de> Deserialize<'de> for $event {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let json = Box::<RawValue>::deserialize(deserializer)?;
                Self::parse(json.get()).map_err(D::Error::custom)
            }
        }

        /// Serializes the original event with its current records.
        impl Serialize for $event {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.envelope.serialize(&self.records, serializer)
            }
        }
    };
}

/// Implements the additional methods of transformation events.
macro_rules! transformation {
    ($event:ident) => {
        envelope!($event);

        impl $event {
            /// Reads an event from JSON.
            ///
            /// # Errors
            ///
            /// - [`EventError::NotAnEvent`]: the JSON is not an object
            /// - [`EventError::WrongType`]: `records` is not an array, or
            ///   `invocationId` is not a string
            /// - [`EventError::Record`]: a record cannot be read or has no
            ///   `recordId`
            pub fn parse(json: &str) -> Result<Self, EventError> {
                let (envelope, records) =
                    Envelope::parse(json, "records", EventRecord::parse_with_id)?;
                envelope.require_string("invocationId")?;
                envelope.require_array("records")?;
                Ok(Self { records, envelope })
            }

            /// Returns the id of this invocation.
            #[must_use]
            pub fn invocation_id(&self) -> Cow<'_, str> {
                self.text("invocationId").unwrap_or_default()
            }
        }
    };
}

envelope!(KinesisEvent);
envelope!(TimeWindowEvent);
transformation!(FirehoseEvent);
transformation!(AnalyticsEvent);

/// The event of a function that reads a stream. If the event source mapping has
/// `ReportBatchItemFailures`, return
/// [`BatchItemFailures`](crate::lambda::BatchItemFailures).
///
/// All other fields than `Records` are kept as they were written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KinesisEvent {
    /// The records of one shard, in order.
    pub records: Vec<EventRecord>,
    envelope: Envelope,
}

impl KinesisEvent {
    /// Reads an event from JSON.
    ///
    /// # Errors
    ///
    /// - [`EventError::NotAnEvent`]: the JSON is not an object
    /// - [`EventError::WrongType`]: `Records` is not an array
    /// - [`EventError::Record`]: a record cannot be read
    pub fn parse(json: &str) -> Result<Self, EventError> {
        let (envelope, records) = Envelope::parse(json, "Records", EventRecord::parse)?;
        envelope.require_array("Records")?;
        Ok(Self { records, envelope })
    }
}

/// The event of a function that reads a stream in tumbling windows. Return
/// [`TimeWindowAnswer`](crate::lambda::TimeWindowAnswer).
///
/// All other fields than `Records` are kept as they were written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TimeWindowEvent {
    /// The records of one shard, in order. Empty if the invocation only ends a window.
    pub records: Vec<EventRecord>,
    /// The time in which the records of the window arrived.
    pub window: TimeWindow,
    /// Whether the window ends with this invocation.
    pub is_final_invoke_for_window: bool,
    /// Whether the window ends early because the state or the batch became too large.
    pub is_window_terminated_early: bool,
    envelope: Envelope,
}

/// A tumbling window.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeWindow {
    /// Its start, as it was written.
    pub start: String,
    /// Its end, as it was written.
    pub end: String,
}

impl TimeWindow {
    fn parse(json: &str) -> Result<Self, EventError> {
        let error = |name, expected| EventError::WrongType { name, expected };
        let fields = JsonFields::parse(json).map_err(|_| error("window", "an object"))?;
        let text = |name| match fields.string(name) {
            Ok(Some(text)) => Ok(text.into_owned()),
            _ => Err(error(name, "a string")),
        };
        let (start, end) = (text("start")?, text("end")?);
        Ok(Self { start, end })
    }
}

impl TimeWindowEvent {
    /// Reads an event from JSON.
    ///
    /// # Errors
    ///
    /// - [`EventError::NotAnEvent`]: the JSON is not an object
    /// - [`EventError::WrongType`]: `Records` is present but not an array, `window` has
    ///   no `start` or `end`, or a boolean field is neither `true` nor `false`
    /// - [`EventError::Record`]: a record cannot be read
    pub fn parse(json: &str) -> Result<Self, EventError> {
        let (envelope, records) = Envelope::parse(json, "Records", EventRecord::parse)?;
        let window = envelope.fields.get("window").map_or("", RawValue::get);
        Ok(Self {
            records,
            window: TimeWindow::parse(window)?,
            is_final_invoke_for_window: envelope.boolean("isFinalInvokeForWindow")?,
            is_window_terminated_early: envelope.boolean("isWindowTerminatedEarly")?,
            envelope,
        })
    }

    /// Returns the state that the function returned last in this window, as it was
    /// written, or `null` if it is absent.
    #[must_use]
    pub fn state(&self) -> &RawValue {
        self.envelope.fields.get("state").unwrap_or(RawValue::NULL)
    }

    /// Returns the shard that the records come from.
    #[must_use]
    pub fn shard_id(&self) -> Option<Cow<'_, str>> {
        self.text("shardId")
    }

    /// Returns the ARN of the stream.
    #[must_use]
    pub fn event_source_arn(&self) -> Option<Cow<'_, str>> {
        self.text("eventSourceARN")
    }
}

/// The event of a function that transforms the records of a Firehose stream. Return
/// [`TransformationAnswer`](crate::lambda::TransformationAnswer).
///
/// Firehose deaggregates the records of a Kinesis stream before it calls the function, so
/// the event contains an aggregate only if a program put it into the Firehose stream
/// directly. All other fields than `records` are kept as they were written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FirehoseEvent {
    /// The records; each has a `recordId`.
    pub records: Vec<EventRecord>,
    envelope: Envelope,
}

impl FirehoseEvent {
    /// Returns the ARN of the Firehose stream.
    #[must_use]
    pub fn delivery_stream_arn(&self) -> Option<Cow<'_, str>> {
        self.text("deliveryStreamArn")
    }

    /// Returns the ARN of the Kinesis stream that the Firehose stream reads, if any.
    #[must_use]
    pub fn source_kinesis_stream_arn(&self) -> Option<Cow<'_, str>> {
        self.text("sourceKinesisStreamArn")
    }

    /// Returns the region.
    #[must_use]
    pub fn region(&self) -> Option<Cow<'_, str>> {
        self.text("region")
    }
}

/// The event of a function that preprocesses the input of a Kinesis Analytics
/// application. Return [`TransformationAnswer`](crate::lambda::TransformationAnswer).
///
/// All other fields than `records` are kept as they were written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AnalyticsEvent {
    /// The records; each has a `recordId`.
    pub records: Vec<EventRecord>,
    envelope: Envelope,
}

impl AnalyticsEvent {
    /// Returns the ARN of the application.
    #[must_use]
    pub fn application_arn(&self) -> Option<Cow<'_, str>> {
        self.text("applicationArn")
    }

    /// Returns the ARN of the Kinesis stream or Firehose stream that the application
    /// reads.
    #[must_use]
    pub fn stream_arn(&self) -> Option<Cow<'_, str>> {
        self.text("streamArn")
    }
}

/// The event of a function that is the target of an EventBridge pipe: an array of
/// records. Return [`BatchItemFailures`](crate::lambda::BatchItemFailures), and add records
/// with [`push_event_id`](crate::lambda::BatchItemFailures::push_event_id), because Pipes
/// identifies a record by its `eventID`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PipesEvent {
    /// The records of one shard, in order.
    pub records: Vec<EventRecord>,
}

impl PipesEvent {
    /// Reads an event from JSON.
    ///
    /// # Errors
    ///
    /// - [`EventError::WrongType`]: the event is not an array
    /// - [`EventError::Record`]: a record cannot be read
    pub fn parse(json: &str) -> Result<Self, EventError> {
        let records = records_of("the event", json, EventRecord::parse)?;
        Ok(Self { records })
    }

    /// Returns all user records, lazily and in order.
    #[must_use]
    pub fn user_records(&self) -> UserRecords<'_> {
        deaggregate(&self.records)
    }
}

impl<'de> Deserialize<'de> for PipesEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(json.get()).map_err(D::Error::custom)
    }
}

/// Serializes the array with its current records.
impl Serialize for PipesEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = String::new();
        write_records(&self.records, &mut json);
        serialize_json(json, serializer)
    }
}
