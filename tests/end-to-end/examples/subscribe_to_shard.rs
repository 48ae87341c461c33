//! A consumer with enhanced fan-out: the service pushes the records of each
//! shard, and the user records of all shards are collected without a copy.
//!
//! ```sh
//! cargo run -p kinesis-agg-end-to-end --example subscribe_to_shard
//! ```
//!
//! The stream is on a Kinesis server in the same process, and splits while records
//! are put into it. A child is read after all of its parents.

use core::time::Duration;
use std::collections::HashSet;

use anyhow::Context as _;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{
    ChildShard, ShardIteratorType, StartingPosition, SubscribeToShardEventStream,
};
use kinesis_agg::{
    Deaggregator, ExtendedSequenceNumber, HashKey, HashKeyRange, KinesisRecord, OwnedDelivered,
    OwnedUserRecord, Producer, SequenceNumber,
};
use kinesis_agg_end_to_end::{Faults, STREAM, Server};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Reads a shard to its end, one subscription after the other, and returns its
/// children.
async fn read_shard(
    client: Client,
    consumer_arn: String,
    shard_id: String,
    range: HashKeyRange,
    to: mpsc::Sender<OwnedDelivered<KinesisRecord>>,
) -> anyhow::Result<(String, Vec<ChildShard>)> {
    let mut checkpoint: ExtendedSequenceNumber = SequenceNumber::TrimHorizon.into();
    // The producer resends the whole aggregate if it spans two shards.
    let mut deaggregator = Deaggregator::new().with_filter(range);
    loop {
        deaggregator.set_checkpoint(Some(checkpoint.clone()));
        let position = StartingPosition::builder();
        let position = match &checkpoint.sequence_number {
            // Resumes after the last event, because each is processed completely.
            SequenceNumber::Number(number) => position
                .r#type(ShardIteratorType::AfterSequenceNumber)
                .sequence_number(number.as_str()),
            _ => position.r#type(ShardIteratorType::TrimHorizon),
        };
        let subscription = client.subscribe_to_shard().consumer_arn(&consumer_arn);
        let subscription = subscription
            .shard_id(&shard_id)
            .starting_position(position.build()?)
            .send();
        let mut children = Vec::new();
        let mut events = subscription.await?.event_stream;
        // The service ends a subscription after five minutes.
        while let Some(event) = events.recv().await? {
            let SubscribeToShardEventStream::SubscribeToShardEvent(event) = event else {
                continue;
            };
            let records: Vec<_> = event.records.into_iter().map(KinesisRecord::from).collect();
            let mut user_records = deaggregator.deaggregate(&records);
            for user_record in &mut user_records {
                if let Some(error) = user_record.malformed() {
                    eprintln!("{shard_id}, {:?}: {error}", user_record.sequence_number());
                }
                to.send(user_record.into_owned()).await?;
            }
            if let Some(done) = user_records.checkpoint()? {
                checkpoint = done;
            }
            children = event.child_shards.unwrap_or(children);
        }
        // Only the last event of a shard has children.
        if !children.is_empty() {
            return Ok((shard_id, children));
        }
    }
}

async fn register(client: &Client) -> anyhow::Result<String> {
    let summary = client.describe_stream_summary().stream_name(STREAM).send();
    let summary = summary.await?.stream_description_summary;
    let stream_arn = summary.context("no description")?.stream_arn;
    let registered = client.register_stream_consumer().stream_arn(&stream_arn);
    let registered = registered.consumer_name("consumer").send().await?;
    let arn = registered.consumer.context("no consumer")?.consumer_arn;
    loop {
        let described = client.describe_stream_consumer().consumer_arn(&arn).send();
        let description = described.await?.consumer_description;
        if description.is_some_and(|consumer| consumer.consumer_status.as_str() == "ACTIVE") {
            return Ok(arn);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads all shards, each child after its parents.
async fn consume(
    server: Server,
    consumer_arn: String,
    to: mpsc::Sender<OwnedDelivered<KinesisRecord>>,
) -> anyhow::Result<()> {
    let mut readers = JoinSet::new();
    let mut started = HashSet::new();
    let mut done = HashSet::new();
    let mut read = |shard_id: String, range| {
        if started.insert(shard_id.clone()) {
            println!("subscribes to {shard_id}");
            let (client, arn) = (server.client.clone(), consumer_arn.clone());
            Some(read_shard(client, arn, shard_id, range, to.clone()))
        } else {
            None
        }
    };
    // A consumer that starts later begins with the shards whose parents are gone.
    for shard in server.shards().await? {
        readers.extend(read(shard.id, shard.range));
    }
    while let Some(ended) = readers.join_next().await {
        let (shard_id, children) = ended??;
        done.insert(shard_id);
        for child in children {
            if child
                .parent_shards
                .iter()
                .all(|parent| done.contains(parent))
            {
                let range = child.hash_key_range.context("no range")?;
                let starting = range.starting_hash_key.parse::<HashKey>()?;
                let ending = range.ending_hash_key.parse::<HashKey>()?;
                readers.extend(read(child.shard_id, HashKeyRange::new(starting, ending)?));
            }
        }
    }
    Ok(())
}

async fn put(producer: &Producer, numbers: core::ops::Range<u32>) {
    for number in numbers {
        let reading = OwnedUserRecord::new(format!("sensor-{}", number % 50), number.to_string());
        drop(producer.put(reading).await);
    }
    producer.flush().await;
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    const USER_RECORDS: u32 = 3_000;
    let server = Server::start(2, Faults::default(), false).await?;
    let consumer_arn = register(&server.client).await?;
    let producer = Producer::builder(server.client.clone(), STREAM)
        .start()
        .await?;
    let (to, mut user_records) = mpsc::channel(1_000);
    let consumer = tokio::spawn(consume(server.clone(), consumer_arn, to));
    put(&producer, 0..USER_RECORDS / 2).await;
    server.reshard(0).await?;
    put(&producer, USER_RECORDS / 2..USER_RECORDS).await;
    producer.close().await;

    let mut numbers = HashSet::new();
    while numbers.len() < usize::try_from(USER_RECORDS)? {
        let data = tokio::time::timeout(Duration::from_secs(30), user_records.recv());
        let Some(user_record) = data.await.context("some user records are missing")? else {
            consumer.await??;
            anyhow::bail!("the consumer ended");
        };
        numbers.insert(user_record.into_data());
    }
    consumer.abort();
    println!("{} of {USER_RECORDS} user records read", numbers.len());
    Ok(())
}
