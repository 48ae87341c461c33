//! Tests `ProducerCore` over time, on a stream that answers after a fixed round
//! trip. Protects the throughput, also of shards next to one that accepts nothing.

extern crate alloc;

use alloc::collections::BTreeMap;
use core::time::Duration;
use std::collections::HashMap;

use kinesis_agg::producer::{
    Distribution, DistributionAnswer, FailureReason, Order, ProducerCore, ProducerEvent,
    ProducerSettings, PutRecord, PutResult, RequestId,
};
use kinesis_agg::shards::RejectionReason;
use kinesis_agg::write::{Limits, OuterKey};
use kinesis_agg::{HashKey, HashKeyRange, OwnedUserRecord, Shard, ShardMap, deaggregate};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn shards(count: u128) -> ShardMap {
    let width = u128::MAX / count;
    let shards = (0..count).map(|n| {
        let last = n + 1 == count;
        let ending = if last { u128::MAX } else { (n + 1) * width - 1 };
        let range = HashKeyRange::new(HashKey::new(n * width), HashKey::new(ending));
        Shard::new(n.to_string(), range.unwrap())
    });
    ShardMap::new(shards).unwrap()
}

/// A producer, its clock, and a stream that answers after a round trip.
struct Flow {
    producer: ProducerCore<u64>,
    now: Duration,
    round_trip: Duration,
    answers: BTreeMap<(Duration, RequestId), Vec<PutRecord>>,
    /// A shard that has no capacity.
    dead: Option<&'static str>,
    delivered: HashMap<String, u64>,
    failed: Vec<(u64, FailureReason)>,
    request_lens: Vec<usize>,
}

impl Flow {
    fn new(map: ShardMap, settings: ProducerSettings, round_trip: Duration) -> Self {
        let mut producer = ProducerCore::new(map, ms(0), settings, 7);
        let by_key = DistributionAnswer::Known(Distribution::ByKey);
        producer.set_distribution(&by_key, ms(0));
        Self {
            producer,
            now: ms(0),
            round_trip,
            answers: BTreeMap::new(),
            dead: None,
            delivered: HashMap::new(),
            failed: Vec::new(),
            request_lens: Vec::new(),
        }
    }

    fn push(&mut self, token: u64) -> Result<(), RejectionReason> {
        let user_record = OwnedUserRecord::new(format!("key {}", token % 5_000), vec![7; 100]);
        let pushed = self.producer.push(user_record, token, self.now, self.now);
        pushed.map_err(|rejected| rejected.reason)
    }

    /// Simulates the next millisecond.
    fn pass(&mut self) {
        self.now += ms(1);
        while let Some(entry) = self.answers.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let ((_, id), records) = entry.remove_entry();
            let results = records.iter().map(|record| self.result(record));
            let results = results.collect();
            self.producer.handle_answer(id, results, self.now).unwrap();
        }
        while let Some(request) = self.producer.poll_request(self.now) {
            self.request_lens.push(request.records.len());
            let at = self.now + self.round_trip;
            self.answers.insert((at, request.id), request.records);
        }
        if self.producer.wants_refresh() {
            let map = self.producer.map().clone();
            self.producer.replace_map(map, self.now, self.now);
        }
        while let Some(event) = self.producer.poll_event() {
            match event {
                ProducerEvent::Delivered { delivery, .. } => {
                    let shard_id = delivery.shard_id.to_string();
                    *self.delivered.entry(shard_id).or_default() += 1;
                }
                ProducerEvent::Failed { token, failure } => {
                    self.failed.push((token, failure.reason));
                }
                ProducerEvent::Notice(_) => {}
            }
        }
    }

    fn result(&self, record: &PutRecord) -> PutResult {
        let key = record.partition_key.as_deref().unwrap_or_default();
        let of_key = || HashKey::of_partition_key(key.as_bytes());
        let hash_key = record.explicit_hash_key.unwrap_or_else(of_key);
        let shard_id = self.producer.map().shard_of(hash_key).id().clone();
        if self.dead == Some(&*shard_id) {
            return PutResult::Rejected {
                code: "ProvisionedThroughputExceededException".into(),
                message: "slow down".into(),
            };
        }
        PutResult::Stored {
            shard_id,
            sequence_number: "1".into(),
        }
    }

    fn all_delivered(&self) -> u64 {
        self.delivered.values().sum()
    }
}

