//! Measures the CPU time per user record, from its put to its delivery, on a stream
//! with one shard that answers at once. Prints multiples of the time that
//! `RecordAggregator` needs for the same user records in the same run.
//!
//! ```sh
//! cargo run --release -p kinesis-agg-benches --bin driver_cost
//! cargo run --release -p kinesis-agg-benches --bin driver_cost -- one-thread 3
//! ```
//!
//! The second form runs one contestant the given number of times, to count its
//! instructions with callgrind.

use core::hint::black_box;
use core::time::Duration;

use kinesis_agg::producer::{
    Distribution, DistributionAnswer, ListShardsError, ProducerBuilder, PutRecord, PutResult,
    RequestFailure, StreamService,
};
use kinesis_agg::{
    HashKeyRange, OwnedUserRecord, ProducerCore, ProducerSettings, RecordAggregator, Shard,
    ShardMap,
};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

/// User records of a run.
const COUNT: usize = 100_000;

/// A stream with one shard that stores nothing.
struct Null;

const SHARD: &str = "shardId-000000000000";

fn stored(record_count: usize) -> Vec<PutResult> {
    let stored = || PutResult::Stored {
        shard_id: SHARD.into(),
        sequence_number: "49590338271490256608559692538361571095921575989136588898".into(),
    };
    (0..record_count).map(|_| stored()).collect()
}

impl StreamService for Null {
    fn stream(&self) -> &'static str {
        "null"
    }

    async fn list_shards(&self) -> Result<Vec<Shard>, ListShardsError> {
        Ok(vec![Shard::new(SHARD, HashKeyRange::FULL)])
    }

    async fn distribution(&self) -> Result<DistributionAnswer, RequestFailure> {
        Ok(DistributionAnswer::Known(Distribution::ByKey))
    }

    async fn put_records(&self, records: Vec<PutRecord>) -> Result<Vec<PutResult>, RequestFailure> {
        Ok(stored(records.len()))
    }
}

fn user_records() -> Vec<OwnedUserRecord> {
    let user_record = |number: usize| {
        let key = format!("sensor-{:05}", number * 7919 % 1_000);
        OwnedUserRecord::new(key, vec![b'x'; 100])
    };
    (0..COUNT).map(user_record).collect()
}

fn settings() -> ProducerSettings {
    ProducerSettings::new().with_shard_rate(0, 0)
}

fn aggregator(user_records: Vec<OwnedUserRecord>) {
    let mut aggregator = RecordAggregator::new();
    for user_record in user_records {
        black_box(aggregator.push(user_record).expect("it fits"));
    }
    black_box(aggregator.flush());
}

/// Runs the state machine alone, called as the driver calls it.
fn core(user_records: Vec<OwnedUserRecord>) {
    let map = ShardMap::new([Shard::new(SHARD, HashKeyRange::FULL)]).expect("one shard");
    let now = Duration::from_millis(1);
    let mut core = ProducerCore::new(map, now, settings(), 1);
    let pump = |core: &mut ProducerCore<usize>| {
        while let Some(request) = core.poll_request(now) {
            let answer = core.handle_answer(request.id, stored(request.records.len()), now);
            answer.expect("it was made");
        }
        while let Some(event) = core.poll_event() {
            black_box(event);
        }
    };
    for (token, user_record) in user_records.into_iter().enumerate() {
        core.push(user_record, token, now, now)
            .expect("there is room");
        if token % 256 == 0 {
            pump(&mut core);
        }
    }
    core.flush();
    pump(&mut core);
    assert_eq!(core.buffered_count(), 0);
}

fn driver(runtime: &Runtime, user_records: Vec<OwnedUserRecord>) {
    let run = async {
        let producer = ProducerBuilder::new(Null).settings(settings()).seed(1);
        let producer = producer.start().await.expect("it is listed");
        let mut deliveries = Vec::with_capacity(COUNT);
        for user_record in user_records {
            deliveries.push(producer.put(user_record).await);
        }
        producer.flush().await;
        for delivery in deliveries {
            black_box(delivery.await.expect("it is delivered"));
        }
        producer.close().await;
    };
    runtime.block_on(async { tokio::spawn(run).await.expect("it ends") });
}

type Run = Box<dyn Fn(Vec<OwnedUserRecord>)>;

fn contestants() -> Vec<(&'static str, Run)> {
    let one_thread = Builder::new_current_thread().enable_time().build();
    let one_thread = one_thread.expect("a runtime");
    let two_threads = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    let two_threads = two_threads.expect("a runtime");
    let aggregator: Run = Box::new(aggregator);
    vec![
        ("aggregator", aggregator),
        ("core", Box::new(core)),
        ("one-thread", Box::new(move |all| driver(&one_thread, all))),
        (
            "two-threads",
            Box::new(move |all| driver(&two_threads, all)),
        ),
    ]
}

/// Returns the CPU time of all threads.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

fn main() {
    let contestants = contestants();
    let mut args = std::env::args().skip(1);
    if let Some(wanted) = args.next() {
        let runs: u32 = args.next().map_or(1, |runs| runs.parse().expect("runs"));
        let (_, run) = contestants
            .iter()
            .find(|(name, _)| *name == wanted)
            .expect("a contestant");
        for _ in 0..runs {
            run(user_records());
        }
        return;
    }
    let mut best = vec![Duration::MAX; contestants.len()];
    for _ in 0..15 {
        for ((_, run), best) in contestants.iter().zip(&mut best) {
            let all = user_records();
            let before = processor_time();
            run(all);
            *best = (*best).min(processor_time() - before);
        }
    }
    let unit = best[0].as_secs_f64();
    println!("processor time of a user record, of RecordAggregator's; the best of 15 runs");
    for ((name, _), best) in contestants.iter().zip(&best) {
        println!("{name:12} {:6.2}", best.as_secs_f64() / unit);
    }
}
