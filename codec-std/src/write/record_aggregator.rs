//! Packs user records into one aggregate after the other.

use alloc::sync::Arc;

use bytes::Bytes;
use kinesis_agg_codec::{
    Aggregate, AggregateWriter, Digest, EncodeError, HashKey, Limits, MAGIC, NewUserRecord, Parsed,
    ReadSlot, UnsealedAggregate, limits, parse_without_digest,
};

use crate::digests::{self, digest_of};
use crate::kinesis_record::KinesisRecord;
use crate::write::error::PushError;
use crate::write::key_map::KeyMap;
use crate::write::owned_user_record::{AsUserRecord, OwnedUserRecord};

/// A Kinesis record to put into a stream: an aggregate, or a lone user record.
///
/// `D` holds the data: [`Bytes`], or the memory to which
/// [`RecordAggregator::flush_into`] copied them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "AggRecord")]
pub struct OwnedAggregate<D = Bytes> {
    data: D,
    partition_key: String,
    explicit_hash_key: Option<HashKey>,
    record_count: usize,
}

impl<D> OwnedAggregate<D> {
    fn copied(aggregate: &Aggregate<'_>, copy: impl FnOnce(&[u8]) -> D) -> Self {
        Self {
            data: copy(aggregate.data()),
            partition_key: aggregate.partition_key().into(),
            explicit_hash_key: aggregate.explicit_hash_key(),
            record_count: aggregate.record_count(),
        }
    }

    /// Returns the data of the Kinesis record.
    #[must_use]
    pub const fn data(&self) -> &D {
        &self.data
    }

    /// Returns the partition key of the Kinesis record.
    #[must_use]
    pub fn partition_key(&self) -> &str {
        &self.partition_key
    }

    /// Returns the explicit hash key of the Kinesis record, if there is one.
    #[must_use]
    pub const fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key
    }

    /// Returns the number of user records inside, at least one.
    #[must_use]
    pub const fn record_count(&self) -> usize {
        self.record_count
    }

    /// Returns data, partition key and explicit hash key.
    #[must_use]
    #[doc(alias = "get_contents")]
    pub fn into_parts(self) -> (D, String, Option<HashKey>) {
        (self.data, self.partition_key, self.explicit_hash_key)
    }
}

/// Makes the Kinesis record that a consumer would receive, without a sequence
/// number. For tests.
impl From<OwnedAggregate> for KinesisRecord {
    fn from(aggregate: OwnedAggregate) -> Self {
        Self {
            data: aggregate.data,
            partition_key: Some(aggregate.partition_key),
            explicit_hash_key: aggregate.explicit_hash_key.map(|key| key.to_string()),
            sequence_number: None,
        }
    }
}

impl From<Aggregate<'_>> for OwnedAggregate {
    fn from(aggregate: Aggregate<'_>) -> Self {
        Self::copied(&aggregate, Bytes::copy_from_slice)
    }
}

/// How to choose the keys of the Kinesis record that contains an aggregate. Clones
/// share the memory of a chosen key.
pub type OuterKey = kinesis_agg_codec::OuterKey<Arc<str>>;

/// Makes an empty writer.
fn new_writer() -> Writer {
    AggregateWriter::with_key_lookup(Vec::new(), KeyMap::default()).with_chosen_key(Arc::default())
}

type Writer = AggregateWriter<Vec<u8>, KeyMap, Arc<str>>;

/// How to write an aggregate that would hold a single user record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third form")]
pub enum LoneUserRecord {
    /// As an aggregate with one user record.
    #[default]
    Wrapped,
    /// Raw, under its own partition key (KPL behaviour). A user record is still
    /// written as an aggregate if it has tags, which would be lost, or if its data
    /// starts with [`MAGIC`], so that a consumer would mistake it for an aggregate.
    Raw,
}

