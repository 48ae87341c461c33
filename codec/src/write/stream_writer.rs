//! User records into a sink, piece by piece, without a buffer.

use core::fmt;

use crate::digest::RunningDigest;
use crate::error::{EncodeError, EncodedPart, StreamError};
use crate::frame::MAGIC;
use crate::limits::{FRAME_LEN, Limits};
use crate::record_tag::RecordTags;
use crate::schema::KeyKind;
use crate::wire::num::{to_u32, to_usize};
use crate::wire::put::{bytes_field_len, put_bytes_field};
use crate::wire::sink::Output;
use crate::write::counts::{
    Counts, ExplicitHashKeyIndex, PartitionKeyIndex, RecordKeys, StoredKeys, alone_lens, check_size,
};

/// What a [`StreamWriter`] writes into: flash, a UART, a socket.
///
/// Every function and closure of this shape implements it. Implement it for a
/// type of your own where the writer's type has to be named, as in a `static`.
pub trait ByteSink {
    /// Why bytes were not written.
    type Error;

    /// Writes all of `bytes`, right after those of the previous call. `bytes`
    /// is never empty.
    ///
    /// # Errors
    ///
    /// The device's own error. The blob is lost then, and the writer is
    /// poisoned.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl<F, E> ByteSink for F
where
    F: FnMut(&[u8]) -> Result<(), E>,
{
    type Error = E;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), E> {
        self(bytes)
    }
}

/// Writes a blob of any size from constant memory, straight into a sink, `S`.
///
/// ```text
/// magic | key | record | record | key | record | ... | digest
/// ```
///
/// A key is written into its table when it is added, between the records. The
/// digest is computed along the way. The writer keeps no key and no record: it
/// needs 136 bytes besides the sink (152 on 64-bit machines), the running
/// digest included.
///
/// The blob is valid and every reader of the format reads it (the protobuf
/// encoding allows fields in any order), but its bytes are **not in the KPL's
/// order**. For the KPL's bytes, and to have each key stored once without
/// keeping track of it, use an [`AggregateWriter`](crate::AggregateWriter).
///
/// As with a [`SectionWriter`](crate::SectionWriter), the caller knows the
/// keys, and the rules for keys are not checked: any bytes are accepted.
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
/// If the sink fails or panics, what it has received of the blob cannot be
/// completed. The writer then rejects every call with
/// [`StreamError::Poisoned`], until [`clear`](Self::clear).
#[derive(Clone)]
pub struct StreamWriter<S> {
    sink: S,
    /// Counts the bytes of the message, too.
    digest: RunningDigest,
    limits: Limits,
    counts: Counts,
    /// Bytes of the longest partition key, any of which may become the outer one.
    longest_partition_key_len: u32,
    /// Those of the first user record, once there is one.
    first_keys: StoredKeys,
    is_poisoned: bool,
}

impl<S> StreamWriter<S> {
    /// Makes a writer into `sink`, which receives nothing before the first key.
    pub const fn new(sink: S) -> Self {
        Self {
            sink,
            digest: RunningDigest::START,
            limits: Limits::new(),
            counts: Counts::NONE,
            longest_partition_key_len: 0,
            first_keys: StoredKeys::NONE,
            is_poisoned: false,
        }
    }

    /// Sets the limits.
    ///
    /// [`Limits::max_size`] limits the blob plus the longest of its partition
    /// keys, since any of them may become the outer one.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Returns the limits.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns the number of user records so far.
    #[must_use]
    pub fn record_count(&self) -> usize {
        to_usize(self.counts.records())
    }

    /// Returns the bytes of the blob if it were finished now. The sink has
    /// received all of them but the digest.
    #[must_use]
    pub fn encoded_len(&self) -> u32 {
        let message_len = u32::try_from(self.digest.len()).unwrap_or(u32::MAX);
        message_len.saturating_add(FRAME_LEN)
    }

    /// Returns true if the sink has failed; see [`StreamError::Poisoned`].
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    /// Abandons the blob and starts another one. What the sink has received of
    /// it is left to the caller. All key indices become stale.
    pub fn clear(&mut self) {
        self.digest.clear();
        self.start_over();
    }

    fn start_over(&mut self) {
        self.counts.start_over();
        self.longest_partition_key_len = 0;
        self.is_poisoned = false;
    }

    /// Returns the sink.
    #[must_use]
    pub fn into_sink(self) -> S {
        self.sink
    }

