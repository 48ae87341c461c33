//! Settings of a producer.

use core::time::Duration;

use kinesis_agg_codec::Limits;

use crate::producer::distribution::Distribution;
use crate::producer::order::Order;
use crate::producer::unfit_for_raw::UnfitForRaw;
use crate::shards::{DEFAULT_MAX_AGE, DEFAULT_MAX_BUFFERED_LEN};
use crate::write::{LoneUserRecord, OuterKey, RecordAggregator};

/// The largest number of records in a PutRecords request.
///
/// Source: Kinesis service quota.
pub const MAX_REQUEST_COUNT: usize = 500;

/// The largest size of a PutRecords request in bytes: data and partition keys.
///
/// Source: Kinesis service quota.
pub const DEFAULT_MAX_REQUEST_LEN: usize = 10 << 20;

/// The number of records that a shard accepts per second.
///
/// Source: Kinesis service quota.
pub const DEFAULT_RECORDS_PER_SECOND: u32 = 1_000;

/// The number of bytes that a shard accepts per second.
///
/// Source: Kinesis service quota.
pub const DEFAULT_BYTES_PER_SECOND: u32 = 1_000_000;

/// The default share of a shard's rate that a producer uses, in percent.
pub const DEFAULT_RATE_PERCENT: u32 = 100;

/// The default number of user records that one step processes: less than a
/// millisecond of work.
pub const DEFAULT_STEP_COUNT: usize = 1_000;

/// The default limit on requests in flight.
pub const DEFAULT_MAX_REQUESTS_IN_FLIGHT: usize = 16;

/// The default upper bound of the pause after the first attempt.
pub const DEFAULT_SHORTEST_BACKOFF: Duration = Duration::from_millis(50);

/// The default upper bound of the pause after any attempt.
pub const DEFAULT_LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// The default time to live of a user record, after which it is given up.
///
/// Source: the KPL's `RecordTtl`.
pub const DEFAULT_TTL: Duration = Duration::from_secs(30);

/// The default time for which a producer trusts its list of shards without an
/// answer from the stream.
pub const DEFAULT_MAX_SILENCE: Duration = Duration::from_secs(5);

/// The default maximum age of a list of shards. With each new list, the producer
/// also asks how the stream distributes records.
pub const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// Settings of a [`ProducerCore`](crate::producer::ProducerCore).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerSettings {
    pub(super) limits: Limits,
    pub(super) lone: LoneUserRecord,
    pub(super) outer_key: OuterKey,
    pub(super) one_key: bool,
    pub(super) order: Order,
    pub(super) max_age: Duration,
    pub(super) max_buffered_len: usize,
    pub(super) shard_shares: bool,
    pub(super) max_request_count: usize,
    pub(super) max_request_len: usize,
    pub(super) max_requests_in_flight: usize,
    pub(super) records_per_second: u32,
    pub(super) bytes_per_second: u32,
    pub(super) rate_percent: u32,
    pub(super) ttl: Duration,
    pub(super) max_attempts: usize,
    pub(super) fail_if_throttled: bool,
    pub(super) shortest_backoff: Duration,
    pub(super) longest_backoff: Duration,
    pub(super) max_silence: Duration,
    pub(super) refresh_interval: Duration,
    pub(super) step_count: usize,
    pub(super) distribution: Distribution,
    pub(super) unfit_for_raw: UnfitForRaw,
}

