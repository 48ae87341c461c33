//! Answers: what counts as delivered, and what is sent again.
//!
//! The one rule to get right is in [`ProducerCore::judge`]: a user record is
//! delivered only if a consumer that drops whole aggregates (the KCL) gets it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use kinesis_agg_codec::HashKeyRange;

use crate::producer::attempt::{Attempt, AttemptOutcome};
use crate::producer::core::{InFlight, ProducerCore};
use crate::producer::counters::count;
use crate::producer::distribution::Distribution;
use crate::producer::entry::{Entry, can_go_raw};
use crate::producer::event::{Delivery, FailureReason, Notice};
use crate::producer::request::{PutResult, RequestFailure, RequestId, UnknownRequest};
use crate::producer::sealed::Sealed;
use crate::producer::settings::UnfitForRaw;
use crate::shards::Shard;
use crate::write::LoneUserRecord;

/// A Kinesis record that is in the stream.
#[derive(Debug)]
pub(super) struct Stored<T> {
    pub(super) sealed: Sealed<T>,
    sent_at: Duration,
    pub(super) answered_at: Duration,
    shard_id: Arc<str>,
    sequence_number: Arc<str>,
}

impl<T> Stored<T> {
    /// The Kinesis record, and the attempt that counts as not delivered.
    pub(super) fn into_parts(self) -> (Sealed<T>, Attempt) {
        let attempt = Attempt {
            sent_at: self.sent_at,
            answered_at: self.answered_at,
            outcome: AttemptOutcome::WrongShard {
                shard_id: self.shard_id,
                sequence_number: self.sequence_number,
            },
        };
        (self.sealed, attempt)
    }
}

/// Whether a Kinesis record that the service stored counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Delivered,
    WrongShard,
    UnknownShard,
}

