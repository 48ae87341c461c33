//! The rate that a shard takes.

use core::time::Duration;

use crate::producer::settings::ProducerSettings;

/// What a shard that was idle takes at once: its rate over this time.
const BURST: Duration = Duration::from_secs(1);

/// When what was sent is within the rate, by records and by bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Shards that share what is sent.
    shard_count: u32,
    records_even_at: Duration,
    bytes_even_at: Duration,
}

impl Rate {
    /// The rate of that many shards together.
    pub(super) fn new(shard_count: usize) -> Self {
        Self {
            shard_count: u32::try_from(shard_count).unwrap_or(u32::MAX).max(1),
            records_even_at: Duration::ZERO,
            bytes_even_at: Duration::ZERO,
        }
    }

    pub(super) const fn shard_count(&self) -> u32 {
        self.shard_count
    }

    /// The same past, with that many shards from now on.
    pub(super) const fn shared_by(self, shard_count: u32) -> Self {
        Self {
            shard_count,
            ..self
        }
    }

    fn costs(&self, settings: &ProducerSettings, count: usize, len: usize) -> (Duration, Duration) {
        let (records, bytes) = settings.costs(count, len);
        let share = |cost: Duration| cost.checked_div(self.shard_count).unwrap_or(cost);
        (share(records), share(bytes))
    }

    /// When the rate allows for that many records, of that length together.
    pub(super) fn allows_at(
        &self,
        settings: &ProducerSettings,
        count: usize,
        len: usize,
    ) -> Duration {
        let (record_cost, bytes_cost) = self.costs(settings, count, len);
        let at = |even_at: Duration, cost: Duration| {
            // What is larger than a burst is sent when the burst is whole.
            let cost = cost.min(BURST);
            even_at.saturating_add(cost).saturating_sub(BURST)
        };
        let records_at = at(self.records_even_at, record_cost);
        records_at.max(at(self.bytes_even_at, bytes_cost))
    }

    /// Counts a record of this length towards the rate.
    pub(super) fn charge(&mut self, settings: &ProducerSettings, len: usize, now: Duration) {
        let (record_cost, bytes_cost) = self.costs(settings, 1, len);
        let even_at = |even_at: Duration, cost| even_at.max(now).saturating_add(cost);
        self.records_even_at = even_at(self.records_even_at, record_cost);
        self.bytes_even_at = even_at(self.bytes_even_at, bytes_cost);
    }
}