impl ProducerSettings {
    /// Returns the default settings: the default [`Limits`], [`LoneUserRecord`],
    /// [`OuterKey`] and [`Order`], the service's limits, and the KPL's
    /// [`DEFAULT_TTL`]. Each setter documents its default.
    #[must_use]
    pub fn new() -> Self {
        Self {
            limits: Limits::new(),
            lone: LoneUserRecord::default(),
            outer_key: OuterKey::default(),
            one_key: false,
            order: Order::PerHashKey,
            max_age: DEFAULT_MAX_AGE,
            max_buffered_len: DEFAULT_MAX_BUFFERED_LEN,
            shard_shares: true,
            max_request_count: MAX_REQUEST_COUNT,
            max_request_len: DEFAULT_MAX_REQUEST_LEN,
            max_requests_in_flight: DEFAULT_MAX_REQUESTS_IN_FLIGHT,
            records_per_second: DEFAULT_RECORDS_PER_SECOND,
            bytes_per_second: DEFAULT_BYTES_PER_SECOND,
            rate_percent: DEFAULT_RATE_PERCENT,
            ttl: DEFAULT_TTL,
            max_attempts: usize::MAX,
            fail_if_throttled: false,
            shortest_backoff: DEFAULT_SHORTEST_BACKOFF,
            longest_backoff: DEFAULT_LONGEST_BACKOFF,
            max_silence: DEFAULT_MAX_SILENCE,
            refresh_interval: DEFAULT_REFRESH_INTERVAL,
            step_count: DEFAULT_STEP_COUNT,
            distribution: Distribution::ByKey,
            unfit_for_raw: UnfitForRaw::Reject,
        }
    }

    /// Sets the size limits of an aggregate.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the partition key of aggregates; [`OuterKey::FirstUserRecord`] by
    /// default. With each choice, the aggregate is stored in the shard of its
    /// user records. A user record that is sent raw keeps its own partition key.
    ///
    /// [`OuterKey::Chosen`] must hold a valid partition key, or every user record
    /// is rejected ([`RejectionReason::Unfit`](crate::shards::RejectionReason::Unfit)).
    #[must_use]
    pub fn with_outer_key(mut self, outer_key: OuterKey) -> Self {
        self.outer_key = outer_key;
        self
    }

    /// Sets whether all user records of an aggregate must have the same partition
    /// key and explicit hash key; false by default.
    ///
    /// A consumer that processes one shard in parallel, such as a Lambda function
    /// with a parallelization factor above 1, keeps the order only of records
    /// with the same *outer* partition key. With this setting and
    /// [`OuterKey::FirstUserRecord`], that is the partition key of the user
    /// records. Aggregates are small unless user records with the same key are
    /// pushed one after the other.
    #[must_use]
    pub const fn with_one_key(mut self, one_key: bool) -> Self {
        self.one_key = one_key;
        self
    }

    /// Sets which user records are stored in the order of their pushes;
    /// [`Order::PerHashKey`] by default.
    #[must_use]
    pub const fn with_order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Sets how long a user record waits for others to share its Kinesis record
    /// or request; [`DEFAULT_MAX_AGE`] by default. The wait never exceeds half of
    /// the user record's time to live ([`with_ttl`](Self::with_ttl)): one that
    /// waited until it expired would never be sent.
    #[must_use]
    pub const fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Sets how many bytes may be held at once; [`DEFAULT_MAX_BUFFERED_LEN`] by
    /// default. A user record is held from its push until its event has been
    /// polled, and counts for
    /// [`ProducerCore::held_len`](crate::producer::ProducerCore::held_len) bytes:
    /// its content, and a fixed amount for the state kept with it.
    ///
    /// Data that is a slice of a larger buffer keeps that whole buffer allocated,
    /// but only the slice is counted.
    #[must_use]
    pub const fn with_max_buffered_len(mut self, max_buffered_len: usize) -> Self {
        self.max_buffered_len = max_buffered_len;
        self
    }

    /// Sets whether each shard is limited to a share of the buffer; true by
    /// default. If the stream has several open shards, the user records of one
    /// shard may then hold no more bytes than are still free;
    /// [`push`](crate::producer::ProducerCore::push) rejects others with
    /// [`RejectionReason::ShardFull`](crate::shards::RejectionReason::ShardFull).
    /// So a shard that accepts nothing leaves half of the buffer to the others. A
    /// put of `Producer` waits instead of failing. It may exceed the share by what
    /// it accepted before its task noticed that the share was used up, but never
    /// exceeds the buffer. There are no shares on a stream that distributes
    /// records itself.
    #[must_use]
    pub const fn with_shard_shares(mut self, shard_shares: bool) -> Self {
        self.shard_shares = shard_shares;
        self
    }

