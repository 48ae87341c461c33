//! The lanes of all shards: where a user record waits, and which lane is next.

use alloc::sync::Arc;
use core::ops::RangeInclusive;
use core::time::Duration;

use kinesis_agg_codec::{HashKey, HashKeyRange};

use crate::producer::distribution::Distribution;
use crate::producer::entry::Entry;
use crate::producer::lane::Lane;
use crate::producer::sealed::Sealed;
use crate::producer::settings::ProducerSettings;
use crate::shards::Shard;
use crate::timers::Timers;

/// The name of the one lane of a stream that distributes records itself.
const ANY_SHARD: &str = "any";

/// A lane for each open shard, or a single one, and when each can send.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    all: Vec<Lane<T>>,
    /// The first hash key of each.
    starts: Vec<HashKey>,
    distribution: Distribution,
    /// When lanes can send, of those that can.
    sends: Timers,
    /// When the first user records of lanes expire.
    expiries: Timers,
    /// When the present listing was requested.
    listed_at: Duration,
    /// What was pushed before it does not wait for company.
    flushed_before: u64,
    /// Lanes that may have user records that wait for company.
    listed: Vec<usize>,
    /// Lanes that have to be filled again and scheduled.
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
    /// Makes the lanes of these shards and this distribution. Lanes of shards
    /// that are the same stay; the others are returned. What is in flight has to
    /// be [added](Self::add_in_flight) again.
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
        self.distribution = distribution;
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

    /// A lane to be changed. It has to be [scheduled](Self::schedule) after that.
    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Lane<T>> {
        self.all.get_mut(place)
    }

    /// The lane of a hash key.
    pub(super) fn place_of(&self, hash_key: HashKey) -> usize {
        self.starts
            .partition_point(|start| *start <= hash_key)
            .saturating_sub(1)
    }

    /// The lanes that a span touches.
    pub(super) fn places(&self, span: HashKeyRange) -> RangeInclusive<usize> {
        self.place_of(span.starting_hash_key())..=self.place_of(span.ending_hash_key())
    }

    /// Adds a user record that comes after all others.
    pub(super) fn push(&mut self, place: usize, entry: Entry<T>, settings: &ProducerSettings) {
        let Some(lane) = self.all.get_mut(place) else {
            return;
        };
        let was_full = lane.fill.is_full();
        lane.fill.add(&entry, self.distribution, settings);
        let is_first = lane.insert(entry);
        if is_first || !was_full && lane.fill.is_full() {
            self.schedule(place, settings);
        }
    }

    /// Adds a user record at the place of its number.
    /// [`finish_change`](Self::finish_change) has to follow.
    pub(super) fn put_back(&mut self, entry: Entry<T>) {
        let place = self.place_of(entry.pushed.hash_key);
        if let Some(lane) = self.all.get_mut(place) {
            lane.insert(entry);
            if !core::mem::replace(&mut lane.is_changed, true) {
                self.changed.push(place);
            }
        }
    }

    /// True if [`finish_change`](Self::finish_change) has something to do.
    pub(super) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Schedules one of the lanes to which user records were given back. Returns
    /// how many user records it looked at; `None` if there are no such lanes.
    pub(super) fn finish_change(&mut self, settings: &ProducerSettings) -> Option<usize> {
        let place = self.changed.pop()?;
        let lane = self.all.get_mut(place)?;
        lane.is_changed = false;
        lane.refill(self.distribution, settings);
        let count = lane.fill.count();
        self.schedule(place, settings);
        Some(count)
    }

    /// Notes that a Kinesis record is in flight or undecided: what is not full
    /// waits for it in the lanes of its span, and it counts for the first.
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

    /// Notes that a Kinesis record is no longer in flight, or is decided.
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

    /// Lets the lanes of a Kinesis record look again whether their first user
    /// records can be sent: its hash keys are free.
    pub(super) fn unblock(&mut self, sealed: &Sealed<T>, settings: &ProducerSettings) {
        for place in self.places(sealed.span) {
            let lane = self.all.get_mut(place);
            if lane.is_some_and(|lane| core::mem::replace(&mut lane.is_blocked, false)) {
                self.schedule(place, settings);
            }
        }
    }

    /// Has the lanes of a span send nothing before `held_until`.
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

    /// Makes nothing wait for company whose number is lower.
    pub(super) fn flush(&mut self, number: u64, settings: &ProducerSettings) {
        self.flushed_before = number;
        for place in core::mem::take(&mut self.listed) {
            if let Some(lane) = self.all.get_mut(place) {
                lane.is_listed = false;
            }
            self.schedule(place, settings);
        }
    }

    /// The same for one lane.
    pub(super) fn flush_lane(&mut self, place: usize, number: u64, settings: &ProducerSettings) {
        if let Some(lane) = self.all.get_mut(place) {
            if lane.flushed_before != number {
                lane.flushed_before = number;
                self.schedule(place, settings);
            }
        }
    }

    /// The earliest time at which a lane can send.
    pub(super) fn next_send(&self) -> Option<Duration> {
        self.sends.next()
    }

    /// The earliest time at which a user record expires that waits.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.expiries.next()
    }

    /// A lane in which a user record has expired.
    pub(super) fn expired(&self, now: Duration) -> Option<usize> {
        self.expiries.due(now)
    }

    /// The lane that can send, and that could first.
    pub(super) fn due(&mut self, now: Duration, settings: &ProducerSettings) -> Option<usize> {
        loop {
            let place = self.sends.due(now)?;
            // The fill may have grown since, and the rate with it.
            let ready_at = self
                .all
                .get(place)
                .and_then(|lane| self.ready_at(lane, settings));
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

    /// Notes when a lane has to be looked at. Called after each change.
    pub(super) fn schedule(&mut self, place: usize, settings: &ProducerSettings) {
        let Some(lane) = self.all.get(place) else {
            return;
        };
        let ready_at = self.ready_at(lane, settings);
        self.expiries.set(place, lane.expires_at());
        self.sends.set(place, ready_at);
        if let Some(lane) = self.all.get_mut(place) {
            let flushed_before = self.flushed_before.max(lane.flushed_before);
            let first = lane.queue.first();
            let waits = first.is_some_and(|first| first.pushed.number >= flushed_before);
            if waits && !lane.is_listed {
                lane.is_listed = true;
                self.listed.push(place);
            }
        }
    }

    /// When a lane can send, if that does not depend on anything but time.
    fn ready_at(&self, lane: &Lane<T>, settings: &ProducerSettings) -> Option<Duration> {
        let by_key = self.distribution == Distribution::ByKey;
        let sealed = lane.sealed.first().map(|next| {
            let allowed_at = lane.rate.allows_at(settings, 1, next.record.len());
            allowed_at.max(next.not_before)
        });
        let ready_at = if by_key && sealed.is_some() {
            sealed
        } else {
            let queued = self.queue_ready_at(lane, settings);
            sealed.into_iter().chain(queued).min()
        };
        ready_at.map(|ready_at| ready_at.max(lane.held_until))
    }

    fn queue_ready_at(&self, lane: &Lane<T>, settings: &ProducerSettings) -> Option<Duration> {
        let first = &lane.queue.first()?.pushed;
        let is_full = lane.fill.is_full();
        let due_at = if is_full || first.number < self.flushed_before.max(lane.flushed_before) {
            Duration::ZERO
        } else {
            lane.hurry
                .map_or(first.due_at, |(due_at, _)| due_at.min(first.due_at))
        };
        match self.distribution {
            Distribution::ByKey => {
                let waits = first.awaits_listing > self.listed_at
                    || lane.is_blocked
                    || lane.in_flight > 0 && !is_full;
                let allowed_at = lane.rate.allows_at(settings, 1, lane.fill.len());
                (!waits).then_some(due_at.max(allowed_at))
            }
            Distribution::Auto => {
                // What waits for the rate anyway fills a request meanwhile.
                let allowed_at = lane.rate.allows_at(settings, 1, lane.fill.len());
                let (count, len) = (lane.fill.count(), lane.fill.request_len());
                let all_allowed_at = lane.rate.allows_at(settings, count, len);
                let latest = allowed_at.saturating_add(settings.max_age);
                Some(due_at.max(all_allowed_at.min(latest)))
            }
        }
    }
}
