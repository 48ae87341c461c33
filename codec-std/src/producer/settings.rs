//! How a producer behaves.

use core::time::Duration;

use kinesis_agg_codec::Limits;

use crate::producer::distribution::Distribution;
use crate::shards::{DEFAULT_MAX_AGE, DEFAULT_MAX_BUFFERED_LEN};
use crate::write::{LoneUserRecord, OuterKey, RecordAggregator};

/// Records in the largest PutRecords request.
///
/// Source: Kinesis service quota.
pub const MAX_REQUEST_COUNT: usize = 500;

/// Bytes of the largest PutRecords request: data and partition keys.
///
/// Source: Kinesis service quota.
pub const DEFAULT_MAX_REQUEST_LEN: usize = 10 << 20;

/// Records that a shard takes in a second.
///
/// Source: Kinesis service quota.
pub const DEFAULT_RECORDS_PER_SECOND: u32 = 1_000;

/// Bytes that a shard takes in a second.
///
/// Source: Kinesis service quota.
pub const DEFAULT_BYTES_PER_SECOND: u32 = 1_000_000;

/// The part of a shard's rate that is used by default, in percent.
pub const DEFAULT_RATE_PERCENT: u32 = 100;

/// User records that one step looks at by default: less than a millisecond of
/// work.
pub const DEFAULT_STEP_COUNT: usize = 1_000;

/// Requests that wait for their answers at most by default.
pub const DEFAULT_MAX_REQUESTS_IN_FLIGHT: usize = 16;

/// The longest pause after a first attempt, by default.
pub const DEFAULT_SHORTEST_BACKOFF: Duration = Duration::from_millis(50);

/// The longest pause after any attempt, by default.
pub const DEFAULT_LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// How long a user record may stay by default before it is given up.
///
/// Source: the KPL's `RecordTtl`.
pub const DEFAULT_TTL: Duration = Duration::from_secs(30);

/// How long a producer trusts its list of shards by default without an answer
/// of the stream.
pub const DEFAULT_MAX_SILENCE: Duration = Duration::from_secs(5);

/// How long a list of shards is used at most by default, and so how often the
/// stream is asked how it distributes records.
pub const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// What happens to user records that cannot be sent raw, on streams that
/// distribute records themselves ([`Distribution::Auto`]): those with tags, and
/// those whose data begins with the magic of aggregates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnfitForRaw {
    /// They are rejected
    /// ([`RejectionReason::CannotGoRaw`](crate::shards::RejectionReason::CannotGoRaw)).
    /// Those that wait when the stream is switched fail.
    #[default]
    Reject,
    /// Each is sent as an aggregate of one, and sent again until the service
    /// happens to store it in the shard of its hash key. Each attempt before
    /// that leaves a copy for consumers that do not filter.
    Aggregate,
}

/// Which user records keep the order of their pushes, on streams that distribute
/// records by key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Order {
    /// Those of one effective hash key. A user record is not sent before the
    /// earlier ones of its hash key have ended, so a shard has several Kinesis
    /// records in flight only if they share no hash key.
    #[default]
    PerHashKey,
    /// None. A retry can overtake, or be overtaken, and a shard has as many
    /// Kinesis records in flight as its rate allows.
    None,
}

