//! A record to be written.

use crate::limits::FRAME_LEN;
use crate::record_tag::RecordTags;
use crate::schema::{DATA, EXPLICIT_HASH_KEY_INDEX, PARTITION_KEY_INDEX, RECORD};
use crate::wire::head::Head;
use crate::wire::num::{Num as _, to_u32};
use crate::wire::put::{bytes_field_len, delimited_len, number_field_len, put_numbers};
use crate::wire::sink::Output;
use crate::wire::varint::FOR_SIZE;

/// The shape of a record without explicit hash key and tags.
pub(crate) const PLAIN: bool = false;
/// The shape of a record that may have both.
pub(crate) const ANY: bool = true;

/// A record to be written, its keys given by their indices.
///
/// The writer is compiled for records that are [`PLAIN`] and for [`ANY`]: a
/// program whose user records all are plain does not contain the code for the
/// others.
#[derive(Clone, Debug)]
pub(crate) struct NewRecord<'a, const SHAPE: bool> {
    partition_key_index: u32,
    explicit_hash_key_index: Option<u32>,
    data: &'a [u8],
    tags: RecordTags<'a>,
    tags_len: u32,
    /// Bytes without the record's own tag and length. Saturates, at a number
    /// that no memory has.
    body_len: u32,
}

impl<'a, const SHAPE: bool> NewRecord<'a, SHAPE> {
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn new(
        partition_key_index: u32,
        explicit_hash_key_index: Option<u32>,
        data: &'a [u8],
        tags: RecordTags<'a>,
    ) -> Self {
        let tags_len = match SHAPE {
            PLAIN => 0,
            ANY => tags.encoded_len(),
        };
        let indices_len = number_field_len(partition_key_index)
            .plus(explicit_hash_key_index.map_or(0, number_field_len));
        Self {
            partition_key_index,
            explicit_hash_key_index,
            data,
            tags,
            tags_len,
            body_len: indices_len
                .saturating_add(bytes_field_len(data))
                .saturating_add(tags_len),
        }
    }

    /// Bytes of the record with its tag and length. Saturates.
    pub(crate) fn encoded_len(&self) -> u32 {
        delimited_len(self.body_len)
    }

    /// Bytes of a blob that holds this record, keys of these lengths and
    /// nothing else. Saturates.
    pub(crate) fn blob_len_alone(
        &self,
        partition_key_len: u32,
        explicit_hash_key_len: Option<u32>,
    ) -> u32 {
        let index = explicit_hash_key_len.map(|_| 0);
        NewRecord::<SHAPE>::new(0, index, self.data, self.tags)
            .encoded_len()
            .saturating_add(explicit_hash_key_len.map_or(0, delimited_len))
            .saturating_add(delimited_len(partition_key_len))
            .saturating_add(FRAME_LEN)
    }

    /// Appends the record to `out`.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn write(&self, out: &mut impl Output) -> Option<()> {
        match self.usual_head() {
            Some(head) => out.put_head(head)?,
            None => self.write_any_head(out)?,
        }
        out.put(self.data)?;
        if SHAPE == ANY && self.tags_len > 0 {
            for tag in self.tags {
                tag.write(out)?;
            }
        }
        Some(())
    }

    /// What precedes the data, if its numbers are small.
    #[inline(always)]
    fn usual_head(&self) -> Option<Head> {
        if FOR_SIZE {
            return None;
        }
        let mut head = Head::EMPTY
            .with(RECORD, self.body_len)?
            .with(PARTITION_KEY_INDEX, self.partition_key_index)?;
        if let (ANY, Some(index)) = (SHAPE, self.explicit_hash_key_index) {
            head = head.with(EXPLICIT_HASH_KEY_INDEX, index)?;
        }
        head.with(DATA, to_u32(self.data.len()))
    }

    #[cfg_attr(feature = "fast", cold, inline(never))]
    fn write_any_head(&self, out: &mut impl Output) -> Option<()> {
        put_numbers(out, |sink| {
            sink.put_tagged(RECORD, self.body_len)?;
            sink.put_tagged(PARTITION_KEY_INDEX, self.partition_key_index)?;
            if let (ANY, Some(index)) = (SHAPE, self.explicit_hash_key_index) {
                sink.put_tagged(EXPLICIT_HASH_KEY_INDEX, index)?;
            }
            sink.put_tagged(DATA, to_u32(self.data.len()))
        })
    }
}
