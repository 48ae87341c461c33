//! One record of the message.

use crate::error::RequiredField;
use crate::record_tag::RecordTag;
use crate::schema::{
    DATA, EXPLICIT_HASH_KEY, EXPLICIT_HASH_KEY_INDEX, KeyKind, PARTITION_KEY, PARTITION_KEY_INDEX,
    RECORD, RECORD_TAG,
};
use crate::wire::cursor::Cursor;
use crate::wire::fault::Fault;
use crate::wire::field::{Fields, Place};
use crate::wire::varint::FOR_SIZE;
use crate::wire::word::Byte::{Last, More, Tag};
use crate::wire::word::{Number, Pattern, Word, length_in, take_tag};

/// A key in its table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableKey {
    pub(crate) kind: KeyKind,
    /// Where its length stands, right behind the tag.
    pub(crate) len_offset: usize,
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
    #[cfg_attr(not(feature = "fast"), inline(never))]
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

impl TableKey {
    /// Takes a key, if its length is short; `None` for all else, good or bad.
    #[inline(always)]
    pub(crate) fn take_usual(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut behind = *cursor;
        let kind = match u32::from(behind.byte()?) {
            PARTITION_KEY => KeyKind::Partition,
            EXPLICIT_HASH_KEY => KeyKind::ExplicitHash,
            _ => return None,
        };
        let len_offset = behind.offset();
        behind.short_bytes()?;
        *cursor = behind;
        Some(Self { kind, len_offset })
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
