//! Ending everything at once.

use core::time::Duration;

use crate::producer::attempt::{Attempt, AttemptOutcome};
use crate::producer::core::ProducerCore;
use crate::producer::event::FailureReason;
use crate::producer::request::RequestFailure;

impl<T> ProducerCore<T> {
    /// Gives up all user records that are held: each fails with
    /// [`FailureReason::Stopped`] in an event. Answers to requests in flight are
    /// unknown from then on; the last attempt of their user records is
    /// [`RequestFailure::NoAnswer`], since they may be in the stream.
    ///
    /// The producer stays usable.
    pub fn give_up(&mut self, now: Duration) {
        let now = self.advance(now);
        let failure = RequestFailure::NoAnswer("given up before the answer".into());
        let mut all = Vec::new();
        for (_, request) in core::mem::take(&mut self.in_flight) {
            for mut sealed in request.sealed {
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
            sealed.attempts.push(attempt);
            all.push(sealed);
        }
        let mut entries = Vec::new();
        for lane in &mut self.lanes {
            while let Some(sealed) = lane.sealed.pop_first() {
                all.push(sealed);
            }
            entries.extend(core::mem::take(&mut lane.queue).into_values());
        }
        for sealed in all {
            entries.extend(sealed.take_apart());
        }
        entries.sort_unstable_by_key(|entry| entry.pushed.number);
        for entry in entries {
            self.failed(entry, FailureReason::Stopped);
        }
        self.rebuild_lanes();
    }
}
