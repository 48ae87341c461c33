//! A stream in memory that is slow, fails, reshards and loses answers, and a
//! consumer that drops what the KCL drops.

use alloc::sync::Arc;
use core::time::Duration;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use bytes::Bytes;
use kinesis_agg::producer::{
    Distribution, DistributionAnswer, ListShardsError, PutRecord, PutResult, RequestFailure,
    StreamService,
};
use kinesis_agg::{HashKey, HashKeyRange, Shard, deaggregate};

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn ms(&mut self, longest: u64) -> Duration {
        Duration::from_millis(self.below(longest + 1))
    }
}

/// Faults, in percent of requests; `rejected` in percent of records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
    pub(crate) lost: u64,
    pub(crate) denied: u64,
    pub(crate) hangs: u64,
    pub(crate) panics: u64,
    pub(crate) short: u64,
    /// The longest latency of a request, in milliseconds.
    pub(crate) latency: u64,
}

struct MemoryShard {
    shard: Shard,
    records: Vec<Bytes>,
}

struct State {
    shards: Vec<MemoryShard>,
    random: Random,
    faults: Faults,
    requests: u64,
    /// The index of a shard that accepts nothing.
    dead: Option<usize>,
}

/// The stream. A clone is the same stream.
#[derive(Clone)]
pub(crate) struct MemoryStream(Arc<Mutex<State>>);

/// The outcome of a request.
enum Fate {
    Answered,
    Fails(RequestFailure),
    Lost,
    Hangs,
    Panics,
    Short,
}

impl MemoryStream {
    pub(crate) fn new(shard_count: u32, faults: Faults, seed: u64) -> Self {
        let width = u128::MAX / u128::from(shard_count);
        let shard = |place: u32| {
            let starting = width * u128::from(place);
            let is_last = place + 1 == shard_count;
            let ending = if is_last {
                u128::MAX
            } else {
                starting + width - 1
            };
            (starting, ending)
        };
        let stream = Self(Arc::new(Mutex::new(State {
            shards: Vec::new(),
            random: Random::new(seed),
            faults,
            requests: 0,
            dead: None,
        })));
        let ranges = (0..shard_count).map(shard);
        let mut state = stream.0.lock().unwrap();
        for range in ranges {
            state.open(range, &[]);
        }
        drop(state);
        stream
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.0.lock().unwrap().faults = faults;
    }

    /// Makes the shard with index `dead` reject everything; `None`: no shard.
    pub(crate) fn set_dead(&self, dead: Option<usize>) {
        self.0.lock().unwrap().dead = dead;
    }

    /// Returns the number of PutRecords requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.0.lock().unwrap().requests
    }

    /// Splits a shard or merges two.
    pub(crate) fn reshard(&self) {
        let mut state = self.0.lock().unwrap();
        let mut open: Vec<usize> = (0..state.shards.len())
            .filter(|&place| state.shards[place].shard.is_open())
            .collect();
        open.sort_by_key(|&place| {
            state.shards[place]
                .shard
                .hash_key_range()
                .starting_hash_key()
        });
        let at = usize::try_from(state.random.next() % u64::try_from(open.len()).unwrap()).unwrap();
        let (starting, ending, id) = state.close(open[at]);
        if state.random.percent(40) && at + 1 < open.len() {
            let (_, right_ending, right_id) = state.close(open[at + 1]);
            state.open((starting, right_ending), &[id, right_id]);
        } else {
            let middle = starting + (ending - starting) / 7 * 3;
            state.open((starting, middle), core::slice::from_ref(&id));
            state.open((middle + 1, ending), &[id]);
        }
    }

    /// Reads all shards, parents before children.
    pub(crate) fn consume(&self) -> Consumed {
        let state = self.0.lock().unwrap();
        let mut consumed = Consumed::default();
        for MemoryShard { shard, records } in &state.shards {
            for record in records {
                let read: Vec<_> = deaggregate(core::slice::from_ref(record)).collect();
                let is_whole = read.iter().all(|read| {
                    let hash_key = read.hash_key().unwrap();
                    // Raw records have no hash key in this test.
                    hash_key.is_none_or(|key| shard.hash_key_range().contains(key))
                });
                if is_whole {
                    for read in read {
                        let id = String::from_utf8(read.data().to_vec()).unwrap();
                        consumed.see(&id);
                    }
                }
            }
        }
        consumed
    }
}

impl State {
    fn open(&mut self, (starting, ending): (u128, u128), parents: &[Arc<str>]) {
        let range = HashKeyRange::new(HashKey::new(starting), HashKey::new(ending)).unwrap();
        let id = format!("shardId-{:012}", self.shards.len());
        let shard = Shard::new(&*id, range);
        let shard = parents
            .iter()
            .map(|id| &**id)
            .fold(shard, Shard::with_parent);
        let records = Vec::new();
        self.shards.push(MemoryShard { shard, records });
    }

