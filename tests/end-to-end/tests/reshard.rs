//! Tests the producer against a server over HTTP while the stream reshards.
//! Protects delivery end to end: a consumer that drops what the KCL drops receives
//! every user record that was reported as delivered.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;

use kinesis_agg::write::Limits;
use kinesis_agg::{OwnedUserRecord, Producer, ProducerSettings};
use kinesis_agg_end_to_end::{Faults, STREAM, Server};

const KEYS: u64 = 997;

fn user_record(number: u64, padding: u64) -> OwnedUserRecord {
    let key = number % KEYS;
    let padding = usize::try_from(padding + number % 23).unwrap();
    OwnedUserRecord::new(
        format!("key {key}"),
        format!("{key}/{number}/{:padding$}", ""),
    )
}

struct Run {
    faults: Faults,
    limited: bool,
    user_records: u64,
    /// Extra bytes in each user record.
    padding: u64,
    reshards: usize,
    settings: ProducerSettings,
}

async fn run(run: Run) {
    let server = Server::start(2, run.faults, run.limited).await.unwrap();
    let producer = Producer::builder(server.client.clone(), STREAM)
        .settings(run.settings)
        .seed(1)
        .start()
        .await
        .unwrap();
    let (is_done, reshards) = (AtomicBool::new(false), AtomicUsize::new(0));
    let produce = async {
        let mut deliveries = Vec::new();
        for number in 0..run.user_records {
            deliveries.push(producer.put(user_record(number, run.padding)).await);
            // The stream changes while user records are put.
            if number % (run.user_records / 50) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        while reshards.load(Ordering::Relaxed) < run.reshards {
            let number = u64::try_from(deliveries.len()).unwrap();
            deliveries.push(producer.put(user_record(number, run.padding)).await);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        is_done.store(true, Ordering::Relaxed);
        producer.flush().await;
        deliveries
    };
    let reshard = async {
        while !is_done.load(Ordering::Relaxed) {
            let done = reshards.load(Ordering::Relaxed);
            // Each new shard has its own rate.
            if run.limited && done >= run.reshards {
                break;
            }
            server.reshard(done).await.unwrap();
            reshards.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (deliveries, ()) = tokio::join!(produce, reshard);
    let counters = producer.counters();
    let put_count = u64::try_from(deliveries.len()).unwrap();
    assert_eq!(counters.user_records_in, put_count);
    assert_eq!(counters.user_records_delivered, put_count);
    for (number, delivery) in deliveries.into_iter().enumerate() {
        // A flush waits for all outcomes, so none is pending.
        if let Err(error) = delivery.await {
            panic!("user record {number}: {error}");
        }
    }
    producer.close().await;
    let consumed = server.consume().await.unwrap();
    println!(
        "{put_count} user records, {} reshards, {} faults injected; {} records read, \
         {} aggregates dropped, {} duplicates; {counters:?}",
        reshards.load(Ordering::Relaxed),
        server.injected(),
        consumed.records,
        consumed.dropped,
        consumed.duplicates,
    );
    let seen = u64::try_from(consumed.user_records.len()).unwrap();
    assert_eq!(seen, put_count, "user records that the consumer has");
    for number in 0..put_count {
        let data = user_record(number, run.padding).data().clone();
        let data = core::str::from_utf8(&data).unwrap().to_owned();
        assert!(consumed.user_records.contains(&data), "{data} is lost");
    }
    assert_eq!(consumed.out_of_order, 0);
    assert!(reshards.load(Ordering::Relaxed) >= run.reshards);
    let is_faulty = run.faults.rejected_records > 0;
    assert_eq!(server.injected() > 0, is_faulty);
}

/// Settings for small aggregates, so that many of them can go wrong.
fn settings() -> ProducerSettings {
    let limits = Limits::new().with_max_count(200).unwrap();
    ProducerSettings::new()
        .with_limits(limits)
        .with_max_age(Duration::from_millis(20))
        .with_max_buffered_len(512 << 10)
        .with_backoff(Duration::from_millis(2), Duration::from_millis(50))
        .with_ttl(Duration::from_secs(600))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_user_record_is_consumed_despite_faults_splits_and_merges() {
    run(Run {
        faults: Faults {
            rejected_records: 10,
            failed_requests: 3,
            lost_answers: 3,
            ..Faults::default()
        },
        limited: false,
        user_records: 100_000,
        padding: 0,
        reshards: 12,
        settings: settings().with_shard_rate(0, 0),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_user_record_is_consumed_from_a_throttling_server() {
    run(Run {
        faults: Faults::default(),
        limited: true,
        user_records: 4_000,
        padding: 3_000,
        reshards: 3,
        // More than the server allows.
        settings: settings().with_shard_rate(0, 0),
    })
    .await;
}
