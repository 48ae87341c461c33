//! The schema (`proto/aggregated_record.proto`): field numbers, and what each
//! message is made of, in both directions.

use crate::error::{DecodeError, DecodeErrorKind, EncodeError, RequiredField};
use crate::key_bytes::KeyBytes;
use crate::wire::cursor::Cursor;
use crate::wire::field::{self, WireType};
use crate::wire::sink::Sink;
use crate::wire::varint;

/// `AggregatedRecord.partition_key_table`
pub(crate) const PARTITION_KEY: u32 = field::tag(1, WireType::LengthDelimited);
/// `AggregatedRecord.explicit_hash_key_table`
pub(crate) const EXPLICIT_HASH_KEY: u32 = field::tag(2, WireType::LengthDelimited);
/// `AggregatedRecord.records`
const RECORD: u32 = field::tag(3, WireType::LengthDelimited);
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

/// A known field of the aggregated record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopField<'buf> {
    pub(crate) kind: TopFieldKind,
    /// Where its tag stands.
    pub(crate) offset: usize,
    /// Where its length stands, right behind the tag.
    pub(crate) len_offset: usize,
    /// The key, or the record.
    pub(crate) body: Cursor<'buf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopFieldKind {
    PartitionKey,
    ExplicitHashKey,
    Record,
}

impl<'buf> TopField<'buf> {
    /// The next known field of the aggregated record, or `None` at its end.
    #[inline]
    pub(crate) fn read(cursor: &mut Cursor<'buf>) -> Result<Option<Self>, DecodeError> {
        let offset = cursor.offset();
        let kind = match *cursor.rest() {
            [tag, ..] => TopFieldKind::of(u32::from(tag)),
            [] => return Ok(None),
        };
        let Some(kind) = kind else {
            return Self::read_any(cursor);
        };
        cursor.skip(1)?;
        Self::read_body(cursor, kind, offset).map(Some)
    }

    #[inline]
    fn read_body(
        cursor: &mut Cursor<'buf>,
        kind: TopFieldKind,
        offset: usize,
    ) -> Result<Self, DecodeError> {
        Ok(Self {
            kind,
            offset,
            len_offset: cursor.offset(),
            body: cursor.message(offset)?,
        })
    }

    /// [`read`](Self::read) where unknown fields or oddly written tags come
    /// first.
    #[cold]
    fn read_any(cursor: &mut Cursor<'buf>) -> Result<Option<Self>, DecodeError> {
        while !cursor.is_empty() {
            let offset = cursor.offset();
            let tag = cursor.tag()?;
            match TopFieldKind::of(tag) {
                Some(kind) => return Self::read_body(cursor, kind, offset).map(Some),
                None => field::skip_unknown(cursor, tag, offset, 0)?,
            }
        }
        Ok(None)
    }
}

impl TopFieldKind {
    #[inline]
    fn of(tag: u32) -> Option<Self> {
        match tag {
            RECORD => Some(Self::Record),
            PARTITION_KEY => Some(Self::PartitionKey),
            EXPLICIT_HASH_KEY => Some(Self::ExplicitHashKey),
            _ => None,
        }
    }
}

/// The fields of a record; of a field given twice, the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordFields<'buf> {
    pub(crate) partition_key_index: u64,
    pub(crate) explicit_hash_key_index: Option<u64>,
    pub(crate) data: &'buf [u8],
    /// The record from its first tag on; empty if it has none.
    pub(crate) tags: Cursor<'buf>,
}

impl<'buf> RecordFields<'buf> {
    /// Reads and checks the record `body` whose tag stands at `record_offset`.
    #[inline]
    pub(crate) fn read(body: Cursor<'buf>, record_offset: usize) -> Result<Self, DecodeError> {
        match Self::read_usual(body) {
            Some(fields) => Ok(fields),
            None => Self::read_any(body, record_offset),
        }
    }