/// Packs user records into aggregates, in order, as many as fit in each.
///
/// ```
/// use kinesis_agg::write::{Limits, OwnedUserRecord, RecordAggregator};
///
/// # fn put(_: kinesis_agg::OwnedAggregate) {}
/// let mut aggregator = RecordAggregator::new().with_limits(Limits::new().with_max_count(100)?);
/// for n in 0..250 {
///     let user_record = OwnedUserRecord::new(format!("key-{}", n % 5), format!("data {n}"));
///     if let Some(full) = aggregator.push(user_record)? {
///         put(full);
///     }
/// }
/// if let Some(rest) = aggregator.flush() {
///     put(rest);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Kinesis stores the whole aggregate in one shard, whatever the keys of its user
/// records. On a stream with several shards, use one aggregator for each shard.
///
/// It has no clock. To limit the age of aggregates, use a
/// [`ShardedAggregator`](crate::ShardedAggregator), even for a single shard: its methods
/// take the time as an argument, and each aggregate has a deadline
/// ([`ShardedLimits::with_max_age`](crate::shards::ShardedLimits::with_max_age)).
///
/// The aggregator reuses its buffers: once they have grown, a push does not allocate.
#[derive(Debug)]
#[doc(alias = "KinesisAggregator")]
pub struct RecordAggregator {
    writer: Writer,
    limits: Limits,
    outer_key: OuterKey,
    lone: LoneUserRecord,
    /// Length of the first user record as a raw Kinesis record, if it may be raw.
    first_raw_size: Option<u32>,
    /// A user record that fits only as a raw Kinesis record. If there is one, the
    /// writer is empty.
    too_large_wrapped: Option<OwnedUserRecord>,
    one_key: bool,
    /// The keys of the first user record in the writer, for `one_key`.
    first_keys: (String, Option<HashKey>),
}

