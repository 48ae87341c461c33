//! The item that reading delivers: a user record, or an unchanged Kinesis record.

use kinesis_agg_codec::{
    DecodeError, HashKey, HashKeyError, KeyBytes, PlainReason, RecordTags, UserRecord,
};

use crate::kinesis_record::EnclosingRecord;
use crate::read::error::MalformedRecord;
use crate::read::sequence_number::{ExtendedSequenceNumber, SequenceNumberError};

/// The result of parsing a Kinesis record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum Outcome {
    /// It is not aggregated, and is delivered unchanged.
    Plain(PlainReason),
    /// It is an aggregate.
    Aggregated {
        /// The number of user records. Zero is valid, and then nothing is delivered.
        record_count: usize,
    },
    /// It is a malformed aggregate. It is delivered unchanged, with its error, unless
    /// the [`MalformedPolicy`](crate::read::MalformedPolicy) leaves it out.
    Malformed(DecodeError),
}

/// A user record, or an unchanged Kinesis record that is not a valid aggregate.
///
/// Borrows from the Kinesis record. [`into_owned`](Self::into_owned) returns an owned
/// item that shares the memory of the data.
#[derive(Debug)]
#[doc(alias = "UserRecord")]
#[doc(alias = "KinesisClientRecord")]
pub struct Delivered<'a, R: ?Sized> {
    pub(crate) enclosing: &'a R,
    pub(crate) record_index: usize,
    pub(crate) content: Content<'a>,
}

#[derive(Clone, Debug)]
pub(crate) enum Content<'a> {
    UserRecord {
        user_record: UserRecord<'a>,
        record_count: usize,
    },
    Plain(PlainReason),
    Malformed(DecodeError),
}

impl<R: ?Sized> Clone for Delivered<'_, R> {
    fn clone(&self) -> Self {
        Self {
            enclosing: self.enclosing,
            record_index: self.record_index,
            content: self.content.clone(),
        }
    }
}

