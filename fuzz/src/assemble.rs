//! Messages put together from a fuzzer's bytes: mostly what a producer could
//! have written, with anything that protobuf allows, and some that it does not,
//! at any place.

use arbitrary::{Arbitrary, Unstructured};
use kinesis_agg_codec::limits;
use kinesis_agg_tests::wire;

/// The message that `input` stands for: by its first byte as it is, or
/// assembled.
#[must_use]
pub fn message(input: &[u8]) -> Vec<u8> {
    match input.split_first() {
        None => Vec::new(),
        Some((mode, rest)) if mode % 2 == 0 => rest.to_vec(),
        Some((_, rest)) => {
            let parts = Vec::<Top>::arbitrary_take_rest(Unstructured::new(rest));
            parts.iter().flatten().flat_map(Top::encode).collect()
        }
    }
}

/// A field of the aggregated record.
#[derive(Arbitrary, Debug)]
enum Top {
    Record(Record),
    PartitionKey(Text),
    ExplicitHashKey(Text),
    Unknown(Unknown),
    /// Lacks what it lacks.
    LooseRecord(Vec<RecordPart>),
}

/// A record that lacks nothing.
#[derive(Arbitrary, Debug)]
struct Record {
    partition_key: u8,
    explicit_hash_key: Option<u8>,
    data: Text,
    extra: Vec<RecordPart>,
    extra_first: bool,
}

#[derive(Arbitrary, Debug)]
enum RecordPart {
    Data(Text),
    PartitionKeyIndex(Varint),
    ExplicitHashKeyIndex(Varint),
    Tag(Vec<TagPart>),
    Unknown(Unknown),
}

#[derive(Arbitrary, Debug)]
enum TagPart {
    Key(Text),
    Value(Text),
    Unknown(Unknown),
}

#[derive(Arbitrary, Debug)]
enum Unknown {
    Varint(Number, Varint),
    Fixed64(Number, u64),
    Fixed32(Number, u32),
    Bytes(Number, Text),
    /// A length that need not be that of what follows.
    Length(Number, Varint, Text),
    Group(Number, Vec<Unknown>),
    HalfGroup(Number),
    /// Groups in groups, about as deep as they may be.
    Nest(Number, u8, Vec<Unknown>),
    Raw(Vec<u8>),
}

/// A field number, and how its tag is written.
#[derive(Arbitrary, Debug)]
struct Number {
    number: FieldNumber,
    padding: Padding,
}

#[derive(Arbitrary, Debug)]
enum FieldNumber {
    Small(u8),
    Any(u32),
    /// Of more bits than a tag can have.
    Wide(u64),
}

#[derive(Arbitrary, Debug)]
struct Varint {
    value: Value,
    padding: Padding,
}

#[derive(Arbitrary, Debug)]
enum Value {
    Small(u8),
    /// A power of 128, or one less.
    Edge(u8),
    Any(u64),
}

/// How many bytes more than needed a varint takes.
#[derive(Arbitrary, Debug)]
enum Padding {
    None,
    Bytes(u8),
    /// As long as it can be, with these bits to spare.
    Spare(u8),
    /// Longer than it can be.
    TooLong,
}

#[derive(Arbitrary, Debug)]
enum Text {
    Bytes(Vec<u8>),
    Decimal(u128),
    Repeated(u8, u8),
}

impl Padding {
    fn varint(&self, value: u64) -> Vec<u8> {
        let mut bytes = wire::varint(value);
        let len = match self {
            Self::None => return bytes,
            Self::Bytes(more) => (bytes.len() + usize::from(more % 10)).min(10),
            Self::Spare(_) => 10,
            Self::TooLong => 11,
        };
        while bytes.len() < len {
            *bytes.last_mut().unwrap() |= 0x80;
            bytes.push(0);
        }
        if let Self::Spare(bits) = self {
            bytes[9] |= bits & 0x7f;
        }
        bytes
    }
}

impl Varint {
    fn encode(&self) -> Vec<u8> {
        self.padding.varint(match self.value {
            Value::Small(value) => u64::from(value),
            Value::Edge(edge) => (1_u64 << (7 * (u32::from(edge / 2) % 10))) - u64::from(edge % 2),
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
        self.padding.varint(number << 3 | wire_type)
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
    [&wire::varint(u64::try_from(body.len()).unwrap()), body].concat()
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
                let levels = limits::MAX_NESTING - 3 + usize::from(levels % 6);
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
            Self::Key(text) => wire::bytes(1, &text.bytes()),
            Self::Value(text) => wire::bytes(2, &text.bytes()),
            Self::Unknown(unknown) => unknown.encode(),
        }
    }
}

impl RecordPart {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Data(text) => wire::bytes(3, &text.bytes()),
            Self::PartitionKeyIndex(index) => [wire::varint(1 << 3), index.encode()].concat(),
            Self::ExplicitHashKeyIndex(index) => [wire::varint(2 << 3), index.encode()].concat(),
            Self::Tag(parts) => {
                let body: Vec<u8> = parts.iter().flat_map(TagPart::encode).collect();
                wire::bytes(4, &body)
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
                let mut fields = vec![wire::number(1, u64::from(record.partition_key % 8))];
                if let Some(index) = record.explicit_hash_key {
                    fields.push(wire::number(2, u64::from(index % 8)));
                }
                fields.push(wire::bytes(3, &record.data.bytes()));
                let place = if record.extra_first { 0 } else { fields.len() };
                fields.insert(place, all(&record.extra));
                wire::bytes(3, &fields.concat())
            }
            Self::PartitionKey(text) => wire::partition_key(&text.bytes()),
            Self::ExplicitHashKey(text) => wire::explicit_hash_key(&text.bytes()),
            Self::Unknown(unknown) => unknown.encode(),
            Self::LooseRecord(parts) => wire::bytes(3, &all(parts)),
        }
    }
}
