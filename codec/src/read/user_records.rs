//! The user records of a checked aggregate.

use core::iter::FusedIterator;

use crate::error::HashKeyError;
use crate::hash_key::HashKey;
use crate::key_bytes::KeyBytes;
use crate::limits::DEFAULT_KEY_SLOTS;
use crate::read::check::to_usize;
use crate::read::key_slots::{KeyTables, ReadSlot};
use crate::read::record::{RecordFields, TopFields};
use crate::record_tag::RecordTags;
use crate::schema::KeyKind;
use crate::wire::cursor::Cursor;
use crate::wire::varint::FOR_SIZE;

/// A user record as it came in an aggregate, borrowed from the blob.
#[derive(Clone, Debug)]
pub struct UserRecord<'buf> {
    partition_key: KeyBytes<'buf>,
    explicit_hash_key: Option<KeyBytes<'buf>>,
    data: &'buf [u8],
    tags: &'buf [u8],
    pub(crate) sub_sequence_number: u32,
}

impl<'buf> UserRecord<'buf> {
    /// The partition key that the producer gave.
    #[must_use]
    pub const fn partition_key(&self) -> KeyBytes<'buf> {
        self.partition_key
    }

    /// The explicit hash key that the producer gave, if it did; decimal text
    /// that nobody checked.
    #[must_use]
    pub const fn explicit_hash_key(&self) -> Option<KeyBytes<'buf>> {
        self.explicit_hash_key
    }

    /// The data that the producer gave.
    #[must_use]
    pub const fn data(&self) -> &'buf [u8] {
        self.data
    }

    /// The place in the aggregate, counted from 0.
    ///
    /// Together with the sequence number of the Kinesis record it names a user
    /// record for good (KCL behaviour).
    #[must_use]
    pub fn sub_sequence_number(&self) -> u64 {
        u64::from(self.sub_sequence_number)
    }

    /// The tags, in order; hardly anyone sets any.
    #[must_use]
    pub fn tags(&self) -> RecordTags<'buf> {
        RecordTags::in_record(self.tags)
    }

    /// Where on the ring of shards the user record belongs.
    ///
    /// # Errors
    ///
    /// [`HashKey::from_decimal`]'s if the text of the explicit hash key is none;
    /// everything else about the user record is good.
    pub fn hash_key(&self) -> Result<HashKey, HashKeyError> {
        match self.explicit_hash_key {
            Some(text) => HashKey::from_decimal(text.as_bytes()),
            None => Ok(HashKey::of_partition_key(self.partition_key.as_bytes())),
        }
    }
}

/// The user records of an aggregate, in order.
#[derive(Clone, Debug)]
pub struct UserRecords<'buf, S = [ReadSlot; DEFAULT_KEY_SLOTS]> {
    pub(crate) message: &'buf [u8],
    pub(crate) walk: UserRecordCursor<S>,
}

impl<'buf, S: AsRef<[ReadSlot]>> UserRecords<'buf, S> {
    /// Lets go of the blob, for iterators that own theirs.
    #[must_use]
    pub fn into_cursor(self) -> UserRecordCursor<S> {
        self.walk
    }

    /// Gives the slots back, to be used for the next blob.
    #[must_use]
    pub fn into_slots(self) -> S {
        self.walk.slots
    }
}

impl<'buf, S: AsRef<[ReadSlot]>> Iterator for UserRecords<'buf, S> {
    type Item = UserRecord<'buf>;

    #[inline]
    fn next(&mut self) -> Option<UserRecord<'buf>> {
        self.walk.advance(self.message)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.walk.remaining();
        (left, Some(left))
    }
}

impl<S: AsRef<[ReadSlot]>> ExactSizeIterator for UserRecords<'_, S> {}
impl<S: AsRef<[ReadSlot]>> FusedIterator for UserRecords<'_, S> {}

/// How far an iteration over user records has come, without the borrow of the
/// blob.
///
/// An iterator that owns its blob (reference-counted, say) keeps one of these
/// beside it and hands the message in again at each step.
#[derive(Clone, Debug)]
pub struct UserRecordCursor<S> {
    pub(crate) slots: S,
    pub(crate) keys: KeyTables,
    /// Where in the message the next record, or what lies before it, starts.
    pub(crate) offset: usize,
    pub(crate) record_count: u32,
    pub(crate) sub_sequence_number: u32,
}

impl<S: AsRef<[ReadSlot]>> UserRecordCursor<S> {
    /// User records that are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        to_usize(self.record_count.wrapping_sub(self.sub_sequence_number))
    }

    /// The next user record of `message`, which is the
    /// [`message`](AggregatedRecord::message) that the walk began in. In any
    /// other one it finds nonsense or ends early.
    #[cfg_attr(feature = "fast", inline(always))]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub fn advance<'buf>(&mut self, message: &'buf [u8]) -> Option<UserRecord<'buf>> {
        if self.sub_sequence_number >= self.record_count {
            return None;
        }
        let record = self.next_record(message)?;
        let slots = self.slots.as_ref();
        let keys = &mut self.keys;
        let mut key = |table, index| keys.key(message, slots, table, index);
        let partition_key = key(KeyKind::Partition, record.partition_key_index)?;
        let explicit_hash_key = match record.explicit_hash_key_index {
            Some(index) => Some(KeyBytes::new(key(KeyKind::ExplicitHash, index)?)),
            None => None,
        };
        let sub_sequence_number = self.sub_sequence_number;
        self.sub_sequence_number = sub_sequence_number.wrapping_add(1);
        Some(UserRecord {
            partition_key: KeyBytes::new(partition_key),
            explicit_hash_key,
            data: record.data,
            tags: record.tags,
            sub_sequence_number,
        })
    }

    #[inline(always)]
    fn next_record<'buf>(&mut self, message: &'buf [u8]) -> Option<RecordFields<'buf>> {
        if !FOR_SIZE {
            let mut cursor = Cursor::new(message.get(self.offset..)?, self.offset);
            if let Some(record) = RecordFields::take_usual(&mut cursor) {
                self.offset = cursor.offset();
                return Some(record);
            }
        }
        let mut top = TopFields::new(message, self.offset);
        top.next_record()?;
        self.offset = top.fields.at;
        top.record()
    }
}