impl<'a, R: EnclosingRecord + ?Sized> Delivered<'a, R> {
    /// Returns the Kinesis record that contains the item.
    #[must_use]
    pub const fn enclosing(&self) -> &'a R {
        self.enclosing
    }

    /// Returns the position of that Kinesis record among all those that the
    /// [`Deaggregator`](crate::Deaggregator) has read, in all batches, counted from 0.
    #[must_use]
    pub const fn record_index(&self) -> usize {
        self.record_index
    }

    /// Returns the result of parsing the Kinesis record.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match &self.content {
            Content::UserRecord { record_count, .. } => Outcome::Aggregated {
                record_count: *record_count,
            },
            Content::Plain(reason) => Outcome::Plain(*reason),
            Content::Malformed(error) => Outcome::Malformed(*error),
        }
    }

    /// Returns the user record, or `None` if the item is not from an aggregate.
    #[must_use]
    #[doc(alias = "isAggregated")]
    #[doc(alias = "aggregated")]
    pub const fn user_record(&self) -> Option<&UserRecord<'a>> {
        match &self.content {
            Content::UserRecord { user_record, .. } => Some(user_record),
            Content::Plain(_) | Content::Malformed(_) => None,
        }
    }

    /// Returns the reason why the Kinesis record is plain, or `None` if it is not plain.
    #[must_use]
    pub const fn plain_reason(&self) -> Option<PlainReason> {
        match &self.content {
            Content::Plain(reason) => Some(*reason),
            Content::UserRecord { .. } | Content::Malformed(_) => None,
        }
    }

    /// Returns the error if the Kinesis record is a malformed aggregate.
    #[must_use]
    pub const fn malformed(&self) -> Option<DecodeError> {
        match &self.content {
            Content::Malformed(error) => Some(*error),
            Content::UserRecord { .. } | Content::Plain(_) => None,
        }
    }

    /// Returns the data of the user record, or all data of the Kinesis record.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        match &self.content {
            Content::UserRecord { user_record, .. } => user_record.data(),
            Content::Plain(_) | Content::Malformed(_) => self.enclosing.data(),
        }
    }

    /// Returns the partition key of the user record, or that of the Kinesis record, if
    /// known.
    #[must_use]
    pub fn partition_key(&self) -> Option<KeyBytes<'a>> {
        match &self.content {
            Content::UserRecord { user_record, .. } => Some(user_record.partition_key()),
            Content::Plain(_) | Content::Malformed(_) => {
                self.enclosing.partition_key().map(KeyBytes::from)
            }
        }
    }

    /// Returns the explicit hash key of the user record, or that of the Kinesis record,
    /// if there is one and it is known.
    #[must_use]
    #[doc(alias = "explicitPartitionKey")]
    pub fn explicit_hash_key(&self) -> Option<KeyBytes<'a>> {
        match &self.content {
            Content::UserRecord { user_record, .. } => user_record.explicit_hash_key(),
            Content::Plain(_) | Content::Malformed(_) => {
                self.enclosing.explicit_hash_key().map(KeyBytes::from)
            }
        }
    }

    /// Returns the tags of the user record, in order. Items that are not from an
    /// aggregate have none.
    #[must_use]
    pub fn tags(&self) -> RecordTags<'a> {
        self.user_record()
            .map_or_else(RecordTags::default, UserRecord::tags)
    }

    /// Returns the hash key, which determines the shard: the explicit hash key or, if
    /// there is none, the MD5 digest of the partition key. Returns `None` if neither is
    /// known.
    ///
    /// # Errors
    ///
    /// Returns [`HashKeyError`] if the explicit hash key is not a number from 0 to
    /// 2^128 - 1.
    pub fn hash_key(&self) -> Result<Option<HashKey>, HashKeyError> {
        hash_key_of(self.explicit_hash_key(), self.partition_key())
    }

    /// Returns the sequence number of the Kinesis record, if known. All user records of
    /// an aggregate share it.
    #[must_use]
    pub fn sequence_number(&self) -> Option<&'a str> {
        self.enclosing.sequence_number()
    }

    /// Returns the position in the aggregate, counted from 0. Items that are not from an
    /// aggregate have 0 (KCL behaviour).
    #[must_use]
    pub fn sub_sequence_number(&self) -> u64 {
        self.user_record()
            .map_or(0, UserRecord::sub_sequence_number)
    }

    /// Returns true if no other user record follows in the Kinesis record, not even one
    /// that a filter leaves out.
    #[must_use]
    pub fn is_last(&self) -> bool {
        is_last(self.outcome(), self.sub_sequence_number())
    }

    /// Returns the position in the shard, if the sequence number is known.
    ///
    /// # Errors
    ///
    /// Returns [`SequenceNumberError::Empty`], [`SequenceNumberError::NotADigit`] or
    /// [`SequenceNumberError::TooLong`] if the Kinesis record has an invalid sequence
    /// number.
    pub fn extended_sequence_number(
        &self,
    ) -> Result<Option<ExtendedSequenceNumber>, SequenceNumberError> {
        position_in_shard(self.sequence_number(), self.sub_sequence_number())
    }

    /// Returns the checkpoint to store once this user record and everything delivered
    /// before it are processed: its position, or
    /// [`ExtendedSequenceNumber::after_record`] if it [`is_last`](Self::is_last).
    /// Returns `None` if the sequence number is not known.
    ///
    /// # Errors
    ///
    /// Same as [`extended_sequence_number`](Self::extended_sequence_number).
    pub fn checkpoint(&self) -> Result<Option<ExtendedSequenceNumber>, SequenceNumberError> {
        checkpoint_at(
            self.sequence_number(),
            self.sub_sequence_number(),
            self.is_last(),
        )
    }

    /// Turns a malformed Kinesis record into an error, for consumers that must stop at
    /// one.
    ///
    /// ```
    /// use kinesis_agg::{Deaggregator, KinesisRecord};
    ///
    /// # let records: [KinesisRecord; 0] = [];
    /// for user_record in Deaggregator::new().deaggregate(&records) {
    ///     let user_record = user_record.checked()?;
    ///     println!("{:?}", user_record.data());
    /// }
    /// # Ok::<(), kinesis_agg::MalformedRecord>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`MalformedRecord`] if [`malformed`](Self::malformed) is not `None`.
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

pub(crate) fn is_last(outcome: Outcome, sub_sequence_number: u64) -> bool {
    match outcome {
        Outcome::Aggregated { record_count } => {
            usize::try_from(sub_sequence_number).is_ok_and(|n| n.saturating_add(1) >= record_count)
        }
        Outcome::Plain(_) | Outcome::Malformed(_) => true,
    }
}

pub(crate) fn hash_key_of(
    explicit_hash_key: Option<KeyBytes<'_>>,
    partition_key: Option<KeyBytes<'_>>,
) -> Result<Option<HashKey>, HashKeyError> {
    match (explicit_hash_key, partition_key) {
        (Some(text), _) => HashKey::from_decimal(text.as_bytes()).map(Some),
        (None, Some(key)) => Ok(Some(HashKey::of_partition_key(key.as_bytes()))),
        (None, None) => Ok(None),
    }
}

pub(crate) fn position_in_shard(
    sequence_number: Option<&str>,
    sub_sequence_number: u64,
) -> Result<Option<ExtendedSequenceNumber>, SequenceNumberError> {
    sequence_number
        .map(|text| {
            Ok(ExtendedSequenceNumber {
                sequence_number: text.parse()?,
                sub_sequence_number,
            })
        })
        .transpose()
}

pub(crate) fn checkpoint_at(
    sequence_number: Option<&str>,
    sub_sequence_number: u64,
    is_last: bool,
) -> Result<Option<ExtendedSequenceNumber>, SequenceNumberError> {
    let position = position_in_shard(sequence_number, sub_sequence_number)?;
    Ok(position.map(|position| match is_last {
        true => ExtendedSequenceNumber::after_record(position.sequence_number),
        false => position,
    }))
}
