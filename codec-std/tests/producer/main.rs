//! Runs the producer on a stream in memory, in tokio's paused time. Protects
//! what callers rely on: nothing is lost, each accepted user record is reported
//! once, and a caller that stops waiting does not affect the others.

extern crate alloc;

mod own_ttl;
mod stream;

use alloc::sync::Arc;
use core::error::Error;
use core::time::Duration;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use kinesis_agg::producer::{
    DeliveryFuture, FailureReason, Producer, ProducerBuilder, ProducerSettings, PutError,
};
use kinesis_agg::shards::RejectionReason;
use kinesis_agg::write::Limits;
use kinesis_agg::{HashKey, OwnedUserRecord};
use stream::{Faults, MemoryStream, Random};
use tokio::task::JoinHandle;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn id_of(user_record: &OwnedUserRecord) -> String {
    String::from_utf8(user_record.data().to_vec()).unwrap()
}

fn user_record(key: &str, number: u64) -> OwnedUserRecord {
    OwnedUserRecord::new(key, format!("{key}/{number}"))
}

fn paused<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(future)
}

/// What all handles of a run observe.
#[derive(Default)]
struct Ledger {
    /// Puts that returned a future.
    accepted: HashSet<String>,
    /// Puts that were dropped before they returned.
    cancelled: HashSet<String>,
    /// Returned by the put itself.
    handed_back: HashSet<String>,
    /// How many of them were returned because their shard used up its share.
    shard_full: u64,
    delivered: HashSet<String>,
    /// Errors of futures that were awaited.
    failed: HashMap<String, PutError>,
    /// How many times the hook was called for each user record.
    hooked: HashMap<String, u64>,
    /// The user records that a shutdown gave up.
    undelivered: Vec<String>,
}

impl Ledger {
    fn hand_back(&mut self, id: String, error: PutError) {
        if let PutError::Rejected(_, RejectionReason::ShardFull { .. }) = error {
            self.shard_full += 1;
        }
        assert_eq!(id_of(&error.into_user_record()), id);
        self.handed_back.insert(id);
    }
}

type Shared = Arc<Mutex<Ledger>>;

/// Puts with every method, and awaits, keeps or drops the futures.
async fn put_some(producer: Producer, ledger: Shared, name: u64, mut random: Random) {
    let mut kept: Vec<(String, DeliveryFuture)> = Vec::new();
    let mut number = 0;
    let with_settings = producer;
    for _ in 0..random.below(120) {
        let producer = match random.percent(20) {
            true => with_settings.with_ttl(random.ms(6_000)),
            false => with_settings.clone(),
        };
        let key = format!("{name}-{}", random.below(4));
        let mut next = || {
            number += 1;
            user_record(&key, number)
        };
        let mut accepted = Vec::new();
        match random.below(10) {
            0 => {
                let batch: Vec<_> = (0..random.below(150)).map(|_| next()).collect();
                let ids: Vec<_> = batch.iter().map(id_of).collect();
                accepted = ids
                    .into_iter()
                    .zip(producer.put_batch(batch).await)
                    .collect();
            }
            1 => {
                let put = next();
                let id = id_of(&put);
                match producer.try_put(put) {
                    Ok(future) => accepted.push((id, future)),
                    Err(error) => ledger.lock().unwrap().hand_back(id, error),
                }
            }
            2 => {
                let put = next();
                let id = id_of(&put);
                match producer.put_within(put, random.ms(200)).await {
                    Ok(future) => accepted.push((id, future)),
                    Err(error) => ledger.lock().unwrap().hand_back(id, error),
                }
            }
            3 => {
                let put = next();
                let id = id_of(&put);
                match tokio::time::timeout(random.ms(20), producer.put(put)).await {
                    Ok(future) => accepted.push((id, future)),
                    Err(_) => {
                        ledger.lock().unwrap().cancelled.insert(id);
                    }
                }
            }
            4 => {
                let _ = tokio::time::timeout(random.ms(100), producer.flush()).await;
            }
            5 => tokio::time::sleep(random.ms(150)).await,
            _ => {
                let put = next();
                let id = id_of(&put);
                accepted.push((id, producer.put(put).await));
            }
        }
        for (id, future) in accepted {
            ledger.lock().unwrap().accepted.insert(id.clone());
            match random.below(4) {
                0 => drop(future),
                _ => kept.push((id, future)),
            }
        }
        if random.percent(10) {
            await_all(&ledger, kept.drain(..)).await;
        }
    }
    await_all(&ledger, kept.into_iter()).await;
}

