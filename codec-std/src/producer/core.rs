//! User records in, PutRecords requests out, and every user record accounted
//! for.
//!
//! A state machine without clock, sockets and threads.
//!
//! ```text
//! push -> queue of its lane -> sealed -> request -> answer -> delivered
//!           ^  ^                  ^                  |  |  \-> undecided
//!           |  |                  \--- not stored ---/  |         |
//!           |  \------------- taken apart: wrong shard, rejected -/
//!           \- another map
//! ```
//!
//! Each open shard has a lane with these queues. What is in flight blocks the
//! lanes that its hash keys touch. So the user records of one hash key are
//! never in two requests at once, which keeps them in order; and whatever is
//! taken apart goes back to its place in the queue, by the number of its push.
//!
//! This file sends. `judge.rs` handles answers, `routing.rs` handles listings.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;

use kinesis_agg_codec::{EncodeError, EncodedPart, HashKeyRange, MAGIC};

use crate::producer::attempt::Attempts;
use crate::producer::backoff::SplitMix;
use crate::producer::counters::{ProducerCounters, count};
use crate::producer::distribution::{Distribution, Evidence};
use crate::producer::ends::Ends;
use crate::producer::entry::{Entry, Pushed, can_go_raw};
use crate::producer::event::{FailureReason, Notice, ProducerEvent};
use crate::producer::fill::Fill;
use crate::producer::judge::Stored;
use crate::producer::lane::Lane;
use crate::producer::request::{PutRecord, PutRequest, RequestId};
use crate::producer::sealed::Sealed;
use crate::producer::settings::{ProducerSettings, UnfitForRaw};
use crate::producer::texts::Texts;
use crate::shards::ShardMap;
use crate::shards::{RejectedUserRecord, RejectionReason, check_room};
use crate::timers::Timers;
use crate::write::PushError;
use crate::write::RecordAggregator;
use crate::write::{AsUserRecord as _, OwnedUserRecord};

/// Accepts user records, hands out PutRecords requests, and reports how each
/// user record ended.
///
/// It has no clock and no sockets. `now` is the time since any moment, as long
/// as that is always the same; a `now` before an earlier one counts as that. The
/// caller
/// 1. calls [`poll_request`](Self::poll_request) until there is none, after
///    each other call and when [`poll_timeout`](Self::poll_timeout) says;
/// 2. makes the requests and passes on what became of each to
///    [`handle_answer`](Self::handle_answer) or
///    [`handle_failure`](Self::handle_failure), in any order, sooner or later;
/// 3. takes the [events](Self::poll_event);
/// 4. when [`wants_refresh`](Self::wants_refresh), asks the stream how it
///    distributes records ([`set_distribution`](Self::set_distribution)) and
///    lists its shards ([`replace_map`](Self::replace_map)).
///
/// # What is delivered
///
/// A consumer that filters by hash key range, as the KCL, drops an aggregate
/// as a whole if one user record belongs to another shard. So an aggregate
/// counts as delivered only in a shard that has all of its user records.
/// Anywhere else, all of them are aggregated again and sent again. A consumer
/// without a filter can see them twice: delivery is at least once.
///
/// On a stream that distributes records itself ([`Distribution::Auto`]), each
/// user record is sent raw, and counts as delivered wherever it is stored.
///
/// # Order
///
/// Two user records of one effective hash key that are both delivered are
/// stored in the order of their pushes, whatever is throttled, lost or
/// resharded in between: the later one is not sent before the earlier one has
/// ended. What can come late is a copy of a user record: of an attempt that
/// counted as lost and was not. User records of different hash keys have no
/// order, and there is none on a stream that distributes records itself.
///
/// # Memory
///
/// From its push until its event is taken, a user record counts towards
/// [`ProducerSettings::with_max_buffered_len`]; a push beyond that is rejected.
/// That includes the attempts that a [`Failure`](crate::producer::Failure)
/// reports: only the first and the last are kept, and how many there were.
#[derive(Debug)]
pub struct ProducerCore<T> {
    pub(super) settings: ProducerSettings,
    /// Says what fits into an aggregate.
    empty: RecordAggregator,
    pub(super) map: ShardMap,
    pub(super) distribution: Distribution,
    /// True once the service has said how the stream distributes records.
    pub(super) is_distribution_known: bool,
    pub(super) evidence: Evidence,
    /// One for each open shard, in the map's order; a single one if the service
    /// distributes records.
    pub(super) lanes: Vec<Lane<T>>,
    /// When lanes can send, of those that can.
    pub(super) sends: Timers,
    /// When the oldest user records of lanes expire.
    pub(super) expiries: Timers,
    pub(super) in_flight: BTreeMap<RequestId, InFlight<T>>,
    /// Stored, but it takes a newer listing to say whether in the right shard.
    /// By the number of their first user record. They still block their lanes.
    pub(super) undecided: BTreeMap<u64, Stored<T>>,
    pub(super) ends: Ends<T>,
    pub(super) texts: Texts,
    held_len: usize,
    held_count: usize,
    next_number: u64,
    next_request: u64,
    /// The largest of all that were passed in.
    pub(super) now: Duration,
    last_put_at: Duration,
    /// What was pushed before it does not wait for company.
    flushed_before: u64,
    /// When the present listing was requested.
    pub(super) listed_at: Duration,
    /// The stream of the present map certainly existed at that time.
    pub(super) last_seen: Duration,
    /// A listing of this time or later is wanted.
    pub(super) wanted_since: Option<Duration>,
    /// The stream may be another one: nothing is sent, and nothing is judged,
    /// before a listing of this time or later.
    pub(super) doubted_since: Option<Duration>,
    /// Requests that were sent before may have gone to another stream of this
    /// name.
    pub(super) trusted_since: Duration,
    /// Trouble that lasts and was reported.
    pub(super) is_put_denied: bool,
    pub(super) is_listing_denied: bool,
    pub(super) is_stream_missing: bool,
    pub(super) is_distribution_denied: bool,
    random: SplitMix,
    pub(super) counters: ProducerCounters,
}

