//! The state machine of the producer, without clock, sockets or threads.
//!
//! User records go in, PutRecords requests come out, and the outcome of every
//! user record is reported.
//!
//! ```text
//! push -> queue of its lane -> sealed -> request -> answer -> delivered
//!           ^  ^                  ^                  |  |  \-> undecided
//!           |  |                  \--- not stored ---/  |         |
//!           |  \------------- taken apart: wrong shard, rejected -/
//!           \- another map
//! ```
//!
//! Each open shard has a lane with these queues (`lanes.rs`). A Kinesis record
//! holds the hash keys of its user records from when it is sealed until it has
//! been delivered or taken apart (`sealer.rs`). So user records of one hash key
//! are never in two requests at once, which keeps them in order. When a Kinesis
//! record is taken apart, each user record returns to its place in the queue, by
//! the number of its push.
//!
//! This file accepts user records and returns events. `requests.rs` makes
//! requests, `answers.rs` handles their answers, `listings.rs` handles listings,
//! and `rerouting.rs` handles user records that return to a lane or expire.

use alloc::collections::BTreeMap;
use core::time::Duration;

#[cfg(feature = "producer")]
use kinesis_agg_codec::HashKeyRange;
use kinesis_agg_codec::{EncodeError, EncodedPart};

use crate::producer::backoff::SplitMix;
use crate::producer::counters::{ProducerCounters, count};
use crate::producer::distribution::Distribution;
use crate::producer::ends::Ends;
use crate::producer::entry::{Entry, Pushed, can_go_raw};
use crate::producer::event::{FailureReason, Notice, ProducerEvent};
#[cfg(feature = "producer")]
use crate::producer::intake::PutTime;
use crate::producer::known_keys::KnownKeys;
use crate::producer::lanes::Lanes;
use crate::producer::numbers::Numbers;
use crate::producer::request::RequestId;
use crate::producer::sealed::Sealed;
use crate::producer::sealer::Sealer;
use crate::producer::settings::{ProducerSettings, UnfitForRaw};
use crate::producer::stored::Stored;
use crate::producer::stream_view::StreamView;
use crate::producer::texts::Texts;
use crate::producer::unrouted::Unrouted;
use crate::shards::ShardMap;
use crate::shards::{RejectedUserRecord, RejectionReason, check_room};
use crate::write::PushError;
use crate::write::{AsUserRecord as _, OwnedUserRecord};

/// A put that is later than the last one by more than this gets its own expiry.
#[cfg(feature = "producer")]
const LATE: Duration = Duration::from_millis(100);

