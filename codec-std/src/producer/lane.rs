//! What waits for a shard, in the order in which it is sent.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::producer::sealed::{Sealed, Waiting};
use crate::producer::settings::ProducerSettings;

/// What a shard that was idle takes at once: its rate of this time.
const BURST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Lane<T> {
    /// First to be sent; of several, no two share a hash key.
    pub(super) retries: VecDeque<Sealed<T>>,
    /// Next: to be aggregated anew, in order of their numbers.
    pub(super) returned: VecDeque<Waiting<T>>,
    /// Then; and last what the aggregator holds.
    pub(super) outbox: VecDeque<Sealed<T>>,
    /// What the aggregator holds need not wait for its deadline.
    pub(super) is_due: bool,
    /// Aggregates in flight that have hash keys of this lane.
    pub(super) blockers: usize,
    /// Nothing is sent before: the last attempt of something failed, or the map is
    /// likely to be stale.
    pub(super) held_until: Duration,
    /// When what was sent is within the rate, by records and by bytes.
    records_even_at: Duration,
    bytes_even_at: Duration,
    /// As they stand in the two sets.
    pub(super) ready_at: Option<Duration>,
    pub(super) expires_at: Option<Duration>,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            retries: VecDeque::new(),
            returned: VecDeque::new(),
            outbox: VecDeque::new(),
            is_due: false,
            blockers: 0,
            held_until: Duration::ZERO,
            records_even_at: Duration::ZERO,
            bytes_even_at: Duration::ZERO,
            ready_at: None,
            expires_at: None,
        }
    }
}

impl<T> Lane<T> {
    /// The aggregate to be sent next, if it is made.
    pub(super) fn next_sealed(&self) -> Option<&Sealed<T>> {
        match self.retries.front() {
            None if self.returned.is_empty() => self.outbox.front(),
            first => first,
        }
    }

    /// Takes what [`next_sealed`](Self::next_sealed) shows.
    pub(super) fn take_next(&mut self) -> Option<Sealed<T>> {
        self.next_sealed()?;
        let retry = self.retries.pop_front();
        retry.or_else(|| self.outbox.pop_front())
    }

    /// When the rate of the shard allows for a record of this length.
    pub(super) fn within_rate_at(&self, settings: &ProducerSettings, len: usize) -> Duration {
        let (record_cost, bytes_cost) = settings.costs(len);
        let at = |even_at: Duration, cost: Duration| {
            // What is longer than a burst goes when the burst is whole.
            let cost = cost.min(BURST);
            even_at.saturating_add(cost).saturating_sub(BURST)
        };
        let records_at = at(self.records_even_at, record_cost);
        records_at.max(at(self.bytes_even_at, bytes_cost))
    }

    /// Counts a record of this length towards the rate.
    pub(super) fn charge_rate(&mut self, settings: &ProducerSettings, len: usize, now: Duration) {
        let (record_cost, bytes_cost) = settings.costs(len);
        let even_at = |even_at: Duration, cost| even_at.max(now).saturating_add(cost);
        self.records_even_at = even_at(self.records_even_at, record_cost);
        self.bytes_even_at = even_at(self.bytes_even_at, bytes_cost);
    }
}
