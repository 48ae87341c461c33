//! Logs failures as at most one warning per second.

use alloc::sync::Arc;
use core::time::Duration;

use crate::producer::event::{Failure, FailureReason};
use crate::producer::request::RequestFailure;
use crate::producer::service::ListShardsError;

/// The minimum time between two warnings.
const PERIOD: Duration = Duration::from_secs(1);

/// Counts failures since the last warning.
#[derive(Debug, Default)]
pub(super) struct Tally {
    given_up: u64,
    /// Why the first user record since the last warning was given up, and the
    /// outcome of its last attempt.
    last_given_up: Option<(FailureReason, Option<String>)>,
    requests: u64,
    last_request: Option<Arc<str>>,
    listings: u64,
    last_listing: Option<String>,
    /// No warning is logged before this time.
    quiet_until: Duration,
}

impl Tally {
    pub(super) fn given_up(&mut self, failure: &Failure) {
        self.given_up = self.given_up.saturating_add(1);
        // Formats at most one text per warning.
        if self.last_given_up.is_none() {
            let last = failure.attempts.last();
            let cause = last.map(|attempt| attempt.outcome.to_string());
            self.last_given_up = Some((failure.reason, cause));
        }
    }

    pub(super) fn request_failed(&mut self, failure: &RequestFailure) {
        self.requests = self.requests.saturating_add(1);
        self.last_request = Some(Arc::clone(failure.text()));
    }

    pub(super) fn listing_failed(&mut self, error: &ListShardsError) {
        self.listings = self.listings.saturating_add(1);
        self.last_listing = Some(match error {
            ListShardsError::Service(failure) => format!("{error}: {failure}"),
            ListShardsError::Range(_) | ListShardsError::Map(_) => error.to_string(),
        });
    }

    /// Returns when the next warning is due, if there were failures.
    pub(super) fn due_at(&self) -> Option<Duration> {
        let is_empty = self.given_up == 0 && self.requests == 0 && self.listings == 0;
        (!is_empty).then_some(self.quiet_until)
    }

    /// Logs a warning, if one is due.
    pub(super) fn warn(&mut self, now: Duration) {
        if self.due_at().is_none_or(|due_at| due_at > now) {
            return;
        }
        let tally = core::mem::replace(
            self,
            Self {
                quiet_until: now.saturating_add(PERIOD),
                ..Self::default()
            },
        );
        let (reason, cause) = tally.last_given_up.unzip();
        tracing::warn!(
            user_records_given_up = tally.given_up,
            reason = reason.map(tracing::field::display),
            last_cause = cause.flatten(),
            requests_failed = tally.requests,
            last_request = tally.last_request.as_deref(),
            listings_failed = tally.listings,
            last_listing = tally.last_listing,
            "the producer has trouble"
        );
    }
}
