//! User records in, a blob out, in memory that the caller lends.
//!
//! Two tiers: [`SectionWriter`] takes keys and records and remembers nothing
//! of either; [`AggregateWriter`] stores each key once, keeps to the rules for
//! keys and sizes and knows what the Kinesis record is to be put under.

use core::fmt;

use crate::digest::Digest;
use crate::error::EncodeError;
use crate::frame::MESSAGE_START;
use crate::hash_key::HashKey;
use crate::key_bytes::KeyBytes;
use crate::key_index::{InternedKey, KeyIndex, KeySlots};
use crate::limits::{
    DEFAULT_KEY_SLOTS, DIGEST_LEN, FRAME_LEN, Limits, MAGIC_LEN, MAX_PARTITION_KEY_UTF16_LEN,
};
use crate::message::{ANY, KeyKind, NewRecord, PLAIN, RecordTags, bytes_field_len, delimited_len};
use crate::sections::Sections;
use crate::wire::varint::FOR_SIZE;

/// A finished blob whose digest is not yet written: the seam for whoever
/// computes the digests of many blobs at once.
#[derive(Debug)]
#[must_use = "a blob without its digest is not aggregated for any reader"]
pub struct UnsealedBlob<'out> {
    blob: &'out mut [u8],
}

impl<'out> UnsealedBlob<'out> {
    /// What the digest is to be computed over.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        let end = self.blob.len().saturating_sub(DIGEST_LEN);
        self.blob.get(MAGIC_LEN..end).unwrap_or_default()
    }

    /// Writes the digest of [`message`](Self::message) and returns the blob.
    #[must_use]
    pub fn seal(self, digest: Digest) -> &'out [u8] {
        if let Some(place) = self.blob.last_chunk_mut() {
            *place = digest.to_bytes();
        }
        self.blob
    }

    fn seal_here(self) -> &'out [u8] {
        let digest = Digest::of(self.message());
        self.seal(digest)
    }
}

/// The index of a partition key in the table of the aggregate that is being
/// written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartitionKeyIndex(pub(crate) u32);

/// The index of an explicit hash key in the table of the aggregate that is
/// being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExplicitHashKeyIndex(pub(crate) u32);

/// Writes keys and records into their sections, and remembers neither.
///
/// For whoever knows their keys: no search, no memory but the buffer. Takes
/// any bytes as a key, so that every valid aggregate can be written again as
/// it was.
///
/// ```
/// use kinesis_agg_codec::{RecordTags, SectionWriter};
///
/// let mut buffer = [0; 256];
/// let mut writer = SectionWriter::new(&mut buffer);
/// let key = writer.intern_partition_key(b"sensor-7")?;
/// for reading in [20_u8, 21, 22] {
///     writer.push(key, None, &[reading], RecordTags::default())?;
/// }
/// let blob = writer.finish()?;
/// assert_eq!(blob.len(), 20 + 10 + 3 * 7);
/// # Ok::<(), kinesis_agg_codec::EncodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SectionWriter<B> {
    sections: Sections<B>,
}

impl<B> SectionWriter<B> {
    /// A writer into `buffer`, whose length is the longest blob.
    pub const fn new(buffer: B) -> Self {
        Self {
            sections: Sections::new(buffer),
        }
    }

    /// User records so far.
    #[must_use]
    pub fn record_count(&self) -> u32 {
        self.sections.record_count()
    }

    /// Bytes of the blob if it were finished now.
    #[must_use]
    pub fn encoded_len(&self) -> u32 {
        self.sections.encoded_len()
    }

    /// Forgets all keys and user records.
    pub fn clear(&mut self) {
        self.sections.clear();
    }

    /// Gives the buffer back.
    #[must_use]
    pub fn into_buffer(self) -> B {
        self.sections.into_buffer()
    }

