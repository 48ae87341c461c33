//! Kinesis aggregated records (the KPL format) in the caller's memory: no
//! `std`, no allocation, no `unsafe`, no panic.
//!
//! Amazon's Kinesis Producer Library packs many **user records** into the data
//! of one Kinesis record, an **aggregate**:
//!
//! ```text
//! 0        4                                   n-16        n
//! | F3 89 9A C2 | AggregatedRecord (protobuf) | MD5 of that |
//!               |                             |
//!               | partition key table         |   each key once
//!               | explicit hash key table     |
//!               | records: key indices, data  |
//! ```
//!
//! # Reading
//!
//! A blob is one of three things, and [`parse`] says which:
//!
//! | Outcome | When | What there is |
//! |---|---|---|
//! | [`Parsed::Plain`] | no magic, too short, or another digest | one user record, as it stands |
//! | [`Parsed::Aggregated`] | magic and digest good, message valid | every user record, in order |
//! | [`DecodeError`] | magic and digest good, message not valid | kind, byte offset, numbers |
//!
//! The whole message is checked first. After that, handing out user records
//! cannot fail, and they borrow from the blob.
//!
//! ```
//! use kinesis_agg_codec::{Parsed, parse};
//!
//! # let mut buffer = [0; 256];
//! # let mut writer = kinesis_agg_codec::AggregateWriter::new(&mut buffer);
//! # writer.try_push(&kinesis_agg_codec::NewUserRecord::new("sensor-7", b"21.5"))?;
//! # let blob = writer.finish()?.data();
//! if let Parsed::Aggregated(aggregated) = parse(blob)? {
//!     for user_record in aggregated.user_records() {
//!         assert_eq!(user_record.partition_key(), "sensor-7");
//!         assert_eq!(user_record.data(), b"21.5");
//!     }
//! }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Writing
//!
//! [`AggregateWriter`] takes a buffer and user records. What does not fit
//! leaves it as it was:
//!
//! ```
//! use kinesis_agg_codec::{AggregateWriter, NewUserRecord};
//!
//! # fn send(_partition_key: &str, _data: &[u8]) {}
//! let mut buffer = [0; 128];
//! let mut writer = AggregateWriter::new(&mut buffer);
//! for reading in 0..100_u32 {
//!     let data = reading.to_be_bytes();
//!     let user_record = NewUserRecord::new("sensor-7", &data);
//!     if !writer.fits(&user_record) {
//!         let full = writer.finish()?;
//!         send(full.partition_key(), full.data());
//!     }
//!     writer.try_push(&user_record)?;
//! }
//! let rest = writer.finish()?;
//! send(rest.partition_key(), rest.data());
//! # Ok::<(), kinesis_agg_codec::EncodeError>(())
//! ```
//!
//! The bytes are those of the KPL for the same user records. All of an
//! aggregate goes to one shard: on a stream of several shards, keep user
//! records of different [`HashKeyRange`]s in different aggregates.
//!
//! # For embedded producers
//!
//! ## Which writer
//!
//! Measured on a Cortex-M3 (`opt-level = "s"`, LTO), in bytes; text is beside
//! MD5, which has 2.5 kB, stack is with MD5 in it:
//!
//! | | For | Text | Stack | Memory |
//! |---|---|---|---|---|
//! | [`AggregateWriter`] | any keys; it finds each again | 1684; 4184 with explicit hash keys | 576 | buffer and slots |
//! | [`SectionWriter`] | keys that you know, by index | 700 | 472 | buffer |
//! | [`StreamWriter`] | the same, into a sink, blobs of any size | 822 | 648 | 128, in the stack |
//! | [`parse`] and all user records | reading | 2408 | 576 | slots, in the stack |
//!
//! The stack of reading is that of a program that walks in a function of its own:
//! in the caller of [`parse`] the iterator, with its slots, would be there while the
//! digest is computed.
//!
//! Nothing is allocated, nothing is static. Buffer or writer may be `static`;
//! making either is `const`. A static buffer that is lent to a writer
//! (`AggregateWriter::new(buffer)` with a `&'static mut [u8; 512]` from a cell
//! of your runtime) is zeros, so it costs RAM alone. A static writer that owns
//! its array keeps an aggregate open across calls, and costs as much flash
//! again: its limits are no zeros, so the start code copies all of it.
//!
//! ## How large the buffer has to be
//!
//! As long as the longest blob shall become. In bytes:
//!
//! | Part of a blob | Bytes |
//! |---|---|
//! | magic and digest | [`FRAME_LEN`](limits::FRAME_LEN) |
//! | each key, once | 2 and its length |
//! | each user record | 6 and the length of its data |
//! | an explicit hash key's index, in a user record | 2 |
//! | each length or index above 127 | 1 more |
//!
//! [`AggregateWriter::encoded_len_with`] says it exactly, before a push:
//!
//! ```
//! use kinesis_agg_codec::{AggregateWriter, NewUserRecord};
//!
//! let mut buffer = [0; 512];
//! let mut writer = AggregateWriter::new(&mut buffer);
//! let reading = NewUserRecord::new("sensor-7", &[0; 8]);
//! while writer.fits(&reading) {
//!     writer.try_push(&reading)?;
//! }
//! assert_eq!(writer.record_count(), 34);
//! assert_eq!(writer.encoded_len(), 20 + (2 + 8) + 34 * (6 + 8));
//! # Ok::<(), kinesis_agg_codec::EncodeError>(())
//! ```
//!
//! Where the service counts less than the buffer has, set
//! [`Limits::with_max_size`]: it counts the outer partition key, too.
//!
//! ## How large the key index has to be
//!
//! | For | A slot | By default | With fewer slots than keys |
//! |---|---|---|---|
//! | writing | [`WriteSlot`], 8 bytes | [`DEFAULT_KEY_SLOTS`](limits::DEFAULT_KEY_SLOTS) | keys beyond them are stored again at each use |
//! | reading | [`ReadSlot`], 4 bytes | as many | a look-up takes up to ceil(keys / slots) steps |
//!
//! Neither refuses or loses anything. [`KeySlots`] says how many are worth it
//! where there are many keys; a device with one key can give a single slot:
//!
//! ```
//! use kinesis_agg_codec::{AggregateWriter, WriteSlot, KeySlots};
//!
//! let slots = KeySlots::new([WriteSlot::EMPTY; 1]);
//! let mut writer = AggregateWriter::with_key_lookup([0; 512], slots);
//! # writer.clear();
//! ```
//!
//! ## When it is full
//!
//! A push is done or refused, and a refused one leaves no trace. One question
//! tells what to do:
//!
//! | Refusal | [`EncodeError::is_full`] | What helps |
//! |---|---|---|
//! | [`EncodeError::Full`], [`EncodeError::CountReached`] | yes | finish, send, push the same user record again |
//! | [`EncodeError::TooLarge`] | no | a larger buffer or limit; nothing else |
//! | all others | no | the user record is wrong |
//!
//! A device that sends rarely is not full for long: note the time of the first
//! push, and finish when that is too old. The finished [`Aggregate`] borrows the
//! buffer: as long as it is held, it can be sent again. A sink that fails is
//! another matter, see [`StreamWriter`]. The example `embedded_producer` does
//! all of this.
//!
//! [`NewUserRecord`] borrows: bytes that are made on the spot need a name that
//! lives as long (`let data = reading.to_be_bytes();`).
//!
//! # Limits
//!
//! The numbers are in [`limits`], each with its source:
//!
//! | What | Limit |
//! |---|---|
//! | Kinesis record that is written: blob and outer partition key, in bytes | [`DEFAULT_MAX_SIZE`](limits::DEFAULT_MAX_SIZE), settable up to [`LARGEST_MAX_SIZE`](limits::LARGEST_MAX_SIZE) |
//! | partition key that is written, in UTF-16 units | 1 to [`MAX_PARTITION_KEY_UTF16_LEN`](limits::MAX_PARTITION_KEY_UTF16_LEN) |
//! | hash key | [`HashKey::MIN`] to [`HashKey::MAX`] |
//! | groups in unknown fields, in levels | [`MAX_NESTING`](limits::MAX_NESTING) |
//! | blob that is read | what 32 bits can address |
//!
//! Keys that are read may be of any length and any bytes, and there may be any
//! number of keys and user records.
//!
//! # Features
//!
//! None by default, and features only add. `heapless`: a `heapless::Vec` as
//! the writer's buffer. `embedded-io`: an `embedded_io::Write` as the sink of a
//! [`StreamWriter`].
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
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
mod key_bytes;
pub mod limits;
mod read;
mod record_tag;
mod schema;
mod wire;
mod write;

