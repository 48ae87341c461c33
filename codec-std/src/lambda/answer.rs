//! The responses that the services expect from a function.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use std::io;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;

use crate::kinesis_record::EnclosingRecord;
use crate::lambda::event::{AnalyticsEvent, FirehoseEvent};
use crate::lambda::record::{EventRecord, encode_base64};
use crate::read::{Deaggregator, Delivered};

/// The Kinesis records that failed. Lambda reads the shard again from the lowest of their
/// sequence numbers, including all user records of that Kinesis record.
///
/// A function that must not process a user record twice stores an
/// [`ExtendedSequenceNumber`](crate::ExtendedSequenceNumber) and resumes after
/// it.
///
/// ```
/// use kinesis_agg::lambda::{BatchItemFailures, KinesisEvent};
///
/// # fn process(_: &[u8]) -> Result<(), std::io::Error> { Err(std::io::Error::other("")) }
/// let event: KinesisEvent = serde_json::from_str(
///     r#"{"Records":[{"kinesis":{"sequenceNumber":"4959","data":"eA=="}}]}"#,
/// )?;
/// let mut failures = BatchItemFailures::default();
/// for user_record in event.user_records() {
///     if process(user_record.data()).is_err() {
///         failures.push(&user_record);
///         break;
///     }
/// }
/// let answer = serde_json::to_string(&failures)?;
/// assert_eq!(answer, r#"{"batchItemFailures":[{"itemIdentifier":"4959"}]}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BatchItemFailures {
    #[serde(rename = "batchItemFailures")]
    failures: Vec<BatchItemFailure>,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
struct BatchItemFailure {
    #[serde(rename = "itemIdentifier")]
    item_identifier: String,
}

impl BatchItemFailures {
    /// Adds the Kinesis record of a delivered item. User records of the same Kinesis
    /// record add it only once. A record without a sequence number makes the whole batch
    /// fail, because its `itemIdentifier` is empty.
    pub fn push<R: EnclosingRecord + ?Sized>(&mut self, delivered: &Delivered<'_, R>) {
        self.push_identifier(delivered.sequence_number().unwrap_or_default());
    }

    /// Like [`push`](Self::push), for a function behind an EventBridge pipe:
    /// Pipes identifies a record by its `eventID` (AWS, "EventBridge Pipes
    /// batching and concurrency").
    pub fn push_event_id(&mut self, delivered: &Delivered<'_, EventRecord>) {
        self.push_identifier(&delivered.enclosing().text("eventID").unwrap_or_default());
    }

    fn push_identifier(&mut self, item_identifier: &str) {
        let is_last = self
            .failures
            .last()
            .is_some_and(|last| last.item_identifier == item_identifier);
        if !is_last {
            let item_identifier = item_identifier.to_owned();
            self.failures.push(BatchItemFailure { item_identifier });
        }
    }

    /// Returns true if no record failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.failures.is_empty()
    }

    /// Iterates over the identifiers of the records that failed: sequence
    /// numbers, or event ids.
    pub fn identifiers(&self) -> impl Iterator<Item = &str> {
        self.failures
            .iter()
            .map(|failure| failure.item_identifier.as_str())
    }
}

/// The answer to a [`TimeWindowEvent`](crate::lambda::TimeWindowEvent): the state
/// for the next invocation of the window, and the records that failed.
#[derive(Clone, Debug, serde::Serialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "made by literal; Lambda reads no other fields"
)]
pub struct TimeWindowAnswer {
    /// Any JSON; the service accepts up to 1 MB for each shard.
    pub state: Box<RawValue>,
    /// The records that failed.
    #[serde(flatten)]
    pub failures: BatchItemFailures,
}

/// The result of transforming a user record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the services define only these results"
)]
pub enum Transformed {
    /// The user record is replaced by this data.
    Ok(Vec<u8>),
    /// The user record is replaced by this data, which Firehose delivers to the
    /// partition with these keys (dynamic partitioning). Without keys, it is the same as
    /// [`Ok`](Self::Ok). Kinesis Analytics ignores the keys.
    Partitioned {
        /// The data.
        data: Vec<u8>,
        /// The values of `partitionKeyFromLambda` in the S3 prefix, by name.
        partition_keys: BTreeMap<String, String>,
    },
    /// The user record is intentionally left out.
    Dropped,
    /// The user record cannot be transformed.
    ProcessingFailed,
}

