//! Drives a producer between a caller and a stream that may answer anything. Each
//! token must end exactly once, and a user record may end as delivered only if the
//! shard that stored it owns the hash keys of its whole aggregate. Also drives the
//! sharded aggregator alone, which must not lose user records either.
//!
//! The checks identify user records by their tokens, which their data starts with,
//! and know the shards from [`World`], which the input controls. From the producer they
//! use only requests and events.

use core::slice;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use kinesis_agg::producer::{
    AttemptOutcome, Distribution, DistributionAnswer, FailureReason, ProducerEvent, PutRecord,
    PutRequest, PutResult, RequestFailure, RequestId,
};
use kinesis_agg::shards::{RejectionReason, ShardAggregate, ShardedLimits};
use kinesis_agg::write::{Limits, OuterKey};
use kinesis_agg::{
    Delivered, HashKey, HashKeyRange, OwnedAggregate, OwnedDelivered, OwnedUserRecord,
    ProducerCore, ProducerSettings, Shard, ShardMap, ShardedAggregator, deaggregate,
};

#[derive(Arbitrary, Debug)]
struct Input {
    is_core: bool,
    settings: Settings,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
struct Settings {
    max_size: u8,
    max_count: u8,
    max_age: u8,
    max_buffered_len: u16,
    is_kpl: bool,
    max_request_count: u8,
    max_request_len: u16,
    max_requests_in_flight: u8,
    ttl: u8,
    max_attempts: Option<u8>,
    backoff: [u8; 2],
    rate: Option<[u8; 2]>,
    seed: u64,
    /// Whether, at the end, a shard listing arrives when the producer asks for one.
    is_listed_at_end: bool,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Push(UserRecord),
    PushTimes(UserRecord, u8),
    Advance(u8),
    Flush,
    FlushShard(u8),
    Poll,
    Answer(u8, Vec<Reply>),
    /// Answers with the same reply for all records.
    AnswerAll(u8, Reply),
    Fail(u8, bool),
    /// Answers a request that is no longer in flight.
    AnswerAgain(Vec<Reply>),
    Split(u8, u8),
    Merge(u8),
    /// Provides a listing: how many reshards old it is, and how many milliseconds
    /// closed shards are remembered.
    Refresh(u8, u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct UserRecord {
    key: u8,
    hash_key: Option<u8>,
    len: u8,
}

/// The reply for one record, which may be a lie.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Reply {
    Stored,
    Rejected,
    /// Stored in any shard that has ever existed.
    StoredIn(u8),
    StoredNowhere,
}

/// All shards that have ever existed.
struct World {
    ranges: HashMap<Arc<str>, HashKeyRange>,
    /// The listing after each reshard.
    listings: Vec<Vec<Shard>>,
}

impl World {
    fn new() -> Self {
        let first = Shard::new("0", HashKeyRange::FULL);
        Self {
            ranges: HashMap::from([(Arc::clone(first.id()), HashKeyRange::FULL)]),
            listings: vec![vec![first]],
        }
    }

    fn now(&self) -> &[Shard] {
        self.listings.last().unwrap()
    }

    fn open(&self) -> Vec<Shard> {
        let mut open: Vec<_> = self
            .now()
            .iter()
            .filter(|shard| shard.is_open())
            .cloned()
            .collect();
        open.sort_by_key(|shard| shard.hash_key_range().starting_hash_key());
        open
    }

    fn reshard(&mut self, parents: &[Shard], ranges: &[HashKeyRange]) {
        let mut listing = self.now().to_vec();
        for shard in &mut listing {
            if parents.iter().any(|parent| parent.id() == shard.id()) {
                *shard = shard.clone().closed();
            }
        }
        for &range in ranges {
            let mut shard = Shard::new(self.ranges.len().to_string(), range);
            for parent in parents {
                shard = shard.with_parent(Arc::clone(parent.id()));
            }
            self.ranges.insert(Arc::clone(shard.id()), range);
            listing.push(shard);
        }
        self.listings.push(listing);
    }

