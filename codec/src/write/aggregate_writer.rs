//! User records into aggregates, each key stored once.

use crate::error::EncodeError;
use crate::hash_key::HashKey;
use crate::limits::{DEFAULT_KEY_SLOTS, Limits};
use crate::schema::KeyKind;
use crate::wire::put::{bytes_field_len, delimited_len};
use crate::wire::varint::FOR_SIZE;
use crate::write::aggregate::{Aggregate, OuterKey, UnsealedAggregate, UnsealedBlob};
use crate::write::key_lookup::{KeyLookup, KeySlots, WriteSlot};
use crate::write::new_record::{ANY, NewRecord, PLAIN};
use crate::write::new_user_record::NewUserRecord;
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
/// key index remembers all keys.
#[derive(Clone, Debug)]
pub struct AggregateWriter<B, I = KeySlots<[WriteSlot; DEFAULT_KEY_SLOTS]>> {
    sections: Sections<B>,
    key_lookup: I,
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
        Self::with_key_lookup(buffer, KeySlots::new([WriteSlot::EMPTY; DEFAULT_KEY_SLOTS]))
    }
}

impl<B, I> AggregateWriter<B, I> {
    /// A writer that remembers keys in `key_lookup`.
    pub const fn with_key_lookup(buffer: B, key_lookup: I) -> Self {
        Self {
            sections: Sections::new(buffer),
            key_lookup,
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
    I: KeyLookup,
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

    #[cfg_attr(feature = "fast", inline(always))]
    fn find_partition_key(&self, key: &[u8]) -> Option<WriteSlot> {
        let shape = WriteSlot::shape(KeyKind::Partition, key);
        self.key_lookup.find(key, |candidate| {
            candidate.has_shape(shape) && self.sections.is_key(candidate.from_end, key)
        })
    }

    /// Finds an explicit hash key by its number: text is made only for new ones.
    fn find_explicit_hash_key(&self, key: HashKey) -> Option<WriteSlot> {
        let number = key.to_u128().to_le_bytes();
        self.key_lookup.find(&number, |candidate| {
            candidate.explicit_hash_key_len().is_some_and(|len| {
                let text = self.sections.stored_key(candidate.from_end, len);
                text.is_some_and(|text| HashKey::of_digits(text, FOR_SIZE) == key)
            })
        })
    }

    #[cfg_attr(feature = "fast", inline(always))]
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
            WriteSlot::index,
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
    #[cfg_attr(feature = "fast", inline(always))]
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
    #[cfg_attr(not(feature = "fast"), inline(never))]
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
        let interned = WriteSlot::new(from_end, index, WriteSlot::shape(kind, key));
        self.key_lookup.insert(sought, interned);
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
        self.key_lookup.clear();
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
        self.key_lookup.clear();
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
        self.key_lookup.clear();
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
                key_lookup: self.key_lookup,
                limits: self.limits,
                outer_key: self.outer_key,
                first_partition_key_len: self.first_partition_key_len,
                first_explicit_hash_key: self.first_explicit_hash_key,
            }),
            Err(buffer) => Err((self, buffer)),
        }
    }
}