impl<T> ProducerCore<T> {
    /// Takes the answer to a request: a result for each record, in order.
    ///
    /// An answer of another length does not say which result belongs to which
    /// record: all are sent again.
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
        let InFlight { sent_at, sealed } = self.take_in_flight(id)?;
        let answered_at = self.advance(now);
        if sealed.len() != results.len() {
            let outcome = AttemptOutcome::CountMismatch {
                sent: sealed.len(),
                answered: results.len(),
            };
            for sealed in sealed {
                let outcome = outcome.clone();
                self.try_again(
                    sealed,
                    Attempt {
                        sent_at,
                        answered_at,
                        outcome,
                    },
                );
            }
            return Ok(());
        }
        if self.is_silent() {
            self.doubt();
        }
        self.last_seen = self.last_seen.max(sent_at);
        self.is_put_denied = false;
        self.is_stream_missing = false;
        for (sealed, result) in sealed.into_iter().zip(results) {
            match result {
                PutResult::Rejected { code, message } => {
                    let (code, message) = (self.texts.keep(&code), self.texts.keep(&message));
                    let outcome = AttemptOutcome::Rejected { code, message };
                    self.try_again(
                        sealed,
                        Attempt {
                            sent_at,
                            answered_at,
                            outcome,
                        },
                    );
                }
                PutResult::Stored {
                    shard_id,
                    sequence_number,
                } => {
                    let shard_id = match self.map.find(&shard_id) {
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
        Ok(())
    }

    /// Takes note that a request failed as a whole. All of it is sent again,
    /// except for a Kinesis record that the service
    /// [rejected](RequestFailure::Rejected) in a request of its own: its user
    /// records fail with [`FailureReason::RejectedByService`].
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
        let InFlight { sent_at, sealed } = self.take_in_flight(id)?;
        let answered_at = self.advance(now);
        let failure = self.keep_text(&failure);
        match &failure {
            RequestFailure::AccessDenied(text) => {
                if !core::mem::replace(&mut self.is_put_denied, true) {
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
                sealed.attempts.push(attempt);
                for entry in sealed.take_apart() {
                    self.failed(entry, FailureReason::RejectedByService);
                }
            } else {
                self.try_again(sealed, attempt);
            }
        }
        Ok(())
    }

    /// Takes note that a listing failed. [`RequestFailure::AccessDenied`] and
    /// [`RequestFailure::StreamNotFound`] lead to a [`Notice`]; a stream that is
    /// not found gets nothing before it is listed again.
    pub fn handle_listing_failure(&mut self, failure: &RequestFailure, now: Duration) {
        self.advance(now);
        match self.keep_text(failure) {
            RequestFailure::AccessDenied(text) => {
                if !core::mem::replace(&mut self.is_listing_denied, true) {
                    self.notice(Notice::AccessDenied(text));
                }
            }
            RequestFailure::StreamNotFound(text) => self.stream_not_found(&text),
            RequestFailure::Rejected(_) | RequestFailure::NoAnswer(_) => {}
        }
    }

    fn keep_text(&mut self, failure: &RequestFailure) -> RequestFailure {
        let text = self.texts.keep(failure.text());
        failure.with_text(text)
    }

    fn stream_not_found(&mut self, text: &Arc<str>) {
        if !core::mem::replace(&mut self.is_stream_missing, true) {
            self.notice(Notice::StreamNotFound(Arc::clone(text)));
        }
        // What is listed from now on may be another stream of this name.
        self.doubted_since = Some(self.now);
        self.want_refresh();
    }

    fn take_in_flight(&mut self, id: RequestId) -> Result<InFlight<T>, UnknownRequest> {
        let request = self.in_flight.remove(&id).ok_or(UnknownRequest {})?;
        for sealed in &request.sealed {
            self.unblock(sealed.span);
        }
        Ok(request)
    }

    /// Whether the shard that answered has all of a Kinesis record, by the range
    /// that was listed for its id; for an id that is not listed, by the range
    /// that the Kinesis record was made for. What is raw is dropped by no
    /// consumer, so it cannot be in a wrong shard.
    ///
    /// A request that was sent before the stream was doubted may have been
    /// answered by another one of this name. It counts only if the shard is the
    /// one that it was made for, with the range that it had.
    fn judge(&self, stored: &Stored<T>) -> Verdict {
        let Stored {
            sealed, shard_id, ..
        } = stored;
        if sealed.is_raw {
            return Verdict::Delivered;
        }
        let (made_for, range) = &sealed.shard;
        let is_doubtful = stored.sent_at < self.trusted_since;
        match self.map.find(shard_id).map(Shard::hash_key_range) {
            Some(listed) if is_doubtful && (made_for != shard_id || *range != listed) => {
                Verdict::WrongShard
            }
            Some(listed) if has_all(listed, sealed.span) => Verdict::Delivered,
            Some(_) => Verdict::WrongShard,
            None if made_for == shard_id && !is_doubtful => Verdict::Delivered,
            None => Verdict::UnknownShard,
        }
    }

    /// Judges what the service has just stored.
    fn stored(&mut self, stored: Stored<T>) {
        self.note_place(&stored);
        let verdict = self.judge(&stored);
        let is_doubted = self.doubted_since.is_some() && !stored.sealed.is_raw;
        match verdict {
            _ if is_doubted => self.decide_later(stored),
            Verdict::Delivered => self.delivered(stored),
            Verdict::UnknownShard => {
                self.want_refresh();
                self.decide_later(stored);
            }
            Verdict::WrongShard => {
                let newer = self.newer_listing(stored.answered_at);
                self.is_in_wrong_shard(stored, newer);
            }
        }
    }

    /// Judges with a newer listing what could not be judged before.
    pub(super) fn decide(&mut self, stored: Stored<T>) {
        if stored.answered_at > self.listed_at {
            // The listing is older than the answer.
            match self.judge(&stored) {
                Verdict::Delivered if self.doubted_since.is_none() => self.delivered(stored),
                _ => self.decide_later(stored),
            }
            return;
        }
        match self.judge(&stored) {
            Verdict::Delivered => self.delivered(stored),
            Verdict::WrongShard => self.is_in_wrong_shard(stored, Duration::ZERO),
            Verdict::UnknownShard => {
                // The list may be older than it claims.
                self.want_refresh();
                self.send_again(stored, Duration::ZERO, true);
            }
        }
    }

    fn decide_later(&mut self, stored: Stored<T>) {
        self.block(stored.sealed.span);
        self.undecided.insert(stored.sealed.number(), stored);
    }

    /// No listing came in time. What is not over yet waits for one in its lane.
    pub(super) fn undecided_is_over(&mut self, stored: Stored<T>) {
        self.want_refresh();
        let newer = self.newer_listing(stored.answered_at);
        self.send_again(stored, newer, true);
    }

    /// The time of a listing that is newer than the present one and not older
    /// than an answer.
    fn newer_listing(&self, answered_at: Duration) -> Duration {
        let next = self.listed_at.saturating_add(Duration::from_nanos(1));
        answered_at.max(next)
    }

    /// Has a Kinesis record sent again: at once, if the present map leads
    /// elsewhere; otherwise not before there is a listing of that time.
    fn is_in_wrong_shard(&mut self, stored: Stored<T>, newer_listing: Duration) {
        let span = stored.sealed.span;
        let shard = self.map.shard_of(span.starting_hash_key());
        let is_unchanged = has_all(shard.hash_key_range(), span);
        if is_unchanged && self.distribution == Distribution::ByKey {
            self.want_refresh();
        }
        let awaits_listing = if is_unchanged {
            newer_listing
        } else {
            Duration::ZERO
        };
        self.send_again(stored, awaits_listing, is_unchanged);
    }

    /// Sends the user records of a Kinesis record again that is in the stream,
    /// where consumers may not get it.
    fn send_again(&mut self, stored: Stored<T>, awaits_listing: Duration, hold: bool) {
        count(&mut self.counters.wrong_shard, 1);
        let (mut sealed, attempt) = stored.into_parts();
        if self.distribution == Distribution::Auto && sealed.pushed.len() == 1 {
            return self.try_again(sealed, attempt);
        }
        sealed.attempts.push(attempt);
        self.aggregate_again(sealed, awaits_listing, hold);
    }

    fn delivered(&mut self, stored: Stored<T>) {
        let attempts = stored.sealed.attempts.count().saturating_add(1);
        for (place, pushed) in stored.sealed.pushed.into_iter().enumerate() {
            let delivery = Delivery {
                shard_id: Arc::clone(&stored.shard_id),
                sequence_number: Arc::clone(&stored.sequence_number),
                sub_sequence_number: u64::try_from(place).unwrap_or(u64::MAX),
                attempt_count: pushed.attempts.count().saturating_add(attempts),
            };
            count(&mut self.counters.user_records_delivered, 1);
            self.ends.delivered(pushed.token, delivery, pushed.held_len);
        }
    }

    /// Sends a Kinesis record again that is not known to be in the stream: as
    /// it is, if that is still what the stream asks for.
    fn try_again(&mut self, mut sealed: Sealed<T>, attempt: Attempt) {
        sealed.attempts.push(attempt);
        let has_ended = self.settings.expiry(sealed.put_at()) <= self.now
            || sealed.attempt_count() >= self.settings.max_attempts;
        let place = self.place_of(sealed.span.starting_hash_key());
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
        self.schedule(place);
    }

    /// True if a Kinesis record has the form that the stream asks for.
    fn is_in_form(&self, sealed: &Sealed<T>) -> bool {
        match self.distribution {
            Distribution::ByKey => {
                !sealed.is_raw
                    || self.settings.lone == LoneUserRecord::Raw
                        && sealed.record.partition_key.is_some()
            }
            Distribution::Auto => {
                sealed.is_raw
                    || sealed.pushed.len() == 1
                        && self.settings.unfit_for_raw == UnfitForRaw::Aggregate
            }
        }
    }

    /// Gives the user records of a Kinesis record back to their lanes, which
    /// pause if `hold`.
    fn aggregate_again(&mut self, sealed: Sealed<T>, awaits_listing: Duration, hold: bool) {
        // Where there is no order, the others go on.
        if hold && self.distribution == Distribution::ByKey {
            let pause = self.backoff(sealed.attempt_count());
            let held_until = self.now.saturating_add(pause);
            for place in self.places(sealed.span) {
                if let Some(lane) = self.lanes.get_mut(place) {
                    lane.held_until = lane.held_until.max(held_until);
                }
            }
        }
        count(&mut self.counters.retries, 1);
        self.give_back(sealed, awaits_listing);
    }

    /// Puts the user records of a Kinesis record back into the queues; those
    /// whose time to live or attempts are over fail.
    pub(super) fn give_back(&mut self, sealed: Sealed<T>, awaits_listing: Duration) {
        let places = self.places(sealed.span);
        for mut entry in sealed.take_apart() {
            entry.pushed.awaits_listing = entry.pushed.awaits_listing.max(awaits_listing);
            self.put_back(entry);
        }
        for place in places {
            if let Some(lane) = self.lanes.get_mut(place) {
                lane.refill(self.distribution, &self.settings);
            }
            self.schedule(place);
        }
    }

    /// Puts a user record into its place in the queue of its lane, or ends it.
    /// The lane has to be refilled and scheduled after that.
    pub(super) fn put_back(&mut self, entry: Box<Entry<T>>) {
        if let Some(reason) = self.reason_to_end(&entry) {
            return self.failed(entry, reason);
        }
        let place = self.place_of(entry.pushed.hash_key);
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.insert(entry);
        }
    }

    fn reason_to_end(&self, entry: &Entry<T>) -> Option<FailureReason> {
        let Entry {
            user_record,
            pushed,
        } = entry;
        let has_key = user_record.partition_key().is_some();
        let may_wrap = has_key && self.settings.unfit_for_raw == UnfitForRaw::Aggregate;
        if self.settings.expiry(pushed.put_at) <= self.now {
            Some(FailureReason::Expired)
        } else if pushed.attempts.count() >= self.settings.max_attempts {
            Some(FailureReason::AttemptsExhausted)
        } else {
            match self.distribution {
                Distribution::ByKey if !has_key => Some(FailureReason::NoPartitionKey),
                Distribution::Auto if !can_go_raw(user_record) && !may_wrap => {
                    Some(FailureReason::CannotGoRaw)
                }
                Distribution::ByKey | Distribution::Auto => None,
            }
        }
    }

    /// Takes note of where the service stored a Kinesis record, while it does
    /// not say how it distributes them.
    fn note_place(&mut self, stored: &Stored<T>) {
        if self.is_distribution_known {
            return;
        }
        let Some(hash_key) = stored.sealed.outer_hash_key() else {
            return;
        };
        let (map, shard_id) = (&self.map, &stored.shard_id);
        match self.distribution {
            Distribution::ByKey => {
                let answered_at = stored.answered_at;
                let evidence = &mut self.evidence;
                evidence.aggregate_stored(map, shard_id, hash_key, answered_at);
            }
            Distribution::Auto => {
                if stored.sealed.is_raw && self.evidence.raw_stored(map, shard_id, hash_key) {
                    self.change_distribution(Distribution::ByKey);
                }
            }
        }
    }
}

fn has_all(range: HashKeyRange, span: HashKeyRange) -> bool {
    range.contains(span.starting_hash_key()) && range.contains(span.ending_hash_key())
}