async fn await_all(ledger: &Shared, kept: impl Iterator<Item = (String, DeliveryFuture)>) {
    for (id, future) in kept {
        let end = future.await;
        let mut ledger = ledger.lock().unwrap();
        match end {
            Ok(_) => assert!(ledger.delivered.insert(id)),
            Err(error) => {
                assert_eq!(id_of(error.user_record()), id);
                assert!(ledger.failed.insert(id, error).is_none());
            }
        }
    }
}

/// Sometimes closes without waiting for the end, then shuts down.
async fn stop(
    producer: Producer,
    ledger: Shared,
    mut random: Random,
) -> kinesis_agg::producer::Shutdown {
    tokio::time::sleep(random.ms(4_000)).await;
    for _ in 0..random.below(3) {
        let wait = random.ms(300);
        if random.percent(50) {
            let _ = tokio::time::timeout(wait, producer.close()).await;
        } else {
            let shutdown = producer.shutdown_within(random.ms(600));
            if let Ok(end) = tokio::time::timeout(wait, shutdown).await {
                take_undelivered(&ledger, &end);
            }
        }
    }
    let end = producer.shutdown_within(random.ms(10_000)).await;
    take_undelivered(&ledger, &end);
    end
}

fn take_undelivered(ledger: &Shared, end: &kinesis_agg::producer::Shutdown) {
    let ids = end
        .undelivered
        .iter()
        .map(|failure| id_of(&failure.user_record));
    ledger.lock().unwrap().undelivered.extend(ids);
}

/// Returns how many puts were rejected because their shard used up its share.
async fn run(seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let mut faults = Faults::default();
    if random.percent(80) {
        faults = Faults {
            rejected: random.below(30),
            failed: random.below(15),
            lost: random.below(10),
            denied: random.below(10),
            hangs: random.below(5),
            panics: random.below(3),
            short: random.below(5),
            latency: random.below(200),
        };
    }
    let shards = u32::try_from(1 + random.below(5)).unwrap();
    let stream = MemoryStream::new(shards, faults, random.next());
    let ledger = Shared::default();
    let limits = Limits::new().with_max_count(1 + usize::try_from(random.below(40)).unwrap());
    let settings = ProducerSettings::new()
        .with_limits(limits.unwrap())
        .with_max_age(random.ms(200))
        .with_max_buffered_len(3_000 << random.below(8))
        .with_backoff(ms(5), ms(200))
        .with_max_silence(random.ms(5_000))
        .with_ttl(ms(500) + random.ms(8_000));
    let hooked = Arc::clone(&ledger);
    let producer = ProducerBuilder::new(stream.clone())
        .settings(settings)
        .request_timeout(ms(150) + random.ms(500))
        .seed(seed)
        .on_failure(move |error| {
            let mut ledger = hooked.lock().unwrap();
            *ledger.hooked.entry(id_of(error.user_record())).or_default() += 1;
        })
        .start()
        .await;
    // If no listing succeeds within the start timeout, there is nothing to test.
    let Ok(producer) = producer else { return 0 };
    let puts: Vec<_> = (0..1 + random.below(3))
        .map(|name| {
            let random = Random::new(random.next());
            tokio::spawn(put_some(
                producer.clone(),
                Arc::clone(&ledger),
                name,
                random,
            ))
        })
        .collect();
    let reshards = tokio::spawn({
        let (stream, mut random) = (stream.clone(), Random::new(random.next()));
        async move {
            for _ in 0..random.below(6) {
                tokio::time::sleep(random.ms(1_000)).await;
                match random.below(3) {
                    0 => stream.set_dead(Some(usize::try_from(random.below(8)).unwrap())),
                    1 => stream.set_dead(None),
                    _ => stream.reshard(),
                }
            }
            stream.set_dead(None);
            if random.percent(50) {
                stream.set_faults(Faults::default());
            }
        }
    });
    let end = stop(producer, Arc::clone(&ledger), Random::new(random.next())).await;
    for put in puts {
        put.await.unwrap();
    }
    reshards.await.unwrap();
    let ledger = ledger.lock().unwrap();
    check(&stream, &ledger, &end.counters);
    ledger.shard_full
}

