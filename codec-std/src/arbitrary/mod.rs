//! Input for fuzz targets of consumers and producers. Feature `arbitrary`, not
//! on by default.
//!
//! A fuzzer that generates plain bytes does not get past the digest of an aggregate.
//! The types here generate what a stream can hold, so that the fuzzer reaches the logic
//! of your consumer or producer immediately:
//!
//! | Type | Generated values |
//! |---|---|
//! | [`OwnedUserRecord`] | user records that a producer accepts |
//! | [`KinesisRecord`] | plain records; aggregates in the KPL's structure and in any other that the format allows; aggregates with a wrong digest, malformed and nested aggregates |
//! | [`Batch`] | Kinesis records of one shard, in order |
//! | [`Message`] | the protobuf message of an aggregate, valid or not |
//! | [`hash_key`], [`hash_key_range`] | hash keys near the borders of ranges, and ranges between such keys |
//! | [`ShardMap`](crate::ShardMap), [`Reshards`] | the shards of a stream, and its splits and merges |
//!
//! # Writing a fuzz target
//!
//! ```sh
//! cargo install cargo-fuzz
//! cargo fuzz init
//! cargo add --manifest-path fuzz/Cargo.toml kinesis-agg --features arbitrary
//! ```
//!
//! `fuzz/fuzz_targets/consumer.rs`, where `consume` is your function:
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
//! # Running it in CI
//!
//! Steps of a GitHub workflow that fuzz for half a minute:
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
