//! Tests streams that change their distribution, or are deleted and created again. Protects
//! callers from user records that are reported as delivered although a consumer that filters
//! drops them.

extern crate alloc;

use alloc::sync::Arc;
use core::time::Duration;
use std::collections::HashSet;
use std::sync::Mutex;

use kinesis_agg::OwnedUserRecord;
use kinesis_agg::producer::{
    DeliveryFuture, Distribution, Notice, Producer, ProducerSettings, PutError, RequestFailure,
};
use kinesis_agg_end_to_end::{Described, Distributes, Faults, STREAM, Server};

/// Much longer than anything here should take.
const FOREVER: Duration = Duration::from_secs(60);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn data(number: usize) -> String {
    format!("{}/{number}/", number % 50)
}

fn user_record(number: usize) -> OwnedUserRecord {
    OwnedUserRecord::new(format!("key {}", number % 50), data(number))
}

fn settings() -> ProducerSettings {
    ProducerSettings::new()
        .with_max_age(ms(10))
        .with_backoff(ms(2), ms(50))
        .with_shard_rate(0, 0)
        .with_refresh_interval(ms(200))
        .with_ttl(FOREVER)
}

type Notices = Arc<Mutex<Vec<Notice>>>;

async fn producer(server: &Server, settings: ProducerSettings) -> (Producer, Notices) {
    let notices = Notices::default();
    let sink = Arc::clone(&notices);
    let producer = Producer::builder(server.client.clone(), STREAM)
        .settings(settings)
        .on_notice(move |notice| sink.lock().unwrap().push(notice.clone()))
        .seed(1);
    (producer.start().await.unwrap(), notices)
}

/// Waits for all deliveries, and reads the whole stream.
async fn check(server: &Server, deliveries: Vec<DeliveryFuture>) -> (u64, u64) {
    let count = deliveries.len();
    for (number, delivery) in deliveries.into_iter().enumerate() {
        let end = tokio::time::timeout(FOREVER, delivery).await.unwrap();
        end.unwrap_or_else(|error| panic!("user record {number}: {error:?}"));
    }
    let consumed = server.consume().await.unwrap();
    let expected: HashSet<_> = (0..count).map(data).collect();
    let lost: Vec<_> = expected.difference(&consumed.user_records).collect();
    assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
    (consumed.raw, consumed.records)
}

#[tokio::test]
async fn on_a_service_managed_stream_user_records_are_sent_raw_and_need_no_key() {
    let server = Server::start(3, Faults::default(), false).await.unwrap();
    server.set_distributes(Distributes {
        is_auto: true,
        described: Described::Named,
    });
    let (producer, notices) = producer(&server, settings()).await;
    let mut deliveries = Vec::new();
    for number in 0..2_000 {
        let user_record = match number % 3 {
            0 => OwnedUserRecord::without_partition_key(data(number)),
            _ => user_record(number),
        };
        deliveries.push(producer.put(user_record).await);
    }
    producer.flush().await;
    let counters = producer.counters();
    assert_eq!((counters.records, counters.raw_records), (2_000, 2_000));
    assert!(counters.requests < 200, "{counters:?}");
    let tagged = user_record(0).with_tag("tag", None);
    let rejected = producer.put(tagged).await.await.unwrap_err();
    assert!(matches!(rejected, PutError::Rejected(..)), "{rejected:?}");
    producer.close().await;
    assert_eq!(
        *notices.lock().unwrap(),
        [Notice::DistributionChanged(Distribution::Auto)]
    );
    assert_eq!(check(&server, deliveries).await, (2_000, 2_000));
}

#[tokio::test]
async fn changing_the_distribution_back_and_forth_loses_no_user_record() {
    let faults = Faults {
        rejected_records: 5,
        failed_requests: 2,
        lost_answers: 2,
        ..Faults::default()
    };
    let server = Server::start(3, faults, false).await.unwrap();
    let by_key = Distributes {
        is_auto: false,
        described: Described::Named,
    };
    server.set_distributes(by_key);
    let (producer, notices) = producer(&server, settings()).await;
    let mut deliveries = Vec::new();
    for is_auto in [false, true, false, true, false] {
        server.set_distributes(Distributes { is_auto, ..by_key });
        let expected = if is_auto {
            Distribution::Auto
        } else {
            Distribution::ByKey
        };
        // Continues for a while after the producer has noticed.
        let mut left = 300;
        while left > 0 {
            let number = deliveries.len();
            deliveries.push(producer.put(user_record(number)).await);
            if number % 20 == 0 {
                tokio::time::sleep(ms(2)).await;
            }
            let is_noticed = match notices.lock().unwrap().last() {
                None => !is_auto,
                last => last == Some(&Notice::DistributionChanged(expected)),
            };
            left -= i32::from(is_noticed);
        }
    }
    producer.flush().await;
    let counters = producer.counters();
    assert_eq!(counters.distribution_changes, 4);
    assert!(counters.raw_records >= 600, "{counters:?}");
    assert!(counters.records > counters.raw_records, "{counters:?}");
    producer.close().await;
    check(&server, deliveries).await;
}

