//! A consumer that uses GetRecords. It reads one shard after the other, parents
//! before children, leaves out user records of other shards, and resumes from a
//! checkpoint in the middle of an aggregate.
//!
//! ```sh
//! cargo run -p kinesis-agg-end-to-end --example get_records
//! ```
//!
//! The stream is on a Kinesis server in the same process. It splits while records
//! are put into it, and the consumer stops and restarts twice; at the end, each user record
//! was processed exactly once.

extern crate alloc;

use alloc::collections::BTreeMap;
use std::collections::HashMap;

use anyhow::Context as _;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::ShardIteratorType;
use kinesis_agg::{
    Deaggregator, ExtendedSequenceNumber, HashKeyRange, OwnedUserRecord, Producer, SequenceNumber,
};
use kinesis_agg_end_to_end::{Faults, STREAM, Server};

/// The checkpoint of each shard, by shard id. In production, use a database table.
type Checkpoints = BTreeMap<String, ExtendedSequenceNumber>;

/// Passes the user records of a shard after its checkpoint to `process`, until
/// there are none left for now.
async fn consume(
    client: &Client,
    shard_id: &str,
    range: HashKeyRange,
    checkpoints: &mut Checkpoints,
    mut process: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let from = checkpoints
        .get(shard_id)
        .cloned()
        .unwrap_or(SequenceNumber::TrimHorizon.into());
    let request = client.get_shard_iterator().stream_name(STREAM);
    let request = request.shard_id(shard_id);
    let request = match &from.sequence_number {
        SequenceNumber::ShardEnd => return Ok(()),
        SequenceNumber::Number(number) => request
            .shard_iterator_type(match from.is_after_record() {
                true => ShardIteratorType::AfterSequenceNumber,
                // Reads the aggregate again to process the rest of it.
                false => ShardIteratorType::AtSequenceNumber,
            })
            .starting_sequence_number(number.as_str()),
        _ => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
    };
    let mut deaggregator = Deaggregator::new()
        // The producer resends the whole aggregate if it spans two shards.
        .with_filter(range)
        .resume_after(from);
    let mut iterator = request.send().await?.shard_iterator;
    while let Some(next) = iterator {
        let answer = client.get_records().shard_iterator(next).send().await?;
        let mut user_records = deaggregator.deaggregate(&answer.records);
        for user_record in &mut user_records {
            if let Some(error) = user_record.malformed() {
                eprintln!("{shard_id}, {:?}: {error}", user_record.sequence_number());
            }
            process(user_record.data())?;
            // In production, checkpoint less often. User records after the last
            // checkpoint are processed again.
            if let Some(done) = user_record.checkpoint()? {
                checkpoints.insert(shard_id.to_owned(), done);
            }
        }
        // Covers records that were left out at the end of the answer.
        if let Some(done) = user_records.checkpoint()? {
            checkpoints.insert(shard_id.to_owned(), done);
        }
        iterator = answer.next_shard_iterator;
        if iterator.is_none() {
            let end = SequenceNumber::ShardEnd.into();
            checkpoints.insert(shard_id.to_owned(), end);
        }
        if answer.records.is_empty() && answer.millis_behind_latest.unwrap_or_default() == 0 {
            break;
        }
    }
    match deaggregator.counters().user_records_left_out {
        0 => {}
        count => println!("{shard_id}: {count} user records in aggregates of other shards"),
    }
    Ok(())
}

async fn put(producer: &Producer, numbers: core::ops::Range<u32>) -> anyhow::Result<()> {
    let mut deliveries = Vec::new();
    for number in numbers {
        let reading = OwnedUserRecord::new(format!("sensor-{}", number % 50), number.to_string());
        deliveries.push(producer.put(reading).await);
    }
    producer.flush().await;
    for delivery in deliveries {
        delivery.await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    const USER_RECORDS: u32 = 3_000;
    let server = Server::start(2, Faults::default(), false).await?;
    let producer = Producer::builder(server.client.clone(), STREAM)
        .start()
        .await?;
    put(&producer, 0..USER_RECORDS / 2).await?;
    server.reshard(0).await?;
    put(&producer, USER_RECORDS / 2..USER_RECORDS).await?;
    producer.close().await;

    let mut checkpoints = Checkpoints::new();
    let mut processed: HashMap<String, u32> = HashMap::new();
    for crash_after in [Some(500), Some(1_200), None] {
        let mut left = crash_after;
        let mut process = |data: &[u8]| {
            if let Some(left) = &mut left {
                anyhow::ensure!(*left > 0, "the consumer dies");
                *left -= 1;
            }
            let number = String::from_utf8(data.to_vec()).context("no number")?;
            *processed.entry(number).or_default() += 1;
            Ok(())
        };
        for shard in server.shards().await? {
            let (client, range) = (&server.client, shard.range);
            let consumed = consume(client, &shard.id, range, &mut checkpoints, &mut process);
            if let Err(error) = consumed.await {
                println!("{error} at {:?}", checkpoints.get(&shard.id));
                break;
            }
        }
    }
    for (shard_id, checkpoint) in &checkpoints {
        println!("{shard_id}: done up to {checkpoint}");
    }
    let once = processed.values().filter(|&&times| times == 1).count();
    println!("{once} of {USER_RECORDS} user records processed, each once");
    anyhow::ensure!(
        u32::try_from(once)? == USER_RECORDS,
        "some user records are missing"
    );
    Ok(())
}