    #[cfg(feature = "heapless")]
    pub(crate) fn replace_buffer(&mut self, buffer: B) -> B {
        self.sections.replace_buffer(buffer)
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> SectionWriter<B> {
    /// Adds a partition key to the table, whether or not it is there already.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Full`] if there is no room left for it,
    /// [`EncodeError::TooLarge`] if the buffer is too small for it alone.
    pub fn intern_partition_key(&mut self, key: &[u8]) -> Result<PartitionKeyIndex, EncodeError> {
        self.intern(KeyKind::Partition, key).map(PartitionKeyIndex)
    }

    /// Adds an explicit hash key to the table, whether or not it is there
    /// already. Plain decimal is the caller's duty; see [`HashKey::to_decimal`].
    ///
    /// # Errors
    ///
    /// As [`intern_partition_key`](Self::intern_partition_key).
    pub fn intern_explicit_hash_key(
        &mut self,
        key: &[u8],
    ) -> Result<ExplicitHashKeyIndex, EncodeError> {
        self.sections.expect_explicit_hash_keys();
        self.intern(KeyKind::ExplicitHash, key)
            .map(ExplicitHashKeyIndex)
    }

    fn intern(&mut self, kind: KeyKind, key: &[u8]) -> Result<u32, EncodeError> {
        let len = bytes_field_len(key);
        let room = self.sections.has_room(len).then_some(());
        room.and_then(|()| self.sections.push_key(kind, key))
            .ok_or_else(|| self.sections.refusal(len))
    }

    /// Adds a user record under keys that are in the tables.
    ///
    /// # Errors
    ///
    /// [`EncodeError::UnknownKeyIndex`] if an index is not of this aggregate,
    /// [`EncodeError::Full`] if there is no room left,
    /// [`EncodeError::TooLarge`] if the buffer is too small for the record
    /// alone.
    pub fn push(
        &mut self,
        partition_key: PartitionKeyIndex,
        explicit_hash_key: Option<ExplicitHashKeyIndex>,
        data: &[u8],
        tags: RecordTags<'_>,
    ) -> Result<(), EncodeError> {
        self.check_index(KeyKind::Partition, partition_key.0)?;
        if let Some(index) = explicit_hash_key {
            self.check_index(KeyKind::ExplicitHash, index.0)?;
        }
        let explicit_hash_key = explicit_hash_key.map(|index| index.0);
        let record = NewRecord::<ANY>::new(partition_key.0, explicit_hash_key, data, tags);
        let len = record.encoded_len();
        let room = self.sections.has_room(len).then_some(());
        room.and_then(|()| self.sections.push_record(&record))
            .ok_or_else(|| self.sections.refusal(len))
    }

    fn check_index(&self, kind: KeyKind, index: u32) -> Result<(), EncodeError> {
        let count = self.sections.key_count(kind);
        if index >= count {
            return Err(EncodeError::UnknownKeyIndex { index, count });
        }
        Ok(())
    }

    /// Puts the sections in the KPL's order and seals the blob, which stands at
    /// the start of the buffer. The writer is empty again.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Empty`] without user records; keys stay.
    pub fn finish(&mut self) -> Result<&[u8], EncodeError> {
        self.finish_unsealed().map(UnsealedBlob::seal_here)
    }

    /// [`finish`](Self::finish), but the digest is left to the caller.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn finish_unsealed(&mut self) -> Result<UnsealedBlob<'_>, EncodeError> {
        let blob = self.sections.finish()?;
        Ok(UnsealedBlob { blob })
    }
}

/// A user record to be written.
///
/// ```
/// use kinesis_agg_codec::{HashKey, NewUserRecord, RecordTag};
///
/// let tags = [RecordTag { key: "unit".into(), value: Some("C".into()) }];
/// let user_record = NewUserRecord::new("sensor-7", b"21.5")
///     .with_explicit_hash_key(HashKey::new(7))
///     .with_tags(tags[..].into());
/// ```
#[derive(Clone)]
pub struct NewUserRecord<'a> {
    partition_key: &'a str,
    explicit_hash_key: Option<HashKey>,
    data: &'a [u8],
    tags: RecordTags<'a>,
}

