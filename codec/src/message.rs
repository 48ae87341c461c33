//! The schema (`proto/aggregated_record.proto`): field numbers, and what each
//! message is made of, in both directions.

use crate::error::{DecodeError, EncodeError, RequiredField};
use crate::key_bytes::KeyBytes;
use crate::wire::cursor::Cursor;
use crate::wire::fault::Fault;
use crate::wire::field::{self, Fields, Place, WireType};
use crate::wire::head::Head;
use crate::wire::sink::Sink;
use crate::wire::varint::{self, FOR_SIZE};
use crate::wire::word::Byte::{Last, More, Tag};
use crate::wire::word::{Number, Pattern, Word, length_in, take_tag};

/// `AggregatedRecord.partition_key_table`
pub(crate) const PARTITION_KEY: u32 = field::tag(1, WireType::LengthDelimited);
/// `AggregatedRecord.explicit_hash_key_table`
pub(crate) const EXPLICIT_HASH_KEY: u32 = field::tag(2, WireType::LengthDelimited);
/// `AggregatedRecord.records`
pub(crate) const RECORD: u32 = field::tag(3, WireType::LengthDelimited);
/// `Record.partition_key_index`
const PARTITION_KEY_INDEX: u32 = field::tag(1, WireType::Varint);
/// `Record.explicit_hash_key_index`
const EXPLICIT_HASH_KEY_INDEX: u32 = field::tag(2, WireType::Varint);
/// `Record.data`
const DATA: u32 = field::tag(3, WireType::LengthDelimited);
/// `Record.tags`
const RECORD_TAG: u32 = field::tag(4, WireType::LengthDelimited);
/// `Tag.key`
const TAG_KEY: u32 = field::tag(1, WireType::LengthDelimited);
/// `Tag.value`
const TAG_VALUE: u32 = field::tag(2, WireType::LengthDelimited);

/// Bytes of each of the tags above, as varints.
const TAG_LEN: u32 = 1;

/// A key in its table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableKey {
    pub(crate) table: Table,
    /// Where its length stands, right behind the tag.
    pub(crate) len_offset: usize,
}

/// Which of the two key tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    PartitionKeys,
    ExplicitHashKeys,
}

/// The fields of the aggregated record, and those of one record.
#[derive(Clone, Debug)]
pub(crate) struct TopFields<'buf> {
    pub(crate) fields: Fields<'buf>,
    /// The record that was read last.
    pub(crate) record: RecordPlaces,
}

/// A record whose parts are given by their places: room for one is all zeros.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecordPlaces {
    pub(crate) partition_key_index: IndexPlace,
    pub(crate) explicit_hash_key_index: IndexPlace,
    /// Absent if it starts at 0, where no part of a record stands; as its tags.
    data: Place,
    tags: Place,
}

/// A record's index into a key table, or none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IndexPlace {
    /// Keys that the table has to have: one more than the index, and 0 if there
    /// is none. [`u32::MAX`] for all above: no table is that long.
    pub(crate) needed: u32,
    /// Where its tag stands.
    pub(crate) offset: usize,
}

