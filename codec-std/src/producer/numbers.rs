//! What a producer measures of itself.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;

use crate::producer::counters::{ProducerCounters, count};
use crate::producer::histogram::Histogram;

/// Different error codes that are counted at once.
const MAX_CODES: usize = 64;

/// Stands for the codes that came when there were that many already.
const OTHER_CODES: &str = "(other)";

/// The state of a producer in numbers, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerSnapshot {
    /// What was done so far.
    pub counters: ProducerCounters,
    /// User records that are held.
    pub buffered_count: usize,
    /// Bytes that are held, as
    /// [`with_max_buffered_len`](crate::producer::ProducerSettings::with_max_buffered_len)
    /// counts them.
    pub buffered_len: usize,
    /// The time since the push of the oldest user record that has not ended.
    pub oldest_age: Option<Duration>,
    /// Requests that wait for their answers.
    pub requests_in_flight: usize,
    /// Kinesis records in them.
    pub records_in_flight: usize,
    /// How many attempts failed with which error code, by Kinesis record; a
    /// request that failed as a whole counts once, as `Rejected`, `NoAnswer`,
    /// `AccessDenied`, `StreamNotFound` or `CountMismatch`.
    pub errors: BTreeMap<Arc<str>, u64>,
    /// Time from handing out a request to its answer.
    pub request_latency: Histogram,
    /// Time from push to first attempt, of each user record.
    pub buffering_time: Histogram,
}

/// What is held for one shard, at one moment.
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
    /// Kinesis records that are in flight, or whose place is not certain yet.
    pub records_in_flight: usize,
    /// The time since the push of the oldest user record that waits.
    pub oldest_age: Option<Duration>,
}

/// What is measured while the producer works.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) errors: ErrorCounts,
    pub(super) request_latency: Histogram,
    pub(super) buffering_time: Histogram,
}

/// How often each error code came.
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