    /// Splits a shard at one of the hash keys of the user records, if it can be split
    /// there.
    fn split(&mut self, which: u8, at: u8) {
        let open = self.open();
        let parent = &open[usize::from(which) % open.len()];
        let starting = parent.hash_key_range().starting_hash_key();
        let ending = parent.hash_key_range().ending_hash_key();
        let middle = hash_key(at);
        if starting < middle && middle <= ending {
            let below = HashKey::new(middle.to_u128() - 1);
            let low = HashKeyRange::new(starting, below).unwrap();
            let high = HashKeyRange::new(middle, ending).unwrap();
            self.reshard(slice::from_ref(parent), &[low, high]);
        }
    }

    fn merge(&mut self, which: u8) {
        let open = self.open();
        if open.len() > 1 {
            let first = usize::from(which) % (open.len() - 1);
            let (low, high) = (
                open[first].hash_key_range(),
                open[first + 1].hash_key_range(),
            );
            let both = HashKeyRange::new(low.starting_hash_key(), high.ending_hash_key());
            self.reshard(&open[first..first + 2], &[both.unwrap()]);
        }
    }

    fn shard_of(&self, hash_key: HashKey) -> Arc<str> {
        let open = self.open();
        let mut having = open
            .iter()
            .filter(|shard| shard.hash_key_range().contains(hash_key));
        Arc::clone(having.next().unwrap().id())
    }
}

/// Returns one of 16 hash keys, spread over the whole range.
fn hash_key(which: u8) -> HashKey {
    let which = u128::from(which % 16);
    HashKey::new(which << 124 | which)
}

fn millis(millis: u8) -> Duration {
    Duration::from_millis(millis.into())
}

impl Settings {
    fn limits(&self) -> Limits {
        let limits = Limits::new().with_max_count(usize::from(self.max_count % 12) + 1);
        let max_size = 80 + 4 * u32::from(self.max_size);
        limits
            .and_then(|limits| limits.with_max_size(max_size))
            .unwrap()
    }

    fn sharded(&self) -> ShardedLimits {
        let outer_key = match self.is_kpl {
            true => OuterKey::Kpl,
            false => OuterKey::FirstUserRecord,
        };
        ShardedLimits::new()
            .with_limits(self.limits())
            .with_max_age(millis(self.max_age))
            .with_max_buffered_len(self.max_buffered_len.into())
            .with_outer_key(outer_key)
    }

