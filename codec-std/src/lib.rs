//! Kinesis aggregated records (the KPL format): deaggregation for consumers,
//! aggregation for producers.
//!
//! Amazon's Kinesis Producer Library packs many **user records** into one
//! Kinesis record. This crate takes them out again, and packs them, byte for
//! byte as the KPL does. The format itself is [`codec`]'s, which runs without
//! a heap; this crate owns memory.
//!
//! # Consuming
//!
//! [`deaggregate_batch`] turns Kinesis records into user records, lazily and in
//! order. Kinesis records that are not aggregated pass through.
//!
//! ```
//! use kinesis_agg::{KinesisRecord, deaggregate_batch};
//!
//! # fn get_records() -> Vec<KinesisRecord> { Vec::new() }
//! let records = get_records();
//! for delivered in deaggregate_batch(&records) {
//!     if let Some(error) = delivered.malformed() {
//!         eprintln!("{:?}: {error}", delivered.sequence_number());
//!     }
//!     println!("{:?}: {} bytes", delivered.partition_key(), delivered.data().len());
//! }
//! ```
//!
//! Any type can be the Kinesis record that implements [`EnclosingRecord`].
//! What each input turned out to be is its [`Outcome`]:
//!
//! | Outcome | Delivered |
//! |---|---|
//! | [`Outcome::Plain`]: no aggregate | the Kinesis record, as it is |
//! | [`Outcome::Aggregated`] | its user records; none if it has none |
//! | [`Outcome::Malformed`]: magic and digest good, message not valid | the Kinesis record, flagged; or an error, with [`Batch::strict`] |
//!
//! | A consumer that | asks for |
//! |---|---|
//! | may see one shard's hash keys only | [`Batch::filter_by`] a [`HashKeyFilter`] |
//! | stopped in the middle of an aggregate | [`Batch::resume_after`] a checkpoint, [`Delivered::extended_sequence_number`] |
//! | must not go on after a malformed aggregate | [`Batch::strict`] |
//! | wants to see an aggregate without user records, too | [`Batch::observe`] |
//! | hands user records to other threads | [`parse_shared`]: they share the blob's memory instead of borrowing |
//! | has all Kinesis records there, and several megabytes | [`Batch::digests_at_once`], feature `simd` |
//!
//! After a reshard, an aggregate can be in a shard that does not have all of
//! its user records. The KCL leaves such an aggregate out as a whole, and a
//! `Producer` puts it again: behind one, filter by
//! [`HashKeyFilter::WholeAggregate`], and nothing comes twice on that account.
//!
//! # Producing
//!
//! [`RecordAggregator`] takes user records and hands out an aggregate whenever
//! one is full. A user record that no aggregate can take comes back with the
//! reason; nothing else changes.
//!
//! ```
//! use kinesis_agg::{HashKey, OwnedUserRecord, RecordAggregator};
//!
//! # fn put(_: kinesis_agg::OwnedAggregate) {}
//! let mut aggregator = RecordAggregator::new();
//! let user_record = OwnedUserRecord::new("sensor-7", "21.5")
//!     .with_explicit_hash_key("7".parse::<HashKey>()?);
//! if let Some(full) = aggregator.push(user_record)? {
//!     put(full);
//! }
//! if let Some(rest) = aggregator.flush() {
//!     put(rest);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! All of an aggregate goes to one shard, whatever the keys of its user records
//! say, and a consumer may drop an aggregate of which one user record is
//! another shard's. So there are three more layers:
//!
//! | Type | Knows | Leaves to the caller |
//! |---|---|---|
//! | [`ShardedAggregator`] | the shards ([`ShardMap`]): an aggregate for each | sending, answers, time |
//! | [`ProducerCore`] | answers, too: what is delivered, what is sent again | sockets, time |
//! | `Producer` (feature `producer`) | everything | nothing |
//!
//! `Producer` loses nothing when the stream reshards, and gives back what it
//! could not deliver; [`ProducerCore`] says what it promises. Await its
//! `shutdown` before the runtime ends.
//!
//! # In Lambda
//!
//! Feature `lambda`: events of streams, Firehose and Kinesis Analytics come as
//! they are, and their user records as from [`deaggregate_batch`]. A function
//! answers which Kinesis records failed; Lambda then reads the shard again from
//! the first of them on, with all of its user records.
//!
//! ```
//! # #[cfg(feature = "lambda")] {
//! use kinesis_agg::lambda::{BatchItemFailures, KinesisEvent};
//!
//! # fn process(_: &[u8]) -> Result<(), std::io::Error> { Ok(()) }
//! fn handler(event: &KinesisEvent) -> BatchItemFailures {
//!     let mut failures = BatchItemFailures::default();
//!     for user_record in event.user_records() {
//!         if process(user_record.data()).is_err() {
//!             failures.push(&user_record);
//!             break;
//!         }
//!     }
//!     failures
//! }
//! # }
//! ```
//!
//! A function that produces makes its `Producer` once, before the first event,
//! and flushes it before each answer: the process is frozen after it. The
//! module `lambda` has the other events.
//!
//! # Examples
//!
//! The README's cookbook has them all, with what to call. In this crate:
//! `lambda_kinesis`, `lambda_time_window`, `lambda_firehose`,
//! `lambda_analytics`, `replay` (an archive into another stream) and `aws_sdk`.
//! Beside a Kinesis server, in the repository's `tests/end-to-end`:
//! `get_records`, `subscribe_to_shard`, `lambda_forwarder` and `pipeline`.
//!
//! # Features
//!
//! None is on by default.
//!
//! | Feature | For | Crates more | Rust |
//! |---|---|---|---|
//! | `aws-sdk` | records of the AWS SDK in, its entries out: module `aws_sdk` | 56 | 1.94.1 |
//! | `lambda` | events of Lambda, Firehose and Analytics, the Python module's shape: module `lambda` | 8 | 1.87 |
//! | `producer` | a producer that runs, on tokio and the AWS SDK: `Producer` | 59 | 1.94.1 |
//! | `simd` | digests in as many lanes as the processor has (`md5-many`) | 2 | 1.89 |
//!
//! # Cost
//!
//! Deaggregation copies no data and allocates nothing for a user record;
//! [`Deaggregator`] and [`Batch`] allocate nothing for a blob either, once
//! their slots are as many as a blob has keys. Aggregation copies the data
//! twice (into the buffer, into the finished aggregate) and allocates once for
//! an aggregate.
//!
//! What is left is the digest. Digests of several blobs or keys can be computed
//! side by side: [`Batch::digests_at_once`], [`digests_of_blobs`],
//! [`flush_all`], [`hash_keys_of`], [`digests_of`].
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

