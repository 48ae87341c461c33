//! A second implementation of the format's reading rules, written as directly as
//! possible: with recursion, `u128` and vectors. Returns the content of a message, or
//! its first fault and the offset of the fault.

use kinesis_agg_codec::{DecodeError, DecodeErrorKind, MAGIC, PlainReason, RequiredField, limits};
use kinesis_agg_tests::Read;

/// A fault and its offset from the start of the blob.
pub type Fault = (DecodeErrorKind, usize);

/// The content of a valid message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The partition key table.
    pub partition_keys: Vec<Vec<u8>>,
    /// The explicit hash key table.
    pub explicit_hash_keys: Vec<Vec<u8>>,
    /// The user records.
    pub user_records: Vec<Read>,
}

/// The outcome of parsing a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Plain(PlainReason),
    Malformed(DecodeError),
    Aggregated(Message),
}

/// The rest of a message.
struct Input<'a> {
    rest: &'a [u8],
    /// The offset of the end of the message.
    end: usize,
}

struct Record<'a> {
    partition_key: (u64, usize),
    explicit_hash_key: Option<(u64, usize)>,
    data: &'a [u8],
    tags: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl<'a> Input<'a> {
    fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        if len > self.rest.len() {
            return Err((DecodeErrorKind::Truncated, self.end));
        }
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self, field: usize, limit: u8) -> Result<u128, Fault> {
        let mut value = 0;
        for place in 0..limit {
            let byte = self.take(1)?[0];
            value |= u128::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err((DecodeErrorKind::VarintTooLong { limit }, field))
    }

    /// Reads a varint and drops the bits beyond 64.
    fn value(&mut self, field: usize) -> Result<u64, Fault> {
        let value = self.varint(field, limits::MAX_VARINT_LEN)?;
        Ok(u64::try_from(value & u128::from(u64::MAX)).unwrap())
    }

    fn bytes(&mut self, field: usize) -> Result<&'a [u8], Fault> {
        let limit = limits::MAX_VARINT_LEN;
        let claimed = u64::try_from(self.varint(field, limit)?)
            .map_err(|_| (DecodeErrorKind::VarintTooLong { limit }, field))?;
        let available = u64::try_from(self.rest.len()).unwrap();
        if claimed > available {
            return Err((DecodeErrorKind::LengthOverrun { claimed, available }, field));
        }
        self.take(usize::try_from(claimed).unwrap())
    }

    fn message(&mut self, field: usize) -> Result<Self, Fault> {
        let rest = self.bytes(field)?;
        let end = self.offset();
        Ok(Self { rest, end })
    }

    /// Returns the offset, the field number and the wire type of the next field.
    fn field(&mut self) -> Result<(usize, u32, u32), Fault> {
        let offset = self.offset();
        let tag = self.varint(offset, limits::MAX_TAG_LEN)?;
        let invalid = DecodeErrorKind::InvalidTag {
            tag: u64::try_from(tag).unwrap(),
        };
        let tag = u32::try_from(tag).map_err(|_| (invalid, offset))?;
        if tag >> 3 == 0 || tag & 7 > 5 {
            return Err((invalid, offset));
        }
        Ok((offset, tag >> 3, tag & 7))
    }

    /// Skips a field. `levels` is how deep groups may still nest here.
    fn skip(&mut self, field: (usize, u32, u32), levels: usize) -> Result<(), Fault> {
        let (offset, field_number, wire_type) = field;
        match wire_type {
            0 => self.value(offset).map(drop),
            1 => self.take(8).map(drop),
            2 => self.bytes(offset).map(drop),
            3 => self.skip_group(offset, field_number, levels),
            4 => Err((DecodeErrorKind::UnexpectedEndGroup { field_number }, offset)),
            _ => self.take(4).map(drop),
        }
    }

    fn skip_group(&mut self, offset: usize, started: u32, levels: usize) -> Result<(), Fault> {
        if levels == 0 {
            return Err((DecodeErrorKind::NestingTooDeep, offset));
        }
        loop {
            let field = self.field()?;
            match field {
                (_, ended, 4) if ended == started => return Ok(()),
                (offset, ended, 4) => {
                    let kind = DecodeErrorKind::MismatchedEndGroup { started, ended };
                    return Err((kind, offset));
                }
                _ => self.skip(field, levels - 1)?,
            }
        }
    }

    fn record(mut self, record_offset: usize) -> Result<Record<'a>, Fault> {
        let mut partition_key = None;
        let mut explicit_hash_key = None;
        let mut data = None;
        let mut tags = Vec::new();
        while !self.rest.is_empty() {
            let field = self.field()?;
            let (offset, field_number, wire_type) = field;
            match (field_number, wire_type) {
                (1, 0) => partition_key = Some((self.value(offset)?, offset)),
                (2, 0) => explicit_hash_key = Some((self.value(offset)?, offset)),
                (3, 2) => data = Some(self.bytes(offset)?),
                (4, 2) => tags.push(self.message(offset)?.tag(offset)?),
                _ => self.skip(field, limits::MAX_NESTING - 1)?,
            }
        }
        let missing = |field| (DecodeErrorKind::MissingField { field }, record_offset);
        Ok(Record {
            partition_key: partition_key
                .ok_or_else(|| missing(RequiredField::PartitionKeyIndex))?,
            explicit_hash_key,
            data: data.ok_or_else(|| missing(RequiredField::Data))?,
            tags,
        })
    }

    fn tag(mut self, tag_offset: usize) -> Result<(Vec<u8>, Option<Vec<u8>>), Fault> {
        let mut key = None;
        let mut value = None;
        while !self.rest.is_empty() {
            let field = self.field()?;
            let (offset, field_number, wire_type) = field;
            match (field_number, wire_type) {
                (1, 2) => key = Some(self.bytes(offset)?.to_vec()),
                (2, 2) => value = Some(self.bytes(offset)?.to_vec()),
                _ => self.skip(field, limits::MAX_NESTING - 2)?,
            }
        }
        let field = RequiredField::TagKey;
        let key = key.ok_or((DecodeErrorKind::MissingField { field }, tag_offset))?;
        Ok((key, value))
    }
}

