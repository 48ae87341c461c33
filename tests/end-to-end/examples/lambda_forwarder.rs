//! A Lambda function that aggregates a stream's user records again for another
//! stream, in another account or region. Each aggregate belongs to one shard, and
//! no user record is lost when that stream reshards.
//!
//! ```sh
//! cargo run -p kinesis-agg-end-to-end --example lambda_forwarder
//! ```
//!
//! `forward` is the function; `tests/lambda` shows it on Lambda's runtime. The
//! stream that it writes to is on a Kinesis server in the same process, which
//! rejects records and loses answers, and splits between two invocations. AWS's
//! LambdaAggregatingForwarder, in Java, mixes shards in an aggregate, and only
//! logs what it could not put.

extern crate alloc;

use alloc::collections::BTreeMap;

use aws_sdk_kinesis::types::ShardIteratorType;
use kinesis_agg::lambda::{BatchItemFailures, KinesisEvent};
use kinesis_agg::{Deaggregator, OwnedUserRecord, Producer};
use kinesis_agg_end_to_end::{Faults, STREAM, Server};

/// Returns when all user records are delivered or have failed, with the failed
/// records. Lambda retries those, and sends records that keep failing to the
/// failure destination.
async fn forward(producer: &Producer, event: &KinesisEvent) -> BatchItemFailures {
    let mut failures = BatchItemFailures::default();
    let mut deliveries = Vec::new();
    for delivered in event.user_records() {
        let delivery = match OwnedUserRecord::try_from(&delivered) {
            Ok(user_record) => Ok(producer.put(user_record).await),
            Err(error) => Err(anyhow::Error::from(error)),
        };
        deliveries.push((delivered, delivery));
    }
    // Lambda freezes the process after the answer, so no user record may wait for
    // the aggregate to fill.
    producer.flush().await;
    for (delivered, delivery) in deliveries {
        let stored = match delivery {
            Ok(delivery) => delivery.await.map(drop).map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            eprintln!("{:?}: {error:#}", delivered.sequence_number());
            failures.push(&delivered);
        }
    }
    failures
}

/// Returns how many times a consumer such as the KCL receives each user record.
async fn read(server: &Server) -> anyhow::Result<BTreeMap<String, u32>> {
    let mut read = BTreeMap::new();
    for shard in server.shards().await? {
        let mut deaggregator = Deaggregator::new().with_filter(shard.range);
        let iterator = server.client.get_shard_iterator().stream_name(STREAM);
        let iterator = iterator.shard_id(&shard.id);
        let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon);
        let mut next = iterator.send().await?.shard_iterator;
        while let Some(iterator) = next {
            let answer = server.client.get_records().shard_iterator(iterator);
            let answer = answer.send().await?;
            for user_record in deaggregator.deaggregate(&answer.records) {
                let data = String::from_utf8_lossy(user_record.data()).into_owned();
                println!("{}: {}", shard.id, data.trim_end());
                *read.entry(data).or_default() += 1;
            }
            next = answer
                .next_shard_iterator
                .filter(|_| !answer.records.is_empty());
        }
    }
    Ok(read)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    const EVENT: &str = include_str!("../../../codec-std/examples/kinesis_event.json");
    let faults = Faults {
        rejected_records: 20,
        failed_requests: 0,
        lost_answers: 20,
        ..Faults::default()
    };
    let server = Server::start(2, faults, false).await?;
    // Created once, before the first event, because starting it lists the shards.
    let producer = Producer::builder(server.client.clone(), STREAM)
        .start()
        .await?;
    let event: KinesisEvent = serde_json::from_str(EVENT)?;
    let answer = forward(&producer, &event).await;
    println!("{}", serde_json::to_string(&answer)?);
    anyhow::ensure!(answer.is_empty(), "some user records were not stored");
    server.reshard(0).await?;
    let answer = forward(&producer, &event).await;
    println!("{}", serde_json::to_string(&answer)?);
    anyhow::ensure!(answer.is_empty(), "some user records were not stored");

    producer.close().await;

    let read = read(&server).await?;
    let twice = read.values().filter(|&&times| times >= 2).count();
    println!("{twice} user records, each at least once for each invocation");
    anyhow::ensure!(
        twice == event.user_records().count(),
        "some user records are missing"
    );
    Ok(())
}