impl<'a> NewUserRecord<'a> {
    /// A user record without explicit hash key and tags.
    ///
    /// The partition key has 1 to [`MAX_PARTITION_KEY_UTF16_LEN`] UTF-16 code
    /// units (the KPL's rule; the service says "characters"), which the writer
    /// checks. Any data will do.
    pub fn new<D: AsRef<[u8]> + ?Sized>(partition_key: &'a str, data: &'a D) -> Self {
        Self {
            partition_key,
            explicit_hash_key: None,
            data: data.as_ref(),
            tags: RecordTags::default(),
        }
    }

    /// Sets the explicit hash key, or none.
    #[must_use]
    pub fn with_explicit_hash_key(self, explicit_hash_key: impl Into<Option<HashKey>>) -> Self {
        Self {
            explicit_hash_key: explicit_hash_key.into(),
            ..self
        }
    }

    /// Sets the tags.
    #[must_use]
    pub fn with_tags(self, tags: RecordTags<'a>) -> Self {
        Self { tags, ..self }
    }

    /// The partition key.
    #[must_use]
    pub const fn partition_key(&self) -> &'a str {
        self.partition_key
    }

    /// The explicit hash key, if there is one.
    #[must_use]
    pub const fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key
    }

    /// The data.
    #[must_use]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The tags, in order.
    #[must_use]
    pub fn tags(&self) -> RecordTags<'a> {
        self.tags.clone()
    }

    /// Where on the ring of shards the user record belongs.
    #[must_use]
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash_key
            .unwrap_or_else(|| HashKey::of_partition_key(self.partition_key.as_bytes()))
    }

    /// True without explicit hash key and tags, as most user records are.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        self.explicit_hash_key.is_none() && self.tags.is_empty()
    }

    /// Bytes of a blob that holds this user record and no other.
    #[must_use]
    pub fn encoded_len_alone(&self) -> u32 {
        let text = self.explicit_hash_key.map(HashKey::to_decimal);
        self.encoded_len_alone_as::<ANY>(text.map(|text| bytes_field_len(text.as_bytes())))
    }

    /// As it is if its explicit hash key takes this many bytes in its table.
    fn encoded_len_alone_as<const SHAPE: bool>(&self, explicit_hash_key_len: Option<u32>) -> u32 {
        let index = explicit_hash_key_len.map(|_| 0);
        NewRecord::<SHAPE>::new(0, index, self.data, self.tags())
            .encoded_len()
            .saturating_add(explicit_hash_key_len.unwrap_or_default())
            .saturating_add(bytes_field_len(self.partition_key.as_bytes()))
            .saturating_add(FRAME_LEN)
    }

    /// Checks the partition key, as every writer does first.
    ///
    /// # Errors
    ///
    /// [`EncodeError::EmptyPartitionKey`] and
    /// [`EncodeError::PartitionKeyTooLong`].
    pub fn check_partition_key(&self) -> Result<(), EncodeError> {
        let key = self.partition_key;
        if key.is_empty() {
            return Err(EncodeError::EmptyPartitionKey);
        }
        let limit = MAX_PARTITION_KEY_UTF16_LEN;
        // No text has more UTF-16 code units than bytes.
        if u32::try_from(key.len()).is_ok_and(|len| len <= limit) {
            return Ok(());
        }
        // A character is one unit, of four bytes two: a byte that starts one tells.
        let utf16_len = key.bytes().fold(0_usize, |len, byte| {
            len.wrapping_add(match byte {
                0x80..0xc0 => 0,
                0xf0.. => 2,
                _ => 1,
            })
        });
        let utf16_len = u64::try_from(utf16_len).unwrap_or(u64::MAX);
        if utf16_len > u64::from(limit) {
            return Err(EncodeError::PartitionKeyTooLong { utf16_len, limit });
        }
        Ok(())
    }
}

impl fmt::Debug for NewUserRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUserRecord")
            // `str`'s own has panics in it, for a text that needs escapes.
            .field("partition_key", &KeyBytes::from(self.partition_key))
            .field("explicit_hash_key", &self.explicit_hash_key)
            .field("data", &self.data)
            .field("tags", &self.tags)
            .finish()
    }
}

