//! The owned form of the item that reading delivers.

use bytes::Bytes;
use kinesis_agg_codec::{DecodeError, HashKey, HashKeyError, KeyBytes, PlainReason, RecordTags};

use crate::kinesis_record::{EnclosingRecord, SharedData};
use crate::read::delivered::{
    Content, Delivered, Outcome, checkpoint_at, hash_key_of, is_last, position_in_shard,
};
use crate::read::error::MalformedRecord;
use crate::read::sequence_number::{ExtendedSequenceNumber, SequenceNumberError};

/// An owned [`Delivered`], for queues, other threads and struct fields.
///
/// Keys, data and tags share the memory of the Kinesis record's data, and keep that
/// memory alive.
///
/// ```
/// use std::sync::mpsc;
///
/// use kinesis_agg::{Deaggregator, KinesisRecord, OwnedDelivered};
///
/// let records = [KinesisRecord { data: "one".into(), ..KinesisRecord::default() }];
/// let (to_worker, work) = mpsc::channel::<OwnedDelivered<KinesisRecord>>();
/// let worker = std::thread::spawn(move || work.into_iter().map(|item| item.data().len()).sum());
/// for user_record in Deaggregator::new().deaggregate(&records) {
///     to_worker.send(user_record.into_owned())?;
/// }
/// drop(to_worker);
/// let byte_count: usize = worker.join().unwrap();
/// assert_eq!(byte_count, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// To write it again, convert it into an [`OwnedUserRecord`](crate::OwnedUserRecord) with
/// [`TryFrom`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedDelivered<R> {
    enclosing: R,
    record_index: usize,
    outcome: Outcome,
    data: Bytes,
    /// The other parts of a user record from an aggregate.
    user_record: Option<Parts>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    partition_key: Bytes,
    explicit_hash_key: Option<Bytes>,
    tags: Bytes,
    sub_sequence_number: u64,
}

impl<R: SharedData> Delivered<'_, R> {
    /// Converts the item into one that outlives the Kinesis record. It shares the memory
    /// of the data, and holds a clone of the Kinesis record.
    #[must_use]
    pub fn into_owned(self) -> OwnedDelivered<R> {
        let blob = self.enclosing.shared_data();
        let (data, user_record) = match &self.content {
            Content::UserRecord { user_record, .. } => {
                let explicit_hash_key = user_record.explicit_hash_key();
                let tags = user_record.tags();
                let parts = Parts {
                    partition_key: share(&blob, user_record.partition_key().as_bytes()),
                    explicit_hash_key: explicit_hash_key.map(|key| share(&blob, key.as_bytes())),
                    tags: share(&blob, tags.as_encoded().unwrap_or_default()),
                    sub_sequence_number: user_record.sub_sequence_number(),
                };
                (share(&blob, user_record.data()), Some(parts))
            }
            Content::Plain(_) | Content::Malformed(_) => (blob, None),
        };
        OwnedDelivered {
            enclosing: self.enclosing.clone(),
            record_index: self.record_index,
            outcome: self.outcome(),
            data,
            user_record,
        }
    }
}

/// Returns `part` as a slice of `whole` that shares its memory. Copies `part` if it is not
/// in that memory, which happens if an [`EnclosingRecord`] returns different data each
/// time.
fn share(whole: &Bytes, part: &[u8]) -> Bytes {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr());
    let range = start.and_then(|start| Some(start..start.checked_add(part.len())?));
    match range {
        _ if part.is_empty() => Bytes::new(),
        Some(range) if range.end <= whole.len() => whole.slice(range),
        Some(_) | None => Bytes::copy_from_slice(part),
    }
}

impl<R> OwnedDelivered<R> {
    /// Returns the Kinesis record that contained the item.
    #[must_use]
    pub const fn enclosing(&self) -> &R {
        &self.enclosing
    }

    /// Same as [`Delivered::record_index`].
    #[must_use]
    pub const fn record_index(&self) -> usize {
        self.record_index
    }

    /// Returns the result of parsing the Kinesis record.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns true if the item is a user record from an aggregate.
    #[must_use]
    pub const fn is_aggregated(&self) -> bool {
        self.user_record.is_some()
    }

    /// Same as [`Delivered::plain_reason`].
    #[must_use]
    pub const fn plain_reason(&self) -> Option<PlainReason> {
        match self.outcome {
            Outcome::Plain(reason) => Some(reason),
            Outcome::Aggregated { .. } | Outcome::Malformed(_) => None,
        }
    }

