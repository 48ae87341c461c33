//! What waits for a shard, in the order in which it is sent.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;

use kinesis_agg_codec::HashKeyRange;

use crate::producer::distribution::Distribution;
use crate::producer::entry::Entry;
use crate::producer::fill::Fill;
use crate::producer::rate::Rate;
use crate::producer::sealed_queue::SealedQueue;
use crate::producer::settings::ProducerSettings;

/// One for each open shard, or a single one where the service distributes
/// records itself.
#[derive(Debug)]
pub(super) struct Lane<T> {
    pub(super) shard_id: Arc<str>,
    pub(super) range: HashKeyRange,
    /// Sent first.
    pub(super) sealed: SealedQueue<T>,
    /// Sent next, by number. For each hash key, the numbers here are higher than
    /// those in flight and in `sealed`.
    pub(super) queue: BTreeMap<u64, Box<Entry<T>>>,
    /// How far the front of the queue fills what is made of it.
    pub(super) fill: Fill,
    /// Kinesis records in flight or undecided that have hash keys of this lane.
    pub(super) blockers: usize,
    /// Nothing is sent before.
    pub(super) held_until: Duration,
    pub(super) rate: Rate,
}

impl<T> Lane<T> {
    pub(super) fn new(shard_id: Arc<str>, range: HashKeyRange, shard_count: usize) -> Self {
        Self {
            shard_id,
            range,
            sealed: SealedQueue::default(),
            queue: BTreeMap::new(),
            fill: Fill::default(),
            blockers: 0,
            held_until: Duration::ZERO,
            rate: Rate::new(shard_count),
        }
    }

    /// Adds a user record to the queue. A later [`refill`](Self::refill) is
    /// needed unless it is the last one.
    pub(super) fn insert(&mut self, entry: Box<Entry<T>>) {
        self.queue.insert(entry.pushed.number, entry);
    }

    /// Adds a user record that comes after all others.
    pub(super) fn push(
        &mut self,
        entry: Box<Entry<T>>,
        distribution: Distribution,
        settings: &ProducerSettings,
    ) {
        match distribution {
            Distribution::ByKey => self.fill.add_to_aggregate(&entry, settings),
            Distribution::Auto => self.fill.add_to_request(&entry, settings),
        }
        self.insert(entry);
    }

    /// Computes again how far the front of the queue fills what is made of it.
    /// Looks at no more user records than fit.
    pub(super) fn refill(&mut self, distribution: Distribution, settings: &ProducerSettings) {
        self.fill = Fill::default();
        for entry in self.queue.values() {
            match distribution {
                Distribution::ByKey => self.fill.add_to_aggregate(entry, settings),
                Distribution::Auto => self.fill.add_to_request(entry, settings),
            }
            if self.fill.is_full() {
                break;
            }
        }
    }

    /// When the oldest user record was put.
    pub(super) fn oldest(&self) -> Option<Duration> {
        let queued = self.queue.values().next().map(|entry| entry.pushed.put_at);
        [queued, self.sealed.oldest()].into_iter().flatten().min()
    }
}
