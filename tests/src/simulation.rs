//! Simulates a producer, a stream and two consumers. The stream splits, merges,
//! throttles, loses answers, distributes records itself for a while, and is deleted
//! and created again. Each seed determines one run, which is reproducible.
//!
//! The consumers share no state with the producer. One is a model of the KCL: it
//! reads shard by shard and drops a whole aggregate if one of its user records is
//! outside of the shard's range. The other accepts everything.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;
use std::collections::{HashMap, HashSet};

use kinesis_agg::producer::{
    Distribution, DistributionAnswer, Order, ProducerCore, ProducerEvent, ProducerSettings,
    PutRecord, PutRequest, PutResult, RequestFailure, RequestId, UnfitForRaw,
};
use kinesis_agg::shards::RejectionReason;
use kinesis_agg::write::{Limits, LoneUserRecord, OuterKey};
use kinesis_agg::{HashKey, HashKeyRange, OwnedUserRecord, RecordAggregator, Shard, ShardMap};

/// The producer to simulate: this crate's, or a control that breaks a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "for tests, which name all")]
pub enum Rule {
    /// This crate's producer: delivered if the shard has all user records of the
    /// aggregate.
    WholeAggregate,
    /// The KPL's rule: delivered if the shard has this user record. Only the other
    /// user records of the aggregate are sent again.
    PerUserRecord,
    /// Ignores shards: user records of all shards share aggregates, and all that are
    /// stored count as delivered.
    AnyShard,
    /// This crate's producer, but it never questions its list of shards, whatever the
    /// stream answers.
    NeverDoubts,
    /// This crate's producer, but two callers push without coordination.
    TwoCallers,
    /// This crate's producer, with [`Order::None`] for each seed: Kinesis records in
    /// flight may share hash keys.
    NoOrder,
    /// This crate's producer, but the driver wakes later than requested.
    WakesLate,
}

/// The outcomes of the user records of some runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "for tests, which name all")]
pub struct Tally {
    /// User records that the producer accepted.
    pub user_records: u64,
    /// User records that it rejected.
    pub rejected: u64,
    /// Reported as delivered.
    pub delivered: u64,
    /// Reported as failed.
    pub failed: u64,
    /// Reported as delivered, but not seen by both consumers.
    pub lost: u64,
    /// Lost user records in runs of a stream that distributed records itself.
    pub auto_lost: u64,
    /// Lost user records in runs of a stream that was created again.
    pub recreated_lost: u64,
    /// User records without exactly one outcome, returned with changes, or seen by
    /// a consumer but never pushed.
    pub unaccounted: u64,
    /// Seen again by the consumer that accepts everything.
    pub duplicates: u64,
    /// Delivered after a later one of the same hash key, although order was required.
    pub order_violations: u64,
    /// The same where no order was required.
    pub out_of_order: u64,
    /// The most Kinesis records of one shard that were in flight at once.
    pub most_in_flight: u64,
    /// Sent or failed later than their time to live allows, although not in flight.
    pub late_end: u64,
    /// Moments at which the producer held more than its bound.
    pub over_bound: u64,
    /// Splits and merges.
    pub reshards: u64,
    /// Aggregates that were stored in a shard where a consumer drops them.
    pub dropped_aggregates: u64,
    /// Changes of how the stream distributes records.
    pub switches: u64,
    /// Kinesis records that were sent raw to a stream that distributes itself.
    pub raw: u64,
    /// Times that the stream was created again.
    pub recreations: u64,
}

impl Tally {
    /// Adds the numbers of another run.
    pub const fn add(&mut self, other: &Self) {
        self.user_records += other.user_records;
        self.rejected += other.rejected;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.lost += other.lost;
        self.auto_lost += other.auto_lost;
        self.recreated_lost += other.recreated_lost;
        self.unaccounted += other.unaccounted;
        self.duplicates += other.duplicates;
        self.order_violations += other.order_violations;
        self.out_of_order += other.out_of_order;
        if self.most_in_flight < other.most_in_flight {
            self.most_in_flight = other.most_in_flight;
        }
        self.late_end += other.late_end;
        self.over_bound += other.over_bound;
        self.reshards += other.reshards;
        self.dropped_aggregates += other.dropped_aggregates;
        self.switches += other.switches;
        self.raw += other.raw;
        self.recreations += other.recreations;
    }

