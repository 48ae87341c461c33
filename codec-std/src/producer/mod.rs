//! User records in, PutRecords requests out, and every user record accounted
//! for.
//!
//! A state machine without clock, sockets and threads. What it has to get
//! right is one rule, in `ProducerCore::judge`: a user record is delivered
//! only if a consumer that drops whole aggregates (the KCL) gets it.
//!
//! ```text
//! push -> aggregate being filled -> outbox -\
//!                                            > request -> answer -> delivered
//!           returned <- taken apart <- retries            |   \-> undecided
//!                            ^---------------- wrong shard, refused, no answer
//! ```
//!
//! Each open shard has a lane with these queues. What is in flight blocks the
//! lanes that its hash keys touch. So the user records of one hash key are
//! never in two requests at once, which is what keeps them in order.

#[cfg(feature = "producer")]
mod driver;
mod event;
mod jitter;
mod lane;
mod request;
mod sealed;
mod settings;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use core::time::Duration;

use kinesis_agg_codec::{HashKey, HashKeyRange};

#[cfg(feature = "producer")]
pub use crate::producer::driver::{
    DEFAULT_REQUEST_TIMEOUT, DeliveryFuture, ListShardsError, Producer, ProducerBuilder, PutError,
    list_shards,
};
pub use crate::producer::event::{
    Attempt, AttemptOutcome, Delivery, Failure, FailureReason, ProducerCounters, ProducerEvent,
};
pub(crate) use crate::producer::jitter::SplitMix;
use crate::producer::lane::Lane;
pub use crate::producer::request::{
    PutRecord, PutRequest, PutResult, RequestFailure, RequestId, UnknownRequest,
};
use crate::producer::sealed::{Pushed, Sealed, Waiting, take_apart};
pub use crate::producer::settings::{
    DEFAULT_BYTES_PER_SECOND, DEFAULT_LONGEST_BACKOFF, DEFAULT_MAX_REQUEST_LEN,
    DEFAULT_MAX_REQUESTS_IN_FLIGHT, DEFAULT_RECORDS_PER_SECOND, DEFAULT_SHORTEST_BACKOFF,
    DEFAULT_TTL, MAX_REQUEST_COUNT, ProducerSettings,
};

use crate::shards::{
    RefusalReason, RefusedUserRecord, ShardAggregate, ShardMap, ShardedAggregator, buffered_len,
    check_room,
};
use crate::write::{OwnedUserRecord, PushError, RecordAggregator};

/// Takes user records, hands out PutRecords requests, and tells how each user
/// record ended.
///
/// It has no clock and no sockets. `now` is the time since any moment, as long
/// as it is always the same. The caller
/// 1. calls [`poll_request`](Self::poll_request) until there is none, after
///    each other call and when [`poll_timeout`](Self::poll_timeout) says;
/// 2. makes the requests and gives each its
///    [`handle_answer`](Self::handle_answer) or
///    [`handle_failure`](Self::handle_failure), in any order, sooner or later;
/// 3. takes the [events](Self::poll_event);
/// 4. lists the shards when [`wants_refresh`](Self::wants_refresh) and calls
///    [`replace_map`](Self::replace_map).
///
/// # What is delivered
///
/// A consumer that filters by hash key range, as the KCL, drops an aggregate
/// as a whole if one user record is another shard's. So an aggregate counts as
/// delivered only in a shard that has all of its user records. Anywhere else,
/// all of them are aggregated anew and sent again. A consumer without filter
/// can see them twice: delivery is at least once.
///
/// # Order
///
/// Two user records of one effective hash key that are both delivered are
/// stored in the order of their pushes, whatever is throttled, lost or
/// resharded in between: the later one is not sent before the earlier one has
/// ended. What can come late is a copy of a user record: of an attempt that
/// counted as lost and was not. User records of different hash keys have no
/// order.
///
/// # Memory
///
/// From the push to the taking of its event, a user record counts towards
/// [`ProducerSettings::with_max_buffered_len`]; a push beyond it is refused.
/// The attempts that a [`Failure`] tells of are held beside that, until the
/// time to live or the number of attempts ends them.
#[derive(Debug)]
pub struct ProducerCore<T> {
    settings: ProducerSettings,
    aggregator: ShardedAggregator<Pushed<T>>,
    /// One for each open shard, in the map's order.
    lanes: Vec<Lane<T>>,
    /// When lanes can send, of those that can.
    ready: BTreeSet<(Duration, usize)>,
    /// When the oldest user records of lanes expire.
    expiries: BTreeSet<(Duration, usize)>,
    in_flight: BTreeMap<RequestId, InFlight<T>>,
    /// Stored in shards that no map knows yet. They still block their lanes.
    undecided: Vec<Undecided<T>>,
    events: VecDeque<(ProducerEvent<T>, usize)>,
    buffered_len: usize,
    buffered_count: usize,
    next_number: u64,
    next_request: u64,
    wants_refresh: bool,
    random: SplitMix,
    counters: ProducerCounters,
}

