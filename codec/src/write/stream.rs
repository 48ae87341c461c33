//! The state of a blob that is written piece by piece, without its sink.
//!
//! [`Stream`] checks, counts, digests and returns the bytes. The writers around it,
//! [`StreamWriter`] and `AsyncStreamWriter`, only pass them on:
//!
//! ```text
//! stream.add_key(..)?         rejected; or poisoned, and bytes to write
//! write prefix and key        fails, panics or is cancelled: stays poisoned
//! stream.written()            no longer poisoned
//! ```
//!
//! [`StreamWriter`]: crate::StreamWriter

use crate::digest::RunningDigest;
use crate::error::{EncodeError, EncodedPart, StreamError};
use crate::frame::MAGIC;
use crate::key_bytes::KeyBytes;
use crate::limits::{FRAME_LEN, LARGEST_MAX_SIZE, Limits};
use crate::record_tag::{RecordTags, RecordTagsIter};
use crate::schema::{KeyKind, TAG_VALUE};
use crate::wire::num::{to_u32, to_usize};
use crate::wire::put::bytes_field_len;
use crate::wire::sink::Sink;
use crate::wire::varint;
use crate::write::counts::{
    Counts, ExplicitHashKeyIndex, Generation, KeyIndex, PartitionKeyIndex, RecordKeys, StoredKeys,
    alone_lens, check_size,
};
use crate::write::new_record::{ANY, NewRecord};
use crate::write::new_tags::NewTags;

/// Bytes of the largest number in a blob.
const MAX_NUMBER_LEN: usize = 4;
const _: () = assert!(varint::encoded_len(LARGEST_MAX_SIZE) == 4);

/// The longest prefix: the head of a record, which has four tags of one byte, each with a number.
const MAX_PREFIX_LEN: usize = 4 * (1 + MAX_NUMBER_LEN);

/// The bytes to write before a key or data.
pub(crate) struct Prefix {
    memory: [u8; MAX_PREFIX_LEN],
    len: usize,
}

impl Prefix {
    pub(crate) const EMPTY: Self = Self {
        memory: [0; MAX_PREFIX_LEN],
        len: 0,
    };

    pub(crate) fn bytes(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }

    fn set(&mut self, put: impl FnOnce(&mut Sink<'_>) -> Option<()>) {
        let mut sink = Sink::new(&mut self.memory);
        // Every prefix fits. This is a safeguard: a missing byte would show as a wrong digest.
        let _room = put(&mut sink);
        self.len = sink.len();
    }
}

/// The keys and values of tags, one after the other.
pub(crate) struct TagParts<'a> {
    rest: RecordTagsIter<'a>,
    /// The value of the tag whose key was returned last.
    value: Option<KeyBytes<'a>>,
}

impl<'a> TagParts<'a> {
    pub(crate) const fn new(tags: RecordTags<'a>) -> Self {
        let rest = tags.iter();
        Self { rest, value: None }
    }
}

/// A blob that is being written.
#[derive(Clone)]
pub(crate) struct Stream {
    /// Also counts the bytes of the message.
    digest: RunningDigest,
    limits: Limits,
    counts: Counts,
    /// Bytes of the longest partition key, any of which may become the outer one.
    longest_partition_key_len: u32,
    /// The keys of the first user record, once there is one.
    first_keys: StoredKeys,
    generation: Generation,
    is_poisoned: bool,
}

impl Stream {
    pub(crate) const START: Self = Self {
        digest: RunningDigest::START,
        limits: Limits::new(),
        counts: Counts::NONE,
        longest_partition_key_len: 0,
        first_keys: StoredKeys::NONE,
        generation: Generation::FIRST,
        is_poisoned: false,
    };

    pub(crate) fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn record_count(&self) -> usize {
        to_usize(self.counts.records())
    }

    /// Returns the length of the blob if it were finished now.
    pub(crate) fn encoded_len(&self) -> u32 {
        let message_len = u32::try_from(self.digest.len()).unwrap_or(u32::MAX);
        message_len.saturating_add(FRAME_LEN)
    }

    pub(crate) const fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    /// Abandons the blob and starts another one.
    pub(crate) fn clear(&mut self) {
        self.digest.clear();
        self.start_over();
    }

    fn start_over(&mut self) {
        self.counts = Counts::NONE;
        self.generation = self.generation.next();
        self.longest_partition_key_len = 0;
        self.is_poisoned = false;
    }

