//! Reading one record of the message, field by field.

use crate::error::RequiredField;
use crate::record_tag::RecordTag;
use crate::schema::{DATA, EXPLICIT_HASH_KEY_INDEX, PARTITION_KEY_INDEX, RECORD, RECORD_TAG};
use crate::wire::fault::Fault;
use crate::wire::field::{Fields, Place};

/// A record, borrowed from its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordFields<'buf> {
    pub(crate) partition_key_index: u32,
    pub(crate) explicit_hash_key_index: Option<u32>,
    pub(crate) data: &'buf [u8],
    /// The record from its first tag on; empty if it has no tags.
    pub(crate) tags: &'buf [u8],
}

/// Reads the fields of a message, and those of its records.
#[derive(Clone, Debug)]
pub(crate) struct RecordReader<'buf> {
    /// The fields of the message.
    pub(crate) fields: Fields<'buf>,
    /// The record that was read last.
    pub(crate) record: RecordPlaces,
}

/// The offsets of the parts of a record. All zeros: no record was read yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecordPlaces {
    pub(crate) partition_key_index: IndexPlace,
    pub(crate) explicit_hash_key_index: IndexPlace,
    /// Absent if it starts at 0, where no part of a record can be. The same applies to the
    /// tags.
    data: Place,
    tags: Place,
}

/// An index into a key table, if there is one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IndexPlace {
    /// How many keys the index needs: one more than its value; 0 if it is absent.
    /// [`u32::MAX`] represents every larger number: no table has so many keys.
    pub(crate) needed: u32,
    /// Offset of its tag.
    pub(crate) offset: usize,
}

impl<'buf> RecordReader<'buf> {
    /// Reads `message` from the offset `at` on.
    pub(crate) fn new(message: &'buf [u8], at: usize) -> Self {
        Self {
            fields: Fields::new(message, at),
            record: RecordPlaces::default(),
        }
    }

    /// Reads the record in the field that was read last.
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
                    RecordTag::read(fields)?;
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

    /// Reads up to the next record of a checked message, in which no fault can occur.
    #[cold]
    pub(crate) fn next_record(&mut self) -> Option<()> {
        self.fields.next_of(RECORD)?;
        self.read_record().ok()
    }

    /// Returns the record that was read last, if there was one.
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
