//! Tests the producer against an independent server, which supports what the server in
//! the same process does not: large records, parents of shards, and ListShards in pages.
//! Run `kinesis-local.sh`, which starts the server. Protects this crate's assumptions
//! about what a server accepts, lists and returns.

use core::time::Duration;
use std::collections::{HashMap, HashSet};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{ScalingType, ShardIteratorType, StreamStatus};
use kinesis_agg::aws_sdk::SdkStream;
use kinesis_agg::producer::{
    AttemptOutcome, FailureReason, Producer, ProducerSettings, PutError, StreamService as _,
};
use kinesis_agg::write::Limits;
use kinesis_agg::{HashKey, OwnedUserRecord, RecordAggregator, ShardMap, deaggregate};
use kinesis_agg_end_to_end::{Consumed, client};

/// Long, because this server takes seconds where the service takes milliseconds.
const LONG: Duration = Duration::from_secs(300);

const MIB: u32 = 1 << 20;

/// The server stores up to 10 MiB, but limits the base64 text of an answer to
/// 10 MiB.
const LARGEST: u32 = 7 * MIB;

struct Stream {
    client: Client,
    name: &'static str,
}

impl Stream {
    async fn create(name: &'static str, shard_count: i32) -> Self {
        let url =
            std::env::var("KINESIS_LOCAL_URL").expect("run tests/end-to-end/kinesis-local.sh");
        let client = client(&url);
        let create = client.create_stream().stream_name(name);
        create.shard_count(shard_count).send().await.unwrap();
        let stream = Self { client, name };
        stream.settle().await;
        stream
    }

