//! User records in, a blob out, piece by piece: no buffer at all.

use core::fmt;

use crate::digest::RunningDigest;
use crate::error::{EncodeError, StreamError};
use crate::frame::MAGIC;
use crate::limits::{FRAME_LEN, Limits};
use crate::record_tag::RecordTags;
use crate::schema::KeyKind;
use crate::wire::put::{Put, bytes_field_len, stream_bytes_field};
use crate::write::new_record::{ANY, NewRecord};
use crate::write::section_writer::{ExplicitHashKeyIndex, PartitionKeyIndex};

/// What a [`StreamWriter`] writes into: flash, a UART, a socket.
///
/// Every function or closure of this shape is one. Implement it for a type of
/// your own where the writer has to be named, as in a `static`.
pub trait ByteSink {
    /// Why bytes were not taken.
    type Error;

    /// Takes all of `bytes`, which go right behind those of the last call.
    ///
    /// # Errors
    ///
    /// Whatever the device says. The blob is then lost.
    fn put(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl<F, E> ByteSink for F
where
    F: FnMut(&[u8]) -> Result<(), E>,
{
    type Error = E;

    fn put(&mut self, bytes: &[u8]) -> Result<(), E> {
        self(bytes)
    }
}

/// Writes a blob of any size from constant memory, straight into a sink.
///
/// ```text
/// magic | key | record | record | key | record | ... | digest
/// ```
///
/// A key goes into its table when it is interned, so between the records; the
/// digest is computed as the bytes go by. Nothing of a key or a record is
/// remembered: the writer has 128 bytes beside the sink (136 on 64-bit machines), the running
/// digest among them.
///
/// The blob is valid, and read by every reader of the format as any other (the
/// protobuf encoding lets fields come in any order). It is **not the KPL's
/// byte order**: for the KPL's bytes, and for each key stored once without
/// keeping account of it, take an [`AggregateWriter`](crate::AggregateWriter).
///
/// As with a [`SectionWriter`](crate::SectionWriter), the caller knows their
/// keys, and the rules for keys are the caller's duty: any bytes are taken.
///
/// ```
/// use kinesis_agg_codec::{RecordTags, StreamError, StreamWriter};
///
/// # let mut flash = Vec::new();
/// let mut writer = StreamWriter::new(|bytes: &[u8]| {
///     flash.extend_from_slice(bytes);
///     Ok::<(), core::convert::Infallible>(())
/// });
/// let key = writer.add_partition_key(b"sensor-7")?;
/// for reading in [20_u8, 21, 22] {
///     writer.push(key, None, &[reading], RecordTags::default())?;
/// }
/// let streamed = writer.finish()?;
/// assert_eq!(streamed.encoded_len(), 20 + 10 + 3 * 7);
/// assert_eq!(streamed.first_partition_key(), key);
/// # assert!(matches!(kinesis_agg_codec::parse(&flash), Ok(kinesis_agg_codec::Parsed::Aggregated(_))));
/// # Ok::<(), StreamError<core::convert::Infallible>>(())
/// ```
///
/// If the sink fails, what it has of the blob cannot be completed. The writer
/// then refuses every further call with [`StreamError::Poisoned`], until
/// [`clear`](Self::clear).
#[derive(Clone)]
pub struct StreamWriter<S> {
    sink: S,
    digest: RunningDigest,
    limits: Limits,
    encoded_len: u32,
    partition_key_count: u32,
    explicit_hash_key_count: u32,
    record_count: u32,
    /// Bytes of the longest partition key: what the blob may be put under.
    longest_partition_key_len: u32,
    first_partition_key: PartitionKeyIndex,
    first_explicit_hash_key: Option<ExplicitHashKeyIndex>,
    is_poisoned: bool,
}

impl<S> StreamWriter<S> {
    /// A writer into `sink`, which gets nothing before the first key.
    pub const fn new(sink: S) -> Self {
        Self {
            sink,
            digest: RunningDigest::START,
            limits: Limits::new(),
            encoded_len: FRAME_LEN,
            partition_key_count: 0,
            explicit_hash_key_count: 0,
            record_count: 0,
            longest_partition_key_len: 0,
            first_partition_key: PartitionKeyIndex(0),
            first_explicit_hash_key: None,
            is_poisoned: false,
        }
    }

    /// Sets the limits.
    ///
    /// [`Limits::max_size`] is that of the blob plus the longest of its
    /// partition keys, whichever of them it will be put under.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// User records so far.
    #[must_use]
    pub const fn record_count(&self) -> u32 {
        self.record_count
    }

    /// Bytes of the blob if it were finished now. Of these, the sink has all
    /// but the digest.
    #[must_use]
    pub const fn encoded_len(&self) -> u32 {
        self.encoded_len
    }

    /// True if the sink has failed; see [`StreamError::Poisoned`].
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    /// Gives up the blob that is being written and starts another one. What
    /// the sink has of it is the caller's to discard.
    pub fn clear(&mut self) {
        self.digest.clear();
        self.start_over();
    }

    fn start_over(&mut self) {
        self.encoded_len = FRAME_LEN;
        self.partition_key_count = 0;
        self.explicit_hash_key_count = 0;
        self.record_count = 0;
        self.longest_partition_key_len = 0;
        self.first_explicit_hash_key = None;
        self.is_poisoned = false;
    }

    /// Gives the sink back.
    #[must_use]
    pub fn into_sink(self) -> S {
        self.sink
    }

    fn key_count(&mut self, kind: KeyKind) -> &mut u32 {
        match kind {
            KeyKind::Partition => &mut self.partition_key_count,
            KeyKind::ExplicitHash => &mut self.explicit_hash_key_count,
        }
    }

    fn check_index(&mut self, kind: KeyKind, index: u32) -> Result<(), EncodeError> {
        let count = *self.key_count(kind);
        if index >= count {
            return Err(EncodeError::UnknownKeyIndex { index, count });
        }
        Ok(())
    }

    /// Fails unless the blob can grow by `len` bytes and then be put under a
    /// partition key of `outer_key_len` bytes.
    fn reserve(&self, len: u32, outer_key_len: u32) -> Result<(), EncodeError> {
        let limit = u64::from(self.limits.max_size());
        let size = |blob_len: u32| {
            u64::from(blob_len)
                .saturating_add(u64::from(len))
                .saturating_add(u64::from(outer_key_len))
        };
        let needed = size(self.encoded_len);
        if needed <= limit {
            return Ok(());
        }
        let alone = size(FRAME_LEN);
        Err(if alone > limit {
            EncodeError::TooLarge {
                needed: alone,
                limit,
            }
        } else {
            EncodeError::Full { needed, limit }
        })
    }
}

impl<S: ByteSink> StreamWriter<S> {
    /// Writes a partition key into its table, whether or not it is there
    /// already; best just before the record that first uses it.
    ///
    /// # Errors
    ///
    /// [`StreamError::Refused`] with [`EncodeError::Full`] if the limit leaves
    /// no room for it, with [`EncodeError::TooLarge`] if it never does.
    /// [`StreamError::Sink`] and [`StreamError::Poisoned`] as everywhere.
    pub fn add_partition_key(
        &mut self,
        key: &[u8],
    ) -> Result<PartitionKeyIndex, StreamError<S::Error>> {
        let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
        let outer_key_len = key_len.max(self.longest_partition_key_len);
        let index = self.intern(KeyKind::Partition, key, outer_key_len)?;
        self.longest_partition_key_len = outer_key_len;
        Ok(PartitionKeyIndex(index))
    }

    /// Writes an explicit hash key into its table, whether or not it is there
    /// already. Plain decimal is the caller's duty; see
    /// [`HashKey::to_decimal`](crate::HashKey::to_decimal).
    ///
    /// # Errors
    ///
    /// As [`add_partition_key`](Self::add_partition_key).
    pub fn add_explicit_hash_key(
        &mut self,
        key: &[u8],
    ) -> Result<ExplicitHashKeyIndex, StreamError<S::Error>> {
        let outer_key_len = self.longest_partition_key_len;
        self.intern(KeyKind::ExplicitHash, key, outer_key_len)
            .map(ExplicitHashKeyIndex)
    }

    fn intern(
        &mut self,
        kind: KeyKind,
        key: &[u8],
        outer_key_len: u32,
    ) -> Result<u32, StreamError<S::Error>> {
        self.check_sink()?;
        let len = bytes_field_len(key);
        self.reserve(len, outer_key_len)?;
        if self.encoded_len == FRAME_LEN {
            self.put(&MAGIC)?;
        }
        self.write(len, &mut |put| stream_bytes_field(put, kind.tag(), key))?;
        let count = self.key_count(kind);
        let index = *count;
        *count = index.saturating_add(1);
        Ok(index)
    }

    /// Writes a user record under keys that are in the tables.
    ///
    /// # Errors
    ///
    /// [`StreamError::Refused`] with [`EncodeError::UnknownKeyIndex`] if an
    /// index is not of this aggregate, with [`EncodeError::Full`] and
    /// [`EncodeError::CountReached`] if the limits leave no room for it, with
    /// [`EncodeError::TooLarge`] if they never do. A key that was interned for
    /// it stays in its table, unused or for other records.
    /// [`StreamError::Sink`] and [`StreamError::Poisoned`] as everywhere.
    pub fn push(
        &mut self,
        partition_key: PartitionKeyIndex,
        explicit_hash_key: Option<ExplicitHashKeyIndex>,
        data: &[u8],
        tags: RecordTags<'_>,
    ) -> Result<(), StreamError<S::Error>> {
        self.check_sink()?;
        self.check_index(KeyKind::Partition, partition_key.0)?;
        if let Some(index) = explicit_hash_key {
            self.check_index(KeyKind::ExplicitHash, index.0)?;
        }
        let explicit_hash_key_index = explicit_hash_key.map(|index| index.0);
        let record = NewRecord::<ANY>::new(partition_key.0, explicit_hash_key_index, data, tags);
        let len = record.encoded_len();
        self.reserve(len, self.longest_partition_key_len)?;
        let limit = self.limits.max_count();
        if self.record_count >= limit {
            return Err(EncodeError::CountReached { limit }.into());
        }
        self.write(len, &mut |put| record.stream(put))?;
        if self.record_count == 0 {
            self.first_partition_key = partition_key;
            self.first_explicit_hash_key = explicit_hash_key;
        }
        self.record_count = self.record_count.saturating_add(1);
        Ok(())
    }

    /// Writes the digest, the last bytes of the blob. The writer is empty
    /// again.
    ///
    /// # Errors
    ///
    /// [`StreamError::Refused`] with [`EncodeError::Empty`] without user
    /// records; keys stay. [`StreamError::Sink`] and [`StreamError::Poisoned`]
    /// as everywhere.
    pub fn finish(&mut self) -> Result<StreamedAggregate, StreamError<S::Error>> {
        self.check_sink()?;
        if self.record_count == 0 {
            return Err(EncodeError::Empty.into());
        }
        let digest = self.digest.finish();
        self.put(&digest.to_bytes())?;
        let streamed = StreamedAggregate {
            encoded_len: self.encoded_len,
            record_count: self.record_count,
            first_partition_key: self.first_partition_key,
            first_explicit_hash_key: self.first_explicit_hash_key,
        };
        self.start_over();
        Ok(streamed)
    }

    fn check_sink(&self) -> Result<(), StreamError<S::Error>> {
        if self.is_poisoned {
            return Err(StreamError::Poisoned);
        }
        Ok(())
    }

    /// Writes what is no part of the message.
    fn put(&mut self, bytes: &[u8]) -> Result<(), StreamError<S::Error>> {
        self.sink.put(bytes).map_err(|error| {
            self.is_poisoned = true;
            StreamError::Sink(error)
        })
    }

    /// Writes a field of the message, `len` bytes of it.
    fn write(
        &mut self,
        len: u32,
        stream: &mut dyn FnMut(&mut Put<'_>) -> Option<()>,
    ) -> Result<(), StreamError<S::Error>> {
        let mut failed = None;
        let written = stream(&mut |bytes| match self.sink.put(bytes) {
            Ok(()) => {
                self.digest.update(bytes);
                Some(())
            }
            Err(error) => {
                failed = Some(error);
                None
            }
        });
        if written.is_some() {
            self.encoded_len = self.encoded_len.saturating_add(len);
            return Ok(());
        }
        self.is_poisoned = true;
        Err(failed.map_or(StreamError::Poisoned, StreamError::Sink))
    }
}

impl<S> fmt::Debug for StreamWriter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter")
            .field("encoded_len", &self.encoded_len)
            .field("record_count", &self.record_count)
            .field("limits", &self.limits)
            .field("is_poisoned", &self.is_poisoned)
            .finish_non_exhaustive()
    }
}

/// What a [`StreamWriter`] has written, and what to put it under.
///
/// The writer has forgotten the keys themselves; it names them by what
/// interning them returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamedAggregate {
    encoded_len: u32,
    record_count: u32,
    first_partition_key: PartitionKeyIndex,
    first_explicit_hash_key: Option<ExplicitHashKeyIndex>,
}

impl StreamedAggregate {
    /// Bytes of the blob.
    #[must_use]
    pub const fn encoded_len(&self) -> u32 {
        self.encoded_len
    }

    /// User records in the aggregate, at least one.
    #[must_use]
    pub const fn record_count(&self) -> u32 {
        self.record_count
    }

    /// The first user record's partition key: the outer partition key, see
    /// [`OuterKey::FirstUserRecord`](crate::OuterKey::FirstUserRecord).
    #[must_use]
    pub const fn first_partition_key(&self) -> PartitionKeyIndex {
        self.first_partition_key
    }

    /// The first user record's explicit hash key, if it has one: the outer
    /// explicit hash key.
    #[must_use]
    pub const fn first_explicit_hash_key(&self) -> Option<ExplicitHashKeyIndex> {
        self.first_explicit_hash_key
    }
}
