//! The queues of one shard, in the order in which they are sent.

use alloc::sync::Arc;
use core::time::Duration;

use kinesis_agg_codec::HashKeyRange;

use crate::producer::distribution::Distribution;
use crate::producer::entry::Pushed;
use crate::producer::fill::Fill;
use crate::producer::queue::Queue;
use crate::producer::rate::Rate;
use crate::producer::sealed_queue::SealedQueue;
use crate::producer::settings::ProducerSettings;
use crate::write::OwnedUserRecord;

/// The user records that wait for a shard. There is a lane for each open shard, or
/// a single one if the stream distributes records itself.
#[derive(Debug)]
pub(super) struct Lane<T> {
    pub(super) shard_id: Arc<str>,
    pub(super) range: HashKeyRange,
    /// Sent first.
    pub(super) sealed: SealedQueue<T>,
    /// Sent next. For each hash key, the numbers here are higher than those in
    /// flight and in `sealed`.
    pub(super) queue: Queue<T>,
    /// How far the front of the queue fills its Kinesis record or request.
    pub(super) fill: Fill,
    /// Kinesis records in flight or undecided that have hash keys of this lane.
    pub(super) in_flight: usize,
    /// Bytes that the user records in flight or undecided count for.
    pub(super) in_flight_len: usize,
    /// The hash key of the first user record of the queue is held.
    pub(super) is_blocked: bool,
    /// Nothing is sent before this time.
    pub(super) held_until: Duration,
    /// User records with lower numbers do not wait for the aggregate to fill.
    pub(super) flushed_before: u64,
    /// True if this lane is in the list of lanes that a flush schedules.
    pub(super) is_listed: bool,
    /// True if user records were put back that `fill` does not include yet.
    pub(super) is_changed: bool,
    pub(super) rate: Rate,
}

impl<T> Lane<T> {
    pub(super) fn new(shard_id: Arc<str>, range: HashKeyRange, shard_count: usize) -> Self {
        Self {
            shard_id,
            range,
            sealed: SealedQueue::default(),
            queue: Queue::default(),
            fill: Fill::default(),
            in_flight: 0,
            in_flight_len: 0,
            is_blocked: false,
            held_until: Duration::ZERO,
            flushed_before: 0,
            is_listed: false,
            is_changed: false,
            rate: Rate::new(shard_count),
        }
    }

    /// Returns how many bytes the user records of this lane count for.
    pub(super) const fn held_len(&self) -> usize {
        let waiting = self.queue.held_len().saturating_add(self.sealed.held_len());
        waiting.saturating_add(self.in_flight_len)
    }

    /// Recomputes how far the front of the queue fills its Kinesis record or
    /// request. Looks at no more user records than fit.
    pub(super) fn refill(&mut self, distribution: Distribution, settings: &ProducerSettings) {
        self.is_blocked = false;
        self.fill.refill(self.queue.iter(), distribution, settings);
    }

    /// Adds a user record to the queue. Returns true if it is the first one, or the
    /// first to be due or to expire.
    #[inline]
    pub(super) fn insert(
        &mut self,
        user_record: OwnedUserRecord,
        pushed: Pushed<T>,
        settings: &ProducerSettings,
    ) -> bool {
        if self.queue.is_later_than_all(&pushed) {
            self.queue.push(user_record, pushed);
            return false;
        }
        let is_first = self.is_first(&pushed, settings);
        self.queue.insert(user_record, pushed, settings);
        is_first
    }

    #[inline(never)]
    fn is_first(&self, pushed: &Pushed<T>, settings: &ProducerSettings) -> bool {
        let first = self.queue.first_pushed();
        let (due_at, expires_at) = (self.queue.due_at(settings), self.queue.expires_at());
        first.is_none_or(|first| pushed.number < first.number)
            || due_at.is_none_or(|at| pushed.due_at(settings) < at)
            || expires_at.is_none_or(|at| pushed.expires_at() < at)
    }

    /// Returns when the first of the waiting user records expires.
    pub(super) fn expires_at(&self) -> Option<Duration> {
        let queued = self.queue.expires_at().into_iter();
        queued.chain(self.sealed.expires_at()).min()
    }

    /// Returns when the oldest of the waiting user records was pushed.
    pub(super) fn oldest_pushed_at(&self) -> Option<Duration> {
        let queued = self.queue.first_pushed().map(Pushed::pushed_at);
        let sealed = self.sealed.oldest_pushed_at();
        queued.into_iter().chain(sealed).min()
    }
}