#[derive(Debug)]
pub(super) struct InFlight<T> {
    pub(super) sent_at: Duration,
    pub(super) sealed: Vec<Sealed<T>>,
}

impl<T> ProducerCore<T> {
    /// A producer for a stream of these shards, whose listing was requested at
    /// `listed_at`. `seed` determines the jitter of the pauses, and nothing
    /// else.
    #[must_use]
    pub fn new(map: ShardMap, listed_at: Duration, settings: ProducerSettings, seed: u64) -> Self {
        let mut core = Self {
            distribution: settings.distribution,
            empty: settings.aggregator(),
            settings,
            map,
            is_distribution_known: false,
            evidence: Evidence::default(),
            lanes: Vec::new(),
            sends: Timers::default(),
            expiries: Timers::default(),
            in_flight: BTreeMap::new(),
            undecided: BTreeMap::new(),
            ends: Ends::default(),
            texts: Texts::default(),
            held_len: 0,
            held_count: 0,
            next_number: 0,
            next_request: 0,
            now: listed_at,
            last_put_at: Duration::ZERO,
            flushed_before: 0,
            listed_at,
            last_seen: listed_at,
            wanted_since: None,
            doubted_since: None,
            trusted_since: Duration::ZERO,
            is_put_denied: false,
            is_listing_denied: false,
            is_stream_missing: false,
            is_distribution_denied: false,
            random: SplitMix::new(seed),
            counters: ProducerCounters::default(),
        };
        core.rebuild_lanes();
        core
    }

    /// The current map.
    #[must_use]
    pub const fn map(&self) -> &ShardMap {
        &self.map
    }

    /// For which distribution user records are sent.
    #[must_use]
    pub const fn distribution(&self) -> Distribution {
        self.distribution
    }

    /// Bytes that are held, as
    /// [`ProducerSettings::with_max_buffered_len`] counts them.
    #[must_use]
    pub const fn buffered_len(&self) -> usize {
        self.held_len
    }

    /// User records that are held.
    #[must_use]
    pub const fn buffered_count(&self) -> usize {
        self.held_count
    }

    /// What was done so far.
    #[must_use]
    pub const fn counters(&self) -> ProducerCounters {
        self.counters
    }

    /// True if the shards should be listed, and the stream asked how it
    /// distributes records: an answer contradicts the map, or the present list
    /// is too old. A listing that was requested before that does not help.
    #[must_use]
    pub const fn wants_refresh(&self) -> bool {
        self.wanted_since.is_some()
    }

    /// Bytes that a user record counts for while it is held, its token included.
    #[must_use]
    pub fn held_len(user_record: &OwnedUserRecord) -> usize {
        Entry::<T>::held_len(user_record)
    }

