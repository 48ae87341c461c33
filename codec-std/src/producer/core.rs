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
//! This file returns events. `pushes.rs` accepts user records, `requests.rs` makes
//! requests, `answers.rs` handles their answers, `listings.rs` handles listings,
//! and `rerouting.rs` handles user records that return to a lane or expire.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::producer::backoff::SplitMix;
use crate::producer::counters::{ProducerCounters, count};
use crate::producer::distribution::Distribution;
use crate::producer::ends::Ends;
use crate::producer::entry::Entry;
use crate::producer::event::{FailureReason, Notice, ProducerEvent};
use crate::producer::known_keys::KnownKeys;
use crate::producer::lanes::Lanes;
use crate::producer::numbers::Numbers;
use crate::producer::request::RequestId;
use crate::producer::sealed::Sealed;
use crate::producer::sealer::Sealer;
use crate::producer::settings::ProducerSettings;
use crate::producer::stored::Stored;
use crate::producer::stream_view::StreamView;
use crate::producer::texts::Texts;
use crate::producer::unrouted::Unrouted;
use crate::shards::ShardMap;

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
/// In addition, the producer keeps the memory that it makes aggregates in, and the
/// hash keys of partition keys that repeat, up to 1 MiB. Each time it no longer
/// holds a user record, it frees what it has used little of since the time before.
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
    pub(super) known_keys: KnownKeys,
    pub(super) in_flight: BTreeMap<RequestId, InFlight<T>>,
    /// Stored, but only a newer listing can decide whether in the right shard. By
    /// expiry and the number of the first user record.
    pub(super) undecided: BTreeMap<(Duration, u64), Stored<T>>,
    pub(super) unrouted: Unrouted<T>,
    pub(super) ends: Ends<T>,
    pub(super) texts: Texts,
    pub(super) numbers: Numbers,
    pub(super) counters: ProducerCounters,
    pub(super) held_len: usize,
    pub(super) held_count: usize,
    pub(super) next_number: u64,
    pub(super) next_request: u64,
    /// The latest `now` that was passed in.
    pub(super) now: Duration,
    pub(super) last_put_at: Duration,
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
