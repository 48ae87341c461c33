//! Kinesis aggregated records (the KPL format) without a heap.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(test)]
extern crate alloc;

mod digest;
mod error;
mod frame;
mod hash_key;
#[cfg(feature = "heapless")]
mod heapless;
mod key_bytes;
mod key_index;
mod key_table;
pub mod limits;
mod message;
mod reader;
mod sections;
mod wire;
mod writer;

pub use digest::Digest;
pub use error::{
    DecodeError, DecodeErrorKind, EncodeError, HashKeyError, LimitError, RequiredField,
    ReversedRangeError,
};
pub use frame::{Frame, MAGIC, PlainReason};
pub use hash_key::{HashKey, HashKeyDecimal, HashKeyRange};
#[cfg(feature = "heapless")]
pub use heapless::VecAggregate;
pub use key_bytes::KeyBytes;
pub use key_index::{InternedKey, KeyIndex, KeySlots};
pub use key_table::KeyOffset;
pub use limits::Limits;
pub use message::{RecordTag, RecordTags};
pub use reader::{
    AggregatedRecord, Keys, Parsed, UserRecord, UserRecordWalk, UserRecords, parse,
    parse_trusting_digest, parse_with_digest,
};
pub use writer::{
    Aggregate, AggregateWriter, ExplicitHashKeyIndex, NewUserRecord, OuterKey, PartitionKeyIndex,
    SectionWriter, UnsealedAggregate, UnsealedBlob,
};
