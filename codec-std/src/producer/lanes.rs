//! The lanes of all shards, and when each of them can send.

use alloc::sync::Arc;
use core::ops::RangeInclusive;
use core::time::Duration;

use kinesis_agg_codec::{HashKey, HashKeyRange};

use crate::producer::distribution::Distribution;
use crate::producer::entry::{Entry, Pushed};
use crate::producer::lane::Lane;
use crate::producer::sealed::Sealed;
use crate::producer::settings::ProducerSettings;
use crate::shards::Shard;
use crate::timers::Timers;
use crate::write::OwnedUserRecord;

/// The shard id of the single lane of a stream that distributes records itself.
const ANY_SHARD: &str = "any";

/// A lane for each open shard, or a single lane, and when each can send.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    all: Vec<Lane<T>>,
    /// The first hash key of each.
    starts: Vec<HashKey>,
    distribution: Distribution,
    /// When each lane can send; not set for lanes that cannot.
    sends: Timers,
    /// When the first user record of each lane expires.
    expiries: Timers,
    /// When the current listing was requested.
    listed_at: Duration,
    /// User records with lower numbers do not wait for the aggregate to fill.
    flushed_before: u64,
    /// Lanes that may have user records that wait for the aggregate to fill.
    listed: Vec<usize>,
    /// Lanes whose fill must be recomputed and that must be scheduled.
    changed: Vec<usize>,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            starts: Vec::new(),
            distribution: Distribution::default(),
            sends: Timers::default(),
            expiries: Timers::default(),
            listed_at: Duration::ZERO,
            flushed_before: 0,
            listed: Vec::new(),
            changed: Vec::new(),
        }
    }
}

