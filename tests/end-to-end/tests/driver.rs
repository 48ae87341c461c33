//! What runs around the core: listing shards in pages, requests without an
//! answer, and the ends of puts. Protects callers from waiting for ever, and
//! user records from being forgotten.

use core::time::Duration;

use kinesis_agg::producer::{
    AttemptOutcome, DeliveryFuture, FailureReason, ListShardsError, PutError, list_shards,
};
use kinesis_agg::write::Limits;
use kinesis_agg::{HashKey, OwnedUserRecord, Producer, ProducerSettings, ShardMap};
use kinesis_agg_end_to_end::{Faults, Outage, STREAM, Server};

/// Far beyond what anything here takes: who waits that long waits for ever.
const FOREVER: Duration = Duration::from_secs(60);

async fn ends<F: Future>(future: F) -> F::Output {
    let end = tokio::time::timeout(FOREVER, future).await;
    end.expect("waits for ever")
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// One user record in each aggregate, at once.
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
async fn a_listing_is_read_page_by_page_to_its_end() {
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
    let listed = list_shards(&server.client, STREAM, FOREVER).await.unwrap();
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
    ends(producer.shutdown()).await;
}

#[tokio::test]
async fn a_start_ends_though_the_listing_does_not() {
    let server = Server::start(1, Faults::default(), false).await.unwrap();
    server.set_outage(Outage::ListShardsHangs);
    let producer = Producer::builder(server.client.clone(), STREAM).request_timeout(ms(100));
    let error = ends(producer.start()).await.unwrap_err();
    assert!(matches!(error, ListShardsError::Service(_)), "{error}");
}

#[tokio::test]
async fn without_a_listing_the_other_shards_go_on_and_nothing_is_called_delivered() {
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
            panic!("{outage:?}: in a shard of which nobody knows what it has");
        };
        assert_eq!(failure.reason, FailureReason::Expired);
        assert_eq!(failure.user_record.data(), user_record(0).data());
        let last = &failure.attempts.last().unwrap().outcome;
        assert!(
            matches!(last, AttemptOutcome::WrongShard { .. }),
            "{last:?}"
        );
        server.set_outage(Outage::None);
        // Sooner or later, shards are listed again.
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
    ends(producer.shutdown()).await;
}

#[tokio::test]
async fn what_the_stream_does_not_take_comes_back_before_its_time_is_over() {
    let server = Server::start(1, Faults::default(), false).await.unwrap();
    // One user record in each aggregate, as in `settings`.
    let limits = Limits::new().with_max_count(1).unwrap();
    let settings = settings()
        .with_limits(limits.with_max_size(3 << 20).unwrap())
        .with_ttl(Duration::MAX);
    let producer = producer(&server, settings).await;
    // More than the server takes, whatever the settings say.
    let large = OwnedUserRecord::new("key", vec![0; 2 << 20]);
    let (large, small) = (
        producer.put(large).await,
        producer.put(user_record(0)).await,
    );
    let Err(PutError::Failed(failure)) = ends(large).await else {
        panic!("in the stream");
    };
    assert_eq!(failure.reason, FailureReason::Refused);
    assert_eq!(failure.user_record.data().len(), 2 << 20);
    ends(small).await.unwrap();
    ends(producer.shutdown()).await;
}

/// With a server that does not answer: puts until one has to wait, and drops
/// that one.
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
    assert!(repeated, "no request was made again");
    let consumed = server.consume().await.unwrap();
    // The one whose put was dropped is not among them.
    assert_eq!(consumed.user_records.len(), count);
    assert_eq!(consumed.out_of_order, 0);
}

#[tokio::test]
async fn requests_without_an_answer_are_made_again_and_a_dropped_put_is_none() {
    let server = Server::start(1, Faults::default(), false).await.unwrap();
    let producer = producer(&server, settings().with_max_buffered_len(2_000)).await;
    server.set_outage(Outage::PutRecordsHangs);
    let deliveries = put_until_full(&producer).await;
    let flush = producer.flush();
    let is_waiting = tokio::time::timeout(ms(400), flush).await.is_err();
    assert!(is_waiting, "flushed what was not sent");
    server.set_outage(Outage::None);
    ends(producer.flush()).await;
    let counters = producer.counters();
    let put_count = u64::try_from(deliveries.len()).unwrap();
    assert_eq!(counters.user_records_in, put_count);
    assert_eq!(counters.user_records_delivered, put_count);
    check_all_are_there(&server, deliveries).await;
    ends(producer.shutdown()).await;
}

#[tokio::test]
async fn a_shutdown_waits_for_all_and_without_one_all_goes_on() {
    for is_shut_down in [true, false] {
        let server = Server::start(1, Faults::default(), false).await.unwrap();
        let producer = producer(&server, settings().with_max_buffered_len(2_000)).await;
        server.set_outage(Outage::PutRecordsHangs);
        let deliveries = put_until_full(&producer).await;
        if is_shut_down {
            let shutdown = tokio::spawn(producer.shutdown());
            tokio::time::sleep(ms(400)).await;
            assert!(!shutdown.is_finished());
            server.set_outage(Outage::None);
            ends(shutdown).await.unwrap();
        } else {
            drop(producer);
            tokio::time::sleep(ms(400)).await;
            server.set_outage(Outage::None);
        }
        check_all_are_there(&server, deliveries).await;
    }
}
