//! Tests the driver around the core: listing shards in pages, requests without an
//! answer, and the outcomes of puts. Protects callers from waiting forever, and
//! user records from being lost.

extern crate alloc;

use alloc::sync::Arc;
use core::time::Duration;

use std::sync::Mutex;
use std::time::Instant;

use kinesis_agg::aws_sdk::SdkStream;
use kinesis_agg::producer::{
    AttemptOutcome, DeliveryFuture, FailureReason, ListShardsError, Notice, Producer,
    ProducerSettings, PutError, RequestFailure, StreamService as _,
};
use kinesis_agg::shards::RejectionReason;
use kinesis_agg::write::Limits;
use kinesis_agg::{HashKey, OwnedUserRecord, ShardMap};
use kinesis_agg_end_to_end::{Faults, Outage, STREAM, Server};

/// Much longer than anything here should take.
const FOREVER: Duration = Duration::from_secs(60);

async fn ends<F: Future>(future: F) -> F::Output {
    let end = tokio::time::timeout(FOREVER, future).await;
    end.expect("no result within 60 seconds")
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Settings that send each user record immediately, in its own aggregate.
fn settings() -> ProducerSettings {
    ProducerSettings::new()
        .with_limits(Limits::new().with_max_count(1).unwrap())
        .with_max_age(Duration::ZERO)
        .with_backoff(ms(1), ms(20))
        .with_ttl(FOREVER)
}

async fn producer(server: &Server, settings: ProducerSettings) -> Producer {
    let producer = Producer::builder(server.client.clone(), STREAM)
        .settings(settings)
        .request_timeout(ms(300))
        .seed(1);
    producer.start().await.unwrap()
}

fn user_record(number: usize) -> OwnedUserRecord {
    OwnedUserRecord::new("key", format!("key/{number}/"))
}

#[tokio::test]
async fn list_shards_reads_every_page() {
    let faults = Faults {
        page_len: Some(3),
        ..Faults::default()
    };
    let server = Server::start(7, faults, false).await.unwrap();
    let first = server.client.list_shards().stream_name(STREAM);
    let first = first.send().await.unwrap();
    assert_eq!(
        (first.shards().len(), first.next_token.is_some()),
        (3, true)
    );
    for choice in 0..4 {
        server.reshard(choice).await.unwrap();
    }
    let stream = SdkStream::new(server.client.clone(), STREAM);
    let listed = stream.list_shards().await.unwrap();
    let expected = server.shards().await.unwrap();
    assert!(expected.len() > 7);
    assert_eq!(listed.len(), expected.len());
    let map = ShardMap::new(listed).unwrap();
    let producer = producer(&server, settings()).await;
    for shard in expected {
        let known = map.find(&shard.id).unwrap();
        assert_eq!(known.hash_key_range(), shard.range);
        assert_eq!(known.is_open(), shard.is_open);
        if shard.is_open {
            let put = user_record(0).with_explicit_hash_key(shard.range.ending_hash_key());
            let delivery = ends(producer.put(put).await).await.unwrap();
            assert_eq!(&*delivery.shard_id, shard.id);
            assert_eq!(delivery.attempt_count, 1);
        }
    }
    ends(producer.close()).await;
}

#[tokio::test]
async fn start_fails_at_its_timeout_if_list_shards_never_answers() {
    let server = Server::start(1, Faults::default(), false).await.unwrap();
    server.set_outage(Outage::ListShardsHangs);
    let producer = Producer::builder(server.client.clone(), STREAM)
        .request_timeout(ms(100))
        .start_timeout(ms(500));
    let error = ends(producer.start()).await.unwrap_err();
    assert!(matches!(error, ListShardsError::Service(_)), "{error}");
}

#[tokio::test]
async fn while_list_shards_fails_records_in_unknown_shards_fail_and_others_are_delivered() {
    let server = Server::start(2, Faults::default(), false).await.unwrap();
    let producer = producer(&server, settings().with_ttl(ms(2_500))).await;
    for outage in [Outage::ListShardsFails, Outage::ListShardsHangs] {
        // `start` listed the shards before. The lowest one is split.
        server.set_outage(Outage::None);
        let before = server.shards().await.unwrap();
        server.reshard(0).await.unwrap();
        server.set_outage(outage);
        let low = user_record(0).with_explicit_hash_key(HashKey::MIN);
        let high = user_record(1).with_explicit_hash_key(HashKey::MAX);
        let (low, high) = (producer.put(low).await, producer.put(high).await);
        let delivery = ends(high).await.unwrap();
        assert!(before.iter().any(|shard| shard.id == *delivery.shard_id));
        let Err(PutError::Failed(failure)) = ends(low).await else {
            panic!("{outage:?}: reported as delivered to a shard whose range is unknown");
        };
        assert_eq!(failure.reason, FailureReason::Expired);
        assert_eq!(failure.user_record.data(), user_record(0).data());
        let last = &failure.attempts.last().unwrap().outcome;
        assert!(
            matches!(last, AttemptOutcome::WrongShard { .. }),
            "{last:?}"
        );
        server.set_outage(Outage::None);
        // Eventually, the shards are listed again.
        ends(async {
            loop {
                let low = user_record(2).with_explicit_hash_key(HashKey::MIN);
                if producer.put(low).await.await.is_ok() {
                    break;
                }
            }
        })
        .await;
    }
    ends(producer.close()).await;
}

#[tokio::test]
async fn a_record_larger_than_the_stream_allows_fails_before_its_time_to_live() {
    let server = Server::start(1, Faults::default(), false).await.unwrap();
    // One user record in each aggregate, as in `settings`.
    let limits = Limits::new().with_max_count(1).unwrap();
    let settings = settings()
        .with_limits(limits.with_max_size(3 << 20).unwrap())
        .with_ttl(Duration::MAX);
    // A busy machine needs time for 2 MiB.
    let producer = Producer::builder(server.client.clone(), STREAM)
        .settings(settings)
        .seed(1);
    let producer = producer.start().await.unwrap();
    // The settings allow 3 MiB, but the server does not accept 2 MiB.
    let large = OwnedUserRecord::new("key", vec![0; 2 << 20]);
    let (large, small) = (
        producer.put(large).await,
        producer.put(user_record(0)).await,
    );
    let Err(PutError::Failed(failure)) = ends(large).await else {
        panic!("stored although it is too large");
    };
    assert_eq!(failure.reason, FailureReason::RejectedByService);
    assert_eq!(failure.user_record.data().len(), 2 << 20);
    ends(small).await.unwrap();
    ends(producer.close()).await;
}

/// Puts until one has to wait, because the server does not answer, and drops that
/// one.
async fn put_until_full(producer: &Producer) -> Vec<DeliveryFuture> {
    let mut deliveries = Vec::new();
    loop {
        let put = producer.put(user_record(deliveries.len()));
        match tokio::time::timeout(ms(200), put).await {
            Ok(delivery) => deliveries.push(delivery),
            Err(_) => return deliveries,
        }
    }
}

async fn check_all_are_there(server: &Server, deliveries: Vec<DeliveryFuture>) {
    let (mut repeated, count) = (false, deliveries.len());
    for delivery in deliveries {
        let delivery = ends(delivery).await.unwrap();
        repeated |= delivery.attempt_count > 1;
    }
    assert!(repeated, "no request was retried");
    let consumed = server.consume().await.unwrap();
    // The user record of the dropped put is not among them.
    assert_eq!(consumed.user_records.len(), count);
    assert_eq!(consumed.out_of_order, 0);
}

#[tokio::test]
async fn unanswered_requests_are_retried_and_a_dropped_put_sends_nothing() {
    let server = Server::start(1, Faults::default(), false).await.unwrap();
    let producer = producer(&server, settings().with_max_buffered_len(10_000)).await;
    server.set_outage(Outage::PutRecordsHangs);
    let deliveries = put_until_full(&producer).await;
    let flush = producer.flush();
    let is_waiting = tokio::time::timeout(ms(400), flush).await.is_err();
    assert!(is_waiting, "flush returned before everything was sent");
    server.set_outage(Outage::None);
    ends(producer.flush()).await;
    let counters = producer.counters();
    let put_count = u64::try_from(deliveries.len()).unwrap();
    assert_eq!(counters.user_records_in, put_count);
    assert_eq!(counters.user_records_delivered, put_count);
    check_all_are_there(&server, deliveries).await;
    ends(producer.close()).await;
}

#[tokio::test]
async fn close_waits_for_all_deliveries_and_a_dropped_producer_still_delivers() {
    for is_closed in [true, false] {
        let server = Server::start(1, Faults::default(), false).await.unwrap();
        let producer = producer(&server, settings().with_max_buffered_len(10_000)).await;
        server.set_outage(Outage::PutRecordsHangs);
        let deliveries = put_until_full(&producer).await;
        if is_closed {
            let close = tokio::spawn(async move { producer.close().await });
            tokio::time::sleep(ms(400)).await;
            assert!(!close.is_finished());
            server.set_outage(Outage::None);
            ends(close).await.unwrap();
        } else {
            drop(producer);
            tokio::time::sleep(ms(400)).await;
            server.set_outage(Outage::None);
        }
        check_all_are_there(&server, deliveries).await;
    }
}

#[tokio::test]
async fn start_retries_limit_exceeded_and_fails_immediately_if_denied_or_missing() {
    let server = Server::start(1, Faults::default(), false).await.unwrap();
    let start = |stream: &str| {
        let producer = Producer::builder(server.client.clone(), stream).seed(1);
        ends(producer.start_timeout(FOREVER).start())
    };
    let before = Instant::now();
    let missing = start("no-such-stream").await.unwrap_err();
    assert!(
        matches!(
            missing,
            ListShardsError::Service(RequestFailure::StreamNotFound(_))
        ),
        "{missing:?}"
    );
    server.set_outage(Outage::ListShardsDenied);
    let denied = start(STREAM).await.unwrap_err();
    assert!(
        matches!(
            denied,
            ListShardsError::Service(RequestFailure::AccessDenied(_))
        ),
        "{denied:?}"
    );
    assert!(before.elapsed() < FOREVER, "retried a permanent failure");
    server.set_outage(Outage::ListShardsLimited);
    let started = start(STREAM);
    tokio::pin!(started);
    let is_trying = tokio::time::timeout(ms(300), &mut started).await.is_err();
    assert!(is_trying, "did not retry");
    server.set_outage(Outage::None);
    let producer = started.await.unwrap();
    ends(producer.put(user_record(0)).await).await.unwrap();
    ends(producer.close()).await;
}

#[tokio::test]
async fn denied_access_is_reported_once_as_a_notice_and_retried_until_allowed() {
    let server = Server::start(1, Faults::default(), false).await.unwrap();
    let notices = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&notices);
    let producer = Producer::builder(server.client.clone(), STREAM)
        .settings(settings())
        .on_notice(move |notice| sink.lock().unwrap().push(notice.clone()))
        .start()
        .await
        .unwrap();
    server.set_outage(Outage::PutRecordsDenied);
    let delivery = producer.put(user_record(0)).await;
    ends(async {
        while notices.lock().unwrap().is_empty() {
            tokio::time::sleep(ms(5)).await;
        }
    })
    .await;
    // The request is retried, and the notice is not repeated.
    tokio::time::sleep(ms(200)).await;
    assert!(matches!(
        &notices.lock().unwrap()[..],
        [Notice::AccessDenied(_)]
    ));
    server.set_outage(Outage::None);
    let delivery = ends(delivery).await.unwrap();
    assert!(delivery.attempt_count > 2, "{delivery:?}");
    ends(producer.close()).await;
}

