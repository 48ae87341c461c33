//! Reads and writes Kinesis aggregated records (the KPL format) in the caller's memory:
//! no `std`, no allocation, no `unsafe`, no panic.
//!
//! ```toml
//! [dependencies]
//! kinesis-agg-codec = "0.1"
//! ```
//!
//! Amazon's Kinesis Producer Library (KPL) packs many **user records** into the data of
//! one Kinesis record, an **aggregated record**:
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
//! This crate is the codec alone. The crate `kinesis-agg` builds on it for programs with a
//! heap: owned records, batches, AWS SDK, Lambda, and producing for many shards.
//!
//! # Reading
//!
//! ```
//! use kinesis_agg_codec::{Parsed, parse};
//!
//! # let mut buffer = [0; 256];
//! # let mut writer = kinesis_agg_codec::AggregateWriter::new(&mut buffer);
//! # writer.try_push(&kinesis_agg_codec::NewUserRecord::new("sensor-7", b"21.5"))?;
//! # let blob = writer.finish()?.data();
//! match parse(blob)? {
//!     Parsed::Plain(reason) => println!("one user record: {reason}"),
//!     Parsed::Aggregated(aggregated) => {
//!         for user_record in aggregated.user_records() {
//!             assert_eq!(user_record.partition_key(), "sensor-7");
//!             assert_eq!(user_record.data(), b"21.5");
//!         }
//!     }
//! }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! A blob has one of three outcomes:
//!
//! | Outcome | When | Contents |
//! |---|---|---|
//! | [`Parsed::Plain`] | no magic, too short, or the digest differs | the blob is one user record |
//! | [`Parsed::Aggregated`] | magic and digest good, message valid | every user record, in order |
//! | [`DecodeError`] | magic and digest good, message not valid | what is wrong, at which byte |
//!
//! `parse` checks the whole message first. After that, iterating over user records cannot
//! fail, and they borrow from the blob.
//!
//! # Writing
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
//! let last = writer.finish()?;
//! send(last.partition_key(), last.data());
//! # Ok::<(), kinesis_agg_codec::EncodeError>(())
//! ```
//!
//! The bytes are those that the KPL writes for the same user records. Kinesis stores the
//! whole aggregate in one shard: on a stream with several shards, put user records of
//! different [`HashKeyRange`]s into different aggregates.
//!
//! # For embedded producers
//!
//! For a device with 16 KiB of RAM:
//!
//! ```toml
//! [dependencies]
//! kinesis-agg-codec = { version = "0.1", default-features = false, features = ["embedded-io"] }
//! ```
//!
//! Without the feature `fast`, reading and writing take less code and more time. Here, the
//! buffer takes 1 KiB and the stack 0.6 KiB, which leaves 14 KiB for the link: enough for a
//! UART, a radio or a modem that does TLS, seldom for TLS on the device. With the device's name
//! as the only partition key, every aggregate is in the right shard, however many shards the
//! stream has.
//!
//! ```
//! # #[cfg(feature = "embedded-io")] {
//! use embedded_io::Write;
//! use kinesis_agg_codec::{
//!     AggregateWriter, ByteSink as _, EmbeddedIo, EncodeError, KeySlots, NewUserRecord, WriteSlot,
//! };
//!
//! type Writer = AggregateWriter<[u8; 1024], KeySlots<[WriteSlot; 1]>>;
//!
//! fn writer() -> Writer {
//!     AggregateWriter::with_key_lookup([0; 1024], KeySlots::new([WriteSlot::EMPTY; 1]))
//! }
//!
//! /// Adds a reading. When the buffer is full, sends what is in it first.
//! fn add<L: Write>(writer: &mut Writer, data: &[u8], link: &mut L) -> Result<(), EncodeError> {
//!     let reading = NewUserRecord::new("device-42", data);
//!     match writer.try_push(&reading) {
//!         Err(error) if error.is_full() => {
//!             let full = writer.finish()?;
//!             while send(full.data(), link).is_none() {
//!                 // The blob stays in the buffer: wait, and send it again. The receiver must
//!                 // find the start of a frame again, for example after a pause.
//!             }
//!             writer.try_push(&reading)
//!         }
//!         pushed => pushed,
//!     }
//! }
//!
//! /// A frame of your link: here a length and the blob.
//! fn send<L: Write>(blob: &[u8], link: &mut L) -> Option<()> {
//!     let len = u16::try_from(blob.len()).ok()?.to_be_bytes();
//!     let mut sink = EmbeddedIo::new(&mut *link);
//!     sink.write_all(&len).ok()?;
//!     sink.write_all(blob).ok()?;
//!     link.flush().ok()
//! }
//! # let mut writer = writer();
//! # let mut memory = [0; 4096];
//! # let mut link = &mut memory[..];
//! # for number in 0..200_u32 { add(&mut writer, &number.to_be_bytes(), &mut link).unwrap(); }
//! # let sent = 4096 - link.len();
//! # assert_eq!(sent, 2 * (2 + 1021));
//! # assert!(matches!(kinesis_agg_codec::parse(&memory[2..1023]), Ok(kinesis_agg_codec::Parsed::Aggregated(_))));
//! # }
//! ```
//!
//! The receiver puts the blob into the stream unchanged, under the partition key `device-42`.
//! [`from_device_to_stream`](https://docs.rs/kinesis-agg-codec/latest/kinesis_agg_codec/from_device_to_stream/index.html)
//! describes the paths there (an IoT Core rule, HTTPS, a gateway), and how to handle resets,
//! interrupts and features. Two examples run on Cortex-M in the repository's CI:
//! [`embedded_producer`] (an interrupt, a queue, a link that fails) and [`flash_log`]
//! (aggregates in flash, resets in the middle).
//!
//! [`embedded_producer`]: https://docs.rs/crate/kinesis-agg-codec/latest/source/examples/embedded_producer/device.rs
//! [`flash_log`]: https://docs.rs/crate/kinesis-agg-codec/latest/source/examples/flash_log/device.rs
//!
//! ## Which writer
//!
//! Measured on a Cortex-M3 (`opt-level = "s"`, LTO, without `fast`), in bytes. Text does
//! not include MD5, which takes 2.5 kB; stack includes it.
//!
//! | | For | Text | Stack | Memory |
//! |---|---|---|---|---|
//! | [`AggregateWriter`] | any keys; it finds known ones | 1706; 3716 with explicit hash keys | 544 | buffer and slots |
//! | [`SectionWriter`] | keys that you know, by index | 694 | 488 | buffer |
//! | [`StreamWriter`] | the same, into a sink, blobs of any size | 814 | 576 | 128, on the stack |
//! | `AsyncStreamWriter` | the same, into an asynchronous device | 2546 | | 128, and 184 for a future |
//! | [`parse`] and all user records | reading | 2304 | 568 | slots, on the stack |
//!
//! Logging their return values with `defmt` adds 0.4 kB of text and no function of
//! [`core::fmt`].
//!
//! The stack for reading is that of a program that iterates in a separate function. In the
//! caller of [`parse`], the iterator with its slots would already be on the stack while the
//! digest is computed.
//!
//! The crate allocates nothing and has no statics. Buffer and writer may be `static`;
//! constructors are `const`. A static buffer of zeros that is lent to a writer
//! (`AggregateWriter::new(buffer)` with a `&'static mut [u8; 512]` from a cell of your
//! runtime) costs RAM only. A static writer that owns its array keeps an aggregate open
//! across calls and costs as much flash again: its limits are non-zero, so the whole static
//! is placed in `.data`.
//!
//! ## Buffer size
//!
//! The buffer must hold the longest blob that you want to send. In bytes:
//!
//! | Part of a blob | Bytes |
//! |---|---|
//! | magic and digest | [`FRAME_LEN`](limits::FRAME_LEN) |
//! | each key, once | 2 and its length |
//! | each user record | 6 and the length of its data |
//! | the index of an explicit hash key, in a user record | 2 |
//! | each length or index above 127 | 1 more |
//!
//! [`AggregateWriter::encoded_len_with`] returns the exact number before a push:
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
//! If the service's limit is below the buffer's length, set [`Limits::with_max_size`],
//! which also counts the outer partition key.
//!
//! ## Number of key slots
//!
//! | For | A slot | Default | With fewer slots than keys |
//! |---|---|---|---|
//! | writing | [`WriteSlot`], 8 bytes | [`DEFAULT_KEY_SLOTS`](limits::DEFAULT_KEY_SLOTS) | some keys are stored again at each use |
//! | reading | [`ReadSlot`], 4 bytes | the same | a look-up takes up to ceil(keys / slots) steps |
//!
//! No user record is rejected, lost or changed for lack of slots, and lent slots may hold
//! anything. [`KeySlots`] describes how many slots are useful with many keys. A device with
//! one key can lend a single slot:
//!
//! ```
//! use kinesis_agg_codec::{AggregateWriter, KeySlots, WriteSlot};
//!
//! let slots = KeySlots::new([WriteSlot::EMPTY; 1]);
//! let mut writer = AggregateWriter::with_key_lookup([0; 512], slots);
//! # writer.clear();
//! ```
//!
//! ## When the aggregate is full
//!
//! A push succeeds or changes nothing. The error determines what to do:
//!
//! | Error | [`EncodeError::is_full`] | What helps |
//! |---|---|---|
//! | [`EncodeError::Full`], [`EncodeError::CountReached`] | true | finish, send, push the same user record again |
//! | [`EncodeError::TooLarge`] | false | a larger buffer or limit; nothing else |
//! | all others | false | see the error |
//!
//! A device that sends rarely should not wait until the aggregate is full: note the time of the
//! first push, and finish when that is too long ago. The finished [`Aggregate`] borrows the
//! buffer and can be sent again while it is held. If a sink fails, see [`StreamWriter`].
//!
//! [`NewUserRecord`] borrows its data, so a temporary array needs a variable that lives as long
//! (`let data = reading.to_be_bytes();`).
//!
//! # Limits
//!
//! The numbers are in [`limits`], each with its source:
//!
//! | What | Limit |
//! |---|---|
//! | written Kinesis record: blob and outer partition key, in bytes | [`DEFAULT_MAX_SIZE`](limits::DEFAULT_MAX_SIZE), settable up to [`LARGEST_MAX_SIZE`](limits::LARGEST_MAX_SIZE) |
//! | written partition key, in UTF-16 code units | 1 to [`MAX_PARTITION_KEY_UTF16_LEN`](limits::MAX_PARTITION_KEY_UTF16_LEN) |
//! | hash key | [`HashKey::MIN`] to [`HashKey::MAX`] |
//! | nested groups in unknown fields | [`MAX_NESTING`](limits::MAX_NESTING) |
//! | blob that is read | what 32 bits can address |
//!
//! Keys that are read may have any length and any bytes. There may be any number of keys
//! and user records.
//!
//! # Features
//!
//! Features are additive.
//!
//! | Feature | Adds | Brings into the API |
//! |---|---|---|
//! | `fast` (default) | more code for less time; the same bytes, user records and errors | nothing |
//! | `heapless` | [`VecAggregate`](https://docs.rs/kinesis-agg-codec/latest/kinesis_agg_codec/struct.VecAggregate.html) and writers with a `heapless::Vec` as buffer | `heapless` 0.9 |
//! | `embedded-io` | [`EmbeddedIo`](https://docs.rs/kinesis-agg-codec/latest/kinesis_agg_codec/struct.EmbeddedIo.html): a device as the sink of a [`StreamWriter`] | `embedded-io` 0.7 |
//! | `embedded-io-async` | [`AsyncStreamWriter`](https://docs.rs/kinesis-agg-codec/latest/kinesis_agg_codec/struct.AsyncStreamWriter.html): streams into an asynchronous device | `embedded-io-async` 0.7 |
//! | `defmt` | `defmt::Format` for errors, outcomes, keys, user records and aggregates, without `core::fmt` | `defmt` 1 |
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
#[cfg(any(doc, doctest))]
#[doc = include_str!("../DEVICES.md")]
pub mod from_device_to_stream {}
mod hash_key;
mod key_bytes;
pub mod limits;
#[cfg(feature = "defmt")]
mod log_format;
mod read;
mod record_tag;
mod rewrite;
mod schema;
mod wire;
mod write;

pub use digest::Digest;
pub use error::{
    DecodeError, DecodeErrorKind, EncodeError, EncodedPart, HashKeyError, LimitError,
    RequiredField, ReversedRangeError, RewriteError, StreamError,
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
#[cfg(feature = "embedded-io-async")]
pub use write::async_stream_writer::AsyncStreamWriter;
pub use write::counts::{ExplicitHashKeyIndex, PartitionKeyIndex};
#[cfg(feature = "embedded-io")]
pub use write::embedded_io::EmbeddedIo;
#[cfg(any(feature = "embedded-io", feature = "embedded-io-async"))]
pub use write::embedded_io_error::EmbeddedIoError;
#[cfg(feature = "heapless")]
pub use write::heapless::VecAggregate;
pub use write::key_lookup::{KeyLookup, KeySlots, WriteSlot};
pub use write::new_user_record::NewUserRecord;
pub use write::section_writer::SectionWriter;
pub use write::stream::StreamedAggregate;
pub use write::stream_writer::{ByteSink, StreamWriter};