    fn core(&self) -> ProducerSettings {
        let settings = ProducerSettings::new()
            // Listings arrive only as steps of the input.
            .with_max_silence(Duration::MAX)
            .with_refresh_interval(Duration::MAX)
            .with_limits(self.limits())
            .with_max_age(millis(self.max_age))
            .with_max_buffered_len(self.max_buffered_len.into())
            .with_max_request_count(usize::from(self.max_request_count % 6) + 1)
            .with_max_request_len(self.max_request_len.into())
            .with_max_requests_in_flight(usize::from(self.max_requests_in_flight % 5) + 1)
            .with_ttl(8 * millis(self.ttl))
            .with_backoff(millis(self.backoff[0]), 4 * millis(self.backoff[1]));
        let settings = match self.max_attempts {
            Some(attempts) => settings.with_max_attempts(usize::from(attempts % 5) + 1),
            None => settings,
        };
        match self.rate {
            Some([records, bytes]) => {
                settings.with_shard_rate(records.into(), 64 * u32::from(bytes))
            }
            None => settings,
        }
    }
}

/// Reads settings and steps from the input, and runs them.
pub fn check(input: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(input)) else {
        return;
    };
    let steps = input.steps.iter().take(120);
    if input.is_core {
        let mut core = Core::new(&input.settings);
        for step in steps {
            core.step(step);
            core.look();
        }
        core.finish();
    } else {
        let mut aggregator = Aggregator::new(&input.settings);
        for step in steps {
            aggregator.step(step);
            aggregator.look();
        }
        aggregator.finish();
    }
}

/// A user record that was pushed and has not ended yet, as its caller knows it.
#[derive(Debug)]
struct Pushed {
    user_record: OwnedUserRecord,
    at: Duration,
}

impl Pushed {
    fn hash_key(&self) -> HashKey {
        self.user_record.hash_key()
    }
}

fn user_record(token: u32, input: UserRecord) -> OwnedUserRecord {
    let key = match input.key % 16 {
        14 => String::new(),
        15 => "k".repeat(250 + usize::from(input.len % 12)),
        key => format!("key {key}"),
    };
    let mut data = token.to_be_bytes().to_vec();
    data.resize(4 + usize::from(input.len), 0xa5);
    OwnedUserRecord::new(key, data).with_explicit_hash_key(input.hash_key.map(hash_key))
}

/// Returns what a consumer reads.
fn consume(data: &bytes::Bytes) -> Vec<OwnedDelivered<bytes::Bytes>> {
    let records = [data.clone()];
    let read: Vec<_> = deaggregate(&records).map(Delivered::into_owned).collect();
    assert!(
        read.iter().all(OwnedDelivered::is_aggregated),
        "the data is not an aggregate"
    );
    read
}

fn token_of(user_record: &OwnedDelivered<bytes::Bytes>) -> u32 {
    u32::from_be_bytes(*user_record.data().first_chunk().unwrap())
}

fn check_read(read: &OwnedDelivered<bytes::Bytes>, pushed: &OwnedUserRecord) {
    assert!(read.partition_key().unwrap() == *pushed.partition_key().unwrap());
    assert_eq!(read.data(), pushed.data());
    assert_eq!(read.hash_key(), Ok(Some(pushed.hash_key())));
    let is_explicit = pushed.explicit_hash_key().is_some();
    assert_eq!(read.explicit_hash_key().is_some(), is_explicit);
}

fn key_of(record: &PutRecord) -> &str {
    record.partition_key.as_deref().unwrap()
}

/// Returns the hash key by which the service chooses the shard.
fn outer_hash_key(partition_key: &str, explicit_hash_key: Option<HashKey>) -> HashKey {
    explicit_hash_key.unwrap_or_else(|| HashKey::of_partition_key(partition_key.as_bytes()))
}

struct Aggregator {
    aggregator: ShardedAggregator<u32>,
    settings: ShardedLimits,
    max_age: Duration,
    limit: usize,
    world: World,
    now: Duration,
    waiting: BTreeMap<u32, Pushed>,
    next_token: u32,
    /// The last token that was sent for each hash key.
    handed_out: HashMap<HashKey, u32>,
}

impl Aggregator {
    fn new(settings: &Settings) -> Self {
        let world = World::new();
        let map = ShardMap::new(world.now().to_vec()).unwrap();
        Self {
            aggregator: ShardedAggregator::new(map, settings.sharded()),
            settings: settings.sharded(),
            max_age: millis(settings.max_age),
            limit: settings.max_buffered_len.into(),
            world,
            // Not zero, so that time can go backwards.
            now: Duration::from_secs(1),
            waiting: BTreeMap::new(),
            next_token: 0,
            handed_out: HashMap::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Push(user_record) => self.push(user_record),
            Step::PushTimes(user_record, times) => {
                (0..times % 16).for_each(|_| self.push(user_record));
            }
            Step::Advance(by) => {
                self.now += millis(by);
                while let Some(complete) = self.aggregator.flush_due(self.now) {
                    self.take(&complete);
                }
                let mut waiting = self.waiting.values();
                assert!(waiting.all(|pushed| pushed.at + self.max_age > self.now));
            }
            // Time goes backwards: callers should avoid that, but no user record may be lost.
            Step::Poll => self.now -= self.now.min(Duration::from_millis(3)),
            Step::Flush => {
                for complete in self.aggregator.flush_all() {
                    self.take(&complete);
                }
                assert!(self.waiting.is_empty());
            }
            Step::FlushShard(which) => {
                let shards = self.aggregator.map().open_shards();
                let shard = shards[usize::from(which) % shards.len()].clone();
                if let Some(complete) = self.aggregator.flush_shard(shard.id()) {
                    assert_eq!(&complete.shard_id, shard.id());
                    self.take(&complete);
                }
                let mut waiting = self.waiting.values();
                assert!(!waiting.any(|pushed| shard.hash_key_range().contains(pushed.hash_key())));
            }
            Step::Split(which, at) => self.world.split(which, at),
            Step::Merge(which) => self.world.merge(which),
            Step::Refresh(age, _) => {
                let newest = self.world.listings.len() - 1;
                let listing =
                    self.world.listings[newest.saturating_sub(usize::from(age % 4))].clone();
                for complete in self.aggregator.replace_map(ShardMap::new(listing).unwrap()) {
                    self.take(&complete);
                }
            }
            Step::Answer(..) | Step::AnswerAll(..) | Step::Fail(..) | Step::AnswerAgain(_) => {}
        }
    }

