//! User records that go back to a lane, or whose time is over.

use core::time::Duration;

use crate::producer::core::ProducerCore;
use crate::producer::counters::count;
use crate::producer::distribution::Distribution;
use crate::producer::entry::{Entry, can_go_raw};
use crate::producer::event::FailureReason;
use crate::producer::sealed::Sealed;
use crate::producer::settings::UnfitForRaw;

impl<T> ProducerCore<T> {
    /// Does a bounded part of the work that a new list of shards, an answer or
    /// an expiry has left: looks at
    /// [`with_step_count`](crate::producer::ProducerSettings::with_step_count) user
    /// records, and takes at most one Kinesis record apart. Returns true if there
    /// is more.
    ///
    /// [`poll_request`](Self::poll_request) does all of it, so calling this is
    /// never necessary. A program that must not pause for long, such as a task
    /// among others, calls it until it returns false, and lets others run in
    /// between. It also makes events.
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

    /// Ends what is over, wherever it waits, up to that many user records.
    /// Returns true if there is more.
    fn expire(&mut self, mut left: usize) -> bool {
        while let Some(place) = self.lanes.expired(self.now) {
            if left == 0 || !self.unrouted.is_empty() {
                return true;
            }
            let Some(lane) = self.lanes.get_mut(place) else {
                break;
            };
            if let Some(entry) = lane.queue.pop_expired(self.now) {
                // The first one may be another, or none.
                lane.is_blocked = false;
                if lane.queue.is_empty() {
                    lane.refill(self.view.distribution, &self.settings);
                    lane.hurry = None;
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

    /// Gives the user records of a Kinesis record back to their lanes, which
    /// pause if `hold`.
    pub(super) fn aggregate_again(
        &mut self,
        sealed: Sealed<T>,
        awaits_listing: Duration,
        hold: bool,
    ) {
        // Where there is no order, the others go on.
        if hold && self.view.distribution == Distribution::ByKey {
            let pause = self.backoff(sealed.attempt_count());
            let held_until = self.now.saturating_add(pause);
            self.lanes.hold(sealed.span, held_until, &self.settings);
        }
        count(&mut self.counters.retries, 1);
        self.give_back(sealed, awaits_listing);
    }

    /// Has a Kinesis record taken apart: its user records go back into the
    /// queues with the next [`step`](Self::step), or fail if their time to live
    /// or attempts are over.
    pub(super) fn give_back(&mut self, sealed: Sealed<T>, awaits_listing: Duration) {
        self.release(&sealed);
        self.unrouted.add_sealed(sealed, awaits_listing);
    }

    /// Lets other Kinesis records have the hash keys of one.
    pub(super) fn release(&mut self, sealed: &Sealed<T>) {
        self.sealer.release(sealed);
        self.lanes.unblock(sealed, &self.settings);
    }

    /// Puts a user record into its place in the queue of its lane, or ends it.
    fn put_back(&mut self, entry: Entry<T>) {
        match self.reason_to_end(&entry) {
            Some(reason) => self.failed(entry, reason),
            None => self.lanes.put_back(entry),
        }
    }

    fn reason_to_end(&self, entry: &Entry<T>) -> Option<FailureReason> {
        let Entry {
            user_record,
            pushed,
            ..
        } = entry;
        let has_key = user_record.partition_key().is_some();
        let may_wrap = has_key && self.settings.unfit_for_raw == UnfitForRaw::Aggregate;
        if pushed.expires_at <= self.now {
            Some(FailureReason::Expired)
        } else if pushed.attempts.count() >= self.settings.max_attempts {
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