pub use digest::Digest;
pub use error::{
    DecodeError, DecodeErrorKind, EncodeError, EncodedPart, HashKeyError, LimitError,
    RequiredField, ReversedRangeError, StreamError,
};
pub use frame::{Frame, MAGIC, PlainReason};
pub use hash_key::{HashKey, HashKeyDecimal, HashKeyRange};
pub use key_bytes::KeyBytes;
pub use limits::Limits;
pub use read::aggregated_record::{AggregatedRecord, Keys};
pub use read::key_slots::ReadSlot;
pub use read::parsed::{Parsed, parse, parse_with_digest, parse_without_digest};
pub use read::user_records::{UserRecord, UserRecordCursor, UserRecords};
pub use record_tag::{RecordTag, RecordTags, RecordTagsIter};
pub use write::aggregate::{Aggregate, OuterKey, UnsealedAggregate, UnsealedBlob};
pub use write::aggregate_writer::AggregateWriter;
pub use write::counts::{ExplicitHashKeyIndex, PartitionKeyIndex};
#[cfg(feature = "embedded-io")]
pub use write::embedded_io::{EmbeddedIo, EmbeddedIoError};
#[cfg(feature = "heapless")]
pub use write::heapless::VecAggregate;
pub use write::key_lookup::{KeyLookup, KeySlots, WriteSlot};
pub use write::new_user_record::NewUserRecord;
pub use write::section_writer::SectionWriter;
pub use write::stream_writer::{ByteSink, StreamWriter, StreamedAggregate};
