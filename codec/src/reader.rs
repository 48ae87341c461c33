//! A blob in; plain, aggregated or malformed out.
//!
//! The message is checked as a whole before anything is handed out. What was
//! checked is not stored (there is no memory for it), so handing out reads the
//! records again, with the same functions; they cannot fail a second time.

use core::iter::FusedIterator;

use crate::digest::Digest;
use crate::error::{DecodeError, DecodeErrorKind, HashKeyError};
use crate::frame::{Frame, PlainReason};
use crate::hash_key::HashKey;
use crate::key_bytes::KeyBytes;
use crate::key_table::{KeyOffset, KeyTable, KeyTables};
use crate::limits::{DEFAULT_KEY_SLOTS, MAGIC_LEN};
use crate::message::{
    EXPLICIT_HASH_KEY, PARTITION_KEY, RECORD, RecordFields, RecordTags, Table, TableKey, TopFields,
};
use crate::wire::cursor::Cursor;
use crate::wire::field::Fields;
use crate::wire::varint::FOR_SIZE;

/// What a blob is, if it is not malformed.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum Parsed<'buf> {
    /// Not aggregated: the blob is one user record as it stands.
    Plain(PlainReason),
    /// Aggregated: the user records are inside.
    Aggregated(AggregatedRecord<'buf>),
}

/// Reads the data of a Kinesis record.
///
/// ```
/// use kinesis_agg_codec::{Parsed, parse};
///
/// # let blob = b"\xf3\x89\x9a\xc2\x0a\x01a\x0a\x01b\x1a\x05\x08\0\x1a\x01x\x1a\x05\x08\x01\x1a\x01y\
/// #   \xb0\x03\x19\x09\xae\x75\x89\x1c\xa9\x4a\xce\xc2\xec\xce\x31\x25";
/// match parse(blob)? {
///     Parsed::Plain(reason) => println!("one user record, because: {reason}"),
///     Parsed::Aggregated(aggregated) => {
///         for user_record in aggregated.user_records() {
///             println!("{:?}: {:?}", user_record.partition_key(), user_record.data());
///         }
///     }
/// }
/// # Ok::<(), kinesis_agg_codec::DecodeError>(())
/// ```
///
/// Takes time linear in the blob, no memory of its own.
///
/// # Errors
///
/// [`DecodeError`] if magic and digest are good and the message is not valid.
/// Its kind and offset name the first structural fault in the order of the
/// bytes, or else the first key index outside its table in the order of the
/// records.
pub fn parse(blob: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    parse_if(blob, |frame| frame.is_intact(&Digest::of(frame.message())))
}

/// Reads the data of a Kinesis record whose message digest was computed
/// elsewhere, as in a batch of many; see [`Frame::message`].
///
/// ```
/// use kinesis_agg_codec::{Digest, Frame, Parsed, PlainReason, parse_with_digest};
///
/// let blob = b"\xf3\x89\x9a\xc2 message and 16 more bytes";
/// let frame = Frame::split(blob).unwrap();
/// let computed = Digest::of(frame.message());
/// let parsed = parse_with_digest(blob, computed)?;
/// assert!(matches!(parsed, Parsed::Plain(PlainReason::DigestMismatch)));
/// # Ok::<(), kinesis_agg_codec::DecodeError>(())
/// ```
///
/// # Errors
///
/// As [`parse`].
pub fn parse_with_digest(blob: &[u8], computed: Digest) -> Result<Parsed<'_>, DecodeError> {
    parse_if(blob, |frame| frame.is_intact(&computed))
}

/// Reads the data of a Kinesis record without looking at its digest.
///
/// For blobs that something else protects, and for looking into damaged ones.
/// Data that only happens to start with the magic is then malformed, or worse,
/// an aggregate.
///
/// # Errors
///
/// As [`parse`], whatever the digest.
pub fn parse_trusting_digest(blob: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    parse_if(blob, |_| true)
}

