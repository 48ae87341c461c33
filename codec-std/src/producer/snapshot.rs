//! Snapshots of the metrics of a producer.

use core::time::Duration;

use crate::producer::core::ProducerCore;
use crate::producer::entry::Pushed;
use crate::producer::numbers::{ProducerSnapshot, ShardSnapshot};

impl<T> ProducerCore<T> {
    /// Returns the metrics. It looks at the first user record of each shard and at
    /// each Kinesis record in flight, and copies little: call it once a second,
    /// not for each user record. [`counters`](Self::counters) alone is a cheap
    /// copy.
    #[must_use]
    pub fn snapshot(&self, now: Duration) -> ProducerSnapshot {
        let now = now.max(self.now);
        let in_flight = || self.in_flight.values().flat_map(|request| &request.sealed);
        let undecided = self.undecided.values().map(|stored| &stored.sealed);
        let oldest_sealed = in_flight().chain(undecided);
        let oldest_sealed = oldest_sealed.filter_map(|sealed| sealed.pushed.first());
        let waiting = self.lanes.iter().filter_map(|lane| lane.oldest_pushed_at());
        let oldest = oldest_sealed.map(Pushed::pushed_at).chain(waiting);
        ProducerSnapshot {
            counters: self.counters,
            buffered_count: self.buffered_count(),
            buffered_len: self.buffered_len(),
            oldest_age: oldest.min().map(|oldest| now.saturating_sub(oldest)),
            requests_in_flight: self.in_flight.len(),
            records_in_flight: in_flight().count(),
            errors: self.numbers.errors.by_code().clone(),
            request_latency: self.numbers.request_latency,
            buffering_time: self.numbers.buffering_time,
        }
    }

    /// Returns what is held for each open shard, in the order of their hash keys.
    /// If the stream distributes records itself, there is a single entry for all
    /// shards.
    pub fn shard_snapshots(&self, now: Duration) -> impl Iterator<Item = ShardSnapshot> + '_ {
        let now = now.max(self.now);
        self.lanes.iter().map(move |lane| {
            let sealed_count = lane.sealed.user_record_count();
            let oldest = lane.oldest_pushed_at();
            ShardSnapshot {
                shard_id: lane.shard_id.clone(),
                waiting_count: lane.queue.len().saturating_add(sealed_count),
                buffered_len: lane.held_len(),
                records_in_flight: lane.in_flight,
                oldest_age: oldest.map(|oldest| now.saturating_sub(oldest)),
            }
        })
    }
}
