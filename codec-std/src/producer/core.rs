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
//! Each open shard has a lane with these queues (`lanes.rs`). A Kinesis record
//! holds the hash keys of its user records from when it is made until it has
//! ended (`sealer.rs`). So the user records of one hash key are never in two
//! requests at once, which keeps them in order; and whatever is taken apart goes
//! back to its place in the queue, by the number of its push.
//!
//! This file accepts user records and hands out events. `requests.rs` makes
//! requests, `answers.rs` handles their answers, `listings.rs` listings, and
//! `rerouting.rs` user records that go back to a lane or expire.

use alloc::collections::BTreeMap;
use core::time::Duration;

#[cfg(feature = "producer")]
use kinesis_agg_codec::HashKeyRange;
use kinesis_agg_codec::{EncodeError, EncodedPart};

use crate::producer::attempt::Attempts;
use crate::producer::backoff::SplitMix;
use crate::producer::counters::{ProducerCounters, count};
use crate::producer::distribution::Distribution;
use crate::producer::ends::Ends;
use crate::producer::entry::{Entry, Pushed, can_go_raw};
use crate::producer::event::{FailureReason, Notice, ProducerEvent};
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

/// How late a put is whose time to live does not follow from those before it.
#[cfg(feature = "producer")]
const LATE: Duration = Duration::from_millis(100);

/// Accepts user records, hands out PutRecords requests, and reports how each
/// user record ended.
///
/// It has no clock and no sockets. `now` is the time since any moment, as long
/// as that is always the same; a `now` before an earlier one counts as that. The
/// caller
/// 1. calls [`poll_request`](Self::poll_request) until there is none, after
///    each other call and at the time of [`poll_timeout`](Self::poll_timeout);
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
/// order. There is none on a stream that distributes records itself, nor with
/// [`Order::None`](crate::producer::Order::None).
///
/// While a Kinesis record of a shard is in flight, user records wait until they
/// fill the next one. If that shares no hash key with those in flight, it is sent
/// as well: a shard is limited by its rate, not by the time that an answer takes.
///
/// # Memory
///
/// From its push until its event is taken, a user record counts towards
/// [`ProducerSettings::with_max_buffered_len`]; a push beyond that is rejected.
/// A shard may hold as many bytes as are still free
/// ([`ProducerSettings::with_shard_shares`]), so one that takes nothing leaves
/// room for the others. The bound includes the attempts that a [`Failure`](crate::producer::Failure)
/// reports: only the first and the last are kept, and how many there were.
///
/// # Time
///
/// Each call does a bounded amount of work, except that
/// [`poll_request`](Self::poll_request) finishes what a new list of shards or
/// an expiry has left to do. Where a pause matters, call [`step`](Self::step)
/// first, until it returns false, and let others run in between.
#[derive(Debug)]
pub struct ProducerCore<T> {
    pub(super) settings: ProducerSettings,
    pub(super) view: StreamView,
    pub(super) lanes: Lanes<T>,
    pub(super) sealer: Sealer,
    pub(super) in_flight: BTreeMap<RequestId, InFlight<T>>,
    /// Stored, but it takes a newer listing to say whether in the right shard.
    /// By expiry and the number of their first user record.
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
    /// The largest of all that were passed in.
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
    /// A producer for a stream of these shards, whose listing was requested at
    /// `listed_at`. `seed` determines the jitter of the pauses, and nothing
    /// else.
    #[must_use]
    pub fn new(map: ShardMap, listed_at: Duration, settings: ProducerSettings, seed: u64) -> Self {
        let mut core = Self {
            view: StreamView::new(map, settings.distribution, listed_at),
            lanes: Lanes::default(),
            sealer: Sealer::new(&settings),
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

    /// The current map.
    #[must_use]
    pub const fn map(&self) -> &ShardMap {
        &self.view.map
    }

    /// When the listing of the present map was requested.
    #[must_use]
    pub const fn listed_at(&self) -> Duration {
        self.view.listed_at
    }

    /// For which distribution user records are sent.
    #[must_use]
    pub const fn distribution(&self) -> Distribution {
        self.view.distribution
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
        self.view.wanted_since.is_some()
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
    /// [`RejectionReason::ShardFull`]: there is room once events of this shard's
    /// user records have been taken, or others have freed more of the buffer;
    /// this also flushes the shard.
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
        let own_expiry = None;
        self.accept(user_record, token, put_at, own_expiry, true, now)
            .map(drop)
    }

    /// [`push`](Self::push) with a time to live of its own: the user record is
    /// given up at `expires_at`, if it is not in flight then.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), and [`RejectionReason::Expired`] if `expires_at`
    /// is not after `now`.
    #[expect(
        clippy::result_large_err,
        reason = "the user record goes back as it came, without a box"
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

    /// A push whose shard may hold more than its share. Returns the hash keys of
    /// the shard if it does now. A `put_at` that is late counts all the same.
    #[cfg(feature = "producer")]
    #[expect(
        clippy::result_large_err,
        reason = "the user record goes back as it came, without a box"
    )]
    pub(super) fn push_beyond_share(
        &mut self,
        user_record: OwnedUserRecord,
        token: T,
        put_at: Duration,
        now: Duration,
    ) -> Result<Option<HashKeyRange>, RejectedUserRecord<OwnedUserRecord, T>> {
        // Puts of several handles come nearly in order; those from a gate do not.
        let is_late = self.last_put_at.saturating_sub(put_at) > LATE;
        let own_expiry = is_late.then(|| put_at.saturating_add(self.settings.ttl));
        if own_expiry.is_some_and(|expires_at| expires_at <= self.advance(now)) {
            let reason = RejectionReason::Expired;
            return Err(RejectedUserRecord::new(user_record, token, reason));
        }
        let place = self.accept(user_record, token, put_at, own_expiry, false, now)?;
        let is_above = self.check_share(place, 1).is_err();
        let lane = self.lanes.get(place).filter(|_| is_above);
        Ok(lane.map(|lane| lane.range))
    }