    fn push(&mut self, input: UserRecord) {
        let token = self.next_token;
        self.next_token += 1;
        let user_record = user_record(token, input);
        let needed = waiting_len(&user_record);
        let available = self.limit - self.buffered_len();
        match self.aggregator.push(user_record.clone(), token, self.now) {
            Err(rejected) => {
                assert_eq!((rejected.user_record, rejected.token), (user_record, token));
                let expected = match rejected.reason {
                    RejectionReason::Unfit(error) => {
                        assert!(!error.is_full() && needed <= available);
                        return;
                    }
                    _ if needed > self.limit => {
                        let limit = self.limit;
                        RejectionReason::LargerThanBuffer { needed, limit }
                    }
                    _ => RejectionReason::BufferFull { needed, available },
                };
                assert!(needed > available);
                assert_eq!(rejected.reason, expected);
            }
            Ok(complete) => {
                assert!(needed <= available);
                if let Some(complete) = complete {
                    self.take(&complete);
                }
                let at = self.now;
                self.waiting.insert(token, Pushed { user_record, at });
            }
        }
    }

    fn buffered_len(&self) -> usize {
        let waiting = self.waiting.values();
        waiting.map(|pushed| waiting_len(&pushed.user_record)).sum()
    }

    fn take(&mut self, complete: &ShardAggregate<u32>) {
        let limits = self.settings.limits();
        check_size(&complete.aggregate, limits);
        let read = consume(complete.aggregate.data());
        let tokens: Vec<_> = read.iter().map(token_of).collect();
        assert_eq!(tokens, complete.tokens);
        let range = self
            .aggregator
            .map()
            .find(&complete.shard_id)
            .unwrap()
            .hash_key_range();
        let mut hash_keys = Vec::new();
        for (token, read) in tokens.into_iter().zip(&read) {
            let pushed = self.waiting.remove(&token);
            let pushed = pushed.expect("a waiting user record that is in one aggregate only");
            check_read(read, &pushed.user_record);
            let hash_key = pushed.hash_key();
            assert!(range.contains(hash_key), "an aggregate spans two shards");
            if let Some(before) = self.handed_out.insert(hash_key, token) {
                assert!(before < token, "out of order");
            }
            hash_keys.push(hash_key);
        }
        let span = complete.hash_key_span;
        assert_eq!(hash_keys.iter().min(), Some(&span.starting_hash_key()));
        assert_eq!(hash_keys.iter().max(), Some(&span.ending_hash_key()));
        let aggregate = &complete.aggregate;
        let outer = outer_hash_key(aggregate.partition_key(), aggregate.explicit_hash_key());
        assert!(span.contains(outer));
    }

    fn look(&self) {
        assert_eq!(self.aggregator.is_empty(), self.waiting.is_empty());
        assert_eq!(self.aggregator.buffered_len(), self.buffered_len());
        let oldest = self.waiting.values().map(|pushed| pushed.at).min();
        match (self.aggregator.poll_timeout(), oldest) {
            (Some(due), Some(oldest)) => assert!(due <= oldest + self.max_age),
            (due, oldest) => assert_eq!((due, oldest), (None, None)),
        }
    }