/// What the Kinesis record that carries an aggregate is put under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "both conventions there are")]
pub enum OuterKey {
    /// The first user record's partition key, and its explicit hash key if it
    /// has one. What AWS's aggregation modules do.
    #[default]
    FirstUserRecord,
    /// The partition key `a`, and the first user record's hash key as explicit
    /// hash key. What the KPL does.
    Kpl,
}

impl OuterKey {
    /// The partition key of every Kinesis record under [`OuterKey::Kpl`].
    pub const KPL_PARTITION_KEY: &'static str = "a";

    /// UTF-8 bytes that the outer partition key adds to the Kinesis record.
    fn len(self, first_partition_key: &str) -> u32 {
        let key = match self {
            Self::FirstUserRecord => first_partition_key,
            Self::Kpl => Self::KPL_PARTITION_KEY,
        };
        u32::try_from(key.len()).unwrap_or(u32::MAX)
    }
}

/// A finished aggregate: the data of a Kinesis record, and what to put it
/// under.
#[derive(Clone, Copy, Debug)]
pub struct Aggregate<'out> {
    pub(crate) blob: &'out [u8],
    /// Text, which is checked only when somebody asks for it: the check is a large part of a writer
    /// on a small processor.
    pub(crate) partition_key: KeyBytes<'out>,
    pub(crate) explicit_hash_key: Option<HashKey>,
    pub(crate) record_count: u32,
}

impl<'out> Aggregate<'out> {
    fn new(
        blob: &'out [u8],
        outer_key: OuterKey,
        first_explicit_hash_key: Option<HashKey>,
        first_partition_key_len: u32,
        record_count: u32,
    ) -> Self {
        let first = first_partition_key(blob, first_partition_key_len);
        let (partition_key, explicit_hash_key) = match outer_key {
            OuterKey::FirstUserRecord => (first, first_explicit_hash_key),
            OuterKey::Kpl => (
                OuterKey::KPL_PARTITION_KEY.into(),
                first_explicit_hash_key
                    .or_else(|| Some(HashKey::of_partition_key(first.as_bytes()))),
            ),
        };
        Self {
            blob,
            partition_key,
            explicit_hash_key,
            record_count,
        }
    }

    /// The blob.
    #[must_use]
    pub const fn data(&self) -> &'out [u8] {
        self.blob
    }

    /// The outer partition key.
    #[must_use]
    pub const fn partition_key(&self) -> &'out str {
        match self.partition_key.to_str() {
            Ok(text) => text,
            // It was text when it was pushed.
            Err(_) => "",
        }
    }

    /// The outer explicit hash key, if there is to be one.
    #[must_use]
    pub const fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key
    }

    /// User records in the aggregate, at least one.
    #[must_use]
    pub const fn record_count(&self) -> u32 {
        self.record_count
    }
}

/// An aggregate that lacks its digest, see [`UnsealedBlob`].
#[derive(Debug)]
#[must_use = "an aggregate without its digest is none for any reader"]
pub struct UnsealedAggregate<'out> {
    blob: UnsealedBlob<'out>,
    outer_key: OuterKey,
    first_explicit_hash_key: Option<HashKey>,
    first_partition_key_len: u32,
    record_count: u32,
}

impl<'out> UnsealedAggregate<'out> {
    /// What the digest is to be computed over.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.blob.message()
    }

    /// Writes the digest of [`message`](Self::message).
    #[must_use]
    pub fn seal(self, digest: Digest) -> Aggregate<'out> {
        Aggregate::new(
            self.blob.seal(digest),
            self.outer_key,
            self.first_explicit_hash_key,
            self.first_partition_key_len,
            self.record_count,
        )
    }
}

/// The partition key that the table of a finished blob starts with.
pub(crate) fn first_partition_key(blob: &[u8], len: u32) -> KeyBytes<'_> {
    let end = MESSAGE_START.wrapping_add(delimited_len(len));
    let key = usize::try_from(end.wrapping_sub(len))
        .ok()
        .zip(usize::try_from(end).ok())
        .and_then(|(start, end)| blob.get(start..end))
        .unwrap_or_default();
    KeyBytes::new(key)
}

