//! Measures for how long the producer's task keeps the other tasks of its thread
//! waiting while 1,000 shards split and its buffer of 64 MiB is full. Prints the
//! longest pause between two polls of another task, in processor time of the thread,
//! so that other processes do not count.
//!
//! ```sh
//! cargo run --release -p kinesis-agg-benches --bin driver_pause
//! ```

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Poll;
use core::time::Duration;

use kinesis_agg::producer::{
    Distribution, DistributionAnswer, ListShardsError, ProducerBuilder, PutRecord, PutResult,
    RequestFailure, StreamService,
};
use kinesis_agg::{HashKey, HashKeyRange, OwnedUserRecord, ProducerSettings, Shard, ShardMap};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;

const SHARDS: u128 = 1_000;

/// A stream whose shards split all at once, and that answers nothing before.
struct Splitting {
    before: Vec<Shard>,
    after: Vec<Shard>,
    map_after: ShardMap,
    has_split: Arc<AtomicBool>,
}

impl Splitting {
    fn new(has_split: Arc<AtomicBool>) -> Self {
        let before: Vec<_> = (0..SHARDS).map(|n| shard("parent", n, SHARDS)).collect();
        let children = (0..2 * SHARDS).map(|n| {
            let parent = &before[usize::try_from(n / 2).unwrap()];
            shard("child", n, 2 * SHARDS).with_parent(&**parent.id())
        });
        let parents = before.iter().map(|parent| parent.clone().closed());
        let after: Vec<_> = parents.chain(children).collect();
        Self {
            map_after: ShardMap::new(after.clone()).unwrap(),
            before,
            after,
            has_split,
        }
    }

    fn put(&self, record: &PutRecord) -> PutResult {
        let key = record.partition_key.as_deref().unwrap_or_default();
        let of_key = || HashKey::of_partition_key(key.as_bytes());
        let hash_key = record.explicit_hash_key.unwrap_or_else(of_key);
        PutResult::Stored {
            shard_id: Arc::clone(self.map_after.shard_of(hash_key).id()),
            sequence_number: "1".into(),
        }
    }
}

fn shard(name: &str, n: u128, count: u128) -> Shard {
    // The children of a shard have exactly its range.
    let width = u128::MAX / (2 * SHARDS) * (2 * SHARDS / count);
    let ending = if n + 1 == count {
        u128::MAX
    } else {
        (n + 1) * width - 1
    };
    let range = HashKeyRange::new(HashKey::new(n * width), HashKey::new(ending));
    Shard::new(format!("{name}-{n:012}"), range.unwrap())
}

impl StreamService for Splitting {
    fn stream(&self) -> &'static str {
        "splitting"
    }

    async fn list_shards(&self) -> Result<Vec<Shard>, ListShardsError> {
        Ok(match self.has_split.load(Ordering::Relaxed) {
            true => self.after.clone(),
            false => self.before.clone(),
        })
    }

    async fn distribution(&self) -> Result<DistributionAnswer, RequestFailure> {
        Ok(DistributionAnswer::Known(Distribution::ByKey))
    }

    async fn put_records(&self, records: Vec<PutRecord>) -> Result<Vec<PutResult>, RequestFailure> {
        while !self.has_split.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(records.iter().map(|record| self.put(record)).collect())
    }
}

/// Returns the processor time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Gets to the end of the queue of ready tasks. `tokio::task::yield_now` would wait
/// until that queue is empty.
async fn queue_again() {
    let mut has_queued = false;
    core::future::poll_fn(|context| {
        if core::mem::replace(&mut has_queued, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Returns the longest pause between two polls until `is_over`.
async fn longest_pause(is_over: Arc<AtomicBool>) -> Duration {
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let before = thread_time();
        queue_again().await;
        longest = longest.max(thread_time() - before);
    }
    longest
}

async fn run() {
    let has_split = Arc::new(AtomicBool::new(false));
    let settings = ProducerSettings::new().with_shard_rate(0, 0);
    let service = Splitting::new(Arc::clone(&has_split));
    let builder = ProducerBuilder::new(service).settings(settings).seed(1);
    let producer = builder.start().await.expect("it is listed");
    let mut count = 0;
    loop {
        let key = format!("sensor-{:07}", count % 100_000);
        let user_record = OwnedUserRecord::new(key, vec![b'x'; 100]);
        if producer.try_put(user_record).is_err() {
            break;
        }
        count += 1;
        if count % 1_000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    // All of them get due.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let pause = tokio::spawn(longest_pause(Arc::clone(&is_over)));
    has_split.store(true, Ordering::Relaxed);
    let end = producer.close().await;
    is_over.store(true, Ordering::Relaxed);
    let pause = pause.await.expect("it ends");
    assert_eq!(end.user_records_delivered, count);
    println!(
        "{count} user records, {} aggregates sent again: longest pause {:.1} ms",
        end.wrong_shard,
        pause.as_secs_f64() * 1e3
    );
}

fn main() {
    for _ in 0..5 {
        let runtime = Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(run());
    }
}
