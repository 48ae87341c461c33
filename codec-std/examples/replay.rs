//! Replays the archive of a stream to another stream: reads JSON lines, such as an
//! archive in S3, and aggregates the user records again, shard by shard.
//!
//! ```sh
//! cargo run --example replay --features lambda [archive.ndjson [shards]]
//! ```
//!
//! A line is a Kinesis record or a user record: `data` in base64 and, unless the data is
//! an aggregate, `partitionKey` and an optional `explicitHashKey`. The run ends at the
//! first line that cannot be replayed, with an error that states its number.
//!
//! Prints the records that PutRecords would get. Then reads them like a consumer of each
//! shard that drops an aggregate if any of its user records belongs to another shard.

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

/// Returns shards of about the same size. For a real stream, call ListShards.
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

/// Returns the user record with its keys and tags, to write it again.
fn again(delivered: &Delivered<'_, EventRecord>) -> Result<OwnedUserRecord, Box<dyn Error>> {
    let user_record = OwnedUserRecord::try_from(delivered)?;
    // A line that is not an aggregate may have an explicit hash key, which records of events
    // never have.
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

    // At most one aggregate per shard is buffered, so no other limit is needed.
    let limits = ShardedLimits::new().with_max_buffered_len(usize::MAX);
    let mut aggregator = ShardedAggregator::new(even_shards(shard_count)?, limits);
    let mut aggregates: Vec<ShardAggregate> = Vec::new();
    let mut count = 0;
    for (line, number) in BufReader::new(File::open(&path)?).lines().zip(1..) {
        let at_line = |error: Box<dyn Error>| format!("{path}:{number}: {error}");
        let record: EventRecord = serde_json::from_str(&line?).map_err(|e| at_line(e.into()))?;
        for delivered in deaggregate(&[record]) {
            let user_record = again(&delivered).map_err(at_line)?;
            // The time never advances, so an aggregate is complete only when it is full.
            let full = aggregator.push(user_record, (), Duration::ZERO);
            aggregates.extend(full.map_err(|rejected| at_line(rejected.reason.into()))?);
            count += 1;
        }
    }
    aggregates.extend(aggregator.flush_all());

    let mut read = 0;
    for complete in &aggregates {
        let aggregate = &complete.aggregate;
        println!(
            "{}: {} user records, {} bytes, partition key {:?}",
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
    println!("{count} user records replayed, {read} of them read by the shards' consumers");
    if read != count {
        return Err("user records are missing".into());
    }
    Ok(())
}