#[tokio::test]
async fn the_time_to_live_includes_the_wait_for_room() {
    let server = Server::start(1, Faults::default(), false).await.unwrap();
    let settings = settings().with_ttl(ms(1_000));
    // Room for two or three user records.
    let settings = settings.with_max_buffered_len(2_000);
    let producer = producer(&server, settings).await;
    server.set_outage(Outage::PutRecordsHangs);
    let start = Instant::now();
    let puts = (0..20).map(|number| producer.put(user_record(number)));
    let mut ends_of = [0, 0];
    for delivery in join_all(puts).await {
        match ends(delivery).await {
            Err(PutError::Rejected(user_record, RejectionReason::Expired)) => {
                assert!(user_record.data().starts_with(b"key/"));
                ends_of[0] += 1;
            }
            Err(PutError::Failed(failure)) => {
                assert_eq!(failure.reason, FailureReason::Expired);
                ends_of[1] += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    ends(producer.close()).await;
    // A request in flight may end up to 300 ms after the time to live.
    let took = start.elapsed();
    assert!(took < ms(4_000), "{took:?} for a time to live of 1 s");
    assert!(ends_of[0] > 10 && ends_of[1] > 0, "{ends_of:?}");
}

async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    core::future::poll_fn(|context| {
        let mut is_ready = true;
        for (future, output) in &mut futures {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    core::task::Poll::Ready(ready) => *output = Some(ready),
                    core::task::Poll::Pending => is_ready = false,
                }
            }
        }
        match is_ready {
            true => core::task::Poll::Ready(()),
            false => core::task::Poll::Pending,
        }
    })
    .await;
    let outputs = futures.into_iter().map(|(_, output)| output);
    outputs.map(Option::unwrap).collect()
}

/// Protects the bound on memory: it includes user records that the task has not received yet.
#[tokio::test]
async fn puts_wait_when_their_bytes_would_exceed_max_buffered_len() {
    let server = Server::start(1, Faults::default(), false).await.unwrap();
    let producer = producer(&server, settings().with_max_buffered_len(2 << 20)).await;
    server.set_outage(Outage::PutRecordsHangs);
    let mut deliveries = Vec::new();
    loop {
        let large = OwnedUserRecord::new("key", vec![0; 1_000_000]);
        match tokio::time::timeout(ms(200), producer.put(large)).await {
            Ok(delivery) => deliveries.push(delivery),
            Err(_) => break,
        }
    }
    assert_eq!(deliveries.len(), 2);
    server.set_outage(Outage::None);
    for delivery in deliveries {
        ends(delivery).await.unwrap();
    }
    ends(producer.close()).await;
}