    /// Accepts a user record, and a token that comes back with its end.
    ///
    /// `put_at` is when its time to live started, which is before `now` if it
    /// had to wait for room. A `put_at` before that of an earlier push counts as
    /// that; one after `now` counts as `now`.
    ///
    /// # Errors
    ///
    /// [`RejectedUserRecord`] with both; nothing was changed.
    /// [`RejectionReason::BufferFull`]: there is room once events have been
    /// taken; this also triggers a [`flush`](Self::flush).
    /// [`RejectionReason::LargerThanBuffer`]: it is larger than all of the
    /// buffer. [`RejectionReason::Unfit`]: no aggregate can hold it, or no raw
    /// Kinesis record. [`RejectionReason::NoPartitionKey`]: the stream
    /// distributes records by key. [`RejectionReason::CannotGoRaw`]: the stream
    /// distributes records itself.
    #[expect(
        clippy::result_large_err,
        reason = "the user record goes back as it came, without a box"
    )]
    pub fn push(
        &mut self,
        user_record: OwnedUserRecord,
        token: T,
        put_at: Duration,
        now: Duration,
    ) -> Result<(), RejectedUserRecord<OwnedUserRecord, T>> {
        let now = self.advance(now);
        let put_at = put_at.min(now).max(self.last_put_at);
        let needed = Self::held_len(&user_record);
        let limit = self.settings.max_buffered_len;
        let checked = self.check_form(&user_record);
        let checked = checked.and_then(|()| check_room(needed, self.held_len, limit));
        if let Err(reason) = checked {
            if matches!(reason, RejectionReason::BufferFull { .. }) {
                self.flush();
            }
            return Err(RejectedUserRecord::new(user_record, token, reason));
        }
        let hash_key = user_record.hash_key();
        let place = self.place_of(hash_key);
        let entry = Box::new(Entry {
            user_record,
            pushed: Pushed {
                token,
                number: self.next_number,
                hash_key,
                put_at,
                pushed_at: now,
                held_len: needed,
                attempts: Attempts::default(),
                awaits_listing: Duration::ZERO,
            },
        });
        self.last_put_at = put_at;
        self.next_number = self.next_number.saturating_add(1);
        self.held_len = self.held_len.saturating_add(needed);
        self.held_count = self.held_count.saturating_add(1);
        count(&mut self.counters.user_records_in, 1);
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.push(entry, self.distribution, &self.settings);
        }
        self.schedule(place);
        Ok(())
    }

    /// Whether a user record can be sent in the form that the stream asks for.
    fn check_form(&self, user_record: &OwnedUserRecord) -> Result<(), RejectionReason> {
        let has_key = user_record.partition_key().is_some();
        if self.distribution == Distribution::ByKey {
            if !has_key {
                return Err(RejectionReason::NoPartitionKey);
            }
            return self.check_aggregate(user_record);
        }
        if !can_go_raw(user_record) {
            if self.settings.unfit_for_raw == UnfitForRaw::Reject || !has_key {
                return Err(RejectionReason::CannotGoRaw);
            }
            return self.check_aggregate(user_record);
        }
        if has_key {
            let borrowed = user_record.as_user_record();
            let checked = borrowed.check_partition_key();
            checked.map_err(RejectionReason::Unfit)?;
        }
        let needed = u32::try_from(user_record.content_len()).unwrap_or(u32::MAX);
        let limit = self.settings.limits.max_size();
        if needed > limit {
            let part = EncodedPart::UserRecord;
            let error = EncodeError::TooLarge {
                part,
                needed,
                limit,
            };
            return Err(RejectionReason::Unfit(error));
        }
        Ok(())
    }

    /// Whether an aggregate can hold a user record, or it may go raw instead.
    fn check_aggregate(&self, user_record: &OwnedUserRecord) -> Result<(), RejectionReason> {
        if self.empty.fits(user_record) {
            return Ok(());
        }
        match self.settings.aggregator().push(user_record) {
            Ok(_) => Ok(()),
            Err(PushError { reason, .. }) => Err(RejectionReason::Unfit(reason)),
        }
    }

    /// Makes nothing that was pushed so far wait for company any longer.
    ///
    /// What cannot be sent at once, because earlier user records of its shard
    /// are in flight, may still get company.
    pub fn flush(&mut self) {
        if self.flushed_before == self.next_number {
            return;
        }
        self.flushed_before = self.next_number;
        self.schedule_all();
    }

    /// When [`poll_request`](Self::poll_request) has something to do again, if
    /// nothing else happens. At once, if the time is not in the future.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let may_send = self.in_flight.len() < self.settings.max_requests_in_flight
            && self.doubted_since.is_none();
        let sends = self.sends.next().filter(|_| may_send);
        let undecided = self.undecided.values().next();
        let undecided = undecided.map(|stored| self.settings.expiry(stored.sealed.put_at()));
        [sends, self.expiries.next(), undecided, self.refresh_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the present listing is too old, if there is somebody to list for.
    fn refresh_at(&self) -> Option<Duration> {
        let at = self.listed_at.checked_add(self.settings.refresh_interval)?;
        (self.held_count > 0 && self.wanted_since.is_none()).then_some(at)
    }

    /// The next request to be made, if one may be made now. Also ends user
    /// records whose time to live is over.
    pub fn poll_request(&mut self, now: Duration) -> Option<PutRequest> {
        let now = self.advance(now);
        self.expire();
        if self.refresh_at().is_some_and(|at| at <= now) {
            self.want_refresh();
        }
        if self.in_flight.len() >= self.settings.max_requests_in_flight
            || self.doubted_since.is_some()
            || self.sends.due(now).is_none()
        {
            return None;
        }
        if self.is_silent() {
            self.doubt();
            return None;
        }
        let sealed = match self.distribution {
            Distribution::ByKey => self.take_aggregates(),
            Distribution::Auto => self.take_raw(),
        };
        (!sealed.is_empty()).then(|| self.request(sealed))
    }

    /// The Kinesis records of a request, at most one for each lane.
    fn take_aggregates(&mut self) -> Vec<Sealed<T>> {
        let mut request = RequestRoom::new(&self.settings);
        let mut all = Vec::new();
        while let Some(place) = self.sends.due(self.now) {
            if request.is_full() {
                break;
            }
            let is_sealed = self
                .lanes
                .get(place)
                .is_some_and(|lane| !lane.sealed.is_empty());
            if !is_sealed {
                self.seal(place);
            }
            let next = self.lanes.get(place).and_then(|lane| lane.sealed.first());
            let Some(next) = next else {
                // The lane had nothing that can be sent.
                self.schedule(place);
                continue;
            };
            if !request.has_room(next) {
                self.schedule(place);
                break;
            }
            let Some(sealed) = self.take_sealed(place) else {
                break;
            };
            request.add(&sealed);
            self.block(sealed.span);
            all.push(sealed);
        }
        all
    }

    /// The raw records of a request: all that wait, once one of them is due.
    fn take_raw(&mut self) -> Vec<Sealed<T>> {
        let mut request = RequestRoom::new(&self.settings);
        let (mut all, place, now) = (Vec::new(), 0, self.now);
        while !request.is_full() {
            let Some(lane) = self.lanes.get_mut(place) else {
                break;
            };
            let first = lane.sealed.first().filter(|first| first.not_before <= now);
            let Some(next) = first else {
                match lane.queue.pop_first() {
                    Some((_, entry)) => self.seal_raw(*entry),
                    None => break,
                }
                continue;
            };
            let allowed_at = lane.rate.allows_at(&self.settings, next.record.len());
            if allowed_at > now || !request.has_room(next) {
                break;
            }
            let Some(sealed) = self.take_sealed(place) else {
                break;
            };
            request.add(&sealed);
            all.push(sealed);
        }
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.refill(self.distribution, &self.settings);
        }
        self.schedule(place);
        all
    }

    fn take_sealed(&mut self, place: usize) -> Option<Sealed<T>> {
        let lane = self.lanes.get_mut(place)?;
        let sealed = lane.sealed.pop_first()?;
        let len = sealed.record.len();
        lane.rate.charge(&self.settings, len, self.now);
        Some(sealed)
    }

    fn request(&mut self, sealed: Vec<Sealed<T>>) -> PutRequest {
        let id = RequestId(self.next_request);
        self.next_request = self.next_request.saturating_add(1);
        count(&mut self.counters.requests, 1);
        count(&mut self.counters.records, sealed.len());
        let is_raw = |sealed: &&Sealed<T>| sealed.is_raw;
        count(
            &mut self.counters.raw_records,
            sealed.iter().filter(is_raw).count(),
        );
        let lens = sealed.iter().map(|sealed| sealed.record.len());
        count(
            &mut self.counters.bytes,
            lens.fold(0, usize::saturating_add),
        );
        for first in sealed.iter().filter(|sealed| sealed.attempts.count() == 0) {
            let fresh = first
                .pushed
                .iter()
                .filter(|pushed| pushed.attempts.count() == 0);
            for pushed in fresh {
                let waited = self.now.saturating_sub(pushed.pushed_at);
                let sum = self.counters.buffering_time.saturating_add(waited);
                self.counters.buffering_time = sum;
            }
        }
        let records = sealed.iter().map(|sealed| sealed.record.clone()).collect();
        let sent_at = self.now;
        self.in_flight.insert(id, InFlight { sent_at, sealed });
        PutRequest { id, records }
    }

    /// Makes an aggregate of the front of a lane's queue.
    fn seal(&mut self, place: usize) {
        let Some(lane) = self.lanes.get_mut(place) else {
            return;
        };
        let mut aggregator = self.settings.aggregator();
        let mut pushed: Vec<Pushed<T>> = Vec::new();
        let mut unfit = Vec::new();
        while let Some(first) = lane.queue.first_entry() {
            let entry = first.get();
            let is_awaiting = entry.pushed.awaits_listing > self.listed_at;
            if is_awaiting || !pushed.is_empty() && !aggregator.fits(&entry.user_record) {
                break;
            }
            let entry = first.remove();
            match aggregator.push(&entry.user_record) {
                Ok(_) => pushed.push(entry.pushed),
                Err(PushError { reason, .. }) => unfit.push((entry, FailureReason::Unfit(reason))),
            }
        }
        lane.refill(self.distribution, &self.settings);
        pushed.shrink_to_fit();
        let hash_keys = || pushed.iter().map(|pushed| pushed.hash_key);
        let span = hash_keys().min().zip(hash_keys().max());
        let span = span.and_then(|(low, high)| HashKeyRange::new(low, high).ok());
        if let Some((span, aggregate)) = span.zip(aggregator.flush()) {
            let (data, partition_key, explicit_hash_key) = aggregate.into_parts();
            // What begins with it is never raw, and what is wrapped does.
            let is_raw = !data.starts_with(&MAGIC);
            let record = PutRecord {
                data,
                partition_key: Some(partition_key),
                explicit_hash_key,
            };
            let shard = (Arc::clone(&lane.shard_id), lane.range);
            lane.sealed
                .insert(Sealed::new(record, is_raw, pushed, span, shard));
        }
        for (entry, reason) in unfit {
            self.failed(entry, reason);
        }
    }

    /// Makes a Kinesis record of a user record alone.
    fn seal_raw(&mut self, entry: Entry<T>) {
        let Entry {
            user_record,
            pushed,
        } = entry;
        let is_raw = can_go_raw(&user_record);
        let hash_key = pushed.hash_key;
        let record = if is_raw {
            let (partition_key, explicit_hash_key, data) = user_record.into_raw();
            PutRecord {
                data,
                partition_key,
                explicit_hash_key,
            }
        } else {
            let mut aggregator = self.settings.aggregator();
            // It was checked when it was pushed, or when the distribution changed.
            let aggregate = match aggregator.push(&user_record) {
                Ok(_) => aggregator.flush().ok_or(FailureReason::CannotGoRaw),
                Err(PushError { reason, .. }) => Err(FailureReason::Unfit(reason)),
            };
            let (data, partition_key, explicit_hash_key) = match aggregate {
                Ok(aggregate) => aggregate.into_parts(),
                Err(reason) => {
                    let entry = Box::new(Entry {
                        user_record,
                        pushed,
                    });
                    return self.failed(entry, reason);
                }
            };
            PutRecord {
                data,
                partition_key: Some(partition_key),
                explicit_hash_key,
            }
        };
        let (Some(lane), Ok(span)) = (
            self.lanes.first_mut(),
            HashKeyRange::new(hash_key, hash_key),
        ) else {
            return;
        };
        let shard = (Arc::clone(&lane.shard_id), lane.range);
        lane.sealed
            .insert(Sealed::new(record, is_raw, vec![pushed], span, shard));
    }

    /// The next event, if there is one: how a user record ended, or a notice.
    pub fn poll_event(&mut self) -> Option<ProducerEvent<T>> {
        let (event, freed) = self.ends.pop()?;
        if let Some(freed) = freed {
            self.held_len = self.held_len.saturating_sub(freed);
            self.held_count = self.held_count.saturating_sub(1);
        }
        Some(event)
    }

    pub(super) fn failed(&mut self, entry: Box<Entry<T>>, reason: FailureReason) {
        count(&mut self.counters.user_records_failed, 1);
        self.ends.failed(entry, reason);
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.ends.notice(notice);
    }

    /// Ends what is over, wherever it waits.
    fn expire(&mut self) {
        while let Some(place) = self.expiries.due(self.now) {
            self.expire_lane(place);
            self.schedule(place);
        }
        while let Some(first) = self.undecided.first_entry() {
            if self.settings.expiry(first.get().sealed.put_at()) > self.now {
                break;
            }
            let stored = first.remove();
            self.unblock(stored.sealed.span);
            self.undecided_is_over(stored);
        }
    }

    fn expire_lane(&mut self, place: usize) {
        loop {
            let Some(lane) = self.lanes.get_mut(place) else {
                return;
            };
            let is_over = |put_at: Duration| self.settings.expiry(put_at) <= self.now;
            if lane.sealed.oldest().is_some_and(is_over) {
                if let Some(sealed) = lane.sealed.pop_oldest() {
                    self.give_back(sealed, Duration::ZERO);
                }
                continue;
            }
            let first = lane.queue.first_entry();
            let first = first.filter(|first| is_over(first.get().pushed.put_at));
            let Some(first) = first else {
                break;
            };
            let entry = first.remove();
            if lane.queue.is_empty() {
                lane.fill = Fill::default();
            }
            self.failed(entry, FailureReason::Expired);
        }
    }

    /// The largest time that was passed in so far.
    pub(super) fn advance(&mut self, now: Duration) -> Duration {
        self.now = self.now.max(now);
        self.now
    }

    /// A random pause after that many attempts.
    pub(super) fn backoff(&mut self, attempt_count: usize) -> Duration {
        let doublings = u32::try_from(attempt_count.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let longest = self.settings.shortest_backoff.saturating_mul(factor);
        self.random
            .up_to(longest.min(self.settings.longest_backoff))
    }

    pub(super) fn schedule_all(&mut self) {
        for place in 0..self.lanes.len() {
            self.schedule(place);
        }
    }

    /// Notes when a lane has to be looked at. Called after each change.
    pub(super) fn schedule(&mut self, place: usize) {
        let lane = self.lanes.get(place);
        let expires_at = lane.and_then(Lane::oldest);
        let expires_at = expires_at.map(|put_at| self.settings.expiry(put_at));
        let ready_at = lane.and_then(|lane| self.ready_at(lane));
        self.sends.set(place, ready_at);
        self.expiries.set(place, expires_at);
    }

    /// When a lane can send, if that does not depend on anything but time.
    fn ready_at(&self, lane: &Lane<T>) -> Option<Duration> {
        if lane.blockers > 0 {
            return None;
        }
        let within_rate = |len| lane.rate.allows_at(&self.settings, len);
        let sealed = lane.sealed.first();
        let sealed = sealed.map(|next| next.not_before.max(within_rate(next.record.len())));
        let queued = lane.queue.values().next();
        let queued = queued.filter(|first| match self.distribution {
            Distribution::ByKey => {
                sealed.is_none() && first.pushed.awaits_listing <= self.listed_at
            }
            Distribution::Auto => true,
        });
        let queued = queued.map(|first| {
            let is_due = lane.fill.is_full() || first.pushed.number < self.flushed_before;
            let due_at = if is_due {
                Duration::ZERO
            } else {
                let Pushed {
                    put_at, pushed_at, ..
                } = first.pushed;
                self.settings.deadline(put_at, pushed_at)
            };
            due_at.max(within_rate(lane.fill.len()))
        });
        let ready_at = [sealed, queued].into_iter().flatten().min();
        ready_at.map(|ready_at| ready_at.max(lane.held_until))
    }
}

/// What a request still has room for.
struct RequestRoom {
    max_count: usize,
    max_len: usize,
    count: usize,
    len: usize,
}

impl RequestRoom {
    const fn new(settings: &ProducerSettings) -> Self {
        Self {
            max_count: settings.max_request_count,
            max_len: settings.max_request_len,
            count: 0,
            len: 0,
        }
    }

    const fn is_full(&self) -> bool {
        self.count >= self.max_count
    }

    /// A Kinesis record that is larger than a request may be has room alone.
    fn has_room<T>(&self, sealed: &Sealed<T>) -> bool {
        let len = self.len.saturating_add(sealed.record.len());
        self.count == 0 || len <= self.max_len && self.count < sealed.max_company
    }

    fn add<T>(&mut self, sealed: &Sealed<T>) {
        self.count = self.count.saturating_add(1);
        self.len = self.len.saturating_add(sealed.record.len());
        self.max_count = self.max_count.min(sealed.max_company);
    }
}