/// Returns in how many seconds three of four shards received less than was offered
/// to them, while the fourth accepts nothing for 20 seconds.
fn slow_seconds(settings: ProducerSettings) -> usize {
    const BOUND: usize = 4 << 20;
    let settings = settings.with_max_buffered_len(BOUND);
    let mut flow = Flow::new(shards(4), settings, ms(20));
    let (mut token, mut slow_seconds) = (0, 0);
    for second in 0..24 {
        flow.dead = (2..22).contains(&second).then_some("0");
        let before = flow.delivered.clone();
        let mut offered = 0;
        for _ in 0..1_000 {
            for _ in 0..15 {
                let key = format!("key {}", token % 5_000);
                let hash_key = HashKey::of_partition_key(key.as_bytes());
                let is_for_others = &**flow.producer.map().shard_of(hash_key).id() != "0";
                offered += u64::from(is_for_others);
                let pushed = flow.push(token);
                if let Err(reason) = pushed {
                    assert!(matches!(
                        reason,
                        RejectionReason::BufferFull { .. } | RejectionReason::ShardFull { .. }
                    ));
                }
                token += 1;
            }
            flow.pass();
            assert!(flow.producer.buffered_len() <= BOUND);
        }
        let of_others = |counts: &HashMap<String, u64>| -> u64 {
            let others = counts.iter().filter(|(id, _)| *id != "0");
            others.map(|(_, count)| count).sum()
        };
        let delivered = of_others(&flow.delivered) - of_others(&before);
        // User records that wait for the aggregate to fill at the end of a second
        // are delivered in the next.
        slow_seconds += usize::from(second > 1 && delivered < offered * 98 / 100);
    }
    slow_seconds
}

#[test]
fn a_shard_that_throttles_everything_does_not_slow_the_others() {
    assert_eq!(slow_seconds(ProducerSettings::new()), 0);
    // Without shares of the buffer, the dead shard slows the others.
    let unshared = ProducerSettings::new().with_shard_shares(false);
    assert!(slow_seconds(unshared) > 10);
}

/// Returns how many user records of different keys, each sent alone, a shard
/// receives in the three seconds after the first.
fn one_by_one(order: Order) -> u64 {
    let settings = ProducerSettings::new()
        .with_limits(Limits::new().with_max_count(1).unwrap())
        .with_order(order);
    let mut flow = Flow::new(shards(1), settings, ms(20));
    let (mut token, mut before) = (0, 0);
    for time in 0..4_000 {
        if time == 1_000 {
            before = flow.all_delivered();
        }
        for _ in 0..2 {
            if flow.push(token).is_ok() {
                token += 1;
            }
        }
        flow.pass();
    }
    flow.all_delivered() - before
}

#[test]
fn a_shard_receives_its_full_rate_despite_the_round_trip_time() {
    for order in [Order::PerHashKey, Order::None] {
        let delivered = one_by_one(order);
        // The burst of the first second may extend into the second one.
        assert!((2_950..=4_000).contains(&delivered), "{delivered}");
    }
}

#[test]
fn one_hash_key_has_one_record_in_flight_unless_order_is_none() {
    for (order, expected) in [(Order::PerHashKey, 1), (Order::None, 10)] {
        let settings = ProducerSettings::new()
            .with_limits(Limits::new().with_max_count(1).unwrap())
            .with_order(order);
        let mut flow = Flow::new(shards(1), settings, ms(20));
        for token in 0..10 {
            flow.push(5_000 * token).unwrap();
        }
        flow.pass();
        assert_eq!(flow.producer.snapshot(flow.now).records_in_flight, expected);
    }
}

#[test]
fn raw_records_of_a_service_managed_stream_fill_requests() {
    let settings = ProducerSettings::new().with_max_buffered_len(32 << 20);
    let mut flow = Flow::new(shards(10), settings, ms(20));
    let auto = DistributionAnswer::Known(Distribution::Auto);
    flow.producer.set_distribution(&auto, ms(0));
    let mut token = 0;
    for _ in 0..4_000 {
        // More than the rate of ten shards.
        for _ in 0..20 {
            token += u64::from(flow.push(token).is_ok());
        }
        flow.pass();
    }
    // A burst, then the rate.
    let delivered = flow.all_delivered();
    assert!((45_000..=50_000).contains(&delivered), "{delivered}");
    let full = flow.request_lens.iter().filter(|len| **len == 500).count();
    let all = flow.request_lens.len();
    assert!(full * 10 >= all * 9, "{full} of {all} requests are full");
}