impl<'buf> TopFields<'buf> {
    /// The fields of `message` from this offset on.
    // Not inlined on bare metal, where room for so much is made in little code.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn new(message: &'buf [u8], at: usize) -> Self {
        Self {
            fields: Fields::new(message, at),
            record: RecordPlaces::default(),
        }
    }

    /// Reads what the record has whose field was read last.
    #[cold]
    #[inline(never)]
    pub(crate) fn read_record(&mut self) -> Result<(), Fault> {
        let Self { fields, record } = self;
        let outer = fields.enter();
        record.partition_key_index.needed = 0;
        record.explicit_hash_key_index.needed = 0;
        record.data.start = 0;
        record.tags = Place::default();
        while fields.next(1)? {
            let index = u32::try_from(fields.number).unwrap_or(u32::MAX);
            let index = IndexPlace {
                needed: index.saturating_add(1),
                offset: fields.offset,
            };
            match fields.tag {
                PARTITION_KEY_INDEX => record.partition_key_index = index,
                EXPLICIT_HASH_KEY_INDEX => record.explicit_hash_key_index = index,
                DATA => record.data = fields.place_of_bytes(),
                RECORD_TAG => {
                    RecordTag::read_places(fields)?;
                    if record.tags.start == 0 {
                        record.tags = fields.place_to_end();
                    }
                }
                _ => {}
            }
        }
        fields.leave(outer);
        if record.partition_key_index.needed == 0 {
            return Err(Fault::Missing(RequiredField::PartitionKeyIndex));
        }
        if record.data.start == 0 {
            return Err(Fault::Missing(RequiredField::Data));
        }
        Ok(())
    }

    /// Reads up to the next record of a message that was checked: no fault can
    /// come here.
    #[cold]
    #[inline(never)]
    pub(crate) fn next_record(&mut self) -> Option<()> {
        self.fields.next_of(RECORD)?;
        self.read_record().ok()
    }

    /// The record that was read last; `None` only if none was.
    #[inline(always)]
    pub(crate) fn record(&self) -> Option<RecordFields<'buf>> {
        let record = &self.record;
        Some(RecordFields {
            partition_key_index: record.partition_key_index.needed.checked_sub(1)?,
            explicit_hash_key_index: record.explicit_hash_key_index.needed.checked_sub(1),
            data: self.fields.at_place(record.data),
            tags: self.fields.at_place(record.tags),
        })
    }
}

impl Table {
    /// The tag of its keys.
    pub(crate) fn tag(self) -> u32 {
        match self {
            Self::PartitionKeys => PARTITION_KEY,
            Self::ExplicitHashKeys => EXPLICIT_HASH_KEY,
        }
    }
}

impl TableKey {
    /// Takes a key, if its length is short; `None` for all else, good or bad.
    #[inline(always)]
    pub(crate) fn take_usual(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut behind = *cursor;
        let table = match u32::from(behind.byte()?) {
            PARTITION_KEY => Table::PartitionKeys,
            EXPLICIT_HASH_KEY => Table::ExplicitHashKeys,
            _ => return None,
        };
        let len_offset = behind.offset();
        behind.short_bytes()?;
        *cursor = behind;
        Some(Self { table, len_offset })
    }
}

/// Bytes that are looked at to read a usual record: a tag, a length of up to two
/// bytes, a tag, and a [`Word`]: two indices and a length of up to two bytes, and
/// the tags between them.
const LOOKED_AT_LEN: usize = 1 + 2 + 1 + size_of::<Word>();

/// What a user record is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordFields<'buf> {
    pub(crate) partition_key_index: u32,
    pub(crate) explicit_hash_key_index: Option<u32>,
    pub(crate) data: &'buf [u8],
    /// The record from its first tag on; empty if it has none.
    pub(crate) tags: &'buf [u8],
}

impl<'buf> RecordFields<'buf> {
    /// Takes a record, if it is as every known producer writes it: each field
    /// once, in order, without tags, small numbers. `None` for all else, good or
    /// bad.
    #[inline(always)]
    pub(crate) fn take_usual(cursor: &mut Cursor<'buf>) -> Option<Self> {
        if FOR_SIZE {
            return None;
        }
        let head = cursor.rest().first_chunk::<LOOKED_AT_LEN>()?;
        match take_tag!(head, RECORD)? {
            [len @ ..0x80, head @ .., _] => {
                let fields = take_tag!(head, PARTITION_KEY_INDEX)?;
                let len = usize::from(*len);
                Self::take_body::<1>(cursor, len, Word::from_le_bytes(*fields))
            }
            [low, high @ ..0x80, head @ ..] => {
                let fields = take_tag!(head, PARTITION_KEY_INDEX)?;
                let len = usize::from(*low & 0x7f) | usize::from(*high) << 7;
                Self::take_body::<2>(cursor, len, Word::from_le_bytes(*fields))
            }
            _ => None,
        }
    }

