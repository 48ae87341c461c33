//! Kinesis aggregated records (the KPL format): deaggregation for consumers,
//! aggregation for producers.
//!
//! ```toml
//! [dependencies]
//! kinesis-agg = "0.1"
//! ```
//!
//! Amazon's Kinesis Producer Library packs many **user records** into one
//! Kinesis record. This crate reads them and writes them, byte for byte as the
//! KPL does. The format itself is implemented by [`codec`], which needs no heap;
//! this crate owns memory.
//!
//! | To | Use | Module |
//! |---|---|---|
//! | read user records | [`Deaggregator`] | [`read`] |
//! | write aggregates | [`RecordAggregator`] | [`mod@write`] |
//! | write an aggregate for each shard | [`ShardedAggregator`], [`ShardMap`] | [`shards`] |
//! | produce into a stream | `Producer` (feature `producer`), [`ProducerCore`] | [`producer`] |
//! | compute many digests at once | | [`digests`] |
//!
//! # Consuming
//!
//! A [`Deaggregator`] turns Kinesis records into user records, lazily and in
//! order. Kinesis records that are not aggregated are delivered unchanged.
//!
//! ```
//! use kinesis_agg::{Deaggregator, KinesisRecord};
//!
//! # fn get_records() -> Vec<KinesisRecord> { Vec::new() }
//! let mut deaggregator = Deaggregator::new();
//! for user_record in deaggregator.deaggregate(&get_records()) {
//!     if let Some(error) = user_record.malformed() {
//!         eprintln!("{:?}: {error}", user_record.sequence_number());
//!     }
//!     println!("{:?}: {} bytes", user_record.partition_key(), user_record.data().len());
//! }
//! ```
//!
//! The Kinesis record can be of any type that implements [`EnclosingRecord`].
//! Each one has one of three [`Outcome`]s:
//!
//! | Outcome | What is delivered |
//! |---|---|
//! | [`Outcome::Plain`]: not an aggregate | the Kinesis record, unchanged |
//! | [`Outcome::Aggregated`] | its user records; nothing if it has none |
//! | [`Outcome::Malformed`]: magic and digest are right, the message is not valid | the Kinesis record, flagged; with [`MalformedPolicy::LeaveOut`](read::MalformedPolicy::LeaveOut), nothing |
//!
//! | A consumer that | uses |
//! |---|---|
//! | must see only the hash keys of its shard | [`Deaggregator::with_filter`] |
//! | resumes in the middle of an aggregate | [`Deaggregator::resume_after`], [`Delivered::checkpoint`] |
//! | must stop at a malformed aggregate | [`Delivered::checked`] |
//! | sends user records to other threads | [`Delivered::into_owned`] |
//! | keeps an iterator in a struct, or adds Kinesis records to it | [`Deaggregator::into_owned_deaggregated`] |
//! | wants to see aggregates without user records, and what a filter leaves out | [`Deaggregator::with_observer`], [`Deaggregator::counters`] |
//! | receives several megabytes of Kinesis records at once | [`Deaggregator::with_digests_ahead`], feature `simd` |
//! | reads one batch with the default settings | [`deaggregate`] |
//!
//! After a reshard, an aggregate can be in a shard whose hash key range does not
//! contain all of its user records. The KCL drops such an aggregate as a whole,
//! and a `Producer` sends it again. A consumer of a `Producer` should filter by
//! the hash key range of its shard, as the KCL does; then no user record is
//! delivered twice for that reason.
//!
//! # Producing
//!
//! `Producer` (feature `producer`) sends user records to a stream, on tokio and,
//! with the feature `aws-sdk`, the AWS SDK. It packs an aggregate for each shard, loses nothing when the
//! stream reshards, and returns what it could not deliver.
//!
//! ```
//! # #[cfg(all(feature = "producer", feature = "aws-sdk"))] {
//! use kinesis_agg::{OwnedUserRecord, Producer};
//!
//! # async fn f(client: aws_sdk_kinesis::Client) -> Result<(), Box<dyn core::error::Error>> {
//! let producer = Producer::builder(client, "stream").start().await?;
//! let delivery = producer.put(OwnedUserRecord::new("sensor-7", "21.5")).await;
//! println!("in shard {}", delivery.await?.shard_id);
//! // Before the runtime ends.
//! producer.close().await;
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! A program that sends Kinesis records itself uses a [`RecordAggregator`], which returns
//! an aggregate whenever one is full. It returns a user record that no aggregate can hold,
//! with the reason; nothing else changes.
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
//! All user records of an aggregate are stored in one shard, whatever their keys
//! are, and a consumer may drop an aggregate if one of its user records belongs
//! to another shard. Three layers above [`RecordAggregator`] take care of that:
//!
//! | Type | Knows | Leaves to the caller |
//! |---|---|---|
//! | [`ShardedAggregator`] | the shards ([`ShardMap`]): packs an aggregate for each | sending, answers, time |
//! | [`ProducerCore`] | also the answers: what is delivered, what is sent again | sockets, time |
//! | `Producer` (feature `producer`) | everything | nothing |
//!
//! # In Lambda
//!
//! With the feature `lambda`, the events of streams, Firehose and Kinesis
//! Analytics are types, and their user records are delivered as by
//! [`deaggregate`]. The function returns which Kinesis records failed; Lambda
//! then reads the shard again from the first of them.
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
//! A function that produces creates its `Producer` once, before the first event,
//! and flushes it before each answer: Lambda freezes the process after it.
//!
//! # On the KCL
//!
//! With the feature `multilang`, a program is a record processor under the KCL's
//! MultiLangDaemon, which distributes the shards of a stream over a fleet.
//! [`docs::fleet`] compares that with Lambda and with reading shards by hand, and
//! describes all steps from the jar to the fleet.
//!
//! # More
//!
//! - [`docs::migration`]: what you call in the Python, Node, Java and Go modules and in
//!   the KCL, and what you call here.
//! - [`docs::peers`]: what those programs can do, and where they fail.
//! - [`docs::outcomes`]: the outcome of every input, why a record may not be aggregated, limits.
//! - [`docs::resharding`]: what `Producer` does so that a reshard loses nothing.
//! - Examples: the README's cookbook lists all. In this crate: `lambda_kinesis`,
//!   `lambda_time_window`, `lambda_firehose`, `lambda_analytics`, `replay` (an
//!   archive into another stream), `multilang` and `aws_sdk`. With a Kinesis server, in the
//!   repository's `tests/end-to-end`: `get_records`, `subscribe_to_shard`,
//!   `lambda_forwarder` and `pipeline`.
//!
//! # Features
//!
//! None is on by default.
//!
//! | Feature | For | Crates more | Rust |
//! |---|---|---|---|
//! | `arbitrary` | input for fuzz targets of consumers and producers: module `arbitrary` | 2 | 1.87 |
//! | `aws-sdk` | types of the AWS SDK in and out, its client as a stream: module `aws_sdk` | 56 | 1.94.1 |
//! | `lambda` | events of Lambda, Firehose and Analytics, the Python module's shape: module `lambda` | 8 | 1.87 |
//! | `metrics` | `producer`, and its numbers for the crate `metrics` | 9 | 1.87 |
//! | `multilang` | record processors under the KCL's MultiLangDaemon: module `multilang` | 11 | 1.87 |
//! | `producer` | a producer that runs, on tokio: `Producer` | 6 | 1.87 |
//! | `serde` | checkpoints as texts, owned records as structs | 3 | 1.87 |
//! | `simd` | digests in as many lanes as the processor has (`md5-many`) | 2 | 1.89 |
//!
#![cfg_attr(
    any(
        feature = "aws-sdk",
        feature = "lambda",
        feature = "multilang",
        feature = "producer",
        feature = "arbitrary"
    ),
    doc = "In this build:"
)]
#![cfg_attr(feature = "arbitrary", doc = "- feature `arbitrary`: [`arbitrary`]")]
#![cfg_attr(feature = "aws-sdk", doc = "- feature `aws-sdk`: [`aws_sdk`]")]
#![cfg_attr(
    feature = "lambda",
    doc = "- feature `lambda`: [`lambda`], [`lambda::KinesisEvent`], [`lambda::FirehoseEvent`], [`lambda::AnalyticsEvent`], [`lambda::UserRecordEvent`]"
)]
#![cfg_attr(
    feature = "multilang",
    doc = "- feature `multilang`: [`multilang`], [`multilang::RecordProcessor`]"
)]
#![cfg_attr(
    feature = "producer",
    doc = "- feature `producer`: [`Producer`], [`producer::ProducerBuilder`]"
)]
//!
//! `producer` talks to any [`producer::StreamService`]; `aws-sdk` implements that
//! for the SDK's client. It uses `aws-sdk-kinesis` without its default features. A
//! program that makes its client with `aws-config` has all that is needed. Without
//! `aws-config`, enable `aws-sdk-kinesis`'s features `rt-tokio` and `default-https-client`.
//!
//! # Cost
//!
//! Deaggregation copies no data and allocates nothing for a user record. A
//! [`Deaggregator`] does not allocate for an aggregate either, once its memory
//! is as large as the largest number of keys in one. Aggregation copies the data
//! twice (into the buffer, into the finished aggregate) and allocates once for
//! an aggregate.
//!
//! What remains is the digest. Digests of several aggregates or keys can be
//! computed side by side: [`Deaggregator::with_digests_ahead`], [`digests`].
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

#[cfg(feature = "arbitrary")]
pub mod arbitrary;
#[cfg(feature = "aws-sdk")]
pub mod aws_sdk;
pub mod digests;
#[cfg(doc)]
pub mod docs;
mod kinesis_record;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "multilang")]
pub mod multilang;
pub mod producer;
pub mod read;
pub mod shards;
mod timers;
pub mod write;

pub use kinesis_agg_codec as codec;

pub use kinesis_record::{EnclosingRecord, KinesisRecord};
#[cfg(feature = "producer")]
pub use producer::Producer;
pub use producer::{ProducerCore, ProducerSettings};
pub use read::{
    Deaggregator, Delivered, ExtendedSequenceNumber, HashKeyFilter, MalformedRecord, Outcome,
    OwnedDelivered, SequenceNumber, deaggregate,
};
pub use shards::{HashKey, HashKeyRange, Shard, ShardMap, ShardedAggregator};
pub use write::{OwnedAggregate, OwnedUserRecord, RecordAggregator};