/// How a [`ProducerCore`](crate::producer::ProducerCore) behaves.
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
    /// The default [`Limits`], [`LoneUserRecord`], [`OuterKey`] and [`Order`], the
    /// service's limits, the KPL's [`DEFAULT_TTL`], and the other defaults of this
    /// crate; each is named at its setter.
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

    /// Sets how large an aggregate may become.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets what aggregates are put under; [`OuterKey::FirstUserRecord`] by
    /// default. Each choice leads to the shard of the user records. A user record
    /// that is sent raw keeps its own partition key.
    ///
    /// A chosen key must be a valid partition key, or every user record is
    /// rejected ([`RejectionReason::Unfit`](crate::shards::RejectionReason::Unfit)).
    #[must_use]
    pub fn with_outer_key(mut self, outer_key: OuterKey) -> Self {
        self.outer_key = outer_key;
        self
    }

    /// Sets whether an aggregate holds the user records of one partition key and
    /// one explicit hash key only; false by default.
    ///
    /// A consumer that processes one shard in parallel, such as a Lambda function
    /// with a parallelization factor above 1, keeps the order of one *outer*
    /// partition key only. With this setting and
    /// [`OuterKey::FirstUserRecord`], that is the partition key of the user
    /// records. Aggregates are small unless user records of one key are pushed
    /// one after the other.
    #[must_use]
    pub const fn with_one_key(mut self, one_key: bool) -> Self {
        self.one_key = one_key;
        self
    }

    /// Sets which user records keep their order; [`Order::PerHashKey`] by
    /// default.
    #[must_use]
    pub const fn with_order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Sets how long a user record waits for others to share its Kinesis record
    /// or request; [`DEFAULT_MAX_AGE`] by default. Never longer than half of its
    /// time to live ([`with_ttl`](Self::with_ttl)), whatever is set here: a user
    /// record that waits for company until it expires would never be sent.
    #[must_use]
    pub const fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Sets how many bytes may be held at once, from the put of user records to
    /// the taking of their events; [`DEFAULT_MAX_BUFFERED_LEN`] by default.
    /// [`ProducerCore::held_len`](crate::producer::ProducerCore::held_len) is
    /// what a user record counts for: its content, and a fixed amount for all
    /// that is kept beside it.
    ///
    /// Data that is a slice of a larger buffer keeps all of that buffer, and
    /// only the slice counts.
    #[must_use]
    pub const fn with_max_buffered_len(mut self, max_buffered_len: usize) -> Self {
        self.max_buffered_len = max_buffered_len;
        self
    }

    /// Sets whether the shards share the buffer; true by default. The user
    /// records of one shard of several may then hold no more bytes than are still
    /// free, or [`push`](crate::producer::ProducerCore::push) rejects them with
    /// [`RejectionReason::ShardFull`](crate::shards::RejectionReason::ShardFull):
    /// one shard that takes nothing leaves half of the buffer to the others. A
    /// put of `Producer` waits instead. What it has accepted before its task saw
    /// that the share is taken may be above the share, never above the buffer.
    /// Where the service distributes records itself, there are no shares.
    #[must_use]
    pub const fn with_shard_shares(mut self, shard_shares: bool) -> Self {
        self.shard_shares = shard_shares;
        self
    }

    /// Sets how to send a user record that would be alone in its aggregate. A consumer gets a raw one without a sub-sequence number.
    #[must_use]
    pub const fn with_lone_user_record(mut self, lone: LoneUserRecord) -> Self {
        self.lone = lone;
        self
    }

    /// Sets how many Kinesis records a request may have: from 1 to
    /// [`MAX_REQUEST_COUNT`], which is the default. Other numbers are moved into
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

    /// Sets how many requests may wait for their answers, at least one;
    /// [`DEFAULT_MAX_REQUESTS_IN_FLIGHT`] by default.
    #[must_use]
    pub fn with_max_requests_in_flight(mut self, max_requests_in_flight: usize) -> Self {
        self.max_requests_in_flight = max_requests_in_flight.max(1);
        self
    }

    /// Sets what is sent to a shard in a second at most, in Kinesis records and
    /// in bytes of data and partition keys; 0 is no limit. A stream that
    /// distributes records itself gets that for each of its shards.
    /// [`DEFAULT_RECORDS_PER_SECOND`] and [`DEFAULT_BYTES_PER_SECOND`] by
    /// default.
    #[must_use]
    pub const fn with_shard_rate(mut self, records_per_second: u32, bytes_per_second: u32) -> Self {
        self.records_per_second = records_per_second;
        self.bytes_per_second = bytes_per_second;
        self
    }

    /// Sets what part of the [shard's rate](Self::with_shard_rate) this producer
    /// uses, in percent, at least 1; [`DEFAULT_RATE_PERCENT`] by default. With
    /// less than all, several producers can share a stream. With more than all,
    /// a shard is throttled by the service.
    #[must_use]
    pub fn with_rate_percent(mut self, rate_percent: u32) -> Self {
        self.rate_percent = rate_percent.max(1);
        self
    }

    /// Sets how long after its put a user record is given up, if it is not in
    /// flight then; [`DEFAULT_TTL`] by default.
    /// [`ProducerCore::push_until`](crate::producer::ProducerCore::push_until)
    /// sets it for a single user record.
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets how often a user record is sent at most, at least once. There is no
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

    /// Sets the pauses between attempts: random times of up to `shortest`
    /// after the first, up to twice as much after each further one, and never
    /// more than `longest` (exponential backoff with full jitter).
    /// [`DEFAULT_SHORTEST_BACKOFF`] and [`DEFAULT_LONGEST_BACKOFF`] by default.
    #[must_use]
    pub const fn with_backoff(mut self, shortest: Duration, longest: Duration) -> Self {
        self.shortest_backoff = shortest;
        self.longest_backoff = longest;
        self
    }

    /// Sets how long the producer trusts its list of shards without an answer of
    /// the stream; [`DEFAULT_MAX_SILENCE`] by default. After that, it lists the
    /// shards before its next request: a stream that was deleted and created
    /// again under its name has the same shard ids with other ranges. A stream
    /// that is created again faster than that is not noticed, and aggregates can
    /// be lost to consumers that filter, as the KCL.
    #[must_use]
    pub const fn with_max_silence(mut self, max_silence: Duration) -> Self {
        self.max_silence = max_silence;
        self
    }

    /// Sets after what time the shards are listed again, while user records are
    /// held, though nothing asks for it; [`DEFAULT_REFRESH_INTERVAL`] by default.
    /// With each listing, the stream is asked how it distributes records.
    #[must_use]
    pub const fn with_refresh_interval(mut self, refresh_interval: Duration) -> Self {
        self.refresh_interval = refresh_interval;
        self
    }

    /// Sets how many user records one
    /// [`step`](crate::producer::ProducerCore::step) looks at, at least one;
    /// [`DEFAULT_STEP_COUNT`] by default.
    #[must_use]
    pub fn with_step_count(mut self, step_count: usize) -> Self {
        self.step_count = step_count.max(1);
        self
    }

    /// Sets how the stream distributes records, as far as the service does not
    /// say and its answers do not show; [`Distribution::ByKey`] by default.
    #[must_use]
    pub const fn with_assumed_distribution(mut self, distribution: Distribution) -> Self {
        self.distribution = distribution;
        self
    }

    /// Sets what happens to user records that cannot be sent raw where they have
    /// to be; [`UnfitForRaw::Reject`] by default.
    #[must_use]
    pub const fn with_unfit_for_raw(mut self, unfit_for_raw: UnfitForRaw) -> Self {
        self.unfit_for_raw = unfit_for_raw;
        self
    }

    /// How large an aggregate may become.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// How many bytes may be held at once.
    #[must_use]
    pub const fn max_buffered_len(&self) -> usize {
        self.max_buffered_len
    }

    /// How long after its put a user record is given up.
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

    /// The length of the outer partition key of an aggregate whose first user
    /// record has a key of this length.
    pub(super) fn outer_key_len(&self, first_key_len: u64) -> u64 {
        let len = match &self.outer_key {
            OuterKey::FirstUserRecord => return first_key_len,
            OuterKey::Kpl => kinesis_agg_codec::OuterKey::KPL_PARTITION_KEY.len(),
            OuterKey::Chosen(key) => key.len(),
        };
        u64::try_from(len).unwrap_or(u64::MAX)
    }

    /// Until when a user record waits for company.
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

    /// How long records of this length together take of a shard's time, by
    /// records and by bytes.
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
