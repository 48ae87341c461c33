//! `ProducerCore`, answer by answer. Protects the promise that each user record
//! ends once, and as delivered only where a consumer that drops whole
//! aggregates gets it.

use core::error::Error as _;
use core::time::Duration;

use kinesis_agg::producer::{
    AttemptOutcome, FailureReason, ProducerEvent, PutRequest, PutResult, RequestFailure,
};
use kinesis_agg::shards::RefusalReason;
use kinesis_agg::write::{Limits, LoneUserRecord};
use kinesis_agg::{
    HashKey, HashKeyRange, OwnedUserRecord, ProducerCore, ProducerSettings, Shard, ShardMap,
    deaggregate,
};

const MAX: u128 = u128::MAX;

fn shard(id: &str, starting: u128, ending: u128) -> Shard {
    let range = HashKeyRange::new(HashKey::new(starting), HashKey::new(ending));
    Shard::new(id, range.unwrap())
}

fn one() -> Vec<Shard> {
    vec![shard("one", 0, MAX)]
}

/// "one" after its split at 100.
fn split() -> Vec<Shard> {
    vec![
        shard("one", 0, MAX).closed(),
        shard("low", 0, 99).with_parent("one"),
        shard("high", 100, MAX).with_parent("one"),
    ]
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn user_record(hash_key: u128) -> OwnedUserRecord {
    OwnedUserRecord::new("key", format!("data {hash_key}"))
        .with_explicit_hash_key(HashKey::new(hash_key))
        .with_tag("t", None)
}

/// At once, without company and without limits of the rate.
fn settings() -> ProducerSettings {
    ProducerSettings::new()
        .with_max_age(Duration::ZERO)
        .with_shard_rate(0, 0)
}

fn producer(shards: Vec<Shard>, settings: ProducerSettings) -> ProducerCore<u128> {
    ProducerCore::new(ShardMap::new(shards).unwrap(), settings, 7)
}

fn push(producer: &mut ProducerCore<u128>, hash_keys: &[u128], now: Duration) {
    for &hash_key in hash_keys {
        producer.push(user_record(hash_key), hash_key, now).unwrap();
    }
}

/// The hash keys in each record of a request.
fn keys(request: &PutRequest) -> Vec<Vec<u128>> {
    let keys = |data| {
        let records = [data];
        let hash_keys = deaggregate(&records).map(|read| {
            assert!(read.user_record().is_some(), "{:?}", read.outcome());
            read.hash_key().unwrap().unwrap().to_u128()
        });
        hash_keys.collect()
    };
    let records = request.records.iter();
    records.map(|record| keys(record.data.clone())).collect()
}

fn stored(shard_id: &str, sequence_number: &str) -> PutResult {
    PutResult::Stored {
        shard_id: shard_id.into(),
        sequence_number: sequence_number.into(),
    }
}

fn throttled() -> PutResult {
    PutResult::Rejected {
        code: "ProvisionedThroughputExceededException".into(),
        message: "slow down".into(),
    }
}

/// Tokens of what was delivered, and where.
fn delivered(producer: &mut ProducerCore<u128>) -> Vec<(u128, String)> {
    let mut delivered = Vec::new();
    while let Some(event) = producer.poll_event() {
        match event {
            ProducerEvent::Delivered { token, delivery } => {
                delivered.push((token, delivery.shard_id.to_string()));
            }
            ProducerEvent::Failed { token, failure } => panic!("{token}: {failure:?}"),
        }
    }
    delivered
}

fn failures(producer: &mut ProducerCore<u128>) -> Vec<(u128, kinesis_agg::producer::Failure)> {
    let mut failures = Vec::new();
    while let Some(event) = producer.poll_event() {
        match event {
            ProducerEvent::Failed { token, failure } => failures.push((token, failure)),
            ProducerEvent::Delivered { token, .. } => panic!("{token} was delivered"),
        }
    }
    failures
}

/// The next request at or after `now`, and its time.
fn next_request(producer: &mut ProducerCore<u128>, mut now: Duration) -> (PutRequest, Duration) {
    for _ in 0..100 {
        if let Some(request) = producer.poll_request(now) {
            return (request, now);
        }
        now = now.max(producer.poll_timeout().expect("nothing to come"));
    }
    panic!("a timeout without a cause");
}

#[test]
fn a_user_record_is_delivered_with_its_place() {
    let mut producer = producer(one(), settings());
    push(&mut producer, &[5, 500], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    assert_eq!(keys(&request), [[5, 500]]);
    let answer = vec![stored("one", "4711")];
    producer.handle_answer(request.id, answer, ms(9)).unwrap();
    for (token, place) in [(5, 0), (500, 1)] {
        let Some(ProducerEvent::Delivered {
            token: got,
            delivery,
        }) = producer.poll_event()
        else {
            panic!("not delivered");
        };
        assert_eq!((got, delivery.sub_sequence_number), (token, place));
        assert_eq!(&*delivery.sequence_number, "4711");
        assert_eq!(delivery.attempt_count, 1);
    }
    assert_eq!((producer.buffered_len(), producer.buffered_count()), (0, 0));
    assert_eq!(producer.poll_timeout(), None);
    // A second answer to the same request is nobody's.
    let again = producer.handle_answer(request.id, vec![stored("one", "1")], ms(9));
    assert!(again.is_err());
}

#[test]
fn an_aggregate_that_a_split_cut_is_sent_again_as_a_whole() {
    let mut producer = producer(one(), settings());
    push(&mut producer, &[5, 500, 6], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    // It went to the shard of its outer key. The KPL would send 500 alone.
    let map = producer.map().refreshed(split(), ms(1), ms(0)).unwrap();
    producer.replace_map(map, ms(1));
    let answer = vec![stored("low", "1")];
    producer.handle_answer(request.id, answer, ms(9)).unwrap();
    assert_eq!(delivered(&mut producer), []);
    // The map is new already, so there is nothing to wait for.
    assert!(!producer.wants_refresh());
    let request = producer.poll_request(ms(9)).unwrap();
    let mut sent = keys(&request);
    sent.sort();
    assert_eq!(sent, [vec![5, 6], vec![500]]);
    let answer = if keys(&request)[0] == [500] {
        vec![stored("high", "2"), stored("low", "3")]
    } else {
        vec![stored("low", "3"), stored("high", "2")]
    };
    producer.handle_answer(request.id, answer, ms(20)).unwrap();
    let mut ends = delivered(&mut producer);
    ends.sort();
    let low = String::from("low");
    assert_eq!(ends, [(5, low.clone()), (6, low), (500, "high".into())]);
    assert_eq!(producer.counters().wrong_shard, 1);
}

#[test]
fn a_shard_that_no_map_knows_is_judged_when_one_does() {
    let mut producer = producer(one(), settings());
    push(&mut producer, &[5, 6], ms(0));
    let whole = producer.poll_request(ms(0)).unwrap();
    producer
        .handle_answer(whole.id, vec![stored("low", "1")], ms(1))
        .unwrap();
    assert!(producer.wants_refresh());
    assert_eq!(delivered(&mut producer), []);
    // What is undecided keeps its place before later user records of its keys.
    push(&mut producer, &[5], ms(2));
    assert!(producer.poll_request(ms(2)).is_none());
    let map = producer.map().refreshed(split(), ms(3), ms(0)).unwrap();
    producer.replace_map(map, ms(3));
    assert!(!producer.wants_refresh());
    let low = String::from("low");
    assert_eq!(delivered(&mut producer), [(5, low.clone()), (6, low)]);
    assert_eq!(keys(&producer.poll_request(ms(3)).unwrap()), [[5]]);
}

#[test]
fn a_shard_that_the_new_map_does_not_know_either_leads_to_another_attempt() {
    let mut producer = producer(one(), settings());
    push(&mut producer, &[5], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    producer
        .handle_answer(request.id, vec![stored("what?", "1")], ms(1))
        .unwrap();
    let map = producer.map().refreshed(one(), ms(2), ms(0)).unwrap();
    producer.replace_map(map, ms(2));
    // The list may be older than the answer.
    assert!(producer.wants_refresh());
    let (request, now) = next_request(&mut producer, ms(2));
    assert!(now <= ms(2 + 50));
    producer
        .handle_answer(request.id, vec![stored("one", "2")], now)
        .unwrap();
    assert_eq!(delivered(&mut producer), [(5, "one".into())]);
}

#[test]
fn a_late_answer_is_judged_by_a_closed_shard() {
    let mut producer = producer(one(), settings());
    push(&mut producer, &[5, 500], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    let map = producer.map().refreshed(split(), ms(1), ms(0)).unwrap();
    producer.replace_map(map, ms(1));
    // Stored before the split: "one" has both, and its consumers read them.
    producer
        .handle_answer(request.id, vec![stored("one", "1")], ms(2))
        .unwrap();
    assert_eq!(delivered(&mut producer).len(), 2);
    assert!(!producer.wants_refresh());
}

#[test]
fn an_answer_of_another_length_counts_for_nothing() {
    let halves = vec![shard("low", 0, 99), shard("high", 100, MAX)];
    let mut producer = producer(halves, settings());
    push(&mut producer, &[5, 500], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    assert_eq!(request.records.len(), 2);
    producer
        .handle_answer(request.id, vec![stored("low", "1")], ms(1))
        .unwrap();
    let mut now = ms(1);
    for _ in 0..2 {
        let (request, at) = next_request(&mut producer, now);
        now = at;
        let results = keys(&request).into_iter();
        let results = results.map(|keys| stored(if keys == [5] { "low" } else { "high" }, "2"));
        producer
            .handle_answer(request.id, results.collect(), now)
            .unwrap();
        if producer.buffered_count() == 2 && producer.poll_timeout().is_none() {
            break;
        }
    }
    assert_eq!(delivered(&mut producer).len(), 2);
}

#[test]
fn a_refused_request_is_taken_apart_and_a_lost_one_is_not() {
    let halves = || vec![shard("low", 0, 99), shard("high", 100, MAX)];
    for (failure, record_count) in [
        (RequestFailure::Refused("too large".into()), 1),
        (RequestFailure::NoAnswer("timeout".into()), 2),
    ] {
        let settings = settings().with_backoff(Duration::ZERO, Duration::ZERO);
        let mut producer = producer(halves(), settings);
        push(&mut producer, &[5, 500], ms(0));
        let request = producer.poll_request(ms(0)).unwrap();
        producer.handle_failure(request.id, failure, ms(1)).unwrap();
        let request = producer.poll_request(ms(1)).unwrap();
        assert_eq!(request.records.len(), record_count);
        assert_eq!(producer.poll_request(ms(1)).is_some(), record_count == 1);
    }
}

#[test]
fn what_is_refused_alone_is_given_up_at_once_and_lets_the_next_go() {
    let halves = vec![shard("low", 0, 99), shard("high", 100, MAX)];
    let settings = settings().with_backoff(Duration::ZERO, Duration::ZERO);
    let mut producer = producer(halves, settings);
    push(&mut producer, &[5, 500], ms(0));
    let both = producer.poll_request(ms(0)).unwrap();
    push(&mut producer, &[5], ms(0));
    let refused = |producer: &mut ProducerCore<u128>, id| {
        let failure = RequestFailure::Refused("too large".into());
        producer.handle_failure(id, failure, ms(1)).unwrap();
    };
    refused(&mut producer, both.id);
    assert!(producer.poll_event().is_none());
    let (low, high) = (producer.poll_request(ms(1)), producer.poll_request(ms(1)));
    let (low, high) = (low.unwrap(), high.unwrap());
    assert_eq!((keys(&low), keys(&high)), (vec![vec![5]], vec![vec![500]]));
    refused(&mut producer, low.id);
    let [(5, failure)] = &failures(&mut producer)[..] else {
        panic!("one failure");
    };
    assert_eq!(failure.user_record, user_record(5));
    assert_eq!(failure.reason, FailureReason::Refused);
    assert_eq!(failure.attempts.len(), 2);
    let next = producer.poll_request(ms(1)).unwrap();
    assert_eq!(keys(&next), [[5]]);
    for (id, shard_id) in [(next.id, "low"), (high.id, "high")] {
        let results = vec![stored(shard_id, "1")];
        producer.handle_answer(id, results, ms(2)).unwrap();
    }
    assert_eq!(delivered(&mut producer).len(), 2);
    assert_eq!(
        (producer.buffered_count(), producer.poll_timeout()),
        (0, None)
    );
}

#[test]
fn pauses_grow_and_differ_and_are_the_same_for_the_same_seed() {
    let pauses = |seed| {
        let settings = settings()
            .with_backoff(ms(100), ms(1_000))
            .with_ttl(Duration::MAX);
        let map = ShardMap::new(one()).unwrap();
        let mut producer = ProducerCore::new(map, settings, seed);
        producer.push(user_record(1), 1, ms(0)).unwrap();
        let (mut request, mut now) = next_request(&mut producer, ms(0));
        let mut pauses = Vec::new();
        for _ in 0..200 {
            producer
                .handle_answer(request.id, vec![throttled()], now)
                .unwrap();
            let before = now;
            (request, now) = next_request(&mut producer, now);
            pauses.push(now - before);
        }
        pauses
    };
    let first = pauses(1);
    for (attempt, pause) in (0_u32..).zip(&first) {
        let longest = 100 * 2_u64.pow(attempt.min(4));
        assert!(*pause <= ms(longest.min(1_000)), "{attempt}: {pause:?}");
    }
    assert!(first.iter().any(|pause| *pause > ms(900)));
    assert!(first.iter().filter(|pause| **pause < ms(500)).count() > 50);
    assert_eq!(first, pauses(1));
    assert_ne!(first, pauses(2));
}

#[test]
fn what_expires_comes_back_with_its_story() {
    let settings = settings().with_ttl(ms(1_000)).with_backoff(ms(1), ms(1));
    let mut producer = producer(one(), settings);
    push(&mut producer, &[5], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    producer
        .handle_answer(request.id, vec![throttled()], ms(10))
        .unwrap();
    let (request, again) = next_request(&mut producer, ms(10));
    // In flight, its time may be over: the answer can still be good.
    assert!(producer.poll_request(ms(2_000)).is_none());
    assert!(producer.poll_event().is_none());
    let lost = RequestFailure::NoAnswer("reset".into());
    producer
        .handle_failure(request.id, lost.clone(), ms(2_000))
        .unwrap();
    let [(5, failure)] = &failures(&mut producer)[..] else {
        panic!("one failure");
    };
    assert_eq!(failure.user_record, user_record(5));
    assert_eq!(failure.reason, FailureReason::Expired);
    let [first, second] = &failure.attempts[..] else {
        panic!("two attempts");
    };
    let printed = format!("{failure:?}");
    assert!(printed.starts_with("Failure { reason: Expired, attempts: [Attempt {"));
    assert!(
        !printed.contains("user_record"),
        "user data in a log: {printed}"
    );
    // Whoever prints the chain of causes reads each once.
    let texts = [failure.to_string(), failure.source().unwrap().to_string()];
    assert_eq!(
        texts,
        ["user record was given up after 2 attempts", "expired"]
    );
    assert!(matches!(first.outcome, AttemptOutcome::Rejected { .. }));
    assert_eq!((first.sent_at, first.answered_at), (ms(0), ms(10)));
    assert_eq!(second.outcome, AttemptOutcome::RequestFailed(lost));
    assert_eq!(second.sent_at, again);
    assert_eq!(
        (producer.buffered_count(), producer.poll_timeout()),
        (0, None)
    );
}

#[test]
fn a_user_record_can_expire_before_anything_was_sent() {
    let settings = settings().with_max_age(ms(9_999)).with_ttl(ms(100));
    let mut producer = producer(one(), settings);
    push(&mut producer, &[5], ms(0));
    push(&mut producer, &[6], ms(50));
    assert_eq!(producer.poll_timeout(), Some(ms(100)));
    // What is younger goes on, in an aggregate without it.
    let request = producer.poll_request(ms(100)).unwrap();
    assert_eq!(keys(&request), [[6]]);
    let [(5, failure)] = &failures(&mut producer)[..] else {
        panic!("one failure");
    };
    assert!(failure.attempts.is_empty());
}

#[test]
fn attempts_are_counted_across_aggregates() {
    let settings = settings().with_max_attempts(2).with_backoff(ms(1), ms(1));
    let mut producer = producer(split(), settings);
    push(&mut producer, &[5], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    let wrong = vec![stored("high", "1")];
    producer.handle_answer(request.id, wrong, ms(1)).unwrap();
    assert!(producer.wants_refresh());
    push(&mut producer, &[6], ms(1));
    let (request, now) = next_request(&mut producer, ms(1));
    assert_eq!(keys(&request), [[5]]);
    producer
        .handle_answer(request.id, vec![throttled()], now)
        .unwrap();
    let [(5, failure)] = &failures(&mut producer)[..] else {
        panic!("one failure");
    };
    assert_eq!(failure.reason, FailureReason::AttemptsExhausted);
    assert!(matches!(
        failure.attempts[0].outcome,
        AttemptOutcome::WrongShard { .. }
    ));
    assert_eq!(failure.attempts.len(), 2);
    let (request, _) = next_request(&mut producer, now);
    assert_eq!(keys(&request), [[6]]);
}

#[test]
fn requests_keep_to_count_length_and_number() {
    let width = MAX / 1_000;
    let mut shards: Vec<_> = (0..1_000)
        .map(|n| {
            let ending = if n == 999 { MAX } else { (n + 1) * width - 1 };
            shard(&format!("shard {n}"), n * width, ending)
        })
        .collect();
    let everywhere: Vec<_> = (0..1_000).map(|n| n * width).collect();
    let mut producer1 = producer(shards.clone(), settings().with_max_requests_in_flight(3));
    push(&mut producer1, &everywhere, ms(0));
    let first = producer1.poll_request(ms(0)).unwrap();
    let second = producer1.poll_request(ms(0)).unwrap();
    assert_eq!((first.records.len(), second.records.len()), (500, 500));
    assert!(producer1.poll_request(ms(0)).is_none());

    shards.truncate(5);
    shards.push(shard("rest", 5 * width, MAX));
    let by_len = settings()
        .with_max_request_len(1_000)
        .with_max_requests_in_flight(2);
    let mut producer = producer(shards, by_len);
    for n in 0..5 {
        let large = OwnedUserRecord::new("key", vec![0; 400]);
        let large = large.with_explicit_hash_key(HashKey::new(n * width));
        producer.push(large, n, ms(0)).unwrap();
    }
    for _ in 0..2 {
        let request = producer.poll_request(ms(0)).unwrap();
        assert_eq!(request.records.len(), 2);
        let len = |record: &kinesis_agg::producer::PutRecord| {
            record.data.len() + record.partition_key.len()
        };
        assert!(request.records.iter().map(len).sum::<usize>() <= 1_000);
    }
    // The third would be one too many.
    assert!(producer.poll_request(ms(0)).is_none());
    assert!(producer.poll_timeout().is_some_and(|at| at > ms(0)));
}

#[test]
fn a_shard_gets_no_more_than_its_rate() {
    let limits = Limits::new().with_max_count(1).unwrap();
    for (rate, expected) in [((10, 0), 30), ((0, 1_000), 24)] {
        let settings = settings()
            .with_limits(limits)
            .with_shard_rate(rate.0, rate.1)
            .with_ttl(Duration::MAX);
        let mut producer = producer(one(), settings);
        for n in 0..100 {
            // 117 bytes each, the outer key counted.
            let record = OwnedUserRecord::new("key", vec![0; 82]);
            producer.push(record, n, ms(0)).unwrap();
        }
        let (mut now, mut sent) = (ms(0), 0);
        while now <= ms(2_000) {
            let request;
            (request, now) = next_request(&mut producer, now);
            if now > ms(2_000) {
                break;
            }
            sent += 1;
            producer
                .handle_answer(request.id, vec![stored("one", "1")], now)
                .unwrap();
        }
        // A burst of one second's worth and two seconds at the rate.
        assert!(
            (expected..=expected + 2).contains(&sent),
            "{rate:?}: {sent}"
        );
    }
}

#[test]
fn a_refused_push_gives_the_user_record_back_and_sends_what_waits() {
    let settings = settings().with_max_age(ms(9_999));
    let mut producer = producer(one(), settings.with_max_buffered_len(1_000));
    let mut taken = 0;
    let refused = loop {
        match producer.push(user_record(taken), taken, ms(0)) {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(producer.buffered_len() <= 1_000);
    };
    let left = 1_000 - producer.buffered_len();
    let reason = format!("{refused:?}");
    assert!(
        reason.contains(&format!("available: {left} }}")),
        "{reason}"
    );
    assert!(!reason.contains("data"), "user data in a log: {reason}");
    assert_eq!(refused.user_record, user_record(taken));
    assert!(matches!(refused.reason, RefusalReason::BufferFull { .. }));
    let request = producer.poll_request(ms(0)).unwrap();
    producer
        .handle_answer(request.id, vec![stored("one", "1")], ms(1))
        .unwrap();
    // The room is free when the ends are taken.
    assert!(producer.push(user_record(taken), taken, ms(1)).is_err());
    assert_eq!(
        delivered(&mut producer).len(),
        usize::try_from(taken).unwrap()
    );
    producer.push(refused.user_record, taken, ms(1)).unwrap();
}

#[test]
fn what_is_throttled_goes_before_what_came_later() {
    let limits = Limits::new().with_max_count(2).unwrap();
    let mut producer = producer(one(), settings().with_limits(limits));
    push(&mut producer, &[1, 1, 2, 1, 3], ms(0));
    let mut seen = Vec::new();
    let mut now = ms(0);
    for attempt in 0.. {
        if producer.buffered_count() == delivered(&mut producer).len() {
            break;
        }
        let request;
        (request, now) = next_request(&mut producer, now);
        let result = if attempt % 2 == 0 {
            throttled()
        } else {
            seen.extend(keys(&request));
            stored("one", "1")
        };
        producer
            .handle_answer(request.id, vec![result], now)
            .unwrap();
        if producer.poll_timeout().is_none() {
            break;
        }
    }
    assert_eq!(seen, [vec![1, 1], vec![2, 1], vec![3]]);
}

#[test]
fn a_lone_user_record_goes_raw_if_asked_and_comes_back_as_it_was() {
    let limit = Limits::new().max_size();
    let largest = vec![1; usize::try_from(limit).unwrap() - "key".len()];
    let magic = kinesis_agg::codec::MAGIC.to_vec();
    let with_hash_key = OwnedUserRecord::new("key", "data").with_explicit_hash_key(HashKey::MAX);
    let cases = [
        (OwnedUserRecord::new("key", "data"), true),
        (OwnedUserRecord::new("key", ""), true),
        (with_hash_key, true),
        // It fits raw only.
        (OwnedUserRecord::new("key", largest), true),
        // What a consumer would open, and what it would get without its tag.
        (OwnedUserRecord::new("key", magic), false),
        (user_record(5), false),
    ];
    for (user_record, is_raw) in cases {
        let settings = settings()
            .with_lone_user_record(LoneUserRecord::Raw)
            .with_max_attempts(3);
        let mut producer = producer(one(), settings);
        producer.push(user_record.clone(), 7, ms(0)).unwrap();
        let first = producer.poll_request(ms(0)).unwrap();
        let [sent] = &first.records[..] else {
            panic!("one record");
        };
        assert_eq!(sent.data == *user_record.data(), is_raw);
        assert_eq!(sent.partition_key, user_record.partition_key());
        assert_eq!(sent.explicit_hash_key, user_record.explicit_hash_key());
        // Put into no shard of ours, so that it is taken apart and made anew.
        let nowhere = vec![stored("what?", "1")];
        producer.handle_answer(first.id, nowhere, ms(1)).unwrap();
        let map = producer.map().refreshed(split(), ms(2), ms(0)).unwrap();
        producer.replace_map(map, ms(2));
        let (second, now) = next_request(&mut producer, ms(2));
        assert_eq!(second.records, first.records);
        producer
            .handle_answer(second.id, vec![throttled()], now)
            .unwrap();
        let (third, now) = next_request(&mut producer, now);
        assert_eq!(third.records, first.records);
        producer
            .handle_answer(third.id, vec![throttled()], now)
            .unwrap();
        let [(7, failure)] = &failures(&mut producer)[..] else {
            panic!("one failure");
        };
        assert!(failure.user_record == user_record, "another came back");
        assert_eq!(failure.attempts.len(), 3);
        assert_eq!(producer.buffered_count(), 0);
    }
}

/// Protects the story that a caller decides by: neighbours in an aggregate can
/// have been sent unequally often.
#[test]
fn each_user_record_tells_its_own_attempts() {
    let limits = Limits::new().with_max_count(2).unwrap();
    let settings = settings()
        .with_limits(limits)
        .with_max_age(ms(5_000))
        .with_max_attempts(2);
    let mut producer = producer(one(), settings);
    let lost = || RequestFailure::NoAnswer("timeout".into());
    push(&mut producer, &[1], ms(0));
    producer.flush();
    let first = producer.poll_request(ms(0)).unwrap();
    push(&mut producer, &[2, 3, 4], ms(1));
    producer.handle_failure(first.id, lost(), ms(2)).unwrap();
    // All of it is another shard's now, and is aggregated anew.
    let map = producer.map().refreshed(split(), ms(3), ms(0)).unwrap();
    producer.replace_map(map, ms(3));
    let (second, now) = next_request(&mut producer, ms(3));
    assert_eq!(keys(&second), [[1, 2]]);
    producer.handle_failure(second.id, lost(), now).unwrap();
    let failed = failures(&mut producer);
    let attempts = failed
        .iter()
        .map(|(token, failure)| (*token, failure.attempts.len(), failure.reason));
    let expected = [(1, 2, FailureReason::AttemptsExhausted)];
    assert_eq!(attempts.collect::<Vec<_>>(), expected);
    let (third, now) = next_request(&mut producer, now);
    assert_eq!(keys(&third), [[2, 3]]);
    let answer = vec![stored("low", "1")];
    producer.handle_answer(third.id, answer, now).unwrap();
    for expected in [(2, 2), (3, 1)] {
        let Some(ProducerEvent::Delivered { token, delivery }) = producer.poll_event() else {
            panic!("{expected:?}");
        };
        assert_eq!((token, delivery.attempt_count), expected);
    }
}

/// Protects a caller whose listings fail from a shard that stands still.
#[test]
fn what_nobody_can_judge_blocks_its_shard_until_it_expires() {
    let mut producer = producer(one(), settings().with_ttl(ms(100)));
    push(&mut producer, &[5], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    let answer = vec![stored("nowhere", "1")];
    producer.handle_answer(request.id, answer, ms(1)).unwrap();
    push(&mut producer, &[6], ms(90));
    assert!(producer.poll_request(ms(99)).is_none());
    // What is over goes back; no map has come.
    let (request, now) = next_request(&mut producer, ms(100));
    assert_eq!(keys(&request), [[6]]);
    assert!(now < ms(190) && producer.wants_refresh());
    let failed = failures(&mut producer);
    assert_eq!((failed[0].0, failed.len()), (5, 1));
    assert_eq!(failed[0].1.reason, FailureReason::Expired);
}

/// Protects a stream from being asked the same again and again while no newer
/// map is known.
#[test]
fn a_shard_that_the_map_gives_to_others_is_tried_again_after_a_pause() {
    let pause = settings().with_backoff(ms(1_000), ms(1_000));
    let mut shards = split();
    shards.remove(0);
    let mut producer = producer(shards, pause);
    push(&mut producer, &[5], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    let answer = vec![stored("high", "1")];
    producer.handle_answer(request.id, answer, ms(0)).unwrap();
    assert!(producer.wants_refresh());
    assert!(producer.poll_request(ms(0)).is_none());
    let (request, now) = next_request(&mut producer, ms(0));
    assert!(ms(0) < now && now <= ms(1_000));
    assert_eq!(keys(&request), [[5]]);
}

#[test]
fn a_burst_is_over_also_for_what_was_not_aggregated_yet() {
    let settings = settings().with_shard_rate(0, 1_000).with_ttl(Duration::MAX);
    let mut producer = producer(one(), settings);
    for (n, now) in [(0, ms(0)), (1, ms(1))] {
        let large = OwnedUserRecord::new("key", vec![0; 860]);
        producer.push(large, n, now).unwrap();
        let request = producer.poll_request(now);
        assert_eq!(request.is_some(), n == 0);
        if let Some(request) = request {
            let answer = vec![stored("one", "1")];
            producer.handle_answer(request.id, answer, now).unwrap();
        }
    }
    let (_, now) = next_request(&mut producer, ms(1));
    assert!((ms(700)..ms(1_000)).contains(&now), "{now:?}");
}

#[test]
fn a_request_has_1_to_500_records_whatever_is_asked_for() {
    for (asked, expected) in [(0, 1), (1, 1), (7, 7), (500, 500), (9_999, 500)] {
        let shards: Vec<_> = (0..600)
            .map(|n| shard(&n.to_string(), n, if n == 599 { MAX } else { n }))
            .collect();
        let mut producer = producer(shards, settings().with_max_request_count(asked));
        push(&mut producer, &Vec::from_iter(0..600), ms(0));
        let request = producer.poll_request(ms(0)).unwrap();
        assert_eq!(request.records.len(), expected);
    }
}

#[test]
fn where_no_pause_is_asked_for_there_is_none() {
    let no_pause = settings().with_backoff(Duration::ZERO, ms(9_999));
    let mut producer = producer(one(), no_pause);
    push(&mut producer, &[5], ms(0));
    for _ in 0..4 {
        let request = producer.poll_request(ms(0)).unwrap();
        let answer = vec![throttled()];
        producer.handle_answer(request.id, answer, ms(0)).unwrap();
    }
}

/// A flush is a promise about what waits, wherever it then belongs.
#[test]
fn what_was_flushed_before_a_reshard_goes_at_once_after_it() {
    let mut producer = producer(one(), settings().with_max_age(ms(9_999)));
    push(&mut producer, &[5, 500], ms(0));
    producer.flush();
    producer.replace_map(ShardMap::new(split()).unwrap(), ms(1));
    let mut sent = Vec::new();
    while let Some(request) = producer.poll_request(ms(1)) {
        sent.extend(keys(&request));
    }
    assert_eq!(sent, [[5], [500]]);
}
