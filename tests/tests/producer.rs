//! Tests `ProducerCore`, answer by answer. Protects the promise that each user
//! record has exactly one outcome, and is reported as delivered only if a consumer
//! that drops whole aggregates receives it.

use core::error::Error as _;
use core::time::Duration;

use kinesis_agg::producer::{
    AttemptOutcome, Distribution, DistributionAnswer, Failure, FailureReason, Notice, ProducerCore,
    ProducerEvent, ProducerSettings, PutRecord, PutRequest, PutResult, RequestFailure, UnfitForRaw,
};
use kinesis_agg::shards::RejectionReason;
use kinesis_agg::write::{Limits, LoneUserRecord};
use kinesis_agg::{HashKey, HashKeyRange, OwnedUserRecord, Shard, ShardMap, deaggregate};

const MAX: u128 = u128::MAX;

fn shard(id: &str, starting: u128, ending: u128) -> Shard {
    let range = HashKeyRange::new(HashKey::new(starting), HashKey::new(ending));
    Shard::new(id, range.unwrap())
}

fn one() -> Vec<Shard> {
    vec![shard("one", 0, MAX)]
}

fn halves() -> Vec<Shard> {
    vec![shard("low", 0, 99), shard("high", 100, MAX)]
}

/// The shards after "one" was split at 100.
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

/// Settings that send each user record immediately, without rate limits.
fn settings() -> ProducerSettings {
    ProducerSettings::new()
        .with_max_age(Duration::ZERO)
        .with_shard_rate(0, 0)
}

fn producer(shards: Vec<Shard>, settings: ProducerSettings) -> ProducerCore<u128> {
    let mut producer = ProducerCore::new(ShardMap::new(shards).unwrap(), ms(0), settings, 7);
    producer.set_distribution(&known(Distribution::ByKey), ms(0));
    producer
}

fn push(producer: &mut ProducerCore<u128>, hash_keys: &[u128], now: Duration) {
    for &hash_key in hash_keys {
        producer
            .push(user_record(hash_key), hash_key, now, now)
            .unwrap();
    }
}