#[derive(Debug)]
struct InFlight<T> {
    sent_at: Duration,
    sealed: Vec<Sealed<T>>,
}

#[derive(Debug)]
struct Undecided<T> {
    sealed: Sealed<T>,
    sent_at: Duration,
    answered_at: Duration,
    shard_id: Arc<str>,
    sequence_number: Arc<str>,
}

/// Whether an aggregate that the service stored counts.
enum Verdict {
    Delivered,
    WrongShard,
    UnknownShard,
}

impl<T> ProducerCore<T> {
    /// A producer for a stream of these shards. `seed` decides on the jitter
    /// of the pauses, and on nothing else.
    #[must_use]
    pub fn new(map: ShardMap, settings: ProducerSettings, seed: u64) -> Self {
        // The whole of the memory is counted here, not the part of it there.
        let unbounded = settings.sharded.with_max_buffered_len(usize::MAX);
        let lanes = map.open_shards().iter().map(|_| Lane::default()).collect();
        Self {
            settings,
            aggregator: ShardedAggregator::new(map, unbounded),
            lanes,
            ready: BTreeSet::new(),
            expiries: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            undecided: Vec::new(),
            events: VecDeque::new(),
            buffered_len: 0,
            buffered_count: 0,
            next_number: 0,
            next_request: 0,
            wants_refresh: false,
            random: SplitMix::new(seed),
            counters: ProducerCounters::default(),
        }
    }

    /// The current map.
    #[must_use]
    pub const fn map(&self) -> &ShardMap {
        self.aggregator.map()
    }

    /// Bytes of user records that are held.
    #[must_use]
    pub const fn buffered_len(&self) -> usize {
        self.buffered_len
    }

    /// User records that are held.
    #[must_use]
    pub const fn buffered_count(&self) -> usize {
        self.buffered_count
    }

    /// What was done so far.
    #[must_use]
    pub const fn counters(&self) -> ProducerCounters {
        self.counters
    }

    /// True if an answer shows that the shards are no longer those of the map.
    #[must_use]
    pub const fn wants_refresh(&self) -> bool {
        self.wants_refresh
    }