/// Writes user records into an aggregate, each key stored once.
///
/// ```
/// use kinesis_agg_codec::{AggregateWriter, NewUserRecord};
///
/// # fn put(_: &kinesis_agg_codec::Aggregate<'_>) {}
/// # fn next_reading(n: &mut u8) -> Option<[u8; 4]> { *n += 1; (*n < 40).then_some([*n; 4]) }
/// # let mut n = 0;
/// let mut buffer = [0; 256];
/// let mut writer = AggregateWriter::new(&mut buffer);
/// while let Some(reading) = next_reading(&mut n) {
///     let user_record = NewUserRecord::new("sensor-7", &reading);
///     match writer.try_push(&user_record) {
///         Ok(()) => {}
///         Err(error) if error.is_full() => {
///             put(&writer.finish()?);
///             writer.try_push(&user_record)?;
///         }
///         Err(error) => return Err(error),
///     }
/// }
/// put(&writer.finish()?);
/// # Ok::<(), kinesis_agg_codec::EncodeError>(())
/// ```
///
/// The bytes are those of the KPL for the same user records, as long as the
/// key index remembers all keys.
#[derive(Clone, Debug)]
pub struct AggregateWriter<B, I = KeySlots<[InternedKey; DEFAULT_KEY_SLOTS]>> {
    sections: Sections<B>,
    key_index: I,
    limits: Limits,
    outer_key: OuterKey,
    first_partition_key_len: u32,
    first_explicit_hash_key: Option<HashKey>,
}

impl<B> AggregateWriter<B> {
    /// A writer into `buffer` that remembers up to [`DEFAULT_KEY_SLOTS`] keys.
    ///
    /// An aggregate is full when the buffer is, or at the default [`Limits`].
    pub const fn new(buffer: B) -> Self {
        Self::with_key_index(
            buffer,
            KeySlots::new([InternedKey::EMPTY; DEFAULT_KEY_SLOTS]),
        )
    }
}

impl<B, I> AggregateWriter<B, I> {
    /// A writer that remembers keys in `key_index`.
    pub const fn with_key_index(buffer: B, key_index: I) -> Self {
        Self {
            sections: Sections::new(buffer),
            key_index,
            limits: Limits::new(),
            outer_key: OuterKey::FirstUserRecord,
            first_partition_key_len: 0,
            first_explicit_hash_key: None,
        }
    }

    /// Sets the limits.
    ///
    /// They bind from the next push on.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets what aggregates are put under.
    #[must_use]
    pub fn with_outer_key(self, outer_key: OuterKey) -> Self {
        Self { outer_key, ..self }
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// User records so far.
    #[must_use]
    pub fn record_count(&self) -> u32 {
        self.sections.record_count()
    }

    /// Bytes of the blob if it were finished now.
    ///
    /// The service also counts the outer partition key.
    #[must_use]
    pub fn encoded_len(&self) -> u32 {
        self.sections.encoded_len()
    }

    /// Bytes of buffer with which [`finish`](Self::finish) moves each byte
    /// once; with less than that, down to
    /// [`encoded_len`](Self::encoded_len), it moves some more often. Without an
    /// operating system it always does, for less code.
    #[must_use]
    pub fn roomy_len(&self) -> u32 {
        self.sections.roomy_len()
    }

    /// Gives the buffer back. After [`finish`](Self::finish) it starts with
    /// the blob.
    #[must_use]
    pub fn into_buffer(self) -> B {
        self.sections.into_buffer()
    }

    #[cfg(feature = "heapless")]
    pub(crate) fn replace_buffer(&mut self, buffer: B) -> B {
        self.sections.replace_buffer(buffer)
    }

    #[cfg(feature = "heapless")]
    pub(crate) fn outer_key(&self) -> OuterKey {
        self.outer_key
    }
}

/// What a user record would become, and what it would make of the blob.
struct Plan<'a, const SHAPE: bool> {
    record: NewRecord<'a, SHAPE>,
    /// Whether its keys are to be stored first.
    has_new_partition_key: bool,
    has_new_explicit_hash_key: bool,
    /// Bytes that its explicit hash key takes in its table, stored already or not.
    explicit_hash_key_len: Option<u32>,
    encoded_len: u32,
}

