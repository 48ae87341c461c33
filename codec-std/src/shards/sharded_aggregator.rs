//! Aggregates user records by shard.
//!
//! An aggregate is stored in one shard, and a consumer may drop an aggregate if one
//! of its user records belongs to another shard. So no aggregate spans two shards
//! of the current map.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use kinesis_agg_codec::{EncodeError, HashKey, HashKeyRange, Limits};
use thiserror::Error;

use crate::shards::shard_map::{Shard, ShardMap};
use crate::timers::Timers;
use crate::write::{AsUserRecord, LoneUserRecord, OuterKey, OwnedAggregate, RecordAggregator};

/// The default time that a user record waits for more user records.
///
/// Source: the KPL's `RecordMaxBufferedTime`.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_millis(100);

/// The default limit on the bytes of user records that wait.
pub const DEFAULT_MAX_BUFFERED_LEN: usize = 64 << 20;

/// The limits and keys of aggregates, and how much may wait for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardedLimits {
    limits: Limits,
    max_age: Duration,
    max_buffered_len: usize,
    outer_key: OuterKey,
    lone: LoneUserRecord,
}

impl ShardedLimits {
    /// Returns the default [`Limits`], [`OuterKey`] and [`LoneUserRecord`],
    /// [`DEFAULT_MAX_AGE`] and [`DEFAULT_MAX_BUFFERED_LEN`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            limits: Limits::new(),
            max_age: DEFAULT_MAX_AGE,
            max_buffered_len: DEFAULT_MAX_BUFFERED_LEN,
            outer_key: OuterKey::default(),
            lone: LoneUserRecord::default(),
        }
    }

    /// Sets the size limits of an aggregate.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the age of its oldest user record at which an aggregate is due;
    /// [`DEFAULT_MAX_AGE`] by default.
    #[must_use]
    pub const fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Sets how many bytes of user records may wait, over all shards;
    /// [`DEFAULT_MAX_BUFFERED_LEN`] by default. A user record counts for the bytes
    /// of an aggregate that contains only it, plus the bytes of its token. Because
    /// buffers grow in steps, memory use can be up to about twice that.
    #[must_use]
    pub const fn with_max_buffered_len(mut self, max_buffered_len: usize) -> Self {
        self.max_buffered_len = max_buffered_len;
        self
    }

    /// Sets the partition key of aggregates. With each choice, the aggregate is
    /// stored in the shard of its user records.
    #[must_use]
    pub fn with_outer_key(mut self, outer_key: OuterKey) -> Self {
        self.outer_key = outer_key;
        self
    }

    /// Sets how to write an aggregate that would hold a single user record.
    #[must_use]
    pub const fn with_lone_user_record(mut self, lone: LoneUserRecord) -> Self {
        self.lone = lone;
        self
    }

    /// Returns the size limits of an aggregate.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    fn aggregator(&self) -> RecordAggregator {
        RecordAggregator::new()
            .with_limits(self.limits)
            .with_outer_key(self.outer_key.clone())
            .with_lone_user_record(self.lone)
    }
}

impl Default for ShardedLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// A user record that was rejected, returned to the caller with its token.
#[derive(Clone, Error)]
#[error("user record was rejected")]
#[non_exhaustive]
pub struct RejectedUserRecord<U, T = ()> {
    /// The user record, unchanged.
    pub user_record: U,
    /// The token that was pushed with it.
    pub token: T,
    /// Why it was rejected.
    #[source]
    pub reason: RejectionReason,
}

/// Omits the user record, which may be large and need not be printable.
impl<U, T> fmt::Debug for RejectedUserRecord<U, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectedUserRecord")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<U, T> RejectedUserRecord<U, T> {
    pub(crate) const fn new(user_record: U, token: T, reason: RejectionReason) -> Self {
        Self {
            user_record,
            token,
            reason,
        }
    }
}

