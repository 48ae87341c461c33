//! A record to be written.

use crate::limits::FRAME_LEN;
use crate::schema::{DATA, EXPLICIT_HASH_KEY_INDEX, PARTITION_KEY_INDEX, RECORD};
use crate::wire::head::Head;
use crate::wire::num::{Num as _, to_u32};
use crate::wire::put::{bytes_field_len, delimited_len, number_field_len};
use crate::wire::sink::Sink;
use crate::wire::varint::FOR_SIZE;
use crate::write::new_tags::NewTags;

/// The shape of a record without explicit hash key and tags.
pub(crate) const PLAIN: bool = false;
/// The shape of a record that may have both.
pub(crate) const ANY: bool = true;

/// A record to be written, its keys given by their indices.
///
/// The writer is compiled twice, for [`PLAIN`] and for [`ANY`] records: a program whose user
/// records are all plain does not contain the code for the others (2.8 of 4.7 kB on a
/// Cortex-M3).
pub(crate) struct NewRecord<'a, const SHAPE: bool> {
    partition_key_index: u32,
    explicit_hash_key_index: Option<u32>,
    data: &'a [u8],
    tags: NewTags<'a>,
    tags_len: u32,
    /// Bytes without the record's own tag and length. Saturates at a length that exceeds any
    /// memory.
    body_len: u32,
    /// Bytes including these. Saturates, too.
    encoded_len: u32,
    /// The bytes before the data, if its numbers are small; else empty.
    usual_head: [Head; USUAL_HEADS],
}

/// With `fast`, the head of a usual record is composed in a register, along with its length: a
/// push takes 12 % less time, 25 % with an explicit hash key (x86-64, 100 bytes of data).
/// Without `fast`, there is neither the code nor the memory for it.
const USUAL_HEADS: usize = if FOR_SIZE { 0 } else { 1 };

impl<'a, const SHAPE: bool> NewRecord<'a, SHAPE> {
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn new(
        partition_key_index: u32,
        explicit_hash_key_index: Option<u32>,
        data: &'a [u8],
        tags: NewTags<'a>,
    ) -> Self {
        let tags_len = match SHAPE {
            PLAIN => 0,
            ANY => tags.encoded_len(),
        };
        let indices = (partition_key_index, explicit_hash_key_index);
        let lens = Self::usual_lens(indices, to_u32(data.len()), tags_len);
        let (body_len, encoded_len, usual_head) = lens.unwrap_or_else(|| {
            let body_len = number_field_len(partition_key_index)
                .plus(explicit_hash_key_index.map_or(0, number_field_len))
                .saturating_add(bytes_field_len(data))
                .saturating_add(tags_len);
            (body_len, delimited_len(body_len), Head::EMPTY)
        });
        Self {
            partition_key_index,
            explicit_hash_key_index,
            data,
            tags,
            tags_len,
            body_len,
            encoded_len,
            usual_head: [usual_head; USUAL_HEADS],
        }
    }

    /// Returns both lengths, and the head if its numbers are small.
    #[inline(always)]
    fn usual_lens(
        (partition_key_index, explicit_hash_key_index): (u32, Option<u32>),
        data_len: u32,
        tags_len: u32,
    ) -> Option<(u32, u32, Head)> {
        if FOR_SIZE {
            return None;
        }
        let mut head = Head::EMPTY.with(PARTITION_KEY_INDEX, partition_key_index)?;
        if let (ANY, Some(index)) = (SHAPE, explicit_hash_key_index) {
            head = head.with(EXPLICIT_HASH_KEY_INDEX, index)?;
        }
        let head = head.with(DATA, data_len)?;
        let body_len = head.len().plus(data_len).checked_add(tags_len)?;
        let start = Head::EMPTY.with(RECORD, body_len)?;
        Some((body_len, start.len().plus(body_len), start.then(head)))
    }

    /// Returns the length of the record with its tag and length. Saturates.
    pub(crate) fn encoded_len(&self) -> u32 {
        self.encoded_len
    }

    /// Returns the length of a blob that holds only this record and its keys, which have these
    /// lengths. Saturates.
    pub(crate) fn blob_len_alone(
        &self,
        partition_key_len: u32,
        explicit_hash_key_len: Option<u32>,
    ) -> u32 {
        // Alone, its indices would be 0. Making a second record would be clearer, but takes 0.9
        // kB more on a Cortex-M, since the compiler then keeps the code for tags even
        // without any.
        let shrinks_by = |index| number_field_len(index).minus(number_field_len(0));
        let body_len = self
            .body_len
            .minus(shrinks_by(self.partition_key_index))
            .minus(self.explicit_hash_key_index.map_or(0, shrinks_by));
        delimited_len(body_len)
            .saturating_add(explicit_hash_key_len.map_or(0, delimited_len))
            .saturating_add(delimited_len(partition_key_len))
            .saturating_add(FRAME_LEN)
    }

    /// Appends the record to `out`.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn write(&self, out: &mut Sink<'_>) -> Option<()> {
        self.put_head(out)?;
        out.put(self.data)?;
        if SHAPE == ANY && self.tags_len > 0 {
            self.tags.write(out)?;
        }
        Some(())
    }

    /// Appends the bytes before the data.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn put_head(&self, out: &mut Sink<'_>) -> Option<()> {
        match self.usual_head.first() {
            Some(head) if head.len() > 0 => out.put_head(*head),
            _ => {
                let indices = (self.partition_key_index, self.explicit_hash_key_index);
                put_any_head(out, self.body_len, indices, to_u32(self.data.len()))
            }
        }
    }
}

/// Appends the bytes before the data. Its arguments are numbers, so that a usual record need
/// not be in memory.
#[cfg_attr(feature = "fast", cold, inline(never))]
fn put_any_head(
    out: &mut Sink<'_>,
    body_len: u32,
    (partition_key_index, explicit_hash_key_index): (u32, Option<u32>),
    data_len: u32,
) -> Option<()> {
    out.put_tagged(RECORD, body_len)?;
    out.put_tagged(PARTITION_KEY_INDEX, partition_key_index)?;
    if let Some(index) = explicit_hash_key_index {
        out.put_tagged(EXPLICIT_HASH_KEY_INDEX, index)?;
    }
    out.put_tagged(DATA, data_len)
}
