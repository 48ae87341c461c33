//! User records under keys that the caller knows, into a buffer.

use crate::error::EncodeError;
use crate::record_tag::RecordTags;
use crate::schema::KeyKind;
use crate::wire::put::bytes_field_len;
use crate::write::aggregate::UnsealedBlob;
use crate::write::new_record::{ANY, NewRecord};
use crate::write::sections::Sections;

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
/// let key = writer.add_partition_key(b"sensor-7")?;
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
    pub fn add_partition_key(&mut self, key: &[u8]) -> Result<PartitionKeyIndex, EncodeError> {
        self.intern(KeyKind::Partition, key).map(PartitionKeyIndex)
    }

    /// Adds an explicit hash key to the table, whether or not it is there
    /// already. Plain decimal is the caller's duty; see [`HashKey::to_decimal`].
    ///
    /// # Errors
    ///
    /// As [`add_partition_key`](Self::add_partition_key).
    pub fn add_explicit_hash_key(
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
