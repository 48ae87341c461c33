//! Writes user records into aggregates, each key once.

use core::fmt;

use crate::error::{EncodeError, EncodedPart};
use crate::hash_key::HashKey;
use crate::limits::{DEFAULT_KEY_SLOTS, Limits};
use crate::schema::KeyKind;
use crate::wire::num::{to_u32, to_usize};
use crate::wire::put::delimited_len;
use crate::wire::varint::FOR_SIZE;
use crate::write::aggregate::{
    Aggregate, Description, FirstUserRecord, OuterKey, UnsealedAggregate, UnsealedBlob,
};
use crate::write::key_lookup::{KeyLookup, KeySlots, WriteSlot};
use crate::write::new_record::{ANY, NewRecord, PLAIN};
use crate::write::new_user_record::{NewUserRecord, check_partition_key};
use crate::write::sections::Sections;

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
/// key look-up finds every key (see [`KeySlots`]).
///
/// # Type parameters
///
/// - `B`: the buffer, such as `&mut [u8]`, `[u8; N]` or `Vec<u8>`. Its length
///   is that of the longest blob. It may hold anything at the start.
/// - `L`: the [`KeyLookup`], by default [`DEFAULT_KEY_SLOTS`] slots.
/// - `K`: the text of [`OuterKey::Chosen`].
///
/// # Lengths
///
/// | In bytes | now | with a user record pushed | of a user record alone |
/// |---|---|---|---|
/// | blob | [`encoded_len`](Self::encoded_len) | [`encoded_len_with`](Self::encoded_len_with) | [`encoded_len_alone`](Self::encoded_len_alone) |
/// | Kinesis record: blob and outer partition key | [`size`](Self::size) | [`size_with`](Self::size_with) | [`size_alone`](Self::size_alone) |
///
/// The buffer's length limits the first row, [`Limits::max_size`] the second.
#[derive(Clone)]
pub struct AggregateWriter<B, L = KeySlots, K = &'static str> {
    pub(crate) sections: Sections<B>,
    /// Holds anything until the first user record of an aggregate is pushed.
    key_lookup: L,
    limits: Limits,
    outer_key: OuterKey<K>,
    pub(crate) first: FirstUserRecord,
}

impl<B> AggregateWriter<B> {
    /// Creates a writer that writes into `buffer` and remembers up to
    /// [`DEFAULT_KEY_SLOTS`] keys.
    ///
    /// An aggregate is full when the buffer is, or at the default [`Limits`].
    pub const fn new(buffer: B) -> Self {
        Self::with_key_lookup(buffer, KeySlots::new([WriteSlot::EMPTY; DEFAULT_KEY_SLOTS]))
    }
}

impl<B, L> AggregateWriter<B, L> {
    /// Creates a writer that writes into `buffer` and remembers keys in `key_lookup`.
    pub const fn with_key_lookup(buffer: B, key_lookup: L) -> Self {
        Self {
            sections: Sections::new(buffer),
            key_lookup,
            limits: Limits::new(),
            outer_key: OuterKey::FirstUserRecord,
            first: FirstUserRecord::NONE,
        }
    }
}

impl<B, L, K> AggregateWriter<B, L, K> {
    /// Sets the limits.
    ///
    /// They apply from the next push on.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the keys of the Kinesis records.
    ///
    /// For an [`OuterKey::Chosen`] of another type than `K`, call
    /// [`with_chosen_key`](Self::with_chosen_key).
    #[must_use]
    pub fn with_outer_key(self, outer_key: OuterKey<K>) -> Self {
        Self { outer_key, ..self }
    }

    /// Sets [`OuterKey::Chosen`], with a key of any type.
    ///
    /// ```
    /// use kinesis_agg_codec::{AggregateWriter, HashKey, NewUserRecord};
    ///
    /// let mut writer = AggregateWriter::new([0; 64]).with_chosen_key(String::from("fleet-3"));
    /// writer.try_push(&NewUserRecord::new("sensor-7", b"21.5"))?;
    /// let aggregate = writer.finish()?;
    /// assert_eq!(aggregate.partition_key(), "fleet-3");
    /// let hash_key = HashKey::of_partition_key(b"sensor-7");
    /// assert_eq!(aggregate.explicit_hash_key(), Some(hash_key));
    /// # Ok::<(), kinesis_agg_codec::EncodeError>(())
    /// ```
    #[must_use]
    pub fn with_chosen_key<C: AsRef<str>>(self, key: C) -> AggregateWriter<B, L, C> {
        AggregateWriter {
            sections: self.sections,
            key_lookup: self.key_lookup,
            limits: self.limits,
            outer_key: OuterKey::Chosen(key),
            first: self.first,
        }
    }