    fn finish(&mut self) {
        self.step(&Step::Flush);
        self.look();
    }
}

/// Returns the buffered length of a user record, as documented: the length of an
/// aggregate that holds only this user record, plus the size of its token.
fn waiting_len(user_record: &OwnedUserRecord) -> usize {
    let new = kinesis_agg::write::NewUserRecord::new(
        user_record.partition_key().unwrap_or_default(),
        user_record.data(),
    )
    .with_explicit_hash_key(user_record.explicit_hash_key());
    usize::try_from(new.encoded_len_alone()).unwrap() + size_of::<u32>()
}

fn check_size(aggregate: &OwnedAggregate, limits: Limits) {
    let size = aggregate.data().len() + aggregate.partition_key().len();
    assert!(size <= usize::try_from(limits.max_size()).unwrap());
    assert!((1..=limits.max_count()).contains(&aggregate.record_count()));
}

/// A record that a reply reported as stored.
struct Stored {
    shard_id: Arc<str>,
    tokens: Vec<u32>,
}

struct Core {
    core: ProducerCore<u32>,
    settings: ProducerSettings,
    max_request_count: usize,
    max_request_len: usize,
    max_requests_in_flight: usize,
    max_buffered_len: usize,
    max_attempts: usize,
    ttl: Duration,
    has_rate: bool,
    is_listed_at_end: bool,
    world: World,
    now: Duration,
    next_token: u32,
    /// The user records that have not ended.
    open: BTreeMap<u32, Pushed>,
    hash_keys: HashMap<u32, HashKey>,
    /// How often each user record was sent.
    sent: HashMap<u32, usize>,
    in_flight: Vec<(RequestId, Vec<PutRecord>)>,
    answered: Option<RequestId>,
    /// Records reported as stored; the index of each is its sequence number.
    stored: Vec<Stored>,
}

impl Core {
    fn new(settings: &Settings) -> Self {
        let world = World::new();
        let map = ShardMap::new(world.now().to_vec()).unwrap();
        let start = Duration::ZERO;
        let mut core = ProducerCore::new(map, start, settings.core(), settings.seed);
        // The replies may name wrong shards. The producer must not conclude that the
        // service distributes the records itself.
        core.set_distribution(&DistributionAnswer::Known(Distribution::ByKey), start);
        Self {
            core,
            settings: settings.core(),
            max_request_count: usize::from(settings.max_request_count % 6) + 1,
            max_request_len: settings.max_request_len.into(),
            max_requests_in_flight: usize::from(settings.max_requests_in_flight % 5) + 1,
            max_buffered_len: settings.max_buffered_len.into(),
            max_attempts: settings
                .max_attempts
                .map_or(usize::MAX, |attempts| usize::from(attempts % 5) + 1),
            ttl: 8 * millis(settings.ttl),
            has_rate: settings.rate.is_some(),
            is_listed_at_end: settings.is_listed_at_end,
            world,
            now: Duration::ZERO,
            next_token: 0,
            open: BTreeMap::new(),
            hash_keys: HashMap::new(),
            sent: HashMap::new(),
            in_flight: Vec::new(),
            answered: None,
            stored: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Push(user_record) => self.push(user_record),
            Step::PushTimes(user_record, times) => {
                (0..times % 16).for_each(|_| self.push(user_record));
            }
            Step::Advance(by) => self.now += millis(by),
            Step::Flush | Step::FlushShard(_) => self.core.flush(),
            Step::Poll => self.poll(),
            Step::Answer(which, ref replies) => {
                if let Some((id, records)) = self.choose(which) {
                    self.answer(id, &records, replies.iter().copied());
                }
            }
            Step::AnswerAll(which, reply) => {
                if let Some((id, records)) = self.choose(which) {
                    let replies = records.iter().map(|_| reply);
                    self.answer(id, &records, replies);
                }
            }
            Step::Fail(which, is_rejected) => {
                if let Some((id, _)) = self.choose(which) {
                    let failure = match is_rejected {
                        true => RequestFailure::Rejected("no".into()),
                        false => RequestFailure::NoAnswer("nobody".into()),
                    };
                    self.core.handle_failure(id, failure, self.now).unwrap();
                }
            }
            Step::AnswerAgain(ref replies) => {
                if let Some(id) = self.answered {
                    let results = replies.iter().map(|_| PutResult::Rejected {
                        code: "again".into(),
                        message: "".into(),
                    });
                    let results = results.collect();
                    assert!(self.core.handle_answer(id, results, self.now).is_err());
                }
            }
            Step::Split(which, at) => self.world.split(which, at),
            Step::Merge(which) => self.world.merge(which),
            Step::Refresh(age, keep) => {
                let newest = self.world.listings.len() - 1;
                let listing =
                    self.world.listings[newest.saturating_sub(usize::from(age % 3))].clone();
                let map = self.core.map().refreshed(listing, self.now, millis(keep));
                self.core.replace_map(map.unwrap(), self.now, self.now);
            }
        }
    }