impl<B, I> AggregateWriter<B, I>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    I: KeyIndex,
{
    /// Bytes of the blob if `user_record` were pushed and it were finished.
    #[must_use]
    pub fn encoded_len_with(&self, user_record: &NewUserRecord<'_>) -> u32 {
        if user_record.is_plain() {
            self.encoded_len_with_as::<PLAIN>(user_record)
        } else {
            self.encoded_len_with_as::<ANY>(user_record)
        }
    }

    fn encoded_len_with_as<const SHAPE: bool>(&self, user_record: &NewUserRecord<'_>) -> u32 {
        self.plan::<SHAPE>(user_record).encoded_len
    }

    /// Bytes of the Kinesis record if `user_record` were pushed and it were
    /// finished: the blob and the outer partition key. This is what
    /// [`Limits::max_size`] limits.
    #[must_use]
    pub fn size_with(&self, user_record: &NewUserRecord<'_>) -> u32 {
        self.encoded_len_with(user_record)
            .saturating_add(self.outer_key_len(user_record))
    }

    /// Bytes of the Kinesis record that carries `user_record` and no other,
    /// under the outer key of this writer. More than [`Limits::max_size`] is
    /// [`EncodeError::TooLarge`], in any company.
    #[must_use]
    pub fn size_alone(&self, user_record: &NewUserRecord<'_>) -> u32 {
        user_record
            .encoded_len_alone()
            .saturating_add(self.outer_key.len(user_record.partition_key))
    }