#[test]
fn rate_percent_scales_the_rate_of_a_shard() {
    for (percent, expected) in [(100, 3_000), (50, 1_500), (200, 6_000)] {
        let settings = ProducerSettings::new()
            .with_limits(Limits::new().with_max_count(1).unwrap())
            .with_rate_percent(percent);
        let mut flow = Flow::new(shards(1), settings, ms(5));
        let mut token = 0;
        for _ in 0..2_000 {
            for _ in 0..5 {
                token += u64::from(flow.push(token).is_ok());
            }
            flow.pass();
        }
        // A burst of one second and two seconds at the rate.
        let delivered = flow.all_delivered();
        let allowed = expected * 97 / 100..=expected * 101 / 100;
        assert!(allowed.contains(&delivered), "{percent}: {delivered}");
    }
}

#[test]
fn throttled_user_records_fail_immediately_with_fail_if_throttled() {
    let settings = ProducerSettings::new().with_fail_if_throttled(true);
    let mut flow = Flow::new(shards(1), settings, ms(20));
    flow.dead = Some("0");
    for token in 0..3 {
        flow.push(token).unwrap();
    }
    flow.producer.flush();
    for _ in 0..30 {
        flow.pass();
    }
    let expected = [0, 1, 2].map(|token| (token, FailureReason::Throttled));
    assert_eq!(flow.failed, expected);
    let snapshot = flow.producer.snapshot(flow.now);
    let throttled = snapshot.errors["ProvisionedThroughputExceededException"];
    assert_eq!((throttled, snapshot.counters.retries), (1, 0));
    // The hash keys are free again.
    flow.dead = None;
    flow.push(0).unwrap();
    flow.producer.flush();
    for _ in 0..30 {
        flow.pass();
    }
    assert_eq!(flow.all_delivered(), 1);
}

#[test]
fn push_until_sets_the_expiry_of_one_user_record() {
    let settings = ProducerSettings::new()
        .with_max_age(ms(5_000))
        .with_max_requests_in_flight(1)
        .with_ttl(ms(10_000));
    let mut flow = Flow::new(shards(1), settings, ms(1_000));
    let user_record = |n: u64| OwnedUserRecord::new(format!("key {n}"), "data");
    flow.producer.push(user_record(1), 1, ms(0), ms(0)).unwrap();
    // It waits for half of its time to live at most, not until it expires.
    let hasty = flow
        .producer
        .push_until(user_record(2), 2, ms(0), ms(400), ms(0));
    hasty.unwrap();
    assert_eq!(flow.producer.poll_timeout(), Some(ms(200)));
    while flow.now < ms(300) {
        flow.pass();
    }
    assert_eq!(flow.request_lens, [1]);
    // It waits for the request in flight, and expires before earlier pushes.
    flow.producer
        .push(user_record(1), 3, ms(300), ms(300))
        .unwrap();
    let late = flow
        .producer
        .push_until(user_record(1), 4, ms(300), ms(500), ms(300));
    late.unwrap();
    while flow.now < ms(500) {
        assert_eq!(flow.failed, []);
        flow.pass();
    }
    assert_eq!(flow.failed, [(4, FailureReason::Expired)]);
    let now = flow.now;
    let over = flow.producer.push_until(user_record(5), 5, now, now, now);
    assert_eq!(over.unwrap_err().reason, RejectionReason::Expired);
}

#[test]
fn aggregates_are_put_under_the_configured_outer_key() {
    let user_records =
        || ["a key", "a key", "another key"].map(|key| OwnedUserRecord::new(key, "data"));
    let first = HashKey::of_partition_key(b"a key");
    let cases = [
        (OuterKey::FirstUserRecord, "a key", None),
        (OuterKey::Kpl, "a", Some(first)),
        (OuterKey::Chosen("fleet 3".into()), "fleet 3", Some(first)),
    ];
    for (outer_key, partition_key, explicit_hash_key) in cases {
        let settings = ProducerSettings::new()
            .with_max_age(ms(0))
            .with_outer_key(outer_key);
        let mut flow = Flow::new(shards(1), settings, ms(20));
        for user_record in user_records() {
            flow.producer.push(user_record, 0, ms(0), ms(0)).unwrap();
        }
        let request = flow.producer.poll_request(ms(0)).unwrap();
        let [record] = &request.records[..] else {
            panic!("one record");
        };
        assert_eq!(record.partition_key.as_deref(), Some(partition_key));
        assert_eq!(record.explicit_hash_key, explicit_hash_key);
    }
    // One key in each aggregate.
    let settings = ProducerSettings::new()
        .with_max_age(ms(0))
        .with_one_key(true);
    let mut flow = Flow::new(shards(1), settings, ms(20));
    for user_record in user_records() {
        flow.producer.push(user_record, 0, ms(0), ms(0)).unwrap();
    }
    let mut sent = Vec::new();
    while let Some(request) = flow.producer.poll_request(ms(0)) {
        for record in request.records {
            let count = deaggregate(&[record.data]).count();
            sent.push((record.partition_key.unwrap(), count));
        }
    }
    // The second aggregate is not full, and waits for the first.
    assert_eq!(sent, [("a key".to_owned(), 2)]);
}