/// Why a user record was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RejectionReason {
    /// The buffer is full. The same push succeeds once there is room.
    #[error("{needed} bytes needed, {available} available in the buffer")]
    BufferFull {
        /// Bytes that the user record needs.
        needed: usize,
        /// Bytes that were free.
        available: usize,
    },
    /// The user records of its shard hold as many bytes as are still free, and
    /// more would leave too little room for the other shards. The same push
    /// succeeds once there is room, and user records of other shards are accepted.
    /// Reported only by producers
    /// ([`with_shard_shares`](crate::producer::ProducerSettings::with_shard_shares)).
    #[error("{needed} bytes needed, {available} available for its shard in the buffer")]
    ShardFull {
        /// Bytes that the user record needs.
        needed: usize,
        /// Bytes that were free for its shard.
        available: usize,
    },
    /// The user record alone is larger than the whole buffer.
    #[error("{needed} bytes needed, and the buffer is {limit}")]
    LargerThanBuffer {
        /// Bytes that the user record needs.
        needed: usize,
        /// Bytes of the buffer.
        limit: usize,
    },
    /// It does not fit in an aggregate, or in a raw Kinesis record:
    /// [`EncodeError::EmptyPartitionKey`], [`EncodeError::PartitionKeyTooLong`]
    /// or [`EncodeError::TooLarge`].
    #[error(transparent)]
    Unfit(EncodeError),
    /// It has no partition key, and the stream distributes records by key.
    /// Reported only by producers.
    #[error("no partition key, on a stream that distributes records by key")]
    NoPartitionKey,
    /// The stream distributes records itself, so user records must be sent raw, and
    /// consumers would not receive this one unchanged: it has tags, or its data
    /// begins with the magic bytes of aggregated records. Reported only by
    /// producers ([`UnfitForRaw`](crate::producer::UnfitForRaw)).
    #[error("cannot be sent raw, on a stream that distributes records itself")]
    CannotGoRaw,
    /// Its time to live was over before it was accepted. Reported only by
    /// producers.
    #[error("expired while it waited for room")]
    Expired,
}

/// Returns how many bytes a user record and its token count for while they wait.
fn buffered_len<T, U: AsUserRecord>(user_record: &U) -> usize {
    let len = user_record.as_user_record().encoded_len_alone();
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    len.saturating_add(size_of::<T>())
}

/// Checks that `needed` more bytes fit when `taken` bytes are used.
pub(crate) fn check_room(needed: usize, taken: usize, limit: usize) -> Result<(), RejectionReason> {
    let available = limit.saturating_sub(taken);
    if needed > limit {
        return Err(RejectionReason::LargerThanBuffer { needed, limit });
    }
    if needed > available {
        return Err(RejectionReason::BufferFull { needed, available });
    }
    Ok(())
}

/// A complete aggregate, with its shard and the tokens of its user records.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ShardAggregate<T = ()> {
    /// The shard that has all of its hash keys, by the map when it was completed.
    pub shard_id: Arc<str>,
    /// From the lowest to the highest hash key of its user records. A shard
    /// whose range contains both ends contains all of them.
    pub hash_key_span: HashKeyRange,
    /// The aggregate to put into the stream.
    pub aggregate: OwnedAggregate,
    /// The tokens of its user records, in their order.
    pub tokens: Vec<T>,
}

/// Packs user records into aggregates, one for each shard.
///
/// ```
/// use core::time::Duration;
/// use kinesis_agg::{HashKeyRange, OwnedUserRecord, Shard, ShardMap};
/// use kinesis_agg::ShardedAggregator;
/// use kinesis_agg::shards::ShardedLimits;
///
/// let map = ShardMap::new([Shard::new("shardId-000000000000", HashKeyRange::FULL)])?;
/// let mut aggregator = ShardedAggregator::new(map, ShardedLimits::new());
///
/// let start = std::time::Instant::now();
/// aggregator.push(OwnedUserRecord::new("sensor-7", "21.5"), 1, start.elapsed())?;
/// aggregator.push(OwnedUserRecord::new("sensor-8", "19.0"), 2, start.elapsed())?;
///
/// // Call this at the time that `poll_timeout` returns.
/// let due = aggregator.poll_timeout().unwrap();
/// let complete = aggregator.flush_due(due).unwrap();
/// assert_eq!(complete.tokens, [1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `now` is the time since a fixed moment of the caller's choice. This type has no
/// clock; it only acts when a method is called.
///
/// # Order
///
/// User records of one hash key are returned in the order in which they were
/// pushed, within an aggregate and from one returned aggregate to the next, also
/// across [`replace_map`](Self::replace_map). User records of different hash keys
/// of one shard keep their order until the map changes; those of different shards
/// have no order.
///
/// To keep this order in the stream, put an aggregate only after the earlier ones
/// with the same hash keys are known to be stored.
#[derive(Debug)]
#[doc(alias = "AggregationManager")]
pub struct ShardedAggregator<T = ()> {
    limits: ShardedLimits,
    map: ShardMap,
    /// One for each open shard, in the map's order.
    open: Vec<OpenAggregate<T>>,
    /// When each aggregate is due.
    deadlines: Timers,
    buffered_len: usize,
}