#[tokio::test]
async fn without_permission_to_describe_the_stream_put_answers_reveal_the_distribution() {
    let server = Server::start(4, Faults::default(), false).await.unwrap();
    let auto = Distributes {
        is_auto: true,
        described: Described::Denied,
    };
    server.set_distributes(auto);
    let (producer, notices) = producer(&server, settings()).await;
    let mut deliveries = Vec::new();
    for expected in [Distribution::Auto, Distribution::ByKey] {
        server.set_distributes(Distributes {
            is_auto: expected == Distribution::Auto,
            ..auto
        });
        let expected = Notice::DistributionChanged(expected);
        while notices.lock().unwrap().last() != Some(&expected) {
            assert!(deliveries.len() < 100_000, "not noticed");
            let number = deliveries.len();
            deliveries.push(producer.put(user_record(number)).await);
            if number % 10 == 0 {
                tokio::time::sleep(ms(2)).await;
            }
        }
    }
    producer.flush().await;
    let counters = producer.counters();
    assert!(counters.distribution_denied > 1, "{counters:?}");
    assert!(counters.raw_records >= 128, "{counters:?}");
    producer.close().await;
    let notices = notices.lock().unwrap().clone();
    let [Notice::DistributionDenied(_), changes @ ..] = &notices[..] else {
        panic!("{notices:?}");
    };
    assert_eq!(changes.len(), 2, "{notices:?}");
    check(&server, deliveries).await;
}

#[tokio::test]
async fn a_recreated_stream_with_the_same_shard_ids_loses_no_user_record() {
    let server = Server::start(2, Faults::default(), false).await.unwrap();
    let settings = settings().with_max_silence(ms(500));
    let (producer, notices) = producer(&server, settings).await;
    for number in 0..100 {
        let delivery = producer.put(user_record(number)).await;
        assert!(delivery.await.is_ok());
    }
    server.delete().await.unwrap();
    let mut deliveries = Vec::new();
    // Some requests are sent while there is no stream, the others to the new stream.
    for number in 0..400 {
        if number == 200 {
            tokio::time::sleep(ms(600)).await;
            server.create(3).await.unwrap();
        }
        deliveries.push(producer.put(user_record(number)).await);
    }
    producer.flush().await;
    producer.close().await;
    assert!(matches!(
        &notices.lock().unwrap()[..],
        [Notice::StreamNotFound(_)]
    ));
    check(&server, deliveries).await;
}

#[tokio::test]
async fn an_idle_producer_detects_a_recreated_stream() {
    let server = Server::start(2, Faults::default(), false).await.unwrap();
    let settings = settings().with_max_silence(ms(500));
    let (producer, _) = producer(&server, settings).await;
    assert!(producer.put(user_record(0)).await.await.is_ok());
    server.delete().await.unwrap();
    tokio::time::sleep(ms(600)).await;
    server.create(3).await.unwrap();
    let mut deliveries = Vec::new();
    for number in 0..400 {
        deliveries.push(producer.put(user_record(number)).await);
    }
    producer.close().await;
    check(&server, deliveries).await;
}

#[tokio::test]
async fn start_fails_if_the_stream_does_not_exist() {
    let server = Server::start(1, Faults::default(), false).await.unwrap();
    server.delete().await.unwrap();
    let start = Producer::builder(server.client.clone(), STREAM).start();
    let error = tokio::time::timeout(FOREVER, start).await.unwrap();
    let error = error.unwrap_err();
    let kinesis_agg::producer::ListShardsError::Service(failure) = &error else {
        panic!("{error:?}");
    };
    assert!(matches!(failure, RequestFailure::StreamNotFound(_)));
}
