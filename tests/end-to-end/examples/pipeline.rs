//! Puts user records into a Kinesis server in the same process while the stream
//! splits and merges, then reads them as the KCL would, and counts them. Also shows
//! what the feature `metrics` reports to a recorder of the crate `metrics`.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::time::Instant;

use kinesis_agg::{OwnedUserRecord, Producer, ProducerSettings};
use kinesis_agg_end_to_end::{Faults, STREAM, Server};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

const USER_RECORDS: u64 = 50_000;
const SENSORS: u64 = 500;

/// Prints what the recorder has received.
fn print_metrics(metrics: &Snapshotter) {
    for (key, _, _, value) in metrics.snapshot().into_vec() {
        let key = key.key();
        let labels = key.labels().filter(|label| label.key() != "stream");
        let labels: Vec<_> = labels.map(|label| label.value()).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        match value {
            DebugValue::Counter(count) => println!("{count:>12} {name}"),
            DebugValue::Gauge(value) => println!("{value:>12.1} {name}"),
            DebugValue::Histogram(times) => println!("{:>12} times in {name}", times.len()),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let start = Instant::now();
    // In production, install the recorder of your metrics system before the producer
    // starts.
    let recorder = DebuggingRecorder::new();
    let metrics = recorder.snapshotter();
    recorder.install()?;
    let faults = Faults {
        rejected_records: 5,
        failed_requests: 2,
        lost_answers: 2,
        ..Faults::default()
    };
    let server = Server::start(2, faults, false).await?;
    println!(
        "Kinesis with 2 shards; rejects {}% of the records, fails {}% of the requests, \
         loses {}% of the answers",
        faults.rejected_records, faults.failed_requests, faults.lost_answers
    );

    let settings = ProducerSettings::new()
        .with_max_buffered_len(1 << 20)
        .with_backoff(Duration::from_millis(5), Duration::from_millis(200));
    let producer = Producer::builder(server.client.clone(), STREAM)
        .settings(settings)
        .start()
        .await?;

    let is_done = AtomicBool::new(false);
    let handle = producer.clone();
    let produce = async {
        let mut deliveries = Vec::new();
        for number in 0..USER_RECORDS {
            let sensor = number % SENSORS;
            let reading = format!("{sensor}/{number}/21.5");
            let user_record = OwnedUserRecord::new(format!("sensor-{sensor}"), reading);
            deliveries.push(handle.put(user_record).await);
            if (number + 1) % (USER_RECORDS / 10) == 0 {
                let counters = handle.counters();
                println!(
                    "{:5.1} s  {} put, {} delivered, {} records, {} sent again",
                    start.elapsed().as_secs_f32(),
                    counters.user_records_in,
                    counters.user_records_delivered,
                    counters.records,
                    counters.retries,
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        handle.flush().await;
        is_done.store(true, Ordering::Relaxed);
        deliveries
    };
    let reshard = async {
        let mut count = 0;
        while !is_done.load(Ordering::Relaxed) {
            server.reshard(count).await?;
            count += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::Ok(count)
    };
    let (deliveries, reshards) = tokio::join!(produce, reshard);
    let (mut delivered, mut given_back) = (0_u64, 0_u64);
    for delivery in deliveries {
        match delivery.await {
            Ok(_) => delivered += 1,
            Err(error) => {
                println!("given back: {:#}", anyhow::Error::from(error));
                given_back += 1;
            }
        }
    }
    let end = producer.shutdown_within(Duration::from_secs(20)).await;
    let (counters, numbers) = (end.counters, producer.snapshot().await);

    let consumed = server.consume().await?;
    println!(
        "{:5.1} s  read {} Kinesis records",
        start.elapsed().as_secs_f32(),
        consumed.records
    );
    println!("{:>9} splits and merges", reshards?);
    println!("{:>9} user records delivered", delivered);
    println!("{:>9} given back", given_back);
    println!("{:>9} undelivered at the deadline", end.undelivered.len());
    for (code, count) in &numbers.errors {
        println!("{count:>9} errors: {code}");
    }
    for percent in [50, 99] {
        let bound = numbers.request_latency.percentile(percent);
        let bound = bound.unwrap_or(Duration::MAX).as_millis();
        println!("{bound:>9} ms at most for {percent} % of the requests");
    }
    println!(
        "{:>9} aggregates that a split had cut, sent again",
        counters.wrong_shard
    );
    println!(
        "{:>9} user records read, as the KCL would",
        consumed.user_records.len()
    );
    println!("{:>9} of them read again", consumed.duplicates);
    let missing = USER_RECORDS.checked_sub(u64::try_from(consumed.user_records.len())?);
    println!("{:>9} missing", missing.unwrap_or_default());
    println!("the same producer in the crate metrics:");
    print_metrics(&metrics);
    anyhow::ensure!(
        given_back > 0 || missing == Some(0),
        "user records are missing"
    );
    Ok(())
}
