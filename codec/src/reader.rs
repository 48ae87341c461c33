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
use crate::message::{KeyIndexField, RecordFields, RecordTags, Table, TableKey, TopField};
use crate::wire::cursor::Cursor;
use crate::wire::fault::{Fault, Faulted};

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
    parse_if(blob, |frame| Digest::of(frame.message()) == frame.digest())
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
    parse_if(blob, |frame| computed == frame.digest())
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
    AggregatedRecord::check(frame.message()).map(Parsed::Aggregated)
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
    fn check(message: &'buf [u8]) -> Result<Self, DecodeError> {
        // Offsets are noted in 32 bits; none lies behind the end.
        if u32::try_from(message.len().saturating_add(MAGIC_LEN)).is_err() {
            return Err(DecodeError::new(DecodeErrorKind::BlobTooLong, 0));
        }
        let mut fault = Fault::room();
        Self::check_structure(message, &mut fault).map_err(|faulted| fault.error(faulted))
    }

    #[inline(always)]
    fn check_structure(message: &'buf [u8], fault: &mut Fault) -> Result<Self, Faulted> {
        let mut checked = Self {
            message,
            partition_keys: KeyTable::default(),
            explicit_hash_keys: KeyTable::default(),
            record_count: 0,
            first_record: MAGIC_LEN,
        };
        let mut cursor = Cursor::new(message, MAGIC_LEN);
        loop {
            // What every known producer writes is read in place, all else out of line.
            while let Some(key) = TableKey::take_usual(&mut cursor) {
                checked.note_key(&key);
            }
            if checked.note_usual_records(&mut cursor) {
                continue;
            }
            // A copy, so that the cursor itself can live in registers.
            let mut any = cursor;
            match TopField::read(&mut any, fault)? {
                Some(TopField::Record(record)) => checked.note_record(&record),
                Some(TopField::Key(key)) => checked.note_key(&key),
                None => break,
            }
            cursor = any;
        }
        if !(checked.partition_keys.has_all_used() && checked.explicit_hash_keys.has_all_used()) {
            checked.check_indices(fault)?;
        }
        Ok(checked)
    }

    #[inline]
    fn note_key(&mut self, key: &TableKey<'_>) {
        let table = match key.table {
            Table::PartitionKeys => &mut self.partition_keys,
            Table::ExplicitHashKeys => &mut self.explicit_hash_keys,
        };
        table.note_key(key.len_offset.saturating_sub(MAGIC_LEN));
    }

    /// Notes the usual records that are next; true if there are any.
    // Not inlined, so that the loop has all registers.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn note_usual_records(&mut self, cursor: &mut Cursor<'_>) -> bool {
        let (mut noted, mut at) = (*self, *cursor);
        while let Some(record) = RecordFields::take_usual(&mut at) {
            noted.note_indices(&record);
        }
        if self.record_count == 0 {
            noted.first_record = cursor.offset();
        }
        let any = noted.record_count > self.record_count;
        (*self, *cursor) = (noted, at);
        any
    }

    fn note_record(&mut self, record: &RecordFields<'_>) {
        if self.record_count == 0 {
            self.first_record = record.offset;
        }
        self.note_indices(record);
    }

    #[inline]
    fn note_indices(&mut self, record: &RecordFields<'_>) {
        self.partition_keys
            .note_index(record.partition_key_index.index);
        if let Some(field) = record.explicit_hash_key_index {
            self.explicit_hash_keys.note_index(field.index);
        }
        // There are fewer records than bytes, and these have 32 bits.
        self.record_count = self.record_count.wrapping_add(1);
    }

    /// Finds the first index outside its table.
    #[cold]
    fn check_indices(self, fault: &mut Fault) -> Result<(), Faulted> {
        let mut cursor = self.cursor_at(self.first_record);
        while let Some(record) = next_record(&mut cursor) {
            let field = record.partition_key_index;
            if field.index >= self.partition_keys.count {
                let index = KeyIndexField::number(&mut self.cursor_at(field.offset));
                let count = u64::from(self.partition_keys.count);
                let kind = DecodeErrorKind::PartitionKeyIndex { index, count };
                return Err(fault.record(kind, field.offset));
            }
            match record.explicit_hash_key_index {
                Some(field) if field.index >= self.explicit_hash_keys.count => {
                    let index = KeyIndexField::number(&mut self.cursor_at(field.offset));
                    let count = u64::from(self.explicit_hash_keys.count);
                    let kind = DecodeErrorKind::ExplicitHashKeyIndex { index, count };
                    return Err(fault.record(kind, field.offset));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A cursor over the message from an absolute offset on.
    fn cursor_at(&self, offset: usize) -> Cursor<'buf> {
        let skipped = offset.saturating_sub(MAGIC_LEN);
        let rest = self.message.get(skipped..).unwrap_or_default();
        Cursor::new(rest, offset)
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
            cursor: Cursor::new(self.message, MAGIC_LEN),
            table,
            left: count,
        }
    }

    /// The user records, in order, with the [`DEFAULT_KEY_SLOTS`] key slots
    /// that the iterator holds itself.
    ///
    /// With more keys than that, [`user_records_in`](Self::user_records_in) is
    /// faster.
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
    pub fn user_records_in<S>(&self, slots: S) -> UserRecords<'buf, S>
    where
        S: AsRef<[KeyOffset]> + AsMut<[KeyOffset]>,
    {
        UserRecords {
            message: self.message,
            walk: UserRecordWalk::new(self, slots),
        }
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
    cursor: Cursor<'buf>,
    table: Table,
    left: u32,
}

impl<'buf> Iterator for Keys<'buf> {
    type Item = KeyBytes<'buf>;

    fn next(&mut self) -> Option<KeyBytes<'buf>> {
        while self.left > 0 {
            let fault = &mut Fault::room();
            match TopField::read(&mut self.cursor, fault).ok().flatten()? {
                TopField::Key(key) if key.table == self.table => {
                    self.left = self.left.wrapping_sub(1);
                    return Some(KeyBytes::new(key.key));
                }
                _ => {}
            }
        }
        None
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
    #[inline]
    fn new(aggregated: &AggregatedRecord<'_>, slots: S) -> Self
    where
        S: AsMut<[KeyOffset]>,
    {
        let keys = KeyTables::new(
            aggregated.partition_keys,
            aggregated.explicit_hash_keys,
            slots.as_ref().len(),
        );
        let mut walk = Self {
            slots,
            keys,
            offset: aggregated.first_record.saturating_sub(MAGIC_LEN),
            record_count: aggregated.record_count,
            sub_sequence_number: 0,
        };
        walk.keys.fill(aggregated.message, walk.slots.as_mut());
        walk
    }

    /// User records that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        to_usize(self.record_count.wrapping_sub(self.sub_sequence_number))
    }

    /// The next user record of `message`, which is the
    /// [`message`](AggregatedRecord::message) that the walk began in. In any
    /// other one it finds nonsense or ends early.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub fn next_in<'buf>(&mut self, message: &'buf [u8]) -> Option<UserRecord<'buf>> {
        if self.sub_sequence_number >= self.record_count {
            return None;
        }
        let mut cursor = Cursor::new(message.get(self.offset..)?, self.offset);
        let record = match RecordFields::take_usual(&mut cursor) {
            Some(record) => record,
            None => {
                // A copy, so that the cursor itself can live in registers.
                let mut any = cursor;
                let record = next_record(&mut any)?;
                cursor = any;
                record
            }
        };
        self.offset = cursor.offset();
        let slots = self.slots.as_ref();
        let index = record.partition_key_index.index;
        let partition_key = self.keys.partition_key(message, slots, index)?;
        let explicit_hash_key = match record.explicit_hash_key_index {
            Some(field) => {
                let key = self.keys.explicit_hash_key(message, slots, field.index)?;
                Some(KeyBytes::new(key))
            }
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
}

/// The next record, whatever lies before it. The message was checked: no fault
/// can come here.
#[cold]
#[inline(never)]
fn next_record<'buf>(cursor: &mut Cursor<'buf>) -> Option<RecordFields<'buf>> {
    loop {
        if let TopField::Record(record) = TopField::read(cursor, &mut Fault::room()).ok()?? {
            return Some(record);
        }
    }
}

/// Counts of things in memory always fit.
fn to_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