fn parse_if(
    blob: &[u8],
    is_intact: impl FnOnce(&Frame<'_>) -> bool,
) -> Result<Parsed<'_>, DecodeError> {
    let frame = match Frame::split(blob) {
        Ok(frame) => frame,
        Err(reason) => return Ok(Parsed::Plain(reason)),
    };
    if !is_intact(&frame) {
        return Ok(Parsed::Plain(PlainReason::DigestMismatch));
    }
    AggregatedRecord::check(frame.message())
}

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
    fn check(message: &'buf [u8]) -> Result<Parsed<'buf>, DecodeError> {
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
                match key.table {
                    Table::PartitionKeys => self.partition_keys.note_key(key.len_offset),
                    Table::ExplicitHashKeys => self.explicit_hash_keys.note_key(key.len_offset),
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
        self.keys(Table::PartitionKeys, self.partition_keys.count)
    }

    /// The explicit hash key table, in order, as the decimal text that the
    /// producer wrote.
    #[must_use]
    pub fn explicit_hash_keys(&self) -> Keys<'buf> {
        self.keys(Table::ExplicitHashKeys, self.explicit_hash_keys.count)
    }

    fn keys(&self, table: Table, count: u32) -> Keys<'buf> {
        Keys {
            message: self.message,
            at: 0,
            table,
            left: count,
        }
    }

    /// The user records, in order, with the [`DEFAULT_KEY_SLOTS`] key slots
    /// that the iterator holds itself.
    ///
    /// With more keys than that, [`user_records_in`](Self::user_records_in) is
    /// faster.
    // Not inlined on bare metal, so that it makes what it returns in place.
    #[cfg_attr(target_os = "none", inline(never))]
    #[must_use]
    pub fn user_records(&self) -> UserRecords<'buf> {
        self.user_records_in([KeyOffset::default(); DEFAULT_KEY_SLOTS])
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
    /// # use kinesis_agg_codec::{AggregatedRecord, KeyOffset};
    /// # fn f(aggregated: AggregatedRecord<'_>, slots: &mut Vec<KeyOffset>) {
    /// slots.resize(aggregated.key_count(), KeyOffset::default());
    /// for user_record in aggregated.user_records_in(&mut slots[..]) {
    ///     assert!(user_record.hash_key().is_ok());
    /// }
    /// # }
    /// ```
    #[cfg_attr(target_os = "none", inline(always))]
    pub fn user_records_in<S>(&self, slots: S) -> UserRecords<'buf, S>
    where
        S: AsRef<[KeyOffset]> + AsMut<[KeyOffset]>,
    {
        let mut user_records = UserRecords {
            message: self.message,
            walk: UserRecordWalk {
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
    table: Table,
    left: u32,
}

impl<'buf> Iterator for Keys<'buf> {
    type Item = KeyBytes<'buf>;

    fn next(&mut self) -> Option<KeyBytes<'buf>> {
        self.left = self.left.checked_sub(1)?;
        let mut fields = Fields::new(self.message, self.at);
        fields.next_of(self.table.tag())?;
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

/// A user record as it came in an aggregate, borrowed from the blob.
#[derive(Clone, Debug)]
pub struct UserRecord<'buf> {
    partition_key: KeyBytes<'buf>,
    explicit_hash_key: Option<KeyBytes<'buf>>,
    data: &'buf [u8],
    tags: &'buf [u8],
    sub_sequence_number: u32,
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
pub struct UserRecords<'buf, S = [KeyOffset; DEFAULT_KEY_SLOTS]> {
    message: &'buf [u8],
    walk: UserRecordWalk<S>,
}

impl<'buf, S: AsRef<[KeyOffset]>> UserRecords<'buf, S> {
    /// Lets go of the blob, for iterators that own theirs.
    #[must_use]
    pub fn into_walk(self) -> UserRecordWalk<S> {
        self.walk
    }

    /// Gives the slots back, to be used for the next blob.
    #[must_use]
    pub fn into_slots(self) -> S {
        self.walk.slots
    }
}

impl<'buf, S: AsRef<[KeyOffset]>> Iterator for UserRecords<'buf, S> {
    type Item = UserRecord<'buf>;

    #[inline]
    fn next(&mut self) -> Option<UserRecord<'buf>> {
        self.walk.next_in(self.message)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.walk.left();
        (left, Some(left))
    }
}

impl<S: AsRef<[KeyOffset]>> ExactSizeIterator for UserRecords<'_, S> {}
impl<S: AsRef<[KeyOffset]>> FusedIterator for UserRecords<'_, S> {}

/// How far an iteration over user records has come, without the borrow of the
/// blob.
///
/// An iterator that owns its blob (reference-counted, say) keeps one of these
/// beside it and hands the message in again at each step.
#[derive(Clone, Debug)]
pub struct UserRecordWalk<S> {
    slots: S,
    keys: KeyTables,
    /// Where in the message the next record, or what lies before it, starts.
    offset: usize,
    record_count: u32,
    sub_sequence_number: u32,
}

impl<S: AsRef<[KeyOffset]>> UserRecordWalk<S> {
    /// User records that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        to_usize(self.record_count.wrapping_sub(self.sub_sequence_number))
    }

    /// The next user record of `message`, which is the
    /// [`message`](AggregatedRecord::message) that the walk began in. In any
    /// other one it finds nonsense or ends early.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn next_in<'buf>(&mut self, message: &'buf [u8]) -> Option<UserRecord<'buf>> {
        if self.sub_sequence_number >= self.record_count {
            return None;
        }
        let record = self.next_record(message)?;
        let slots = self.slots.as_ref();
        let keys = &mut self.keys;
        let mut key = |table, index| keys.key(message, slots, table, index);
        let partition_key = key(Table::PartitionKeys, record.partition_key_index)?;
        let explicit_hash_key = match record.explicit_hash_key_index {
            Some(index) => Some(KeyBytes::new(key(Table::ExplicitHashKeys, index)?)),
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

/// The first index outside its table, of which there is one: the number of keys
/// in each table is given, and the place of the first record.
#[cold]
#[inline(never)]
fn bad_index(top: &mut TopFields<'_>, key_counts: (u32, u32)) -> DecodeError {
    let (partition_keys, explicit_hash_keys) = key_counts;
    loop {
        let is_last = top.next_record().is_none();
        let record = &top.record;
        let is_first_index = record.partition_key_index.needed > partition_keys;
        let (index, count) = match is_first_index {
            true => (record.partition_key_index, partition_keys),
            false => (record.explicit_hash_key_index, explicit_hash_keys),
        };
        if index.needed <= count && !is_last {
            continue;
        }
        // Read again, for the number as it stands there. It was good, so there is no fault to lose.
        top.fields.at = index.offset;
        let _ = top.fields.next(1);
        let offset = index.offset.wrapping_add(MAGIC_LEN);
        let (index, count) = (top.fields.number, u64::from(count));
        let kind = match is_first_index {
            true => DecodeErrorKind::PartitionKeyIndex { index, count },
            false => DecodeErrorKind::ExplicitHashKeyIndex { index, count },
        };
        return DecodeError::new(kind, offset);
    }
}

/// Counts of things in memory always fit.
fn to_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
