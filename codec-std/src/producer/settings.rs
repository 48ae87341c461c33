//! How a producer behaves.

use core::time::Duration;

use kinesis_agg_codec::Limits;

use crate::shards::ShardedLimits;
use crate::write::LoneUserRecord;

/// Records of the largest PutRecords request.
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

/// Requests that wait for their answers at most by default.
pub const DEFAULT_MAX_REQUESTS_IN_FLIGHT: usize = 16;

/// The longest pause after a first attempt, by default.
pub const DEFAULT_SHORTEST_BACKOFF: Duration = Duration::from_millis(50);

/// The longest pause after any attempt, by default.
pub const DEFAULT_LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// How long a user record may stay by default before it goes back.
///
/// Source: the KPL's `RecordTtl`.
pub const DEFAULT_TTL: Duration = Duration::from_secs(30);

/// How a [`ProducerCore`](crate::ProducerCore) behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerSettings {
    pub(super) sharded: ShardedLimits,
    pub(super) max_request_count: usize,
    pub(super) max_request_len: usize,
    pub(super) max_requests_in_flight: usize,
    pub(super) records_per_second: u32,
    pub(super) bytes_per_second: u32,
    pub(super) ttl: Duration,
    pub(super) max_attempts: usize,
    pub(super) shortest_backoff: Duration,
    pub(super) longest_backoff: Duration,
}

impl ProducerSettings {
    /// [`ShardedLimits::new`], the service's limits, the KPL's
    /// [`DEFAULT_TTL`], and the other defaults of this crate, each at its
    /// setter.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sharded: ShardedLimits::new(),
            max_request_count: MAX_REQUEST_COUNT,
            max_request_len: DEFAULT_MAX_REQUEST_LEN,
            max_requests_in_flight: DEFAULT_MAX_REQUESTS_IN_FLIGHT,
            records_per_second: DEFAULT_RECORDS_PER_SECOND,
            bytes_per_second: DEFAULT_BYTES_PER_SECOND,
            ttl: DEFAULT_TTL,
            max_attempts: usize::MAX,
            shortest_backoff: DEFAULT_SHORTEST_BACKOFF,
            longest_backoff: DEFAULT_LONGEST_BACKOFF,
        }
    }

    /// Sets how large an aggregate may become.
    #[must_use]
    pub const fn with_limits(self, limits: Limits) -> Self {
        let sharded = self.sharded.with_limits(limits);
        Self { sharded, ..self }
    }

    /// Sets how long a user record waits for company.
    #[must_use]
    pub const fn with_max_age(self, max_age: Duration) -> Self {
        let sharded = self.sharded.with_max_age(max_age);
        Self { sharded, ..self }
    }

    /// Sets how many bytes of user records are held at once, from the push to
    /// the taking of their end. Counted as in
    /// [`ShardedLimits::with_max_buffered_len`].
    #[must_use]
    pub const fn with_max_buffered_len(self, max_buffered_len: usize) -> Self {
        let sharded = self.sharded.with_max_buffered_len(max_buffered_len);
        Self { sharded, ..self }
    }

    /// Sets in what form a user record goes that is alone in its aggregate. A
    /// consumer gets a raw one without a sub-sequence number.
    #[must_use]
    pub const fn with_lone_user_record(self, lone: LoneUserRecord) -> Self {
        let sharded = self.sharded.with_lone_user_record(lone);
        Self { sharded, ..self }
    }

    /// Sets how many Kinesis records a request may have: 1 to
    /// [`MAX_REQUEST_COUNT`], to which other numbers are moved and which is the
    /// default.
    #[must_use]
    pub fn with_max_request_count(self, max_request_count: usize) -> Self {
        Self {
            max_request_count: max_request_count.clamp(1, MAX_REQUEST_COUNT),
            ..self
        }
    }

    /// Sets how many bytes a request may have: data and partition keys;
    /// [`DEFAULT_MAX_REQUEST_LEN`] by default. An aggregate that is larger goes
    /// alone.
    #[must_use]
    pub const fn with_max_request_len(self, max_request_len: usize) -> Self {
        Self {
            max_request_len,
            ..self
        }
    }

    /// Sets how many requests may wait for their answers, at least one;
    /// [`DEFAULT_MAX_REQUESTS_IN_FLIGHT`] by default.
    #[must_use]
    pub fn with_max_requests_in_flight(self, max_requests_in_flight: usize) -> Self {
        Self {
            max_requests_in_flight: max_requests_in_flight.max(1),
            ..self
        }
    }

    /// Sets what is sent to a shard in a second at most, in Kinesis records and
    /// in bytes of data and partition keys; 0 is no limit.
    /// [`DEFAULT_RECORDS_PER_SECOND`] and [`DEFAULT_BYTES_PER_SECOND`] by
    /// default.
    #[must_use]
    pub const fn with_shard_rate(self, records_per_second: u32, bytes_per_second: u32) -> Self {
        Self {
            records_per_second,
            bytes_per_second,
            ..self
        }
    }

    /// Sets how long after its push a user record is given up, if it is not in
    /// flight then; [`DEFAULT_TTL`] by default.
    #[must_use]
    pub const fn with_ttl(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    /// Sets how often a user record is sent at most, at least once. Any number
    /// by default.
    #[must_use]
    pub fn with_max_attempts(self, max_attempts: usize) -> Self {
        Self {
            max_attempts: max_attempts.max(1),
            ..self
        }
    }

    /// Sets the pauses between attempts: random times of up to `shortest`
    /// after the first, up to twice as much after each further one, and never
    /// more than `longest` (exponential backoff with full jitter).
    /// [`DEFAULT_SHORTEST_BACKOFF`] and [`DEFAULT_LONGEST_BACKOFF`] by default.
    #[must_use]
    pub const fn with_backoff(self, shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest_backoff: shortest,
            longest_backoff: longest,
            ..self
        }
    }

    /// How large an aggregate may become.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.sharded.limits()
    }
}

impl Default for ProducerSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl ProducerSettings {
    /// How long a record of this length takes of a shard's time, by records
    /// and by bytes.
    pub(super) fn costs(&self, len: usize) -> (Duration, Duration) {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let share = |part: u32, rate: u32| {
            let seconds = Duration::from_secs(u64::from(part));
            seconds.checked_div(rate).unwrap_or_default()
        };
        (
            share(1, self.records_per_second),
            share(len, self.bytes_per_second),
        )
    }
}