    /// Reads a record as every known producer writes it: each field once, in
    /// order, without tags, small numbers. `None` for all else, good or bad.
    #[inline]
    fn read_usual(body: Cursor<'buf>) -> Option<Self> {
        let rest = strip_tag(body.rest(), PARTITION_KEY_INDEX)?;
        let (partition_key_index, rest) = varint::decode_short(rest)?;
        let (explicit_hash_key_index, rest) = match strip_tag(rest, EXPLICIT_HASH_KEY_INDEX) {
            Some(rest) => {
                let (index, rest) = varint::decode_short(rest)?;
                (Some(u64::from(index)), rest)
            }
            None => (None, rest),
        };
        let rest = strip_tag(rest, DATA)?;
        let (data, rest) = varint::decode_short_delimited(rest)?;
        rest.is_empty().then_some(Self {
            partition_key_index: u64::from(partition_key_index),
            explicit_hash_key_index,
            data,
            tags: Cursor::new(rest, 0),
        })
    }

    #[cold]
    fn read_any(body: Cursor<'buf>, record_offset: usize) -> Result<Self, DecodeError> {
        let mut cursor = body;
        let mut partition_key_index = None;
        let mut explicit_hash_key_index = None;
        let mut data = None;
        let mut tags = None;
        while !cursor.is_empty() {
            let at_field = cursor;
            let offset = cursor.offset();
            match cursor.tag()? {
                PARTITION_KEY_INDEX => partition_key_index = Some(cursor.varint(offset)?),
                EXPLICIT_HASH_KEY_INDEX => explicit_hash_key_index = Some(cursor.varint(offset)?),
                DATA => data = Some(cursor.bytes(offset)?),
                RECORD_TAG => {
                    RecordTag::read(cursor.message(offset)?, offset)?;
                    tags = tags.or(Some(at_field));
                }
                unknown => field::skip_unknown(&mut cursor, unknown, offset, 1)?,
            }
        }
        let missing =
            |field| DecodeError::new(DecodeErrorKind::MissingField { field }, record_offset);
        Ok(Self {
            partition_key_index: partition_key_index
                .ok_or_else(|| missing(RequiredField::PartitionKeyIndex))?,
            explicit_hash_key_index,
            data: data.ok_or_else(|| missing(RequiredField::Data))?,
            tags: tags.unwrap_or(cursor),
        })
    }

    /// Where in a checked record the tags of its two indices stand, the last
    /// of each.
    pub(crate) fn index_offsets(body: Cursor<'buf>) -> Result<[usize; 2], DecodeError> {
        let mut cursor = body;
        let mut offsets = [body.offset(); 2];
        let [partition_key, explicit_hash_key] = &mut offsets;
        while !cursor.is_empty() {
            let offset = cursor.offset();
            let tag = cursor.tag()?;
            match tag {
                PARTITION_KEY_INDEX => *partition_key = offset,
                EXPLICIT_HASH_KEY_INDEX => *explicit_hash_key = offset,
                _ => {}
            }
            field::skip_unknown(&mut cursor, tag, offset, 1)?;
        }
        Ok(offsets)
    }
}

