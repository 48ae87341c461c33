//! What a producer has done.

use core::time::Duration;

/// What a producer has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerCounters {
    /// User records accepted.
    pub user_records_in: u64,
    /// User records delivered.
    pub user_records_delivered: u64,
    /// User records given up.
    pub user_records_failed: u64,
    /// Requests handed out.
    pub requests: u64,
    /// Kinesis records in them, aggregated or raw, each attempt counted.
    pub records: u64,
    /// Those of them that were raw.
    pub raw_records: u64,
    /// Bytes of them: data and partition keys.
    pub bytes: u64,
    /// Attempts that delivered nothing, in Kinesis records.
    pub retries: u64,
    /// Aggregates that the service stored in a shard that does not have all of
    /// their user records.
    pub wrong_shard: u64,
    /// Time from push to first attempt, summed over all user records.
    pub buffering_time: Duration,
    /// Changes between aggregates and raw records.
    pub distribution_changes: u64,
    /// Times that the service did not permit the question how the stream
    /// distributes records.
    pub distribution_denied: u64,
}

/// Adds to a counter, up to its largest value.
pub(super) fn count(counter: &mut u64, more: usize) {
    *counter = counter.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
}