fn check(
    stream: &MemoryStream,
    ledger: &Ledger,
    counters: &kinesis_agg::producer::ProducerCounters,
) {
    let consumed = stream.consume();
    for id in ledger.cancelled.union(&ledger.handed_back) {
        assert!(!consumed.ids.contains(id), "{id} was sent");
        assert!(!ledger.accepted.contains(id));
    }
    for id in &ledger.delivered {
        assert!(
            consumed.ids.contains(id),
            "{id} was reported and is not there"
        );
        assert!(!ledger.hooked.contains_key(id), "{id} has two ends");
    }
    for (id, count) in &ledger.hooked {
        assert_eq!(*count, 1, "{id} was reported more than once");
    }
    for (id, error) in &ledger.failed {
        assert!(
            ledger.hooked.contains_key(id),
            "{id}: the hook did not see {error}"
        );
    }
    // Nothing is lost, including user records whose futures were not awaited.
    for id in &ledger.accepted {
        let is_reported = ledger.hooked.contains_key(id);
        assert!(is_reported || consumed.ids.contains(id), "{id} is lost");
    }
    let undelivered: HashSet<_> = ledger.undelivered.iter().collect();
    assert_eq!(undelivered.len(), ledger.undelivered.len());
    for (id, error) in &ledger.failed {
        let is_stopped =
            matches!(error, PutError::Failed(failure) if failure.reason == FailureReason::Stopped);
        assert_eq!(undelivered.contains(id), is_stopped, "{id}");
    }
    let ended = counters.user_records_delivered + counters.user_records_failed;
    assert_eq!(counters.user_records_in, ended);
    assert_eq!(consumed.out_of_order, [""; 0]);
}

/// `PRODUCER_SEEDS` sets the number of seeds, `PRODUCER_FIRST_SEED` the first.
#[test]
fn nothing_is_lost_and_each_accepted_user_record_is_reported_once() {
    let of = |name, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, count): (u64, u64) = (of("PRODUCER_FIRST_SEED", 0), of("PRODUCER_SEEDS", 200));
    std::panic::set_hook(Box::new(|info| {
        // The panics of the client are part of the test.
        if info.payload().downcast_ref() != Some(&"a client that panics") {
            eprintln!("{info}");
        }
    }));
    let mut shard_full = 0;
    for seed in first..first + count {
        let run = std::panic::catch_unwind(|| paused(run(seed)));
        assert!(run.is_ok(), "seed {seed}");
        shard_full += run.unwrap();
    }
    assert!(shard_full > 0 || count < 200, "no shard held its share");
}

/// The number of hash keys of a shard: a quarter of all.
const QUARTER: u128 = 1 << 126;

/// `number` is padded, so that few user records fill the buffer.
fn in_quarter(quarter: u128, key: &str, number: u64) -> OwnedUserRecord {
    let user_record = OwnedUserRecord::new(key, format!("{key}/{number:0100}"));
    user_record.with_explicit_hash_key(HashKey::new(quarter * QUARTER + 1_000))
}

async fn in_four_shards(settings: ProducerSettings) -> (MemoryStream, Producer) {
    let faults = Faults {
        latency: 20,
        ..Faults::default()
    };
    let stream = MemoryStream::new(4, faults, 1);
    stream.set_dead(Some(0));
    let producer = producer(&stream, settings).await;
    (stream, producer)
}

#[expect(
    clippy::async_yields_async,
    reason = "when the put returns is what is tested"
)]
fn spawn_put(producer: &Producer, put: OwnedUserRecord) -> JoinHandle<DeliveryFuture> {
    let producer = producer.clone();
    tokio::spawn(async move { producer.put(put).await })
}