    fn push(&mut self, input: UserRecord) {
        let token = self.next_token;
        self.next_token += 1;
        let user_record = user_record(token, input);
        match self
            .core
            .push(user_record.clone(), token, self.now, self.now)
        {
            Ok(()) => {
                let at = self.now;
                self.hash_keys.insert(token, user_record.hash_key());
                self.open.insert(token, Pushed { user_record, at });
            }
            Err(rejected) => {
                assert_eq!((rejected.user_record, rejected.token), (user_record, token));
                if matches!(rejected.reason, RejectionReason::BufferFull { .. }) {
                    assert!(!self.open.is_empty(), "an empty buffer rejected as full");
                }
            }
        }
    }

    fn poll(&mut self) {
        while let Some(request) = self.core.poll_request(self.now) {
            self.end();
            self.check_request(&request);
            let records = request.records.iter();
            for read in records.flat_map(|record| consume(&record.data)) {
                *self.sent.entry(token_of(&read)).or_default() += 1;
            }
            self.in_flight.push((request.id, request.records));
        }
        self.end();
    }

    fn check_request(&self, request: &PutRequest) {
        let count = request.records.len();
        assert!((1..=self.max_request_count).contains(&count));
        assert!(self.in_flight.len() < self.max_requests_in_flight);
        let lens = request.records.iter();
        let len: usize = lens
            .map(|record| record.data.len() + key_of(record).len())
            .sum();
        assert!(count == 1 || len <= self.max_request_len);
        let mut on_their_way: HashSet<HashKey> = HashSet::new();
        for (_, records) in &self.in_flight {
            on_their_way.extend(records.iter().flat_map(|record| self.keys_of(record)));
        }
        for record in &request.records {
            let size = record.data.len() + key_of(record).len();
            assert!(size <= usize::try_from(self.settings.limits().max_size()).unwrap());
            let read = consume(&record.data);
            let tokens: Vec<_> = read.iter().map(token_of).collect();
            for (token, read) in tokens.iter().zip(&read) {
                // A user record that has ended must not be sent again.
                check_read(read, &self.open[token].user_record);
                let hash_key = self.hash_keys[token];
                let before = self.open.range(..token);
                let mut before = before.filter(|(_, pushed)| pushed.hash_key() == hash_key);
                assert!(
                    before.all(|(earlier, _)| tokens.contains(earlier)),
                    "a user record overtakes an earlier one with the same hash key"
                );
            }
            assert!(tokens.windows(2).all(|pair| {
                self.hash_keys[&pair[0]] != self.hash_keys[&pair[1]] || pair[0] < pair[1]
            }));
            let keys = self.keys_of(record);
            assert!(
                on_their_way.is_disjoint(&keys),
                "a hash key is in flight twice"
            );
            on_their_way.extend(keys);
        }
    }

    fn keys_of(&self, record: &PutRecord) -> HashSet<HashKey> {
        let read = consume(&record.data);
        read.iter()
            .map(|read| self.hash_keys[&token_of(read)])
            .collect()
    }

    fn choose(&mut self, which: u8) -> Option<(RequestId, Vec<PutRecord>)> {
        let count = self.in_flight.len();
        let chosen = usize::from(which).checked_rem(count)?;
        let (id, records) = self.in_flight.remove(chosen);
        self.answered = Some(id);
        Some((id, records))
    }

    fn answer(
        &mut self,
        id: RequestId,
        records: &[PutRecord],
        replies: impl Iterator<Item = Reply>,
    ) {
        let replies: Vec<_> = replies.take(40).collect();
        // With too few or too many results, the producer must not use any of them.
        let results = replies.iter().enumerate().map(|(place, reply)| {
            let record = records.get(place).unwrap_or(&records[0]);
            let hash_key = outer_hash_key(key_of(record), record.explicit_hash_key);
            let shard_id = match *reply {
                Reply::Stored => self.world.shard_of(hash_key),
                Reply::StoredIn(which) => {
                    let which = usize::from(which) % self.world.ranges.len();
                    which.to_string().into()
                }
                Reply::StoredNowhere => "nowhere".into(),
                Reply::Rejected => {
                    return PutResult::Rejected {
                        code: "InternalFailure".into(),
                        message: "".into(),
                    };
                }
            };
            let sequence_number = self.stored.len().to_string().into();
            self.stored.push(Stored {
                shard_id: Arc::clone(&shard_id),
                tokens: consume(&record.data).iter().map(token_of).collect(),
            });
            PutResult::Stored {
                shard_id,
                sequence_number,
            }
        });
        let results = results.collect();
        self.core.handle_answer(id, results, self.now).unwrap();
    }