    /// Fails unless the blob can grow by `len` bytes and then be put under a
    /// partition key of `outer_key_len` bytes. `alone` is the size of the
    /// Kinesis record that holds `part` and nothing else.
    fn check_room(
        &self,
        part: EncodedPart,
        len: u32,
        outer_key_len: u32,
        alone: impl FnOnce() -> u32,
    ) -> Result<(), EncodeError> {
        let blob_len = self.encoded_len().saturating_add(len);
        let needed = blob_len.saturating_add(outer_key_len);
        check_size(part, needed, self.limits.max_size(), alone)
    }
}

impl<S: ByteSink> StreamWriter<S> {
    /// Writes a partition key into its table, whether or not it is there
    /// already. The best moment is just before the record that first uses it.
    ///
    /// # Errors
    ///
    /// - [`StreamError::Rejected`] with [`EncodeError::Full`] if the limit leaves
    ///   no room for it, with [`EncodeError::TooLarge`] if it never does;
    /// - [`StreamError::Sink`] if the sink failed, [`StreamError::Poisoned`] if
    ///   it did so in an earlier call.
    pub fn add_partition_key(
        &mut self,
        key: &[u8],
    ) -> Result<PartitionKeyIndex, StreamError<S::Error>> {
        let key_len = to_u32(key.len());
        let outer_key_len = key_len.max(self.longest_partition_key_len);
        let size_before_alone = FRAME_LEN.saturating_add(key_len);
        self.add_key(KeyKind::Partition, key, outer_key_len, size_before_alone)?;
        self.longest_partition_key_len = outer_key_len;
        Ok(self.counts.last_partition_key(key))
    }

    /// Writes an explicit hash key into its table, whether or not it is there
    /// already. It has to be plain decimal, which is not checked; see
    /// [`HashKey::to_decimal`](crate::HashKey::to_decimal).
    ///
    /// # Errors
    ///
    /// As [`add_partition_key`](Self::add_partition_key). Also
    /// [`EncodeError::TooLarge`] if there is no room for it besides the only
    /// partition key of an aggregate without user records.
    pub fn add_explicit_hash_key(
        &mut self,
        key: &[u8],
    ) -> Result<ExplicitHashKeyIndex, StreamError<S::Error>> {
        let outer_key_len = self.longest_partition_key_len;
        let size_before_alone = if self.counts.is_one_partition_key() {
            self.encoded_len().saturating_add(outer_key_len)
        } else {
            FRAME_LEN
        };
        self.add_key(KeyKind::ExplicitHash, key, outer_key_len, size_before_alone)?;
        Ok(self.counts.last_explicit_hash_key(key))
    }

    fn add_key(
        &mut self,
        kind: KeyKind,
        key: &[u8],
        outer_key_len: u32,
        size_before_alone: u32,
    ) -> Result<(), StreamError<S::Error>> {
        self.check_sink()?;
        let len = bytes_field_len(key);
        self.check_room(EncodedPart::Key, len, outer_key_len, || {
            size_before_alone.saturating_add(len)
        })?;
        if self.digest.len() == 0 {
            self.write_frame(&MAGIC)?;
        }
        self.write(|out| put_bytes_field(out, kind.tag(), key))?;
        self.counts.add_key(kind);
        Ok(())
    }

    /// Writes a user record under keys that are in the tables.
    ///
    /// # Errors
    ///
    /// - [`StreamError::Rejected`] with [`EncodeError::StaleKeyIndex`] if an index
    ///   belongs to an earlier aggregate, [`EncodeError::UnknownKeyIndex`] if it
    ///   is not in its table, [`EncodeError::Full`] and
    ///   [`EncodeError::CountReached`] if the limits leave no room for the user
    ///   record, [`EncodeError::TooLarge`] if they never do. A key that was added
    ///   for it stays in its table;
    /// - [`StreamError::Sink`] if the sink failed, [`StreamError::Poisoned`] if
    ///   it did so in an earlier call.
    pub fn push(
        &mut self,
        partition_key: PartitionKeyIndex,
        explicit_hash_key: Option<ExplicitHashKeyIndex>,
        data: &[u8],
        tags: RecordTags<'_>,
    ) -> Result<(), StreamError<S::Error>> {
        self.check_sink()?;
        let keys = (partition_key, explicit_hash_key);
        let record = self.counts.record(keys, data, tags)?;
        let (len, outer_key_len) = (record.encoded_len(), self.longest_partition_key_len);
        self.check_room(EncodedPart::UserRecord, len, outer_key_len, || {
            let (partition_key_len, blob_len) = alone_lens(keys, &record);
            blob_len.saturating_add(partition_key_len)
        })?;
        let limit = self.limits.max_count();
        if self.record_count() >= limit {
            return Err(EncodeError::CountReached { limit }.into());
        }
        self.write(|out| record.write(out))?;
        if self.counts.records() == 0 {
            self.first_keys = StoredKeys::new(keys);
        }
        self.counts.add_record();
        Ok(())
    }

