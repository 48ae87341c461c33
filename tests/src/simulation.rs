//! A stream that splits, merges, throttles and loses answers at any moment,
//! with a producer before it and two consumers behind it. One seed is one run,
//! and always the same one.
//!
//! The consumers know nothing of the producer. One is a model of the KCL: it
//! reads shard by shard and drops an aggregate as a whole if one user record
//! is outside of the shard's range. The other takes everything.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;
use std::collections::{HashMap, HashSet};

use kinesis_agg::producer::{
    ProducerEvent, PutRecord, PutRequest, PutResult, RequestFailure, RequestId,
};
use kinesis_agg::write::{Limits, LoneUserRecord};
use kinesis_agg::{
    HashKey, HashKeyRange, KinesisRecord, OwnedUserRecord, ProducerCore, ProducerSettings,
    RecordAggregator, Shard, ShardMap,
};

/// By which rule a producer takes a user record for delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "for tests, which name all")]
pub enum Rule {
    /// Ours: if the shard has all user records of the aggregate.
    WholeAggregate,
    /// The KPL's: if the shard has this user record. Only the others of the
    /// aggregate are sent again.
    PerUserRecord,
    /// No knowledge of shards: user records of all shards share aggregates,
    /// and what is stored is delivered.
    AnyShard,
}

/// What became of the user records of some runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "for tests, which name all")]
pub struct Tally {
    /// User records that the producer took.
    pub user_records: u64,
    /// Said to be delivered.
    pub delivered: u64,
    /// Given back as failed.
    pub failed: u64,
    /// Said to be delivered, and not seen by one of the consumers.
    pub lost: u64,
    /// Without exactly one end, given back other than they were, or seen and
    /// never pushed.
    pub unaccounted: u64,
    /// Seen again by the consumer that takes everything.
    pub duplicates: u64,
    /// Delivered before an earlier one of the same hash key, or after a later
    /// one.
    pub out_of_order: u64,
    /// Moments at which the producer held more than its bound.
    pub over_bound: u64,
    /// Splits and merges.
    pub reshards: u64,
    /// Aggregates that were put where a consumer drops them.
    pub dropped_aggregates: u64,
}

impl Tally {
    /// Adds another run's numbers.
    pub const fn add(&mut self, other: &Self) {
        self.user_records += other.user_records;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.lost += other.lost;
        self.unaccounted += other.unaccounted;
        self.duplicates += other.duplicates;
        self.out_of_order += other.out_of_order;
        self.over_bound += other.over_bound;
        self.reshards += other.reshards;
        self.dropped_aggregates += other.dropped_aggregates;
    }

    /// True if a promise was broken.
    #[must_use]
    pub const fn is_bad(&self) -> bool {
        self.lost + self.unaccounted + self.out_of_order + self.over_bound > 0
    }
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, rule: Rule) -> Tally {
    let mut simulation = Simulation::new(seed, rule);
    simulation.run();
    simulation.tally()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(u64::try_from(len).unwrap())).unwrap()
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    fn hash_key(&mut self) -> u128 {
        (u128::from(self.next()) << 64) | u128::from(self.next())
    }
}

struct ShardModel {
    shard: Shard,
    created_at: u64,
    closed_at: Option<u64>,
    /// Each record and its place among all records of the stream.
    records: Vec<(u64, PutRecord)>,
}

impl ShardModel {
    fn range(&self) -> HashKeyRange {
        self.shard.hash_key_range()
    }

    /// As a listing at that time has it.
    fn listed(&self, at: u64) -> Option<Shard> {
        let shard = self.shard.clone();
        let is_closed = self.closed_at.is_some_and(|closed_at| closed_at <= at);
        let listed = if is_closed { shard.closed() } else { shard };
        (self.created_at <= at).then_some(listed)
    }
}

struct Stream {
    shards: Vec<ShardModel>,
    record_count: u64,
    reshards: u64,
}

impl Stream {
    fn open(&self) -> Vec<usize> {
        let mut open: Vec<_> = (0..self.shards.len())
            .filter(|&index| self.shards[index].closed_at.is_none())
            .collect();
        open.sort_by_key(|&index| self.shards[index].range().starting_hash_key());
        open
    }

    fn create(&mut self, starting: u128, ending: u128, parents: &[usize], now: u64) {
        let range = HashKeyRange::new(HashKey::new(starting), HashKey::new(ending)).unwrap();
        let id = format!("shardId-{:012}", self.shards.len());
        let mut shard = Shard::new(id, range);
        for &parent in parents {
            self.shards[parent].closed_at = Some(now);
            shard = shard.with_parent(Arc::clone(self.shards[parent].shard.id()));
        }
        self.shards.push(ShardModel {
            shard,
            created_at: now,
            closed_at: None,
            records: Vec::new(),
        });
    }