    /// Takes a user record, and a token that comes back with its end.
    ///
    /// # Errors
    ///
    /// [`RefusedUserRecord`] with both, and nothing was taken:
    /// [`RefusalReason::BufferFull`] is over when events are taken, and is a
    /// [`flush`](Self::flush), too, so that there are some soon;
    /// [`RefusalReason::LargerThanBuffer`] and [`RefusalReason::Unfit`] stay.
    #[expect(
        clippy::result_large_err,
        reason = "the user record goes back as it came, without a box"
    )]
    pub fn push(
        &mut self,
        user_record: OwnedUserRecord,
        token: T,
        now: Duration,
    ) -> Result<(), RefusedUserRecord<OwnedUserRecord, T>> {
        let needed = buffered_len::<Pushed<T>, _>(&user_record);
        let limit = self.settings.sharded.max_buffered_len();
        if let Err(reason) = check_room(needed, self.buffered_len, limit) {
            if matches!(reason, RefusalReason::BufferFull { .. }) {
                self.flush();
            }
            return Err(RefusedUserRecord::new(user_record, token, reason));
        }
        let hash_key = user_record.hash_key();
        let place = self.map().place_of(hash_key);
        let pushed = Pushed {
            token,
            number: self.next_number,
            at: now,
            buffered_len: needed,
            past: None,
        };
        let complete = self
            .aggregator
            .push_unbounded(user_record, hash_key, pushed, now);
        let complete = match complete {
            Ok(complete) => complete,
            Err(refused) => {
                let (user_record, token) = (refused.user_record, refused.token.token);
                return Err(RefusedUserRecord::new(user_record, token, refused.reason));
            }
        };
        self.next_number = self.next_number.wrapping_add(1);
        self.buffered_len = self.buffered_len.saturating_add(needed);
        self.buffered_count = self.buffered_count.saturating_add(1);
        count(&mut self.counters.user_records_in, 1);
        if let (Some(complete), Some(lane)) = (complete, self.lanes.get_mut(place)) {
            lane.outbox.push_back(Sealed::from(complete));
            lane.is_due = false;
        }
        self.schedule(place);
        Ok(())
    }

    /// Lets nothing that was pushed wait for company any longer.
    ///
    /// What cannot be sent at once, since earlier user records of its shard
    /// are in flight, may still get company.
    pub fn flush(&mut self) {
        for place in 0..self.lanes.len() {
            let is_due = self.aggregator.waiting_since(place).is_some();
            if let Some(lane) = self.lanes.get_mut(place) {
                lane.is_due |= is_due;
            }
            self.schedule(place);
        }
    }

    fn enqueue(&mut self, complete: ShardAggregate<Pushed<T>>) {
        let place = self
            .map()
            .place_of(complete.hash_key_span.starting_hash_key());
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.outbox.push_back(Sealed::from(complete));
        }
        self.schedule(place);
    }

    /// When [`poll_request`](Self::poll_request) has something to do again, if
    /// nothing else happens. At once, if the time is not in the future.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let ready = self.ready.first().map(|&(at, _)| at);
        let may_send = self.in_flight.len() < self.settings.max_requests_in_flight;
        let expiry = self.expiries.first().map(|&(at, _)| at);
        let undecided = self.undecided.iter();
        let undecided = undecided.map(|undecided| self.expiry(undecided.sealed.oldest));
        [ready.filter(|_| may_send), expiry, undecided.min()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next request to be made, if one may be made now. Ends user records
    /// whose time is over.
    pub fn poll_request(&mut self, now: Duration) -> Option<PutRequest> {
        self.expire(now);
        if self.in_flight.len() >= self.settings.max_requests_in_flight {
            return None;
        }
        let mut sealed: Vec<Sealed<T>> = Vec::new();
        let mut request_len: usize = 0;
        while let Some(place) = first_until(&self.ready, now) {
            if sealed.len() >= self.settings.max_request_count {
                break;
            }
            self.prepare(place, now);
            let lane = self.lanes.get(place);
            let Some((lane, next)) = lane.and_then(|lane| Some((lane, lane.next_sealed()?))) else {
                // The lane had nothing but what no aggregate takes.
                self.schedule(place);
                continue;
            };
            let (next_len, alone) = (next.len(), next.alone);
            // When the lane was scheduled, this aggregate may not have been made yet.
            if lane.within_rate_at(&self.settings, next_len) > now {
                self.schedule(place);
                continue;
            }
            let len = request_len.saturating_add(next_len);
            let has_room = len <= self.settings.max_request_len && !alone;
            if !sealed.is_empty() && !has_room {
                break;
            }
            let Some(lane) = self.lanes.get_mut(place) else {
                break;
            };
            let Some(next) = lane.take_next() else {
                break;
            };
            lane.charge_rate(&self.settings, next_len, now);
            request_len = len;
            self.block(next.span);
            sealed.push(next);
            if alone {
                break;
            }
        }
        if sealed.is_empty() {
            return None;
        }
        let id = RequestId(self.next_request);
        self.next_request = self.next_request.wrapping_add(1);
        count(&mut self.counters.requests, 1);
        count(&mut self.counters.aggregates, sealed.len());
        count(&mut self.counters.bytes, request_len);
        for first in sealed.iter().filter(|sealed| sealed.attempts.is_empty()) {
            let fresh = first.pushed.iter().filter(|pushed| pushed.past.is_none());
            for pushed in fresh {
                let waited = now.saturating_sub(pushed.at);
                let sum = self.counters.buffering_time.saturating_add(waited);
                self.counters.buffering_time = sum;
            }
        }
        let records = sealed.iter().map(|sealed| PutRecord {
            data: sealed.aggregate.data().clone(),
            partition_key: sealed.aggregate.partition_key().into(),
            explicit_hash_key: sealed.aggregate.explicit_hash_key(),
        });
        let records = records.collect();
        let sent_at = now;
        self.in_flight.insert(id, InFlight { sent_at, sealed });
        Some(PutRequest { id, records })
    }

    /// Takes the answer to a request: a result for each record, in order.
    ///
    /// An answer of another length tells of no record what became of it; all
    /// are sent again.
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
        let attempt = |outcome| Attempt {
            sent_at,
            answered_at: now,
            outcome,
        };
        if sealed.len() != results.len() {
            let outcome = AttemptOutcome::CountMismatch {
                sent: sealed.len(),
                answered: results.len(),
            };
            for sealed in sealed {
                self.try_again(sealed, attempt(outcome.clone()), now);
            }
            return Ok(());
        }
        for (sealed, result) in sealed.into_iter().zip(results) {
            match result {
                PutResult::Rejected { code, message } => {
                    let outcome = AttemptOutcome::Rejected { code, message };
                    self.try_again(sealed, attempt(outcome), now);
                }
                PutResult::Stored {
                    shard_id,
                    sequence_number,
                } => self.stored(
                    Undecided {
                        sealed,
                        sent_at,
                        answered_at: now,
                        shard_id,
                        sequence_number,
                    },
                    now,
                    true,
                ),
            }
        }
        Ok(())
    }

    /// Takes note that a request has no answer record by record. All of it is
    /// sent again, but for what was [refused](RequestFailure::Refused) alone:
    /// that ends, with [`FailureReason::Refused`].
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
        let is_refused = matches!(failure, RequestFailure::Refused(_));
        let is_given_up = is_refused && sealed.len() == 1;
        for mut sealed in sealed {
            sealed.alone = is_refused;
            let attempt = Attempt {
                sent_at,
                answered_at: now,
                outcome: AttemptOutcome::RequestFailed(failure.clone()),
            };
            if is_given_up {
                sealed.attempts.push(attempt);
                for waiting in take_apart(sealed) {
                    self.failed(waiting, FailureReason::Refused);
                }
            } else {
                self.try_again(sealed, attempt, now);
            }
        }
        Ok(())
    }

    /// How the next user record ended, if one did.
    pub fn poll_event(&mut self) -> Option<ProducerEvent<T>> {
        let (event, buffered_len) = self.events.pop_front()?;
        self.buffered_len = self.buffered_len.saturating_sub(buffered_len);
        self.buffered_count = self.buffered_count.saturating_sub(1);
        Some(event)
    }

    /// From now on, routes by this map. What waits for shards that are no
    /// longer open is routed anew, in order. Answers that named shards unknown
    /// until now are judged.
    ///
    /// Make the map of [`map`](Self::map)`().refreshed(…)`, so that it knows the
    /// shards to which requests are on their way.
    pub fn replace_map(&mut self, map: ShardMap, now: Duration) {
        self.wants_refresh = false;
        let fresh = map.open_shards().iter().map(|_| Lane::default());
        let fresh = fresh.collect();
        let old_shards = self.map().open_shards().to_vec();
        let old_lanes = core::mem::replace(&mut self.lanes, fresh);
        self.ready.clear();
        self.expiries.clear();
        let complete = self.aggregator.replace_map(map);
        let (mut homeless, mut is_due) = (Vec::new(), false);
        for (shard, mut lane) in old_shards.iter().zip(old_lanes) {
            let place = self.map().place_of_id(shard.id());
            if let Some(home) = place.and_then(|place| self.lanes.get_mut(place)) {
                (lane.blockers, lane.ready_at, lane.expires_at) = (0, None, None);
                *home = lane;
                continue;
            }
            is_due |= lane.is_due;
            for sealed in lane.retries.into_iter().chain(lane.outbox) {
                homeless.extend(take_apart(sealed));
            }
            homeless.extend(lane.returned);
        }
        homeless.sort_by_key(|waiting: &Waiting<T>| waiting.pushed.number);
        for waiting in homeless {
            self.give_back(waiting, now);
        }
        for complete in complete {
            self.enqueue(complete);
        }
        let in_flight = self.in_flight.values().flat_map(|request| &request.sealed);
        let spans: Vec<_> = in_flight.map(|sealed| sealed.span).collect();
        for span in spans {
            self.block(span);
        }
        let undecided = core::mem::take(&mut self.undecided);
        for undecided in undecided {
            self.stored(undecided, now, false);
        }
        if is_due {
            // What was due is somewhere in there, and nothing is hurt by going early.
            self.flush();
        }
        for place in 0..self.lanes.len() {
            self.schedule(place);
        }
    }

    fn take_in_flight(&mut self, id: RequestId) -> Result<InFlight<T>, UnknownRequest> {
        let request = self.in_flight.remove(&id).ok_or(UnknownRequest {})?;
        for sealed in &request.sealed {
            self.unblock(sealed.span);
        }
        Ok(request)
    }

    /// The rule of this file. Either way the ranges are those of shards, not
    /// of what the map said when the aggregate was made.
    fn judge(&self, sealed: &Sealed<T>, shard_id: &Arc<str>) -> Verdict {
        if sealed.shard_id == *shard_id {
            return Verdict::Delivered;
        }
        let Some(shard) = self.map().find(shard_id) else {
            return Verdict::UnknownShard;
        };
        let (range, span) = (shard.hash_key_range(), sealed.span);
        if range.contains(span.starting_hash_key()) && range.contains(span.ending_hash_key()) {
            Verdict::Delivered
        } else {
            Verdict::WrongShard
        }
    }

    /// Ends the user records of an aggregate that is in the stream, or has
    /// them sent again, or waits for a map that can tell.
    fn stored(&mut self, stored: Undecided<T>, now: Duration, may_wait: bool) {
        let verdict = self.judge(&stored.sealed, &stored.shard_id);
        match verdict {
            Verdict::Delivered => self.delivered(stored),
            Verdict::UnknownShard if may_wait => {
                self.wants_refresh = true;
                self.block(stored.sealed.span);
                self.undecided.push(stored);
            }
            Verdict::WrongShard | Verdict::UnknownShard => {
                let mut sealed = stored.sealed;
                count(&mut self.counters.wrong_shard, 1);
                sealed.attempts.push(Attempt {
                    sent_at: stored.sent_at,
                    answered_at: stored.answered_at,
                    outcome: AttemptOutcome::WrongShard {
                        shard_id: stored.shard_id,
                        sequence_number: stored.sequence_number,
                    },
                });
                // A map that has not changed since would lead to the same place.
                let is_unchanged = self.map().place_of_id(&sealed.shard_id).is_some();
                let is_unknown = matches!(verdict, Verdict::UnknownShard);
                self.wants_refresh |= is_unchanged || is_unknown;
                self.aggregate_anew(sealed, is_unchanged || is_unknown, now);
            }
        }
    }

    fn delivered(&mut self, stored: Undecided<T>) {
        let attempts = stored.sealed.attempts.len().saturating_add(1);
        for (place, pushed) in stored.sealed.pushed.into_iter().enumerate() {
            let delivery = Delivery {
                shard_id: Arc::clone(&stored.shard_id),
                sequence_number: Arc::clone(&stored.sequence_number),
                sub_sequence_number: u64::try_from(place).unwrap_or(u64::MAX),
                attempt_count: pushed.attempt_count().saturating_add(attempts),
            };
            count(&mut self.counters.user_records_delivered, 1);
            let token = pushed.token;
            let event = ProducerEvent::Delivered { token, delivery };
            self.events.push_back((event, pushed.buffered_len));
        }
    }

    fn failed(&mut self, waiting: Waiting<T>, reason: FailureReason) {
        count(&mut self.counters.user_records_failed, 1);
        let Waiting {
            user_record,
            pushed,
        } = waiting;
        let failure = Failure {
            user_record,
            reason,
            attempts: pushed.past.unwrap_or_default(),
        };
        let token = pushed.token;
        let event = ProducerEvent::Failed { token, failure };
        self.events.push_back((event, pushed.buffered_len));
    }

    /// Has an aggregate that is not known to be in the stream sent again: as
    /// it is, if all of it still is one shard's.
    fn try_again(&mut self, mut sealed: Sealed<T>, attempt: Attempt, now: Duration) {
        sealed.attempts.push(attempt);
        let has_ended = self.expiry(sealed.oldest) <= now
            || sealed.attempt_count() >= self.settings.max_attempts;
        let place = self.map().place_of(sealed.span.starting_hash_key());
        let shard = self.map().shard_of(sealed.span.starting_hash_key());
        let fits = shard
            .hash_key_range()
            .contains(sealed.span.ending_hash_key());
        if has_ended || !fits {
            self.aggregate_anew(sealed, true, now);
            return;
        }
        sealed.shard_id = Arc::clone(shard.id());
        count(&mut self.counters.retries, 1);
        sealed.not_before = now.saturating_add(self.backoff(sealed.attempt_count()));
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.retries.push_back(sealed);
        }
        self.schedule(place);
    }

    /// Gives the user records of an aggregate back to their lanes, after a
    /// pause if `hold`; those whose time or attempts are over end.
    fn aggregate_anew(&mut self, sealed: Sealed<T>, hold: bool, now: Duration) {
        let places = self.places(sealed.span);
        if hold {
            let held_until = now.saturating_add(self.backoff(sealed.attempt_count()));
            for place in places.clone() {
                if let Some(lane) = self.lanes.get_mut(place) {
                    lane.held_until = lane.held_until.max(held_until);
                }
            }
        }
        count(&mut self.counters.retries, 1);
        for waiting in take_apart(sealed) {
            self.give_back(waiting, now);
        }
        for place in places {
            self.schedule(place);
        }
    }

    fn give_back(&mut self, waiting: Waiting<T>, now: Duration) {
        if self.expiry(waiting.pushed.at) <= now {
            return self.failed(waiting, FailureReason::Expired);
        }
        if waiting.pushed.attempt_count() >= self.settings.max_attempts {
            return self.failed(waiting, FailureReason::AttemptsExhausted);
        }
        let place = self.map().place_of(waiting.user_record.hash_key());
        if let Some(lane) = self.lanes.get_mut(place) {
            let number = waiting.pushed.number;
            let older = |other: &Waiting<T>| other.pushed.number < number;
            let index = lane.returned.partition_point(older);
            lane.returned.insert(index, waiting);
        }
    }

    /// Makes what a lane sends next, if it is not made yet.
    fn prepare(&mut self, place: usize, now: Duration) {
        let Some(lane) = self.lanes.get_mut(place) else {
            return;
        };
        if !lane.retries.is_empty() {
            return;
        }
        if lane.returned.is_empty() {
            if lane.outbox.is_empty() {
                let complete = self.aggregator.flush_place(place);
                lane.outbox.extend(complete.map(Sealed::from));
                lane.is_due = false;
            }
            return;
        }
        let mut waiting = core::mem::take(&mut lane.returned);
        let mut aggregator = self.settings.sharded.aggregator();
        let mut pushed: Vec<Pushed<T>> = Vec::new();
        let mut span: Option<(HashKey, HashKey)> = None;
        while let Some(next) = waiting.pop_front() {
            if self.expiry(next.pushed.at) <= now {
                self.failed(next, FailureReason::Expired);
                continue;
            }
            if !aggregator.is_empty() && !aggregator.fits(&next.user_record) {
                waiting.push_front(next);
                break;
            }
            let hash_key = next.user_record.hash_key();
            match aggregator.push(&next.user_record) {
                Ok(_) => {
                    let (lowest, highest) = span.unwrap_or((hash_key, hash_key));
                    span = Some((lowest.min(hash_key), highest.max(hash_key)));
                    pushed.push(next.pushed);
                }
                Err(PushError { reason, .. }) => self.failed(next, FailureReason::Unfit(reason)),
            }
        }
        let sealed = self.seal(place, aggregator, pushed, span);
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.returned = waiting;
            lane.retries.extend(sealed);
        }
    }

    fn seal(
        &self,
        place: usize,
        mut aggregator: RecordAggregator,
        tokens: Vec<Pushed<T>>,
        span: Option<(HashKey, HashKey)>,
    ) -> Option<Sealed<T>> {
        let (lowest, highest) = span?;
        let complete = ShardAggregate {
            shard_id: Arc::clone(self.map().open_shards().get(place)?.id()),
            hash_key_span: HashKeyRange::new(lowest, highest).ok()?,
            aggregate: aggregator.flush()?,
            tokens,
        };
        Some(Sealed::from(complete))
    }

    fn expire(&mut self, now: Duration) {
        while let Some(place) = first_until(&self.expiries, now) {
            self.expire_lane(place, now);
            self.schedule(place);
        }
        let (ttl, undecided) = (self.settings.ttl, core::mem::take(&mut self.undecided));
        let is_over = |undecided: &Undecided<T>| undecided.sealed.oldest.saturating_add(ttl) <= now;
        let (over, left) = undecided.into_iter().partition(is_over);
        self.undecided = left;
        let over: Vec<Undecided<T>> = over;
        for undecided in over {
            self.unblock(undecided.sealed.span);
            self.stored(undecided, now, false);
        }
    }

    /// Ends what is over in a lane.
    fn expire_lane(&mut self, place: usize, now: Duration) {
        let ttl = self.settings.ttl;
        let is_over = |at: Duration| at.saturating_add(ttl) <= now;
        let filling = self
            .aggregator
            .waiting_since(place)
            .filter(|&at| is_over(at));
        let flushed = filling.and_then(|_| self.aggregator.flush_place(place));
        let Some(lane) = self.lanes.get_mut(place) else {
            return;
        };
        lane.outbox.extend(flushed.map(Sealed::from));
        let mut over = Vec::new();
        for queue in [&mut lane.retries, &mut lane.outbox] {
            let all = core::mem::take(queue).into_iter();
            let (is, not): (Vec<_>, Vec<_>) = all.partition(|sealed| is_over(sealed.oldest));
            over.extend(is);
            queue.extend(not);
        }
        let mut returned = Vec::new();
        while let Some(first) = lane.returned.pop_front() {
            if !is_over(first.pushed.at) {
                lane.returned.push_front(first);
                break;
            }
            returned.push(first);
        }
        for waiting in returned {
            self.failed(waiting, FailureReason::Expired);
        }
        for waiting in over.into_iter().flat_map(take_apart) {
            self.give_back(waiting, now);
        }
    }

    fn expiry(&self, pushed_at: Duration) -> Duration {
        pushed_at.saturating_add(self.settings.ttl)
    }

    /// A random pause after that many attempts.
    fn backoff(&mut self, attempt_count: usize) -> Duration {
        let doublings = u32::try_from(attempt_count.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let longest = self.settings.shortest_backoff.saturating_mul(factor);
        self.random
            .up_to(longest.min(self.settings.longest_backoff))
    }

    /// The lanes that a span touches.
    fn places(&self, span: HashKeyRange) -> core::ops::RangeInclusive<usize> {
        let first = self.map().place_of(span.starting_hash_key());
        first..=self.map().place_of(span.ending_hash_key())
    }

    fn block(&mut self, span: HashKeyRange) {
        for place in self.places(span) {
            if let Some(lane) = self.lanes.get_mut(place) {
                lane.blockers = lane.blockers.saturating_add(1);
            }
            self.schedule(place);
        }
    }

    fn unblock(&mut self, span: HashKeyRange) {
        for place in self.places(span) {
            if let Some(lane) = self.lanes.get_mut(place) {
                lane.blockers = lane.blockers.saturating_sub(1);
            }
            self.schedule(place);
        }
    }

    /// Notes when a lane has to be looked at. To be called after each change.
    fn schedule(&mut self, place: usize) {
        let Some(lane) = self.lanes.get(place) else {
            return;
        };
        let filling_since = self.aggregator.waiting_since(place);
        let oldest = [
            lane.retries.front().map(|sealed| sealed.oldest),
            lane.returned.front().map(|waiting| waiting.pushed.at),
            lane.outbox.front().map(|sealed| sealed.oldest),
            filling_since,
        ];
        let oldest = oldest.into_iter().flatten().min();
        let expires_at = oldest.map(|oldest| self.expiry(oldest));
        let ready_at = if lane.blockers > 0 {
            None
        } else if let Some(next) = lane.next_sealed() {
            let within_rate_at = lane.within_rate_at(&self.settings, next.len());
            Some(next.not_before.max(within_rate_at))
        } else if !lane.returned.is_empty() {
            Some(Duration::ZERO)
        } else {
            let deadline = self.aggregator.deadline(place);
            deadline.map(|deadline| {
                if lane.is_due {
                    Duration::ZERO
                } else {
                    deadline
                }
            })
        };
        let ready_at = ready_at.map(|ready_at| ready_at.max(lane.held_until));
        let Some(lane) = self.lanes.get_mut(place) else {
            return;
        };
        move_entry(&mut self.ready, &mut lane.ready_at, ready_at, place);
        move_entry(&mut self.expiries, &mut lane.expires_at, expires_at, place);
    }
}

fn count(counter: &mut u64, more: usize) {
    *counter = counter.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
}

/// The place of the first entry, unless that is later than `now`.
fn first_until(entries: &BTreeSet<(Duration, usize)>, now: Duration) -> Option<usize> {
    let &(at, place) = entries.first()?;
    (at <= now).then_some(place)
}

/// Moves the one entry of a place from one time to another.
fn move_entry(
    entries: &mut BTreeSet<(Duration, usize)>,
    at: &mut Option<Duration>,
    new: Option<Duration>,
    place: usize,
) {
    if *at == new {
        return;
    }
    if let Some(old) = core::mem::replace(at, new) {
        entries.remove(&(old, place));
    }
    entries.extend(new.map(|new| (new, place)));
}