    /// Returns true if a promise was broken.
    #[must_use]
    pub const fn is_bad(&self) -> bool {
        self.lost + self.unaccounted + self.order_violations + self.late_end + self.over_bound > 0
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
    /// Each record with its number among all records of the stream.
    records: Vec<(u64, PutRecord)>,
}

impl ShardModel {
    fn range(&self) -> HashKeyRange {
        self.shard.hash_key_range()
    }

    /// Returns the shard as a listing at that time contains it, if it does.
    fn listed(&self, at: u64) -> Option<Shard> {
        let shard = self.shard.clone();
        let is_closed = self.closed_at.is_some_and(|closed_at| closed_at <= at);
        let listed = if is_closed { shard.closed() } else { shard };
        (self.created_at <= at).then_some(listed)
    }
}

#[derive(Default)]
struct Stream {
    /// Empty while the stream is deleted.
    shards: Vec<ShardModel>,
    /// The shards of deleted streams.
    past: Vec<ShardModel>,
    record_count: u64,
    reshards: u64,
    is_auto: bool,
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

    fn delete(&mut self) {
        self.past.append(&mut self.shards);
    }

    fn create_again(&mut self, random: &mut Random, now: u64) {
        self.create(0, u128::MAX, &[], now);
        let before = self.reshards;
        for _ in 0..random.below(4) {
            self.reshard(random, now);
        }
        self.reshards = before;
    }

