//! A checked aggregated record.

use core::iter::FusedIterator;

use crate::key_bytes::KeyBytes;
use crate::limits::DEFAULT_KEY_SLOTS;
use crate::read::counts::Counts;
use crate::read::key_slots::{KeyTables, ReadSlot};
use crate::read::user_records::{UserRecord, UserRecordCursor, UserRecords};
use crate::schema::KeyKind;
use crate::wire::field::Fields;
use crate::wire::num::to_usize;

/// A checked aggregated record, borrowed from its blob.
///
/// ```text
/// partition key table, explicit hash key table, records: in any order
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregatedRecord<'buf> {
    pub(crate) message: &'buf [u8],
    pub(crate) counts: Counts,
}

impl<'buf> AggregatedRecord<'buf> {
    /// Returns the number of user records; zero is valid.
    #[must_use]
    pub fn record_count(&self) -> usize {
        to_usize(self.counts.record_count)
    }

    /// Returns the number of partition keys in the table, used or not.
    #[must_use]
    pub fn partition_key_count(&self) -> usize {
        to_usize(self.counts.partition_keys.count)
    }

    /// Returns the number of explicit hash keys in the table, used or not.
    #[must_use]
    pub fn explicit_hash_key_count(&self) -> usize {
        to_usize(self.counts.explicit_hash_keys.count)
    }

    /// Returns the number of keys in both tables. With as many slots, every look-up
    /// takes one step.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.partition_key_count()
            .saturating_add(self.explicit_hash_key_count())
    }

    /// Returns the protobuf message.
    #[must_use]
    pub const fn message(&self) -> &'buf [u8] {
        self.message
    }

    /// Returns the partition key table, in order.
    #[must_use]
    pub fn partition_keys(&self) -> Keys<'buf> {
        self.keys(KeyKind::Partition, self.counts.partition_keys.count)
    }

    /// Returns the explicit hash key table, in order, as the decimal text that the
    /// producer wrote.
    #[must_use]
    pub fn explicit_hash_keys(&self) -> Keys<'buf> {
        self.keys(KeyKind::ExplicitHash, self.counts.explicit_hash_keys.count)
    }

    fn keys(&self, kind: KeyKind, count: u32) -> Keys<'buf> {
        Keys {
            message: self.message,
            at: 0,
            kind,
            remaining: count,
        }
    }

    /// Returns the user records, in order, with [`DEFAULT_KEY_SLOTS`] key slots inside
    /// the iterator.
    ///
    /// For aggregates with more keys than that,
    /// [`user_records_in`](Self::user_records_in) is faster.
    #[must_use]
    pub fn user_records(&self) -> UserRecords<'buf> {
        self.user_records_in([ReadSlot::EMPTY; DEFAULT_KEY_SLOTS])
    }

    /// Returns the user records, in order, and finds their keys through `slots`: an array, or a
    /// slice that can be reused for every blob. The contents of the slots do not matter.
    ///
    /// A key look-up takes at most ceil(keys / slots) steps, where a step leads from one
    /// key of a table to the next. [`key_count`](Self::key_count) slots make it one
    /// step; no slots at all still work. Keys in order of first use take one step in
    /// any case. In the KPL's order nothing lies between two keys. In a hostile blob a
    /// step may pass over many records, so a program that reads such blobs lends
    /// `key_count` slots, or rejects blobs with more keys than slots.
    ///
    /// ```
    /// # use kinesis_agg_codec::{AggregatedRecord, ReadSlot};
    /// # fn f(aggregated: AggregatedRecord<'_>, slots: &mut Vec<ReadSlot>) {
    /// slots.resize(aggregated.key_count(), ReadSlot::EMPTY);
    /// for user_record in aggregated.user_records_in(&mut slots[..]) {
    ///     assert!(user_record.hash_key().is_ok());
    /// }
    /// # }
    /// ```
    #[inline(always)]
    pub fn user_records_in<S>(&self, slots: S) -> UserRecords<'buf, S>
    where
        S: AsRef<[ReadSlot]> + AsMut<[ReadSlot]>,
    {
        let mut user_records = UserRecords {
            message: self.message,
            cursor: UserRecordCursor {
                slots,
                keys: KeyTables::default(),
                offset: self.counts.first_record,
                record_count: self.counts.record_count,
                sub_sequence_number: 0,
            },
        };
        // Indexed in place, so that the slots are not copied.
        let cursor = &mut user_records.cursor;
        let slots = cursor.slots.as_mut();
        cursor.keys.index(&self.counts, self.message, slots);
        user_records
    }
}

impl<'buf> IntoIterator for AggregatedRecord<'buf> {
    type Item = UserRecord<'buf>;
    type IntoIter = UserRecords<'buf>;

    fn into_iter(self) -> UserRecords<'buf> {
        self.user_records()
    }
}

impl<'buf> IntoIterator for &AggregatedRecord<'buf> {
    type Item = UserRecord<'buf>;
    type IntoIter = UserRecords<'buf>;

    fn into_iter(self) -> UserRecords<'buf> {
        self.user_records()
    }
}

/// Iterates over a key table, in order.
#[derive(Clone, Debug)]
pub struct Keys<'buf> {
    message: &'buf [u8],
    /// Where to look for the next key.
    at: usize,
    kind: KeyKind,
    remaining: u32,
}

impl<'buf> Iterator for Keys<'buf> {
    type Item = KeyBytes<'buf>;

    fn next(&mut self) -> Option<KeyBytes<'buf>> {
        self.remaining = self.remaining.checked_sub(1)?;
        let mut fields = Fields::new(self.message, self.at);
        fields.next_of(self.kind.tag())?;
        self.at = fields.at;
        Some(KeyBytes::new(fields.bytes()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let remaining = to_usize(self.remaining);
        (remaining, Some(remaining))
    }
}

impl ExactSizeIterator for Keys<'_> {}
impl FusedIterator for Keys<'_> {}
