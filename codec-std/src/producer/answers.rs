//! Handles answers to requests: what counts as delivered, and what is sent again.
//!
//! The essential rule is in [`StreamView::judge`]: a user record is delivered
//! only if a consumer that drops whole aggregates (the KCL) receives it.
//!
//! [`StreamView::judge`]: crate::producer::stream_view::StreamView::judge

use alloc::sync::Arc;
use core::time::Duration;

use crate::producer::attempt::{Attempt, AttemptOutcome};
use crate::producer::core::{InFlight, ProducerCore};
use crate::producer::counters::count;
use crate::producer::distribution::Distribution;
use crate::producer::event::{FailureReason, Notice};
use crate::producer::request::{PutResult, RequestFailure, RequestId, UnknownRequest};
use crate::producer::sealed::Sealed;
use crate::producer::stored::Stored;
use crate::producer::stream_view::{Verdict, has_all};
use crate::producer::unfit_for_raw::UnfitForRaw;
use crate::write::LoneUserRecord;

/// The error code of a Kinesis record for which the shard has no capacity.
const THROTTLED: &str = "ProvisionedThroughputExceededException";

impl<T> ProducerCore<T> {
    /// Handles the answer to a request: a result for each record, in order.
    ///
    /// If the number of results differs from the number of records, it is unknown
    /// which result belongs to which record, and all are sent again.
    ///
    /// # Errors
    ///
    /// [`UnknownRequest`] if the request is not in flight; nothing is changed.
    pub fn handle_answer(
        &mut self,
        id: RequestId,
        results: Vec<PutResult>,
        now: Duration,
    ) -> Result<(), UnknownRequest> {
        let InFlight { sent_at, sealed } = self.take_in_flight(id, now)?;
        let answered_at = self.now;
        let attempt = |outcome| Attempt {
            sent_at,
            answered_at,
            outcome,
        };
        if sealed.len() != results.len() {
            let outcome = AttemptOutcome::CountMismatch {
                sent: sealed.len(),
                answered: results.len(),
            };
            self.numbers.errors.count(&self.texts.keep("CountMismatch"));
            for sealed in sealed {
                self.try_again(sealed, attempt(outcome.clone()));
            }
            self.step(now);
            return Ok(());
        }
        if self.view.is_silent(answered_at, &self.settings) {
            self.view.doubt(answered_at);
        }
        self.view.answered(sent_at);
        for (sealed, result) in sealed.into_iter().zip(results) {
            match result {
                PutResult::Rejected { code, message } => {
                    let is_throttled = &*code == THROTTLED;
                    let (code, message) = (self.texts.keep(&code), self.texts.keep(&message));
                    self.numbers.errors.count(&code);
                    let attempt = attempt(AttemptOutcome::Rejected { code, message });
                    if is_throttled && self.settings.fail_if_throttled {
                        self.give_up(sealed, attempt, FailureReason::Throttled);
                    } else {
                        self.try_again(sealed, attempt);
                    }
                }
                PutResult::Stored {
                    shard_id,
                    sequence_number,
                } => {
                    let shard_id = match self.view.map.find(&shard_id) {
                        Some(shard) => Arc::clone(shard.id()),
                        None => self.texts.keep(&shard_id),
                    };
                    self.stored(Stored {
                        sealed,
                        sent_at,
                        answered_at,
                        shard_id,
                        sequence_number,
                    });
                }
            }
        }
        self.step(now);
        Ok(())
    }