    /// Returns the limits.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns the keys of the Kinesis records, as set.
    #[must_use]
    pub const fn outer_key(&self) -> &OuterKey<K> {
        &self.outer_key
    }

    /// Returns the number of user records so far.
    #[must_use]
    pub fn record_count(&self) -> usize {
        to_usize(self.sections.counts().records())
    }

    /// Returns the length in bytes of the blob if it were finished now.
    #[must_use]
    pub fn encoded_len(&self) -> u32 {
        self.sections.encoded_len()
    }

    /// Returns the length of a buffer in which [`finish`](Self::finish) moves
    /// each byte once. With a shorter one, down to
    /// [`encoded_len`](Self::encoded_len), it moves some bytes more often;
    /// without the feature `fast` it always does, for less code.
    #[must_use]
    pub fn roomy_len(&self) -> u32 {
        self.sections.roomy_len()
    }

    /// Returns the buffer and the key look-up. After
    /// [`finish`](Self::finish), the buffer starts with the blob.
    #[must_use]
    pub fn into_parts(self) -> (B, L) {
        (self.sections.into_buffer(), self.key_lookup)
    }
}

/// The record for a user record, and the length of the blob with it.
struct Plan<'a, const SHAPE: bool> {
    record: NewRecord<'a, SHAPE>,
    /// True if the key has to be stored first.
    has_new_partition_key: bool,
    has_new_explicit_hash_key: bool,
    /// Bytes of its explicit hash key, stored already or not.
    explicit_hash_key_len: Option<u32>,
    encoded_len: u32,
}