/// A good limit for [`TransformationAnswer::limit_len`], in bytes. Lambda's limit is 6 MB
/// (AWS, "Lambda quotas"), and AWS's blueprints for Firehose use this number.
pub const DEFAULT_MAX_ANSWER_LEN: usize = 6_000_000;

/// The answer to a transformation: one result for each `recordId`.
///
/// A `recordId` identifies a Kinesis record, and the user records of an aggregate do not
/// have ids of their own. An aggregate therefore has one result for all of them:
///
/// | User records of the aggregate | Result | Data |
/// |---|---|---|
/// | some transformed, all with the same partition keys; the others dropped | `Ok` | the transformed data in order, without separators |
/// | all dropped, or there are none | `Dropped` | none |
/// | some transformed with different partition keys | `ProcessingFailed` | the data of the Kinesis record |
/// | any with [`Transformed::ProcessingFailed`] | `ProcessingFailed` | the data of the Kinesis record |
///
/// After a failure, the rest of the aggregate is not transformed. Firehose writes
/// the Kinesis record to the error prefix, so nothing is lost and nothing is
/// delivered twice.
///
/// Firehose also joins the results of different records without separators. If you need
/// lines, end each with a line feed.
///
/// # Partition keys
///
/// With dynamic partitioning, `metadata.partitionKeys` of a result holds the keys, so a
/// result goes to a single partition. The result for an aggregate whose user records
/// belong to different partitions cannot be `Ok`, because choosing one set of keys would
/// deliver some user records to the wrong partition. (Having no keys counts as different
/// from having any.) To deliver such an aggregate, put its user records into the Firehose
/// stream again, each as a record of its own, and return `Dropped`. Firehose deaggregates
/// the records of a Kinesis stream itself, so this concerns only aggregates that a
/// program put into the Firehose stream directly.
///
/// ```
/// use kinesis_agg::lambda::{FirehoseEvent, Transformed};
///
/// let event: FirehoseEvent = serde_json::from_str(
///     r#"{"invocationId":"i","records":[{"recordId":"r","data":"ZGUseA=="}]}"#,
/// )?;
/// let answer = event.transform(|user_record| {
///     let line = str::from_utf8(user_record.data()).unwrap_or_default();
///     match line.split_once(',') {
///         Some((country, rest)) => Transformed::Partitioned {
///             data: rest.into(),
///             partition_keys: [("country".into(), country.into())].into(),
///         },
///         None => Transformed::ProcessingFailed,
///     }
/// });
/// assert_eq!(
///     serde_json::to_string(&answer)?,
///     concat!(
///         r#"{"records":[{"recordId":"r","result":"Ok","data":"eA==","#,
///         r#""metadata":{"partitionKeys":{"country":"de"}}}]}"#,
///     ),
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Answers that are too long
///
/// Lambda rejects answers of more than 6 MB, and Firehose then retries the same batch,
/// which fails again. [`limit_len`](Self::limit_len) removes results from the answer and
/// returns the records that must be put into the stream again.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TransformationAnswer {
    records: Vec<TransformedRecord>,
}

/// The result for one `recordId`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct TransformedRecord {
    /// The id of the record.
    #[serde(rename = "recordId")]
    pub record_id: String,
    /// The result.
    pub result: TransformationResult,
    /// The data, which is base64 in the JSON.
    #[serde(serialize_with = "to_base64")]
    pub data: Vec<u8>,
    /// The keys for dynamic partitioning, which are `metadata.partitionKeys` in the JSON.
    #[serde(
        rename = "metadata",
        skip_serializing_if = "BTreeMap::is_empty",
        serialize_with = "to_metadata"
    )]
    pub partition_keys: BTreeMap<String, String>,
    /// The reason if the result is [`TransformationResult::ProcessingFailed`]. It is not
    /// part of the JSON.
    #[serde(skip)]
    pub failure: Option<TransformationFailure>,
}