    /// Handles the failure of a whole request. All its records are sent again,
    /// except a Kinesis record that the service
    /// [rejected](RequestFailure::Rejected) as the only one of its request: its
    /// user records fail with [`FailureReason::RejectedByService`].
    ///
    /// # Errors
    ///
    /// [`UnknownRequest`] if the request is not in flight; nothing is changed.
    pub fn handle_failure(
        &mut self,
        id: RequestId,
        failure: RequestFailure,
        now: Duration,
    ) -> Result<(), UnknownRequest> {
        let InFlight { sent_at, sealed } = self.take_in_flight(id, now)?;
        let answered_at = self.now;
        let failure = self.keep_text(&failure);
        self.numbers.errors.count(&self.texts.keep(failure.name()));
        match &failure {
            RequestFailure::AccessDenied(text) => {
                if !core::mem::replace(&mut self.view.is_put_denied, true) {
                    self.notice(Notice::AccessDenied(Arc::clone(text)));
                }
            }
            RequestFailure::StreamNotFound(text) => self.stream_not_found(text),
            RequestFailure::Rejected(_) | RequestFailure::NoAnswer(_) => {}
        }
        let is_rejected = matches!(failure, RequestFailure::Rejected(_));
        let is_given_up = is_rejected && sealed.len() == 1;
        let half = sealed.len().div_ceil(2);
        for mut sealed in sealed {
            sealed.max_company = if is_rejected { half } else { usize::MAX };
            let attempt = Attempt {
                sent_at,
                answered_at,
                outcome: AttemptOutcome::RequestFailed(failure.clone()),
            };
            if is_given_up {
                self.give_up(sealed, attempt, FailureReason::RejectedByService);
            } else {
                self.try_again(sealed, attempt);
            }
        }
        self.step(now);
        Ok(())
    }

    /// Fails all user records of a Kinesis record.
    fn give_up(&mut self, mut sealed: Sealed<T>, attempt: Attempt, reason: FailureReason) {
        sealed.attempts.push(attempt);
        self.release(&sealed);
        for entry in sealed.take_apart() {
            self.failed(entry, reason);
        }
    }

    pub(super) fn keep_text(&mut self, failure: &RequestFailure) -> RequestFailure {
        let text = self.texts.keep(failure.text());
        failure.with_text(text)
    }

    pub(super) fn stream_not_found(&mut self, text: &Arc<str>) {
        if !core::mem::replace(&mut self.view.is_stream_missing, true) {
            self.notice(Notice::StreamNotFound(Arc::clone(text)));
        }
        // Later listings may be of another stream with the same name.
        self.view.doubted_since = Some(self.now);
        self.view.want_refresh(self.now);
    }

    fn take_in_flight(
        &mut self,
        id: RequestId,
        now: Duration,
    ) -> Result<InFlight<T>, UnknownRequest> {
        let request = self.in_flight.remove(&id).ok_or(UnknownRequest {})?;
        let took = self.advance(now).saturating_sub(request.sent_at);
        self.numbers.request_latency.record(took);
        for sealed in &request.sealed {
            self.lanes.remove_in_flight(sealed, &self.settings);
        }
        Ok(request)
    }

    /// Decides what to do with a Kinesis record that the service has just stored.
    fn stored(&mut self, stored: Stored<T>) {
        if self.view.note_place(&stored) {
            self.change_distribution(Distribution::ByKey);
        }
        let verdict = self.view.judge(&stored);
        let is_doubted = self.view.doubted_since.is_some() && !stored.sealed.is_raw;
        match verdict {
            _ if is_doubted => self.decide_later(stored),
            Verdict::Delivered => self.delivered(stored),
            Verdict::UnknownShard => {
                self.view.want_refresh(self.now);
                self.decide_later(stored);
            }
            Verdict::WrongShard => {
                let newer = self.view.newer_listing(stored.answered_at);
                self.is_in_wrong_shard(stored, newer);
            }
        }
    }

    /// Judges with a newer listing a Kinesis record that was undecided.
    pub(super) fn decide(&mut self, stored: Stored<T>) {
        if stored.answered_at > self.view.listed_at {
            // The listing is older than the answer.
            match self.view.judge(&stored) {
                Verdict::Delivered if self.view.doubted_since.is_none() => self.delivered(stored),
                _ => self.decide_later(stored),
            }
            return;
        }
        match self.view.judge(&stored) {
            Verdict::Delivered => self.delivered(stored),
            Verdict::WrongShard => self.is_in_wrong_shard(stored, Duration::ZERO),
            Verdict::UnknownShard => {
                // The service may have returned an outdated list.
                self.view.want_refresh(self.now);
                self.send_again(stored, Duration::ZERO, true);
            }
        }
    }

