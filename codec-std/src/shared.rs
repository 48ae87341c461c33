//! User records that share their blob's memory.

use bytes::Bytes;
use kinesis_agg_codec::{
    DecodeError, HashKey, HashKeyError, KeyBytes, Parsed, PlainReason, ReadSlot, RecordTags,
    UserRecord, UserRecordCursor,
};

use crate::digests;

/// What a blob is, if it is not malformed.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum SharedParsed {
    /// Not aggregated: the blob is one user record as it stands.
    Plain(PlainReason),
    /// Aggregated: the user records are inside.
    Aggregated(SharedUserRecords),
}

/// Reads the data of a Kinesis record; its user records can outlive the call
/// without a copy of their data.
///
/// ```
/// use bytes::Bytes;
/// use kinesis_agg::{RecordAggregator, OwnedUserRecord, SharedParsed, parse_shared};
///
/// let mut aggregator = RecordAggregator::new();
/// aggregator.push(OwnedUserRecord::new("key", "data"))?;
/// let blob: Bytes = aggregator.flush().unwrap().data().clone();
///
/// let SharedParsed::Aggregated(mut user_records) = parse_shared(blob)? else {
///     unreachable!();
/// };
/// let handle = std::thread::spawn(move || user_records.next());
/// assert_eq!(handle.join().unwrap().unwrap().data(), &"data");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// One allocation a blob, for the places of its keys.
///
/// # Errors
///
/// As [`kinesis_agg_codec::parse`].
pub fn parse_shared(blob: Bytes) -> Result<SharedParsed, DecodeError> {
    let aggregated = match digests::parse(&blob, None)? {
        Parsed::Plain(reason) => return Ok(SharedParsed::Plain(reason)),
        Parsed::Aggregated(aggregated) => aggregated,
    };
    let slots = vec![ReadSlot::default(); aggregated.key_count()];
    let walk = aggregated.user_records_in(slots).into_cursor();
    let message = blob.slice_ref(aggregated.message());
    Ok(SharedParsed::Aggregated(SharedUserRecords {
        message,
        walk,
    }))
}

/// The user records of an aggregate, in order.
#[derive(Clone, Debug)]
pub struct SharedUserRecords {
    message: Bytes,
    walk: UserRecordCursor<Vec<ReadSlot>>,
}

impl Iterator for SharedUserRecords {
    type Item = SharedUserRecord;

    fn next(&mut self) -> Option<SharedUserRecord> {
        let user_record = self.walk.advance(&self.message)?;
        Some(SharedUserRecord::new(&self.message, &user_record))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.walk.remaining();
        (left, Some(left))
    }
}

impl ExactSizeIterator for SharedUserRecords {}
impl core::iter::FusedIterator for SharedUserRecords {}

/// A user record as it came in an aggregate. Keeps the blob's memory alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedUserRecord {
    partition_key: Bytes,
    explicit_hash_key: Option<Bytes>,
    data: Bytes,
    tags: Bytes,
    sub_sequence_number: u64,
}

impl SharedUserRecord {
    /// `slice_ref` takes parts of the same memory, and these are.
    fn new(message: &Bytes, user_record: &UserRecord<'_>) -> Self {
        let share = |part: &[u8]| message.slice_ref(part);
        Self {
            partition_key: share(user_record.partition_key().as_bytes()),
            explicit_hash_key: user_record
                .explicit_hash_key()
                .map(|key| share(key.as_bytes())),
            data: share(user_record.data()),
            tags: share(user_record.tags().as_encoded().unwrap_or_default()),
            sub_sequence_number: user_record.sub_sequence_number(),
        }
    }

    /// The partition key that the producer gave.
    #[must_use]
    pub fn partition_key(&self) -> KeyBytes<'_> {
        KeyBytes::new(&self.partition_key)
    }

    /// The explicit hash key that the producer gave, if it did; decimal text
    /// that nobody checked.
    #[must_use]
    pub fn explicit_hash_key(&self) -> Option<KeyBytes<'_>> {
        self.explicit_hash_key.as_deref().map(KeyBytes::new)
    }

    /// The data that the producer gave.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// The data, let go of the rest.
    #[must_use]
    pub fn into_data(self) -> Bytes {
        self.data
    }

    /// The place in the aggregate, counted from 0.
    #[must_use]
    pub const fn sub_sequence_number(&self) -> u64 {
        self.sub_sequence_number
    }

    /// The tags, in order.
    #[must_use]
    pub fn tags(&self) -> RecordTags<'_> {
        RecordTags::parse(&self.tags).unwrap_or_default()
    }

    /// Where on the ring of shards the user record belongs.
    ///
    /// # Errors
    ///
    /// As [`UserRecord::hash_key`].
    pub fn hash_key(&self) -> Result<HashKey, HashKeyError> {
        match &self.explicit_hash_key {
            Some(text) => HashKey::from_decimal(text),
            None => Ok(HashKey::of_partition_key(&self.partition_key)),
        }
    }
}
