//! Writes user records into a buffer, under keys that the caller knows.

use core::fmt;

use crate::error::{EncodeError, EncodedPart};
use crate::limits::FRAME_LEN;
use crate::record_tag::RecordTags;
use crate::schema::KeyKind;
use crate::wire::num::to_usize;
use crate::wire::put::bytes_field_len;
use crate::write::aggregate::UnsealedBlob;
use crate::write::counts::{
    ExplicitHashKeyIndex, KeyIndex, PartitionKeyIndex, alone_lens, check_size,
};
use crate::write::new_record::{ANY, NewRecord};
use crate::write::new_tags::NewTags;
use crate::write::sections::Sections;

/// The error if a write does not fit. Every length is compared before, so this is a safeguard.
const NO_ROOM: EncodeError = EncodeError::Full {
    needed: u32::MAX,
    limit: u32::MAX,
};

/// Writes keys and user records into a blob without looking for known keys.
///
/// For callers that know their keys: it does not search, and needs no memory but the buffer. It
/// accepts any bytes as a key, so that every valid aggregate can be rewritten unchanged.
///
/// `B` is the buffer, such as `&mut [u8]`, `[u8; N]` or `Vec<u8>`. It may hold
/// anything at the start.
///
/// ```
/// use kinesis_agg_codec::{RecordTags, SectionWriter};
///
/// let mut buffer = [0; 256];
/// let mut writer = SectionWriter::new(&mut buffer);
/// let key = writer.add_partition_key(b"sensor-7")?;
/// for reading in [20_u8, 21, 22] {
///     writer.push(key, None, &[reading], RecordTags::default())?;
/// }
/// let blob = writer.finish()?;
/// assert_eq!(blob.len(), 20 + 10 + 3 * 7);
/// # Ok::<(), kinesis_agg_codec::EncodeError>(())
/// ```
#[derive(Clone)]
pub struct SectionWriter<B> {
    pub(crate) sections: Sections<B>,
}

impl<B> SectionWriter<B> {
    /// Creates a writer that writes into `buffer`, whose length is that of the longest blob.
    pub const fn new(buffer: B) -> Self {
        Self {
            sections: Sections::new(buffer),
        }
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

    /// Drops all keys and user records. Their indices become stale.
    pub fn clear(&mut self) {
        self.sections.clear();
    }

    /// Returns the buffer.
    #[must_use]
    pub fn into_buffer(self) -> B {
        self.sections.into_buffer()
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> SectionWriter<B> {
    /// Adds a partition key to the table, whether or not it is there already.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Full`] if there is no room left for it,
    /// [`EncodeError::TooLarge`] if the buffer is too short for it alone.
    pub fn add_partition_key(&mut self, key: &[u8]) -> Result<PartitionKeyIndex, EncodeError> {
        self.add_key(KeyKind::Partition, key).map(PartitionKeyIndex)
    }

    /// Adds an explicit hash key to the table, whether or not it is there already. It must be
    /// plain decimal, which is not checked; see
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
    ) -> Result<ExplicitHashKeyIndex, EncodeError> {
        self.sections.expect_explicit_hash_keys();
        self.add_key(KeyKind::ExplicitHash, key)
            .map(ExplicitHashKeyIndex)
    }

    fn add_key(&mut self, kind: KeyKind, key: &[u8]) -> Result<KeyIndex, EncodeError> {
        let len = bytes_field_len(key);
        let before = match kind {
            KeyKind::ExplicitHash if self.sections.counts().is_one_partition_key() => {
                self.sections.encoded_len()
            }
            _ => FRAME_LEN,
        };
        self.check_room(EncodedPart::Key, len, || before.saturating_add(len))?;
        self.sections.push_key(kind, key).ok_or(NO_ROOM)
    }

    /// Adds a user record under keys that are in the tables.
    ///
    /// # Errors
    ///
    /// - [`EncodeError::StaleKeyIndex`] if an index belongs to an earlier
    ///   aggregate, [`EncodeError::UnknownKeyIndex`] if it is not in its table;
    /// - [`EncodeError::Full`] if there is no room left;
    /// - [`EncodeError::TooLarge`] if the buffer is too short for the user
    ///   record and its keys alone.
    pub fn push(
        &mut self,
        partition_key: PartitionKeyIndex,
        explicit_hash_key: Option<ExplicitHashKeyIndex>,
        data: &[u8],
        tags: RecordTags<'_>,
    ) -> Result<(), EncodeError> {
        let keys = (partition_key, explicit_hash_key);
        let generation = self.sections.generation();
        let (partition_key, explicit_hash_key) =
            self.sections.counts().check_keys(generation, keys)?;
        let tags = NewTags::new(tags);
        let record = NewRecord::<ANY>::new(partition_key, explicit_hash_key, data, tags);
        self.check_room(EncodedPart::UserRecord, record.encoded_len(), || {
            alone_lens(keys, &record).1
        })?;
        self.sections.push_record(&record).ok_or(NO_ROOM)
    }

    /// Fails unless the blob can grow by `len` bytes. `alone` is the length of the blob that holds
    /// `part` and nothing else.
    fn check_room(
        &self,
        part: EncodedPart,
        len: u32,
        alone: impl FnOnce() -> u32,
    ) -> Result<(), EncodeError> {
        let needed = self.sections.encoded_len().saturating_add(len);
        // Lengths that saturate never fit.
        let limit = self.sections.capacity().min(u32::MAX - 1);
        check_size(part, needed, limit, alone)
    }

    /// Puts the sections in the KPL's order and seals the blob, which is at the
    /// start of the buffer. The writer is empty again and all key indices are
    /// stale.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Empty`] without user records. The keys stay.
    pub fn finish(&mut self) -> Result<&[u8], EncodeError> {
        self.finish_unsealed().map(UnsealedBlob::seal_here)
    }

    /// Does the same as [`finish`](Self::finish), but leaves the digest to the
    /// caller.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Empty`] without user records. The keys stay.
    pub fn finish_unsealed(&mut self) -> Result<UnsealedBlob<'_>, EncodeError> {
        let blob = self.sections.finish()?;
        Ok(UnsealedBlob { blob })
    }
}

/// Prints counts and lengths, not the buffer.
impl<B> fmt::Debug for SectionWriter<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SectionWriter")
            .field("encoded_len", &self.encoded_len())
            .field("record_count", &self.record_count())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::SectionWriter;

    #[test]
    fn debug_output_shows_the_progress_and_omits_the_buffer() {
        let mut writer = SectionWriter::new([0x5a; 64]);
        writer.add_partition_key(b"key").unwrap();
        assert_eq!(
            format!("{writer:?}"),
            "SectionWriter { encoded_len: 25, record_count: 0, .. }"
        );
    }
}