    fn check_poison<E>(&self) -> Result<(), StreamError<E>> {
        if self.is_poisoned {
            return Err(StreamError::Poisoned);
        }
        Ok(())
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

    /// Adds a key, to write after `prefix`.
    pub(crate) fn add_key<E>(
        &mut self,
        kind: KeyKind,
        key: &[u8],
        prefix: &mut Prefix,
    ) -> Result<KeyIndex, StreamError<E>> {
        self.check_poison()?;
        let len = bytes_field_len(key);
        let longest = self.longest_partition_key_len;
        let (outer_key_len, size_before_alone) = match kind {
            KeyKind::Partition => {
                let key_len = to_u32(key.len());
                (key_len.max(longest), FRAME_LEN.saturating_add(key_len))
            }
            KeyKind::ExplicitHash if self.counts.is_one_partition_key() => {
                (longest, self.encoded_len().saturating_add(longest))
            }
            KeyKind::ExplicitHash => (longest, FRAME_LEN),
        };
        self.check_room(EncodedPart::Key, len, outer_key_len, || {
            size_before_alone.saturating_add(len)
        })?;
        self.is_poisoned = true;
        self.longest_partition_key_len = outer_key_len;
        let index = self.counts.add_key(kind, key, self.generation);
        // The magic is not part of the message.
        let magic = match self.digest.len() {
            0 => &MAGIC[..],
            _ => &[],
        };
        prefix.set(|sink| {
            sink.put(magic)?;
            sink.put_tagged(kind.tag(), to_u32(key.len()))
        });
        let head = prefix.bytes().get(magic.len()..);
        self.digest.update(head.unwrap_or_default());
        self.digest.update(key);
        Ok(index)
    }

    /// Adds a record. Its data is to be written after `prefix`, then its tags.
    pub(crate) fn add_record<E>(
        &mut self,
        keys: RecordKeys,
        data: &[u8],
        tags: RecordTags<'_>,
        prefix: &mut Prefix,
    ) -> Result<(), StreamError<E>> {
        self.check_poison()?;
        let (partition_key, explicit_hash_key) = self.counts.check_keys(self.generation, keys)?;
        let tags = NewTags::new(tags);
        let record = NewRecord::<ANY>::new(partition_key, explicit_hash_key, data, tags);
        let (len, outer_key_len) = (record.encoded_len(), self.longest_partition_key_len);
        self.check_room(EncodedPart::UserRecord, len, outer_key_len, || {
            let (partition_key_len, blob_len) = alone_lens(keys, &record);
            blob_len.saturating_add(partition_key_len)
        })?;
        let limit = self.limits.max_count();
        if self.record_count() >= limit {
            return Err(EncodeError::CountReached { limit }.into());
        }
        self.is_poisoned = true;
        if self.counts.records() == 0 {
            self.first_keys = StoredKeys::new(keys);
        }
        self.counts.add_record();
        prefix.set(|sink| record.put_head(sink));
        self.digest.update(prefix.bytes());
        self.digest.update(data);
        Ok(())
    }

    /// Adds the next part of `tags` to the record that was added last. Returns the bytes to
    /// write after `prefix`, or `None` after the last part.
    pub(crate) fn add_tag_part<'a>(
        &mut self,
        tags: &mut TagParts<'a>,
        prefix: &mut Prefix,
    ) -> Option<&'a [u8]> {
        let part = match tags.value.take() {
            Some(value) => {
                let bytes = value.as_bytes();
                prefix.set(|sink| sink.put_tagged(TAG_VALUE, to_u32(bytes.len())));
                bytes
            }
            None => {
                let tag = tags.rest.next()?;
                prefix.set(|sink| tag.put_head(sink));
                tags.value = tag.value;
                tag.key.as_bytes()
            }
        };
        self.digest.update(prefix.bytes());
        self.digest.update(part);
        Some(part)
    }

    /// Ends the poisoned state: the sink has received everything.
    pub(crate) fn written(&mut self) {
        self.is_poisoned = false;
    }

    /// Ends the blob with the digest, the only contents of `prefix`.
    pub(crate) fn finish<E>(
        &mut self,
        prefix: &mut Prefix,
    ) -> Result<StreamedAggregate, StreamError<E>> {
        self.check_poison()?;
        if self.counts.records() == 0 {
            return Err(EncodeError::Empty.into());
        }
        let streamed = StreamedAggregate {
            encoded_len: self.encoded_len(),
            record_count: self.record_count(),
            first_keys: self.first_keys.keys(self.generation),
        };
        let digest = self.digest.finish();
        prefix.set(|sink| sink.put(&digest.to_bytes()));
        self.start_over();
        self.is_poisoned = true;
        Ok(streamed)
    }
}

/// What a [`StreamWriter`] has written, and the keys to put it under.
///
/// The writer does not keep the keys themselves, so they are identified by the indices that it
/// returned when they were added.
///
/// [`StreamWriter`]: crate::StreamWriter
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StreamedAggregate {
    encoded_len: u32,
    record_count: usize,
    first_keys: RecordKeys,
}

impl StreamedAggregate {
    /// Returns the length of the blob in bytes.
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