/// Reads a message that follows the magic.
///
/// # Errors
///
/// Returns the first structural fault in byte order, otherwise the first index outside
/// its table, in the order of the records.
pub fn read(message: &[u8]) -> Result<Message, Fault> {
    let mut input = Input {
        rest: message,
        end: MAGIC.len() + message.len(),
    };
    let mut read = Message::default();
    let mut records = Vec::new();
    while !input.rest.is_empty() {
        let field = input.field()?;
        let (offset, field_number, wire_type) = field;
        match (field_number, wire_type) {
            (1, 2) => read.partition_keys.push(input.bytes(offset)?.to_vec()),
            (2, 2) => read.explicit_hash_keys.push(input.bytes(offset)?.to_vec()),
            (3, 2) => records.push(input.message(offset)?.record(offset)?),
            _ => input.skip(field, limits::MAX_NESTING)?,
        }
    }
    for record in records {
        let (index, offset) = record.partition_key;
        let partition_key = look_up(&read.partition_keys, index)
            .map_err(|count| (DecodeErrorKind::PartitionKeyIndex { index, count }, offset))?;
        let explicit_hash_key = record
            .explicit_hash_key
            .map(|(index, offset)| {
                look_up(&read.explicit_hash_keys, index).map_err(|count| {
                    let kind = DecodeErrorKind::ExplicitHashKeyIndex { index, count };
                    (kind, offset)
                })
            })
            .transpose()?;
        read.user_records.push(Read {
            partition_key,
            explicit_hash_key,
            data: record.data.to_vec(),
            tags: record.tags,
            sub_sequence_number: u64::try_from(read.user_records.len()).unwrap(),
        });
    }
    Ok(read)
}

/// Returns the key at `index`, or the number of keys if the index is outside the table.
pub(crate) fn look_up(table: &[Vec<u8>], index: u64) -> Result<Vec<u8>, u64> {
    usize::try_from(index)
        .ok()
        .and_then(|index| table.get(index))
        .cloned()
        .ok_or_else(|| u64::try_from(table.len()).unwrap())
}
