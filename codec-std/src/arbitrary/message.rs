//! Messages that are generated field by field. Most fields are those that a producer
//! could write; others that protobuf allows, and some that it does not, may be anywhere.

use alloc::vec;
use alloc::vec::Vec;

use arbitrary::Arbitrary;
use bytes::Bytes;
use kinesis_agg_codec::limits::MAX_NESTING;
use kinesis_agg_codec::{Digest, MAGIC};

/// The protobuf message of an aggregate, with fields in any order, unknown fields and
/// groups, varints of any length, and key indices that may be wrong. Some messages are
/// invalid.
#[derive(Arbitrary, Clone, Debug)]
pub struct Message(Vec<Top>);

impl Message {
    /// Returns the bytes of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(Top::encode).collect()
    }

    /// Returns the data of a Kinesis record: magic, message, and its digest.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        frame(&self.encode())
    }
}

pub(super) fn frame(message: &[u8]) -> Bytes {
    let digest = Digest::of(message).to_bytes();
    [&MAGIC, message, &digest].concat().into()
}

/// Encodes a varint as producers do, in as few bytes as possible.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(low & 0x7f);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn number_field(number: u64, value: u64) -> Vec<u8> {
    [varint(number.wrapping_shl(3)), varint(value)].concat()
}

pub(super) fn bytes_field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(number.wrapping_shl(3) | 2), delimited(bytes)].concat()
}

/// Encodes a record whose partition key index is outside any table.
pub(super) fn record_without_key() -> Vec<u8> {
    let body = [number_field(1, u64::from(u32::MAX)), bytes_field(3, b"")].concat();
    bytes_field(3, &body)
}

/// A field of the aggregated record.
#[derive(Arbitrary, Clone, Debug)]
enum Top {
    Record(Record),
    PartitionKey(Text),
    ExplicitHashKey(Text),
    Unknown(Unknown),
    /// A record that may lack required fields.
    LooseRecord(Vec<RecordPart>),
}

/// A record with all required fields.
#[derive(Arbitrary, Clone, Debug)]
struct Record {
    partition_key: u8,
    explicit_hash_key: Option<u8>,
    data: Text,
    extra: Vec<RecordPart>,
    extra_first: bool,
}

#[derive(Arbitrary, Clone, Debug)]
enum RecordPart {
    Data(Text),
    PartitionKeyIndex(Varint),
    ExplicitHashKeyIndex(Varint),
    Tag(Vec<TagPart>),
    Unknown(Unknown),
}

#[derive(Arbitrary, Clone, Debug)]
enum TagPart {
    Key(Text),
    Value(Text),
    Unknown(Unknown),
}

#[derive(Arbitrary, Clone, Debug)]
enum Unknown {
    Varint(Number, Varint),
    Fixed64(Number, u64),
    Fixed32(Number, u32),
    Bytes(Number, Text),
    /// A length-delimited field whose length may be wrong.
    Length(Number, Varint, Text),
    Group(Number, Vec<Unknown>),
    HalfGroup(Number),
    /// Nested groups, close to the maximum depth.
    Nest(Number, u8, Vec<Unknown>),
    Raw(Vec<u8>),
}

/// A field number, and how many bytes its tag takes.
#[derive(Arbitrary, Clone, Debug)]
struct Number {
    number: FieldNumber,
    padding: Padding,
}

#[derive(Arbitrary, Clone, Debug)]
enum FieldNumber {
    Small(u8),
    Any(u32),
    /// May have more bits than a tag can have.
    Wide(u64),
}

#[derive(Arbitrary, Clone, Debug)]
struct Varint {
    value: Value,
    padding: Padding,
}

#[derive(Arbitrary, Clone, Debug)]
enum Value {
    Small(u8),
    /// A power of 128, or one less.
    Edge(u8),
    Any(u64),
}

/// How many more bytes than needed a varint takes.
#[derive(Arbitrary, Clone, Debug)]
enum Padding {
    None,
    Bytes(u8),
    /// The maximum length, with these spare bits in the last byte.
    Spare(u8),
    /// One byte more than the maximum length.
    TooLong,
}

#[derive(Arbitrary, Clone, Debug)]
enum Text {
    Bytes(Vec<u8>),
    Decimal(u128),
    Repeated(u8, u8),
}

