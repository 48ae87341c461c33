//! A checked aggregate.

use core::iter::FusedIterator;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::key_bytes::KeyBytes;
use crate::limits::{DEFAULT_KEY_SLOTS, MAGIC_LEN};
use crate::read::Parsed;
use crate::read::check::{bad_index, to_usize};
use crate::read::key_slots::{KeyTable, KeyTables, ReadSlot};
use crate::read::record::{RecordFields, TableKey, TopFields};
use crate::read::user_records::{UserRecord, UserRecordCursor, UserRecords};
use crate::schema::{EXPLICIT_HASH_KEY, KeyKind, PARTITION_KEY, RECORD};
use crate::wire::cursor::Cursor;
use crate::wire::field::Fields;
use crate::wire::varint::FOR_SIZE;

/// A checked aggregate, borrowed from its blob.
///
/// ```text
/// partition key table, explicit hash key table, records: in any order
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AggregatedRecord<'buf> {
    message: &'buf [u8],
    partition_keys: KeyTable,
    explicit_hash_keys: KeyTable,
    record_count: u32,
    /// Where the first record's tag stands.
    first_record: usize,
}

impl<'buf> AggregatedRecord<'buf> {
    // Not inlined, so that its stack is not there while the digest is computed.
    #[inline(never)]
    pub(crate) fn check(message: &'buf [u8]) -> Result<Parsed<'buf>, DecodeError> {
        // Offsets are noted in 32 bits; none lies behind the end.
        if u32::try_from(message.len().saturating_add(MAGIC_LEN)).is_err() {
            return Err(DecodeError::new(DecodeErrorKind::BlobTooLong, 0));
        }
        let mut checked = Self {
            message,
            partition_keys: KeyTable::default(),
            explicit_hash_keys: KeyTable::default(),
            record_count: 0,
            first_record: 0,
        };
        let mut top = TopFields::new(message, 0);
        loop {
            // What every known producer writes is read in place, all else out of line.
            if !FOR_SIZE {
                top.fields.at = checked.note_usual(top.fields.at);
            }
            let fault = match top.fields.next(0) {
                Ok(false) => break,
                Ok(true) => match top.fields.tag {
                    PARTITION_KEY => {
                        checked.partition_keys.note_key(top.fields.value_offset);
                        continue;
                    }
                    EXPLICIT_HASH_KEY => {
                        checked.explicit_hash_keys.note_key(top.fields.value_offset);
                        continue;
                    }
                    RECORD => match top.read_record() {
                        Ok(()) => {
                            checked.note_record(&top);
                            continue;
                        }
                        Err(fault) => fault,
                    },
                    _ => continue,
                },
                Err(fault) => fault,
            };
            return Err(top.fields.error(fault, MAGIC_LEN));
        }
        if checked.partition_keys.has_all_used() && checked.explicit_hash_keys.has_all_used() {
            return Ok(Parsed::Aggregated(checked));
        }
        top.fields.at = checked.first_record;
        let counts = (
            checked.partition_keys.count,
            checked.explicit_hash_keys.count,
        );
        Err(bad_index(&mut top, counts))
    }

    /// Notes usual fields from `offset` on, up to one that is not.
    #[inline(always)]
    fn note_usual(&mut self, offset: usize) -> usize {
        let rest = self.message.get(offset..).unwrap_or_default();
        let mut cursor = Cursor::new(rest, offset);
        loop {
            while let Some(key) = TableKey::take_usual(&mut cursor) {
                match key.kind {
                    KeyKind::Partition => self.partition_keys.note_key(key.len_offset),
                    KeyKind::ExplicitHash => self.explicit_hash_keys.note_key(key.len_offset),
                }
            }
            if !self.note_usual_records(&mut cursor) {
                return cursor.offset();
            }
        }
    }

    /// Notes the usual records that are next; true if there are any.
    // Not inlined, so that the loop has all registers.
    #[inline(never)]
    fn note_usual_records(&mut self, cursor: &mut Cursor<'_>) -> bool {
        let (mut noted, mut at) = (*self, *cursor);
        while let Some(record) = RecordFields::take_usual(&mut at) {
            // An index of a usual record is not the largest number there is.
            let index = record.partition_key_index;
            noted.partition_keys.note_needed(index.wrapping_add(1));
            if let Some(index) = record.explicit_hash_key_index {
                noted.explicit_hash_keys.note_needed(index.wrapping_add(1));
            }
            noted.count_record();
        }
        if self.record_count == 0 {
            noted.first_record = cursor.offset();
        }
        let any = noted.record_count > self.record_count;
        (*self, *cursor) = (noted, at);
        any
    }

    fn note_record(&mut self, top: &TopFields<'_>) {
        let record = &top.record;
        if self.record_count == 0 {
            self.first_record = top.fields.offset;
        }
        let (partition_keys, explicit_hash_keys) = (
            record.partition_key_index.needed,
            record.explicit_hash_key_index.needed,
        );
        self.partition_keys.note_needed(partition_keys);
        self.explicit_hash_keys.note_needed(explicit_hash_keys);
        self.count_record();
    }

    #[inline(always)]
    fn count_record(&mut self) {
        // There are fewer records than bytes, and these have 32 bits.
        self.record_count = self.record_count.wrapping_add(1);
    }

    /// User records in the aggregate; zero is valid.
    #[must_use]
    pub fn record_count(&self) -> usize {
        to_usize(self.record_count)
    }

    /// Partition keys in the table, used or not.
    #[must_use]
    pub fn partition_key_count(&self) -> usize {
        to_usize(self.partition_keys.count)
    }

    /// Explicit hash keys in the table, used or not.
    #[must_use]
    pub fn explicit_hash_key_count(&self) -> usize {
        to_usize(self.explicit_hash_keys.count)
    }

    /// Keys in both tables: as many slots make every look-up one step.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.partition_key_count()
            .saturating_add(self.explicit_hash_key_count())
    }