impl<T> Lanes<T> {
    /// Makes the lanes of these shards and this distribution. Lanes of unchanged
    /// shards are kept; of the others, those that are not empty are returned.
    /// Kinesis records in flight must be [added](Self::add_in_flight) again.
    pub(super) fn rebuild(
        &mut self,
        shards: &[Shard],
        distribution: Distribution,
        listed_at: Duration,
    ) -> Vec<Lane<T>> {
        let fresh: Vec<_> = match distribution {
            Distribution::ByKey => {
                let lane =
                    |shard: &Shard| Lane::new(Arc::clone(shard.id()), shard.hash_key_range(), 1);
                shards.iter().map(lane).collect()
            }
            Distribution::Auto => {
                vec![Lane::new(
                    ANY_SHARD.into(),
                    HashKeyRange::FULL,
                    shards.len(),
                )]
            }
        };
        let starts = fresh.iter().map(|lane| lane.range.starting_hash_key());
        self.starts = starts.collect();
        let before = core::mem::replace(&mut self.distribution, distribution);
        self.listed_at = listed_at;
        self.sends = Timers::new(fresh.len());
        self.expiries = Timers::new(fresh.len());
        self.listed.clear();
        self.changed.clear();
        let old_lanes = core::mem::replace(&mut self.all, fresh);
        let mut homeless = Vec::new();
        for mut old in old_lanes {
            old.in_flight = 0;
            old.in_flight_len = 0;
            old.is_blocked = false;
            old.is_listed = false;
            let place = self.place_of(old.range.starting_hash_key());
            let home = self.all.get_mut(place);
            let home = home.filter(|home| home.shard_id == old.shard_id && home.range == old.range);
            // The single lane of all shards is never the lane of a shard, whatever its id.
            let home = home.filter(|_| distribution == before);
            if let Some(home) = home {
                old.rate = old.rate.shared_by(home.rate.shard_count());
                if old.is_changed {
                    self.changed.push(place);
                }
                *home = old;
            } else if !old.queue.is_empty() || !old.sealed.is_empty() {
                homeless.push(old);
            }
        }
        homeless
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane<T>> {
        self.all.iter()
    }

    pub(super) fn get(&self, place: usize) -> Option<&Lane<T>> {
        self.all.get(place)
    }

    /// Returns a lane to be changed. It must be [scheduled](Self::schedule)
    /// afterwards.
    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Lane<T>> {
        self.all.get_mut(place)
    }

    /// Returns the index of the lane of a hash key.
    pub(super) fn place_of(&self, hash_key: HashKey) -> usize {
        self.starts
            .partition_point(|start| *start <= hash_key)
            .saturating_sub(1)
    }

    /// Returns the indexes of the lanes that a span overlaps.
    pub(super) fn places(&self, span: HashKeyRange) -> RangeInclusive<usize> {
        self.place_of(span.starting_hash_key())..=self.place_of(span.ending_hash_key())
    }

    /// Adds a user record with a higher number than all others.
    #[inline]
    pub(super) fn push(
        &mut self,
        place: usize,
        user_record: OwnedUserRecord,
        pushed: Pushed<T>,
        settings: &ProducerSettings,
    ) {
        let Some(lane) = self.all.get_mut(place) else {
            return;
        };
        let was_full = lane.fill.is_full();
        lane.fill
            .add(&user_record, &pushed, self.distribution, settings);
        let is_first = lane.insert(user_record, pushed, settings);
        if is_first || !was_full && lane.fill.is_full() {
            self.schedule(place, settings);
        }
    }

    /// Inserts a user record by its number. [`finish_change`](Self::finish_change)
    /// must be called afterwards.
    pub(super) fn put_back(&mut self, entry: Entry<T>, settings: &ProducerSettings) {
        let place = self.place_of(entry.pushed.hash_key);
        if let Some(lane) = self.all.get_mut(place) {
            lane.insert(entry.user_record, entry.pushed, settings);
            if !core::mem::replace(&mut lane.is_changed, true) {
                self.changed.push(place);
            }
        }
    }

    /// Returns true if [`finish_change`](Self::finish_change) has work to do.
    pub(super) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Schedules one of the lanes to which user records were put back. Returns how
    /// many user records it looked at; `None` if there are no such lanes.
    pub(super) fn finish_change(&mut self, settings: &ProducerSettings) -> Option<usize> {
        let place = self.changed.pop()?;
        let lane = self.all.get_mut(place)?;
        lane.is_changed = false;
        lane.refill(self.distribution, settings);
        let count = lane.fill.count();
        self.schedule(place, settings);
        Some(count)
    }

    /// Counts a Kinesis record as in flight or undecided. In the lanes of its span,
    /// aggregates that are not full wait for it; its bytes count for the first
    /// lane.
    pub(super) fn add_in_flight(
        &mut self,
        span: HashKeyRange,
        held_len: usize,
        settings: &ProducerSettings,
    ) {
        let places = self.places(span);
        if let Some(lane) = self.all.get_mut(*places.start()) {
            lane.in_flight_len = lane.in_flight_len.saturating_add(held_len);
        }
        for place in places {
            if let Some(lane) = self.all.get_mut(place) {
                lane.in_flight = lane.in_flight.saturating_add(1);
            }
            self.schedule(place, settings);
        }
    }

    /// Removes a Kinesis record from those in flight or undecided.
    pub(super) fn remove_in_flight(&mut self, sealed: &Sealed<T>, settings: &ProducerSettings) {
        let places = self.places(sealed.span);
        if let Some(lane) = self.all.get_mut(*places.start()) {
            lane.in_flight_len = lane.in_flight_len.saturating_sub(sealed.held_len);
        }
        for place in places {
            if let Some(lane) = self.all.get_mut(place) {
                lane.in_flight = lane.in_flight.saturating_sub(1);
            }
            self.schedule(place, settings);
        }
    }

    /// Unblocks the lanes of a Kinesis record whose hash keys were released.
    pub(super) fn unblock(&mut self, sealed: &Sealed<T>, settings: &ProducerSettings) {
        for place in self.places(sealed.span) {
            let lane = self.all.get_mut(place);
            if lane.is_some_and(|lane| core::mem::replace(&mut lane.is_blocked, false)) {
                self.schedule(place, settings);
            }
        }
    }

    /// Prevents the lanes of a span from sending before `held_until`.
    pub(super) fn hold(
        &mut self,
        span: HashKeyRange,
        held_until: Duration,
        settings: &ProducerSettings,
    ) {
        for place in self.places(span) {
            if let Some(lane) = self.all.get_mut(place) {
                lane.held_until = lane.held_until.max(held_until);
            }
            self.schedule(place, settings);
        }
    }

    /// Stops user records with numbers below `number` from waiting for the
    /// aggregate to fill.
    pub(super) fn flush(&mut self, number: u64, settings: &ProducerSettings) {
        self.flushed_before = number;
        for place in core::mem::take(&mut self.listed) {
            if let Some(lane) = self.all.get_mut(place) {
                lane.is_listed = false;
            }
            self.schedule(place, settings);
        }
    }

    /// Like [`flush`](Self::flush), for one lane.
    pub(super) fn flush_lane(&mut self, place: usize, number: u64, settings: &ProducerSettings) {
        if let Some(lane) = self.all.get_mut(place) {
            if lane.flushed_before != number {
                lane.flushed_before = number;
                self.schedule(place, settings);
            }
        }
    }

    /// Returns the earliest time at which a lane can send.
    pub(super) fn next_send(&self) -> Option<Duration> {
        self.sends.next()
    }

    /// Returns the earliest time at which a waiting user record expires.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.expiries.next()
    }

