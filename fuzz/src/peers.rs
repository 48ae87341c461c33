//! Two other decoders of `proto/aggregated_record.proto`, which share no code with the
//! codec.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use core::cell::Cell;

use kinesis_agg_codec::DecodeErrorKind;
use kinesis_agg_tests::Read;
use quick_protobuf::{BytesReader, MessageRead};

use crate::explained::Explained;
use crate::reference::{Message, look_up};

/// The result of decoding a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Valid.
    Valid(Message),
    /// A required field is missing.
    Missing,
    /// An index is outside its table.
    Index(DecodeErrorKind),
    /// Not valid protobuf.
    Unreadable,
}

/// Another decoder.
#[derive(Debug)]
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    /// Decodes a message.
    pub read: fn(&[u8]) -> Verdict,
    /// The rules that it does not follow.
    pub explanations: &'static [Explained],
}

/// All peers.
pub const PEERS: &[Peer] = &[
    Peer {
        name: "prost",
        read: read_by_prost,
        explanations: &[
            Explained::SpareBitsOfTenthByte,
            Explained::TagBeyondFiveBytes,
            Explained::FieldInInnermostGroup,
            Explained::OtherWireType,
        ],
    },
    Peer {
        name: "quick-protobuf",
        read: read_by_quick_protobuf,
        explanations: &[
            Explained::TagBeyond32Bits,
            Explained::TagBeyondFiveBytes,
            Explained::LengthThatDoesNotFit,
            Explained::FieldNumberZero,
            Explained::Group,
        ],
    },
];

/// The message, with all fields optional, so that neither decoder is relied on for
/// `required`. Text fields are bytes, because prost rejects text that is not UTF-8.
#[derive(Clone, PartialEq, prost::Message)]
struct Raw {
    #[prost(bytes = "vec", repeated, tag = "1")]
    partition_keys: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    explicit_hash_keys: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<RawRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawRecord {
    #[prost(uint64, optional, tag = "1")]
    partition_key: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "3")]
    data: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    tags: Vec<RawTag>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawTag {
    #[prost(bytes = "vec", optional, tag = "1")]
    key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    value: Option<Vec<u8>>,
}

impl Raw {
    /// Checks what protobuf leaves to its user: required fields and indices.
    fn judge(self) -> Verdict {
        let mut message = Message {
            partition_keys: self.partition_keys,
            explicit_hash_keys: self.explicit_hash_keys,
            user_records: Vec::new(),
        };
        let mut records = Vec::new();
        for record in self.records {
            let (Some(partition_key), Some(data)) = (record.partition_key, record.data) else {
                return Verdict::Missing;
            };
            let tags = record.tags.into_iter();
            let tags: Option<Vec<_>> = tags.map(|tag| Some((tag.key?, tag.value))).collect();
            let Some(tags) = tags else {
                return Verdict::Missing;
            };
            records.push((partition_key, record.explicit_hash_key, data, tags));
        }
        for (partition_key, explicit_hash_key, data, tags) in records {
            let index = partition_key;
            let partition_key = match look_up(&message.partition_keys, index) {
                Ok(key) => key,
                Err(count) => {
                    return Verdict::Index(DecodeErrorKind::PartitionKeyIndex { index, count });
                }
            };
            let explicit_hash_key = match explicit_hash_key {
                None => None,
                Some(index) => match look_up(&message.explicit_hash_keys, index) {
                    Ok(key) => Some(key),
                    Err(count) => {
                        let kind = DecodeErrorKind::ExplicitHashKeyIndex { index, count };
                        return Verdict::Index(kind);
                    }
                },
            };
            let sub_sequence_number = u64::try_from(message.user_records.len()).unwrap();
            message.user_records.push(Read {
                partition_key,
                explicit_hash_key,
                data,
                tags,
                sub_sequence_number,
            });
        }
        Verdict::Valid(message)
    }
}

fn read_by_prost(message: &[u8]) -> Verdict {
    <Raw as prost::Message>::decode(message).map_or(Verdict::Unreadable, Raw::judge)
}

impl<'a> MessageRead<'a> for Raw {
    fn from_reader(reader: &mut BytesReader, bytes: &'a [u8]) -> quick_protobuf::Result<Self> {
        let mut message = Self::default();
        while !reader.is_eof() {
            match reader.next_tag(bytes)? {
                0x0a => message
                    .partition_keys
                    .push(reader.read_bytes(bytes)?.to_vec()),
                0x12 => message
                    .explicit_hash_keys
                    .push(reader.read_bytes(bytes)?.to_vec()),
                0x1a => message.records.push(reader.read_message(bytes)?),
                tag => reader.read_unknown(bytes, tag)?,
            }
        }
        Ok(message)
    }
}

impl<'a> MessageRead<'a> for RawRecord {
    fn from_reader(reader: &mut BytesReader, bytes: &'a [u8]) -> quick_protobuf::Result<Self> {
        let mut record = Self::default();
        while !reader.is_eof() {
            match reader.next_tag(bytes)? {
                0x08 => record.partition_key = Some(reader.read_uint64(bytes)?),
                0x10 => record.explicit_hash_key = Some(reader.read_uint64(bytes)?),
                0x1a => record.data = Some(reader.read_bytes(bytes)?.to_vec()),
                0x22 => record.tags.push(reader.read_message(bytes)?),
                tag => reader.read_unknown(bytes, tag)?,
            }
        }
        Ok(record)
    }
}

impl<'a> MessageRead<'a> for RawTag {
    fn from_reader(reader: &mut BytesReader, bytes: &'a [u8]) -> quick_protobuf::Result<Self> {
        let mut tag = Self::default();
        while !reader.is_eof() {
            match reader.next_tag(bytes)? {
                0x0a => tag.key = Some(reader.read_bytes(bytes)?.to_vec()),
                0x12 => tag.value = Some(reader.read_bytes(bytes)?.to_vec()),
                unknown => reader.read_unknown(bytes, unknown)?,
            }
        }
        Ok(tag)
    }
}

/// Decodes with quick-protobuf.
///
/// If a field extends beyond the end of its message, quick-protobuf reads past that
/// end and panics at a subtraction. A panic counts as unreadable.
fn read_by_quick_protobuf(message: &[u8]) -> Verdict {
    let mut reader = BytesReader::from_bytes(message);
    guarded(|| Raw::from_reader(&mut reader, message).map_or(Verdict::Unreadable, Raw::judge))
        .unwrap_or(Verdict::Unreadable)
}

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a function that may panic, and returns `None` if it does. libFuzzer's panic
/// hook would abort the process before the panic could be caught, so it is bypassed.
fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let outer = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_GUARDED.get() {
                outer(info);
            }
        }));
    });
    IS_GUARDED.set(true);
    let caught = panic::catch_unwind(AssertUnwindSafe(run));
    IS_GUARDED.set(false);
    caught.ok()
}