    /// Sets how to send a user record that would be alone in its aggregate. A
    /// user record that is sent raw has no sub-sequence number for consumers.
    #[must_use]
    pub const fn with_lone_user_record(mut self, lone: LoneUserRecord) -> Self {
        self.lone = lone;
        self
    }

    /// Sets how many Kinesis records a request may have: from 1 to
    /// [`MAX_REQUEST_COUNT`], which is the default. Other numbers are clamped to
    /// that range.
    #[must_use]
    pub fn with_max_request_count(mut self, max_request_count: usize) -> Self {
        self.max_request_count = max_request_count.clamp(1, MAX_REQUEST_COUNT);
        self
    }

    /// Sets how many bytes a request may have: data and partition keys;
    /// [`DEFAULT_MAX_REQUEST_LEN`] by default. A larger Kinesis record is sent
    /// in a request of its own.
    #[must_use]
    pub const fn with_max_request_len(mut self, max_request_len: usize) -> Self {
        self.max_request_len = max_request_len;
        self
    }

    /// Sets how many requests may be in flight at once, at least one;
    /// [`DEFAULT_MAX_REQUESTS_IN_FLIGHT`] by default.
    #[must_use]
    pub fn with_max_requests_in_flight(mut self, max_requests_in_flight: usize) -> Self {
        self.max_requests_in_flight = max_requests_in_flight.max(1);
        self
    }

    /// Sets the rate limit per shard, in Kinesis records per second and in bytes
    /// of data and partition keys per second; 0 means no limit. On a stream that
    /// distributes records itself, the limit of the stream is this rate times the
    /// number of its open shards. [`DEFAULT_RECORDS_PER_SECOND`] and
    /// [`DEFAULT_BYTES_PER_SECOND`] by default.
    #[must_use]
    pub const fn with_shard_rate(mut self, records_per_second: u32, bytes_per_second: u32) -> Self {
        self.records_per_second = records_per_second;
        self.bytes_per_second = bytes_per_second;
        self
    }

    /// Sets the share of the [shard's rate](Self::with_shard_rate) that this
    /// producer uses, in percent, at least 1; [`DEFAULT_RATE_PERCENT`] by default.
    /// Below 100 %, several producers can share a stream. Above 100 %, the service
    /// throttles a shard.
    #[must_use]
    pub fn with_rate_percent(mut self, rate_percent: u32) -> Self {
        self.rate_percent = rate_percent.max(1);
        self
    }

    /// Sets the time to live of user records; [`DEFAULT_TTL`] by default. That
    /// long after its put, a user record that is not in flight is given up.
    /// [`ProducerCore::push_until`](crate::producer::ProducerCore::push_until)
    /// and `Producer::with_ttl` set the time to live of single user records.
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets how many times a user record may be sent, at least once. There is no
    /// limit by default.
    #[must_use]
    pub fn with_max_attempts(mut self, max_attempts: usize) -> Self {
        self.max_attempts = max_attempts.max(1);
        self
    }

    /// Sets whether a user record fails
    /// ([`FailureReason::Throttled`](crate::producer::FailureReason::Throttled))
    /// as soon as the service throttles its Kinesis record, instead of being sent
    /// again; false by default.
    #[must_use]
    pub const fn with_fail_if_throttled(mut self, fail_if_throttled: bool) -> Self {
        self.fail_if_throttled = fail_if_throttled;
        self
    }

    /// Sets the pauses between attempts. Each is random (exponential backoff with
    /// full jitter): up to `shortest` after the first attempt; each further
    /// attempt doubles the upper bound until it reaches `longest`.
    /// [`DEFAULT_SHORTEST_BACKOFF`] and [`DEFAULT_LONGEST_BACKOFF`] by default.
    #[must_use]
    pub const fn with_backoff(mut self, shortest: Duration, longest: Duration) -> Self {
        self.shortest_backoff = shortest;
        self.longest_backoff = longest;
        self
    }

