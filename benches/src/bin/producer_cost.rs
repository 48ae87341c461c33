//! Compares the cost of the producer's state machine with the aggregator alone: the
//! same user records go through a `RecordAggregator`, or through a `ProducerCore`
//! from push to the last event. `benches/producer-cost.sh` counts the instructions
//! of both.
//!
//! `producer_cost aggregator|core SHARDS USER_RECORDS`; `producer_cost clone 1
//! USER_RECORDS` only makes the input, `route` also computes the MD5 of the keys;
//! `producer_cost refused SHARDS PUSHES` makes pushes of which every second one is
//! rejected for lack of room. A fourth argument replaces the number of partition
//! keys.

use core::hint::black_box;
use core::time::Duration;

use kinesis_agg::producer::{ProducerCore, ProducerSettings, PutResult};
use kinesis_agg::{HashKey, HashKeyRange, OwnedUserRecord, RecordAggregator, Shard, ShardMap};

/// Partition keys, each as long as a UUID, if there is no fourth argument.
const KEYS: u64 = 10_000;
/// User records between two polls, as a driver takes them from its queue.
const AT_ONCE: u64 = 256;
/// Data of a user record, in bytes.
const DATA_LEN: usize = 100;

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [what, shards, count, rest @ ..] = &args[..] else {
        panic!("usage: producer_cost clone|route|aggregator|core|refused SHARDS COUNT [KEYS]");
    };
    let (shards, count) = (shards.parse().unwrap(), count.parse().unwrap());
    let keys = rest.first().map_or(KEYS, |keys| keys.parse().unwrap());
    let user_records = user_records(keys);
    let input = Input {
        user_records,
        count,
    };
    match &**what {
        "clone" => input.each(|user_record| drop(black_box(user_record))),
        "route" => input.each(|user_record| {
            black_box(user_record.hash_key());
        }),
        "aggregator" => aggregator(&input),
        "core" => core(shards, &input),
        "refused" => refused(shards, &input),
        _ => panic!("{what}?"),
    }
}

/// Returns user records to clone, so that making one is not part of the cost.
fn user_records(keys: u64) -> Vec<OwnedUserRecord> {
    // The order of the keys is not that of their shards.
    let key = |n: u64| format!("{:036}", n.wrapping_mul(7_919) % keys);
    (0..keys)
        .map(|n| OwnedUserRecord::new(key(n), vec![7; DATA_LEN]))
        .collect()
}

/// The user records of a run: the same ones again and again.
struct Input {
    user_records: Vec<OwnedUserRecord>,
    count: u64,
}

impl Input {
    fn each(&self, mut each: impl FnMut(OwnedUserRecord)) {
        for (_, user_record) in (0..self.count).zip(self.user_records.iter().cycle()) {
            each(user_record.clone());
        }
    }
}

fn map(shards: u128) -> ShardMap {
    let width = u128::MAX / shards;
    let shards = (0..shards).map(|n| {
        let last = n + 1 == shards;
        let ending = if last { u128::MAX } else { (n + 1) * width - 1 };
        let range = HashKeyRange::new(HashKey::new(n * width), HashKey::new(ending));
        Shard::new(format!("shardId-{n:012}"), range.unwrap())
    });
    ShardMap::new(shards).unwrap()
}

fn aggregator(input: &Input) {
    let mut aggregator = RecordAggregator::new();
    input.each(|user_record| {
        black_box(aggregator.push(user_record).unwrap());
    });
    black_box(aggregator.flush());
}

fn settings() -> ProducerSettings {
    ProducerSettings::new()
        .with_max_buffered_len(usize::MAX)
        .with_max_silence(Duration::MAX)
        .with_refresh_interval(Duration::MAX)
        .with_max_age(Duration::from_secs(10))
        .with_shard_rate(0, 0)
}

fn core(shards: u128, input: &Input) {
    let now = Duration::from_secs(1);
    let mut producer = ProducerCore::new(map(shards), now, settings(), 1);
    let mut token = 0;
    input.each(|user_record| {
        producer.push(user_record, token, now, now).unwrap();
        token += 1;
        if token % AT_ONCE == 0 {
            pump(&mut producer, now);
        }
    });
    producer.flush();
    while producer.buffered_count() > 0 {
        pump(&mut producer, now);
    }
    assert_eq!(producer.counters().user_records_delivered, input.count);
}

/// Answers every request at once: each record is stored in the shard of its hash
/// key.
fn pump(producer: &mut ProducerCore<u64>, now: Duration) {
    while let Some(request) = producer.poll_request(now) {
        let results = request.records.iter().map(|record| {
            let of_key = |key: &String| HashKey::of_partition_key(key.as_bytes());
            let hash_key = record
                .explicit_hash_key
                .or_else(|| record.partition_key.as_ref().map(of_key));
            PutResult::Stored {
                shard_id: producer.map().shard_of(hash_key.unwrap()).id().clone(),
                sequence_number: "49590338271490256608559692538361571095921575989136588898".into(),
            }
        });
        let results = results.collect();
        producer.handle_answer(request.id, results, now).unwrap();
    }
    while let Some(event) = producer.poll_event() {
        black_box(event);
    }
}

/// Pushes small user records, and between them large ones that find no room.
fn refused(shards: u128, input: &Input) {
    const LARGE_LEN: usize = 900_000;
    let now = Duration::from_secs(1);
    let settings = settings().with_max_buffered_len(64 << 20);
    let mut producer = ProducerCore::new(map(shards), now, settings, 1);
    let large = OwnedUserRecord::new("large", vec![7; LARGE_LEN]);
    let mut token = 0;
    let mut small = input.user_records.iter().cycle();
    let mut push_small = |producer: &mut ProducerCore<u64>| {
        let user_record = small.next().unwrap().clone();
        producer.push(user_record, token, now, now).unwrap();
        token += 1;
    };
    while producer.buffered_len() + LARGE_LEN < 64 << 20 {
        push_small(&mut producer);
    }
    for _ in 0..input.count {
        let pushed = producer.push(large.clone(), 0, now, now);
        assert!(black_box(pushed).is_err());
        push_small(&mut producer);
    }
}
