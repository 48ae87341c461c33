//! Records from the daemon.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kinesis_agg_codec::{DecodeError, Parsed, PlainReason};

use crate::digests;
use crate::read::{ExtendedSequenceNumber, MalformedPolicy, MalformedRecord, SequenceNumberError};

/// A record from the daemon: a user record of an aggregate, or a Kinesis record
/// that the KCL did not deaggregate.
///
/// The daemon does not pass on explicit hash keys, or whether a record was in an
/// aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonRecord {
    pub(super) data: Bytes,
    pub(super) partition_key: Option<String>,
    pub(super) sequence_number: String,
    pub(super) sub_sequence_number: u64,
    pub(super) arrival_millis: Option<i64>,
    pub(super) index: usize,
    pub(super) undecoded: Option<Undecoded>,
}

/// Why the KCL passed on a Kinesis record whose data begins like an aggregate.
///
/// The KCL never passes on a valid aggregate. A user record whose data is a valid
/// aggregate is treated like any other: neither the KCL nor this crate
/// deaggregates it a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum Undecoded {
    /// The data starts with the magic bytes, but is too short or has another
    /// digest, so it is not an aggregate.
    Plain(PlainReason),
    /// The magic bytes and the digest are right, but the message is not valid. The
    /// user records in it cannot be delivered.
    Malformed(DecodeError),
}

impl Undecoded {
    /// Examines the data of a record. Computes a digest only if the data starts
    /// with the magic bytes.
    pub(super) fn of(data: &[u8]) -> Option<Self> {
        match digests::parse(data, None) {
            Ok(Parsed::Aggregated(_) | Parsed::Plain(PlainReason::NoMagic)) => None,
            Ok(Parsed::Plain(reason)) => Some(Self::Plain(reason)),
            Err(error) => Some(Self::Malformed(error)),
        }
    }
}

impl DaemonRecord {
    /// Returns the data, decoded from base64.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// Returns the data, and drops the rest of the record.
    #[must_use]
    pub fn into_data(self) -> Bytes {
        self.data
    }

    /// Returns the partition key. Records of a stream that distributes records
    /// itself (`AUTO`) may have none.
    #[must_use]
    pub fn partition_key(&self) -> Option<&str> {
        self.partition_key.as_deref()
    }

    /// Returns the Kinesis record's sequence number, unchanged from the daemon. It
    /// is the same for all user records of an aggregate.
    #[must_use]
    pub fn sequence_number(&self) -> &str {
        &self.sequence_number
    }

    /// Returns the index in the aggregate, from 0; 0 if there was no aggregate.
    #[must_use]
    pub const fn sub_sequence_number(&self) -> u64 {
        self.sub_sequence_number
    }

    /// Returns the position in the shard.
    ///
    /// # Errors
    ///
    /// [`SequenceNumberError`] if the sequence number is not a number of at most
    /// [`MAX_SEQUENCE_NUMBER_LEN`](crate::read::MAX_SEQUENCE_NUMBER_LEN) digits.
    pub fn extended_sequence_number(&self) -> Result<ExtendedSequenceNumber, SequenceNumberError> {
        Ok(ExtendedSequenceNumber {
            sequence_number: self.sequence_number.parse()?,
            sub_sequence_number: self.sub_sequence_number,
        })
    }

    /// Returns the time at which the stream stored the record, in milliseconds,
    /// if the daemon knows it.
    #[must_use]
    pub fn approximate_arrival_timestamp(&self) -> Option<SystemTime> {
        let millis = self.arrival_millis?;
        let distance = Duration::from_millis(millis.unsigned_abs());
        if millis < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        }
    }

    /// Returns why the KCL did not deaggregate the record although its data
    /// begins like an aggregate; `None` for all other records.
    ///
    /// Only a record with sub-sequence number 0 is examined, because all others
    /// are user records of an aggregate.
    #[must_use]
    pub const fn undecoded(&self) -> Option<Undecoded> {
        self.undecoded
    }

    /// Returns the decoding error, if the record is a malformed aggregate.
    #[must_use]
    pub const fn malformed(&self) -> Option<DecodeError> {
        match self.undecoded {
            Some(Undecoded::Malformed(error)) => Some(error),
            Some(Undecoded::Plain(_)) | None => None,
        }
    }

    /// Turns a malformed aggregate into an error, for a consumer that must stop
    /// at one.
    ///
    /// # Errors
    ///
    /// [`MalformedRecord`] if [`malformed`](Self::malformed) is not `None`. Its
    /// index is that of the record in the call of the daemon, from 0.
    pub fn checked(&self) -> Result<&Self, MalformedRecord> {
        match self.malformed() {
            None => Ok(self),
            Some(source) => Err(MalformedRecord {
                record_index: self.index,
                sequence_number: Some(self.sequence_number.clone()),
                source,
            }),
        }
    }
}

/// The records of one call of
/// [`RecordProcessor::process_records`](super::RecordProcessor::process_records),
/// in the order of the shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordBatch {
    records: Vec<DaemonRecord>,
    left_out: Vec<DaemonRecord>,
    pub(super) millis_behind_latest: Option<u64>,
}

impl RecordBatch {
    pub(super) const fn new(records: Vec<DaemonRecord>, millis_behind_latest: Option<u64>) -> Self {
        Self {
            records,
            left_out: Vec::new(),
            millis_behind_latest,
        }
    }

    pub(super) fn apply(&mut self, policy: MalformedPolicy) {
        let is_malformed = |record: &DaemonRecord| record.malformed().is_some();
        if policy == MalformedPolicy::LeaveOut && self.records.iter().any(is_malformed) {
            let records = core::mem::take(&mut self.records);
            (self.left_out, self.records) = records.into_iter().partition(is_malformed);
        }
    }

    /// Returns the records. There are none in calls that the daemon makes without
    /// records (`callProcessRecordsEvenForEmptyRecordList`).
    #[must_use]
    pub fn records(&self) -> &[DaemonRecord] {
        &self.records
    }

    /// Returns the malformed aggregates that
    /// [`MalformedPolicy::LeaveOut`] left out.
    #[must_use]
    pub fn left_out(&self) -> &[DaemonRecord] {
        &self.left_out
    }

    /// Returns the records, and drops the rest of the batch.
    #[must_use]
    pub fn into_records(self) -> Vec<DaemonRecord> {
        self.records
    }

    /// Returns how far the last record is behind the end of the shard, in
    /// milliseconds, if the daemon knows it.
    #[must_use]
    pub const fn millis_behind_latest(&self) -> Option<u64> {
        self.millis_behind_latest
    }
}
