//! The events themselves.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::lambda::record::{EventRecord, EventRecordError};
use crate::read::{Deaggregated, deaggregate};

type UserRecords<'a> = Deaggregated<'static, 'a, EventRecord>;

/// What Lambda hands to a function that reads a stream. Answered with
/// [`BatchItemFailures`](crate::lambda::BatchItemFailures), if the event source
/// mapping says `ReportBatchItemFailures`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KinesisEvent {
    /// Of one shard, in order.
    #[serde(rename = "Records")]
    pub records: Vec<EventRecord>,
}

impl KinesisEvent {
    /// All user records, lazily and in order.
    #[must_use]
    pub fn user_records(&self) -> UserRecords<'_> {
        deaggregate(&self.records)
    }
}

/// What Lambda hands to a function that reads a stream in tumbling windows.
/// Answered with [`TimeWindowAnswer`](crate::lambda::TimeWindowAnswer).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TimeWindowEvent {
    /// Of one shard, in order; none in the invocation that only ends a window.
    #[serde(rename = "Records", default)]
    pub records: Vec<EventRecord>,
    /// From when to when the records of the window arrived.
    pub window: TimeWindow,
    /// What the function answered last, as it was written.
    #[serde(default = "no_state")]
    pub state: Box<RawValue>,
    /// The shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_id: Option<String>,
    /// The stream.
    #[serde(
        rename = "eventSourceARN",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub event_source_arn: Option<String>,
    /// The window ends with this.
    #[serde(default)]
    pub is_final_invoke_for_window: bool,
    /// The window ends early, since the state or the batch became too large.
    #[serde(default)]
    pub is_window_terminated_early: bool,
}

fn no_state() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

impl TimeWindowEvent {
    /// All user records, lazily and in order.
    #[must_use]
    pub fn user_records(&self) -> UserRecords<'_> {
        deaggregate(&self.records)
    }
}

/// A tumbling window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimeWindow {
    /// Its start, as it was written.
    pub start: String,
    /// Its end, as it was written.
    pub end: String,
}

/// What Firehose hands to a function that transforms its records. Answered
/// with [`TransformationAnswer`](crate::lambda::TransformationAnswer).
///
/// Firehose takes aggregates of a stream apart before it calls the function:
/// they are seen here only if somebody put them directly.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FirehoseEvent {
    /// Of this invocation.
    pub invocation_id: String,
    /// The Firehose stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_stream_arn: Option<String>,
    /// The stream that it reads, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_kinesis_stream_arn: Option<String>,
    /// The region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Each has a `recordId`.
    #[serde(deserialize_with = "records_with_id")]
    pub records: Vec<EventRecord>,
}

impl FirehoseEvent {
    /// All user records, lazily and in order.
    #[must_use]
    pub fn user_records(&self) -> UserRecords<'_> {
        deaggregate(&self.records)
    }
}

/// What a Kinesis Analytics application hands to a function that preprocesses
/// its input. Answered with
/// [`TransformationAnswer`](crate::lambda::TransformationAnswer).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AnalyticsEvent {
    /// Of this invocation.
    pub invocation_id: String,
    /// The application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_arn: Option<String>,
    /// The stream, or Firehose stream, that it reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_arn: Option<String>,
    /// Each has a `recordId`.
    #[serde(deserialize_with = "records_with_id")]
    pub records: Vec<EventRecord>,
}

impl AnalyticsEvent {
    /// All user records, lazily and in order.
    #[must_use]
    pub fn user_records(&self) -> UserRecords<'_> {
        deaggregate(&self.records)
    }
}

fn records_with_id<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<EventRecord>, D::Error> {
    let records = Vec::<EventRecord>::deserialize(deserializer)?;
    if records.iter().any(|record| record.record_id().is_none()) {
        return Err(D::Error::custom(EventRecordError::NoRecordId));
    }
    Ok(records)
}