    /// Sets how long the producer trusts its list of shards without an answer
    /// from the stream; [`DEFAULT_MAX_SILENCE`] by default. After that, it lists
    /// the shards before its next request, because a stream that was deleted and
    /// created again under the same name has the same shard ids with other hash
    /// key ranges. If a stream is deleted and created again in less time, the
    /// producer does not notice, and consumers that filter by shard, such as the
    /// KCL, may drop aggregates.
    #[must_use]
    pub const fn with_max_silence(mut self, max_silence: Duration) -> Self {
        self.max_silence = max_silence;
        self
    }

    /// Sets the interval at which the shards are listed again while user records
    /// are held, even if no answer contradicts the current list;
    /// [`DEFAULT_REFRESH_INTERVAL`] by default. With each listing, the producer
    /// also asks how the stream distributes records.
    #[must_use]
    pub const fn with_refresh_interval(mut self, refresh_interval: Duration) -> Self {
        self.refresh_interval = refresh_interval;
        self
    }

    /// Sets how many user records one
    /// [`step`](crate::producer::ProducerCore::step) processes, at least one;
    /// [`DEFAULT_STEP_COUNT`] by default.
    #[must_use]
    pub fn with_step_count(mut self, step_count: usize) -> Self {
        self.step_count = step_count.max(1);
        self
    }

    /// Sets the distribution to assume until the service reports the real one or
    /// its answers reveal it; [`Distribution::ByKey`] by default.
    #[must_use]
    pub const fn with_assumed_distribution(mut self, distribution: Distribution) -> Self {
        self.distribution = distribution;
        self
    }

    /// Sets how to treat user records that cannot be sent raw, on streams that
    /// distribute records themselves; [`UnfitForRaw::Reject`] by default.
    #[must_use]
    pub const fn with_unfit_for_raw(mut self, unfit_for_raw: UnfitForRaw) -> Self {
        self.unfit_for_raw = unfit_for_raw;
        self
    }

    /// Returns the size limits of an aggregate.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns how many bytes may be held at once.
    #[must_use]
    pub const fn max_buffered_len(&self) -> usize {
        self.max_buffered_len
    }

    /// Returns the time to live of user records.
    #[must_use]
    pub const fn ttl(&self) -> Duration {
        self.ttl
    }
}

impl Default for ProducerSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl ProducerSettings {
    pub(super) fn aggregator(&self) -> RecordAggregator {
        RecordAggregator::new()
            .with_limits(self.limits)
            .with_outer_key(self.outer_key.clone())
            .with_lone_user_record(self.lone)
            .with_one_key(self.one_key)
    }

    /// Returns the length in bytes of the outer partition key of an aggregate
    /// whose first user record has a key of the given length.
    pub(super) fn outer_key_len(&self, first_key_len: u64) -> u64 {
        let len = match &self.outer_key {
            OuterKey::FirstUserRecord => return first_key_len,
            OuterKey::Kpl => kinesis_agg_codec::OuterKey::KPL_PARTITION_KEY.len(),
            OuterKey::Chosen(key) => key.len(),
        };
        u64::try_from(len).unwrap_or(u64::MAX)
    }

    /// Returns until when a user record waits for more user records.
    pub(super) fn due_at(
        &self,
        put_at: Duration,
        pushed_at: Duration,
        expires_at: Duration,
    ) -> Duration {
        let half = expires_at.saturating_sub(put_at).checked_div(2);
        let by_age = pushed_at.saturating_add(self.max_age);
        by_age.min(put_at.saturating_add(half.unwrap_or_default()))
    }

    /// Returns how much of a shard's time `count` Kinesis records of `len` bytes
    /// in total use: by the record rate and by the byte rate.
    pub(super) fn costs(&self, count: usize, len: usize) -> (Duration, Duration) {
        let share = |part: usize, rate: u32| {
            let part = u64::try_from(part).unwrap_or(u64::MAX);
            let seconds = Duration::from_secs(part.saturating_mul(u64::from(DEFAULT_RATE_PERCENT)));
            let rate = rate.saturating_mul(self.rate_percent);
            seconds.checked_div(rate).unwrap_or_default()
        };
        (
            share(count, self.records_per_second),
            share(len, self.bytes_per_second),
        )
    }
}