extern crate alloc;

mod aggregator;
#[cfg(feature = "aws-sdk")]
pub mod aws_sdk;
mod checkpoint;
mod deaggregate;
mod digests;
mod enclosing;
mod error;
mod filtered;
mod hash_key_filter;
mod key_map;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "simd")]
mod md5_lanes;
mod owned;
pub mod producer;
mod shard_map;
mod sharded_aggregator;
mod shared;
mod timers;

pub use kinesis_agg_codec as codec;
pub use kinesis_agg_codec::{
    DecodeError, DecodeErrorKind, EncodeError, HashKey, HashKeyError, HashKeyRange, KeyBytes,
    LimitError, Limits, NewUserRecord, OuterKey, PlainReason, RecordTag, RecordTags,
    ReversedRangeError, UserRecord,
};

pub use aggregator::{LoneUserRecord, OwnedAggregate, RecordAggregator, flush_all};
pub use checkpoint::{
    ExtendedSequenceNumber, MAX_SEQUENCE_NUMBER_LEN, Resumed, SequenceDigits, SequenceNumber,
    SequenceNumberError,
};
pub use deaggregate::{
    Batch, Deaggregated, Deaggregator, Delivered, Outcome, Strict, deaggregate, deaggregate_batch,
};
pub use digests::{digests_of, digests_of_blobs, hash_keys_of};
pub use enclosing::{EnclosingRecord, KinesisRecord};
pub use error::{MalformedRecord, PushError, UnfitUserRecord};
pub use filtered::Filtered;
pub use hash_key_filter::HashKeyFilter;
pub use owned::{AsUserRecord, OwnedUserRecord};
#[cfg(feature = "producer")]
pub use producer::{DeliveryFuture, ListShardsError, Producer, PutError, list_shards};
pub use producer::{ProducerCore, ProducerEvent, ProducerSettings};
pub use shard_map::{Shard, ShardMap, ShardMapDiff, ShardMapError};
pub use sharded_aggregator::{
    DEFAULT_MAX_AGE, DEFAULT_MAX_BUFFERED_LEN, RejectedUserRecord, RejectionReason, ShardAggregate,
    ShardedAggregator, ShardedLimits,
};
pub use shared::{SharedParsed, SharedUserRecord, SharedUserRecords, parse_shared};