impl Padding {
    fn varint(&self, value: u64) -> Vec<u8> {
        let mut bytes = varint(value);
        let len = match self {
            Self::None => return bytes,
            Self::Bytes(more) => bytes.len().saturating_add(usize::from(more % 10)).min(10),
            Self::Spare(_) => 10,
            Self::TooLong => 11,
        };
        while bytes.len() < len {
            if let Some(last) = bytes.last_mut() {
                *last |= 0x80;
            }
            bytes.push(0);
        }
        if let (Self::Spare(bits), Some(last)) = (self, bytes.last_mut()) {
            *last |= bits & 0x7f;
        }
        bytes
    }
}

impl Varint {
    fn encode(&self) -> Vec<u8> {
        self.padding.varint(match self.value {
            Value::Small(value) => u64::from(value),
            Value::Edge(edge) => {
                let exponent = u32::from(edge / 2).wrapping_rem(10).saturating_mul(7);
                1_u64
                    .wrapping_shl(exponent)
                    .saturating_sub(u64::from(edge % 2))
            }
            Value::Any(value) => value,
        })
    }
}

impl Number {
    fn tag(&self, wire_type: u64) -> Vec<u8> {
        let number = match self.number {
            FieldNumber::Small(number) => u64::from(number % 20),
            FieldNumber::Any(number) => u64::from(number),
            FieldNumber::Wide(number) => number,
        };
        self.padding.varint(number.wrapping_shl(3) | wire_type)
    }
}

impl Text {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Decimal(number) => number.to_string().into_bytes(),
            Self::Repeated(byte, times) => vec![*byte; usize::from(*times)],
        }
    }

    fn delimited(&self) -> Vec<u8> {
        delimited(&self.bytes())
    }
}

fn delimited(body: &[u8]) -> Vec<u8> {
    [&varint(u64::try_from(body.len()).unwrap_or(u64::MAX)), body].concat()
}

impl Unknown {
    fn encode(&self) -> Vec<u8> {
        let all = |inner: &[Self]| -> Vec<u8> { inner.iter().flat_map(Self::encode).collect() };
        match self {
            Self::Varint(number, value) => [number.tag(0), value.encode()].concat(),
            Self::Fixed64(number, value) => {
                [&number.tag(1), value.to_le_bytes().as_slice()].concat()
            }
            Self::Fixed32(number, value) => {
                [&number.tag(5), value.to_le_bytes().as_slice()].concat()
            }
            Self::Bytes(number, text) => [number.tag(2), text.delimited()].concat(),
            Self::Length(number, len, text) => [number.tag(2), len.encode(), text.bytes()].concat(),
            Self::Group(number, inner) => [number.tag(3), all(inner), number.tag(4)].concat(),
            Self::HalfGroup(number) => number.tag(if number.padding.is_none() { 3 } else { 4 }),
            Self::Nest(number, levels, inner) => {
                let levels = MAX_NESTING
                    .saturating_sub(3)
                    .saturating_add(usize::from(levels % 6));
                let [start, end] = [3, 4].map(|wire_type| number.tag(wire_type).repeat(levels));
                [start, all(inner), end].concat()
            }
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

impl Padding {
    fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl TagPart {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Key(text) => bytes_field(1, &text.bytes()),
            Self::Value(text) => bytes_field(2, &text.bytes()),
            Self::Unknown(unknown) => unknown.encode(),
        }
    }
}

impl RecordPart {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Data(text) => bytes_field(3, &text.bytes()),
            Self::PartitionKeyIndex(index) => [varint(1 << 3), index.encode()].concat(),
            Self::ExplicitHashKeyIndex(index) => [varint(2 << 3), index.encode()].concat(),
            Self::Tag(parts) => {
                let body: Vec<u8> = parts.iter().flat_map(TagPart::encode).collect();
                bytes_field(4, &body)
            }
            Self::Unknown(unknown) => unknown.encode(),
        }
    }
}

impl Top {
    fn encode(&self) -> Vec<u8> {
        let all = |parts: &[RecordPart]| -> Vec<u8> {
            parts.iter().flat_map(RecordPart::encode).collect()
        };
        match self {
            Self::Record(record) => {
                let mut fields = vec![number_field(1, u64::from(record.partition_key % 8))];
                if let Some(index) = record.explicit_hash_key {
                    fields.push(number_field(2, u64::from(index % 8)));
                }
                fields.push(bytes_field(3, &record.data.bytes()));
                let place = if record.extra_first { 0 } else { fields.len() };
                fields.insert(place, all(&record.extra));
                bytes_field(3, &fields.concat())
            }
            Self::PartitionKey(text) => bytes_field(1, &text.bytes()),
            Self::ExplicitHashKey(text) => bytes_field(2, &text.bytes()),
            Self::Unknown(unknown) => unknown.encode(),
            Self::LooseRecord(parts) => bytes_field(3, &all(parts)),
        }
    }
}