impl RecordAggregator {
    /// Makes an aggregator with the default [`Limits`], [`OuterKey`] and
    /// [`LoneUserRecord`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            writer: new_writer().with_outer_key(OuterKey::default()),
            limits: Limits::new(),
            outer_key: OuterKey::default(),
            lone: LoneUserRecord::default(),
            first_raw_size: None,
            too_large_wrapped: None,
            one_key: false,
            first_keys: (String::new(), None),
        }
    }

    /// Sets the size limits of an aggregate. Takes effect with the next push.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.writer = self.writer.with_limits(limits);
        Self { limits, ..self }
    }

    /// Sets the keys of the Kinesis records.
    ///
    /// ```
    /// use kinesis_agg::write::OuterKey;
    /// use kinesis_agg::{OwnedUserRecord, RecordAggregator};
    ///
    /// let fleet = format!("fleet-{}", 3);
    /// let mut aggregator = RecordAggregator::new().with_outer_key(OuterKey::Chosen(fleet.into()));
    /// let user_record = OwnedUserRecord::new("sensor-7", "21.5");
    /// let hash_key = user_record.hash_key();
    /// aggregator.push(user_record)?;
    /// let aggregate = aggregator.flush().unwrap();
    /// assert_eq!(aggregate.partition_key(), "fleet-3");
    /// assert_eq!(aggregate.explicit_hash_key(), Some(hash_key));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_outer_key(mut self, outer_key: OuterKey) -> Self {
        self.writer = self.writer.with_outer_key(outer_key.clone());
        Self { outer_key, ..self }
    }

    /// Sets how to write an aggregate that would hold a single user record.
    #[must_use]
    pub const fn with_lone_user_record(mut self, lone: LoneUserRecord) -> Self {
        self.lone = lone;
        self
    }

    /// Sets whether all user records of an aggregate must have the same partition
    /// key and explicit hash key; false by default. A reshard cannot divide such an
    /// aggregate between two shards. A user record with other keys than the one
    /// before it starts the next aggregate.
    ///
    /// Aggregates are small unless user records with the same keys arrive one after
    /// the other; a [`ShardedAggregator`](crate::ShardedAggregator) makes larger
    /// ones.
    ///
    /// ```
    /// use kinesis_agg::{OwnedUserRecord, RecordAggregator};
    ///
    /// let mut aggregator = RecordAggregator::new().with_one_key(true);
    /// assert!(aggregator.push(OwnedUserRecord::new("a", "1"))?.is_none());
    /// assert!(aggregator.push(OwnedUserRecord::new("a", "2"))?.is_none());
    /// let both = aggregator.push(OwnedUserRecord::new("b", "3"))?.unwrap();
    /// assert_eq!((both.record_count(), both.partition_key()), (2, "a"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn with_one_key(mut self, one_key: bool) -> Self {
        self.one_key = one_key;
        self
    }

    /// Returns the number of user records so far.
    #[must_use]
    pub fn record_count(&self) -> usize {
        match self.too_large_wrapped {
            Some(_) => 1,
            None => self.writer.record_count(),
        }
    }

    /// Returns true if there is no user record to flush.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.record_count() == 0
    }

    /// Returns the length of the data that [`flush`](Self::flush) would return, in bytes;
    /// 0 if it would return nothing. The service also counts the outer partition key.
    #[must_use]
    pub fn encoded_len(&self) -> u32 {
        match (&self.too_large_wrapped, self.writer.record_count()) {
            (Some(lone), _) => len_of(lone.data()),
            (None, 0) => 0,
            (None, 1) => self.first_raw_size.unwrap_or(self.writer.encoded_len()),
            (None, _) => self.writer.encoded_len(),
        }
    }

    /// Returns true if [`push`](Self::push) would accept the user record without
    /// completing an aggregate.
    #[must_use]
    #[doc(alias = "checkIfUserRecordFits")]
    pub fn fits<U: AsUserRecord>(&self, user_record: &U) -> bool {
        let user_record = user_record.as_user_record();
        if !self.takes_alone(&user_record)
            || self.has_other_keys(&user_record)
            || self.too_large_wrapped.is_some()
        {
            return false;
        }
        if self.is_empty() && self.raw_size(&user_record).is_some() {
            return true;
        }
        let max_size = self.limits.max_size();
        self.record_count() < self.limits.max_count()
            && self.writer.size_with(&user_record) <= max_size
            && self.writer.size_alone(&user_record) <= max_size
    }

    /// Adds a user record. If it does not fit, returns the aggregate so far, and the
    /// user record starts the next one.
    ///
    /// # Errors
    ///
    /// [`PushError`] with the user record if no aggregate can hold it:
    /// [`EncodeError::EmptyPartitionKey`], [`EncodeError::PartitionKeyTooLong`]
    /// or [`EncodeError::TooLarge`]. The aggregator is unchanged.
    #[doc(alias = "add_user_record")]
    #[doc(alias = "addUserRecord")]
    pub fn push<U: AsUserRecord>(
        &mut self,
        user_record: U,
    ) -> Result<Option<OwnedAggregate>, PushError<U>> {
        self.push_completing(user_record, Self::flush)
    }

    /// Like [`push`](Self::push), but returns a complete aggregate unfinished, in a
    /// separate aggregator, so that [`flush_all`] can finish several together. This
    /// aggregator continues with the memory of `spare`, whose contents are dropped.
    ///
    /// ```
    /// use kinesis_agg::write::{Limits, OwnedUserRecord, RecordAggregator, flush_all};
    ///
    /// let mut aggregator = RecordAggregator::new().with_limits(Limits::new().with_max_count(2)?);
    /// let mut complete = Vec::new();
    /// for n in 0..9 {
    ///     let user_record = OwnedUserRecord::new("sensor-7", format!("data {n}"));
    ///     complete.extend(aggregator.push_unfinished(user_record, RecordAggregator::new)?);
    /// }
    /// assert_eq!(flush_all(&mut complete).into_iter().flatten().count(), 4);
    /// assert_eq!(aggregator.record_count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn push_unfinished<U: AsUserRecord>(
        &mut self,
        user_record: U,
        spare: impl FnOnce() -> Self,
    ) -> Result<Option<Self>, PushError<U>> {
        self.push_completing(user_record, |aggregator| {
            let mut other = spare()
                .with_limits(aggregator.limits)
                .with_outer_key(aggregator.outer_key.clone())
                .with_lone_user_record(aggregator.lone)
                .with_one_key(aggregator.one_key);
            other.clear();
            match aggregator.too_large_wrapped.take() {
                // This aggregator already holds the user record pushed after it.
                Some(lone) => other.too_large_wrapped = Some(lone),
                None => core::mem::swap(aggregator, &mut other),
            }
            (!other.is_empty()).then_some(other)
        })
    }

    /// Like [`push`](Self::push), but passes a completed aggregate to `on_complete`.
    /// Returns true if there was one.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    #[doc(alias = "on_record_complete")]
    #[doc(alias = "onRecordComplete")]
    pub fn push_with<U: AsUserRecord>(
        &mut self,
        user_record: U,
        on_complete: impl FnOnce(OwnedAggregate),
    ) -> Result<bool, PushError<U>> {
        let completed = self.push(user_record)?;
        Ok(completed.map(on_complete).is_some())
    }

    /// Adds a user record if [`push`](Self::push) would accept it without
    /// completing an aggregate; returns whether it did.
    ///
    /// # Errors
    ///
    /// The reason why no aggregate can hold the user record. An empty aggregator
    /// accepts every other user record.
    pub(crate) fn push_if_fits(
        &mut self,
        user_record: &NewUserRecord<'_>,
    ) -> Result<bool, EncodeError> {
        if self.too_large_wrapped.is_some() || self.has_other_keys(user_record) {
            return Ok(false);
        }
        match self.push_growing(user_record) {
            Ok(()) => Ok(true),
            Err(error) if error.is_full() => Ok(false),
            Err(EncodeError::TooLarge { .. }) if self.raw_size(user_record).is_some() => {
                let is_first = self.is_empty();
                if is_first {
                    self.too_large_wrapped = Some(OwnedUserRecord::from(user_record));
                }
                Ok(is_first)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the capacity of the buffer, in bytes.
    pub(crate) fn capacity(&self) -> u32 {
        self.writer.capacity()
    }

    fn push_completing<U: AsUserRecord, T>(
        &mut self,
        user_record: U,
        complete: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<Option<T>, PushError<U>> {
        match self.push_borrowed(&user_record.as_user_record(), complete) {
            Ok(completed) => Ok(completed),
            Err(reason) => Err(PushError {
                user_record,
                reason,
            }),
        }
    }

    /// Adds a user record. `complete` must remove and return the aggregate so far,
    /// as [`flush`](Self::flush) does.
    fn push_borrowed<T>(
        &mut self,
        user_record: &NewUserRecord<'_>,
        complete: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<Option<T>, EncodeError> {
        if self.has_other_keys(user_record) && self.takes_alone(user_record) {
            let completed = complete(self);
            if self.push_growing(user_record).is_err() {
                self.too_large_wrapped = Some(OwnedUserRecord::from(user_record));
            }
            return Ok(completed);
        }
        match self.push_growing(user_record) {
            // The aggregator held one user record that fits only raw; the writer was
            // empty.
            Ok(()) if self.too_large_wrapped.is_some() => Ok(complete(self)),
            Ok(()) => Ok(None),
            Err(error) if error.is_full() => {
                let completed = complete(self);
                // A user record that was only rejected because the writer was full
                // fits in an empty writer.
                self.push_growing(user_record)?;
                Ok(completed)
            }
            Err(EncodeError::TooLarge { .. }) if self.raw_size(user_record).is_some() => {
                let completed = complete(self);
                self.too_large_wrapped = Some(OwnedUserRecord::from(user_record));
                Ok(completed)
            }
            Err(error) => Err(error),
        }
    }

    #[inline]
    fn push_growing(&mut self, user_record: &NewUserRecord<'_>) -> Result<(), EncodeError> {
        let pushed = self.try_push(user_record);
        if pushed.is_err() && self.make_room(user_record) {
            return self.try_push(user_record);
        }
        pushed
    }

    #[inline]
    fn try_push(&mut self, user_record: &NewUserRecord<'_>) -> Result<(), EncodeError> {
        self.writer.try_push(user_record)?;
        if self.writer.record_count() == 1 {
            self.first_raw_size = self.raw_size(user_record);
            if self.one_key {
                let (partition_key, explicit_hash_key) = &mut self.first_keys;
                partition_key.clear();
                partition_key.push_str(user_record.partition_key());
                *explicit_hash_key = user_record.explicit_hash_key();
            }
        }
        Ok(())
    }

    /// Returns true if the user record may not join those in the writer, because
    /// all must have the same keys.
    fn has_other_keys(&self, user_record: &NewUserRecord<'_>) -> bool {
        let (partition_key, explicit_hash_key) = &self.first_keys;
        self.one_key
            && self.writer.record_count() > 0
            && (partition_key != user_record.partition_key()
                || *explicit_hash_key != user_record.explicit_hash_key())
    }

    /// Returns true if an empty aggregator accepts the user record.
    fn takes_alone(&self, user_record: &NewUserRecord<'_>) -> bool {
        let outer_partition_key = match &self.outer_key {
            OuterKey::Chosen(key) => NewUserRecord::new(key, &[]).check_partition_key(),
            OuterKey::FirstUserRecord | OuterKey::Kpl => Ok(()),
        };
        user_record.check_partition_key().is_ok()
            && outer_partition_key.is_ok()
            && (self.raw_size(user_record).is_some()
                || self.writer.size_alone(user_record) <= self.limits.max_size())
    }

    /// Returns the length of the user record as a raw Kinesis record, if it may be
    /// raw: a consumer must receive it unchanged, and the service must accept it.
    fn raw_size(&self, user_record: &NewUserRecord<'_>) -> Option<u32> {
        let may = self.lone == LoneUserRecord::Raw
            && user_record.tags().is_empty()
            && !user_record.data().starts_with(&MAGIC);
        let data_len = len_of(user_record.data());
        let size = data_len.saturating_add(len_of(user_record.partition_key().as_bytes()));
        (may && size <= self.limits.max_size()).then_some(data_len)
    }

    /// Finishes and returns the aggregate so far, if there are user records.
    #[doc(alias = "clear_and_get")]
    #[doc(alias = "clearAndGet")]
    #[doc(alias = "flushBufferedRecords")]
    pub fn flush(&mut self) -> Option<OwnedAggregate> {
        match self.flush_unsealed()? {
            Flushed::Raw(lone) => Some(lone),
            Flushed::Unsealed(unsealed) => {
                let digest = digest_of(unsealed.message());
                Some(unsealed.seal(digest).into())
            }
        }
    }

    /// Like [`flush`](Self::flush), but `copy` copies the data: into memory that belongs to
    /// another library or is reused, without a second copy.
    ///
    /// ```
    /// use kinesis_agg::{OwnedUserRecord, RecordAggregator};
    ///
    /// let mut request = vec![0; 4];
    /// let mut aggregator = RecordAggregator::new();
    /// aggregator.push(OwnedUserRecord::new("sensor-7", "21.5"))?;
    /// let aggregate = aggregator.flush_into(|data| {
    ///     let start = request.len();
    ///     request.extend_from_slice(data);
    ///     start..request.len()
    /// });
    /// assert_eq!(aggregate.unwrap().data(), &(4..request.len()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush_into<D>(&mut self, copy: impl FnOnce(&[u8]) -> D) -> Option<OwnedAggregate<D>> {
        Some(match self.flush_unsealed()? {
            Flushed::Raw(lone) => OwnedAggregate {
                data: copy(&lone.data),
                partition_key: lone.partition_key,
                explicit_hash_key: lone.explicit_hash_key,
                record_count: lone.record_count,
            },
            Flushed::Unsealed(unsealed) => {
                let digest = digest_of(unsealed.message());
                OwnedAggregate::copied(&unsealed.seal(digest), copy)
            }
        })
    }

    fn flush_unsealed(&mut self) -> Option<Flushed<'_>> {
        if let Some(lone) = self.flush_too_large_wrapped() {
            return Some(Flushed::Raw(lone));
        }
        if self.writer.record_count() == 1 && self.first_raw_size.is_some() {
            let lone = self.take_user_records().pop();
            return lone.map(|lone| Flushed::Raw(self.raw(lone)));
        }
        self.grow(self.writer.roomy_len());
        // Fails only without user records.
        self.writer.finish_unsealed().ok().map(Flushed::Unsealed)
    }

    #[inline]
    fn flush_too_large_wrapped(&mut self) -> Option<OwnedAggregate> {
        // Checking first costs less than taking `None`.
        self.too_large_wrapped.as_ref()?;
        let lone = self.too_large_wrapped.take()?;
        Some(self.raw(lone))
    }

    /// Makes a raw Kinesis record from a user record, with its own keys.
    fn raw(&self, lone: OwnedUserRecord) -> OwnedAggregate {
        let explicit_hash_key = match &self.outer_key {
            OuterKey::FirstUserRecord => lone.explicit_hash_key(),
            OuterKey::Kpl | OuterKey::Chosen(_) => Some(lone.hash_key()),
        };
        let (partition_key, data) = lone.into_key_and_data();
        OwnedAggregate {
            data,
            partition_key,
            explicit_hash_key,
            record_count: 1,
        }
    }

    /// Removes and returns all user records, in order, for example to send them
    /// without aggregation.
    pub fn take_user_records(&mut self) -> Vec<OwnedUserRecord> {
        let too_large_wrapped = self.too_large_wrapped.take();
        self.grow(self.writer.roomy_len());
        let buffered = self.writer.finish_unsealed().ok();
        // The reader below does not check the digest.
        let buffered =
            buffered.map(|unsealed| unsealed.seal(Digest::from([0; limits::DIGEST_LEN])));
        let blob = buffered.map_or_else(Bytes::new, |blob| Bytes::copy_from_slice(blob.data()));
        read_back(&blob).chain(too_large_wrapped).collect()
    }

    /// Drops all user records.
    pub fn clear(&mut self) {
        self.too_large_wrapped = None;
        self.writer.clear();
    }

    /// Grows the buffer for the user record, up to the limit. Returns true if it grew.
    #[cold]
    fn make_room(&mut self, user_record: &NewUserRecord<'_>) -> bool {
        let needed = self.writer.encoded_len_with(user_record);
        self.grow(needed.min(self.limits.max_size()))
    }

    fn grow(&mut self, needed: u32) -> bool {
        let capacity = self.writer.capacity();
        if capacity >= needed {
            return false;
        }
        let len = needed.max(capacity.saturating_mul(2)).max(SMALLEST_BUFFER);
        let buffer = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        let writer = core::mem::replace(&mut self.writer, new_writer());
        self.writer = writer
            .move_to(buffer)
            .unwrap_or_else(|(unmoved, _)| unmoved);
        true
    }
}

/// Returns the user records of a blob that this crate wrote.
pub(crate) fn read_back(blob: &Bytes) -> impl Iterator<Item = OwnedUserRecord> {
    let user_records = match parse_without_digest(blob) {
        Ok(Parsed::Aggregated(aggregated)) => {
            let slots = vec![ReadSlot::default(); aggregated.key_count()];
            Some(aggregated.user_records_in(slots))
        }
        // The reader accepts every aggregate of the writer, so the blob is empty.
        Ok(Parsed::Plain(_)) | Err(_) => None,
    };
    user_records
        .into_iter()
        .flatten()
        .filter_map(|user_record| {
            let data = blob.slice_ref(user_record.data());
            OwnedUserRecord::from_read(&user_record, data).ok()
        })
}

/// The contents of an aggregator.
enum Flushed<'a> {
    Raw(OwnedAggregate),
    Unsealed(UnsealedAggregate<'a>),
}

/// Flushes many aggregators, as [`RecordAggregator::flush`] does, and computes their
/// digests together: several at a time with the feature `simd`. For producers with one
/// aggregator for each shard.
///
/// Returns one entry for each aggregator, in order; `None` if it had no user records.
///
/// ```
/// use kinesis_agg::write::{OwnedUserRecord, RecordAggregator, flush_all};
///
/// let mut shards = [RecordAggregator::new(), RecordAggregator::new()];
/// shards[1].push(OwnedUserRecord::new("sensor-7", "21.5"))?;
/// let [None, Some(aggregate)] = &flush_all(&mut shards)[..] else {
///     unreachable!();
/// };
/// assert_eq!(aggregate.record_count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn flush_all<'a>(
    aggregators: impl IntoIterator<Item = &'a mut RecordAggregator>,
) -> Vec<Option<OwnedAggregate>> {
    let flushed: Vec<_> = aggregators
        .into_iter()
        .map(RecordAggregator::flush_unsealed)
        .collect();
    let messages: Vec<_> = flushed
        .iter()
        .flatten()
        .filter_map(|flushed| match flushed {
            Flushed::Raw(_) => None,
            Flushed::Unsealed(unsealed) => Some(unsealed.message()),
        })
        .collect();
    let mut digests = digests::of(&messages).into_iter();
    let mut seal = |flushed| match flushed {
        Flushed::Raw(lone) => Some(lone),
        Flushed::Unsealed(unsealed) => Some(unsealed.seal(digests.next()?).into()),
    };
    let sealed = flushed
        .into_iter()
        .map(|flushed| flushed.and_then(&mut seal));
    sealed.collect()
}

impl Default for RecordAggregator {
    fn default() -> Self {
        Self::new()
    }
}

/// Length of the first buffer, in bytes.
const SMALLEST_BUFFER: u32 = 4096;

fn len_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