    /// Takes a usual record of `body_len` bytes behind a length of `LEN_LEN`. That
    /// of its data has as many; `fields` starts with the partition key index.
    ///
    /// Where the next record starts follows from `body_len` alone, so that its
    /// bytes are on their way while this one is looked at.
    #[inline(always)]
    fn take_body<const LEN_LEN: usize>(
        cursor: &mut Cursor<'buf>,
        body_len: usize,
        fields: Word,
    ) -> Option<Self> {
        let data_follows = match LEN_LEN {
            1 => const { Pattern::of(&[Last, Tag(DATA), Last]) },
            _ => const { Pattern::of(&[Last, Tag(DATA), More, Last]) },
        };
        let explicit_hash_key_follows =
            const { Pattern::of(&[Last, Tag(EXPLICIT_HASH_KEY_INDEX)]) };
        let tag_and_len = const { 1 + LEN_LEN };
        let behind = cursor.rest().get(tag_and_len..)?;
        let (body, rest) = behind.split_at_checked(body_len)?;
        let record = |index, explicit_hash_key_index, keys_end: usize, last: Word| {
            let data_offset = keys_end.wrapping_add(tag_and_len);
            let data_len = length_in(last >> 16, LEN_LEN);
            if data_offset.wrapping_add(data_len) != body_len {
                return None;
            }
            Some(Self {
                partition_key_index: index,
                explicit_hash_key_index,
                data: body.get(data_offset..)?,
                tags: &[],
            })
        };
        let index = Number::short(fields);
        let end = index.len.wrapping_add(1);
        let record = if data_follows.starts(index.last) {
            record(index.value, None, end, index.last)
        } else {
            let explicit = Number::short(index.last >> 16);
            if explicit_hash_key_follows.starts(index.last) && data_follows.starts(explicit.last) {
                let end = end.wrapping_add(1).wrapping_add(explicit.len);
                record(index.value, Some(explicit.value), end, explicit.last)
            } else {
                let keys = LongIndices::of(behind)?;
                if !data_follows.starts(keys.last) {
                    return None;
                }
                record(
                    keys.index,
                    keys.explicit_hash_key_index,
                    keys.end,
                    keys.last,
                )
            }
        }?;
        cursor.go_on_at(rest);
        Some(record)
    }
}

/// The key indices of a usual record, if one of them has three bytes.
struct LongIndices {
    index: u32,
    explicit_hash_key_index: Option<u32>,
    /// Where in the body the tag behind them stands.
    end: usize,
    /// What is there, from the last byte of the last index on.
    last: Word,
}

impl LongIndices {
    // Not inlined: only aggregates with many keys have them.
    #[inline(never)]
    fn of(body: &[u8]) -> Option<Self> {
        const EXPLICIT_HASH_KEY_FOLLOWS: Pattern =
            Pattern::of(&[Last, Tag(EXPLICIT_HASH_KEY_INDEX)]);
        let number = |tag_offset: usize| {
            let fields = body.get(tag_offset.wrapping_add(1)..)?.first_chunk()?;
            let number = Number::of(Word::from_le_bytes(*fields))?;
            Some((number, tag_offset.wrapping_add(1).wrapping_add(number.len)))
        };
        let (index, end) = number(0)?;
        let plain = Self {
            index: index.value,
            explicit_hash_key_index: None,
            end,
            last: index.last,
        };
        if !EXPLICIT_HASH_KEY_FOLLOWS.starts(index.last) {
            return Some(plain);
        }
        let (explicit, end) = number(end)?;
        Some(Self {
            explicit_hash_key_index: Some(explicit.value),
            end,
            last: explicit.last,
            ..plain
        })
    }
}

/// A tag of a user record: a name and perhaps a value, which the KPL's format
/// has room for and no AWS library sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the schema has just these two fields"
)]
pub struct RecordTag<'buf> {
    /// The name; any bytes are read, a producer should write UTF-8.
    pub key: KeyBytes<'buf>,
    /// The value, if there is one; bytes as for the name.
    pub value: Option<KeyBytes<'buf>>,
}

impl<'buf> RecordTag<'buf> {
    /// Reads the tag that the record's field just read holds.
    fn read(fields: &mut Fields<'buf>) -> Result<Self, Fault> {
        let (key, value) = Self::read_places(fields)?;
        let bytes = |place| KeyBytes::new(fields.at_place(place));
        Ok(Self {
            key: bytes(key),
            value: value.map(bytes),
        })
    }

    #[inline(always)]
    fn read_places(fields: &mut Fields<'buf>) -> Result<(Place, Option<Place>), Fault> {
        let outer = fields.enter();
        let mut key = None;
        let mut value = None;
        while fields.next(2)? {
            match fields.tag {
                TAG_KEY => key = Some(fields.place_of_bytes()),
                TAG_VALUE => value = Some(fields.place_of_bytes()),
                _ => {}
            }
        }
        fields.leave(outer);
        let key = key.ok_or(Fault::Missing(RequiredField::TagKey))?;
        Ok((key, value))
    }