    fn close(&mut self, place: usize) -> (u128, u128, Arc<str>) {
        let shard = &mut self.shards[place].shard;
        *shard = shard.clone().closed();
        let range = shard.hash_key_range();
        let (starting, ending) = (range.starting_hash_key(), range.ending_hash_key());
        (starting.to_u128(), ending.to_u128(), Arc::clone(shard.id()))
    }

    fn fate(&mut self) -> Fate {
        let faults = self.faults;
        let draw = self.random.below(100);
        let mut bound = 0;
        let mut is = |chance: u64| {
            bound += chance;
            draw < bound
        };
        if is(faults.failed) {
            Fate::Fails(RequestFailure::NoAnswer("connection reset".into()))
        } else if is(faults.lost) {
            Fate::Lost
        } else if is(faults.denied) {
            let text = "AccessDeniedException: not authorized to put";
            Fate::Fails(RequestFailure::AccessDenied(text.into()))
        } else if is(faults.hangs) {
            Fate::Hangs
        } else if is(faults.panics) {
            Fate::Panics
        } else if is(faults.short) {
            Fate::Short
        } else {
            Fate::Answered
        }
    }

    fn store(&mut self, records: Vec<PutRecord>) -> Vec<PutResult> {
        records
            .into_iter()
            .map(|record| self.store_one(record))
            .collect()
    }

    fn store_one(&mut self, record: PutRecord) -> PutResult {
        let throttled = || PutResult::Rejected {
            code: "ProvisionedThroughputExceededException".into(),
            message: "Rate exceeded".into(),
        };
        if self.random.percent(self.faults.rejected) {
            return throttled();
        }
        let partition_key = record.partition_key.unwrap();
        let hash_key = record.explicit_hash_key;
        let hash_key =
            hash_key.unwrap_or_else(|| HashKey::of_partition_key(partition_key.as_bytes()));
        let mut shards = self.shards.iter_mut().enumerate();
        let target = shards.find(|(_, target)| {
            target.shard.is_open() && target.shard.hash_key_range().contains(hash_key)
        });
        let (place, target) = target.unwrap();
        if self.dead == Some(place) {
            return throttled();
        }
        target.records.push(record.data);
        PutResult::Stored {
            shard_id: Arc::clone(target.shard.id()),
            sequence_number: target.records.len().to_string().into(),
        }
    }
}

impl StreamService for MemoryStream {
    fn stream(&self) -> &'static str {
        "memory"
    }

    async fn list_shards(&self) -> Result<Vec<Shard>, ListShardsError> {
        let (pause, fails, shards) = {
            let mut state = self.0.lock().unwrap();
            let (latency, failed) = (state.faults.latency, state.faults.failed);
            let shards: Vec<_> = state.shards.iter().map(|at| at.shard.clone()).collect();
            (
                state.random.ms(latency),
                state.random.percent(failed),
                shards,
            )
        };
        tokio::time::sleep(pause).await;
        match fails {
            true => Err(RequestFailure::NoAnswer("cannot list".into()).into()),
            false => Ok(shards),
        }
    }

    async fn distribution(&self) -> Result<DistributionAnswer, RequestFailure> {
        Ok(DistributionAnswer::Known(Distribution::ByKey))
    }

    async fn put_records(&self, records: Vec<PutRecord>) -> Result<Vec<PutResult>, RequestFailure> {
        let (before, fate, after) = {
            let mut state = self.0.lock().unwrap();
            state.requests += 1;
            let latency = state.faults.latency;
            (
                state.random.ms(latency),
                state.fate(),
                state.random.ms(latency),
            )
        };
        tokio::time::sleep(before).await;
        let store = || self.0.lock().unwrap().store(records);
        let answer = match fate {
            Fate::Answered => Ok(store()),
            Fate::Fails(failure) => Err(failure),
            Fate::Lost => {
                store();
                Err(RequestFailure::NoAnswer("answer lost".into()))
            }
            Fate::Hangs => core::future::pending().await,
            Fate::Panics => panic!("a client that panics"),
            Fate::Short => {
                let mut results = store();
                results.pop();
                Ok(results)
            }
        };
        tokio::time::sleep(after).await;
        answer
    }
}

/// What a consumer received.
#[derive(Default)]
pub(crate) struct Consumed {
    pub(crate) ids: HashSet<String>,
    /// User records that were first seen after a later one of the same key.
    pub(crate) out_of_order: Vec<String>,
    latest: HashMap<String, u64>,
}

impl Consumed {
    /// The ids are `key/number`.
    fn see(&mut self, id: &str) {
        if !self.ids.insert(id.to_owned()) {
            return;
        }
        let (key, number) = id.split_once('/').unwrap();
        let number: u64 = number.parse().unwrap();
        let latest = self.latest.entry(key.to_owned()).or_default();
        if number < *latest {
            self.out_of_order.push(id.to_owned());
        }
        *latest = number.max(*latest);
    }
}