/// Accepts user records, returns PutRecords requests to make, and reports the
/// outcome of each user record.
///
/// It has no clock and no sockets. `now` is the time since a fixed moment of the
/// caller's choice; a `now` before the latest one passed in is replaced by that
/// one. The caller
/// 1. calls [`poll_request`](Self::poll_request) until it returns `None`, after
///    each other call and at the time of [`poll_timeout`](Self::poll_timeout);
/// 2. makes the requests and passes the result of each to
///    [`handle_answer`](Self::handle_answer) or
///    [`handle_failure`](Self::handle_failure), in any order, at any later time;
/// 3. polls the [events](Self::poll_event);
/// 4. when [`wants_refresh`](Self::wants_refresh), asks the stream how it
///    distributes records ([`set_distribution`](Self::set_distribution)) and
///    lists its shards ([`replace_map`](Self::replace_map)).
///
/// # Delivery
///
/// A consumer that filters by hash key range, such as the KCL, drops a whole
/// aggregate if one of its user records belongs to another shard. So an
/// aggregate counts as delivered only if it is stored in a shard whose range
/// contains all of its hash keys. Otherwise its user records are aggregated and
/// sent again. A consumer that does not filter may see them twice: delivery is
/// at least once.
///
/// On a stream that distributes records itself ([`Distribution::Auto`]), each
/// user record is sent raw, and counts as delivered in any shard.
///
/// # Order
///
/// Two user records of one effective hash key that are both delivered are
/// stored in the order of their pushes, even if requests are throttled or lost or
/// the stream reshards in between: the later one is not sent until the earlier
/// one has ended. Only a duplicate can appear late: the copy from an attempt that
/// counted as lost but was stored. User records of different hash keys have no
/// order. No order is kept on a stream that distributes records itself, nor with
/// [`Order::None`](crate::producer::Order::None).
///
/// While a Kinesis record of a shard is in flight, user records wait until they
/// fill the next one. If the next one shares no hash key with those in flight, it
/// is sent before their answers arrive: the throughput of a shard is limited by
/// its rate, not by the latency of requests.
///
/// # Memory
///
/// From its push until its event is polled, a user record counts towards
/// [`ProducerSettings::with_max_buffered_len`]; a push beyond that is rejected.
/// A shard may hold only as many bytes as are still free
/// ([`ProducerSettings::with_shard_shares`]), so a shard that accepts nothing
/// leaves room for the others. The bound includes the attempts that a
/// [`Failure`](crate::producer::Failure) reports: only the first, the last and
/// the number of attempts are kept.
///
/// # Time
///
/// Each call does a bounded amount of work, except that
/// [`poll_request`](Self::poll_request) finishes all work that a new list of
/// shards or expired user records have caused. Where a long pause matters, call
/// [`step`](Self::step) until it returns false first, and let other tasks run
/// between the calls.
#[derive(Debug)]
pub struct ProducerCore<T> {
    pub(super) settings: ProducerSettings,
    pub(super) view: StreamView,
    pub(super) lanes: Lanes<T>,
    pub(super) sealer: Sealer,
    known_keys: KnownKeys,
    pub(super) in_flight: BTreeMap<RequestId, InFlight<T>>,
    /// Stored, but only a newer listing can decide whether in the right shard. By
    /// expiry and the number of the first user record.
    pub(super) undecided: BTreeMap<(Duration, u64), Stored<T>>,
    pub(super) unrouted: Unrouted<T>,
    pub(super) ends: Ends<T>,
    pub(super) texts: Texts,
    pub(super) numbers: Numbers,
    pub(super) counters: ProducerCounters,
    held_len: usize,
    held_count: usize,
    next_number: u64,
    pub(super) next_request: u64,
    /// The latest `now` that was passed in.
    pub(super) now: Duration,
    last_put_at: Duration,
    flushed_before: u64,
    random: SplitMix,
}

#[derive(Debug)]
pub(super) struct InFlight<T> {
    pub(super) sent_at: Duration,
    pub(super) sealed: Vec<Sealed<T>>,
}

impl<T> ProducerCore<T> {
    /// Returns a producer for a stream with the shards of `map`, whose listing
    /// was requested at `listed_at`. `seed` determines only the jitter of the
    /// pauses.
    #[must_use]
    pub fn new(map: ShardMap, listed_at: Duration, settings: ProducerSettings, seed: u64) -> Self {
        let mut core = Self {
            view: StreamView::new(map, settings.distribution, listed_at),
            lanes: Lanes::default(),
            sealer: Sealer::new(&settings),
            known_keys: KnownKeys::default(),
            settings,
            in_flight: BTreeMap::new(),
            undecided: BTreeMap::new(),
            unrouted: Unrouted::default(),
            ends: Ends::default(),
            texts: Texts::default(),
            numbers: Numbers::default(),
            counters: ProducerCounters::default(),
            held_len: 0,
            held_count: 0,
            next_number: 0,
            next_request: 0,
            now: listed_at,
            last_put_at: Duration::ZERO,
            flushed_before: 0,
            random: SplitMix::new(seed),
        };
        core.rebuild_lanes();
        core
    }

    /// Returns the current map of shards.
    #[must_use]
    pub const fn map(&self) -> &ShardMap {
        &self.view.map
    }

    /// Returns when the listing of the current map was requested.
    #[must_use]
    pub const fn listed_at(&self) -> Duration {
        self.view.listed_at
    }

    /// Returns the distribution for which user records are sent.
    #[must_use]
    pub const fn distribution(&self) -> Distribution {
        self.view.distribution
    }

    /// Returns how many bytes are held, as counted by
    /// [`ProducerSettings::with_max_buffered_len`].
    #[must_use]
    pub const fn buffered_len(&self) -> usize {
        self.held_len
    }

    /// Returns how many user records are held.
    #[must_use]
    pub const fn buffered_count(&self) -> usize {
        self.held_count
    }

