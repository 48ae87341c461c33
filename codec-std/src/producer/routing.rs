//! Listings: which lane a user record waits in.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::RangeInclusive;
use core::time::Duration;

use kinesis_agg_codec::{HashKey, HashKeyRange};

use crate::producer::core::ProducerCore;
use crate::producer::counters::count;
use crate::producer::distribution::{Distribution, DistributionAnswer, Evidence};
use crate::producer::event::Notice;
use crate::producer::lane::Lane;
use crate::shards::{Shard, ShardMap};
use crate::timers::Timers;

/// The name of the one lane of a stream that distributes records itself.
const ANY_SHARD: &str = "any";

impl<T> ProducerCore<T> {
    /// Uses this map from now on; its listing was requested at `listed_at`.
    /// What waits for shards that are no longer open, or whose ranges changed,
    /// is routed again, in order. What could not be judged without a newer
    /// listing is judged.
    ///
    /// Make the map of [`map`](Self::map)`().refreshed(…)`, so that it knows the
    /// shards to which requests are on their way. A map whose listing was
    /// requested before that of the present one is ignored.
    pub fn replace_map(&mut self, map: ShardMap, listed_at: Duration, now: Duration) {
        let now = self.advance(now);
        let listed_at = listed_at.min(now);
        if listed_at < self.listed_at {
            return;
        }
        self.listed_at = listed_at;
        self.last_seen = self.last_seen.max(listed_at);
        self.wanted_since = self.wanted_since.filter(|&since| since > listed_at);
        let was_doubted = self.doubted_since.is_some();
        self.doubted_since = self.doubted_since.filter(|&since| since > listed_at);
        self.is_stream_missing = false;
        self.is_listing_denied = false;
        let older = core::mem::replace(&mut self.map, map);
        if was_doubted && self.doubted_since.is_none() || older.is_contradicted_by(&self.map) {
            self.trusted_since = listed_at;
        }
        let is_auto = !self.is_distribution_known
            && self.evidence.contradicts(&older, &self.map, listed_at)
            && self.distribution == Distribution::ByKey;
        if is_auto {
            self.change_distribution(Distribution::Auto);
        } else {
            self.rebuild_lanes();
        }
        for (_, stored) in core::mem::take(&mut self.undecided) {
            self.unblock(stored.sealed.span);
            self.decide(stored);
        }
    }

    /// Takes note of how the stream distributes records, or that it may not be
    /// asked. Ask at the start and with each listing. While the service does not
    /// say, [`ProducerSettings::with_assumed_distribution`] holds until the
    /// answers to requests show otherwise.
    ///
    /// [`ProducerSettings::with_assumed_distribution`]: crate::producer::ProducerSettings::with_assumed_distribution
    pub fn set_distribution(&mut self, answer: &DistributionAnswer, now: Duration) {
        self.advance(now);
        match answer {
            DistributionAnswer::Known(distribution) => {
                self.is_distribution_known = true;
                self.is_distribution_denied = false;
                self.change_distribution(*distribution);
            }
            DistributionAnswer::Denied(text) => {
                count(&mut self.counters.distribution_denied, 1);
                self.is_distribution_known = false;
                if !core::mem::replace(&mut self.is_distribution_denied, true) {
                    let text = self.texts.keep(text);
                    self.notice(Notice::DistributionDenied(text));
                }
            }
        }
    }

    pub(super) fn change_distribution(&mut self, distribution: Distribution) {
        if self.distribution == distribution {
            return;
        }
        self.distribution = distribution;
        self.evidence = Evidence::default();
        count(&mut self.counters.distribution_changes, 1);
        self.notice(Notice::DistributionChanged(distribution));
        self.rebuild_lanes();
    }

    /// Makes the lanes of the present map and distribution. Lanes of shards that
    /// are the same stay; what waits in others is routed again, in order.
    pub(super) fn rebuild_lanes(&mut self) {
        let shards = self.map.open_shards();
        let fresh = match self.distribution {
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
        let old_lanes = core::mem::replace(&mut self.lanes, fresh);
        self.sends = Timers::new(self.lanes.len());
        self.expiries = Timers::new(self.lanes.len());
        let mut homeless = BTreeMap::new();
        for mut old in old_lanes {
            let place = self.place_of(old.range.starting_hash_key());
            let home = self.lanes.get_mut(place);
            let home = home.filter(|home| home.shard_id == old.shard_id && home.range == old.range);
            if let Some(home) = home {
                old.blockers = 0;
                old.rate = old.rate.shared_by(home.rate.shard_count());
                *home = old;
                continue;
            }
            homeless.append(&mut old.queue);
            while let Some(sealed) = old.sealed.pop_oldest() {
                let apart = sealed.take_apart().into_iter();
                homeless.extend(apart.map(|entry| (entry.pushed.number, entry)));
            }
        }
        let is_anybody_homeless = !homeless.is_empty();
        for (_, entry) in homeless {
            self.put_back(entry);
        }
        if is_anybody_homeless {
            for lane in &mut self.lanes {
                lane.refill(self.distribution, &self.settings);
            }
        }
        let in_flight = self.in_flight.values().flat_map(|request| &request.sealed);
        let undecided = self.undecided.values().map(|stored| &stored.sealed);
        let spans: Vec<_> = in_flight
            .chain(undecided)
            .map(|sealed| sealed.span)
            .collect();
        for span in spans {
            self.block(span);
        }
        self.schedule_all();
    }

    /// The lane of a hash key.
    pub(super) fn place_of(&self, hash_key: HashKey) -> usize {
        match self.distribution {
            Distribution::ByKey => self.map.place_of(hash_key),
            Distribution::Auto => 0,
        }
    }

    /// The lanes that a span touches.
    pub(super) fn places(&self, span: HashKeyRange) -> RangeInclusive<usize> {
        self.place_of(span.starting_hash_key())..=self.place_of(span.ending_hash_key())
    }

    /// Keeps the lanes of a span from sending. Where there is no order, nothing
    /// has to wait.
    pub(super) fn block(&mut self, span: HashKeyRange) {
        if self.distribution == Distribution::Auto {
            return;
        }
        for place in self.places(span) {
            if let Some(lane) = self.lanes.get_mut(place) {
                lane.blockers = lane.blockers.saturating_add(1);
            }
            self.schedule(place);
        }
    }

    pub(super) fn unblock(&mut self, span: HashKeyRange) {
        for place in self.places(span) {
            if let Some(lane) = self.lanes.get_mut(place) {
                lane.blockers = lane.blockers.saturating_sub(1);
            }
            self.schedule(place);
        }
    }

    /// Asks for a listing that is not older than now.
    pub(super) fn want_refresh(&mut self) {
        self.wanted_since = Some(self.now);
    }

    /// True if the stream has not shown itself for so long that it could be
    /// another one by now.
    pub(super) fn is_silent(&self) -> bool {
        self.now.saturating_sub(self.last_seen) > self.settings.max_silence
    }

    /// From now on, nothing is sent and nothing is judged before a listing.
    pub(super) fn doubt(&mut self) {
        if self.doubted_since.is_none() {
            self.doubted_since = Some(self.now);
            self.want_refresh();
        }
    }
}

impl<T> ProducerCore<T> {
    /// When the listing of the present map was requested.
    #[must_use]
    pub const fn listed_at(&self) -> Duration {
        self.listed_at
    }
}
