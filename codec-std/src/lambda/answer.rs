//! What the services expect a function to answer.

use base64::Engine as _;
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::kinesis_record::EnclosingRecord;
use crate::lambda::event::{AnalyticsEvent, FirehoseEvent};
use crate::lambda::record::{BASE64, EventRecord};
use crate::read::{Deaggregator, Delivered};

/// Which Kinesis records failed: Lambda reads the shard again from the lowest
/// sequence number of them on, with all user records of that Kinesis record.
///
/// A function that wants no user record twice notes an
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
    /// Takes what was delivered for failed: its Kinesis record, once for all
    /// its user records. One without a sequence number makes the whole batch
    /// fail (an empty `itemIdentifier` does).
    pub fn push<R: EnclosingRecord + ?Sized>(&mut self, delivered: &Delivered<'_, R>) {
        let item_identifier = delivered.sequence_number().unwrap_or_default();
        let is_last = self
            .failures
            .last()
            .is_some_and(|last| last.item_identifier == item_identifier);
        if !is_last {
            let item_identifier = item_identifier.to_owned();
            self.failures.push(BatchItemFailure { item_identifier });
        }
    }

    /// True if all went well.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.failures.is_empty()
    }

    /// The sequence numbers of the Kinesis records that failed.
    pub fn sequence_numbers(&self) -> impl Iterator<Item = &str> {
        self.failures
            .iter()
            .map(|failure| failure.item_identifier.as_str())
    }
}

/// The answer to a [`TimeWindowEvent`](crate::lambda::TimeWindowEvent): what
/// to be handed the next time, and what failed.
#[derive(Clone, Debug, serde::Serialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "made by literal; Lambda reads no more"
)]
pub struct TimeWindowAnswer {
    /// Any JSON; the service takes up to 1 MB a shard.
    pub state: Box<RawValue>,
    /// What failed.
    #[serde(flatten)]
    pub failures: BatchItemFailures,
}

/// What became of a user record in a transformation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the services know no fourth result"
)]
pub enum Transformed {
    /// This goes on in its place.
    Ok(Vec<u8>),
    /// It is not wanted.
    Dropped,
    /// It cannot be done.
    ProcessingFailed,
}

/// The answer to a transformation: a result for each `recordId`.
///
/// A `recordId` names a Kinesis record; the user records of an aggregate have
/// none of their own. So an aggregate has one result for all of them:
///
/// | Its user records | Result | Data |
/// |---|---|---|
/// | some [`Transformed::Ok`], the others dropped | `Ok` | what they became, one behind the other, nothing between them |
/// | all dropped, or there are none | `Dropped` | the Kinesis record's |
/// | one [`Transformed::ProcessingFailed`] | `ProcessingFailed` | the Kinesis record's: the service keeps it among the failed, nothing goes on in half |
///
/// Whoever needs lines ends each with a line feed, as Firehose puts the results
/// of different records one behind the other, too. Firehose and Lambda take
/// answers of up to 6 MB.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TransformationAnswer {
    records: Vec<TransformedRecord>,
}

/// The result for a `recordId`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct TransformedRecord {
    /// The record.
    #[serde(rename = "recordId")]
    pub record_id: String,
    /// What became of it.
    pub result: TransformationResult,
    /// What goes on; in base64 in the JSON.
    #[serde(serialize_with = "to_base64")]
    pub data: Vec<u8>,
}

fn to_base64<S: Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    BASE64.encode(data).serialize(serializer)
}

/// What became of a record, in the services' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the services know no fourth result"
)]
pub enum TransformationResult {
    /// The data goes on.
    Ok,
    /// It is left out on purpose.
    Dropped,
    /// It goes to where the service keeps what failed.
    ProcessingFailed,
}

impl TransformationAnswer {
    fn new(
        records: &[EventRecord],
        mut transform: impl FnMut(Delivered<'_, EventRecord>) -> Transformed,
    ) -> Self {
        let mut deaggregator = Deaggregator::new();
        let answer_for = |record: &EventRecord| {
            let mut result = TransformationResult::Dropped;
            let mut data = Vec::new();
            for delivered in deaggregator.deaggregate_one(record) {
                match transform(delivered) {
                    Transformed::Ok(bytes) if result == TransformationResult::Dropped => {
                        result = TransformationResult::Ok;
                        data = bytes;
                    }
                    Transformed::Ok(bytes) => data.extend_from_slice(&bytes),
                    Transformed::Dropped => {}
                    Transformed::ProcessingFailed => {
                        result = TransformationResult::ProcessingFailed;
                        break;
                    }
                }
            }
            if result != TransformationResult::Ok {
                data = record.bytes().to_vec();
            }
            TransformedRecord {
                record_id: record.record_id().unwrap_or_default(),
                result,
                data,
            }
        };
        Self {
            records: records.iter().map(answer_for).collect(),
        }
    }

    /// The results, one for each record of the event, in order.
    #[must_use]
    pub fn records(&self) -> &[TransformedRecord] {
        &self.records
    }
}

impl FirehoseEvent {
    /// Transforms all user records, and what is not aggregated, one by one. The
    /// rest of an aggregate is not asked for once one failed. A malformed
    /// aggregate comes as one, see [`Delivered::malformed`].
    #[must_use]
    pub fn transform(
        &self,
        transform: impl FnMut(Delivered<'_, EventRecord>) -> Transformed,
    ) -> TransformationAnswer {
        TransformationAnswer::new(&self.records, transform)
    }
}

impl AnalyticsEvent {
    /// As [`FirehoseEvent::transform`].
    #[must_use]
    pub fn transform(
        &self,
        transform: impl FnMut(Delivered<'_, EventRecord>) -> Transformed,
    ) -> TransformationAnswer {
        TransformationAnswer::new(&self.records, transform)
    }
}