    /// Polls and checks the events.
    fn end(&mut self) {
        while let Some(event) = self.core.poll_event() {
            match event {
                ProducerEvent::Delivered { token, delivery } => {
                    self.open.remove(&token).expect("a token that ends once");
                    let place: usize = delivery.sequence_number.parse().unwrap();
                    let stored = &self.stored[place];
                    assert_eq!(stored.shard_id, delivery.shard_id);
                    let place = usize::try_from(delivery.sub_sequence_number).unwrap();
                    assert_eq!(stored.tokens[place], token);
                    let range = self.world.ranges[&delivery.shard_id];
                    for token in &stored.tokens {
                        let is_kept = range.contains(self.hash_keys[token]);
                        assert!(is_kept, "a consumer would drop the aggregate");
                    }
                    assert_eq!(delivery.attempt_count, self.sent[&token]);
                    assert!(delivery.attempt_count <= self.max_attempts);
                }
                ProducerEvent::Failed { token, failure } => {
                    let pushed = self.open.remove(&token).expect("a token that ends once");
                    assert_eq!(failure.user_record, pushed.user_record);
                    let sent = self.sent.get(&token).copied().unwrap_or_default();
                    assert_eq!(failure.attempts.count(), sent);
                    assert!(sent <= self.max_attempts);
                    match failure.reason {
                        FailureReason::Expired => assert!(self.now >= pushed.at + self.ttl),
                        FailureReason::AttemptsExhausted => {
                            assert_eq!(failure.attempts.count(), self.max_attempts);
                        }
                        FailureReason::RejectedByService => assert!(matches!(
                            failure.attempts.last().unwrap().outcome,
                            AttemptOutcome::RequestFailed(RequestFailure::Rejected(_))
                        )),
                        other => panic!("unexpected failure: {other}"),
                    }
                }
                ProducerEvent::Notice(notice) => panic!("{notice}"),
            }
        }
    }

    fn look(&mut self) {
        self.end();
        assert_eq!(self.core.buffered_count(), self.open.len());
        assert!(self.core.buffered_len() <= self.max_buffered_len);
        let counters = self.core.counters();
        let ended = counters.user_records_delivered + counters.user_records_failed;
        let open = u64::try_from(self.open.len()).unwrap();
        assert_eq!(counters.user_records_in, ended + open);
    }

    /// Stores everything from now on, and checks that all user records end, if only
    /// because they expire.
    fn finish(&mut self) {
        for _ in 0..10_000 {
            // Answers take time. Otherwise, user records that are retried without a pause
            // would never expire.
            self.now += Duration::from_millis(1);
            while let Some((id, records)) = self.choose(0) {
                let replies = records.iter().map(|_| Reply::Stored);
                self.answer(id, &records, replies);
            }
            if self.core.wants_refresh() && self.is_listed_at_end {
                self.step(&Step::Refresh(0, 255));
            }
            self.poll();
            self.look();
            if self.open.is_empty() {
                assert_eq!(self.core.buffered_len(), 0);
                self.probe();
                return;
            }
            if self.in_flight.is_empty() {
                let at = self.core.poll_timeout();
                self.now = self.now.max(at.expect("a timeout while user records wait"));
            }
        }
        panic!("user records without an outcome: {:?}", self.open.keys());
    }

    /// Checks that, after all pauses, user records that have ended do not block new
    /// ones. A shard pauses after a failure even if that was the last attempt.
    fn probe(&mut self) {
        for hash_key in 0..16 {
            self.now += Duration::from_secs(10);
            self.push(UserRecord {
                key: 0,
                hash_key: Some(hash_key),
                len: 0,
            });
            self.core.flush();
            let is_taken = !self.open.is_empty();
            if is_taken && !self.has_rate && self.ttl > Duration::ZERO {
                self.poll();
                let is_sent = !self.in_flight.is_empty();
                assert!(is_sent, "a user record that has ended blocks a new one");
            }
            while let Some((id, _)) = self.choose(0) {
                let failure = RequestFailure::NoAnswer("the end".into());
                self.core.handle_failure(id, failure, self.now).unwrap();
            }
            self.now += self.ttl;
            self.poll();
            assert!(self.in_flight.is_empty() && self.open.is_empty());
        }
    }
}
