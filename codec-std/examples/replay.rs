//! Makes a stream's archive into aggregates for another stream: reads JSON
//! lines, as a bucket of S3 has them, and aggregates them again, shard by shard.
//!
//! ```sh
//! cargo run --example replay --features lambda [archive.ndjson [shards]]
//! ```
//!
//! A line is a Kinesis record or a user record: `data` in base64, and
//! `partitionKey` and `explicitHashKey` where it is no aggregate. Which it is
//! tells its data. A line that cannot be replayed ends the run, by its number.
//!
//! Prints what PutRecords would get. Then reads it back as a consumer of each
//! shard that drops an aggregate for one user record of another shard's.

use core::error::Error;
use core::num::NonZeroU32;
use core::time::Duration;
use std::fs::File;
use std::io::{BufRead, BufReader};

use kinesis_agg::lambda::EventRecord;
use kinesis_agg::shards::{ShardAggregate, ShardedLimits};
use kinesis_agg::{
    Deaggregator, Delivered, HashKey, HashKeyRange, OwnedUserRecord, Shard, ShardMap,
    ShardedAggregator, deaggregate,
};

/// Shards of about the same size. For a real stream, ListShards returns them.
fn even_shards(count: NonZeroU32) -> Result<ShardMap, Box<dyn Error>> {
    let count = count.get();
    let step = u128::MAX / u128::from(count);
    let shards = (0..count).map(|place| {
        let starting = step * u128::from(place);
        let ending = match place + 1 {
            next if next == count => u128::MAX,
            next => step * u128::from(next) - 1,
        };
        let range = HashKeyRange::new(HashKey::new(starting), HashKey::new(ending))?;
        Ok(Shard::new(format!("shardId-{place:012}"), range))
    });
    let shards: Vec<_> = shards.collect::<Result<_, Box<dyn Error>>>()?;
    Ok(ShardMap::new(shards)?)
}

/// The user record, to be written again with its keys and tags.
fn again(delivered: &Delivered<'_, EventRecord>) -> Result<OwnedUserRecord, Box<dyn Error>> {
    let user_record = OwnedUserRecord::try_from(delivered)?;
    // A line that is not an aggregate can have a key of its own, which no event has.
    let explicit_hash_key = match delivered.enclosing().field("explicitHashKey") {
        Some(text) if delivered.user_record().is_none() => {
            serde_json::from_str::<Option<String>>(text.get())?
        }
        _ => return Ok(user_record),
    };
    let explicit_hash_key = explicit_hash_key.map(|text| text.parse::<HashKey>());
    Ok(user_record.with_explicit_hash_key(explicit_hash_key.transpose()?))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/archive.ndjson");
    let path = args.next().unwrap_or_else(|| default.to_owned());
    let shard_count = args.next().unwrap_or_else(|| "3".to_owned()).parse()?;

    // What waits is bounded by the shards: an aggregate each.
    let limits = ShardedLimits::new().with_max_buffered_len(usize::MAX);
    let mut aggregator = ShardedAggregator::new(even_shards(shard_count)?, limits);
    let mut aggregates: Vec<ShardAggregate> = Vec::new();
    let mut count = 0;
    for (line, number) in BufReader::new(File::open(&path)?).lines().zip(1..) {
        let at_line = |error: Box<dyn Error>| format!("{path}:{number}: {error}");
        let record: EventRecord = serde_json::from_str(&line?).map_err(|e| at_line(e.into()))?;
        for delivered in deaggregate(&[record]) {
            let user_record = again(&delivered).map_err(at_line)?;
            // In a file, nothing becomes due: only a full aggregate is complete.
            let full = aggregator.push(user_record, (), Duration::ZERO);
            aggregates.extend(full.map_err(|refused| at_line(refused.reason.into()))?);
            count += 1;
        }
    }
    aggregates.extend(aggregator.flush_all());

    let mut read = 0;
    for complete in &aggregates {
        let aggregate = &complete.aggregate;
        println!(
            "{}: {} user records, {} bytes, under {:?}",
            complete.shard_id,
            aggregate.record_count(),
            aggregate.data().len(),
            aggregate.partition_key(),
        );
        let shard = aggregator
            .map()
            .find(&complete.shard_id)
            .ok_or("no shard")?;
        let mut consumer = Deaggregator::new().with_filter(shard.hash_key_range());
        read += consumer.deaggregate_one(aggregate.data()).count();
    }
    println!("{count} user records replayed, {read} of them seen by the shards' consumers");
    if read != count {
        return Err("user records are missing".into());
    }
    Ok(())
}