/// The aggregate of a shard that is being filled.
#[derive(Debug)]
struct OpenAggregate<T> {
    aggregator: RecordAggregator,
    tokens: Vec<T>,
    /// When the oldest user record was pushed, and the span of all. `None` if
    /// there are no user records.
    filling: Option<Filling>,
}

#[derive(Clone, Copy, Debug)]
struct Filling {
    since: Duration,
    lowest: HashKey,
    highest: HashKey,
    buffered_len: usize,
}

impl<T> OpenAggregate<T> {
    fn new(limits: &ShardedLimits) -> Self {
        Self {
            aggregator: limits.aggregator(),
            tokens: Vec::new(),
            filling: None,
        }
    }
}

impl<T> ShardedAggregator<T> {
    /// Returns an empty aggregator for the open shards of a map.
    #[must_use]
    pub fn new(map: ShardMap, limits: ShardedLimits) -> Self {
        let open = map
            .open_shards()
            .iter()
            .map(|_| OpenAggregate::new(&limits));
        let open: Vec<_> = open.collect();
        Self {
            limits,
            deadlines: Timers::new(open.len()),
            open,
            map,
            buffered_len: 0,
        }
    }

    /// Returns the current map.
    #[must_use]
    pub const fn map(&self) -> &ShardMap {
        &self.map
    }

    /// Returns the bytes of user records that wait, counted as in
    /// [`ShardedLimits::with_max_buffered_len`].
    #[must_use]
    pub const fn buffered_len(&self) -> usize {
        self.buffered_len
    }