    /// The next tag of a record, or `None` at its end.
    fn next_of(fields: &mut Fields<'buf>) -> Result<Option<Self>, Fault> {
        while fields.next(1)? {
            if fields.tag == RECORD_TAG {
                return Self::read(fields).map(Some);
            }
        }
        Ok(None)
    }

    fn body_len(&self) -> u32 {
        let value_len = self
            .value
            .map_or(0, |value| bytes_field_len(value.as_bytes()));
        bytes_field_len(self.key.as_bytes()).saturating_add(value_len)
    }

    /// Bytes that the tag takes in a record, as [`encode_into`](Self::encode_into)
    /// writes it.
    #[must_use]
    pub fn encoded_len(&self) -> u32 {
        delimited_len(self.body_len())
    }

    /// Writes the tag at the start of `out` as it stands in a record; returns
    /// what was written. [`RecordTags::parse`] reads any number of them.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLarge`] if `out` has less than
    /// [`encoded_len`](Self::encoded_len) bytes; nothing was written.
    pub fn encode_into<'out>(&self, out: &'out mut [u8]) -> Result<&'out [u8], EncodeError> {
        let needed = self.encoded_len();
        let too_large = EncodeError::TooLarge {
            needed: u64::from(needed),
            limit: u64::try_from(out.len()).unwrap_or(u64::MAX),
        };
        let place = usize::try_from(needed)
            .ok()
            .and_then(|len| out.get_mut(..len))
            .ok_or(too_large)?;
        self.write(&mut Sink::new(place)).ok_or(too_large)?;
        Ok(place)
    }

    fn stream(&self, put: &mut Put<'_>) -> Option<()> {
        put_head(put, |sink| sink.put_tagged(RECORD_TAG, self.body_len()))?;
        stream_bytes_field(put, TAG_KEY, self.key.as_bytes())?;
        match self.value {
            Some(value) => stream_bytes_field(put, TAG_VALUE, value.as_bytes()),
            None => Some(()),
        }
    }

    fn write(&self, sink: &mut Sink<'_>) -> Option<()> {
        sink.put_tagged(RECORD_TAG, self.body_len())?;
        write_bytes_field(sink, TAG_KEY, self.key.as_bytes())?;
        match self.value {
            Some(value) => write_bytes_field(sink, TAG_VALUE, value.as_bytes()),
            None => Some(()),
        }
    }
}

/// The tags of a user record, in order.
///
/// Made from a slice to be written, or found in a user record that was read.
///
/// ```
/// use kinesis_agg_codec::{RecordTag, RecordTags};
///
/// let tags = [RecordTag { key: "unit".into(), value: Some("C".into()) }];
/// assert!(RecordTags::from(&tags[..]).eq(tags));
/// ```
#[derive(Clone, Debug)]
pub struct RecordTags<'buf>(Source<'buf>);

#[derive(Clone, Debug)]
enum Source<'buf> {
    Listed(core::slice::Iter<'buf, RecordTag<'buf>>),
    /// A checked record, from its first tag on, and how to read it: a writer
    /// that is given listed tags only does not carry the reader's code along.
    Record(&'buf [u8], ReadNext),
}

type ReadNext = for<'buf> fn(&'buf [u8]) -> Option<(RecordTag<'buf>, &'buf [u8])>;

impl<'buf> RecordTags<'buf> {
    /// The tags of a checked record, from its first tag on.
    pub(crate) fn in_record(checked: &'buf [u8]) -> Self {
        Self(Source::Record(checked, |rest| {
            let mut fields = Fields::new(rest, 0);
            // The record was checked, so there is no fault to lose.
            let tag = RecordTag::next_of(&mut fields);
            Some((tag.ok().flatten()?, fields.rest()))
        }))
    }