/// Protects the other shards from one that accepts nothing for 20 seconds, with a
/// task for each user record of that shard.
#[test]
fn a_dead_shard_does_not_stop_puts_for_the_others() {
    const PER_SHARD: u64 = 75_000;
    paused(async {
        let settings = ProducerSettings::new()
            .with_ttl(ms(300_000))
            .with_max_buffered_len(4 << 20);
        let (stream, producer) = in_four_shards(settings).await;
        let start = tokio::time::Instant::now();
        let due = move |number: u64| start + Duration::from_micros(number * 20_000_000 / PER_SHARD);
        let putter = |quarter: u128| {
            let producer = producer.clone();
            tokio::spawn(async move {
                let mut latest = Duration::ZERO;
                let key = format!("live-{quarter}");
                for number in 0..PER_SHARD {
                    tokio::time::sleep_until(due(number)).await;
                    drop(producer.put(in_quarter(quarter, &key, number)).await);
                    latest = latest.max(due(number).elapsed());
                }
                latest
            })
        };
        let live: Vec<_> = (1..4).map(putter).collect();
        let mut dead = Vec::new();
        for number in 0..PER_SHARD {
            tokio::time::sleep_until(due(number)).await;
            let put = in_quarter(0, &format!("dead-{number}"), 0);
            dead.push(spawn_put(&producer, put));
        }
        for live in live {
            let latest = live.await.unwrap();
            assert!(latest < ms(50), "a put waited for {latest:?}");
        }
        let now = producer.snapshot().await;
        assert!(now.buffered_len <= 4 << 20, "{now:?}");
        assert!(dead.iter().any(|put| put.is_finished()));
        assert!(dead.iter().any(|put| !put.is_finished()));
        stream.set_dead(None);
        for put in dead {
            put.await.unwrap().await.unwrap();
        }
        let end = producer.close().await;
        assert_eq!(end.user_records_delivered, 4 * PER_SHARD);
        assert_eq!(stream.consume().out_of_order, [""; 0]);
    });
}

#[test]
fn a_shard_that_holds_its_share_gives_the_user_record_back_as_a_full_buffer_does() {
    paused(async {
        let settings = ProducerSettings::new()
            .with_ttl(ms(10_000))
            .with_max_buffered_len(20_000);
        let (stream, producer) = in_four_shards(settings).await;
        let mut futures = Vec::new();
        let mut number = 0;
        let error = loop {
            match producer.try_put(in_quarter(0, "key", number)) {
                Ok(future) => futures.push(future),
                Err(error) => break error,
            }
            number += 1;
            tokio::time::sleep(ms(1)).await;
        };
        let is_full = |error: &PutError| {
            matches!(
                error,
                PutError::Rejected(_, RejectionReason::ShardFull { needed, available })
                    if needed > available
            )
        };
        assert!(is_full(&error) && number > 10, "{error:?}");
        let start = tokio::time::Instant::now();
        let rejected = error.into_user_record();
        let error = producer.put_within(rejected, ms(50)).await.unwrap_err();
        assert!(is_full(&error), "{error:?}");
        assert_eq!(start.elapsed(), ms(50));
        let other = producer.try_put(in_quarter(2, "other", 0)).unwrap();
        other.await.unwrap();
        // One put waits for its share, and one stops waiting.
        let rejected = error.into_user_record();
        let waiting = spawn_put(&producer, rejected);
        let stops = producer.put(in_quarter(0, "key", 1_000_000));
        assert!(tokio::time::timeout(ms(500), stops).await.is_err());
        assert!(!waiting.is_finished());
        stream.set_dead(None);
        futures.push(waiting.await.unwrap());
        for future in futures {
            future.await.unwrap();
        }
        let consumed = stream.consume();
        assert_eq!(consumed.out_of_order, [""; 0]);
        assert!(!consumed.ids.iter().any(|id| id.ends_with("/1000000")));
    });
}