/// The reason for [`TransformationResult::ProcessingFailed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransformationFailure {
    /// The function returned [`Transformed::ProcessingFailed`].
    Failed,
    /// The user records of the aggregate have different partition keys.
    DifferentPartitionKeys,
    /// The result would not fit in an answer even if it were the only one.
    TooLong,
}

fn to_base64<S: Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    encode_base64(data).serialize(serializer)
}

fn to_metadata<S: Serializer>(
    partition_keys: &BTreeMap<String, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut metadata = serializer.serialize_map(Some(1))?;
    metadata.serialize_entry("partitionKeys", partition_keys)?;
    metadata.end()
}

/// The result of a transformation, as the services define it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the services define only these results"
)]
pub enum TransformationResult {
    /// The data is delivered.
    Ok,
    /// The record is intentionally left out.
    Dropped,
    /// The service stores the record where it keeps failed records.
    ProcessingFailed,
}

impl TransformedRecord {
    fn new(
        record: &EventRecord,
        deaggregator: &mut Deaggregator,
        transform: &mut impl FnMut(Delivered<'_, EventRecord>) -> Transformed,
    ) -> Self {
        let record_id = record.record_id().map_or_else(String::new, Cow::into_owned);
        match transform_all(record, deaggregator, transform) {
            Ok(Some((data, partition_keys))) => Self {
                record_id,
                result: TransformationResult::Ok,
                data,
                partition_keys,
                failure: None,
            },
            Ok(None) => Self::dropped(record_id),
            Err(failure) => Self {
                data: record.bytes().to_vec(),
                ..Self::failed(record_id, failure)
            },
        }
    }

    fn dropped(record_id: String) -> Self {
        Self {
            record_id,
            result: TransformationResult::Dropped,
            data: Vec::new(),
            partition_keys: BTreeMap::new(),
            failure: None,
        }
    }

    fn failed(record_id: String, failure: TransformationFailure) -> Self {
        Self {
            result: TransformationResult::ProcessingFailed,
            failure: Some(failure),
            ..Self::dropped(record_id)
        }
    }

    /// Returns the length of the JSON.
    fn encoded_len(&self) -> usize {
        let mut counted = CountedBytes(0);
        // Writing to a counter cannot fail.
        let _counted = serde_json::to_writer(&mut counted, self);
        counted.0
    }
}

/// The transformed data of all user records that were kept, and its partition keys.
type Kept = (Vec<u8>, BTreeMap<String, String>);

fn transform_all(
    record: &EventRecord,
    deaggregator: &mut Deaggregator,
    transform: &mut impl FnMut(Delivered<'_, EventRecord>) -> Transformed,
) -> Result<Option<Kept>, TransformationFailure> {
    let mut kept: Option<Kept> = None;
    for delivered in deaggregator.deaggregate_one(record) {
        let (data, partition_keys) = match transform(delivered) {
            Transformed::Ok(data) => (data, BTreeMap::new()),
            Transformed::Partitioned {
                data,
                partition_keys,
            } => (data, partition_keys),
            Transformed::Dropped => continue,
            Transformed::ProcessingFailed => return Err(TransformationFailure::Failed),
        };
        match &mut kept {
            None => kept = Some((data, partition_keys)),
            Some((all, keys)) if *keys == partition_keys => all.extend_from_slice(&data),
            Some(_) => return Err(TransformationFailure::DifferentPartitionKeys),
        }
    }
    Ok(kept)
}

/// A writer that only counts bytes.
struct CountedBytes(usize);

impl io::Write for CountedBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TransformationAnswer {
    fn new(
        records: &[EventRecord],
        mut transform: impl FnMut(Delivered<'_, EventRecord>) -> Transformed,
    ) -> Self {
        let mut deaggregator = Deaggregator::new();
        let answer = |record| TransformedRecord::new(record, &mut deaggregator, &mut transform);
        Self {
            records: records.iter().map(answer).collect(),
        }
    }

    /// Returns the results, one for each record of the event, in order.
    #[must_use]
    pub fn records(&self) -> &[TransformedRecord] {
        &self.records
    }

    /// Shortens the JSON of the answer to at most `max_len` bytes, and returns the
    /// positions of the records that the caller must put into the stream again: into the
    /// Kinesis stream if the Firehose stream reads one, and otherwise into the Firehose
    /// stream. AWS's blueprints handle long answers in the same way ("re-ingestion").
    ///
    /// Results that fit are kept, in order. Each of the others becomes `Dropped`, which
    /// Firehose counts as processed, and its position is returned. A result that would
    /// not fit even as the only one becomes `ProcessingFailed`
    /// ([`TransformationFailure::TooLong`]) instead, because it would not fit the next
    /// time either. If positions are returned, at least one result was kept, so
    /// re-ingestion ends eventually.
    ///
    /// Put the records before you return the answer. If that fails, let the invocation
    /// fail: Firehose then calls the function again with all records. Put the original
    /// data of the event, because it is transformed when it arrives again. The order of
    /// records is not kept, and other consumers of the Kinesis stream read these records
    /// twice.
    ///
    /// ```
    /// use kinesis_agg::lambda::{DEFAULT_MAX_ANSWER_LEN, FirehoseEvent, Transformed};
    ///
    /// # fn put_again(_: Option<&str>, _: &[u8]) -> Result<(), serde_json::Error> { Ok(()) }
    /// # let json = r#"{"invocationId":"i","records":[]}"#;
    /// use kinesis_agg::EnclosingRecord;
    ///
    /// let event: FirehoseEvent = serde_json::from_str(json)?;
    /// let mut answer = event.transform(|user_record| {
    ///     Transformed::Ok([user_record.data(), b"\n"].concat())
    /// });
    /// for position in answer.limit_len(DEFAULT_MAX_ANSWER_LEN) {
    ///     let record = &event.records[position];
    ///     // PutRecords with the partition key, or Firehose's PutRecordBatch
    ///     put_again(record.partition_key(), record.data())?;
    /// }
    /// let answer = serde_json::to_string(&answer)?;
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use = "the records at these positions must be put into the stream again"]
    pub fn limit_len(&mut self, max_len: usize) -> Vec<usize> {
        // Among results without data, a failure is the longest.
        let least_len = |record: &TransformedRecord| {
            let id = record.record_id.clone();
            TransformedRecord::failed(id, TransformationFailure::TooLong).encoded_len()
        };
        let extra_len =
            |record: &TransformedRecord| record.encoded_len().saturating_sub(least_len(record));
        let least_lens = self.records.iter().map(|r| least_len(r).saturating_add(1));
        let around = r#"{"records":[]}"#.len();
        let room_alone = max_len.saturating_sub(least_lens.fold(around, usize::saturating_add));
        let mut room = room_alone;
        let mut again = Vec::new();
        for (position, record) in self.records.iter_mut().enumerate() {
            let extra = extra_len(record);
            if let Some(rest) = room.checked_sub(extra) {
                room = rest;
                continue;
            }
            let record_id = core::mem::take(&mut record.record_id);
            *record = if extra > room_alone {
                TransformedRecord::failed(record_id, TransformationFailure::TooLong)
            } else {
                again.push(position);
                TransformedRecord::dropped(record_id)
            };
        }
        again
    }
}

impl FirehoseEvent {
    /// Transforms all user records, and records that are not aggregated, one by one.
    /// [`TransformationAnswer`] describes the result for an aggregate. A malformed
    /// aggregate is passed to `transform` as one record, see [`Delivered::malformed`].
    #[must_use]
    pub fn transform(
        &self,
        transform: impl FnMut(Delivered<'_, EventRecord>) -> Transformed,
    ) -> TransformationAnswer {
        TransformationAnswer::new(&self.records, transform)
    }
}

impl AnalyticsEvent {
    /// Same as [`FirehoseEvent::transform`].
    #[must_use]
    pub fn transform(
        &self,
        transform: impl FnMut(Delivered<'_, EventRecord>) -> Transformed,
    ) -> TransformationAnswer {
        TransformationAnswer::new(&self.records, transform)
    }
}