    /// Returns the counters so far.
    #[must_use]
    pub const fn counters(&self) -> ProducerCounters {
        self.counters
    }

    /// Returns true if the caller should list the shards and ask how the stream
    /// distributes records: an answer contradicts the map, or the current list is
    /// too old. A listing that was requested earlier does not help.
    #[must_use]
    pub const fn wants_refresh(&self) -> bool {
        self.view.wanted_since.is_some()
    }

    /// Returns how many bytes a user record counts for while it is held, including
    /// its token.
    #[must_use]
    pub fn held_len(user_record: &OwnedUserRecord) -> usize {
        Entry::<T>::held_len(user_record)
    }

    /// Accepts a user record, and a token that is returned with its event.
    ///
    /// `put_at` is when the time to live of the user record started: before `now`
    /// if it had to wait for room. A `put_at` before that of an earlier push
    /// counts as the earlier push's; one after `now` counts as `now`.
    ///
    /// # Errors
    ///
    /// [`RejectedUserRecord`] with the user record and the token; the producer
    /// does not keep them. The reasons:
    /// [`RejectionReason::BufferFull`]: there is room once events have been
    /// polled; this also triggers a [`flush`](Self::flush).
    /// [`RejectionReason::ShardFull`]: there is room once events of this shard's
    /// user records have been polled, or other shards have freed more of the
    /// buffer; this also flushes the shard.
    /// [`RejectionReason::LargerThanBuffer`]: the user record is larger than the
    /// whole buffer. [`RejectionReason::Unfit`]: it does not fit in an aggregate,
    /// or in a raw Kinesis record. [`RejectionReason::NoPartitionKey`]: it has no
    /// partition key, and the stream distributes records by key.
    /// [`RejectionReason::CannotGoRaw`]: it cannot be sent raw, and the stream
    /// distributes records itself.
    #[expect(
        clippy::result_large_err,
        reason = "the rejected user record is returned by value, so that rejecting does not allocate"
    )]
    pub fn push(
        &mut self,
        user_record: OwnedUserRecord,
        token: T,
        put_at: Duration,
        now: Duration,
    ) -> Result<(), RejectedUserRecord<OwnedUserRecord, T>> {
        let own_expiry = None;
        self.accept(user_record, token, put_at, own_expiry, true, now)
            .map(drop)
    }

    /// Like [`push`](Self::push), with an expiry for this user record: it is given
    /// up at `expires_at` if it is not in flight then.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), and [`RejectionReason::Expired`] if `expires_at`
    /// is not after `now`.
    #[expect(
        clippy::result_large_err,
        reason = "the rejected user record is returned by value, so that rejecting does not allocate"
    )]
    pub fn push_until(
        &mut self,
        user_record: OwnedUserRecord,
        token: T,
        put_at: Duration,
        expires_at: Duration,
        now: Duration,
    ) -> Result<(), RejectedUserRecord<OwnedUserRecord, T>> {
        if expires_at <= self.advance(now) {
            let reason = RejectionReason::Expired;
            return Err(RejectedUserRecord::new(user_record, token, reason));
        }
        self.accept(user_record, token, put_at, Some(expires_at), true, now)
            .map(drop)
    }

    /// Pushes a user record even if its shard exceeds its share. Returns the hash
    /// key range of the shard if it does so now. The expiry of a late put is not
    /// delayed.
    #[cfg(feature = "producer")]
    #[expect(
        clippy::result_large_err,
        reason = "the rejected user record is returned by value, so that rejecting does not allocate"
    )]
    pub(super) fn push_beyond_share(
        &mut self,
        user_record: OwnedUserRecord,
        token: T,
        put: PutTime,
        now: Duration,
    ) -> Result<Option<HashKeyRange>, RejectedUserRecord<OwnedUserRecord, T>> {
        // Puts of several handles arrive nearly in order; those that waited at a
        // gate do not.
        let is_late = self.last_put_at.saturating_sub(put.at) > LATE;
        let own_ttl = put.own_ttl.or(is_late.then_some(self.settings.ttl));
        let own_expiry = own_ttl.map(|ttl| put.at.saturating_add(ttl));
        if own_expiry.is_some_and(|expires_at| expires_at <= self.advance(now)) {
            let reason = RejectionReason::Expired;
            return Err(RejectedUserRecord::new(user_record, token, reason));
        }
        let place = self.accept(user_record, token, put.at, own_expiry, false, now)?;
        let is_above = self.check_share(place, 1).is_err();
        let lane = self.lanes.get(place).filter(|_| is_above);
        Ok(lane.map(|lane| lane.range))
    }

    /// Returns how many more bytes the shards of a range may hold. If `is_awaited`,
    /// puts wait for that room, so these shards are flushed.
    #[cfg(feature = "producer")]
    pub(super) fn share_left(&mut self, range: HashKeyRange, is_awaited: bool) -> usize {
        let limit = self.settings.max_buffered_len;
        if self.lanes.len() == 1 {
            return limit;
        }
        let free = limit.saturating_sub(self.held_len);
        let mut taken: usize = 0;
        for place in self.lanes.places(range) {
            let lane = self.lanes.get(place);
            taken = taken.saturating_add(lane.map_or(0, |lane| lane.held_len()));
            if is_awaited {
                let number = self.next_number;
                self.lanes.flush_lane(place, number, &self.settings);
            }
        }
        // As in a push: a shard that holds nothing may use the whole buffer.
        if taken == 0 {
            return limit;
        }
        free.saturating_sub(taken)
    }

    #[expect(
        clippy::result_large_err,
        reason = "the rejected user record is returned by value, so that rejecting does not allocate"
    )]
    #[inline]
    fn accept(
        &mut self,
        user_record: OwnedUserRecord,
        token: T,
        put_at: Duration,
        own_expiry: Option<Duration>,
        keeps_share: bool,
        now: Duration,
    ) -> Result<usize, RejectedUserRecord<OwnedUserRecord, T>> {
        let now = self.advance(now);
        let put_at = put_at.min(now).max(self.last_put_at);
        let needed = Self::held_len(&user_record);
        let encoded_len = user_record.as_user_record().encoded_len_alone();
        let limit = self.settings.max_buffered_len;
        let checked = self.check_form(&user_record, encoded_len);
        let checked = checked.and_then(|()| check_room(needed, self.held_len, limit));
        if let Err(reason) = checked {
            if matches!(reason, RejectionReason::BufferFull { .. }) {
                self.flush();
            }
            return Err(RejectedUserRecord::new(user_record, token, reason));
        }
        let hash_key = self.known_keys.hash_key_of(&user_record);
        let place = self.lanes.place_of(hash_key);
        if keeps_share && let Err(reason) = self.check_share(place, needed) {
            let number = self.next_number;
            self.lanes.flush_lane(place, number, &self.settings);
            return Err(RejectedUserRecord::new(user_record, token, reason));
        }
        let by_ttl = put_at.saturating_add(self.settings.ttl);
        let times = (now, own_expiry.unwrap_or(by_ttl));
        let number = self.next_number;
        let mut pushed = Pushed::new(token, number, hash_key, &user_record, encoded_len, times);
        if let Some(expires_at) = own_expiry {
            pushed.set_due_at(self.settings.due_at(put_at, now, expires_at));
        }
        self.last_put_at = put_at;
        self.next_number = self.next_number.saturating_add(1);
        self.held_len = self.held_len.saturating_add(needed);
        self.held_count = self.held_count.saturating_add(1);
        count(&mut self.counters.user_records_in, 1);
        self.lanes.push(place, user_record, pushed, &self.settings);
        Ok(place)
    }

    /// Checks that a user record can be sent in the form that the stream requires.
    fn check_form(
        &self,
        user_record: &OwnedUserRecord,
        encoded_len: u32,
    ) -> Result<(), RejectionReason> {
        let has_key = user_record.partition_key().is_some();
        if self.view.distribution == Distribution::ByKey {
            if !has_key {
                return Err(RejectionReason::NoPartitionKey);
            }
            return self.check_aggregate(user_record, encoded_len);
        }
        if !can_go_raw(user_record) {
            if self.settings.unfit_for_raw == UnfitForRaw::Reject || !has_key {
                return Err(RejectionReason::CannotGoRaw);
            }
            return self.check_aggregate(user_record, encoded_len);
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

    /// Checks that an aggregate can hold a user record, or that it may be sent raw
    /// instead.
    fn check_aggregate(
        &self,
        user_record: &OwnedUserRecord,
        encoded_len: u32,
    ) -> Result<(), RejectionReason> {
        let key = user_record.partition_key().unwrap_or_default();
        let key_len = u64::try_from(key.len()).unwrap_or(u64::MAX);
        let outer_key_len = self.settings.outer_key_len(key_len);
        let len = u64::from(encoded_len).saturating_add(outer_key_len);
        // A key of up to 64 bytes never exceeds the limit on keys.
        let is_key_short = |len: u64| (1..=64).contains(&len);
        if is_key_short(key_len)
            && is_key_short(outer_key_len)
            && len <= u64::from(self.settings.limits.max_size())
        {
            return Ok(());
        }
        match self.settings.aggregator().push(user_record) {
            Ok(_) => Ok(()),
            Err(PushError { reason, .. }) => Err(RejectionReason::Unfit(reason)),
        }
    }

    /// Checks that a lane may hold `needed` more bytes: it may hold no more bytes
    /// than are still free.
    fn check_share(&self, place: usize, needed: usize) -> Result<(), RejectionReason> {
        if !self.settings.shard_shares || self.lanes.len() == 1 {
            return Ok(());
        }
        let taken = self.lanes.get(place).map_or(0, |lane| lane.held_len());
        let free = self.settings.max_buffered_len.saturating_sub(self.held_len);
        let available = free.saturating_sub(taken);
        // A lane that holds nothing may use all free bytes.
        if taken == 0 || needed <= available {
            return Ok(());
        }
        Err(RejectionReason::ShardFull { needed, available })
    }

    /// Stops all user records pushed so far from waiting for the aggregate to
    /// fill.
    ///
    /// Those that cannot be sent at once, because earlier user records of their
    /// shard are in flight, may still be aggregated with later ones.
    pub fn flush(&mut self) {
        if self.flushed_before != self.next_number {
            self.flushed_before = self.next_number;
            self.lanes.flush(self.next_number, &self.settings);
        }
    }

    /// Returns when to call [`poll_request`](Self::poll_request) next, if no other
    /// method is called before: at once, if that time is not in the future.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if !self.unrouted.is_empty() || self.lanes.has_changes() {
            return Some(self.now);
        }
        let may_send = self.in_flight.len() < self.settings.max_requests_in_flight
            && self.view.doubted_since.is_none();
        let sends = self.lanes.next_send().filter(|_| may_send);
        let undecided = self.undecided.keys().next();
        let undecided = undecided.map(|&(expires_at, _)| expires_at);
        let expiry = self.lanes.next_expiry();
        [sends, expiry, undecided, self.refresh_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns when the current listing becomes too old; `None` if no user records
    /// are held or a listing is wanted already.
    pub(super) fn refresh_at(&self) -> Option<Duration> {
        let listed_at = self.view.listed_at;
        let at = listed_at.checked_add(self.settings.refresh_interval)?;
        (self.held_count > 0 && self.view.wanted_since.is_none()).then_some(at)
    }

    /// Returns the next event, if there is one: the outcome of a user record, or a
    /// notice.
    pub fn poll_event(&mut self) -> Option<ProducerEvent<T>> {
        let (held_len, held_count) = (&mut self.held_len, &mut self.held_count);
        let event = self.ends.pop(|freed| {
            *held_len = held_len.saturating_sub(freed);
            *held_count = held_count.saturating_sub(1);
        });
        if event.is_some() && self.held_count == 0 {
            self.sealer.shrink(&self.settings);
            self.known_keys.shrink();
        }
        event
    }

    pub(super) fn failed(&mut self, entry: Entry<T>, reason: FailureReason) {
        count(&mut self.counters.user_records_failed, 1);
        self.ends.failed(entry, reason);
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.ends.notice(notice);
    }

    /// Advances the time to `now`, and returns the latest time passed in so far.
    pub(super) fn advance(&mut self, now: Duration) -> Duration {
        self.now = self.now.max(now);
        self.now
    }

    /// Returns a random pause after that many attempts.
    pub(super) fn backoff(&mut self, attempt_count: usize) -> Duration {
        let doublings = u32::try_from(attempt_count.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let longest = self.settings.shortest_backoff.saturating_mul(factor);
        self.random
            .up_to(longest.min(self.settings.longest_backoff))
    }
}