    /// Reads tags as they stand in a record, one `tags` field after the other;
    /// other fields between them are passed over.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as for the fields of a record; offsets count from the
    /// start of `fields`.
    pub fn parse(fields: &'buf [u8]) -> Result<Self, DecodeError> {
        let mut read = Fields::new(fields, 0);
        loop {
            match RecordTag::next_of(&mut read) {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Self::in_record(fields)),
                Err(fault) => return Err(read.error(fault, 0)),
            }
        }
    }

    /// The bytes that [`parse`](Self::parse) reads, if the tags were found in a
    /// record: the part of it from its first tag on, or none of it.
    #[must_use]
    pub fn as_encoded(&self) -> Option<&'buf [u8]> {
        match &self.0 {
            Source::Listed(_) => None,
            Source::Record(rest, _) => Some(rest),
        }
    }

    /// True if there are no tags (left).
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Source::Listed(tags) => tags.len() == 0,
            Source::Record(..) => self.clone().next().is_none(),
        }
    }

    /// Bytes that they take in a record.
    #[inline]
    fn encoded_len(&self) -> u32 {
        match &self.0 {
            Source::Listed(tags) if tags.len() == 0 => 0,
            _ => self.encoded_len_of_some(),
        }
    }

    // Not inlined: user records have no tags as a rule.
    #[inline(never)]
    fn encoded_len_of_some(&self) -> u32 {
        self.clone()
            .fold(0, |len: u32, tag| len.saturating_add(tag.encoded_len()))
    }
}

impl Default for RecordTags<'_> {
    /// No tags.
    fn default() -> Self {
        Self::from(&[][..])
    }
}

impl<'buf> From<&'buf [RecordTag<'buf>]> for RecordTags<'buf> {
    fn from(tags: &'buf [RecordTag<'buf>]) -> Self {
        Self(Source::Listed(tags.iter()))
    }
}

impl<'buf> Iterator for RecordTags<'buf> {
    type Item = RecordTag<'buf>;

    fn next(&mut self) -> Option<RecordTag<'buf>> {
        match &mut self.0 {
            Source::Listed(tags) => tags.next().copied(),
            Source::Record(rest, read_next) => {
                let (tag, behind) = read_next(rest)?;
                *rest = behind;
                Some(tag)
            }
        }
    }
}

impl core::iter::FusedIterator for RecordTags<'_> {}

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
    #[cfg_attr(not(target_os = "none"), inline(always))]
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
    #[cfg_attr(not(target_os = "none"), inline(always))]
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

    #[cfg_attr(not(target_os = "none"), cold, inline(never))]
    fn write_any(&self, sink: &mut Sink<'_>) -> Option<()> {
        self.write_head(sink)?;
        sink.put(self.data)?;
        if SHAPE == ANY && self.tags_len > 0 {
            for tag in self.tags.clone() {
                tag.write(sink)?;
            }
        }
        Some(())
    }

    /// Hands the record to `put` piece by piece, until it refuses one.
    pub(crate) fn stream(&self, put: &mut Put<'_>) -> Option<()> {
        put_head(put, |sink| self.write_head(sink))?;
        put(self.data)?;
        for tag in self.tags.clone() {
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

/// The key tables, by the tags of their entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Partition,
    ExplicitHash,
}

impl KeyKind {
    pub(crate) const fn tag(self) -> u32 {
        match self {
            Self::Partition => PARTITION_KEY,
            Self::ExplicitHash => EXPLICIT_HASH_KEY,
        }
    }
}

/// Takes a piece of a message, or refuses it and all that would follow.
pub(crate) type Put<'a> = dyn FnMut(&[u8]) -> Option<()> + 'a;

/// Bytes of the longest head: that of a record, four tags and four numbers.
const MAX_HEAD_LEN: usize = 4 * (1 + 5);

/// Hands over what stands before a field's content, as one piece.
fn put_head(put: &mut Put<'_>, write: impl FnOnce(&mut Sink<'_>) -> Option<()>) -> Option<()> {
    let mut head = [0; MAX_HEAD_LEN];
    let mut sink = Sink::new(&mut head);
    write(&mut sink)?;
    put(sink.written())
}

/// Hands a field that holds `bytes` to `put`.
pub(crate) fn stream_bytes_field(put: &mut Put<'_>, tag: u32, bytes: &[u8]) -> Option<()> {
    put_head(put, |sink| write_bytes_head(sink, tag, bytes))?;
    put(bytes)
}