    /// Returns true if no user record waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deadlines.next().is_none()
    }

    /// Adds a user record to the aggregate of its shard. If it does not fit,
    /// returns the aggregate so far, and the user record starts the next one.
    ///
    /// # Errors
    ///
    /// [`RejectedUserRecord`] with the user record and the token; the aggregator is
    /// unchanged. [`RejectionReason::BufferFull`]: flushing makes room.
    /// [`RejectionReason::LargerThanBuffer`]: only a larger
    /// [`max_buffered_len`](ShardedLimits::with_max_buffered_len) helps.
    /// [`RejectionReason::Unfit`]: no aggregate can hold the user record, for the
    /// reason inside.
    pub fn push<U: AsUserRecord>(
        &mut self,
        user_record: U,
        token: T,
        now: Duration,
    ) -> Result<Option<ShardAggregate<T>>, RejectedUserRecord<U, T>> {
        let needed = buffered_len::<T, U>(&user_record);
        let room = check_room(needed, self.buffered_len, self.limits.max_buffered_len);
        if let Err(reason) = room {
            return Err(RejectedUserRecord::new(user_record, token, reason));
        }
        self.push_unbounded(user_record, token, now)
    }

    /// Like [`push`](Self::push), without a limit on how much waits.
    fn push_unbounded<U: AsUserRecord>(
        &mut self,
        user_record: U,
        token: T,
        now: Duration,
    ) -> Result<Option<ShardAggregate<T>>, RejectedUserRecord<U, T>> {
        let hash_key = user_record.as_user_record().hash_key();
        let place = self.map.place_of(hash_key);
        let shard = self.map.shard_of(hash_key);
        let needed = buffered_len::<T, U>(&user_record);
        let Some(open) = self.open.get_mut(place) else {
            // Unreachable: there is one for each shard of the map.
            let reason = RejectionReason::BufferFull {
                needed,
                available: 0,
            };
            return Err(RejectedUserRecord::new(user_record, token, reason));
        };
        let complete = match open.aggregator.push(user_record) {
            Ok(complete) => complete,
            Err(rejected) => {
                let reason = RejectionReason::Unfit(rejected.reason);
                return Err(RejectedUserRecord::new(rejected.user_record, token, reason));
            }
        };
        let complete = match (complete, open.filling) {
            (Some(aggregate), Some(filling)) => {
                self.buffered_len = self.buffered_len.saturating_sub(filling.buffered_len);
                open.filling = None;
                let tokens = core::mem::take(&mut open.tokens);
                Some(filling.complete(shard, aggregate, tokens))
            }
            _ => None,
        };
        let filling = open.filling.get_or_insert(Filling {
            since: now,
            lowest: hash_key,
            highest: hash_key,
            buffered_len: 0,
        });
        filling.lowest = filling.lowest.min(hash_key);
        filling.highest = filling.highest.max(hash_key);
        filling.buffered_len = filling.buffered_len.saturating_add(needed);
        // If the clock goes back, the aggregate is due earlier, never later.
        filling.since = filling.since.min(now);
        self.deadlines
            .set(place, Some(self.limits.deadline(filling)));
        self.buffered_len = self.buffered_len.saturating_add(needed);
        open.tokens.push(token);
        Ok(complete)
    }

    /// Returns when the next aggregate is due, if there is one.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.deadlines.next()
    }

    /// Completes the aggregate that has been due for the longest time, if any. Call
    /// it until it returns `None`.
    pub fn flush_due(&mut self, now: Duration) -> Option<ShardAggregate<T>> {
        let place = self.deadlines.due(now)?;
        self.flush_place(place)
    }

    /// Completes the aggregate of an open shard, if it has user records.
    pub fn flush_shard(&mut self, shard_id: &str) -> Option<ShardAggregate<T>> {
        self.flush_place(self.map.place_of_id(shard_id)?)
    }

    /// Completes all aggregates, starting with the one with the oldest user record.
    pub fn flush_all(&mut self) -> Vec<ShardAggregate<T>> {
        core::iter::from_fn(|| self.flush_due(Duration::MAX)).collect()
    }

    fn flush_place(&mut self, place: usize) -> Option<ShardAggregate<T>> {
        let shard = self.map.open_shards().get(place)?;
        let open = self.open.get_mut(place)?;
        let filling = open.filling?;
        let aggregate = open.aggregator.flush()?;
        self.deadlines.set(place, None);
        self.buffered_len = self.buffered_len.saturating_sub(filling.buffered_len);
        // The shard may stay idle, so its buffer is not kept.
        let open = core::mem::replace(open, OpenAggregate::new(&self.limits));
        Some(filling.complete(shard, aggregate, open.tokens))
    }

    /// Replaces the map. User records that wait for shards that are no longer open,
    /// or whose ranges changed, are routed again, in order; the others stay in
    /// their aggregates. Returns the aggregates that this completed.
    ///
    /// A user record that is routed again counts as being as old as the oldest one
    /// in its former aggregate: it is due earlier, never later.
    pub fn replace_map(&mut self, map: ShardMap) -> Vec<ShardAggregate<T>> {
        let fresh = map.open_shards().iter();
        let fresh: Vec<_> = fresh.map(|_| OpenAggregate::new(&self.limits)).collect();
        self.deadlines = Timers::new(fresh.len());
        let old = core::mem::replace(&mut self.open, fresh);
        let old_map = core::mem::replace(&mut self.map, map);
        self.buffered_len = 0;
        let mut homeless = Vec::new();
        for (shard, open) in old_map.open_shards().iter().zip(old) {
            let Some(filling) = open.filling else {
                continue;
            };
            let place = self.map.place_of_same(shard);
            match place.and_then(|place| Some((place, self.open.get_mut(place)?))) {
                Some((place, home)) => {
                    *home = open;
                    self.deadlines
                        .set(place, Some(self.limits.deadline(&filling)));
                    self.buffered_len = self.buffered_len.saturating_add(filling.buffered_len);
                }
                None => homeless.push((filling.since, open)),
            }
        }
        let mut complete = Vec::new();
        for (since, mut open) in homeless {
            let user_records = open.aggregator.take_user_records();
            for (user_record, token) in user_records.into_iter().zip(open.tokens) {
                let pushed = self.push_unbounded(user_record, token, since);
                // An aggregator with the same limits held each user record, so this
                // one accepts it.
                if let Ok(Some(full)) = pushed {
                    complete.push(full);
                }
            }
        }
        complete
    }
}

impl ShardedLimits {
    fn deadline(&self, filling: &Filling) -> Duration {
        filling.since.saturating_add(self.max_age)
    }
}