    fn decide_later(&mut self, stored: Stored<T>) {
        let (span, held_len) = (stored.sealed.span, stored.sealed.held_len);
        self.lanes.add_in_flight(span, held_len, &self.settings);
        let (expires_at, number) = (stored.sealed.expires_at, stored.sealed.number());
        self.undecided.insert((expires_at, number), stored);
    }

    /// Takes apart a Kinesis record that was not decided before its first user
    /// record expired. The others wait in their lane for a listing.
    pub(super) fn undecided_is_over(&mut self, stored: Stored<T>) {
        let newer = self.view.newer_listing(stored.answered_at);
        self.view.want_refresh(newer.max(self.now));
        self.send_again(stored, newer, true);
    }

    /// Sends a Kinesis record again that is in the wrong shard: at once, if the
    /// current map assigns it to other shards; otherwise not before there is a
    /// listing that was requested at `newer_listing` or later.
    fn is_in_wrong_shard(&mut self, stored: Stored<T>, newer_listing: Duration) {
        let span = stored.sealed.span;
        let shard = self.view.map.shard_of(span.starting_hash_key());
        let is_unchanged = has_all(shard.hash_key_range(), span);
        let mut awaits_listing = Duration::ZERO;
        // On a stream that distributes records itself, no listing decides.
        if is_unchanged && self.view.distribution == Distribution::ByKey {
            awaits_listing = newer_listing;
            self.view.want_refresh(newer_listing.max(self.now));
        }
        self.send_again(stored, awaits_listing, is_unchanged);
    }

    /// Sends again the user records of a Kinesis record that is stored in a shard
    /// where consumers may drop it.
    fn send_again(&mut self, stored: Stored<T>, awaits_listing: Duration, hold: bool) {
        count(&mut self.counters.wrong_shard, 1);
        let (mut sealed, attempt) = stored.into_parts();
        if self.view.distribution == Distribution::Auto && sealed.pushed.len() == 1 {
            return self.try_again(sealed, attempt);
        }
        sealed.attempts.push(attempt);
        self.aggregate_again(sealed, awaits_listing, hold);
    }

    fn delivered(&mut self, stored: Stored<T>) {
        self.release(&stored.sealed);
        let delivered = &mut self.counters.user_records_delivered;
        count(delivered, stored.sealed.pushed.len());
        self.ends.delivered(stored);
    }

    /// Sends a Kinesis record again that is not known to be in the stream:
    /// unchanged, if it still has the form and the shard that the stream requires.
    fn try_again(&mut self, mut sealed: Sealed<T>, attempt: Attempt) {
        sealed.attempts.push(attempt);
        let has_ended =
            sealed.expires_at <= self.now || sealed.attempt_count() >= self.settings.max_attempts;
        let place = self.lanes.place_of(sealed.span.starting_hash_key());
        let fits = self
            .lanes
            .get(place)
            .is_some_and(|lane| has_all(lane.range, sealed.span));
        if has_ended || !fits || !self.is_in_form(&sealed) {
            self.aggregate_again(sealed, Duration::ZERO, true);
            return;
        }
        count(&mut self.counters.retries, 1);
        let pause = self.backoff(sealed.attempt_count());
        sealed.not_before = self.now.saturating_add(pause);
        if let Some(lane) = self.lanes.get_mut(place) {
            sealed.shard = (Arc::clone(&lane.shard_id), lane.range);
            lane.sealed.insert(sealed);
        }
        self.lanes.schedule(place, &self.settings);
    }

    /// Returns true if a Kinesis record has the form that the stream requires.
    fn is_in_form(&self, sealed: &Sealed<T>) -> bool {
        match self.view.distribution {
            Distribution::ByKey => {
                !sealed.is_raw
                    || self.settings.lone == LoneUserRecord::Raw
                        && sealed.record.partition_key.is_some()
            }
            Distribution::Auto => {
                sealed.is_raw
                    || self.settings.unfit_for_raw == UnfitForRaw::Aggregate
                        && sealed.is_one_unfit_for_raw()
            }
        }
    }
}