    /// Same as [`Delivered::malformed`].
    #[must_use]
    pub const fn malformed(&self) -> Option<DecodeError> {
        match self.outcome {
            Outcome::Malformed(error) => Some(error),
            Outcome::Aggregated { .. } | Outcome::Plain(_) => None,
        }
    }

    /// Returns the data of the user record, or all data of the Kinesis record.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// Returns the data, and drops everything else.
    #[must_use]
    pub fn into_data(self) -> Bytes {
        self.data
    }

    /// Returns the tags of the user record, in order. Items that are not from an
    /// aggregate have none.
    #[must_use]
    pub fn tags(&self) -> RecordTags<'_> {
        let encoded = self.user_record.as_ref().map(|parts| &parts.tags[..]);
        RecordTags::parse(encoded.unwrap_or_default()).unwrap_or_default()
    }

    /// Same as [`Delivered::sub_sequence_number`].
    #[must_use]
    pub fn sub_sequence_number(&self) -> u64 {
        self.user_record
            .as_ref()
            .map_or(0, |parts| parts.sub_sequence_number)
    }

    /// Same as [`Delivered::is_last`].
    #[must_use]
    pub fn is_last(&self) -> bool {
        is_last(self.outcome, self.sub_sequence_number())
    }
}

impl<R: EnclosingRecord> OwnedDelivered<R> {
    /// Returns the partition key of the user record, or that of the Kinesis record, if
    /// known.
    #[must_use]
    pub fn partition_key(&self) -> Option<KeyBytes<'_>> {
        match &self.user_record {
            Some(parts) => Some(KeyBytes::new(&parts.partition_key)),
            None => self.enclosing.partition_key().map(KeyBytes::from),
        }
    }

    /// Returns the explicit hash key of the user record, or that of the Kinesis record,
    /// if there is one and it is known.
    #[must_use]
    pub fn explicit_hash_key(&self) -> Option<KeyBytes<'_>> {
        match &self.user_record {
            Some(parts) => parts.explicit_hash_key.as_deref().map(KeyBytes::new),
            None => self.enclosing.explicit_hash_key().map(KeyBytes::from),
        }
    }

    /// Same as [`Delivered::hash_key`].
    ///
    /// # Errors
    ///
    /// Same as [`Delivered::hash_key`].
    pub fn hash_key(&self) -> Result<Option<HashKey>, HashKeyError> {
        hash_key_of(self.explicit_hash_key(), self.partition_key())
    }

    /// Same as [`Delivered::sequence_number`].
    #[must_use]
    pub fn sequence_number(&self) -> Option<&str> {
        self.enclosing.sequence_number()
    }

    /// Same as [`Delivered::extended_sequence_number`].
    ///
    /// # Errors
    ///
    /// Same as [`Delivered::extended_sequence_number`].
    pub fn extended_sequence_number(
        &self,
    ) -> Result<Option<ExtendedSequenceNumber>, SequenceNumberError> {
        position_in_shard(self.sequence_number(), self.sub_sequence_number())
    }

    /// Same as [`Delivered::checkpoint`].
    ///
    /// # Errors
    ///
    /// Same as [`Delivered::checkpoint`].
    pub fn checkpoint(&self) -> Result<Option<ExtendedSequenceNumber>, SequenceNumberError> {
        checkpoint_at(
            self.sequence_number(),
            self.sub_sequence_number(),
            self.is_last(),
        )
    }

    /// Same as [`Delivered::checked`].
    ///
    /// # Errors
    ///
    /// Same as [`Delivered::checked`].
    pub fn checked(self) -> Result<Self, MalformedRecord> {
        match self.malformed() {
            None => Ok(self),
            Some(source) => Err(MalformedRecord {
                record_index: self.record_index,
                sequence_number: self.sequence_number().map(Into::into),
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_shared_if_it_is_in_the_same_memory_and_copied_otherwise() {
        let whole = Bytes::from_static(b"whole");
        let shared = share(&whole, &whole[1..4]);
        assert_eq!(shared.as_ptr(), whole[1..].as_ptr());
        for part in [&b"other"[..], b""] {
            assert_eq!(share(&whole, part), part);
        }
        assert_eq!(share(&whole.slice(..2), &whole[1..3]), "ho");
    }
}
