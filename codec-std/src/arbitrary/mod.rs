//! Input for fuzz targets of consumers and producers. Feature `arbitrary`, not
//! on by default.
//!
//! A fuzzer that makes up bytes does not get past the digest of an aggregate.
//! The types here make up what a stream can hold, so that the fuzzer reaches the
//! logic of your consumer or producer at once:
//!
//! | Type | What it makes up |
//! |---|---|
//! | [`OwnedUserRecord`] | user records that a producer accepts |
//! | [`KinesisRecord`] | plain records; aggregates of the KPL's structure and of any other that the format allows; damaged, malformed and nested ones |
//! | [`Batch`] | Kinesis records of one shard, in order |
//! | [`Message`] | the protobuf message of an aggregate, valid or not |
//! | [`hash_key`], [`hash_key_range`] | hash keys near the borders of ranges, and ranges of them |
//! | [`ShardMap`](crate::ShardMap), [`Reshards`] | the shards of a stream; and its splits and merges |
//!
//! # A fuzz target
//!
//! ```sh
//! cargo install cargo-fuzz
//! cargo fuzz init
//! cargo add --manifest-path fuzz/Cargo.toml kinesis-agg --features arbitrary
//! ```
//!
//! `fuzz/fuzz_targets/consumer.rs`, where `consume` is yours:
//!
//! ```
//! # #[cfg(any())]
//! # {
//! #![no_main]
//! use kinesis_agg::Deaggregator;
//! use kinesis_agg::arbitrary::Batch;
//!
//! libfuzzer_sys::fuzz_target!(|batch: Batch| {
//!     let mut deaggregator = Deaggregator::new();
//!     for user_record in deaggregator.deaggregate(&batch.records) {
//!         my_program::consume(user_record.data());
//!     }
//! });
//! # }
//! ```
//!
//! # In CI
//!
//! A step that takes half a minute, here of a GitHub workflow:
//!
//! ```yaml
//! - run: rustup toolchain install nightly --profile minimal
//! - run: cargo install --locked cargo-fuzz
//! - run: cargo +nightly fuzz run consumer -- -max_total_time=30
//! ```

mod message;
mod records;
mod shards;

pub use message::Message;
pub use records::Batch;
pub use shards::{Reshards, hash_key, hash_key_range};

#[cfg(doc)]
use crate::{KinesisRecord, OwnedUserRecord};
