//! The metrics of a producer.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;

use crate::producer::counters::{ProducerCounters, count};
use crate::producer::histogram::Histogram;

/// The most error codes that are counted separately.
const MAX_CODES: usize = 64;

/// Stands for all error codes beyond [`MAX_CODES`].
const OTHER_CODES: &str = "(other)";

/// The metrics of a producer at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerSnapshot {
    /// The counters so far.
    pub counters: ProducerCounters,
    /// User records that are held.
    pub buffered_count: usize,
    /// Bytes that are held, as
    /// [`with_max_buffered_len`](crate::producer::ProducerSettings::with_max_buffered_len)
    /// counts them.
    pub buffered_len: usize,
    /// The time since the push of the oldest user record that has not ended.
    pub oldest_age: Option<Duration>,
    /// Requests in flight.
    pub requests_in_flight: usize,
    /// Kinesis records in them.
    pub records_in_flight: usize,
    /// How many attempts failed, by error code. Each rejected Kinesis record
    /// counts; a request that failed as a whole counts once, as `Rejected`,
    /// `NoAnswer`, `AccessDenied`, `StreamNotFound` or `CountMismatch`.
    pub errors: BTreeMap<Arc<str>, u64>,
    /// Time from returning a request to its answer.
    pub request_latency: Histogram,
    /// Time from push to first attempt, of each user record.
    pub buffering_time: Histogram,
}

/// What a producer holds for one shard, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardSnapshot {
    /// The shard; `any` if the service distributes records itself.
    pub shard_id: Arc<str>,
    /// User records that wait to be sent, or to be sent again.
    pub waiting_count: usize,
    /// Bytes that count for the shard: of user records that wait and of those in
    /// flight.
    pub buffered_len: usize,
    /// Kinesis records that are in flight, or that were stored and wait for a
    /// listing that decides whether in the right shard.
    pub records_in_flight: usize,
    /// The time since the push of the oldest user record that waits.
    pub oldest_age: Option<Duration>,
}

/// What a producer measures besides its counters.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) errors: ErrorCounts,
    pub(super) request_latency: Histogram,
    pub(super) buffering_time: Histogram,
}

/// How often each error code occurred.
#[derive(Debug, Default)]
pub(super) struct ErrorCounts {
    by_code: BTreeMap<Arc<str>, u64>,
}

impl ErrorCounts {
    pub(super) fn count(&mut self, code: &Arc<str>) {
        if let Some(errors) = self.by_code.get_mut(code) {
            return count(errors, 1);
        }
        let code = match self.by_code.len() < MAX_CODES {
            true => Arc::clone(code),
            false => OTHER_CODES.into(),
        };
        count(self.by_code.entry(code).or_default(), 1);
    }

    pub(super) const fn by_code(&self) -> &BTreeMap<Arc<str>, u64> {
        &self.by_code
    }
}
