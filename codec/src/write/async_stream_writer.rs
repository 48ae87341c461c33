//! Writes user records into an asynchronous device, piece by piece, without a buffer.

use core::fmt;

use embedded_io_async::Write;

use crate::error::StreamError;
use crate::limits::Limits;
use crate::record_tag::RecordTags;
use crate::schema::KeyKind;
use crate::write::counts::{ExplicitHashKeyIndex, PartitionKeyIndex};
use crate::write::embedded_io_error::EmbeddedIoError;
use crate::write::stream::{Prefix, Stream, StreamedAggregate, TagParts};

/// Writes like a [`StreamWriter`](crate::StreamWriter), but into an `embedded_io_async::Write`,
/// `W`: for example the TCP socket or UART of an embassy program.
///
/// Both writers are the same state machine: they write the same bytes, return the same errors
/// and need the same memory. This one does not flush the device.
///
/// ```
/// use embedded_io_async::Write as _;
/// use kinesis_agg_codec::{AsyncStreamWriter, RecordTags};
///
/// # async fn run() -> Result<(), Box<dyn core::error::Error>> {
/// # let mut memory = [0; 64];
/// # let mut socket = &mut memory[..];
/// let mut writer = AsyncStreamWriter::new(&mut socket);
/// let key = writer.add_partition_key(b"sensor-7").await?;
/// writer.push(key, None, b"21.5", RecordTags::default()).await?;
/// let streamed = writer.finish().await?;
/// socket.flush().await?;
/// # assert_eq!(streamed.encoded_len(), 20 + 10 + 10);
/// # let parsed = kinesis_agg_codec::parse(&memory[..40]);
/// # assert!(matches!(parsed, Ok(kinesis_agg_codec::Parsed::Aggregated(_))));
/// # Ok(())
/// # }
/// # let run = core::pin::pin!(run());
/// # let mut context = core::task::Context::from_waker(core::task::Waker::noop());
/// # assert!(matches!(run.poll(&mut context), core::task::Poll::Ready(Ok(()))));
/// ```
///
/// # Cancellation
///
/// A future that is dropped before it is complete, by a `select` or a timeout,
/// leaves the device with an unknown part of its bytes. The writer is poisoned
/// then: it rejects every call with [`StreamError::Poisoned`], until
/// [`clear`](Self::clear). So a blob that lacks bytes never gets a digest. A future
/// that is dropped before its first poll has changed nothing.
///
/// To use a timeout without losing the blob, put it inside the device, around its own
/// recovery, or collect user records in an
/// [`AggregateWriter`](crate::AggregateWriter), whose blob can be sent again.
#[derive(Clone)]
pub struct AsyncStreamWriter<W> {
    write: W,
    stream: Stream,
}

impl<W> AsyncStreamWriter<W> {
    /// Creates a writer that writes into `write`, which receives nothing before the first
    /// key. Pass a `&mut` to keep it for a flush.
    pub const fn new(write: W) -> Self {
        let stream = Stream::START;
        Self { write, stream }
    }

    /// Sets the limits, as
    /// [`StreamWriter::with_limits`](crate::StreamWriter::with_limits) does.
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

    /// Returns the length in bytes of the blob if it were finished now. The device has
    /// received everything but the digest.
    #[must_use]
    pub fn encoded_len(&self) -> u32 {
        self.stream.encoded_len()
    }

    /// Returns true if the device has failed or a future was cancelled; see
    /// [`StreamError::Poisoned`].
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.stream.is_poisoned()
    }

    /// Abandons the blob and starts another one. The caller has to discard what the device has
    /// received of it. All key indices become stale.
    pub fn clear(&mut self) {
        self.stream.clear();
    }

    /// Returns the device, to flush it, or to use it between two blobs. Writing to it within a
    /// blob damages the blob.
    pub const fn inner_mut(&mut self) -> &mut W {
        &mut self.write
    }

    /// Returns the device.
    #[must_use]
    pub fn into_inner(self) -> W {
        self.write
    }
}

/// The error of the device or of the call.
type Error<W> = StreamError<EmbeddedIoError<<W as embedded_io_async::ErrorType>::Error>>;

impl<W: Write> AsyncStreamWriter<W> {
    /// Writes a partition key into its table, whether or not it is there
    /// already.
    ///
    /// # Errors
    ///
    /// As [`StreamWriter::add_partition_key`](crate::StreamWriter::add_partition_key).
    pub async fn add_partition_key(&mut self, key: &[u8]) -> Result<PartitionKeyIndex, Error<W>> {
        let mut prefix = Prefix::EMPTY;
        let kind = KeyKind::Partition;
        let index = self.stream.add_key(kind, key, &mut prefix)?;
        self.write(&prefix, key).await?;
        self.stream.written();
        Ok(PartitionKeyIndex(index))
    }