    /// Waits until the stream no longer changes. Returns the ARN and the number of
    /// open shards.
    async fn settle(&self) -> (String, usize) {
        loop {
            let summary = self.client.describe_stream_summary();
            let summary = summary.stream_name(self.name).send().await.unwrap();
            let summary = summary.stream_description_summary.unwrap();
            if summary.stream_status == StreamStatus::Active {
                let open = usize::try_from(summary.open_shard_count).unwrap();
                return (summary.stream_arn, open);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn producer(&self, settings: ProducerSettings) -> Producer {
        let producer = Producer::builder(self.client.clone(), self.name)
            .settings(settings.with_ttl(LONG))
            .request_timeout(LONG)
            .seed(1);
        producer.start().await.unwrap()
    }

    async fn map(&self) -> ShardMap {
        let stream = SdkStream::new(self.client.clone(), self.name);
        ShardMap::new(stream.list_shards().await.unwrap()).unwrap()
    }

    async fn first_iterator(&self, shard_id: &str) -> Option<String> {
        let iterator = self.client.get_shard_iterator().stream_name(self.name);
        let iterator = iterator.shard_id(shard_id);
        let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon);
        iterator.send().await.unwrap().shard_iterator
    }
}

/// Returns user records of one aggregate that has exactly the size limit, including
/// its outer key.
fn fill(limits: Limits) -> Vec<OwnedUserRecord> {
    let mut aggregator = RecordAggregator::new().with_limits(limits);
    let user_record = |number: usize, len: usize| {
        // Different bytes, so that moved bytes are noticed.
        let data: Vec<u8> = (0..len)
            .map(|at| u8::try_from((at * 31 + at / 251 + number) % 256).unwrap())
            .collect();
        OwnedUserRecord::new(format!("key {number}"), data)
    };
    let mut user_records = Vec::new();
    loop {
        let number = user_records.len();
        let mut next = user_record(number, usize::try_from(MIB).unwrap());
        let is_last = !aggregator.fits(&next);
        if is_last {
            let (mut fits, mut too_long) = (0, next.data().len());
            while too_long - fits > 1 {
                let middle = (fits + too_long) / 2;
                if aggregator.fits(&user_record(number, middle)) {
                    fits = middle;
                } else {
                    too_long = middle;
                }
            }
            next = user_record(number, fits);
        }
        assert!(aggregator.push(&next).unwrap().is_none());
        user_records.push(next);
        if is_last {
            return user_records;
        }
    }
}

#[tokio::test]
#[ignore = "needs a server: tests/end-to-end/kinesis-local.sh"]
async fn an_aggregate_of_the_streams_maximum_record_size_is_stored_and_read_back() {
    let stream = Stream::create("large", 1).await;
    let limits = Limits::new().with_max_size(LARGEST).unwrap();
    // Nothing is sent before the aggregate is full or flushed.
    let settings = ProducerSettings::new().with_limits(limits);
    let settings = settings.with_max_age(LONG).with_max_attempts(2);
    let producer = stream.producer(settings).await;

    // More than the default limit of a stream.
    let put: Vec<_> = (0..3)
        .map(|n| OwnedUserRecord::new(format!("key {n}"), vec![n; 400_000]))
        .collect();
    let mut deliveries = Vec::new();
    for user_record in &put {
        deliveries.push(producer.put(user_record.clone()).await);
    }
    producer.flush().await;
    for (user_record, delivery) in put.into_iter().zip(deliveries) {
        let Err(PutError::Failed(failure)) = delivery.await else {
            panic!("stored although it exceeds the limit");
        };
        assert_eq!(failure.reason, FailureReason::AttemptsExhausted);
        assert!(
            failure.user_record == user_record,
            "not the same user record"
        );
        assert_eq!(failure.attempts.count(), 2);
        let attempts = [failure.attempts.first(), failure.attempts.last()];
        for attempt in attempts.into_iter().flatten() {
            // This server rejects the record; the service may reject the request.
            let AttemptOutcome::Rejected { code, .. } = &attempt.outcome else {
                panic!("{:?}", attempt.outcome);
            };
            assert_eq!(&**code, "InvalidArgumentException");
        }
    }

    let (arn, _) = stream.settle().await;
    let more = stream.client.update_max_record_size().stream_arn(arn);
    let more = more.max_record_size_in_kib(i32::try_from(LARGEST / 1024).unwrap());
    more.send().await.unwrap();
    stream.settle().await;
    let put = fill(limits);
    let mut deliveries = Vec::new();
    for user_record in &put {
        deliveries.push(producer.put(user_record.clone()).await);
    }
    producer.flush().await;
    for (place, delivery) in (0..).zip(deliveries) {
        let delivery = delivery.await.unwrap();
        assert_eq!(delivery.sub_sequence_number, place);
    }
    producer.close().await;

    let iterator = stream.first_iterator("shardId-000000000000").await;
    let read = stream.client.get_records().set_shard_iterator(iterator);
    let mut records = read.send().await.unwrap().records;
    let record = records.pop().unwrap();
    assert!(records.is_empty(), "more than one aggregate");
    let key_len = record.partition_key.unwrap().len();
    let data = record.data.into_inner();
    assert_eq!(u32::try_from(data.len() + key_len).unwrap(), LARGEST);
    let records = [data];
    let read: Vec<_> = deaggregate(&records).collect();
    assert_eq!(read.len(), put.len());
    for (read, put) in read.iter().zip(put) {
        assert_eq!(
            read.user_record().unwrap().partition_key(),
            put.partition_key().unwrap()
        );
        assert!(read.data() == put.data(), "{:?}", put.partition_key());
    }
}

#[tokio::test]
#[ignore = "needs a server: tests/end-to-end/kinesis-local.sh"]
async fn a_consumer_that_follows_child_shards_reads_every_user_record() {
    let stream = Stream::create("lineage", 2).await;
    let settings = ProducerSettings::new().with_max_age(Duration::ZERO);
    let producer = stream.producer(settings).await;
    let (mut put, mut deliveries) = (HashSet::new(), Vec::new());
    for step in 0..4 {
        let map = stream.map().await;
        let open = map.open_shards();
        let ids: Vec<_> = open.iter().map(|shard| shard.id().to_string()).collect();
        let client = &stream.client;
        match step {
            1 => {
                let middle = HashKey::new(1 << 100);
                let split = client.split_shard().stream_name(stream.name);
                let split = split.shard_to_split(&ids[0]);
                let split = split.new_starting_hash_key(middle.to_string());
                split.send().await.unwrap();
            }
            2 => {
                let merge = client.merge_shards().stream_name(stream.name);
                let merge = merge.shard_to_merge(&ids[1]);
                merge.adjacent_shard_to_merge(&ids[2]).send().await.unwrap();
            }
            3 => {
                let update = client.update_shard_count().stream_name(stream.name);
                let update = update.target_shard_count(4);
                let update = update.scaling_type(ScalingType::UniformScaling);
                update.send().await.unwrap();
            }
            _ => {}
        }
        // Some are put while the stream changes, some after.
        for number in step * 40..(step + 1) * 40 {
            if number % 40 == 20 {
                let (_, open) = stream.settle().await;
                assert_eq!(stream.map().await.open_shards().len(), open);
            }
            let data = format!("{}/{number}/", number % 13);
            let user_record = OwnedUserRecord::new(format!("key {}", number % 13), data.clone());
            deliveries.push(producer.put(user_record).await);
            put.insert(data);
        }
        producer.flush().await;
        let newer = stream.map().await;
        let opened = map.diff(&newer).opened;
        let closed: Vec<_> = map.diff(&newer).closed;
        for parent in closed.iter().map(|shard| shard.id()) {
            let is_child = |shard: &&kinesis_agg::Shard| shard.parents().contains(parent);
            assert!(opened.iter().any(|shard| is_child(&shard)), "{parent}");
        }
        match (step, &opened[..]) {
            (0, []) => {}
            (1, [low, high]) => {
                let ids = [low, high].map(|child| child.parents().to_vec());
                assert_eq!(ids[0], ids[1]);
                assert_eq!(ids[0], [closed[0].id().clone()]);
            }
            (2, [merged]) => {
                let both: HashSet<_> = closed.iter().map(|shard| shard.id().clone()).collect();
                assert_eq!(both.len(), 2);
                assert_eq!(
                    merged.parents().iter().cloned().collect::<HashSet<_>>(),
                    both
                );
            }
            (3, opened) => assert!(opened.len() >= 4, "{opened:?}"),
            (step, opened) => panic!("step {step}: {opened:?}"),
        }
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    producer.close().await;

    // Like the KCL: a shard that ended names its children, which are read after all
    // of their parents.
    let map = stream.map().await;
    let mut consumed = Consumed::default();
    let mut next: Vec<_> = [0, 1].map(|n| format!("shardId-{n:012}")).into();
    let (mut done, mut named) = (HashSet::new(), HashMap::new());
    while let Some(id) = next.pop() {
        let shard = map.find(&id).unwrap();
        let mut iterator = stream.first_iterator(&id).await;
        while let Some(at) = iterator {
            let read = stream.client.get_records().shard_iterator(at);
            let read = read.send().await.unwrap();
            let is_empty = read.records.is_empty();
            for record in read.records {
                let data = record.data.into_inner().into();
                consumed.take(shard.hash_key_range(), data).unwrap();
            }
            for child in read.child_shards.unwrap_or_default() {
                let mut parents: Vec<_> = child.parent_shards.clone();
                parents.sort();
                let known = map.find(&child.shard_id).unwrap().parents();
                let mut known: Vec<_> = known.iter().map(ToString::to_string).collect();
                known.sort();
                assert_eq!(parents, known);
                named.insert(child.shard_id, parents);
            }
            iterator = read.next_shard_iterator;
            if is_empty && shard.is_open() {
                break;
            }
        }
        done.insert(id);
        let is_ready = |parents: &[String]| parents.iter().all(|parent| done.contains(parent));
        for (child, parents) in &named {
            if is_ready(parents) && !done.contains(child) && !next.contains(child) {
                next.push(child.clone());
            }
        }
    }
    for shard in map.open_shards() {
        let id = shard.id();
        assert!(
            done.contains(&**id),
            "{id} is not reachable from its parents"
        );
    }
    assert_eq!(consumed.user_records, put);
    assert_eq!(consumed.out_of_order, 0);
}

#[tokio::test]
#[ignore = "needs a server: tests/end-to-end/kinesis-local.sh"]
async fn all_pages_of_251_shards_are_listed() {
    let stream = Stream::create("pages", 250).await;
    let merge = stream.client.merge_shards().stream_name(stream.name);
    let merge = merge.shard_to_merge("shardId-000000000248");
    let merge = merge.adjacent_shard_to_merge("shardId-000000000249");
    merge.send().await.unwrap();
    let (arn, _) = stream.settle().await;
    let page = stream.client.list_shards().stream_name(stream.name);
    let page = page.send().await.unwrap();
    assert!(page.next_token.is_some() && page.shards().len() < 250);
    for stream_or_arn in [stream.name, &arn] {
        let listed = SdkStream::new(stream.client.clone(), stream_or_arn);
        let listed = listed.list_shards().await.unwrap();
        assert_eq!(listed.len(), 251);
        let map = ShardMap::new(listed).unwrap();
        assert_eq!(map.open_shards().len(), 249);
    }
    let map = stream.map().await;
    let producer = Producer::builder(stream.client.clone(), arn);
    let producer = producer.request_timeout(LONG).start().await.unwrap();
    for place in [0, 100, 248] {
        let shard = &map.open_shards()[place];
        let user_record = OwnedUserRecord::new("key", "data")
            .with_explicit_hash_key(shard.hash_key_range().starting_hash_key());
        let delivery = producer.put(user_record).await.await.unwrap();
        assert_eq!(delivery.shard_id, *shard.id());
    }
    producer.close().await;
}
