//! A map of the shards of a stream, and an aggregator with one aggregate for each
//! shard.

mod shard_map;
mod sharded_aggregator;

pub use kinesis_agg_codec::{HashKey, HashKeyRange, ReversedRangeError};
pub use shard_map::{Shard, ShardMap, ShardMapDiff, ShardMapError};
pub(crate) use sharded_aggregator::check_room;
pub use sharded_aggregator::{
    DEFAULT_MAX_AGE, DEFAULT_MAX_BUFFERED_LEN, RejectedUserRecord, RejectionReason, ShardAggregate,
    ShardedAggregator, ShardedLimits,
};