impl<B, L, K> AggregateWriter<B, L, K>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    L: KeyLookup,
    K: AsRef<str>,
{
    /// Returns the length in bytes of the blob if `user_record` were pushed and the
    /// aggregate finished.
    #[must_use]
    pub fn encoded_len_with(&self, user_record: &NewUserRecord<'_>) -> u32 {
        if user_record.is_plain() {
            self.plan::<PLAIN>(user_record).encoded_len
        } else {
            self.plan::<ANY>(user_record).encoded_len
        }
    }

    /// Returns the length in bytes of a blob that holds `user_record` and no other. More
    /// than [`capacity`](Self::capacity) is [`EncodeError::TooLarge`].
    #[must_use]
    pub fn encoded_len_alone(&self, user_record: &NewUserRecord<'_>) -> u32 {
        user_record.encoded_len_alone()
    }

    /// Returns the size in bytes of the Kinesis record if the aggregate were finished
    /// now: the blob and the outer partition key.
    #[must_use]
    pub fn size(&self) -> u32 {
        let outer_key_len = self.outer_key_len(self.first_partition_key_len(""));
        self.encoded_len().saturating_add(outer_key_len)
    }

    /// Returns the size in bytes of the Kinesis record if `user_record` were pushed and
    /// the aggregate finished.
    #[must_use]
    pub fn size_with(&self, user_record: &NewUserRecord<'_>) -> u32 {
        let first_len = self.first_partition_key_len(user_record.partition_key);
        self.encoded_len_with(user_record)
            .saturating_add(self.outer_key_len(first_len))
    }

    /// Returns the size in bytes of the Kinesis record that holds `user_record` and no
    /// other. More than [`Limits::max_size`] is [`EncodeError::TooLarge`], even
    /// if it would fit into the aggregate that is being written.
    #[must_use]
    pub fn size_alone(&self, user_record: &NewUserRecord<'_>) -> u32 {
        let outer_key_len = self.outer_key_len(to_u32(user_record.partition_key.len()));
        user_record
            .encoded_len_alone()
            .saturating_add(outer_key_len)
    }

    /// Returns the length in bytes of the longest blob that the buffer can hold.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.sections.capacity()
    }

    fn is_empty(&self) -> bool {
        self.sections.counts().records() == 0
    }

    /// Returns the length of the first user record's partition key, if `next` is the key of the
    /// next user record.
    fn first_partition_key_len(&self, next: &str) -> u32 {
        if self.is_empty() {
            to_u32(next.len())
        } else {
            self.first.partition_key_len
        }
    }

    /// Returns the length of the outer partition key, given that of the first user record's
    /// key.
    fn outer_key_len(&self, first_partition_key_len: u32) -> u32 {
        let fixed = self.outer_key.fixed();
        fixed.map_or(first_partition_key_len, |key| to_u32(key.len()))
    }

    /// Returns true if [`try_push`](Self::try_push) would accept `user_record`.
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
    /// - [`EncodeError::EmptyPartitionKey`] and
    ///   [`EncodeError::PartitionKeyTooLong`] if the service would reject its
    ///   partition key, or the [`OuterKey::Chosen`] one;
    /// - [`EncodeError::TooLarge`] if it fits no aggregate of this writer;
    /// - [`EncodeError::Full`] and [`EncodeError::CountReached`] if it fits the
    ///   next aggregate, but not this one.
    #[inline(always)]
    pub fn try_push(&mut self, user_record: &NewUserRecord<'_>) -> Result<(), EncodeError> {
        // Decided here, inlined, so that a program that only pushes plain user records does not
        // contain the code for others.
        if user_record.is_plain() {
            self.push::<PLAIN>(user_record)
        } else {
            self.push::<ANY>(user_record)
        }
    }

    // With `fast`, everything that a push calls is inlined into this: 8 % fewer instructions.
    #[inline(never)]
    fn push<const SHAPE: bool>(
        &mut self,
        user_record: &NewUserRecord<'_>,
    ) -> Result<(), EncodeError> {
        let plan = self.plan::<SHAPE>(user_record);
        self.check(user_record, &plan)?;
        // There is room, so the error is a safeguard.
        let full = EncodeError::Full {
            needed: plan.encoded_len,
            limit: self.capacity(),
        };
        self.commit(user_record, &plan).ok_or(full)
    }

    /// Writes a record that was planned and checked.
    fn commit<const SHAPE: bool>(
        &mut self,
        user_record: &NewUserRecord<'_>,
        plan: &Plan<'_, SHAPE>,
    ) -> Option<()> {
        let partition_key = user_record.partition_key.as_bytes();
        if self.is_empty() {
            self.key_lookup.clear();
            let explicit_hash_key = match SHAPE {
                PLAIN => None,
                ANY => user_record.explicit_hash_key,
            };
            self.first = FirstUserRecord::new(to_u32(partition_key.len()), explicit_hash_key);
        }
        if plan.has_new_partition_key {
            self.add_key(KeyKind::Partition, partition_key, partition_key)?;
        }
        if SHAPE == ANY && plan.has_new_explicit_hash_key {
            let key = user_record.explicit_hash_key?;
            let number = key.to_u128().to_le_bytes();
            self.sections.expect_explicit_hash_keys();
            self.add_key(KeyKind::ExplicitHash, key.to_decimal().as_bytes(), &number)?;
        }
        self.sections.push_record(&plan.record)
    }

    /// Stores a key under the next index of its table. It will be found by `looked_up`.
    fn add_key(&mut self, kind: KeyKind, key: &[u8], looked_up: &[u8]) -> Option<()> {
        let from_end = self.sections.next_key_from_end(key);
        let index = self.sections.counts().keys(kind);
        self.sections.push_key(kind, key)?;
        let slot = WriteSlot::new(from_end, index, WriteSlot::shape(kind, key));
        self.key_lookup.insert(looked_up, slot);
        Some(())
    }

    /// Finds a key of this aggregate.
    #[cfg_attr(feature = "fast", inline(always))]
    fn find(&self, key: &[u8], is_match: impl FnMut(WriteSlot) -> bool) -> Option<WriteSlot> {
        if self.is_empty() {
            // The look-up may still hold the keys of another aggregate, or anything.
            return None;
        }
        self.key_lookup.find(key, is_match)
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn find_partition_key(&self, key: &[u8]) -> Option<WriteSlot> {
        let shape = WriteSlot::shape(KeyKind::Partition, key);
        self.find(key, |candidate| {
            candidate.has_shape(shape) && self.sections.is_key(candidate.from_end, key)
        })
    }

    /// Finds an explicit hash key by its number: its text is made only if it is
    /// new.
    fn find_explicit_hash_key(&self, key: HashKey) -> Option<WriteSlot> {
        let number = key.to_u128().to_le_bytes();
        self.find(&number, |candidate| {
            candidate.explicit_hash_key_len().is_some_and(|len| {
                let text = self.sections.stored_key(candidate.from_end, to_usize(len));
                text.is_some_and(|text| HashKey::of_digits(text, FOR_SIZE) == key)
            })
        })
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn plan<'a, const SHAPE: bool>(&self, user_record: &NewUserRecord<'a>) -> Plan<'a, SHAPE> {
        let mut encoded_len = self.encoded_len();
        let mut index_of = |kind, known: Option<WriteSlot>, key_len| match known {
            Some(slot) => slot.index(),
            None => {
                encoded_len = encoded_len.saturating_add(delimited_len(key_len));
                self.sections.counts().keys(kind)
            }
        };
        let partition_key = user_record.partition_key.as_bytes();
        let known = self.find_partition_key(partition_key);
        let has_new_partition_key = known.is_none();
        let partition_key_index = index_of(KeyKind::Partition, known, to_u32(partition_key.len()));
        let mut explicit_hash_key_index = None;
        let mut explicit_hash_key_len = None;
        let mut has_new_explicit_hash_key = false;
        if let (ANY, Some(key)) = (SHAPE, user_record.explicit_hash_key) {
            let known = self.find_explicit_hash_key(key);
            has_new_explicit_hash_key = known.is_none();
            let known_len = known.and_then(WriteSlot::explicit_hash_key_len);
            let len = known_len.unwrap_or_else(|| to_u32(key.to_decimal().as_bytes().len()));
            explicit_hash_key_index = Some(index_of(KeyKind::ExplicitHash, known, len));
            explicit_hash_key_len = Some(len);
        }
        let record = NewRecord::new(
            partition_key_index,
            explicit_hash_key_index,
            user_record.data,
            user_record.tags,
        );
        Plan {
            encoded_len: encoded_len.saturating_add(record.encoded_len()),
            record,
            has_new_partition_key,
            has_new_explicit_hash_key,
            explicit_hash_key_len,
        }
    }

    /// Checks everything for which a user record can be rejected.
    #[cfg_attr(feature = "fast", inline(always))]
    fn check<const SHAPE: bool>(
        &self,
        user_record: &NewUserRecord<'_>,
        plan: &Plan<'_, SHAPE>,
    ) -> Result<(), EncodeError> {
        let own_key = user_record.partition_key;
        let partition_key_len = to_u32(own_key.len());
        let alone = || {
            plan.record
                .blob_len_alone(partition_key_len, plan.explicit_hash_key_len)
        };
        if FOR_SIZE {
            return self.check_known(own_key, plan.encoded_len, alone());
        }
        self.check_lens(own_key, plan.encoded_len, alone)
    }

    /// [`check_lens`](Self::check_lens) as one function for all shapes: saves 0.15 kB on a
    /// Cortex-M3, 0.5 kB with explicit hash keys.
    #[inline(never)]
    fn check_known(&self, own_key: &str, encoded_len: u32, alone: u32) -> Result<(), EncodeError> {
        self.check_lens(own_key, encoded_len, || alone)
    }

    /// Checks a user record with which the blob has `encoded_len` bytes, and
    /// `alone` bytes if it holds nothing else.
    #[inline(always)]
    fn check_lens(
        &self,
        own_key: &str,
        encoded_len: u32,
        alone: impl FnOnce() -> u32,
    ) -> Result<(), EncodeError> {
        check_partition_key(own_key)?;
        let own_len = to_u32(own_key.len());
        let mut outer_len = self.first_partition_key_len(own_key);
        let mut outer_len_alone = own_len;
        if let Some(fixed_key) = self.outer_key.fixed() {
            check_partition_key(fixed_key)?;
            outer_len = to_u32(fixed_key.len());
            outer_len_alone = outer_len;
        }
        let (needed, limit) = self.closest_limit(encoded_len, outer_len);
        let is_full = needed > limit;
        let max_count = self.limits.max_count();
        let is_complete = self.record_count() >= max_count;
        if !is_full && !is_complete && outer_len_alone <= outer_len {
            // It would also fit in an aggregate by itself: that is not longer, and neither is
            // its outer partition key.
            return Ok(());
        }
        // A user record is accepted only if it would also fit in an aggregate by itself, where the
        // outer partition key may be longer.
        let (needed_alone, limit_alone) = self.closest_limit(alone(), outer_len_alone);
        if needed_alone > limit_alone {
            return Err(EncodeError::TooLarge {
                part: EncodedPart::UserRecord,
                needed: needed_alone,
                limit: limit_alone,
            });
        }
        if is_full {
            return Err(EncodeError::Full { needed, limit });
        }
        if is_complete {
            return Err(EncodeError::CountReached { limit: max_count });
        }
        Ok(())
    }

    /// Returns the bytes needed and allowed: of the blob if the buffer is too short for it,
    /// else of the Kinesis record.
    fn closest_limit(&self, encoded_len: u32, outer_key_len: u32) -> (u32, u32) {
        let capacity = self.capacity();
        if encoded_len > capacity {
            return (encoded_len, capacity);
        }
        let size = encoded_len.saturating_add(outer_key_len);
        (size, self.limits.max_size())
    }

    /// Puts the tables and user records in order and seals the blob, which is
    /// at the start of the buffer. The writer is empty again.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Empty`] without user records.
    pub fn finish(&mut self) -> Result<Aggregate<'_>, EncodeError> {
        let record_count = self.sections.counts().records();
        // Not through `finish_unsealed`: the description would be on the stack while the digest is
        // computed, 56 bytes more on a Cortex-M3.
        let blob = self.sections.finish()?;
        let blob = UnsealedBlob { blob }.seal_here();
        Ok(Aggregate {
            blob,
            description: Description::new(blob, &self.outer_key, self.first, record_count),
        })
    }

    /// Does the same as [`finish`](Self::finish), but leaves the digest to the
    /// caller.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Empty`] without user records.
    pub fn finish_unsealed(&mut self) -> Result<UnsealedAggregate<'_>, EncodeError> {
        let record_count = self.sections.counts().records();
        let blob = self.sections.finish()?;
        Ok(UnsealedAggregate {
            description: Description::new(blob, &self.outer_key, self.first, record_count),
            blob: UnsealedBlob { blob },
        })
    }

    /// Drops all user records.
    pub fn clear(&mut self) {
        self.sections.clear();
    }

    /// Moves the aggregate into another buffer, usually a longer one.
    ///
    /// # Errors
    ///
    /// The writer, unchanged, and the buffer, if that is shorter than
    /// [`encoded_len`](Self::encoded_len).
    pub fn move_to<C>(self, buffer: C) -> Result<AggregateWriter<C, L, K>, (Self, C)>
    where
        C: AsRef<[u8]> + AsMut<[u8]>,
    {
        match self.sections.move_to(buffer) {
            Ok(sections) => Ok(AggregateWriter {
                sections,
                key_lookup: self.key_lookup,
                limits: self.limits,
                outer_key: self.outer_key,
                first: self.first,
            }),
            Err(buffer) => Err((self, buffer)),
        }
    }
}

/// Prints counts, lengths and settings, not the buffer.
impl<B, L, K> fmt::Debug for AggregateWriter<B, L, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateWriter")
            .field("encoded_len", &self.encoded_len())
            .field("record_count", &self.record_count())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::AggregateWriter;
    use crate::limits::Limits;
    use crate::write::new_user_record::NewUserRecord;

    #[test]
    fn debug_output_shows_progress_and_limits_and_omits_the_buffer() {
        let limits = Limits::new().with_max_count(9).unwrap();
        let mut writer = AggregateWriter::new([0x5a; 64]).with_limits(limits);
        writer.try_push(&NewUserRecord::new("k", b"21.5")).unwrap();
        assert_eq!(
            format!("{writer:?}"),
            "AggregateWriter { encoded_len: 33, record_count: 1, \
             limits: Limits { max_size: 1048576, max_count: 9 }, .. }"
        );
    }

    #[test]
    fn a_writer_without_a_buffer_moves_to_one() {
        let mut writer = AggregateWriter::new([]).move_to([0x5a; 64]).unwrap();
        writer.try_push(&NewUserRecord::new("k", b"21.5")).unwrap();
    }
}