/// What follows a tag of one byte.
#[inline]
fn strip_tag(input: &[u8], tag: u32) -> Option<&[u8]> {
    match *input {
        [byte, ref rest @ ..] if u32::from(byte) == tag => Some(rest),
        _ => None,
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
    fn read(body: Cursor<'buf>, tag_offset: usize) -> Result<Self, DecodeError> {
        let mut cursor = body;
        let mut key = None;
        let mut value = None;
        while !cursor.is_empty() {
            let offset = cursor.offset();
            match cursor.tag()? {
                TAG_KEY => key = Some(KeyBytes::new(cursor.bytes(offset)?)),
                TAG_VALUE => value = Some(KeyBytes::new(cursor.bytes(offset)?)),
                unknown => field::skip_unknown(&mut cursor, unknown, offset, 2)?,
            }
        }
        let key = key.ok_or_else(|| {
            let field = RequiredField::TagKey;
            DecodeError::new(DecodeErrorKind::MissingField { field }, tag_offset)
        })?;
        Ok(Self { key, value })
    }

    /// The next tag of a record, or `None` at its end.
    fn next_of(cursor: &mut Cursor<'buf>) -> Result<Option<Self>, DecodeError> {
        while !cursor.is_empty() {
            let offset = cursor.offset();
            match cursor.tag()? {
                RECORD_TAG => return Self::read(cursor.message(offset)?, offset).map(Some),
                // Indices and data are unknown to someone who looks for tags.
                other => field::skip_unknown(cursor, other, offset, 1)?,
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

    fn write(&self, sink: &mut Sink<'_>) -> Option<()> {
        sink.put_varint(RECORD_TAG)?;
        sink.put_varint(self.body_len())?;
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
    Record(Cursor<'buf>, ReadNext),
}

type ReadNext = for<'buf> fn(Cursor<'buf>) -> Option<(RecordTag<'buf>, Cursor<'buf>)>;

impl<'buf> RecordTags<'buf> {
    pub(crate) fn in_record(checked: Cursor<'buf>) -> Self {
        Self(Source::Record(checked, |mut cursor| {
            // The record was checked, so there is no error to lose.
            let tag = RecordTag::next_of(&mut cursor).ok().flatten()?;
            Some((tag, cursor))
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
        let tags = Cursor::new(fields, 0);
        let mut cursor = tags;
        while RecordTag::next_of(&mut cursor)?.is_some() {}
        Ok(Self::in_record(tags))
    }

    /// The bytes that [`parse`](Self::parse) reads, if the tags came from some:
    /// a part of the record that they were found in.
    #[must_use]
    pub fn as_encoded(&self) -> Option<&'buf [u8]> {
        match &self.0 {
            Source::Listed(_) => None,
            Source::Record(cursor) => Some(cursor.rest()),
        }
    }

    /// True if there are no tags (left).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Source::Listed(tags) => tags.len() == 0,
            Source::Record(..) => self.clone().next().is_none(),
        }
    }

    fn encoded_len(&self) -> u32 {
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
            Source::Record(cursor, read_next) => {
                let (tag, rest) = read_next(*cursor)?;
                *cursor = rest;
                Some(tag)
            }
        }
    }
}

impl core::iter::FusedIterator for RecordTags<'_> {}

/// A record to be written, its keys given by their place in the tables.
#[derive(Clone, Debug)]
pub(crate) struct NewRecord<'a> {
    pub(crate) partition_key_index: u32,
    pub(crate) explicit_hash_key_index: Option<u32>,
    pub(crate) data: &'a [u8],
    pub(crate) tags: RecordTags<'a>,
}

impl NewRecord<'_> {
    fn body_len(&self) -> u32 {
        let ehk_len = self.explicit_hash_key_index.map_or(0, |index| {
            TAG_LEN.saturating_add(varint::encoded_len(index))
        });
        TAG_LEN
            .saturating_add(varint::encoded_len(self.partition_key_index))
            .saturating_add(ehk_len)
            .saturating_add(bytes_field_len(self.data))
            .saturating_add(self.tags.encoded_len())
    }

    /// Bytes of the record with its tag and length. Saturates, at a number
    /// that no memory has.
    pub(crate) fn encoded_len(&self) -> u32 {
        delimited_len(self.body_len())
    }

    pub(crate) fn write(&self, sink: &mut Sink<'_>) -> Option<()> {
        sink.put_varint(RECORD)?;
        sink.put_varint(self.body_len())?;
        sink.put_varint(PARTITION_KEY_INDEX)?;
        sink.put_varint(self.partition_key_index)?;
        if let Some(index) = self.explicit_hash_key_index {
            sink.put_varint(EXPLICIT_HASH_KEY_INDEX)?;
            sink.put_varint(index)?;
        }
        write_bytes_field(sink, DATA, self.data)?;
        for tag in self.tags.clone() {
            tag.write(sink)?;
        }
        Some(())
    }
}

/// Bytes of a table entry of `key`, or of any field that holds `bytes`.
pub(crate) fn bytes_field_len(bytes: &[u8]) -> u32 {
    delimited_len(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
}

/// Bytes of a field whose content has `body_len` bytes.
pub(crate) fn delimited_len(body_len: u32) -> u32 {
    TAG_LEN
        .saturating_add(varint::encoded_len(body_len))
        .saturating_add(body_len)
}

pub(crate) fn write_bytes_field(sink: &mut Sink<'_>, tag: u32, bytes: &[u8]) -> Option<()> {
    sink.put_varint(tag)?;
    sink.put_varint(u32::try_from(bytes.len()).ok()?)?;
    sink.put(bytes)
}