    /// Returns a lane in which a user record has expired.
    pub(super) fn expired(&self, now: Duration) -> Option<usize> {
        self.expiries.due(now)
    }

    /// Returns the lane that has been able to send for the longest time.
    pub(super) fn due(&mut self, now: Duration, settings: &ProducerSettings) -> Option<usize> {
        loop {
            let place = self.sends.due(now)?;
            // The lane may have filled further since, and needs more of the rate.
            let ready_at = self
                .all
                .get(place)
                .and_then(|lane| self.ready_at(lane, now, settings));
            if ready_at.is_some_and(|ready_at| ready_at <= now) {
                return Some(place);
            }
            self.sends.set(place, ready_at);
        }
    }

    pub(super) fn schedule_all(&mut self, settings: &ProducerSettings) {
        for place in 0..self.all.len() {
            self.schedule(place, settings);
        }
    }

    /// Updates when a lane can send and when its user records expire. Must be
    /// called after each change of the lane.
    pub(super) fn schedule(&mut self, place: usize, settings: &ProducerSettings) {
        let Some(lane) = self.all.get(place) else {
            return;
        };
        let ready_at = self.ready_at(lane, Duration::ZERO, settings);
        self.expiries.set(place, lane.expires_at());
        self.sends.set(place, ready_at);
        if let Some(lane) = self.all.get_mut(place) {
            let flushed_before = self.flushed_before.max(lane.flushed_before);
            let first = lane.queue.first_pushed();
            let waits = first.is_some_and(|first| first.number >= flushed_before);
            if waits && !lane.is_listed {
                lane.is_listed = true;
                self.listed.push(place);
            }
        }
    }

    /// Returns when a lane can send, if that depends only on time. On a stream that
    /// distributes records itself, a Kinesis record that may be sent again by `now`
    /// goes before the queue; if `now` is in the past, the result may be too early.
    fn ready_at(
        &self,
        lane: &Lane<T>,
        now: Duration,
        settings: &ProducerSettings,
    ) -> Option<Duration> {
        let by_key = self.distribution == Distribution::ByKey;
        let first = lane.sealed.first();
        let sealed = first.map(|next| {
            let allowed_at = lane.rate.allows_at(settings, 1, next.record.len());
            allowed_at.max(next.not_before)
        });
        let ready_at = if first.is_some_and(|next| by_key || next.not_before <= now) {
            sealed
        } else {
            let queued = self.queue_ready_at(lane, settings);
            sealed.into_iter().chain(queued).min()
        };
        ready_at.map(|ready_at| ready_at.max(lane.held_until))
    }

    fn queue_ready_at(&self, lane: &Lane<T>, settings: &ProducerSettings) -> Option<Duration> {
        let first = lane.queue.first_pushed()?;
        let is_full = lane.fill.is_full();
        let due_at = if is_full || first.number < self.flushed_before.max(lane.flushed_before) {
            Duration::ZERO
        } else {
            lane.queue.due_at(settings)?
        };
        match self.distribution {
            Distribution::ByKey => {
                let waits = first.awaits_listing() > self.listed_at
                    || lane.is_blocked
                    || lane.in_flight > 0 && !is_full;
                let allowed_at = lane.rate.allows_at(settings, 1, lane.fill.len());
                (!waits).then_some(due_at.max(allowed_at))
            }
            Distribution::Auto => {
                // While the rate delays the request anyway, it can fill further.
                let allowed_at = lane.rate.allows_at(settings, 1, first.content_len());
                let (count, len) = (lane.fill.count(), lane.fill.request_len());
                let all_allowed_at = lane.rate.allows_at(settings, count, len);
                let latest = allowed_at.saturating_add(settings.max_age);
                Some(due_at.max(all_allowed_at.max(allowed_at).min(latest)))
            }
        }
    }
}
