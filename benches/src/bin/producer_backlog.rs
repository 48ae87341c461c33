//! Measures the cost of a backlog when its user records expire, and when the user records
//! of an aggregate return to places between those of the backlog. Prints the time per user
//! record at growing lengths of the backlog: a constant time means linear cost. Then prints
//! the duration of the longest call when all of 1,000 shards split while the buffer is full.

use core::time::Duration;
use std::time::Instant;

use kinesis_agg::producer::{ProducerCore, ProducerSettings, PutResult};
use kinesis_agg::write::Limits;
use kinesis_agg::{HashKey, HashKeyRange, OwnedUserRecord, Shard, ShardMap};
use rustix::time::{ClockId, clock_gettime};

/// Returns the CPU time of this thread.
fn on_processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn map(ids: [&str; 2]) -> ShardMap {
    let middle = 1 << 127;
    let range = |starting, ending| HashKeyRange::new(HashKey::new(starting), HashKey::new(ending));
    let ranges = [range(0, middle - 1), range(middle, u128::MAX)];
    let shards = ids.into_iter().zip(ranges.into_iter().flatten());
    match ShardMap::new(shards.map(|(id, range)| Shard::new(id, range))) {
        Ok(map) => map,
        Err(error) => panic!("{error}"),
    }
}

fn one() -> ShardMap {
    match ShardMap::new([Shard::new("one", HashKeyRange::FULL)]) {
        Ok(map) => map,
        Err(error) => panic!("{error}"),
    }
}

fn wide(number: usize) -> u128 {
    u128::try_from(number).unwrap_or(u128::MAX)
}

fn settings(max_count: usize) -> ProducerSettings {
    let limits = Limits::new().with_max_count(max_count);
    ProducerSettings::new()
        .with_limits(limits.unwrap_or_default())
        .with_max_buffered_len(usize::MAX)
        .with_max_silence(Duration::MAX)
        .with_refresh_interval(Duration::MAX)
        .with_shard_rate(0, 0)
        .with_backoff(Duration::ZERO, Duration::ZERO)
}

fn push(producer: &mut ProducerCore<usize>, token: usize, now: Duration) {
    let half = u128::from(token % 2 == 1) << 127;
    let user_record = OwnedUserRecord::new("key", vec![0; 100])
        .with_explicit_hash_key(HashKey::new(half | wide(token)));
    if producer.push(user_record, token, now, now).is_err() {
        panic!("rejected");
    }
}

/// Measures expiry. Each user record has its own aggregate and its own expiry, and
/// none can be sent, because a request is in flight.
fn expiry(count: usize) -> Duration {
    let micros = |micros: usize| Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
    let ttl = Duration::from_secs(30);
    let settings = settings(1).with_ttl(ttl).with_max_requests_in_flight(1);
    let mut producer = ProducerCore::new(one(), Duration::ZERO, settings, 1);
    push(&mut producer, 0, Duration::ZERO);
    let _in_flight = producer.poll_request(Duration::ZERO);
    for token in 1..=count {
        push(&mut producer, token, micros(500 * token));
    }
    let start = Instant::now();
    for token in 1..=count {
        producer.poll_request(ttl + micros(500 * token));
        while producer.poll_event().is_some() {}
    }
    assert_eq!(producer.buffered_count(), 1);
    start.elapsed()
}

/// Measures aggregating again. A split divides the range of the aggregate in flight. Its user
/// records must be sent before the backlog of both halves, which has the same length.
fn give_back(count: usize) -> Duration {
    let now = Duration::from_secs(1);
    let mut producer = ProducerCore::new(one(), Duration::ZERO, settings(count), 1);
    for token in 0..count {
        push(&mut producer, token, now);
    }
    let request = producer.poll_request(now);
    for token in count..2 * count {
        push(&mut producer, token, now);
    }
    producer.replace_map(map(["low", "high"]), now, now);
    let Some(request) = request else {
        panic!("nothing is sent");
    };
    let result = PutResult::Stored {
        shard_id: "low".into(),
        sequence_number: "1".into(),
    };
    let start = Instant::now();
    if producer
        .handle_answer(request.id, vec![result], now)
        .is_err()
    {
        panic!("not in flight");
    }
    start.elapsed()
}

/// Measures the longest call of each kind, in CPU time, while 1,000 shards split
/// with a full buffer.
fn reshard() {
    let shards = |count: usize| {
        let width = u128::MAX / wide(count);
        let shards = (0..count).map(|n| {
            let (starting, last) = (wide(n) * width, n + 1 == count);
            let ending = if last {
                u128::MAX
            } else {
                starting + width - 1
            };
            let range = HashKeyRange::new(HashKey::new(starting), HashKey::new(ending));
            Shard::new(format!("{n} of {count}"), range.unwrap())
        });
        ShardMap::new(shards).unwrap()
    };
    let now = Duration::from_secs(1);
    let settings = settings(usize::MAX)
        .with_max_age(Duration::from_secs(60))
        .with_max_buffered_len(64 << 20);
    let mut producer = ProducerCore::new(shards(1_000), Duration::ZERO, settings, 1);
    let mut token = 0;
    loop {
        let user_record = OwnedUserRecord::new(format!("key {token}"), vec![0; 100]);
        if producer.push(user_record, token, now, now).is_err() {
            break;
        }
        token += 1;
    }
    // A part of it is in flight when the shards split.
    let requests: Vec<_> = core::iter::from_fn(|| producer.poll_request(now))
        .take(2)
        .collect();
    let mut longest: Vec<(&str, Duration)> = Vec::new();
    let mut timed = |name, start: Duration| {
        let took = on_processor().saturating_sub(start);
        match longest.iter_mut().find(|(other, _)| *other == name) {
            Some((_, other)) => *other = took.max(*other),
            None => longest.push((name, took)),
        }
    };
    let map = shards(2_000);
    let start = on_processor();
    producer.replace_map(map, now, now);
    timed("replace_map", start);
    for request in requests {
        let results = request.records.iter().map(|_| PutResult::Stored {
            shard_id: "0 of 2000".into(),
            sequence_number: "1".into(),
        });
        let results = results.collect();
        let start = on_processor();
        producer.handle_answer(request.id, results, now).unwrap();
        timed("handle_answer", start);
    }
    loop {
        let start = on_processor();
        let is_more = producer.step(now);
        timed("step", start);
        if !is_more {
            break;
        }
    }
    producer.flush();
    loop {
        let start = on_processor();
        let request = producer.poll_request(now + Duration::from_secs(2));
        timed("poll_request", start);
        if request.is_none() {
            break;
        }
    }
    println!("all of 1000 shards split with {token} user records:");
    for (name, took) in longest {
        println!("  longest {name}: {took:?}");
    }
}

fn main() {
    show("expiry, one by one", expiry);
    show("an aggregate split between two shards", give_back);
    reshard();
}

fn show(name: &str, run: fn(usize) -> Duration) {
    for count in [2_000, 4_000, 8_000] {
        let took = run(count);
        let each = took.as_nanos() / wide(count);
        println!("{name}: {count} user records, {took:?}, {each} ns each");
    }
}
