//! Measures the heap of a producer with a counting allocator. Protects the bound on its
//! memory: the peak is at most 1.5 times `max_buffered_len`, and 2.5 times with user
//! records of 10 bytes or less.

use core::time::Duration;

use kinesis_agg::producer::{
    Distribution, DistributionAnswer, ProducerCore, ProducerSettings, PutResult, RequestFailure,
    RequestId,
};
use kinesis_agg::write::Limits;
use kinesis_agg::{HashKey, HashKeyRange, OwnedUserRecord, Shard, ShardMap};
use kinesis_agg_tests::counting::{Counting, live_len};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The producer's `max_buffered_len`.
const BOUND: usize = 4 << 20;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn shards() -> ShardMap {
    let width = u128::MAX / 8;
    let shards = (0..8).map(|n| {
        let ending = if n == 7 {
            u128::MAX
        } else {
            (n + 1) * width - 1
        };
        let range = HashKeyRange::new(HashKey::new(n * width), HashKey::new(ending));
        Shard::new(format!("shardId-{n:012}"), range.unwrap())
    });
    ShardMap::new(shards).unwrap()
}

struct Run {
    producer: ProducerCore<u64>,
    /// Live bytes before the producer was made.
    before: usize,
    peak: usize,
    token: u64,
    len: usize,
}

impl Run {
    fn new(len: usize, max_count: usize, distribution: Distribution) -> Self {
        let before = live_len();
        let limits = Limits::new().with_max_count(max_count).unwrap();
        let settings = ProducerSettings::new()
            .with_limits(limits)
            .with_max_age(ms(1))
            .with_max_buffered_len(BOUND)
            .with_max_request_count(50)
            .with_shard_rate(0, 0)
            .with_backoff(ms(1), ms(1))
            .with_ttl(ms(10_000));
        let mut producer = ProducerCore::new(shards(), ms(0), settings, 1);
        producer.set_distribution(&DistributionAnswer::Known(distribution), ms(0));
        Self {
            producer,
            before,
            peak: 0,
            token: 0,
            len,
        }
    }

    fn look(&mut self) {
        self.peak = self.peak.max(live_len().wrapping_sub(self.before));
    }

    /// Pushes until there is no more room.
    fn fill(&mut self, now: Duration) {
        loop {
            let key = format!("key {}", self.token);
            let user_record = OwnedUserRecord::new(key, vec![1; self.len]);
            if self
                .producer
                .push(user_record, self.token, now, now)
                .is_err()
            {
                break;
            }
            self.token += 1;
            self.look();
        }
    }

    /// Delivers one small user record, and polls its event.
    fn deliver_one(&mut self, now: Duration) {
        let user_record = OwnedUserRecord::new("key", "data");
        self.producer.push(user_record, 0, now, now).unwrap();
        self.producer.flush();
        let request = self.producer.poll_request(now).unwrap();
        let [record] = &request.records[..] else {
            panic!("one user record");
        };
        let hash_key = HashKey::of_partition_key(b"key");
        assert_eq!(record.partition_key.as_deref(), Some("key"));
        let result = PutResult::Stored {
            shard_id: self.producer.map().shard_of(hash_key).id().clone(),
            sequence_number: "1".into(),
        };
        let answered = self.producer.handle_answer(request.id, vec![result], now);
        answered.unwrap();
        assert!(self.producer.poll_event().is_some() && self.producer.poll_event().is_none());
    }

    /// Fails every attempt, each with a different text.
    fn fail_all(&mut self, now: Duration) {
        let mut in_flight: Vec<(RequestId, usize)> = Vec::new();
        while let Some(request) = self.producer.poll_request(now) {
            in_flight.push((request.id, request.records.len()));
            // The records are part of the request, whose memory belongs to the SDK.
            drop(request);
            self.look();
        }
        for (n, (id, count)) in in_flight.into_iter().enumerate() {
            let text = format!("{now:?} {n} {}", "x".repeat(300));
            let taken = if n % 2 == 0 {
                let results = (0..count).map(|_| PutResult::Rejected {
                    code: "InternalFailure".into(),
                    message: text.as_str().into(),
                });
                self.producer.handle_answer(id, results.collect(), now)
            } else {
                let failure = RequestFailure::NoAnswer(text.into());
                self.producer.handle_failure(id, failure, now)
            };
            taken.unwrap();
            self.look();
        }
    }
}

/// Returns the peak as a share of the bound, in percent.
fn peak(len: usize, max_count: usize, distribution: Distribution) -> usize {
    let mut run = Run::new(len, max_count, distribution);
    run.fill(ms(0));
    let held = run.producer.buffered_count();
    for now in (1..4_000).step_by(400) {
        run.fail_all(ms(now));
    }
    run.fill(ms(4_000));
    // All expire, and their events are not polled.
    run.producer.poll_request(ms(20_000));
    run.look();
    assert_eq!(run.producer.buffered_count(), held);
    while run.producer.poll_event().is_some() {}
    let (left, peak) = (live_len().wrapping_sub(run.before), run.peak);
    assert_eq!(run.producer.buffered_len(), 0);
    // The memory that aggregates are made in remains, and known hash keys.
    assert!(
        left < BOUND / 2,
        "{left} bytes remain after {held} user records"
    );
    // It is freed once the producer has held little and then nothing.
    // After the silence, the producer wants a listing first.
    run.producer.replace_map(shards(), ms(20_000), ms(20_000));
    run.deliver_one(ms(20_000));
    let later = live_len().wrapping_sub(run.before);
    assert!(
        later < BOUND / 10,
        "{later} bytes are left of {held} user records, later"
    );
    drop(run);
    println!(
        "{held} user records of {len} B, at most {max_count} in an aggregate, {distribution:?}: \
         {peak} B at the peak, {left} B when empty, {later} B later"
    );
    peak * 100 / BOUND
}

#[test]
fn peak_heap_use_is_at_most_1_5_times_the_bound_or_2_5_for_tiny_records() {
    for distribution in [Distribution::ByKey, Distribution::Auto] {
        for max_count in [1, 10_000] {
            for (len, allowed) in [
                (1, 250),
                (10, 250),
                (100, 150),
                (1_000, 150),
                (100_000, 150),
            ] {
                let percent = peak(len, max_count, distribution);
                assert!(
                    percent <= allowed,
                    "{percent}% of the bound with {len} B each, {max_count}, {distribution:?}"
                );
            }
        }
    }
}
