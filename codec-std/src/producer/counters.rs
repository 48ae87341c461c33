//! The counters of a producer.

use core::time::Duration;

/// The counters of a producer since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerCounters {
    /// User records accepted.
    pub user_records_in: u64,
    /// User records delivered.
    pub user_records_delivered: u64,
    /// User records given up.
    pub user_records_failed: u64,
    /// Requests made.
    pub requests: u64,
    /// Kinesis records in these requests, aggregated or raw; each attempt counts.
    pub records: u64,
    /// Kinesis records in these requests that were raw.
    pub raw_records: u64,
    /// Bytes of data and partition keys in these requests.
    pub bytes: u64,
    /// Attempts that did not deliver, in Kinesis records, except those after which
    /// the user records failed at once
    /// ([`RejectedByService`](crate::producer::FailureReason::RejectedByService),
    /// [`Throttled`](crate::producer::FailureReason::Throttled)).
    pub retries: u64,
    /// Aggregates that the service stored in a shard that does not have all of
    /// their hash keys, or that is in no listing.
    pub wrong_shard: u64,
    /// Time from push to first attempt, summed over all user records.
    pub buffering_time: Duration,
    /// How many times the distribution of the stream changed.
    pub distribution_changes: u64,
    /// How many times the credentials did not allow to ask how the stream
    /// distributes records.
    pub distribution_denied: u64,
}

/// Adds to a counter, up to its largest value.
pub(super) fn count(counter: &mut u64, more: usize) {
    *counter = counter.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
}