    /// Bytes that the shards of a range may hold beside what they hold. If
    /// somebody waits for them, what they hold does not wait for company.
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
        // As in a push: one that holds nothing may take what is there.
        if taken == 0 {
            return limit;
        }
        free.saturating_sub(taken)
    }

    #[expect(
        clippy::result_large_err,
        reason = "the user record goes back as it came, without a box"
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
        let hash_key = user_record.hash_key();
        let place = self.lanes.place_of(hash_key);
        if keeps_share && let Err(reason) = self.check_share(place, needed) {
            let number = self.next_number;
            self.lanes.flush_lane(place, number, &self.settings);
            return Err(RejectedUserRecord::new(user_record, token, reason));
        }
        let by_ttl = put_at.saturating_add(self.settings.ttl);
        let expires_at = own_expiry.unwrap_or(by_ttl);
        let entry = Entry {
            user_record,
            encoded_len,
            pushed: Pushed {
                token,
                number: self.next_number,
                hash_key,
                pushed_at: now,
                due_at: self.settings.due_at(put_at, now, expires_at),
                expires_at,
                is_usual: own_expiry.is_none(),
                held_len: needed,
                attempts: Attempts::default(),
                awaits_listing: Duration::ZERO,
            },
        };
        self.last_put_at = put_at;
        self.next_number = self.next_number.saturating_add(1);
        self.held_len = self.held_len.saturating_add(needed);
        self.held_count = self.held_count.saturating_add(1);
        count(&mut self.counters.user_records_in, 1);
        self.lanes.push(place, entry, &self.settings);
        Ok(place)
    }

    /// Whether a user record can be sent in the form that the stream asks for.
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

    /// Whether an aggregate can hold a user record, or it may go raw instead.
    fn check_aggregate(
        &self,
        user_record: &OwnedUserRecord,
        encoded_len: u32,
    ) -> Result<(), RejectionReason> {
        let key = user_record.partition_key().unwrap_or_default();
        let key_len = u64::try_from(key.len()).unwrap_or(u64::MAX);
        let outer_key_len = self.settings.outer_key_len(key_len);
        let len = u64::from(encoded_len).saturating_add(outer_key_len);
        // No key of so few bytes is too long.
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

    /// Whether the lane may hold that much more: no more than is still free.
    fn check_share(&self, place: usize, needed: usize) -> Result<(), RejectionReason> {
        if !self.settings.shard_shares || self.lanes.len() == 1 {
            return Ok(());
        }
        let taken = self.lanes.get(place).map_or(0, |lane| lane.held_len());
        let free = self.settings.max_buffered_len.saturating_sub(self.held_len);
        let available = free.saturating_sub(taken);
        // One that holds nothing may take what is there.
        if taken == 0 || needed <= available {
            return Ok(());
        }
        Err(RejectionReason::ShardFull { needed, available })
    }

    /// Makes nothing that was pushed so far wait for company any longer.
    ///
    /// What cannot be sent at once, because earlier user records of its shard
    /// are in flight, may still get company.
    pub fn flush(&mut self) {
        if self.flushed_before != self.next_number {
            self.flushed_before = self.next_number;
            self.lanes.flush(self.next_number, &self.settings);
        }
    }

    /// When [`poll_request`](Self::poll_request) has something to do again, if
    /// nothing else happens. At once, if the time is not in the future.
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

    /// When the present listing is too old, if there is somebody to list for.
    pub(super) fn refresh_at(&self) -> Option<Duration> {
        let listed_at = self.view.listed_at;
        let at = listed_at.checked_add(self.settings.refresh_interval)?;
        (self.held_count > 0 && self.view.wanted_since.is_none()).then_some(at)
    }

    /// The next event, if there is one: how a user record ended, or a notice.
    pub fn poll_event(&mut self) -> Option<ProducerEvent<T>> {
        let (held_len, held_count) = (&mut self.held_len, &mut self.held_count);
        let event = self.ends.pop(|freed| {
            *held_len = held_len.saturating_sub(freed);
            *held_count = held_count.saturating_sub(1);
        });
        if event.is_some() && self.held_count == 0 {
            self.sealer.shrink(&self.settings);
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
}