/// A driver can let other tasks run while it processes a reshard.
#[test]
fn rerouting_and_expiring_a_full_buffer_is_split_into_steps() {
    let settings = ProducerSettings::new()
        .with_max_age(ms(60_000))
        .with_max_silence(Duration::MAX)
        .with_shard_shares(false);
    let mut flow = Flow::new(shards(100), settings, ms(20));
    let count = 20_000;
    for token in 0..count {
        flow.push(token).unwrap();
    }
    let halves = shards(200);
    let halves = halves.open_shards().iter().map(|shard| {
        let id = format!("half {}", shard.id());
        Shard::new(id, shard.hash_key_range())
    });
    let map = ShardMap::new(halves.collect::<Vec<_>>()).unwrap();
    flow.producer.replace_map(map, ms(1), ms(1));
    // The rerouting is due immediately. Steps do it before anything is sent.
    assert_eq!(flow.producer.poll_timeout(), Some(ms(1)));
    let steps = (1..).find(|_| !flow.producer.step(ms(1))).unwrap();
    assert!((30..=45).contains(&steps), "{steps}");
    assert!(flow.producer.poll_timeout().unwrap() > ms(1));
    // All user records expire at the same time, and fail in steps.
    let steps = (1..).find(|_| !flow.producer.step(ms(60_000))).unwrap();
    assert!((20..=25).contains(&steps), "{steps}");
    flow.pass();
    assert_eq!(flow.failed.len(), usize::try_from(count).unwrap());
}

#[test]
fn snapshots_report_buffered_user_records_per_shard_and_latencies() {
    let settings = ProducerSettings::new().with_max_age(ms(100));
    let mut flow = Flow::new(shards(4), settings, ms(20));
    for token in 0..100 {
        flow.push(token).unwrap();
    }
    while flow.now < ms(50) {
        flow.pass();
    }
    let snapshot = flow.producer.snapshot(flow.now);
    assert_eq!(snapshot.buffered_count, 100);
    assert_eq!(snapshot.oldest_age, Some(ms(50)));
    assert_eq!(snapshot.requests_in_flight, 0);
    let by_shard: Vec<_> = flow.producer.shard_snapshots(flow.now).collect();
    let count: usize = by_shard.iter().map(|shard| shard.waiting_count).sum();
    let len: usize = by_shard.iter().map(|shard| shard.buffered_len).sum();
    assert_eq!(
        (by_shard.len(), count, len),
        (4, 100, snapshot.buffered_len)
    );
    while flow.now < ms(110) {
        flow.pass();
    }
    let snapshot = flow.producer.snapshot(flow.now);
    assert_eq!(
        (snapshot.requests_in_flight, snapshot.records_in_flight),
        (1, 4)
    );
    let in_flight = flow.producer.shard_snapshots(flow.now);
    assert!(
        in_flight
            .into_iter()
            .all(|shard| shard.records_in_flight == 1
                && shard.waiting_count == 0
                && shard.buffered_len > 0)
    );
    while flow.now < ms(130) {
        flow.pass();
    }
    let snapshot = flow.producer.snapshot(flow.now);
    assert_eq!((snapshot.buffered_count, snapshot.oldest_age), (0, None));
    assert_eq!(snapshot.buffering_time.count(), 100);
    assert_eq!(snapshot.buffering_time.percentile(50), Some(ms(100)));
    assert_eq!(snapshot.request_latency.percentile(99), Some(ms(20)));
    assert_eq!(snapshot.counters, flow.producer.counters());
    let idle = flow.producer.shard_snapshots(flow.now);
    assert!(idle.into_iter().all(|shard| shard.buffered_len == 0));
}