    fn put(&mut self, record: &PutRecord, random: &mut Random) -> PutResult {
        let hash_key = hash_key_of(record);
        let open = self.open();
        let place = if self.is_auto {
            random.index(open.len())
        } else {
            let has = |&index: &usize| self.shards[index].range().contains(hash_key);
            open.iter().position(has).unwrap()
        };
        let shard = &mut self.shards[open[place]];
        self.record_count += 1;
        shard.records.push((self.record_count, record.clone()));
        PutResult::Stored {
            shard_id: Arc::clone(shard.shard.id()),
            sequence_number: self.record_count.to_string().into(),
        }
    }
}

enum Event {
    /// Another user record is ready to be pushed.
    Push,
    /// User records that were rejected for lack of room are pushed again.
    PushAgain,
    /// The time at which the producer asked to be called.
    Wake,
    Reshard,
    /// The stream switches between distributing records itself and by key.
    Switch,
    Delete,
    CreateAgain,
    /// The producer's clock jumps.
    ClockJump(i64),
    Arrival {
        id: RequestId,
        records: Vec<PutRecord>,
        fate: Fate,
    },
    Answer {
        id: RequestId,
        results: Vec<PutResult>,
        /// User records that are delivered by the KPL's rule.
        by_themselves: Vec<u64>,
    },
    Failure(RequestId, RequestFailure),
    Listed {
        /// By the producer's clock.
        requested_at: Duration,
        shards: Result<Vec<Shard>, RequestFailure>,
        distribution: Option<DistributionAnswer>,
    },
}

#[derive(PartialEq, Eq)]
enum Fate {
    Answered,
    AnswerLost,
    AnswerCut,
}

/// What the simulation knows about a user record that the producer accepted.
struct Accepted {
    /// When its time to live is over.
    expiry: Duration,
    /// The last moment at which it was in flight.
    in_flight_until: Duration,
    requests_in_flight: u32,
    /// True if the producer held it while the service distributed records, without order.
    is_unordered: bool,
    end: Option<End>,
}

struct Simulation {
    rule: Rule,
    random: Random,
    stream: Stream,
    producer: ProducerCore<u64>,
    bound: usize,
    ttl: Duration,
    has_own_ttl: bool,
    has_order: bool,
    now: u64,
    /// The offset of the producer's clock from that time.
    clock_offset: i64,
    /// The latest time that the producer's clock has shown.
    clock: Duration,
    /// The times of the clock before and after each jump.
    jumps: Vec<(Duration, Duration)>,
    schedule: BTreeMap<(u64, u64), Event>,
    scheduled: u64,
    woken_at: Option<u64>,
    is_between_steps: bool,
    is_listing: bool,
    may_ask: bool,
    /// All user records to push, by token.
    user_records: Vec<OwnedUserRecord>,
    /// When each of them was ready to be pushed.
    put_at: Vec<Duration>,
    next: usize,
    is_waiting: bool,
    accepted: BTreeMap<u64, Accepted>,
    last_put_at: Duration,
    in_flight: HashMap<RequestId, Vec<u64>>,
    tally: Tally,
    /// In percent.
    throttling: u64,
    losses: u64,
    /// User records that are delivered by the KPL's rule and not sent again.
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
/// The time of the clock at the start: not 0, so that the clock can go back.
const CLOCK_START: u64 = 60_000 * MS;

fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap()
}

impl Simulation {
    fn new(seed: u64, rule: Rule) -> Self {
        let mut random = Random(seed);
        let mut stream = Stream::default();
        stream.create_again(&mut random, 0);
        let map = match rule {
            Rule::AnyShard => ShardMap::new([Shard::new(ANY_SHARD, HashKeyRange::FULL)]),
            _ => ShardMap::new(stream.shards.iter().filter_map(|shard| shard.listed(0))),
        };
        let bound = 3_000 + random.index(200_000);
        let max_count = 1 + random.below(30);
        let limits = Limits::new()
            .with_max_count(usize::try_from(max_count).unwrap())
            .and_then(|limits| limits.with_max_size(600 + u32::try_from(max_count).unwrap() * 40))
            .unwrap();
        let ttl = duration((200 + random.below(20_000)) * MS);
        let max_silence = (500 + random.below(5_000)) * MS;
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
            .with_max_silence(match rule {
                Rule::NeverDoubts => Duration::MAX,
                _ => duration(max_silence),
            })
            .with_refresh_interval(duration((200 + random.below(5_000)) * MS))
            .with_ttl(ttl);
        if random.percent(30) {
            // Longer than the time to live.
            settings = settings.with_max_age(ttl + duration(random.below(1_000) * MS));
        }
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
        if random.percent(30) {
            settings = settings.with_unfit_for_raw(UnfitForRaw::Aggregate);
        }
        let has_order = rule != Rule::NoOrder && (rule == Rule::TwoCallers || random.percent(75));
        if !has_order {
            settings = settings.with_order(Order::None);
        }
        settings = settings
            .with_one_key(random.percent(10))
            .with_shard_shares(random.percent(70))
            .with_step_count(1 + random.index(40))
            .with_fail_if_throttled(random.percent(5))
            .with_outer_key(match random.below(5) {
                0 => OuterKey::Kpl,
                1 => OuterKey::Chosen("fleet 3".into()),
                _ => OuterKey::FirstUserRecord,
            });
        let has_own_ttl = random.percent(30);
        let throttling = [0, 5, 40][random.index(3)];
        let losses = [0, 3, 20][random.index(3)];
        let is_kpl = rule == Rule::PerUserRecord;
        let has_auto = random.percent(40) && !is_kpl;
        let has_recreation = random.percent(25) && !is_kpl;
        let has_jumps = random.percent(20) && !has_recreation && !is_kpl;
        stream.is_auto = has_auto && random.percent(50);
        let may_ask = random.percent(60);
        let start = duration(CLOCK_START);
        let producer = ProducerCore::new(map.unwrap(), start, settings, random.next());
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
            if has_auto && random.percent(10) {
                return OwnedUserRecord::without_partition_key(data);
            }
            let user_record = OwnedUserRecord::new(partition_key, data)
                .with_explicit_hash_key(hash_key.map(HashKey::new));
            match has_auto && random.percent(3) {
                true => user_record.with_tag("tag", None),
                false => user_record,
            }
        });
        let user_records = user_records.collect();
        let mut simulation = Self {
            rule,
            producer,
            bound,
            ttl,
            has_own_ttl,
            has_order,
            stream,
            now: 0,
            clock_offset: signed(CLOCK_START),
            clock: start,
            jumps: Vec::new(),
            schedule: BTreeMap::new(),
            scheduled: 0,
            woken_at: None,
            is_between_steps: false,
            is_listing: false,
            may_ask,
            user_records,
            put_at: Vec::new(),
            next: 0,
            is_waiting: false,
            accepted: BTreeMap::new(),
            last_put_at: Duration::ZERO,
            in_flight: HashMap::new(),
            tally: Tally::default(),
            throttling,
            losses,
            by_themselves: HashSet::new(),
            random,
        };
        if rule != Rule::AnyShard {
            let answer = simulation.distribution();
            simulation.producer.set_distribution(&answer, start);
        }
        let length = 200 * MS + simulation.random.below(3_000) * MS;
        for _ in 0..count {
            let at = simulation.random.below(length);
            simulation.at(at, Event::Push);
        }
        for _ in 0..=simulation.random.below(6) {
            let at = simulation.random.below(length);
            simulation.at(at, Event::Reshard);
        }
        if has_auto {
            for _ in 0..=simulation.random.below(3) {
                let at = simulation.random.below(length);
                simulation.at(at, Event::Switch);
            }
        }
        if has_recreation {
            let deleted_at = simulation.random.below(length);
            // The producer does not notice a faster recreation.
            let pause = max_silence + MS + simulation.random.below(2_000) * MS;
            simulation.at(deleted_at, Event::Delete);
            simulation.at(deleted_at + pause, Event::CreateAgain);
            // User records that are pushed around the recreation.
            for _ in 0..count / 4 {
                let at = deleted_at + simulation.random.below(2 * pause);
                simulation.at(at, Event::Push);
                let token = u64::try_from(simulation.user_records.len()).unwrap();
                let mut copy = simulation.user_records[0].clone();
                let data = token.to_be_bytes().to_vec();
                copy = OwnedUserRecord::new(copy.partition_key().unwrap_or("none"), data)
                    .with_explicit_hash_key(copy.explicit_hash_key());
                simulation.user_records.push(copy);
            }
        }
        if has_jumps {
            for _ in 0..=simulation.random.below(4) {
                let at = simulation.random.below(length);
                let width = [50 * MS, 2_000 * MS, 20_000 * MS][simulation.random.index(3)];
                let width = signed(simulation.random.below(width));
                let by = if simulation.random.percent(50) {
                    -width
                } else {
                    width
                };
                simulation.at(at, Event::ClockJump(by));
            }
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

    /// Reads the producer's clock.
    fn read_clock(&mut self) -> Duration {
        let shown = signed(self.now) + self.clock_offset;
        let shown = duration(u64::try_from(shown).unwrap_or_default());
        self.clock = self.clock.max(shown);
        shown
    }

    fn distribution(&self) -> DistributionAnswer {
        match (self.may_ask, self.stream.is_auto) {
            (false, _) => DistributionAnswer::Denied("not permitted".into()),
            (true, false) => DistributionAnswer::Known(Distribution::ByKey),
            (true, true) => DistributionAnswer::Known(Distribution::Auto),
        }
    }

    fn run(&mut self) {
        while let Some(((at, _), event)) = self.schedule.pop_first() {
            self.now = at;
            let before = self.clock;
            if let Event::ClockJump(by) = event {
                self.clock_offset += by;
            }
            let now = self.read_clock();
            self.handle(event, now, before);
            self.drive();
        }
        assert_eq!(
            self.producer.buffered_count(),
            0,
            "the producer holds user records, but no event is scheduled"
        );
    }

    fn handle(&mut self, event: Event, now: Duration, before: Duration) {
        match event {
            Event::Push => {
                self.put_at.push(now);
                self.push();
            }
            Event::PushAgain => {
                self.is_waiting = false;
                self.push();
            }
            Event::Wake => self.woken_at = None,
            Event::Reshard if self.stream.shards.is_empty() => {}
            Event::Reshard => self.stream.reshard(&mut self.random, self.now),
            Event::Switch => {
                self.stream.is_auto = !self.stream.is_auto;
                self.tally.switches += 1;
            }
            Event::Delete => self.stream.delete(),
            Event::CreateAgain => {
                self.stream.create_again(&mut self.random, self.now);
                self.tally.recreations += 1;
            }
            Event::ClockJump(_) => self.jumps.push((before, self.clock)),
            Event::Arrival { id, records, fate } => self.arrive(id, records, &fate),
            Event::Answer {
                id,
                results,
                by_themselves,
            } => {
                self.by_themselves.extend(by_themselves);
                self.landed(id);
                self.producer.handle_answer(id, results, now).unwrap();
            }
            Event::Failure(id, failure) => {
                self.landed(id);
                let failure = self.reported(failure);
                self.producer.handle_failure(id, failure, now).unwrap();
            }
            Event::Listed {
                requested_at,
                shards,
                distribution,
            } => {
                self.is_listing = false;
                if let Some(answer) = distribution {
                    self.producer.set_distribution(&answer, now);
                }
                let keep = duration(self.random.below(500) * MS);
                match shards {
                    Ok(shards) => {
                        // Pages from two moments need not form a map.
                        if let Ok(map) = self.producer.map().refreshed(shards, now, keep) {
                            self.producer.replace_map(map, requested_at, now);
                        }
                    }
                    Err(failure) => {
                        let failure = self.reported(failure);
                        self.producer.handle_listing_failure(&failure, now);
                    }
                }
            }
        }
    }

    /// Returns the failure to report to the producer.
    fn reported(&self, failure: RequestFailure) -> RequestFailure {
        match (self.rule, failure) {
            (Rule::NeverDoubts, RequestFailure::StreamNotFound(text)) => {
                RequestFailure::NoAnswer(text)
            }
            (_, failure) => failure,
        }
    }

    /// Updates the user records of a request that is no longer in flight.
    fn landed(&mut self, id: RequestId) {
        let clock = self.clock;
        for token in self.in_flight.remove(&id).unwrap() {
            let accepted = self.accepted.get_mut(&token).unwrap();
            accepted.requests_in_flight -= 1;
            accepted.in_flight_until = clock;
        }
    }

    /// Pushes user records in order: those that were rejected for lack of room
    /// before later ones.
    fn push(&mut self) {
        while self.next < self.put_at.len() && !self.is_waiting {
            // Two callers: the later of two user records is pushed first.
            let swapped = match self.rule {
                Rule::TwoCallers => (self.next ^ 1).min(self.user_records.len() - 1),
                _ => self.next,
            };
            let token = u64::try_from(swapped).unwrap();
            let put_at = self.put_at[self.next];
            let user_record = &self.user_records[swapped];
            let now = self.read_clock_again();
            if put_at + self.ttl <= self.clock {
                // Like the driver.
                self.next += 1;
                self.tally.rejected += 1;
                continue;
            }
            let put_at = put_at.min(self.clock).max(self.last_put_at);
            let own_ttl = match self.random.percent(10) {
                true => self.random.below(60_000),
                false => 1 + self.random.below(300),
            };
            let own_expiry = self.clock + duration(own_ttl * MS + 1);
            let is_own = self.has_own_ttl && self.random.percent(20);
            let (pushed, expiry) = if is_own {
                let user_record = user_record.clone();
                let producer = &mut self.producer;
                let pushed = producer.push_until(user_record, token, put_at, own_expiry, now);
                (pushed, own_expiry)
            } else {
                let pushed = self.producer.push(user_record.clone(), token, put_at, now);
                (pushed, put_at + self.ttl)
            };
            match pushed {
                Ok(()) => {
                    self.last_put_at = put_at;
                    self.next += 1;
                    self.tally.user_records += 1;
                    let accepted = Accepted {
                        expiry,
                        in_flight_until: Duration::ZERO,
                        requests_in_flight: 0,
                        is_unordered: false,
                        end: None,
                    };
                    let before = self.accepted.insert(token, accepted);
                    self.tally.unaccounted += u64::from(before.is_some());
                }
                Err(rejected) => {
                    assert_eq!(rejected.user_record, *user_record);
                    if matches!(
                        rejected.reason,
                        RejectionReason::BufferFull { .. } | RejectionReason::ShardFull { .. }
                    ) {
                        self.is_waiting = true;
                        self.after(5 * MS, Event::PushAgain);
                    } else {
                        assert!(matches!(
                            rejected.reason,
                            RejectionReason::NoPartitionKey | RejectionReason::CannotGoRaw
                        ));
                        self.next += 1;
                        self.tally.rejected += 1;
                    }
                }
            }
            if self.next == self.user_records.len() || self.random.percent(2) {
                self.producer.flush();
            }
        }
    }

    fn read_clock_again(&self) -> Duration {
        let shown = signed(self.now) + self.clock_offset;
        duration(u64::try_from(shown).unwrap_or_default())
    }

    /// Calls the producer as a driver does after each event.
    fn drive(&mut self) {
        let now = self.read_clock();
        if self.stream.is_auto || self.producer.distribution() == Distribution::Auto {
            let open = self.accepted.values_mut();
            for accepted in open.filter(|accepted| accepted.end.is_none()) {
                accepted.is_unordered = true;
            }
        }
        self.is_between_steps = !self.is_between_steps && self.random.percent(3);
        if self.is_between_steps {
            // Other tasks run between two steps, and their events are handled first.
            self.producer.step(now);
            self.after(1, Event::Wake);
            return;
        }
        while let Some(request) = self.producer.poll_request(now) {
            self.send(request);
        }
        self.tally.over_bound += u64::from(self.producer.buffered_len() > self.bound);
        let in_flight = self.producer.shard_snapshots(now);
        let most = in_flight.map(|shard| shard.records_in_flight).max();
        let most = u64::try_from(most.unwrap_or_default()).unwrap();
        self.tally.most_in_flight = self.tally.most_in_flight.max(most);
        while let Some(event) = self.producer.poll_event() {
            let (token, end) = match event {
                ProducerEvent::Delivered { token, .. } => (token, End::Delivered),
                ProducerEvent::Failed { token, failure } => {
                    let index = usize::try_from(token).unwrap();
                    let is_same = failure.user_record == self.user_records[index];
                    self.tally.unaccounted += u64::from(!is_same);
                    (token, End::Failed)
                }
                ProducerEvent::Notice(_) => continue,
            };
            self.end(token, end);
        }
        let wants_listing = self.producer.wants_refresh() || self.random.percent(1);
        let never = self.rule == Rule::NeverDoubts && self.tally.recreations > 0;
        if wants_listing && !self.is_listing && self.rule != Rule::AnyShard && !never {
            self.is_listing = true;
            self.list(now);
        }
        if let Some(at) = self.producer.poll_timeout() {
            let clock = self.clock;
            assert!(
                at > clock,
                "timeout at {at:?}, but it is {clock:?} already: {:#?}",
                self.producer
            );
            let at = i64::try_from(at.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX / 2);
            let at = u64::try_from(at - self.clock_offset).unwrap_or_default();
            let late = match self.rule {
                Rule::WakesLate => 300 * MS,
                _ => 0,
            };
            let at = at.max(self.now + 1) + late;
            if self.woken_at.is_none_or(|woken_at| woken_at > at) {
                self.woken_at = Some(at);
                self.at(at, Event::Wake);
            }
        }
    }

    fn end(&mut self, token: u64, end: End) {
        let Some(accepted) = self.accepted.get_mut(&token) else {
            self.tally.unaccounted += 1;
            return;
        };
        self.tally.unaccounted += u64::from(accepted.end.is_some());
        accepted.end = Some(end);
        if end == End::Failed {
            let mut latest = accepted.expiry.max(accepted.in_flight_until);
            for &(before, after) in &self.jumps {
                if before <= latest && latest < after {
                    latest = after;
                }
            }
            // The simulation counts microseconds, the producer nanoseconds.
            self.tally.late_end += u64::from(self.clock > latest + duration(2));
        }
    }

    fn list(&mut self, requested_at: Duration) {
        let (latency, tail) = (self.latency(), self.latency());
        let distribution = (!self.random.percent(10)).then(|| self.distribution());
        let listed = if self.random.percent(15) {
            Event::Listed {
                requested_at,
                shards: Err(RequestFailure::NoAnswer("timeout".into())),
                distribution: None,
            }
        } else if self.stream.shards.is_empty() {
            Event::Listed {
                requested_at,
                shards: Err(RequestFailure::StreamNotFound("deleted".into())),
                distribution: None,
            }
        } else {
            Event::Listed {
                requested_at,
                shards: Ok(self.listing()),
                distribution,
            }
        };
        self.after(latency + tail, listed);
    }

    /// Returns the shards as of some time ago. The pages may be from two moments.
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
        let tokens = records.iter().flat_map(deaggregate);
        let tokens: Vec<_> = tokens.map(|(token, _)| token).collect();
        for token in &tokens {
            let accepted = self.accepted.get_mut(token).unwrap();
            accepted.requests_in_flight += 1;
            assert_eq!(accepted.requests_in_flight, 1, "in flight twice");
            self.tally.late_end += u64::from(accepted.expiry <= self.clock);
        }
        self.in_flight.insert(id, tokens);
        let latency = self.latency();
        let no_answer = || RequestFailure::NoAnswer("timeout".into());
        if self.random.percent(self.losses) {
            match self.random.below(5) {
                // The request never arrives.
                0 => self.after(latency, Event::Failure(id, no_answer())),
                // The request arrives after its failure was reported.
                1 => {
                    self.after(latency, Event::Failure(id, no_answer()));
                    let late = latency + self.random.below(2_000) * MS;
                    let fate = Fate::AnswerLost;
                    self.after(late, Event::Arrival { id, records, fate });
                }
                2 => {
                    let fate = Fate::AnswerLost;
                    self.after(latency, Event::Arrival { id, records, fate });
                    let late = latency + self.latency();
                    self.after(late, Event::Failure(id, no_answer()));
                }
                3 => {
                    let fate = Fate::AnswerCut;
                    self.after(latency, Event::Arrival { id, records, fate });
                }
                _ => {
                    let failure = RequestFailure::Rejected("no".into());
                    self.after(latency, Event::Failure(id, failure));
                }
            }
            return;
        }
        let fate = Fate::Answered;
        // Some requests are so slow that the stream may have been created again when
        // they arrive.
        let slow = if self.random.percent(1) {
            self.random.below(8_000) * MS
        } else {
            0
        };
        self.after(latency + slow, Event::Arrival { id, records, fate });
    }