    /// Bytes of the longest blob that the buffer can hold.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.sections.capacity()
    }

    /// UTF-8 bytes of the outer partition key if `user_record` is pushed.
    fn outer_key_len(&self, user_record: &NewUserRecord<'_>) -> u32 {
        match (self.outer_key, self.record_count()) {
            (OuterKey::FirstUserRecord, 1..) => self.first_partition_key_len,
            (outer_key, _) => outer_key.len(user_record.partition_key),
        }
    }

    /// True if [`try_push`](Self::try_push) would take `user_record`.
    #[must_use]
    #[inline(always)]
    pub fn fits(&self, user_record: &NewUserRecord<'_>) -> bool {
        if user_record.is_plain() {
            self.fits_as::<PLAIN>(user_record)
        } else {
            self.fits_as::<ANY>(user_record)
        }
    }

    fn fits_as<const SHAPE: bool>(&self, user_record: &NewUserRecord<'_>) -> bool {
        let plan = self.plan::<SHAPE>(user_record);
        self.check(user_record, &plan).is_ok()
    }

    /// Adds a user record, or changes nothing.
    ///
    /// # Errors
    ///
    /// [`EncodeError::EmptyPartitionKey`] and
    /// [`EncodeError::PartitionKeyTooLong`] if nobody would take its partition
    /// key, [`EncodeError::TooLarge`] if it fits no aggregate of this writer;
    /// [`EncodeError::Full`] and [`EncodeError::CountReached`] if it fits the
    /// next one.
    #[inline(always)]
    pub fn try_push(&mut self, user_record: &NewUserRecord<'_>) -> Result<(), EncodeError> {
        // What a user record does not have costs no time, and where none has it, no code.
        if user_record.is_plain() {
            self.push::<PLAIN>(user_record)
        } else {
            self.push::<ANY>(user_record)
        }
    }

    #[inline(never)]
    fn push<const SHAPE: bool>(
        &mut self,
        user_record: &NewUserRecord<'_>,
    ) -> Result<(), EncodeError> {
        let plan = self.plan::<SHAPE>(user_record);
        self.check(user_record, &plan)?;
        // There is room, so the error is a safeguard.
        let refused = EncodeError::Full {
            needed: u64::from(plan.encoded_len),
            limit: u64::from(self.capacity()),
        };
        self.commit(user_record, &plan).ok_or(refused)
    }

    /// Does what was planned and checked.
    fn commit<const SHAPE: bool>(
        &mut self,
        user_record: &NewUserRecord<'_>,
        plan: &Plan<'_, SHAPE>,
    ) -> Option<()> {
        let partition_key = user_record.partition_key.as_bytes();
        if plan.has_new_partition_key {
            self.intern(KeyKind::Partition, partition_key, partition_key)?;
        }
        if SHAPE == ANY && plan.has_new_explicit_hash_key {
            let key = user_record.explicit_hash_key?;
            let number = key.to_u128().to_le_bytes();
            self.sections.expect_explicit_hash_keys();
            self.intern(KeyKind::ExplicitHash, key.to_decimal().as_bytes(), &number)?;
        }
        if self.record_count() == 0 {
            self.first_partition_key_len = u32::try_from(partition_key.len()).ok()?;
            self.first_explicit_hash_key = match SHAPE {
                PLAIN => None,
                ANY => user_record.explicit_hash_key,
            };
        }
        self.sections.push_record(&plan.record)
    }

    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn find_partition_key(&self, key: &[u8]) -> Option<InternedKey> {
        let shape = InternedKey::shape(KeyKind::Partition, key);
        self.key_index.find(key, |candidate| {
            candidate.has_shape(shape) && self.sections.is_key(candidate.from_end, key)
        })
    }

    /// Finds an explicit hash key by its number: text is made only for new ones.
    fn find_explicit_hash_key(&self, key: HashKey) -> Option<InternedKey> {
        let number = key.to_u128().to_le_bytes();
        self.key_index.find(&number, |candidate| {
            candidate.explicit_hash_key_len().is_some_and(|len| {
                let text = self.sections.stored_key(candidate.from_end, len);
                text.is_some_and(|text| HashKey::of_digits(text, FOR_SIZE) == key)
            })
        })
    }

    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn plan<'a, const SHAPE: bool>(&self, user_record: &NewUserRecord<'a>) -> Plan<'a, SHAPE> {
        let mut encoded_len = self.encoded_len();
        let partition_key = user_record.partition_key.as_bytes();
        let known = self.find_partition_key(partition_key);
        let has_new_partition_key = known.is_none();
        let partition_key_index = known.map_or_else(
            || {
                encoded_len = encoded_len.saturating_add(bytes_field_len(partition_key));
                self.sections.key_count(KeyKind::Partition)
            },
            InternedKey::index,
        );
        let mut explicit_hash_key_index = None;
        let mut explicit_hash_key_len = None;
        let mut has_new_explicit_hash_key = false;
        if let (ANY, Some(key)) = (SHAPE, user_record.explicit_hash_key) {
            let known = self.find_explicit_hash_key(key);
            let (index, len) = match known.and_then(|it| it.explicit_hash_key_len().zip(Some(it))) {
                Some((len, known)) => (
                    known.index(),
                    delimited_len(u32::try_from(len).unwrap_or(u32::MAX)),
                ),
                None => {
                    has_new_explicit_hash_key = true;
                    let len = bytes_field_len(key.to_decimal().as_bytes());
                    encoded_len = encoded_len.saturating_add(len);
                    (self.sections.key_count(KeyKind::ExplicitHash), len)
                }
            };
            explicit_hash_key_index = Some(index);
            explicit_hash_key_len = Some(len);
        }
        let record = NewRecord::new(
            partition_key_index,
            explicit_hash_key_index,
            user_record.data,
            user_record.tags(),
        );
        Plan {
            encoded_len: encoded_len.saturating_add(record.encoded_len()),
            record,
            has_new_partition_key,
            has_new_explicit_hash_key,
            explicit_hash_key_len,
        }
    }

    /// Everything that can refuse a user record.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn check<const SHAPE: bool>(
        &self,
        user_record: &NewUserRecord<'_>,
        plan: &Plan<'_, SHAPE>,
    ) -> Result<(), EncodeError> {
        user_record.check_partition_key()?;
        let outer_key_len = self.outer_key_len(user_record);
        let own_outer_key_len = self.outer_key.len(user_record.partition_key);
        let (needed, limit) = self.size(plan.encoded_len, outer_key_len);
        let is_full = needed > limit;
        let max_count = self.limits.max_count();
        let is_complete = self.record_count() >= max_count;
        if !is_full && !is_complete && own_outer_key_len <= outer_key_len && !FOR_SIZE {
            return Ok(());
        }
        // Whoever is taken in company can also go alone, under an outer key of their own.
        let alone = user_record.encoded_len_alone_as::<SHAPE>(plan.explicit_hash_key_len);
        let (needed_alone, limit_alone) = self.size(alone, own_outer_key_len);
        if needed_alone > limit_alone {
            return Err(EncodeError::TooLarge {
                needed: u64::from(needed_alone),
                limit: u64::from(limit_alone),
            });
        }
        if is_full {
            return Err(EncodeError::Full {
                needed: u64::from(needed),
                limit: u64::from(limit),
            });
        }
        if is_complete {
            return Err(EncodeError::CountReached { limit: max_count });
        }
        Ok(())
    }

    /// Bytes needed and allowed: of the blob where the buffer is too small for it,
    /// else of the Kinesis record.
    #[cfg_attr(target_os = "none", inline(never))]
    fn size(&self, encoded_len: u32, outer_key_len: u32) -> (u32, u32) {
        let capacity = self.sections.capacity();
        if encoded_len > capacity {
            return (encoded_len, capacity);
        }
        let size = encoded_len.saturating_add(outer_key_len);
        (size, self.limits.max_size())
    }

    /// Stores a key under the next index of its table, to be found by `sought`.
    fn intern(&mut self, kind: KeyKind, key: &[u8], sought: &[u8]) -> Option<()> {
        let from_end = self.sections.next_key_from_end(key);
        let index = self.sections.push_key(kind, key)?;
        let interned = InternedKey::new(from_end, index, InternedKey::shape(kind, key));
        self.key_index.insert(sought, interned);
        Some(())
    }

    /// Puts the tables and user records in order and seals the blob, which
    /// stands at the start of the buffer. The writer is empty again.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Empty`] without user records.
    pub fn finish(&mut self) -> Result<Aggregate<'_>, EncodeError> {
        let record_count = self.record_count();
        // While the digest is computed, as little as can be is held on the stack.
        let blob = self.sections.finish()?;
        let blob = UnsealedBlob { blob }.seal_here();
        self.key_index.clear();
        Ok(Aggregate::new(
            blob,
            self.outer_key,
            self.first_explicit_hash_key,
            self.first_partition_key_len,
            record_count,
        ))
    }

    /// [`finish`](Self::finish), but the digest is left to the caller.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn finish_unsealed(&mut self) -> Result<UnsealedAggregate<'_>, EncodeError> {
        let record_count = self.record_count();
        let blob = self.sections.finish()?;
        self.key_index.clear();
        Ok(UnsealedAggregate {
            blob: UnsealedBlob { blob },
            outer_key: self.outer_key,
            first_explicit_hash_key: self.first_explicit_hash_key,
            first_partition_key_len: self.first_partition_key_len,
            record_count,
        })
    }

    /// Forgets all user records.
    pub fn clear(&mut self) {
        self.sections.clear();
        self.key_index.clear();
    }

    /// Goes on in another buffer, a larger one as a rule.
    ///
    /// # Errors
    ///
    /// Both back, unchanged, if the new buffer is too small for what there is.
    pub fn move_to<C>(self, buffer: C) -> Result<AggregateWriter<C, I>, (Self, C)>
    where
        C: AsRef<[u8]> + AsMut<[u8]>,
    {
        match self.sections.move_to(buffer) {
            Ok(sections) => Ok(AggregateWriter {
                sections,
                key_index: self.key_index,
                limits: self.limits,
                outer_key: self.outer_key,
                first_partition_key_len: self.first_partition_key_len,
                first_explicit_hash_key: self.first_explicit_hash_key,
            }),
            Err(buffer) => Err((self, buffer)),
        }
    }
}