    /// Writes the digest, the last bytes of the blob. The writer is empty again
    /// and all key indices are stale.
    ///
    /// # Errors
    ///
    /// - [`StreamError::Rejected`] with [`EncodeError::Empty`] without user
    ///   records. The keys stay;
    /// - [`StreamError::Sink`] if the sink failed, [`StreamError::Poisoned`] if
    ///   it did so in an earlier call.
    pub fn finish(&mut self) -> Result<StreamedAggregate, StreamError<S::Error>> {
        self.check_sink()?;
        if self.counts.records() == 0 {
            return Err(EncodeError::Empty.into());
        }
        let streamed = StreamedAggregate {
            encoded_len: self.encoded_len(),
            record_count: self.record_count(),
            first_keys: self.first_keys.keys(&self.counts),
        };
        let digest = self.digest.finish();
        self.write_frame(&digest.to_bytes())?;
        self.start_over();
        Ok(streamed)
    }

    fn check_sink(&self) -> Result<(), StreamError<S::Error>> {
        if self.is_poisoned {
            return Err(StreamError::Poisoned);
        }
        Ok(())
    }

    /// Writes bytes that are not part of the message.
    fn write_frame(&mut self, bytes: &[u8]) -> Result<(), StreamError<S::Error>> {
        // Until the sink returns: it may panic.
        self.is_poisoned = true;
        self.sink.write_all(bytes).map_err(StreamError::Sink)?;
        self.is_poisoned = false;
        Ok(())
    }

    /// Writes a field of the message.
    fn write(
        &mut self,
        write: impl FnOnce(&mut Digesting<'_, S>) -> Option<()>,
    ) -> Result<(), StreamError<S::Error>> {
        // Until the sink returns: it may panic.
        self.is_poisoned = true;
        let mut out = Digesting {
            sink: &mut self.sink,
            digest: &mut self.digest,
            error: None,
        };
        if write(&mut out).is_none() {
            return Err(out.error.map_or(StreamError::Poisoned, StreamError::Sink));
        }
        self.is_poisoned = false;
        Ok(())
    }
}

/// Passes the bytes of the message on to the sink and to the digest.
struct Digesting<'a, S: ByteSink> {
    sink: &'a mut S,
    digest: &'a mut RunningDigest,
    error: Option<S::Error>,
}

impl<S: ByteSink> Output for Digesting<'_, S> {
    #[inline(never)]
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        if bytes.is_empty() {
            return Some(());
        }
        if let Err(error) = self.sink.write_all(bytes) {
            self.error = Some(error);
            return None;
        }
        self.digest.update(bytes);
        Some(())
    }
}

/// Prints counts, lengths and limits, not the sink.
impl<S> fmt::Debug for StreamWriter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter")
            .field("encoded_len", &self.encoded_len())
            .field("record_count", &self.record_count())
            .field("limits", &self.limits)
            .field("is_poisoned", &self.is_poisoned)
            .finish_non_exhaustive()
    }
}

/// What a [`StreamWriter`] has written, and the keys to put it under.
///
/// The writer does not keep the keys themselves: they are named by the indices
/// that were returned when they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamedAggregate {
    encoded_len: u32,
    record_count: usize,
    first_keys: RecordKeys,
}

impl StreamedAggregate {
    /// Returns the bytes of the blob.
    #[must_use]
    pub const fn encoded_len(&self) -> u32 {
        self.encoded_len
    }

    /// Returns the number of user records, at least one.
    #[must_use]
    pub const fn record_count(&self) -> usize {
        self.record_count
    }

    /// Returns the first user record's partition key: the outer partition key,
    /// see [`OuterKey::FirstUserRecord`](crate::OuterKey::FirstUserRecord).
    #[must_use]
    pub const fn first_partition_key(&self) -> PartitionKeyIndex {
        self.first_keys.0
    }

    /// Returns the first user record's explicit hash key, if it has one: the
    /// outer explicit hash key.
    #[must_use]
    pub const fn first_explicit_hash_key(&self) -> Option<ExplicitHashKeyIndex> {
        self.first_keys.1
    }
}