/// Protects the time to live of a user record that waited for the share of its
/// shard.
#[test]
fn the_wait_for_a_share_counts_and_ends_with_the_producer() {
    paused(async {
        let settings = ProducerSettings::new()
            .with_ttl(ms(2_000))
            .with_max_buffered_len(20_000);
        let (_stream, producer) = in_four_shards(settings).await;
        let start = tokio::time::Instant::now();
        let puts: Vec<_> = (0..400)
            .map(|number| {
                let producer = producer.clone();
                let put = in_quarter(0, &format!("dead-{number}"), 0);
                tokio::spawn(async move { producer.put(put).await.await })
            })
            .collect();
        while start.elapsed() < ms(1_900) {
            let live = producer.put(in_quarter(1, "live", 0)).await;
            live.await.unwrap();
        }
        for put in puts {
            let error = put.await.unwrap().unwrap_err();
            assert!(
                matches!(error, PutError::Rejected(_, RejectionReason::Expired))
                    || matches!(&error, PutError::Failed(failure)
                        if failure.reason == FailureReason::Expired),
                "{error:?}"
            );
        }
        assert!(start.elapsed() < ms(2_200), "{:?}", start.elapsed());
        // One is accepted when those before it have expired. Its time to live does
        // not start again.
        while producer.try_put(in_quarter(0, "key", 0)).is_ok() {
            tokio::time::sleep(ms(1)).await;
        }
        tokio::time::sleep(ms(1_000)).await;
        let start = tokio::time::Instant::now();
        let late = spawn_put(&producer, in_quarter(0, "key", 0));
        while !late.is_finished() {
            let live = producer.put(in_quarter(1, "live", 0)).await;
            live.await.unwrap();
        }
        assert!(start.elapsed() > ms(500), "{:?}", start.elapsed());
        let error = late.await.unwrap().await.unwrap_err();
        assert!(matches!(error, PutError::Failed(_)), "{error:?}");
        assert!(start.elapsed() < ms(2_200), "{:?}", start.elapsed());
        let mut futures = Vec::new();
        while let Ok(future) = producer.try_put(in_quarter(0, "key", 1)) {
            futures.push(future);
            tokio::time::sleep(ms(1)).await;
        }
        let waiting = tokio::spawn({
            let producer = producer.clone();
            async move { producer.put(in_quarter(0, "key", 2)).await.await }
        });
        tokio::time::sleep(ms(10)).await;
        let end = producer.shutdown_within(ms(100)).await;
        assert_eq!(end.undelivered.len(), futures.len());
        let error = waiting.await.unwrap().unwrap_err();
        assert!(matches!(error, PutError::Stopped(_)), "{error:?}");
    });
}

async fn producer(stream: &MemoryStream, settings: ProducerSettings) -> Producer {
    let builder = ProducerBuilder::new(stream.clone()).settings(settings);
    builder.seed(1).start().await.unwrap()
}

