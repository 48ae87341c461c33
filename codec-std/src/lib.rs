//! Kinesis aggregated records for programs with a heap.
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

mod aggregator;
mod deaggregate;
mod enclosing;
mod error;
mod key_map;
mod owned;
mod shared;

pub use kinesis_agg_codec as codec;
pub use kinesis_agg_codec::{
    DecodeError, DecodeErrorKind, EncodeError, HashKey, HashKeyError, HashKeyRange, KeyBytes,
    LimitError, Limits, NewUserRecord, OuterKey, PlainReason, RecordTag, RecordTags, UserRecord,
};

pub use aggregator::{LoneUserRecord, OwnedAggregate, RecordAggregator};
pub use deaggregate::{
    Batch, Deaggregated, Deaggregator, Delivered, Outcome, Strict, deaggregate, deaggregate_batch,
};
pub use enclosing::{EnclosingRecord, KinesisRecord};
pub use error::{MalformedRecord, PushError, UnfitUserRecord};
pub use owned::{AsUserRecord, OwnedUserRecord};
pub use shared::{SharedParsed, SharedUserRecord, SharedUserRecords, parse_shared};
