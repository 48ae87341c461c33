//! Gives up all user records.

use core::time::Duration;

use crate::producer::attempt::{Attempt, AttemptOutcome};
use crate::producer::core::ProducerCore;
use crate::producer::event::FailureReason;
use crate::producer::request::RequestFailure;
use crate::producer::sealed::Sealed;

impl<T> ProducerCore<T> {
    /// Gives up all user records that are held: each fails with
    /// [`FailureReason::Stopped`], in the order of their pushes. Their events
    /// come after those not yet polled.
    ///
    /// The requests in flight are forgotten, and answers to them are rejected as
    /// unknown. Their user records may be in the stream, so their last attempt is a
    /// [`RequestFailure::NoAnswer`].
    pub fn give_up_all(&mut self, now: Duration) {
        let now = self.advance(now);
        let failure = RequestFailure::NoAnswer("given up before the answer".into());
        let mut all = Vec::new();
        for (_, request) in core::mem::take(&mut self.in_flight) {
            for mut sealed in request.sealed {
                self.lanes.remove_in_flight(&sealed, &self.settings);
                sealed.attempts.push(Attempt {
                    sent_at: request.sent_at,
                    answered_at: now,
                    outcome: AttemptOutcome::RequestFailed(failure.clone()),
                });
                all.push(sealed);
            }
        }
        for (_, stored) in core::mem::take(&mut self.undecided) {
            let (mut sealed, attempt) = stored.into_parts();
            self.lanes.remove_in_flight(&sealed, &self.settings);
            sealed.attempts.push(attempt);
            all.push(sealed);
        }
        let mut entries = Vec::new();
        entries.extend(core::iter::from_fn(|| self.unrouted.pop()));
        for place in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(place) else {
                continue;
            };
            all.extend(core::iter::from_fn(|| lane.sealed.pop_first()));
            entries.extend(core::iter::from_fn(|| lane.queue.pop_first()));
            lane.refill(self.view.distribution, &self.settings);
            self.lanes.schedule(place, &self.settings);
        }
        for sealed in &all {
            self.release(sealed);
        }
        entries.extend(all.into_iter().flat_map(Sealed::take_apart));
        entries.sort_unstable_by_key(|entry| entry.pushed.number);
        for entry in entries {
            self.failed(entry, FailureReason::Stopped);
        }
    }
}