    /// Writes an explicit hash key into its table, whether or not it is there
    /// already.
    ///
    /// # Errors
    ///
    /// As [`StreamWriter::add_explicit_hash_key`](crate::StreamWriter::add_explicit_hash_key).
    pub async fn add_explicit_hash_key(
        &mut self,
        key: &[u8],
    ) -> Result<ExplicitHashKeyIndex, Error<W>> {
        let mut prefix = Prefix::EMPTY;
        let kind = KeyKind::ExplicitHash;
        let index = self.stream.add_key(kind, key, &mut prefix)?;
        self.write(&prefix, key).await?;
        self.stream.written();
        Ok(ExplicitHashKeyIndex(index))
    }

    /// Writes a user record under keys that are in the tables.
    ///
    /// # Errors
    ///
    /// As [`StreamWriter::push`](crate::StreamWriter::push).
    pub async fn push(
        &mut self,
        partition_key: PartitionKeyIndex,
        explicit_hash_key: Option<ExplicitHashKeyIndex>,
        data: &[u8],
        tags: RecordTags<'_>,
    ) -> Result<(), Error<W>> {
        let keys = (partition_key, explicit_hash_key);
        let mut prefix = Prefix::EMPTY;
        self.stream.add_record(keys, data, tags, &mut prefix)?;
        let mut tags = TagParts::new(tags);
        let mut part = Some(data);
        while let Some(bytes) = part {
            self.write(&prefix, bytes).await?;
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
    /// As [`StreamWriter::finish`](crate::StreamWriter::finish).
    pub async fn finish(&mut self) -> Result<StreamedAggregate, Error<W>> {
        let mut prefix = Prefix::EMPTY;
        let streamed = self.stream.finish(&mut prefix)?;
        self.write(&prefix, &[]).await?;
        self.stream.written();
        Ok(streamed)
    }

    async fn write(&mut self, prefix: &Prefix, bytes: &[u8]) -> Result<(), Error<W>> {
        for mut rest in [prefix.bytes(), bytes] {
            // Not `write_all`, which panics if a device writes no bytes.
            while !rest.is_empty() {
                let written = self.write.write(rest).await;
                match written.map_err(|error| StreamError::Sink(EmbeddedIoError::Device(error)))? {
                    0 => return Err(StreamError::Sink(EmbeddedIoError::WriteZero)),
                    written => rest = rest.get(written..).unwrap_or_default(),
                }
            }
        }
        Ok(())
    }
}

/// Prints counts, lengths and limits, not the device.
impl<W> fmt::Debug for AsyncStreamWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncStreamWriter")
            .field("encoded_len", &self.encoded_len())
            .field("record_count", &self.record_count())
            .field("limits", &self.limits())
            .field("is_poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::convert::Infallible;
    use core::future::{Future, poll_fn};
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};

    use embedded_io_async::{ErrorKind, ErrorType};

    use super::*;
    use crate::record_tag::RecordTag;
    use crate::write::stream_writer::StreamWriter;

    /// Each call is pending once, and then writes at most `at_most` bytes. After `capacity`
    /// bytes, calls fail or write nothing.
    struct Device {
        written: Vec<u8>,
        at_most: usize,
        capacity: usize,
        error: Option<ErrorKind>,
    }

    impl Device {
        fn new(at_most: usize, capacity: usize, error: Option<ErrorKind>) -> Self {
            let written = Vec::new();
            Self {
                written,
                at_most,
                capacity,
                error,
            }
        }
    }

    impl ErrorType for Device {
        type Error = ErrorKind;
    }

    impl Write for Device {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
            assert!(!bytes.is_empty());
            let mut is_ready = false;
            poll_fn(|_| match core::mem::replace(&mut is_ready, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            let free = self.capacity - self.written.len();
            let len = bytes.len().min(self.at_most).min(free);
            match self.error {
                Some(error) if len == 0 => Err(error),
                _ => {
                    self.written.extend_from_slice(&bytes[..len]);
                    Ok(len)
                }
            }
        }

        async fn flush(&mut self) -> Result<(), ErrorKind> {
            Ok(())
        }
    }

    /// Polls at most `polls` times, then drops the future.
    fn poll<F: Future>(future: F, polls: usize) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    }

    const TAGS: [RecordTag<'static>; 2] = [
        RecordTag {
            key: crate::KeyBytes::new(b"unit"),
            value: Some(crate::KeyBytes::new(b"C")),
        },
        RecordTag {
            key: crate::KeyBytes::new(b"raw"),
            value: None,
        },
    ];

    /// Writes keys of both kinds, user records with and without tags, and the digest.
    async fn write_all(writer: &mut AsyncStreamWriter<Device>) -> Result<(), Error<Device>> {
        let key = writer.add_partition_key(b"sensor-7").await?;
        let none = RecordTags::default();
        writer.push(key, None, b"21.5", none).await?;
        let number = writer.add_explicit_hash_key(b"7").await?;
        let tags = RecordTags::from(&TAGS[..]);
        writer.push(key, Some(number), b"", tags).await?;
        let streamed = writer.finish().await?;
        assert_eq!(streamed.first_partition_key(), key);
        Ok(())
    }

    /// Returns the same blob, written by a [`StreamWriter`].
    fn expected() -> Vec<u8> {
        let mut blob = Vec::new();
        let mut writer = StreamWriter::new(|bytes: &[u8]| {
            blob.extend_from_slice(bytes);
            Ok::<(), Infallible>(())
        });
        let key = writer.add_partition_key(b"sensor-7").unwrap();
        let pushed = writer.push(key, None, b"21.5", RecordTags::default());
        pushed.unwrap();
        let number = writer.add_explicit_hash_key(b"7").unwrap();
        let tags = RecordTags::from(&TAGS[..]);
        writer.push(key, Some(number), b"", tags).unwrap();
        writer.finish().unwrap();
        blob
    }

    #[test]
    fn async_and_blocking_stream_writers_write_the_same_bytes() {
        let blob = expected();
        for at_most in 1..30 {
            let mut writer = AsyncStreamWriter::new(Device::new(at_most, 1_000, None));
            for aggregates in 1..3 {
                let written = poll(write_all(&mut writer), usize::MAX);
                assert_eq!(written, Some(Ok(())));
                assert_eq!(writer.write.written, blob.repeat(aggregates));
            }
        }
    }

    /// Protects readers from a blob that lacks bytes but has a correct digest.
    #[test]
    fn a_future_dropped_at_any_await_poisons_the_writer() {
        let blob = expected();
        let mut cancelled = 0;
        for polls in 1.. {
            let mut writer = AsyncStreamWriter::new(Device::new(5, 1_000, None));
            if poll(write_all(&mut writer), polls).is_some() {
                break;
            }
            cancelled += 1;
            assert!(writer.is_poisoned(), "after {polls} polls");
            let written = writer.write.written.len();
            assert!(written < blob.len() && blob.starts_with(&writer.write.written));

            let poisoned = StreamError::Poisoned;
            let key = poll(writer.add_partition_key(b"k"), 1);
            assert_eq!(key, Some(Err(poisoned)));
            assert_eq!(
                poll(writer.add_explicit_hash_key(b"7"), 1),
                Some(Err(poisoned))
            );
            assert_eq!(poll(writer.finish(), 1), Some(Err(poisoned)));
            assert_eq!(writer.write.written.len(), written);

            writer.clear();
            assert_eq!(poll(write_all(&mut writer), usize::MAX), Some(Ok(())));
            assert_eq!(writer.write.written[written..], blob);
        }
        assert!(cancelled > blob.len() / 5);
    }

    #[test]
    fn a_future_dropped_before_its_first_poll_changes_nothing() {
        let mut writer = AsyncStreamWriter::new(Device::new(5, 1_000, None));
        assert_eq!(poll(writer.add_partition_key(b"k"), 0), None);
        assert!(!writer.is_poisoned());
        assert_eq!(poll(write_all(&mut writer), usize::MAX), Some(Ok(())));
        assert_eq!(writer.into_inner().written, expected());
    }

    #[test]
    fn a_device_that_fails_or_writes_zero_bytes_poisons_the_writer() {
        let blob_len = expected().len();
        for (error, expected) in [
            (None, EmbeddedIoError::WriteZero),
            (
                Some(ErrorKind::TimedOut),
                EmbeddedIoError::Device(ErrorKind::TimedOut),
            ),
        ] {
            for capacity in 0..blob_len {
                let mut writer = AsyncStreamWriter::new(Device::new(7, capacity, error));
                let written = poll(write_all(&mut writer), usize::MAX);
                assert_eq!(written, Some(Err(StreamError::Sink(expected))));
                assert!(writer.is_poisoned());
            }
        }
    }
}
