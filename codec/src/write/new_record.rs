//! A record to be written.

use crate::record_tag::RecordTags;
use crate::schema::{DATA, EXPLICIT_HASH_KEY_INDEX, PARTITION_KEY_INDEX, RECORD};
use crate::wire::head::Head;
use crate::wire::put::{
    Put, bytes_field_len, delimited_len, number_field_len, put_head, write_bytes_head,
};
use crate::wire::sink::Sink;
use crate::wire::varint::FOR_SIZE;

/// The shape of a record without explicit hash key and tags.
pub(crate) const PLAIN: bool = false;
/// The shape of a record that may have both.
pub(crate) const ANY: bool = true;

/// A record to be written, its keys given by their place in the tables.
///
/// The writer is compiled for records that are [`PLAIN`] and for [`ANY`]: what
/// plain ones do not have takes no time, and where all are plain, no code.
#[derive(Clone, Debug)]
pub(crate) struct NewRecord<'a, const SHAPE: bool> {
    partition_key_index: u32,
    explicit_hash_key_index: Option<u32>,
    data: &'a [u8],
    tags: RecordTags<'a>,
    /// Bytes without tag and length. Saturates, at a number that no memory has.
    body_len: u32,
    /// Bytes with them. Saturates, too.
    encoded_len: u32,
    tags_len: u32,
    /// What stands before the data, if its numbers are small; else nothing.
    usual_head: [Head; USUAL_HEADS],
}

/// None on bare metal, where it would only take stack.
const USUAL_HEADS: usize = if FOR_SIZE { 0 } else { 1 };

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
        let usual = || {
            let mut head = Head::EMPTY.with(PARTITION_KEY_INDEX, partition_key_index)?;
            if let (ANY, Some(index)) = (SHAPE, explicit_hash_key_index) {
                head = head.with(EXPLICIT_HASH_KEY_INDEX, index)?;
            }
            let data_len = u32::try_from(data.len()).ok()?;
            let head = head.with(DATA, data_len)?;
            let body_len = head.len().wrapping_add(data_len).checked_add(tags_len)?;
            let start = Head::EMPTY.with(RECORD, body_len)?;
            let encoded_len = start.len().wrapping_add(body_len);
            Some((body_len, encoded_len, start.then(head)))
        };
        let lens = || {
            let body_len = number_field_len(partition_key_index)
                .wrapping_add(explicit_hash_key_index.map_or(0, number_field_len))
                .saturating_add(bytes_field_len(data))
                .saturating_add(tags_len);
            (body_len, delimited_len(body_len), Head::EMPTY)
        };
        let usual = if FOR_SIZE { None } else { usual() };
        let (body_len, encoded_len, usual_head) = usual.unwrap_or_else(lens);
        Self {
            partition_key_index,
            explicit_hash_key_index,
            data,
            tags,
            body_len,
            encoded_len,
            tags_len,
            usual_head: [usual_head; USUAL_HEADS],
        }
    }

    fn explicit_hash_key_index(&self) -> Option<u32> {
        match SHAPE {
            PLAIN => None,
            ANY => self.explicit_hash_key_index,
        }
    }

    /// Bytes of the record with its tag and length. Saturates as `body_len`.
    pub(crate) fn encoded_len(&self) -> u32 {
        self.encoded_len
    }

    /// Writes the record into `place`, which is as long as the record.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn write(&self, place: &mut [u8]) -> Option<()> {
        let Some(usual_head) = self.usual_head.first() else {
            return self.write_any(&mut Sink::new(place));
        };
        if usual_head.len() == 0 || self.tags_len > 0 {
            // A copy, so that only this path has the record in memory.
            return self.clone().write_any(&mut Sink::new(place));
        }
        let head = usual_head.to_bytes();
        let head_len = usize::try_from(usual_head.len()).ok()?;
        match place.first_chunk_mut() {
            // The data overwrites what is too much.
            Some(start) => *start = head,
            None => place
                .get_mut(..head_len)?
                .copy_from_slice(head.get(..head_len)?),
        }
        let place = place.get_mut(head_len..)?;
        if place.len() != self.data.len() {
            return None;
        }
        place.copy_from_slice(self.data);
        Some(())
    }

    #[cfg_attr(feature = "fast", cold, inline(never))]
    fn write_any(&self, sink: &mut Sink<'_>) -> Option<()> {
        self.write_head(sink)?;
        sink.put(self.data)?;
        if SHAPE == ANY && self.tags_len > 0 {
            for tag in &self.tags {
                tag.write(sink)?;
            }
        }
        Some(())
    }

    /// Hands the record to `put` piece by piece, until it refuses one.
    pub(crate) fn stream(&self, put: &mut Put<'_>) -> Option<()> {
        put_head(put, |sink| self.write_head(sink))?;
        put(self.data)?;
        for tag in &self.tags {
            tag.stream(put)?;
        }
        Some(())
    }

    /// All that stands before the data.
    fn write_head(&self, sink: &mut Sink<'_>) -> Option<()> {
        sink.put_tagged(RECORD, self.body_len)?;
        sink.put_tagged(PARTITION_KEY_INDEX, self.partition_key_index)?;
        if let Some(index) = self.explicit_hash_key_index() {
            sink.put_tagged(EXPLICIT_HASH_KEY_INDEX, index)?;
        }
        write_bytes_head(sink, DATA, self.data)
    }
}