    fn reshard(&mut self, random: &mut Random, now: u64) {
        let open = self.open();
        let bounds = |index: usize| {
            let range = self.shards[index].range();
            let starting = range.starting_hash_key().to_u128();
            (starting, range.ending_hash_key().to_u128())
        };
        if open.len() > 1 && random.percent(45) {
            let first = random.index(open.len() - 1);
            let parents = [open[first], open[first + 1]];
            let (starting, _) = bounds(parents[0]);
            let (_, ending) = bounds(parents[1]);
            self.create(starting, ending, &parents, now);
        } else {
            let parent = open[random.index(open.len())];
            let (starting, ending) = bounds(parent);
            let width = ending - starting;
            if width == 0 {
                return;
            }
            let middle = starting + 1 + random.hash_key() % width;
            self.create(starting, middle - 1, &[parent], now);
            self.create(middle, ending, &[parent], now);
        }
        self.reshards += 1;
    }

    fn put(&mut self, record: &PutRecord) -> PutResult {
        let hash_key = hash_key_of(record);
        let takes =
            |shard: &&mut ShardModel| shard.closed_at.is_none() && shard.range().contains(hash_key);
        let shard = self.shards.iter_mut().find(takes).unwrap();
        self.record_count += 1;
        shard.records.push((self.record_count, record.clone()));
        PutResult::Stored {
            shard_id: Arc::clone(shard.shard.id()),
            sequence_number: self.record_count.to_string().into(),
        }
    }
}

enum Event {
    /// One more user record is there to be pushed.
    Push,
    /// Who was refused tries again.
    PushAgain,
    /// The producer asked to be called.
    Wake,
    Reshard,
    Arrival {
        id: RequestId,
        records: Vec<PutRecord>,
        fate: Fate,
    },
    Answer {
        id: RequestId,
        results: Vec<PutResult>,
        /// By the KPL's rule, these are delivered now.
        by_themselves: Vec<u64>,
    },
    NoAnswer(RequestId),
    Refused(RequestId),
    Refreshed(Vec<Shard>),
    RefreshFailed,
}

#[derive(PartialEq, Eq)]
enum Fate {
    Answered,
    AnswerLost,
    AnswerCut,
}

struct Simulation {
    rule: Rule,
    random: Random,
    stream: Stream,
    producer: ProducerCore<u64>,
    bound: usize,
    now: u64,
    schedule: BTreeMap<(u64, u64), Event>,
    scheduled: u64,
    woken_at: Option<u64>,
    is_refreshing: bool,
    /// All that is pushed, in order of their tokens.
    user_records: Vec<OwnedUserRecord>,
    to_come: u64,
    is_refused: bool,
    ends: HashMap<u64, End>,
    tally: Tally,
    /// Percent.
    throttling: u64,
    losses: u64,
    /// By the KPL's rule: delivered one by one, and not to be sent again.
    by_themselves: HashSet<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Delivered,
    Failed,
}