fn denied() -> Faults {
    Faults {
        denied: 100,
        ..Faults::default()
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[test]
fn an_error_names_its_last_cause_and_gives_the_user_record_back() {
    paused(async {
        let stream = MemoryStream::new(1, denied(), 1);
        let settings = ProducerSettings::new().with_ttl(ms(2_000));
        let producer = producer(&stream, settings).await;
        let error = producer.put(user_record("key", 1)).await.await.unwrap_err();
        let text = chain(&error);
        assert!(
            text.starts_with("user record was given up after ")
                && text.ends_with(
                    " attempts (expired): access denied: \
                     AccessDeniedException: not authorized to put"
                ),
            "{text}"
        );
        assert_eq!(error.into_user_record(), user_record("key", 1));
    });
}

#[test]
fn a_full_buffer_gives_the_user_record_back_at_once_in_time_or_when_it_expires() {
    paused(async {
        let stream = MemoryStream::new(1, denied(), 1);
        let settings = ProducerSettings::new()
            .with_ttl(ms(2_000))
            .with_max_buffered_len(2_000);
        let producer = producer(&stream, settings).await;
        let mut accepted = 0;
        let error = loop {
            match producer.try_put(user_record("key", accepted)) {
                Ok(_future) => accepted += 1,
                Err(error) => break error,
            }
        };
        let full = |error: &PutError| {
            matches!(
                error,
                PutError::Rejected(_, RejectionReason::BufferFull { needed, available })
                    if needed > available
            )
        };
        assert!(full(&error) && accepted > 0, "{error:?}");
        let start = tokio::time::Instant::now();
        let rejected = error.into_user_record();
        let error = producer.put_within(rejected, ms(50)).await.unwrap_err();
        assert!(full(&error), "{error:?}");
        assert_eq!(start.elapsed(), ms(50));
        // Other puts wait before this one, and all wait as long as the accepted
        // user records are held.
        let error = producer
            .put_within(error.into_user_record(), ms(100_000))
            .await;
        assert!(error.is_ok(), "there is room when the others have expired");
        let large = OwnedUserRecord::new("key", vec![0; 3_000]);
        let error = producer.try_put(large).unwrap_err();
        let PutError::Rejected(large, RejectionReason::LargerThanBuffer { .. }) = error else {
            panic!("{error:?}");
        };
        assert_eq!(large.data().len(), 3_000);
    });
}

#[test]
fn closing_returns_the_user_records_of_puts_that_wait_for_room() {
    paused(async {
        let stream = MemoryStream::new(1, denied(), 1);
        let settings = ProducerSettings::new().with_max_buffered_len(1_000);
        let producer = producer(&stream, settings).await;
        let _first = producer.put(user_record("key", 0)).await;
        let waiting = tokio::spawn({
            let producer = producer.clone();
            async move { producer.put(user_record("key", 1)).await.await }
        });
        tokio::time::sleep(ms(100)).await;
        assert!(!waiting.is_finished());
        let closing = tokio::time::timeout(ms(1), producer.close()).await;
        assert!(closing.is_err(), "one has not ended");
        for error in [
            waiting.await.unwrap().unwrap_err(),
            producer.put(user_record("key", 1)).await.await.unwrap_err(),
            producer.try_put(user_record("key", 1)).unwrap_err(),
            producer
                .put_batch([user_record("key", 1)])
                .await
                .remove(0)
                .await
                .unwrap_err(),
        ] {
            assert!(matches!(error, PutError::Stopped(_)), "{error:?}");
            assert_eq!(error.into_user_record(), user_record("key", 1));
        }
        let end = producer.shutdown_within(ms(200)).await;
        assert_eq!(end.undelivered.len(), 1);
        assert_eq!(end.undelivered[0].user_record, user_record("key", 0));
        assert_eq!(end.counters.user_records_failed, 1);
        // A flush of a stopped producer returns.
        producer.flush().await;
    });
}

#[test]
fn a_shutdown_that_is_dropped_gives_nothing_up() {
    paused(async {
        let stream = MemoryStream::new(1, denied(), 1);
        let producer = producer(&stream, ProducerSettings::new()).await;
        let delivery = producer.put(user_record("key", 0)).await;
        let shutdown = producer.shutdown_within(ms(500));
        assert!(tokio::time::timeout(ms(100), shutdown).await.is_err());
        tokio::time::sleep(ms(1_000)).await;
        stream.set_faults(Faults::default());
        delivery.await.unwrap();
        assert_eq!(producer.close().await.user_records_delivered, 1);
    });
}

/// Protects callers in another runtime from waiting forever.
#[test]
fn a_dropped_runtime_returns_all_user_records_to_the_callers() {
    let stream = MemoryStream::new(1, denied(), 1);
    let seen = Arc::new(Mutex::new(0));
    let sink = Arc::clone(&seen);
    let (producer, sent) = paused(async {
        let builder = ProducerBuilder::new(stream.clone());
        let builder = builder.on_failure(move |_| *sink.lock().unwrap() += 1);
        let producer = builder.start().await.unwrap();
        let sent = producer.put(user_record("key", 0)).await;
        tokio::time::sleep(ms(1_000)).await;
        let _queued = producer.put(user_record("key", 1)).await;
        (producer, sent)
    });
    let error = paused(sent).unwrap_err();
    let PutError::Failed(failure) = error else {
        panic!("{error:?}");
    };
    assert_eq!(failure.reason, FailureReason::Stopped);
    assert_eq!(failure.user_record, user_record("key", 0));
    assert_eq!(*seen.lock().unwrap(), 2);
    let late = paused(async { producer.put(user_record("key", 2)).await.await });
    assert!(matches!(late, Err(PutError::Stopped(_))));
}

#[test]
fn a_hook_that_panics_stops_nothing() {
    paused(async {
        let stream = MemoryStream::new(1, denied(), 1);
        let producer = ProducerBuilder::new(stream.clone())
            .settings(ProducerSettings::new().with_ttl(ms(300)))
            .on_failure(|_| panic!("a client that panics"))
            .on_notice(|_| panic!("a client that panics"))
            .start()
            .await
            .unwrap();
        producer.put(user_record("key", 0)).await.await.unwrap_err();
        stream.set_faults(Faults::default());
        producer.put(user_record("key", 1)).await.await.unwrap();
        producer.close().await;
    });
}

/// Protects against a wake-up for each put: a batch becomes one aggregate.
#[test]
fn the_last_handle_closes_and_what_was_put_is_sent() {
    paused(async {
        let stream = MemoryStream::new(1, Faults::default(), 1);
        let producer = producer(&stream, ProducerSettings::new()).await;
        let batch: Vec<_> = (0..1_000)
            .map(|number| user_record("key", number))
            .collect();
        let mut futures = producer.put_batch(batch).await;
        drop(producer);
        let last = futures.pop().unwrap().await.unwrap();
        assert_eq!(last.sub_sequence_number, 999);
        drop(futures);
        assert_eq!(stream.consume().ids.len(), 1_000);
        assert_eq!(stream.requests(), 1);
    });
}

#[test]
fn a_snapshot_shows_what_is_held_and_what_failed() {
    paused(async {
        let stream = MemoryStream::new(2, denied(), 1);
        let producer = producer(&stream, ProducerSettings::new()).await;
        let put = user_record("key", 0);
        let delivery = producer.put(put).await;
        tokio::time::sleep(ms(1_000)).await;
        let snapshot = producer.snapshot().await;
        assert_eq!(
            (snapshot.buffered_count, snapshot.oldest_age.is_some()),
            (1, true)
        );
        assert!(snapshot.errors["AccessDenied"] > 1, "{snapshot:?}");
        let shards = producer.shard_snapshots().await;
        let waiting: usize = shards.iter().map(|shard| shard.waiting_count).sum();
        assert_eq!((shards.len(), waiting + snapshot.records_in_flight), (2, 1));
        stream.set_faults(Faults::default());
        delivery.await.unwrap();
        producer.close().await;
        let last = producer.snapshot().await;
        assert_eq!(
            (last.buffered_count, last.counters.user_records_delivered),
            (0, 1)
        );
        assert_eq!(last.request_latency.count(), last.counters.requests);
        assert!(producer.shard_snapshots().await.is_empty());
    });
}

#[cfg(feature = "metrics")]
#[test]
fn the_metrics_add_up_and_the_gauges_end_at_nothing() {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    // The recorder returns each increment once.
    let mut sums: HashMap<String, f64> = HashMap::new();
    let mut take = || {
        for (key, _, _, value) in snapshotter.snapshot().into_vec() {
            let key = key.key();
            assert!(key.labels().any(|label| label.value() == "memory"));
            let sum = sums.entry(key.name().to_owned()).or_default();
            match value {
                DebugValue::Counter(more) => *sum += f64::from(u32::try_from(more).unwrap()),
                DebugValue::Gauge(now) => *sum = now.into_inner(),
                DebugValue::Histogram(times) => {
                    *sum += times.iter().map(|_| 1.0).sum::<f64>();
                }
            }
        }
        sums.clone()
    };
    let counters = metrics::with_local_recorder(&recorder, || {
        paused(async {
            let stream = MemoryStream::new(2, denied(), 1);
            let settings = ProducerSettings::new().with_ttl(ms(4_000));
            let producer = producer(&stream, settings).await;
            let batch = (0..100).map(|number| user_record("key", number));
            let lost = producer.put_batch(batch).await;
            tokio::time::sleep(ms(2_500)).await;
            assert_eq!(take()["kinesis_agg_producer_buffered_user_records"], 100.0);
            drop(lost);
            tokio::time::sleep(ms(5_000)).await;
            assert_eq!(take()["kinesis_agg_producer_buffered_user_records"], 0.0);
            stream.set_faults(Faults::default());
            producer.put(user_record("key", 100)).await.await.unwrap();
            producer.close().await
        })
    });
    let sums = take();
    let of = |name: &str| sums[&format!("kinesis_agg_producer_{name}")];
    let float = |count: u64| f64::from(u32::try_from(count).unwrap());
    assert_eq!(
        (of("user_records_in"), of("user_records_failed")),
        (101.0, 100.0)
    );
    assert_eq!(of("requests"), float(counters.requests));
    assert_eq!(of("request_latency_seconds"), float(counters.requests));
    assert_eq!(of("errors"), float(counters.requests - 1));
    assert_eq!(of("oldest_age_seconds"), 0.0);
}