    fn arrive(&mut self, id: RequestId, records: Vec<PutRecord>, fate: &Fate) {
        let latency = self.latency();
        let has_keyless = records.iter().any(|record| record.partition_key.is_none());
        let failure = if self.stream.shards.is_empty() {
            Some(RequestFailure::StreamNotFound("deleted".into()))
        } else if has_keyless && !self.stream.is_auto {
            Some(RequestFailure::Rejected("no partition key".into()))
        } else {
            None
        };
        if let Some(failure) = failure {
            if *fate != Fate::AnswerLost {
                self.after(latency, Event::Failure(id, failure));
            }
            return;
        }
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
            self.tally.raw += u64::from(!is_aggregated(&record) && self.stream.is_auto);
            let result = match self.rule {
                Rule::PerUserRecord => self.put_as_kpl(&record, &mut by_themselves),
                Rule::AnyShard => {
                    self.stream.put(&record, &mut self.random);
                    PutResult::Stored {
                        shard_id: ANY_SHARD.into(),
                        sequence_number: "0".into(),
                    }
                }
                _ => self.stream.put(&record, &mut self.random),
            };
            results.push(result);
        }
        if *fate == Fate::AnswerCut {
            results.pop();
        }
        if *fate != Fate::AnswerLost {
            let answer = Event::Answer {
                id,
                results,
                by_themselves,
            };
            self.after(latency, answer);
        }
    }

    /// Puts the user records that the KPL would send: not those that it considers
    /// delivered.
    fn put_as_kpl(&mut self, record: &PutRecord, by_themselves: &mut Vec<u64>) -> PutResult {
        let all = deaggregate(record);
        let rest: Vec<_> = all
            .iter()
            .filter(|(token, _)| !self.by_themselves.contains(token))
            .collect();
        let Some(&(_, first)) = all.first() else {
            return self.stream.put(record, &mut self.random);
        };
        if rest.is_empty() {
            // Nothing is left to send, so this returns a made-up answer.
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
        (smaller.data, smaller.partition_key) = (data, Some(partition_key));
        smaller.explicit_hash_key = explicit_hash_key;
        let result = self.stream.put(&smaller, &mut self.random);
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

    /// Reads the whole stream, and compares it with the reports of the producer.
    fn tally(mut self) -> Tally {
        let mut tally = self.tally;
        for token in &self.by_themselves {
            if let Some(accepted) = self.accepted.get_mut(token) {
                accepted.end = Some(End::Delivered);
            }
        }
        tally.reshards = self.stream.reshards;
        // Shards in reading order: parents before children.
        let shards = self.stream.past.iter().chain(&self.stream.shards);
        let mut records: Vec<_> = shards
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
            // No consumer drops a raw record.
            let is_dropped =
                is_aggregated(record) && !user_records.iter().all(|(_, key)| range.contains(*key));
            tally.dropped_aggregates += u64::from(is_dropped);
            for (token, hash_key) in user_records {
                tally.duplicates += u64::from(!taken.insert(token));
                let Some(accepted) = self.accepted.get(&token) else {
                    tally.unaccounted += 1;
                    continue;
                };
                if is_dropped || !filtered.insert(token) {
                    continue;
                }
                if accepted.end == Some(End::Delivered) && !accepted.is_unordered {
                    let latest = latest.entry(hash_key).or_insert(token);
                    let is_late = u64::from(token < *latest);
                    if self.has_order {
                        tally.order_violations += is_late;
                    } else {
                        tally.out_of_order += is_late;
                    }
                    *latest = token.max(*latest);
                }
            }
        }
        assert_eq!(self.next, self.user_records.len());
        for (token, accepted) in &self.accepted {
            match accepted.end {
                None => tally.unaccounted += 1,
                Some(End::Failed) => tally.failed += 1,
                Some(End::Delivered) => {
                    tally.delivered += 1;
                    let is_seen = taken.contains(token) && filtered.contains(token);
                    tally.lost += u64::from(!is_seen);
                }
            }
        }
        if tally.switches > 0 {
            tally.auto_lost = tally.lost;
        }
        if tally.recreations > 0 {
            tally.recreated_lost = tally.lost;
        }
        tally
    }
}

fn is_aggregated(record: &PutRecord) -> bool {
    let records = [record.data.clone()];
    kinesis_agg::deaggregate(&records).all(|delivered| delivered.user_record().is_some())
}

fn hash_key_of(record: &PutRecord) -> HashKey {
    let key = record.partition_key.as_deref().unwrap_or_default();
    let of_key = || HashKey::of_partition_key(key.as_bytes());
    record.explicit_hash_key.unwrap_or_else(of_key)
}

/// Returns the token and the hash key of each user record.
fn deaggregate(record: &PutRecord) -> Vec<(u64, HashKey)> {
    let token = |data: &[u8]| u64::from_be_bytes(*data.first_chunk().unwrap());
    let records = [record.data.clone()];
    let delivered = kinesis_agg::deaggregate(&records);
    let read = delivered.map(|delivered| match delivered.user_record() {
        Some(read) => (token(read.data()), read.hash_key().unwrap()),
        None => (token(delivered.data()), hash_key_of(record)),
    });
    read.collect()
}
