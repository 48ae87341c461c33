//! Returns user records to a lane, and fails those that have expired.

use core::time::Duration;

use crate::producer::core::ProducerCore;
use crate::producer::counters::count;
use crate::producer::distribution::Distribution;
use crate::producer::entry::{Entry, can_go_raw};
use crate::producer::event::FailureReason;
use crate::producer::sealed::Sealed;
use crate::producer::unfit_for_raw::UnfitForRaw;

impl<T> ProducerCore<T> {
    /// Does a bounded part of the work that a new list of shards, an answer or
    /// expired user records have caused: processes
    /// [`with_step_count`](crate::producer::ProducerSettings::with_step_count) user
    /// records. Returns true if there is more to do.
    ///
    /// [`poll_request`](Self::poll_request) does all of this work, so calling
    /// `step` is optional. A program that must not block for long, such as an async
    /// task, calls it until it returns false, and lets other tasks run between the
    /// calls. It also produces events.
    pub fn step(&mut self, now: Duration) -> bool {
        self.advance(now);
        let mut left = self.settings.step_count;
        while let Some(entry) = self.unrouted.pop() {
            self.put_back(entry);
            left = left.saturating_sub(1);
            if left == 0 {
                return true;
            }
        }
        while let Some(count) = self.lanes.finish_change(&self.settings) {
            left = left.saturating_sub(count.max(1));
            if left == 0 {
                return true;
            }
        }
        self.expire(left)
    }

    /// Fails up to `left` expired user records. Returns true if there are more, or
    /// if Kinesis records wait for a later step to take them apart.
    fn expire(&mut self, mut left: usize) -> bool {
        while let Some(place) = self.lanes.expired(self.now) {
            if left == 0 || !self.unrouted.is_empty() {
                return true;
            }
            let Some(lane) = self.lanes.get_mut(place) else {
                break;
            };
            if let Some(entry) = lane.queue.pop_expired(self.now) {
                // The first user record may have changed.
                lane.is_blocked = false;
                if lane.queue.is_empty() {
                    lane.refill(self.view.distribution, &self.settings);
                }
                self.lanes.schedule(place, &self.settings);
                self.failed(entry, FailureReason::Expired);
                left = left.saturating_sub(1);
                continue;
            }
            let is_over = lane.sealed.expires_at().is_some_and(|at| at <= self.now);
            let sealed = is_over.then(|| lane.sealed.pop_next_to_expire()).flatten();
            self.lanes.schedule(place, &self.settings);
            if let Some(sealed) = sealed {
                self.give_back(sealed, Duration::ZERO);
            }
        }
        while let Some(first) = self.undecided.first_entry() {
            if first.key().0 > self.now {
                break;
            }
            let stored = first.remove();
            self.lanes.remove_in_flight(&stored.sealed, &self.settings);
            self.undecided_is_over(stored);
        }
        !self.unrouted.is_empty()
    }

    /// Returns the user records of a Kinesis record to their lanes, to be
    /// aggregated again. If `hold`, those lanes send nothing during a backoff.
    pub(super) fn aggregate_again(
        &mut self,
        sealed: Sealed<T>,
        awaits_listing: Duration,
        hold: bool,
    ) {
        // Without order, the other user records need not wait.
        if hold && self.view.distribution == Distribution::ByKey {
            let pause = self.backoff(sealed.attempt_count());
            let held_until = self.now.saturating_add(pause);
            self.lanes.hold(sealed.span, held_until, &self.settings);
        }
        count(&mut self.counters.retries, 1);
        self.give_back(sealed, awaits_listing);
    }

    /// Queues a Kinesis record for taking apart. The next [`step`](Self::step)s
    /// return its user records to their queues, or fail those that have expired or
    /// have no attempts left.
    pub(super) fn give_back(&mut self, sealed: Sealed<T>, awaits_listing: Duration) {
        self.release(&sealed);
        self.unrouted.add_sealed(sealed, awaits_listing);
    }

    /// Releases the hash keys of a Kinesis record.
    pub(super) fn release(&mut self, sealed: &Sealed<T>) {
        self.sealer.release(sealed);
        self.lanes.unblock(sealed, &self.settings);
    }

    /// Returns a user record to its place in the queue of its lane, or fails it.
    fn put_back(&mut self, entry: Entry<T>) {
        match self.reason_to_end(&entry) {
            Some(reason) => self.failed(entry, reason),
            None => self.lanes.put_back(entry, &self.settings),
        }
    }

    fn reason_to_end(&self, entry: &Entry<T>) -> Option<FailureReason> {
        let Entry {
            user_record,
            pushed,
        } = entry;
        let has_key = user_record.partition_key().is_some();
        let may_wrap = has_key && self.settings.unfit_for_raw == UnfitForRaw::Aggregate;
        if pushed.expires_at() <= self.now {
            Some(FailureReason::Expired)
        } else if pushed.attempt_count() >= self.settings.max_attempts {
            Some(FailureReason::AttemptsExhausted)
        } else {
            match self.view.distribution {
                Distribution::ByKey if !has_key => Some(FailureReason::NoPartitionKey),
                Distribution::Auto if !can_go_raw(user_record) && !may_wrap => {
                    Some(FailureReason::CannotGoRaw)
                }
                Distribution::ByKey | Distribution::Auto => None,
            }
        }
    }
}
