//! The rate limit of a shard.

use core::time::Duration;

use crate::producer::settings::ProducerSettings;

/// The burst that an idle shard accepts at once: its rate over this time.
const BURST: Duration = Duration::from_secs(1);

/// The times at which the records and the bytes sent so far no longer exceed the
/// rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// The number of shards that share this rate.
    shard_count: u32,
    records_even_at: Duration,
    bytes_even_at: Duration,
}

impl Rate {
    /// Returns the combined rate of `shard_count` shards.
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

    /// Returns this rate with another number of shards.
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

    /// Returns when the rate allows `count` records of `len` bytes in total.
    pub(super) fn allows_at(
        &self,
        settings: &ProducerSettings,
        count: usize,
        len: usize,
    ) -> Duration {
        let (record_cost, bytes_cost) = self.costs(settings, count, len);
        let at = |even_at: Duration, cost: Duration| {
            // Records larger than a burst are sent once a full burst is available.
            let cost = cost.min(BURST);
            even_at.saturating_add(cost).saturating_sub(BURST)
        };
        let records_at = at(self.records_even_at, record_cost);
        records_at.max(at(self.bytes_even_at, bytes_cost))
    }

    /// Counts a record of `len` bytes towards the rate.
    pub(super) fn charge(&mut self, settings: &ProducerSettings, len: usize, now: Duration) {
        let (record_cost, bytes_cost) = self.costs(settings, 1, len);
        let even_at = |even_at: Duration, cost| even_at.max(now).saturating_add(cost);
        self.records_even_at = even_at(self.records_even_at, record_cost);
        self.bytes_even_at = even_at(self.bytes_even_at, bytes_cost);
    }
}