    /// The protobuf message.
    #[must_use]
    pub const fn message(&self) -> &'buf [u8] {
        self.message
    }

    /// The partition key table, in order.
    #[must_use]
    pub fn partition_keys(&self) -> Keys<'buf> {
        self.keys(KeyKind::Partition, self.partition_keys.count)
    }

    /// The explicit hash key table, in order, as the decimal text that the
    /// producer wrote.
    #[must_use]
    pub fn explicit_hash_keys(&self) -> Keys<'buf> {
        self.keys(KeyKind::ExplicitHash, self.explicit_hash_keys.count)
    }

    fn keys(&self, kind: KeyKind, count: u32) -> Keys<'buf> {
        Keys {
            message: self.message,
            at: 0,
            kind,
            left: count,
        }
    }

    /// The user records, in order, with the [`DEFAULT_KEY_SLOTS`] key slots
    /// that the iterator holds itself.
    ///
    /// With more keys than that, [`user_records_in`](Self::user_records_in) is
    /// faster.
    // Not inlined on bare metal, so that it makes what it returns in place.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    #[must_use]
    pub fn user_records(&self) -> UserRecords<'buf> {
        self.user_records_in([ReadSlot::default(); DEFAULT_KEY_SLOTS])
    }

    /// The user records, in order, their keys found through `slots`: an array,
    /// or a slice of memory that is used again and again.
    ///
    /// A look-up takes at most ceil(keys / slots) steps, a step being the way
    /// from one key of a table to the next. [`key_count`](Self::key_count)
    /// slots make it one; none at all still works. Keys in order of first use
    /// take one step in any case. In the KPL's order nothing lies between two
    /// keys; in a hostile blob a step may pass over many records, so whoever
    /// reads such blobs lends `key_count` slots, or refuses a blob with more
    /// keys than slots.
    ///
    /// ```
    /// # use kinesis_agg_codec::{AggregatedRecord, ReadSlot};
    /// # fn f(aggregated: AggregatedRecord<'_>, slots: &mut Vec<ReadSlot>) {
    /// slots.resize(aggregated.key_count(), ReadSlot::default());
    /// for user_record in aggregated.user_records_in(&mut slots[..]) {
    ///     assert!(user_record.hash_key().is_ok());
    /// }
    /// # }
    /// ```
    #[cfg_attr(not(feature = "fast"), inline(always))]
    pub fn user_records_in<S>(&self, slots: S) -> UserRecords<'buf, S>
    where
        S: AsRef<[ReadSlot]> + AsMut<[ReadSlot]>,
    {
        let mut user_records = UserRecords {
            message: self.message,
            walk: UserRecordCursor {
                slots,
                keys: KeyTables::default(),
                offset: self.first_record,
                record_count: self.record_count,
                sub_sequence_number: 0,
            },
        };
        // In place, so that nothing is copied.
        let walk = &mut user_records.walk;
        walk.keys.note(
            self.partition_keys,
            self.explicit_hash_keys,
            self.message,
            walk.slots.as_mut(),
        );
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

/// A key table, in order.
#[derive(Clone, Debug)]
pub struct Keys<'buf> {
    message: &'buf [u8],
    /// Where the next key, or what lies before it, stands.
    at: usize,
    kind: KeyKind,
    left: u32,
}

impl<'buf> Iterator for Keys<'buf> {
    type Item = KeyBytes<'buf>;

    fn next(&mut self) -> Option<KeyBytes<'buf>> {
        self.left = self.left.checked_sub(1)?;
        let mut fields = Fields::new(self.message, self.at);
        fields.next_of(self.kind.tag())?;
        self.at = fields.at;
        Some(KeyBytes::new(fields.bytes()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = to_usize(self.left);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Keys<'_> {}
impl FusedIterator for Keys<'_> {}