/// Returns the hash keys in each record of a request.
fn keys(request: &PutRequest) -> Vec<Vec<u128>> {
    let keys = |data| {
        let records = [data];
        let read = deaggregate(&records).map(|delivered| {
            let read = delivered.user_record().expect("not an aggregate");
            read.hash_key().unwrap().to_u128()
        });
        read.collect()
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

/// Returns the token and the shard of each delivered user record.
fn delivered(producer: &mut ProducerCore<u128>) -> Vec<(u128, String)> {
    let mut delivered = Vec::new();
    while let Some(event) = producer.poll_event() {
        match event {
            ProducerEvent::Delivered { token, delivery } => {
                delivered.push((token, delivery.shard_id.to_string()));
            }
            ProducerEvent::Failed { token, failure } => panic!("{token}: {failure:?}"),
            ProducerEvent::Notice(notice) => panic!("{notice}"),
        }
    }
    delivered
}

fn failures(producer: &mut ProducerCore<u128>) -> Vec<(u128, Failure)> {
    let mut failures = Vec::new();
    while let Some(event) = producer.poll_event() {
        match event {
            ProducerEvent::Failed { token, failure } => failures.push((token, failure)),
            ProducerEvent::Delivered { token, .. } => panic!("{token} was delivered"),
            ProducerEvent::Notice(notice) => panic!("{notice}"),
        }
    }
    failures
}

/// Returns the next request at or after `now`, and its time.
fn next_request(producer: &mut ProducerCore<u128>, mut now: Duration) -> (PutRequest, Duration) {
    for _ in 0..100 {
        if let Some(request) = producer.poll_request(now) {
            return (request, now);
        }
        now = now.max(producer.poll_timeout().expect("no request and no timeout"));
    }
    panic!("no request after 100 timeouts");
}

#[test]
fn a_delivery_reports_the_sequence_and_sub_sequence_number() {
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
    // A second answer to the same request is rejected.
    let again = producer.handle_answer(request.id, vec![stored("one", "1")], ms(9));
    assert!(again.is_err());
}

#[test]
fn an_aggregate_in_a_shard_without_all_its_hash_keys_is_resent_as_a_whole() {
    let mut producer = producer(one(), settings());
    push(&mut producer, &[5, 500, 6], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    // It was stored in the shard of its outer key. The KPL would resend only 500.
    let map = producer.map().refreshed(split(), ms(1), ms(0)).unwrap();
    producer.replace_map(map, ms(1), ms(1));
    let answer = vec![stored("low", "1")];
    producer.handle_answer(request.id, answer, ms(9)).unwrap();
    assert_eq!(delivered(&mut producer), []);
    // The map is new already, so the resend does not wait for a listing.
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
fn an_answer_with_an_unknown_shard_is_evaluated_once_the_map_contains_it() {
    let mut producer = producer(one(), settings());
    push(&mut producer, &[5, 6], ms(0));
    let whole = producer.poll_request(ms(0)).unwrap();
    producer
        .handle_answer(whole.id, vec![stored("low", "1")], ms(1))
        .unwrap();
    assert!(producer.wants_refresh());
    assert_eq!(delivered(&mut producer), []);
    // Undecided user records stay before later ones with the same hash keys.
    push(&mut producer, &[5], ms(2));
    assert!(producer.poll_request(ms(2)).is_none());
    let map = producer.map().refreshed(split(), ms(3), ms(0)).unwrap();
    producer.replace_map(map, ms(3), ms(3));
    assert!(!producer.wants_refresh());
    let low = String::from("low");
    assert_eq!(delivered(&mut producer), [(5, low.clone()), (6, low)]);
    assert_eq!(keys(&producer.poll_request(ms(3)).unwrap()), [[5]]);
}

#[test]
fn an_aggregate_in_a_shard_missing_from_the_new_map_is_resent() {
    let mut producer = producer(one(), settings());
    push(&mut producer, &[5], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    producer
        .handle_answer(request.id, vec![stored("what?", "1")], ms(1))
        .unwrap();
    let map = producer.map().refreshed(one(), ms(2), ms(0)).unwrap();
    producer.replace_map(map, ms(2), ms(2));
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
fn an_answer_from_before_a_split_is_evaluated_with_the_closed_shards_range() {
    let mut producer = producer(one(), settings());
    push(&mut producer, &[5, 500], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    let map = producer.map().refreshed(split(), ms(1), ms(0)).unwrap();
    producer.replace_map(map, ms(1), ms(1));
    // Stored before the split: "one" contains both, and its consumers read them.
    producer
        .handle_answer(request.id, vec![stored("one", "1")], ms(2))
        .unwrap();
    assert_eq!(delivered(&mut producer).len(), 2);
    assert!(!producer.wants_refresh());
}

#[test]
fn an_answer_with_too_few_results_is_ignored_and_all_records_are_resent() {
    let mut producer = producer(halves(), settings());
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
fn a_rejected_request_is_split_and_one_without_an_answer_is_not() {
    for (failure, record_count) in [
        (RequestFailure::Rejected("too large".into()), 1),
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
fn a_record_rejected_alone_fails_immediately_and_unblocks_its_hash_key() {
    let settings = settings().with_backoff(Duration::ZERO, Duration::ZERO);
    let mut producer = producer(halves(), settings);
    push(&mut producer, &[5, 500], ms(0));
    let both = producer.poll_request(ms(0)).unwrap();
    push(&mut producer, &[5], ms(0));
    let rejected = |producer: &mut ProducerCore<u128>, id| {
        let failure = RequestFailure::Rejected("too large".into());
        producer.handle_failure(id, failure, ms(1)).unwrap();
    };
    rejected(&mut producer, both.id);
    assert!(producer.poll_event().is_none());
    let (low, high) = (producer.poll_request(ms(1)), producer.poll_request(ms(1)));
    let (low, high) = (low.unwrap(), high.unwrap());
    assert_eq!((keys(&low), keys(&high)), (vec![vec![5]], vec![vec![500]]));
    rejected(&mut producer, low.id);
    let [(5, failure)] = &failures(&mut producer)[..] else {
        panic!("one failure");
    };
    assert_eq!(failure.user_record, user_record(5));
    assert_eq!(failure.reason, FailureReason::RejectedByService);
    assert_eq!(failure.attempts.count(), 2);
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
fn retry_delays_grow_with_jitter_that_the_seed_determines() {
    let pauses = |seed| {
        let settings = settings()
            .with_backoff(ms(100), ms(1_000))
            .with_ttl(Duration::MAX);
        let map = ShardMap::new(one()).unwrap();
        let mut producer = ProducerCore::new(map, ms(0), settings, seed);
        producer.push(user_record(1), 1, ms(0), ms(0)).unwrap();
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
fn an_expired_user_record_is_returned_with_its_first_and_last_attempt() {
    let settings = settings().with_ttl(ms(1_000)).with_backoff(ms(1), ms(1));
    let mut producer = producer(one(), settings);
    push(&mut producer, &[5], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    producer
        .handle_answer(request.id, vec![throttled()], ms(10))
        .unwrap();
    let (request, again) = next_request(&mut producer, ms(10));
    // In flight, it does not expire: the answer may still report it as stored.
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
    let (first, second) = (failure.attempts.first(), failure.attempts.last());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(failure.attempts.count(), 2);
    let printed = format!("{failure:?}");
    assert!(printed.starts_with("Failure { reason: Expired, attempts: Attempts {"));
    assert!(
        !printed.contains("user_record"),
        "user data in a log: {printed}"
    );
    // A program that prints the chain of causes prints each cause once.
    let texts = [failure.to_string(), failure.source().unwrap().to_string()];
    assert_eq!(
        texts,
        [
            "user record was given up after 2 attempts (expired)",
            "no answer: reset"
        ]
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
fn a_user_record_that_was_never_sent_expires_at_its_time_to_live() {
    let settings = settings().with_max_requests_in_flight(1).with_ttl(ms(100));
    let mut producer = producer(halves(), settings);
    push(&mut producer, &[500], ms(0));
    let high = producer.poll_request(ms(0)).unwrap();
    push(&mut producer, &[5], ms(0));
    push(&mut producer, &[6], ms(50));
    assert_eq!(producer.poll_timeout(), Some(ms(100)));
    assert!(producer.poll_request(ms(100)).is_none());
    let [(5, failure)] = &failures(&mut producer)[..] else {
        panic!("one failure");
    };
    assert_eq!(failure.attempts.count(), 0);
    // The later user record is sent in an aggregate without the expired one.
    let answer = vec![stored("high", "1")];
    producer.handle_answer(high.id, answer, ms(101)).unwrap();
    let request = producer.poll_request(ms(101)).unwrap();
    assert_eq!(keys(&request), [[6]]);
}

/// Protects user records that would otherwise wait for the aggregate to fill until
/// they expire.
#[test]
fn a_user_record_waits_for_others_at_most_half_of_its_time_to_live() {
    let settings = settings().with_max_age(ms(60_000)).with_ttl(ms(1_000));
    let mut producer = producer(one(), settings);
    producer.push(user_record(5), 5, ms(200), ms(300)).unwrap();
    assert_eq!(producer.poll_timeout(), Some(ms(700)));
    assert!(producer.poll_request(ms(699)).is_none());
    assert_eq!(keys(&producer.poll_request(ms(700)).unwrap()), [[5]]);
}

#[test]
fn a_user_record_behind_a_returned_one_waits_at_most_half_of_its_time_to_live() {
    let limits = Limits::new().with_max_count(3).unwrap();
    let settings = settings()
        .with_max_age(ms(10_000))
        .with_limits(limits)
        .with_backoff(ms(0), ms(0));
    let mut producer = producer(one(), settings);
    push(&mut producer, &[5, 500, 501], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    // It expires before the earlier user records are due.
    let pushed = producer.push_until(user_record(6), 6, ms(0), ms(2_000), ms(0));
    pushed.unwrap();
    producer.replace_map(ShardMap::new(split()).unwrap(), ms(1), ms(1));
    let answer = vec![throttled()];
    producer.handle_answer(request.id, answer, ms(1)).unwrap();
    assert!(producer.poll_request(ms(1)).is_none());
    assert_eq!(producer.poll_timeout(), Some(ms(1_000)));
    let request = producer.poll_request(ms(1_000)).unwrap();
    assert_eq!(keys(&request), [[5, 6]]);
}

#[test]
fn the_time_to_live_starts_at_the_clamped_put_time() {
    let settings = settings()
        .with_max_requests_in_flight(1)
        .with_ttl(ms(1_000));
    let mut producer = producer(halves(), settings);
    push(&mut producer, &[500], ms(0));
    let _in_flight = producer.poll_request(ms(0)).unwrap();
    producer.push(user_record(5), 5, ms(0), ms(900)).unwrap();
    // `put_at` before that of an earlier put, and after now: both are clamped.
    producer.push(user_record(6), 6, ms(300), ms(950)).unwrap();
    producer.push(user_record(7), 7, ms(200), ms(950)).unwrap();
    producer
        .push(user_record(8), 8, ms(9_999), ms(950))
        .unwrap();
    let mut failed_at = Vec::new();
    for now in (950..2_100).step_by(10) {
        assert!(producer.poll_request(ms(now)).is_none());
        let failed = failures(&mut producer);
        failed_at.extend(failed.iter().map(|(token, _)| (*token, now)));
    }
    assert_eq!(failed_at, [(5, 1_000), (6, 1_300), (7, 1_300), (8, 1_950)]);
}

#[test]
fn a_clock_that_runs_backwards_neither_stalls_nor_reorders_user_records() {
    let settings = settings().with_max_age(ms(10)).with_ttl(ms(1_000));
    let mut producer = producer(one(), settings);
    push(&mut producer, &[5], ms(500));
    producer.push(user_record(6), 6, ms(100), ms(100)).unwrap();
    assert_eq!(producer.poll_timeout(), Some(ms(510)));
    assert!(producer.poll_request(ms(200)).is_none());
    let request = producer.poll_request(ms(510)).unwrap();
    assert_eq!(keys(&request), [[5, 6]]);
    let throttled = vec![throttled()];
    producer
        .handle_answer(request.id, throttled, ms(0))
        .unwrap();
    let (request, now) = next_request(&mut producer, ms(0));
    assert!(ms(510) <= now && now <= ms(560), "{now:?}");
    let answer = vec![stored("one", "1")];
    producer.handle_answer(request.id, answer, ms(0)).unwrap();
    assert_eq!(delivered(&mut producer).len(), 2);
}

/// When a user record expires in the queue, the others keep their places, also after
/// their shard was merged with another one.
#[test]
fn user_records_queued_behind_an_expired_one_stay_in_order_after_a_merge() {
    let limits = Limits::new().with_max_count(2).unwrap();
    let seconds = |seconds: u64| ms(1_000 * seconds);
    let settings = settings()
        .with_limits(limits)
        .with_max_age(seconds(60))
        .with_ttl(seconds(10))
        .with_max_silence(Duration::MAX);
    let mut producer = producer(halves(), settings);
    let mut sent = Vec::new();
    let push = |producer: &mut ProducerCore<u128>, hash_key, token, now| {
        let user_record = OwnedUserRecord::new("key", format!("data {token}"))
            .with_explicit_hash_key(HashKey::new(hash_key));
        producer.push(user_record, token, now, now).unwrap();
    };
    push(&mut producer, 7, 0, seconds(0));
    producer.flush();
    let first = producer.poll_request(seconds(0)).unwrap();
    push(&mut producer, 200, 100, seconds(1));
    push(&mut producer, 7, 1, seconds(5));
    push(&mut producer, 7, 2, seconds(5));
    let merged = shard("merged", 0, MAX)
        .with_parent("low")
        .with_parent("high");
    let closed = halves().into_iter().map(Shard::closed);
    let map = ShardMap::new(closed.chain([merged])).unwrap();
    producer.replace_map(map, seconds(6), seconds(6));
    push(&mut producer, 7, 3, seconds(7));
    assert!(producer.poll_request(seconds(11)).is_none());
    assert_eq!(failures(&mut producer)[0].0, 100);
    let answer = vec![stored("low", "1")];
    producer
        .handle_answer(first.id, answer, seconds(12))
        .unwrap();
    let mut now = seconds(12);
    while producer.buffered_count() > delivered(&mut producer).len() {
        let request;
        (request, now) = next_request(&mut producer, now);
        for record in &request.records {
            let records = [record.data.clone()];
            let data =
                deaggregate(&records).map(|read| String::from_utf8(read.data().to_vec()).unwrap());
            sent.extend(data);
        }
        let answer = vec![stored("merged", "2")];
        producer.handle_answer(request.id, answer, now).unwrap();
        if sent.len() == 3 {
            break;
        }
    }
    assert_eq!(sent, ["data 1", "data 2", "data 3"]);
}

/// All user records that wait to be resent expire on time, not only the first.
#[test]
fn throttled_records_of_two_merged_shards_expire_on_time() {
    let seconds = |seconds: u64| ms(1_000 * seconds);
    let settings = settings()
        .with_ttl(seconds(30))
        .with_backoff(seconds(20), seconds(20))
        .with_max_silence(Duration::MAX);
    for seed in 0..20 {
        let map = ShardMap::new(halves()).unwrap();
        let mut producer = ProducerCore::new(map, ms(0), settings.clone(), seed);
        push(&mut producer, &[5], seconds(0));
        let low = producer.poll_request(seconds(0)).unwrap();
        push(&mut producer, &[500], seconds(3));
        let high = producer.poll_request(seconds(3)).unwrap();
        let merged = shard("merged", 0, MAX)
            .with_parent("low")
            .with_parent("high");
        let closed = halves().into_iter().map(Shard::closed);
        let map = ShardMap::new(closed.chain([merged])).unwrap();
        producer.replace_map(map, seconds(4), seconds(4));
        // The later request is answered first.
        for (id, at) in [(high.id, 28), (low.id, 29)] {
            let answer = vec![throttled()];
            producer.handle_answer(id, answer, seconds(at)).unwrap();
        }
        let mut ended = Vec::new();
        while let Some(at) = producer.poll_timeout() {
            while let Some(request) = producer.poll_request(at) {
                let failure = RequestFailure::NoAnswer("timeout".into());
                producer.handle_failure(request.id, failure, at).unwrap();
            }
            ended.extend(
                failures(&mut producer)
                    .iter()
                    .map(|(token, _)| (*token, at)),
            );
        }
        assert_eq!(ended, [(5, seconds(30)), (500, seconds(33))], "seed {seed}");
    }
}

#[test]
fn attempts_in_earlier_aggregates_count_towards_max_attempts() {
    let settings = settings().with_max_attempts(2).with_backoff(ms(1), ms(1));
    let mut producer = producer(split(), settings);
    push(&mut producer, &[5], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    let wrong = vec![stored("high", "1")];
    producer.handle_answer(request.id, wrong, ms(1)).unwrap();
    assert!(producer.wants_refresh());
    push(&mut producer, &[6], ms(1));
    producer.replace_map(ShardMap::new(split()).unwrap(), ms(2), ms(2));
    let (request, now) = next_request(&mut producer, ms(2));
    assert_eq!(keys(&request), [[5, 6]]);
    producer
        .handle_answer(request.id, vec![throttled()], now)
        .unwrap();
    let [(5, failure)] = &failures(&mut producer)[..] else {
        panic!("one failure");
    };
    assert_eq!(failure.reason, FailureReason::AttemptsExhausted);
    assert!(matches!(
        failure.attempts.first().unwrap().outcome,
        AttemptOutcome::WrongShard { .. }
    ));
    assert_eq!(failure.attempts.count(), 2);
    let (request, _) = next_request(&mut producer, now);
    assert_eq!(keys(&request), [[6]]);
}

#[test]
fn requests_respect_the_limits_on_records_bytes_and_requests_in_flight() {
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
        producer.push(large, n, ms(0), ms(0)).unwrap();
    }
    for _ in 0..2 {
        let request = producer.poll_request(ms(0)).unwrap();
        assert_eq!(request.records.len(), 2);
        let len =
            |record: &PutRecord| record.data.len() + record.partition_key.as_ref().unwrap().len();
        assert!(request.records.iter().map(len).sum::<usize>() <= 1_000);
    }
    // A third request would exceed the number of requests in flight.
    assert!(producer.poll_request(ms(0)).is_none());
    assert!(producer.poll_timeout().is_some_and(|at| at > ms(0)));
}

#[test]
fn a_shard_receives_at_most_its_rate_in_records_and_bytes() {
    let limits = Limits::new().with_max_count(1).unwrap();
    for (rate, expected) in [((10, 0), 30), ((0, 1_000), 24)] {
        let settings = settings()
            .with_limits(limits)
            .with_shard_rate(rate.0, rate.1)
            .with_ttl(Duration::MAX);
        let mut producer = producer(one(), settings);
        for n in 0..100 {
            // 117 bytes each, including the outer key.
            let record = OwnedUserRecord::new("key", vec![0; 82]);
            producer.push(record, n, ms(0), ms(0)).unwrap();
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
        // A burst of one second and two seconds at the rate.
        assert!(
            (expected..=expected + 2).contains(&sent),
            "{rate:?}: {sent}"
        );
    }
}

#[test]
fn a_push_rejected_for_a_full_buffer_returns_the_user_record_and_flushes() {
    let settings = settings().with_max_age(ms(9_999));
    let mut producer = producer(one(), settings.with_max_buffered_len(1_000));
    let mut taken = 0;
    let rejected = loop {
        match producer.push(user_record(taken), taken, ms(0), ms(0)) {
            Ok(()) => taken += 1,
            Err(rejected) => break rejected,
        }
        assert!(producer.buffered_len() <= 1_000);
    };
    let left = 1_000 - producer.buffered_len();
    let reason = format!("{rejected:?}");
    assert!(
        reason.contains(&format!("available: {left} }}")),
        "{reason}"
    );
    assert!(!reason.contains("data"), "user data in a log: {reason}");
    assert_eq!(rejected.user_record, user_record(taken));
    assert!(matches!(
        rejected.reason,
        RejectionReason::BufferFull { .. }
    ));
    let request = producer.poll_request(ms(0)).unwrap();
    producer
        .handle_answer(request.id, vec![stored("one", "1")], ms(1))
        .unwrap();
    // The room is free once the events are polled.
    assert!(
        producer
            .push(user_record(taken), taken, ms(1), ms(1))
            .is_err()
    );
    assert_eq!(
        delivered(&mut producer).len(),
        usize::try_from(taken).unwrap()
    );
    producer
        .push(rejected.user_record, taken, ms(1), ms(1))
        .unwrap();
}

#[test]
fn throttled_user_records_are_resent_before_later_ones() {
    let limits = Limits::new().with_max_count(2).unwrap();
    let mut producer = producer(one(), settings().with_limits(limits));
    for token in 1..=5 {
        let user_record = OwnedUserRecord::new("key", format!("{token}"));
        producer.push(user_record, token, ms(0), ms(0)).unwrap();
    }
    let data = |request: &PutRequest| -> Vec<_> {
        let records = [request.records[0].data.clone()];
        let read = deaggregate(&records).map(|read| read.data().to_vec());
        read.map(|data| String::from_utf8(data).unwrap()).collect()
    };
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
            seen.push(data(&request));
            stored("one", "1")
        };
        producer
            .handle_answer(request.id, vec![result], now)
            .unwrap();
        if producer.poll_timeout().is_none() {
            break;
        }
    }
    assert_eq!(seen, [vec!["1", "2"], vec!["3", "4"], vec!["5"]]);
}

#[test]
fn a_lone_user_record_is_sent_raw_where_possible_and_returned_unchanged() {
    let limit = Limits::new().max_size();
    let largest = vec![1; usize::try_from(limit).unwrap() - "key".len()];
    let magic = kinesis_agg::codec::MAGIC.to_vec();
    let with_hash_key = OwnedUserRecord::new("key", "data").with_explicit_hash_key(HashKey::MAX);
    let cases = [
        (OwnedUserRecord::new("key", "data"), true),
        (OwnedUserRecord::new("key", ""), true),
        (with_hash_key, true),
        // It fits only as a raw Kinesis record.
        (OwnedUserRecord::new("key", largest), true),
        // Data that a consumer would deaggregate, and a tag that would be lost.
        (OwnedUserRecord::new("key", magic), false),
        (user_record(5), false),
    ];
    for (user_record, is_raw) in cases {
        let settings = settings()
            .with_lone_user_record(LoneUserRecord::Raw)
            .with_max_attempts(3);
        let mut producer = producer(one(), settings);
        producer.push(user_record.clone(), 7, ms(0), ms(0)).unwrap();
        let first = producer.poll_request(ms(0)).unwrap();
        let [sent] = &first.records[..] else {
            panic!("one record");
        };
        assert_eq!(sent.data == *user_record.data(), is_raw);
        assert_eq!(sent.partition_key.as_deref(), user_record.partition_key());
        assert_eq!(sent.explicit_hash_key, user_record.explicit_hash_key());
        // The aggregate is stored in an unknown shard, so its user record is aggregated
        // again. A raw record would count as delivered there, as in any shard.
        let nowhere = match is_raw {
            true => throttled(),
            false => stored("what?", "1"),
        };
        let nowhere = vec![nowhere];
        producer.handle_answer(first.id, nowhere, ms(1)).unwrap();
        let map = producer.map().refreshed(split(), ms(2), ms(0)).unwrap();
        producer.replace_map(map, ms(2), ms(2));
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
        assert!(
            failure.user_record == user_record,
            "not the same user record"
        );
        assert_eq!(failure.attempts.count(), 3);
        assert_eq!(producer.buffered_count(), 0);
    }
}

/// Protects the attempts that a caller sees: user records of one aggregate may have
/// been sent a different number of times.
#[test]
fn each_user_record_of_an_aggregate_reports_its_own_attempt_count() {
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
    push(&mut producer, &[2, 3], ms(1));
    producer.handle_failure(first.id, lost(), ms(2)).unwrap();
    // After the split, its user record belongs to another shard, and is aggregated
    // again with those that wait there.
    let map = producer.map().refreshed(split(), ms(3), ms(0)).unwrap();
    producer.replace_map(map, ms(3), ms(3));
    let (second, now) = next_request(&mut producer, ms(3));
    assert_eq!(keys(&second), [[1, 2]]);
    producer.handle_failure(second.id, lost(), now).unwrap();
    let failed = failures(&mut producer);
    let attempts = failed
        .iter()
        .map(|(token, failure)| (*token, failure.attempts.count(), failure.reason));
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

/// Protects a shard from being blocked for ever while ListShards fails.
#[test]
fn an_aggregate_stored_in_an_unknown_shard_blocks_its_lane_until_it_expires() {
    let mut producer = producer(one(), settings().with_ttl(ms(100)));
    push(&mut producer, &[5], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    let answer = vec![stored("nowhere", "1")];
    producer.handle_answer(request.id, answer, ms(1)).unwrap();
    push(&mut producer, &[6], ms(90));
    assert!(producer.poll_request(ms(99)).is_none());
    // The expiry puts the user records back, although there is no new map.
    let (request, now) = next_request(&mut producer, ms(100));
    assert_eq!(keys(&request), [[6]]);
    assert!(now < ms(190) && producer.wants_refresh());
    let failed = failures(&mut producer);
    assert_eq!((failed[0].0, failed.len()), (5, 1));
    assert_eq!(failed[0].1.reason, FailureReason::Expired);
}

/// Protects a stream from repeated copies while there is no newer map.
#[test]
fn an_aggregate_in_the_wrong_shard_is_resent_once_per_new_shard_listing() {
    let settings = settings().with_backoff(ms(0), ms(0));
    let mut producer = producer(split(), settings);
    push(&mut producer, &[5], ms(0));
    let (mut copies, mut answered_at) = (0, 0);
    for now in (100..29_000).step_by(100) {
        while let Some(request) = producer.poll_request(ms(now)) {
            assert_eq!(keys(&request), [[5]]);
            copies += 1;
            answered_at = now;
            let answer = vec![stored("high", "1")];
            producer.handle_answer(request.id, answer, ms(now)).unwrap();
        }
        assert!(producer.wants_refresh());
        // A listing older than the answer does not decide it.
        let map = ShardMap::new(split()).unwrap();
        producer.replace_map(map, ms(answered_at - 1), ms(now + 1));
        assert!(producer.poll_request(ms(now + 1)).is_none());
        if now % 10_000 == 9_900 {
            let map = ShardMap::new(split()).unwrap();
            producer.replace_map(map, ms(now + 2), ms(now + 3));
        }
    }
    assert_eq!(copies, 3);
    assert_eq!(producer.counters().wrong_shard, 3);
}

/// Protects callers with a coarse clock, which list more than once at the same time.
#[test]
fn a_refresh_stays_wanted_while_a_user_record_awaits_a_newer_shard_listing() {
    let list = |producer: &mut ProducerCore<u128>, at| {
        let map = producer.map().refreshed(halves(), at, ms(0)).unwrap();
        producer.replace_map(map, at, at);
    };
    for shard in ["high", "what?"] {
        let mut producer = producer(halves(), settings().with_backoff(ms(0), ms(0)));
        push(&mut producer, &[5], ms(0));
        let pushed = producer.push_until(user_record(6), 6, ms(0), ms(10), ms(0));
        pushed.unwrap();
        let request = producer.poll_request(ms(0)).unwrap();
        list(&mut producer, ms(10));
        let answer = vec![stored(shard, "1")];
        producer.handle_answer(request.id, answer, ms(10)).unwrap();
        list(&mut producer, ms(10));
        assert!(producer.poll_request(ms(10)).is_none());
        assert!(producer.wants_refresh(), "{shard}");
        list(&mut producer, ms(11));
        assert!(!producer.wants_refresh());
        let (request, _) = next_request(&mut producer, ms(11));
        assert_eq!(keys(&request), [[5]]);
        assert_eq!(failures(&mut producer).len(), 1);
    }
}

#[test]
fn an_exhausted_byte_rate_delays_user_records_not_yet_aggregated() {
    let settings = settings().with_shard_rate(0, 1_000).with_ttl(Duration::MAX);
    let mut producer = producer(one(), settings);
    for (n, now) in [(0, ms(0)), (1, ms(1))] {
        let large = OwnedUserRecord::new("key", vec![0; 860]);
        producer.push(large, n, now, now).unwrap();
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
fn max_request_count_is_clamped_to_1_to_500_records() {
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
fn a_backoff_that_starts_at_zero_retries_immediately() {
    let no_pause = settings().with_backoff(Duration::ZERO, ms(9_999));
    let mut producer = producer(one(), no_pause);
    push(&mut producer, &[5], ms(0));
    for _ in 0..4 {
        let request = producer.poll_request(ms(0)).unwrap();
        let answer = vec![throttled()];
        producer.handle_answer(request.id, answer, ms(0)).unwrap();
    }
}

/// A flush covers all user records that wait, even if they are routed to another
/// shard afterwards.
#[test]
fn user_records_flushed_before_a_reshard_are_sent_immediately_after_it() {
    let mut producer = producer(one(), settings().with_max_age(ms(9_999)));
    push(&mut producer, &[5, 500], ms(0));
    producer.flush();
    producer.replace_map(ShardMap::new(split()).unwrap(), ms(1), ms(1));
    let mut sent = Vec::new();
    while let Some(request) = producer.poll_request(ms(1)) {
        sent.extend(keys(&request));
    }
    assert_eq!(sent, [[5], [500]]);
}

/// A stream that was created again has the same shard ids with other ranges.
#[test]
fn an_aggregate_answered_after_silence_is_resent_if_its_shard_has_another_range() {
    let seconds = |seconds: u64| ms(1_000 * seconds);
    let settings = settings().with_backoff(ms(0), ms(0));
    let mut producer = producer(halves(), settings);
    push(&mut producer, &[5, 99], seconds(1));
    let before = producer.poll_request(seconds(1)).unwrap();
    assert_eq!(before.records.len(), 1);
    push(&mut producer, &[7], seconds(1));
    // No answer for long enough that the stream may have been created again.
    let late = vec![stored("low", "1")];
    producer.handle_answer(before.id, late, seconds(7)).unwrap();
    assert!(producer.wants_refresh());
    assert_eq!(delivered(&mut producer), []);
    assert!(producer.poll_request(seconds(7)).is_none());
    let other = [shard("low", 0, 49), shard("high", 50, MAX)];
    let map = producer.map().refreshed(other, seconds(8), seconds(900));
    producer.replace_map(map.unwrap(), seconds(8), seconds(8));
    // "low" no longer contains 99, so a consumer drops the aggregate.
    assert_eq!(delivered(&mut producer), []);
    let (request, now) = next_request(&mut producer, seconds(8));
    let mut sent = keys(&request);
    sent.sort();
    assert_eq!(sent, [vec![5, 7], vec![99]]);
    let shards = keys(&request).into_iter();
    let shards = shards.map(|keys| if keys == [99] { "high" } else { "low" });
    let answer = shards.map(|shard| stored(shard, "2")).collect();
    producer.handle_answer(request.id, answer, now).unwrap();
    assert_eq!(delivered(&mut producer).len(), 3);
}

#[test]
fn after_stream_not_found_nothing_is_sent_before_a_newer_shard_listing() {
    let mut producer = producer(halves(), settings().with_backoff(ms(0), ms(0)));
    push(&mut producer, &[5, 500], ms(0));
    let request = producer.poll_request(ms(0)).unwrap();
    let missing = || RequestFailure::StreamNotFound("no such stream".into());
    producer
        .handle_failure(request.id, missing(), ms(10))
        .unwrap();
    producer.handle_listing_failure(&missing(), ms(20));
    assert!(producer.wants_refresh() && producer.poll_request(ms(30)).is_none());
    // The notice is reported once.
    let Some(ProducerEvent::Notice(notice)) = producer.poll_event() else {
        panic!("no notice");
    };
    assert_eq!(notice, Notice::StreamNotFound("no such stream".into()));
    assert!(producer.poll_event().is_none());
    // A listing that was requested before that does not count.
    let other = || ShardMap::new([shard("low", 0, 3), shard("high", 4, MAX)]).unwrap();
    producer.replace_map(other(), ms(19), ms(40));
    assert!(producer.wants_refresh() && producer.poll_request(ms(40)).is_none());
    producer.replace_map(other(), ms(20), ms(50));
    assert!(!producer.wants_refresh());
    let (request, _) = next_request(&mut producer, ms(50));
    assert_eq!(keys(&request), [[5, 500]]);
}

#[test]
fn denied_access_is_reported_once_and_retried() {
    let mut producer = producer(one(), settings().with_backoff(ms(0), ms(0)));
    push(&mut producer, &[5], ms(0));
    let denied = || RequestFailure::AccessDenied("no".into());
    for _ in 0..3 {
        let request = producer.poll_request(ms(0)).unwrap();
        producer
            .handle_failure(request.id, denied(), ms(0))
            .unwrap();
    }
    let notice = producer.poll_event();
    assert!(matches!(
        notice,
        Some(ProducerEvent::Notice(Notice::AccessDenied(_)))
    ));
    assert!(producer.poll_event().is_none());
    let request = producer.poll_request(ms(0)).unwrap();
    let answer = vec![stored("one", "1")];
    producer.handle_answer(request.id, answer, ms(0)).unwrap();
    assert_eq!(delivered(&mut producer).len(), 1);
}

/// A record that the service always rejects is isolated in a logarithmic number of
/// requests, and the others are delivered.
#[test]
fn a_rejected_request_is_halved_until_the_invalid_record_is_alone() {
    let count = 64;
    let shards: Vec<_> = (0..count)
        .map(|n| shard(&n.to_string(), n, if n + 1 == count { MAX } else { n }))
        .collect();
    let settings = settings().with_backoff(ms(0), ms(0));
    let mut producer = producer(shards, settings.with_max_requests_in_flight(1));
    push(&mut producer, &Vec::from_iter(0..count), ms(0));
    let (mut requests, mut ends) = (0, 0);
    while let Some(request) = producer.poll_request(ms(0)) {
        requests += 1;
        let id = request.id;
        if keys(&request).contains(&vec![17]) {
            let failure = RequestFailure::Rejected("poison".into());
            producer.handle_failure(id, failure, ms(0)).unwrap();
        } else {
            let answer = keys(&request).into_iter();
            let answer = answer.map(|keys| stored(&keys[0].to_string(), "1"));
            producer.handle_answer(id, answer.collect(), ms(0)).unwrap();
        }
        while let Some(event) = producer.poll_event() {
            ends += 1;
            let is_failed = matches!(&event, ProducerEvent::Failed { token: 17, .. });
            assert_eq!(is_failed, !matches!(event, ProducerEvent::Delivered { .. }));
        }
    }
    assert_eq!(ends, count);
    assert!(requests <= 15, "{requests} requests");
}

fn known(distribution: Distribution) -> DistributionAnswer {
    DistributionAnswer::Known(distribution)
}

fn plain(token: u128) -> OwnedUserRecord {
    OwnedUserRecord::new("key", format!("data {token}")).with_explicit_hash_key(HashKey::new(token))
}

#[test]
fn with_service_managed_distribution_raw_records_are_delivered_in_any_shard() {
    let settings = settings().with_max_age(ms(10));
    let mut producer = producer(halves(), settings);
    producer.set_distribution(&known(Distribution::Auto), ms(0));
    let notice = producer.poll_event();
    assert!(matches!(
        notice,
        Some(ProducerEvent::Notice(Notice::DistributionChanged(
            Distribution::Auto
        )))
    ));
    for token in 0..1_200 {
        producer.push(plain(token), token, ms(0), ms(0)).unwrap();
    }
    let keyless = OwnedUserRecord::without_partition_key("data 1200");
    producer.push(keyless.clone(), 1_200, ms(0), ms(0)).unwrap();
    // Two full requests immediately; the rest is sent when it reaches the maximum age.
    let mut requests: Vec<_> = core::iter::from_fn(|| producer.poll_request(ms(0))).collect();
    let lens: Vec<_> = requests
        .iter()
        .map(|request| request.records.len())
        .collect();
    assert_eq!(lens, [500, 500]);
    assert_eq!(producer.poll_timeout(), Some(ms(10)));
    requests.push(producer.poll_request(ms(10)).unwrap());
    let last = requests[2].records.last().unwrap();
    assert_eq!(
        (last.partition_key.as_ref(), &last.data[..]),
        (None, &b"data 1200"[..])
    );
    assert_eq!(
        requests[0].records[7].explicit_hash_key,
        Some(HashKey::new(7))
    );
    for (n, request) in requests.into_iter().enumerate() {
        let shard = ["low", "high", "what?"][n];
        let answer = request.records.iter().map(|_| stored(shard, "1"));
        producer
            .handle_answer(request.id, answer.collect(), ms(20))
            .unwrap();
    }
    assert_eq!(delivered(&mut producer).len(), 1_201);
    let counters = producer.counters();
    assert_eq!((counters.raw_records, counters.wrong_shard), (1_201, 0));

    // Data that a consumer would not receive unchanged.
    let magic = OwnedUserRecord::new("key", kinesis_agg::codec::MAGIC.to_vec());
    for unfit in [user_record(5), magic] {
        let rejected = producer.push(unfit, 1, ms(20), ms(20)).unwrap_err();
        assert_eq!(rejected.reason, RejectionReason::CannotGoRaw);
    }
    producer.set_distribution(&known(Distribution::ByKey), ms(20));
    let rejected = producer.push(keyless, 1, ms(20), ms(20)).unwrap_err();
    assert_eq!(rejected.reason, RejectionReason::NoPartitionKey);
}

#[test]
fn when_the_distribution_changes_queued_user_records_are_rerouted_or_fail() {
    let settings = settings().with_max_requests_in_flight(1);
    let mut producer = producer(halves(), settings.with_backoff(ms(0), ms(0)));
    producer.push(plain(5), 5, ms(0), ms(0)).unwrap();
    let in_flight = producer.poll_request(ms(0)).unwrap();
    for token in [6, 500] {
        producer.push(plain(token), token, ms(0), ms(0)).unwrap();
    }
    push(&mut producer, &[7], ms(0));
    producer.set_distribution(&known(Distribution::Auto), ms(1));
    // Aggregates in flight are judged by range, as before.
    let answer = vec![stored("high", "1")];
    producer.handle_answer(in_flight.id, answer, ms(2)).unwrap();
    let mut failed = Vec::new();
    while let Some(event) = producer.poll_event() {
        if let ProducerEvent::Failed { token, failure } = event {
            failed.push((token, failure.reason));
        }
    }
    // User record 7 has a tag.
    assert_eq!(failed, [(7, FailureReason::CannotGoRaw)]);
    let (request, now) = next_request(&mut producer, ms(2));
    let data: Vec<_> = request
        .records
        .iter()
        .map(|record| &record.data[..])
        .collect();
    assert_eq!(data, [&b"data 5"[..], b"data 6", b"data 500"]);
    let keyless = OwnedUserRecord::without_partition_key("keyless");
    producer.push(keyless, 8, now, now).unwrap();
    producer.set_distribution(&known(Distribution::ByKey), now);
    let answer = vec![throttled(), stored("low", "2"), throttled()];
    producer.handle_answer(request.id, answer, now).unwrap();
    let mut ends = Vec::new();
    while let Some(event) = producer.poll_event() {
        match event {
            ProducerEvent::Delivered { token, .. } => ends.push((token, None)),
            ProducerEvent::Failed { token, failure } => ends.push((token, Some(failure.reason))),
            ProducerEvent::Notice(_) => {}
        }
    }
    assert_eq!(ends, [(8, Some(FailureReason::NoPartitionKey)), (6, None)]);
    let (request, _) = next_request(&mut producer, now);
    let mut sent = keys(&request);
    sent.sort();
    assert_eq!(sent, [[5], [500]]);
}

/// Whatever the service calls its shards.
#[test]
fn when_the_distribution_changes_user_records_of_a_shard_named_any_are_rerouted() {
    let mut producer = producer(vec![shard("any", 0, MAX)], settings());
    push(&mut producer, &[5], ms(0));
    producer.set_distribution(&known(Distribution::Auto), ms(0));
    let notice = producer.poll_event();
    assert!(matches!(notice, Some(ProducerEvent::Notice(_))));
    assert!(producer.poll_request(ms(0)).is_none());
    let failed = failures(&mut producer);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].1.reason, FailureReason::CannotGoRaw);
}

#[test]
fn unfit_for_raw_aggregate_resends_until_the_aggregate_is_in_its_shard() {
    let settings = settings()
        .with_unfit_for_raw(UnfitForRaw::Aggregate)
        .with_backoff(ms(0), ms(0));
    let mut producer = producer(halves(), settings);
    producer.set_distribution(&known(Distribution::Auto), ms(0));
    producer.poll_event();
    push(&mut producer, &[5], ms(0));
    for shard in ["high", "high", "low"] {
        let request = producer.poll_request(ms(0)).unwrap();
        assert_eq!(keys(&request), [[5]]);
        let answer = vec![stored(shard, "1")];
        producer.handle_answer(request.id, answer, ms(0)).unwrap();
    }
    assert_eq!(delivered(&mut producer), [(5, "low".into())]);
    assert_eq!(producer.counters().wrong_shard, 2);
}

#[test]
fn a_lone_aggregate_that_can_be_sent_raw_is_resent_raw_once_the_service_distributes() {
    let settings = settings()
        .with_unfit_for_raw(UnfitForRaw::Aggregate)
        .with_backoff(ms(0), ms(0));
    for answer in [throttled(), stored("high", "1")] {
        let mut producer = producer(halves(), settings.clone());
        producer.push(plain(5), 5, ms(0), ms(0)).unwrap();
        let in_flight = producer.poll_request(ms(0)).unwrap();
        assert_eq!(keys(&in_flight), [[5]]);
        producer.set_distribution(&known(Distribution::Auto), ms(0));
        producer
            .handle_answer(in_flight.id, vec![answer], ms(0))
            .unwrap();
        let request = producer.poll_request(ms(0)).unwrap();
        assert_eq!(&request.records[0].data[..], b"data 5");
    }
}

/// A timeout that is over would make the driver poll again and again.
#[test]
fn with_service_managed_distribution_the_timeout_is_when_the_rate_allows_the_first_record() {
    let of_len = |len: usize| OwnedUserRecord::new("key", vec![b' '; len - "key".len()]);
    let start = || {
        let settings = settings()
            .with_shard_rate(0, 100)
            .with_backoff(ms(0), ms(0));
        let mut producer = producer(one(), settings);
        producer.set_distribution(&known(Distribution::Auto), ms(0));
        producer.poll_event();
        producer.push(of_len(80), 1, ms(0), ms(0)).unwrap();
        let request = producer.poll_request(ms(0)).unwrap();
        (producer, request.id)
    };
    // A record to send again is behind the rate; a shorter one would not be.
    let (mut producer, id) = start();
    producer
        .handle_answer(id, vec![throttled()], ms(0))
        .unwrap();
    producer.push(of_len(10), 2, ms(0), ms(0)).unwrap();
    assert!(producer.poll_request(ms(0)).is_none());
    assert_eq!(producer.poll_timeout(), Some(ms(600)));
    let request = producer.poll_request(ms(600)).unwrap();
    assert_eq!(request.records[0].data.len(), 77);

    // A short record expires, and a longer one comes next.
    let (mut producer, id) = start();
    producer
        .handle_answer(id, vec![stored("one", "1")], ms(0))
        .unwrap();
    assert_eq!(delivered(&mut producer).len(), 1);
    let pushed = producer.push_until(of_len(30), 2, ms(0), ms(50), ms(0));
    pushed.unwrap();
    producer.push(of_len(80), 3, ms(0), ms(0)).unwrap();
    assert!(producer.poll_request(ms(0)).is_none());
    assert_eq!(producer.poll_timeout(), Some(ms(50)));
    assert!(producer.poll_request(ms(100)).is_none());
    assert_eq!(producer.poll_timeout(), Some(ms(600)));
    assert!(producer.poll_request(ms(600)).is_some());
}

#[test]
fn without_permission_to_describe_the_distribution_is_inferred_from_put_answers() {
    let settings = settings().with_backoff(ms(0), ms(0));
    let mut producer = producer(halves(), settings);
    for _ in 0..3 {
        producer.set_distribution(&DistributionAnswer::Denied("no".into()), ms(0));
    }
    let notice = producer.poll_event();
    assert!(matches!(
        notice,
        Some(ProducerEvent::Notice(Notice::DistributionDenied(_)))
    ));
    assert!(producer.poll_event().is_none());
    assert_eq!(producer.counters().distribution_denied, 3);
    producer.push(plain(5), 5, ms(0), ms(0)).unwrap();
    let request = producer.poll_request(ms(0)).unwrap();
    let answer = vec![stored("high", "1")];
    producer.handle_answer(request.id, answer, ms(1)).unwrap();
    assert_eq!(producer.distribution(), Distribution::ByKey);
    producer.replace_map(ShardMap::new(halves()).unwrap(), ms(2), ms(2));
    assert_eq!(producer.distribution(), Distribution::Auto);
    // The producer returns to `ByKey` after many records in a row were stored in the
    // shards of their hash keys, in both shards.
    let mut sent = 1;
    while producer.distribution() == Distribution::Auto {
        producer.push(plain(sent), sent, ms(2), ms(2)).unwrap();
        while let Some(request) = producer.poll_request(ms(2)) {
            let shard_of = |record: &PutRecord| match record.explicit_hash_key {
                Some(hash_key) if hash_key < HashKey::new(100) => "low",
                _ => "high",
            };
            let answer = request
                .records
                .iter()
                .map(|record| stored(shard_of(record), "1"));
            producer
                .handle_answer(request.id, answer.collect(), ms(2))
                .unwrap();
        }
        sent += 1;
        assert!(sent < 200, "not noticed");
    }
    assert!(sent > 127, "after {sent}");
}

/// Protects the bound on memory: the producer does not keep the whole history of
/// attempts.
#[test]
fn error_texts_and_attempts_stay_bounded_over_many_retries() {
    let settings = settings().with_backoff(ms(0), ms(0)).with_ttl(ms(1_000));
    let mut producer = producer(one(), settings);
    push(&mut producer, &[5], ms(0));
    for n in 0..1_000 {
        let request = producer.poll_request(ms(n)).unwrap();
        let result = PutResult::Rejected {
            code: "InternalFailure".into(),
            message: format!("{n} {}", "x".repeat(5_000)).into(),
        };
        producer
            .handle_answer(request.id, vec![result], ms(n))
            .unwrap();
    }
    producer.poll_request(ms(1_000));
    let [(5, failure)] = &failures(&mut producer)[..] else {
        panic!("one failure");
    };
    assert_eq!(failure.attempts.counts().rejected, 1_000);
    for (attempt, n) in [
        (failure.attempts.first(), "0 x"),
        (failure.attempts.last(), "999 x"),
    ] {
        let AttemptOutcome::Rejected { message, .. } = &attempt.unwrap().outcome else {
            panic!("rejected");
        };
        assert!(message.starts_with(n) && message.len() == 200);
    }
}