fn duration(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

const MS: u64 = 1_000;
const ANY_SHARD: &str = "any shard";

impl Simulation {
    fn new(seed: u64, rule: Rule) -> Self {
        let mut random = Random(seed);
        let mut stream = Stream {
            shards: Vec::new(),
            record_count: 0,
            reshards: 0,
        };
        stream.create(0, u128::MAX, &[], 0);
        for _ in 0..random.below(4) {
            stream.reshard(&mut random, 0);
        }
        stream.reshards = 0;
        let map = match rule {
            Rule::AnyShard => ShardMap::new([Shard::new(ANY_SHARD, HashKeyRange::FULL)]),
            _ => ShardMap::new(stream.shards.iter().filter_map(|shard| shard.listed(0))),
        };
        let bound = 2_000 + random.index(40_000);
        let max_count = 1 + random.below(30);
        let limits = Limits::new()
            .with_max_count(usize::try_from(max_count).unwrap())
            .and_then(|limits| limits.with_max_size(600 + u32::try_from(max_count).unwrap() * 40))
            .unwrap();
        let mut settings = ProducerSettings::new()
            .with_limits(limits)
            .with_max_age(duration(random.below(80) * MS))
            .with_max_buffered_len(bound)
            .with_max_request_count(1 + random.index(8))
            .with_max_request_len(1 + random.index(5_000))
            .with_max_requests_in_flight(1 + random.index(4))
            .with_backoff(
                duration(random.below(20) * MS),
                duration(random.below(500) * MS),
            )
            .with_ttl(duration((200 + random.below(20_000)) * MS));
        if seed.is_multiple_of(3) {
            settings = settings.with_lone_user_record(LoneUserRecord::Raw);
        }
        if random.percent(30) {
            settings = settings.with_max_attempts(1 + random.index(8));
        }
        if random.percent(30) {
            let records = u32::try_from(5 + random.below(50)).unwrap();
            settings = settings.with_shard_rate(records, 200 * records);
        }
        let throttling = [0, 5, 40][random.index(3)];
        let losses = [0, 3, 20][random.index(3)];
        let producer = ProducerCore::new(map.unwrap(), settings, random.next());
        let keys: Vec<_> = (0..=random.below(12))
            .map(|n| {
                (
                    format!("key {n}"),
                    random.percent(50).then(|| random.hash_key()),
                )
            })
            .collect();
        let count = 50 + random.below(300);
        let user_records = (0..count).map(|token: u64| {
            let (partition_key, hash_key) = &keys[random.index(keys.len())];
            let mut data = token.to_be_bytes().to_vec();
            data.resize(8 + random.index(60), 0);
            OwnedUserRecord::new(partition_key, data)
                .with_explicit_hash_key(hash_key.map(HashKey::new))
        });
        let user_records = user_records.collect();
        let mut simulation = Self {
            rule,
            producer,
            bound,
            stream,
            now: 0,
            schedule: BTreeMap::new(),
            scheduled: 0,
            woken_at: None,
            is_refreshing: false,
            user_records,
            to_come: count,
            is_refused: false,
            ends: HashMap::new(),
            tally: Tally::default(),
            throttling,
            losses,
            by_themselves: HashSet::new(),
            random,
        };
        let length = 200 * MS + simulation.random.below(3_000) * MS;
        for _ in 0..count {
            let at = simulation.random.below(length);
            simulation.at(at, Event::Push);
        }
        for _ in 0..=simulation.random.below(6) {
            let at = simulation.random.below(length);
            simulation.at(at, Event::Reshard);
        }
        simulation
    }

    fn at(&mut self, at: u64, event: Event) {
        self.scheduled += 1;
        self.schedule.insert((at, self.scheduled), event);
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.at(self.now + delay, event);
    }

    fn latency(&mut self) -> u64 {
        let longest = [MS, 20 * MS, 300 * MS][self.random.index(3)];
        self.random.below(longest)
    }

    fn run(&mut self) {
        while let Some(((at, _), event)) = self.schedule.pop_first() {
            self.now = at;
            self.handle(event);
            self.drive();
        }
        assert_eq!(
            self.producer.buffered_count(),
            0,
            "the producer waits for nothing, and holds user records"
        );
    }

    fn handle(&mut self, event: Event) {
        let now = duration(self.now);
        match event {
            Event::Push => {
                self.to_come -= 1;
                self.push();
            }
            Event::PushAgain => {
                self.is_refused = false;
                self.push();
            }
            Event::Wake => self.woken_at = None,
            Event::Reshard => self.stream.reshard(&mut self.random, self.now),
            Event::Arrival { id, records, fate } => self.arrive(id, records, &fate),
            Event::Answer {
                id,
                results,
                by_themselves,
            } => {
                self.by_themselves.extend(by_themselves);
                self.producer.handle_answer(id, results, now).unwrap();
            }
            Event::NoAnswer(id) => {
                let failure = RequestFailure::NoAnswer("timeout".into());
                self.producer.handle_failure(id, failure, now).unwrap();
            }
            Event::Refused(id) => {
                let failure = RequestFailure::Refused("no".into());
                self.producer.handle_failure(id, failure, now).unwrap();
            }
            Event::Refreshed(shards) => {
                self.is_refreshing = false;
                let keep = duration(self.random.below(500) * MS);
                // Pages of two moments need not make a map.
                if let Ok(map) = self.producer.map().refreshed(shards, now, keep) {
                    self.producer.replace_map(map, now);
                }
            }
            Event::RefreshFailed => self.is_refreshing = false,
        }
    }

    /// In order: who was refused goes before who comes later.
    fn push(&mut self) {
        let count = u64::try_from(self.user_records.len()).unwrap();
        while self.tally.user_records < count - self.to_come && !self.is_refused {
            let token = self.tally.user_records;
            let user_record = &self.user_records[usize::try_from(token).unwrap()];
            let now = duration(self.now);
            match self.producer.push(user_record.clone(), token, now) {
                Ok(()) => self.tally.user_records += 1,
                Err(refused) => {
                    assert_eq!(refused.user_record, *user_record);
                    self.is_refused = true;
                    self.after(5 * MS, Event::PushAgain);
                }
            }
            if self.tally.user_records == count || self.random.percent(2) {
                self.producer.flush();
            }
        }
    }

    /// What a driver does after each event.
    fn drive(&mut self) {
        let now = duration(self.now);
        while let Some(request) = self.producer.poll_request(now) {
            self.send(request);
        }
        self.tally.over_bound += u64::from(self.producer.buffered_len() > self.bound);
        while let Some(event) = self.producer.poll_event() {
            let (token, end) = match event {
                ProducerEvent::Delivered { token, .. } => (token, End::Delivered),
                ProducerEvent::Failed { token, failure } => {
                    let index = usize::try_from(token).unwrap();
                    let is_same = failure.user_record == self.user_records[index];
                    self.tally.unaccounted += u64::from(!is_same);
                    (token, End::Failed)
                }
            };
            let ended_before = self.ends.insert(token, end).is_some();
            self.tally.unaccounted += u64::from(ended_before);
        }
        let wants_refresh = self.producer.wants_refresh() || self.random.percent(1);
        if wants_refresh && !self.is_refreshing && self.rule != Rule::AnyShard {
            self.is_refreshing = true;
            let (latency, tail) = (self.latency(), self.latency());
            if self.random.percent(15) {
                self.after(latency, Event::RefreshFailed);
            } else {
                let pages = self.listing();
                self.after(latency + tail, Event::Refreshed(pages));
            }
        }
        if let Some(at) = self.producer.poll_timeout() {
            let at = u64::try_from(at.as_nanos().div_ceil(1_000)).unwrap();
            let at = at.max(self.now);
            if self.woken_at.is_none_or(|woken_at| woken_at > at) {
                assert!(at > self.now, "woken for nothing");
                self.woken_at = Some(at);
                self.at(at, Event::Wake);
            }
        }
    }

    /// The shards, as of some time ago; the pages may be of two moments.
    fn listing(&mut self) -> Vec<Shard> {
        let ago = if self.random.percent(30) {
            self.random.below(200) * MS
        } else {
            0
        };
        let first = self.now.saturating_sub(ago);
        let second = if self.random.percent(30) {
            self.now
        } else {
            first
        };
        let page_len = self.random.index(self.stream.shards.len() + 1);
        let shards = self.stream.shards.iter().enumerate();
        let shards = shards.filter_map(|(index, shard)| {
            shard.listed(if index < page_len { first } else { second })
        });
        shards.collect()
    }

    fn send(&mut self, request: PutRequest) {
        let PutRequest { id, records, .. } = request;
        let latency = self.latency();
        if self.random.percent(self.losses) {
            match self.random.below(5) {
                // Never arrives.
                0 => self.after(latency, Event::NoAnswer(id)),
                // Arrives when nobody believes in it any longer.
                1 => {
                    self.after(latency, Event::NoAnswer(id));
                    let late = latency + self.random.below(2_000) * MS;
                    let fate = Fate::AnswerLost;
                    self.after(late, Event::Arrival { id, records, fate });
                }
                2 => {
                    let fate = Fate::AnswerLost;
                    self.after(latency, Event::Arrival { id, records, fate });
                    let late = latency + self.latency();
                    self.after(late, Event::NoAnswer(id));
                }
                3 => {
                    let fate = Fate::AnswerCut;
                    self.after(latency, Event::Arrival { id, records, fate });
                }
                _ => self.after(latency, Event::Refused(id)),
            }
            return;
        }
        let fate = Fate::Answered;
        self.after(latency, Event::Arrival { id, records, fate });
    }

    fn arrive(&mut self, id: RequestId, records: Vec<PutRecord>, fate: &Fate) {
        let mut results = Vec::new();
        let mut by_themselves = Vec::new();
        for record in records {
            if self.random.percent(1) {
                self.stream.reshard(&mut self.random, self.now);
            }
            if self.random.percent(self.throttling) {
                results.push(PutResult::Rejected {
                    code: "ProvisionedThroughputExceededException".into(),
                    message: "".into(),
                });
                continue;
            }
            let result = match self.rule {
                Rule::WholeAggregate => self.stream.put(&record),
                Rule::PerUserRecord => self.put_as_kpl(&record, &mut by_themselves),
                Rule::AnyShard => {
                    self.stream.put(&record);
                    PutResult::Stored {
                        shard_id: ANY_SHARD.into(),
                        sequence_number: "0".into(),
                    }
                }
            };
            results.push(result);
        }
        if *fate == Fate::AnswerCut {
            results.pop();
        }
        if *fate != Fate::AnswerLost {
            let latency = self.latency();
            let answer = Event::Answer {
                id,
                results,
                by_themselves,
            };
            self.after(latency, answer);
        }
    }

    /// Sends on what the KPL would: not what it takes for delivered already.
    fn put_as_kpl(&mut self, record: &PutRecord, by_themselves: &mut Vec<u64>) -> PutResult {
        let all = deaggregate(record);
        let rest: Vec<_> = all
            .iter()
            .filter(|(token, _)| !self.by_themselves.contains(token))
            .collect();
        let Some(&(_, first)) = all.first() else {
            return self.stream.put(record);
        };
        if rest.is_empty() {
            // Nothing is left to be sent; our producer is told so.
            let shard = self.producer.map().shard_of(first);
            return PutResult::Stored {
                shard_id: Arc::clone(shard.id()),
                sequence_number: "0".into(),
            };
        }
        let mut aggregator = RecordAggregator::new();
        for (token, _) in &rest {
            let index = usize::try_from(*token).unwrap();
            aggregator.push(&self.user_records[index]).unwrap();
        }
        let (data, partition_key, explicit_hash_key) = aggregator.flush().unwrap().into_parts();
        let mut smaller = record.clone();
        (smaller.data, smaller.partition_key) = (data, partition_key);
        smaller.explicit_hash_key = explicit_hash_key;
        let result = self.stream.put(&smaller);
        if let PutResult::Stored { shard_id, .. } = &result {
            let mut shards = self.stream.shards.iter();
            let shard = shards.find(|shard| shard.shard.id() == shard_id).unwrap();
            let inside = rest
                .iter()
                .filter(|(_, hash_key)| shard.range().contains(*hash_key));
            by_themselves.extend(inside.map(|(token, _)| token));
        }
        result
    }

    /// Reads the whole stream, and compares.
    fn tally(mut self) -> Tally {
        let mut tally = self.tally;
        for &token in &self.by_themselves {
            self.ends.insert(token, End::Delivered);
        }
        tally.reshards = self.stream.reshards;
        // Shards in the order of their records: parents before children.
        let mut records: Vec<_> = self
            .stream
            .shards
            .iter()
            .flat_map(|shard| {
                let records = shard.records.iter();
                records.map(|(place, record)| (*place, shard.range(), record))
            })
            .collect();
        records.sort_unstable_by_key(|&(place, ..)| place);
        let (mut taken, mut filtered) = (HashSet::new(), HashSet::new());
        let mut latest: HashMap<HashKey, u64> = HashMap::new();
        for (_, range, record) in records {
            let user_records = deaggregate(record);
            let is_dropped = !user_records.iter().all(|(_, key)| range.contains(*key));
            tally.dropped_aggregates += u64::from(is_dropped);
            for (token, hash_key) in user_records {
                let is_known = token < tally.user_records;
                tally.unaccounted += u64::from(!is_known);
                tally.duplicates += u64::from(!taken.insert(token));
                if is_dropped || !filtered.insert(token) {
                    continue;
                }
                if self.ends.get(&token) == Some(&End::Delivered) {
                    let latest = latest.entry(hash_key).or_insert(token);
                    tally.out_of_order += u64::from(token < *latest);
                    *latest = token.max(*latest);
                }
            }
        }
        assert_eq!(
            self.user_records.len(),
            usize::try_from(tally.user_records).unwrap()
        );
        for token in 0..tally.user_records {
            match self.ends.get(&token) {
                None => tally.unaccounted += 1,
                Some(End::Failed) => tally.failed += 1,
                Some(End::Delivered) => {
                    tally.delivered += 1;
                    let is_seen = taken.contains(&token) && filtered.contains(&token);
                    tally.lost += u64::from(!is_seen);
                }
            }
        }
        tally
    }
}

fn hash_key_of(record: &PutRecord) -> HashKey {
    let of_key = || HashKey::of_partition_key(record.partition_key.as_bytes());
    record.explicit_hash_key.unwrap_or_else(of_key)
}

/// Token and hash key of each user record.
fn deaggregate(record: &PutRecord) -> Vec<(u64, HashKey)> {
    let records = [KinesisRecord {
        data: record.data.clone(),
        partition_key: Some(record.partition_key.clone()),
        explicit_hash_key: record.explicit_hash_key.map(|key| key.to_string()),
        sequence_number: None,
    }];
    kinesis_agg::deaggregate(&records)
        .map(|read| {
            let read = read.checked().unwrap();
            let token = u64::from_be_bytes(*read.data().first_chunk().unwrap());
            (token, read.hash_key().unwrap().unwrap())
        })
        .collect()
}