impl Filling {
    fn complete<T>(
        self,
        shard: &Shard,
        aggregate: OwnedAggregate,
        tokens: Vec<T>,
    ) -> ShardAggregate<T> {
        let span = HashKeyRange::new(self.lowest, self.highest);
        ShardAggregate {
            shard_id: Arc::clone(shard.id()),
            // The span is always valid: its lowest key is not above its highest.
            hash_key_span: span.unwrap_or(shard.hash_key_range()),
            aggregate,
            tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::{OwnedUserRecord, read_back};

    const MAX: u128 = u128::MAX;

    fn shard(id: &str, starting: u128, ending: u128) -> Shard {
        let range = HashKeyRange::new(HashKey::new(starting), HashKey::new(ending));
        Shard::new(id, range.unwrap())
    }

    fn halves() -> ShardMap {
        ShardMap::new([shard("low", 0, 99), shard("high", 100, MAX)]).unwrap()
    }

    fn user_record(hash_key: u128) -> OwnedUserRecord {
        OwnedUserRecord::new("k", "data").with_explicit_hash_key(HashKey::new(hash_key))
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn keys<T>(aggregate: &ShardAggregate<T>) -> Vec<u128> {
        let user_records = read_back(aggregate.aggregate.data());
        let keys = user_records.map(|user_record| user_record.hash_key().to_u128());
        keys.collect()
    }

    #[test]
    fn each_shard_has_its_own_aggregate_and_deadline() {
        let mut aggregator = ShardedAggregator::new(halves(), ShardedLimits::new());
        assert_eq!(aggregator.poll_timeout(), None);
        for (token, (hash_key, at)) in [(100, 5), (99, 7), (MAX, 20), (0, 30)].iter().enumerate() {
            let pushed = aggregator.push(user_record(*hash_key), token, ms(*at));
            assert!(pushed.unwrap().is_none());
        }
        assert_eq!(aggregator.poll_timeout(), Some(ms(105)));
        assert!(aggregator.flush_due(ms(104)).is_none());
        let high = aggregator.flush_due(ms(200)).unwrap();
        assert_eq!((&*high.shard_id, keys(&high)), ("high", vec![100, MAX]));
        assert_eq!(high.tokens, [0, 2]);
        assert_eq!(high.hash_key_span.starting_hash_key(), HashKey::new(100));
        assert_eq!(high.hash_key_span.ending_hash_key(), HashKey::MAX);
        assert_eq!(aggregator.poll_timeout(), Some(ms(107)));
        assert!(aggregator.flush_shard("high").is_none());
        let low = aggregator.flush_shard("low").unwrap();
        assert_eq!((keys(&low), low.tokens), (vec![99, 0], vec![1, 3]));
        assert_eq!(
            (aggregator.poll_timeout(), aggregator.buffered_len()),
            (None, 0)
        );
    }

    /// Protects against clocks that are set back.
    #[test]
    fn time_that_runs_backwards_brings_the_deadline_forward() {
        let mut aggregator = ShardedAggregator::new(halves(), ShardedLimits::new());
        for (at, deadline) in [(20, 120), (7, 107), (9, 107)] {
            aggregator.push(user_record(1), at, ms(at)).unwrap();
            assert_eq!(aggregator.poll_timeout(), Some(ms(deadline)));
        }
        assert!(aggregator.flush_due(ms(106)).is_none());
        assert_eq!(aggregator.flush_due(ms(107)).unwrap().tokens, [20, 7, 9]);
        assert_eq!(aggregator.poll_timeout(), None);
    }

    #[test]
    fn a_push_into_a_full_buffer_is_rejected_until_a_flush() {
        let needed = buffered_len::<u8, _>(&user_record(1));
        let beside = buffered_len::<u8, _>(&user_record(100));
        let limits = ShardedLimits::new().with_max_buffered_len(needed + beside);
        let mut aggregator = ShardedAggregator::new(halves(), limits);
        aggregator.push(user_record(1), 1_u8, ms(0)).unwrap();
        aggregator.push(user_record(100), 2, ms(0)).unwrap();
        let rejected = aggregator.push(user_record(1), 3, ms(0)).unwrap_err();
        let reason = RejectionReason::BufferFull {
            needed,
            available: 0,
        };
        assert_eq!((rejected.reason, rejected.token), (reason, 3));
        assert_eq!(aggregator.buffered_len(), needed + beside);
        assert_eq!(rejected.user_record, user_record(1));
        assert_eq!(aggregator.flush_all().len(), 2);
        assert!(aggregator.push(rejected.user_record, 3, ms(0)).is_ok());

        // A user record that fills the whole buffer, and one that is a byte longer.
        aggregator.flush_all();
        let around = buffered_len::<u8, _>(&OwnedUserRecord::new("k", vec![0; 20])) - 20;
        let data = vec![0; needed + beside - around];
        let whole = OwnedUserRecord::new("k", data.clone());
        aggregator.push(whole, 4, ms(0)).unwrap();
        aggregator.flush_all();
        let large = OwnedUserRecord::new("k", [&data[..], &[0]].concat());
        let rejected = aggregator.push(large, 4, ms(0)).unwrap_err();
        assert!(matches!(
            rejected.reason,
            RejectionReason::LargerThanBuffer { .. }
        ));
        let keyless = OwnedUserRecord::new("", "");
        let rejected = aggregator.push(keyless, 5, ms(0)).unwrap_err();
        let reason = RejectionReason::Unfit(EncodeError::EmptyPartitionKey);
        assert_eq!((rejected.reason, rejected.token), (reason, 5));
    }

    #[test]
    fn a_push_beyond_the_count_limit_completes_the_aggregate_without_it() {
        let limits = Limits::new().with_max_count(2).unwrap();
        let limits = ShardedLimits::new().with_limits(limits);
        let mut aggregator = ShardedAggregator::new(halves(), limits);
        for token in 1..=2 {
            let pushed = aggregator.push(user_record(7), token, ms(token));
            assert!(pushed.unwrap().is_none());
        }
        let full = aggregator.push(user_record(7), 3, ms(3)).unwrap().unwrap();
        assert_eq!(full.tokens, [1, 2]);
        // The deadline is that of the new user record.
        assert_eq!(aggregator.poll_timeout(), Some(ms(103)));
    }

    #[test]
    fn a_new_shard_map_reroutes_buffered_user_records_in_order() {
        let limits = Limits::new().with_max_count(3).unwrap();
        let limits = ShardedLimits::new().with_limits(limits);
        let mut aggregator = ShardedAggregator::new(halves(), limits);
        for (token, hash_key) in [100, 10, 60, 90].into_iter().enumerate() {
            let at = ms(u64::try_from(token).unwrap());
            let pushed = aggregator.push(user_record(hash_key), token, at);
            assert!(pushed.unwrap().is_none());
        }
        let before = aggregator.buffered_len();
        let split = [
            shard("a", 0, 49).with_parent("low"),
            shard("b", 50, 99).with_parent("low"),
            shard("high", 100, MAX),
        ];
        assert!(
            aggregator
                .replace_map(ShardMap::new(split).unwrap())
                .is_empty()
        );
        assert_eq!(aggregator.buffered_len(), before);
        // User records of a shard that is still open keep their deadline.
        assert_eq!(aggregator.poll_timeout(), Some(ms(100)));
        // The others count as being as old as the oldest of their former shard.
        aggregator.push(user_record(60), 4, ms(50)).unwrap();
        let b = aggregator.flush_shard("b").unwrap();
        assert_eq!((keys(&b), b.tokens), (vec![60, 90, 60], vec![2, 3, 4]));
        aggregator.push(user_record(50), 5, ms(60)).unwrap();
        aggregator.push(user_record(51), 6, ms(60)).unwrap();
        // In one shard, these are more user records than one aggregate can hold.
        let merged = ShardMap::new([shard("c", 0, MAX)]).unwrap();
        let complete = aggregator.replace_map(merged);
        let rest = aggregator.flush_all();
        let tokens = |aggregates: &[ShardAggregate<usize>]| -> Vec<_> {
            aggregates.iter().map(|a| a.tokens.clone()).collect()
        };
        assert_eq!(tokens(&complete), [[1, 5, 6]]);
        assert_eq!(tokens(&rest), [[0]]);
        assert_eq!(aggregator.buffered_len(), 0);
    }

    #[test]
    fn sharded_aggregates_have_the_configured_outer_key() {
        for (outer_key, expected) in [(OuterKey::FirstUserRecord, "k"), (OuterKey::Kpl, "a")] {
            let limits = ShardedLimits::new().with_outer_key(outer_key);
            let mut aggregator = ShardedAggregator::new(halves(), limits);
            assert!(aggregator.is_empty());
            aggregator.push(user_record(7), (), ms(0)).unwrap();
            assert!(!aggregator.is_empty());
            let complete = aggregator.flush_shard("low").unwrap();
            assert_eq!(complete.aggregate.partition_key(), expected);
            let hash_key = Some(HashKey::new(7));
            assert_eq!(complete.aggregate.explicit_hash_key(), hash_key);
        }
    }
}