/// Bytes of a table entry of `key`, or of any field that holds `bytes`.
pub(crate) fn bytes_field_len(bytes: &[u8]) -> u32 {
    delimited_len(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
}

/// Bytes of a field that holds a number: at most six.
fn number_field_len(number: u32) -> u32 {
    TAG_LEN.wrapping_add(varint::encoded_len(number))
}

/// Bytes of a field whose content has `body_len` bytes.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn delimited_len(body_len: u32) -> u32 {
    number_field_len(body_len).saturating_add(body_len)
}

pub(crate) fn write_bytes_field(sink: &mut Sink<'_>, tag: u32, bytes: &[u8]) -> Option<()> {
    write_bytes_head(sink, tag, bytes)?;
    sink.put(bytes)
}

/// All of a field that holds `bytes` but these.
fn write_bytes_head(sink: &mut Sink<'_>, tag: u32, bytes: &[u8]) -> Option<()> {
    sink.put_tagged(tag, u32::try_from(bytes.len()).ok()?)
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;

    use super::*;

    /// On both sides of where a number gets longer, and the largest of three bytes.
    const INDICES: [u32; 6] = [0, 0x7f, 0x80, 0x3fff, 0x4000, 0x1f_ffff];

    /// Protects the way that is fast: if what every known producer writes went
    /// another, all would be read and written as before, at twice the cost.
    #[test]
    fn what_is_usual_is_read_and_written_in_place() {
        let explicit = INDICES.map(Some).into_iter().chain([None]);
        for (index, explicit) in INDICES
            .into_iter()
            .flat_map(|index| explicit.clone().map(move |explicit| (index, explicit)))
        {
            for data_len in [16, 100, 0x80, 1000, 0x3fff - 12] {
                let case = format!("{index}, {explicit:?}, {data_len}");
                let data = vec![0x5a; data_len];
                let record = NewRecord::<ANY>::new(index, explicit, &data, RecordTags::default());
                let len = usize::try_from(record.encoded_len()).unwrap();
                let mut written = vec![0xa5; len];
                let head_len = usize::try_from(record.usual_head[0].len());
                assert_eq!(head_len, Ok(len - data_len), "{case}");
                record.write(&mut written).unwrap();
                let mut in_general = vec![0xa5; len];
                record.write_any(&mut Sink::new(&mut in_general)).unwrap();
                assert_eq!(written, in_general, "{case}");

                // More follows: the last records of a message are read in general.
                written.extend([0xa5; LOOKED_AT_LEN]);
                let mut cursor = Cursor::new(&written, 7);
                let usual = RecordFields::take_usual(&mut cursor);
                assert_eq!(cursor.offset(), 7 + len, "{case}");
                let mut general = TopFields::new(&written, 0);
                assert_eq!(general.fields.next(0), Ok(true), "{case}");
                assert_eq!(general.fields.tag, RECORD, "{case}");
                general.read_record().unwrap();
                let general = general.record();
                assert_eq!(format!("{usual:?}"), format!("{general:?}"), "{case}");
            }
        }
        // Too large for that, and written all the same.
        for (index, data_len) in [(0x20_0000, 16), (0, 0x20_0000)] {
            let data = vec![0x5a; data_len];
            let record = NewRecord::<PLAIN>::new(index, None, &data, RecordTags::default());
            let len = usize::try_from(record.encoded_len()).unwrap();
            let [mut written, mut in_general] = [vec![0; len], vec![0; len]];
            assert_eq!(record.write(&mut written), Some(()));
            record.write_any(&mut Sink::new(&mut in_general)).unwrap();
            assert!(written == in_general, "{index}, {data_len}");
        }
        for tag in [PARTITION_KEY, EXPLICIT_HASH_KEY] {
            for key_len in [0, 1, 0x7f, 0x80, 0x3fff] {
                let key = vec![0x5a; key_len];
                let mut written = vec![0xa5; usize::try_from(bytes_field_len(&key)).unwrap()];
                write_bytes_field(&mut Sink::new(&mut written), tag, &key).unwrap();
                let usual = TableKey::take_usual(&mut Cursor::new(&written, 0)).unwrap();
                let mut general = Fields::new(&written, 0);
                assert_eq!(general.next(0), Ok(true));
                let general = (general.tag, general.value_offset);
                assert_eq!((usual.table.tag(), usual.len_offset), general, "{key_len}");
            }
        }
    }
}
