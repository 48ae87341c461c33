//! Writes user records into a sink, piece by piece, without a buffer.

use core::fmt;

use crate::error::StreamError;
use crate::limits::Limits;
use crate::record_tag::RecordTags;
use crate::schema::KeyKind;
use crate::write::counts::{ExplicitHashKeyIndex, KeyIndex, PartitionKeyIndex};
use crate::write::stream::{Prefix, Stream, StreamedAggregate, TagParts};

/// What a [`StreamWriter`] writes into: flash, a UART, a socket.
///
/// Every function and closure of this shape implements it. Implement it for your own type if
/// you have to name the type of the writer, as in a `static`.
pub trait ByteSink {
    /// The reason why bytes were not written.
    type Error;

    /// Writes all of `bytes`, right after those of the previous call. `bytes`
    /// is never empty.
    ///
    /// # Errors
    ///
    /// The device's own error. The blob is then lost, and the writer is poisoned.
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
/// A key is written into its table when it is added, between the records. The digest is
/// computed at the same time. The writer keeps no keys and no records: besides the sink, it
/// needs 128 bytes (144 on 64-bit machines), including the running digest.
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
    stream: Stream,
}

impl<S> StreamWriter<S> {
    /// Creates a writer that writes into `sink`, which receives nothing before the first key.
    pub const fn new(sink: S) -> Self {
        let stream = Stream::START;
        Self { sink, stream }
    }

    /// Sets the limits.
    ///
    /// [`Limits::max_size`] limits the blob plus the longest of its partition
    /// keys, since any of them may become the outer one.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        let stream = self.stream.with_limits(limits);
        Self { stream, ..self }
    }

    /// Returns the limits.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.stream.limits()
    }

    /// Returns the number of user records so far.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.stream.record_count()
    }

    /// Returns the length in bytes of the blob if it were finished now. The sink has
    /// received everything but the digest.
    #[must_use]
    pub fn encoded_len(&self) -> u32 {
        self.stream.encoded_len()
    }

    /// Returns true if the sink has failed; see [`StreamError::Poisoned`].
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.stream.is_poisoned()
    }

    /// Abandons the blob and starts another one. The caller has to discard what the sink has
    /// received of it. All key indices become stale.
    pub fn clear(&mut self) {
        self.stream.clear();
    }

    /// Returns the sink, to flush it, or to use it between two blobs. Writing to it within a
    /// blob damages the blob.
    pub const fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Returns the sink.
    #[must_use]
    pub fn into_sink(self) -> S {
        self.sink
    }
}

impl<S: ByteSink> StreamWriter<S> {
    /// Writes a partition key into its table, whether or not it is there
    /// already. The best moment is just before the record that first uses it.
    ///
    /// # Errors
    ///
    /// - [`StreamError::Rejected`] with [`EncodeError::Full`](crate::EncodeError::Full) if the limit leaves
    ///   no room for it, with [`EncodeError::TooLarge`](crate::EncodeError::TooLarge) if it never does;
    /// - [`StreamError::Sink`] if the sink failed, [`StreamError::Poisoned`] if
    ///   it did so in an earlier call.
    pub fn add_partition_key(
        &mut self,
        key: &[u8],
    ) -> Result<PartitionKeyIndex, StreamError<S::Error>> {
        self.add_key(KeyKind::Partition, key).map(PartitionKeyIndex)
    }

    /// Writes an explicit hash key into its table, whether or not it is there already. It must
    /// be plain decimal, which is not checked; see
    /// [`HashKey::to_decimal`](crate::HashKey::to_decimal).
    ///
    /// # Errors
    ///
    /// As [`add_partition_key`](Self::add_partition_key). Also
    /// [`EncodeError::TooLarge`](crate::EncodeError::TooLarge) if there is no room for it besides the only
    /// partition key of an aggregate without user records.
    pub fn add_explicit_hash_key(
        &mut self,
        key: &[u8],
    ) -> Result<ExplicitHashKeyIndex, StreamError<S::Error>> {
        self.add_key(KeyKind::ExplicitHash, key)
            .map(ExplicitHashKeyIndex)
    }

    fn add_key(&mut self, kind: KeyKind, key: &[u8]) -> Result<KeyIndex, StreamError<S::Error>> {
        let mut prefix = Prefix::EMPTY;
        let index = self.stream.add_key(kind, key, &mut prefix)?;
        self.write(&prefix, key)?;
        self.stream.written();
        Ok(index)
    }

    /// Writes a user record under keys that are in the tables.
    ///
    /// # Errors
    ///
    /// - [`StreamError::Rejected`] with [`EncodeError::StaleKeyIndex`](crate::EncodeError::StaleKeyIndex) if an index
    ///   belongs to an earlier aggregate, [`EncodeError::UnknownKeyIndex`](crate::EncodeError::UnknownKeyIndex) if it
    ///   is not in its table, [`EncodeError::Full`](crate::EncodeError::Full) and
    ///   [`EncodeError::CountReached`](crate::EncodeError::CountReached) if the limits leave no room for the user
    ///   record, [`EncodeError::TooLarge`](crate::EncodeError::TooLarge) if they never do. A key that was added
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
        let keys = (partition_key, explicit_hash_key);
        let mut prefix = Prefix::EMPTY;
        self.stream.add_record(keys, data, tags, &mut prefix)?;
        let mut tags = TagParts::new(tags);
        let mut part = Some(data);
        while let Some(bytes) = part {
            self.write(&prefix, bytes)?;
            part = self.stream.add_tag_part(&mut tags, &mut prefix);
        }
        self.stream.written();
        Ok(())
    }

    /// Writes the digest, the last bytes of the blob. The writer is empty again
    /// and all key indices are stale.
    ///
    /// # Errors
    ///
    /// - [`StreamError::Rejected`] with [`EncodeError::Empty`](crate::EncodeError::Empty) without user
    ///   records. The keys stay;
    /// - [`StreamError::Sink`] if the sink failed, [`StreamError::Poisoned`] if
    ///   it did so in an earlier call.
    pub fn finish(&mut self) -> Result<StreamedAggregate, StreamError<S::Error>> {
        let mut prefix = Prefix::EMPTY;
        let streamed = self.stream.finish(&mut prefix)?;
        self.write(&prefix, &[])?;
        self.stream.written();
        Ok(streamed)
    }

    fn write(&mut self, prefix: &Prefix, bytes: &[u8]) -> Result<(), StreamError<S::Error>> {
        for bytes in [prefix.bytes(), bytes] {
            if !bytes.is_empty() {
                self.sink.write_all(bytes).map_err(StreamError::Sink)?;
            }
        }
        Ok(())
    }
}

/// Prints counts, lengths and limits, not the sink.
impl<S> fmt::Debug for StreamWriter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter")
            .field("encoded_len", &self.encoded_len())
            .field("record_count", &self.record_count())
            .field("limits", &self.limits())
            .field("is_poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}
