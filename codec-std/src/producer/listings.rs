//! Handles listings, which determine the lane that a user record waits in.

use core::time::Duration;

use crate::producer::core::ProducerCore;
use crate::producer::counters::count;
use crate::producer::distribution::{Distribution, DistributionAnswer};
use crate::producer::event::Notice;
use crate::producer::request::RequestFailure;
use crate::shards::ShardMap;

impl<T> ProducerCore<T> {
    /// Replaces the map of shards by one whose listing was requested at
    /// `listed_at`. User records that wait for shards that are no longer open, or
    /// whose ranges changed, are routed again, in order. Kinesis records that
    /// could not be judged without a newer listing are judged.
    ///
    /// Make the map with [`map`](Self::map)`().refreshed(…)`, so that it contains
    /// the shards of requests in flight. A map whose listing was requested before
    /// that of the current one is ignored.
    pub fn replace_map(&mut self, map: ShardMap, listed_at: Duration, now: Duration) {
        let now = self.advance(now);
        let before = self.view.distribution;
        if !self.view.replace_map(map, listed_at.min(now)) {
            return;
        }
        if self.view.distribution == before {
            self.rebuild_lanes();
        } else {
            self.distribution_changed();
        }
        for (_, stored) in core::mem::take(&mut self.undecided) {
            self.lanes.remove_in_flight(&stored.sealed, &self.settings);
            self.decide(stored);
        }
        self.step(now);
    }

    /// Handles the failure of a listing. [`RequestFailure::AccessDenied`] and
    /// [`RequestFailure::StreamNotFound`] lead to a [`Notice`]; after the latter,
    /// nothing is sent until a listing succeeds.
    pub fn handle_listing_failure(&mut self, failure: &RequestFailure, now: Duration) {
        self.advance(now);
        match self.keep_text(failure) {
            RequestFailure::AccessDenied(text) => {
                if !core::mem::replace(&mut self.view.is_listing_denied, true) {
                    self.notice(Notice::AccessDenied(text));
                }
            }
            RequestFailure::StreamNotFound(text) => self.stream_not_found(&text),
            RequestFailure::Rejected(_) | RequestFailure::NoAnswer(_) => {}
        }
    }

    /// Sets how the stream distributes records, or that the credentials do not
    /// allow to ask. Call it at the start and with each listing. While the
    /// distribution is not known,
    /// [`ProducerSettings::with_assumed_distribution`] applies until the answers to
    /// requests show otherwise.
    ///
    /// [`ProducerSettings::with_assumed_distribution`]: crate::producer::ProducerSettings::with_assumed_distribution
    pub fn set_distribution(&mut self, answer: &DistributionAnswer, now: Duration) {
        self.advance(now);
        match answer {
            DistributionAnswer::Known(distribution) => {
                self.view.is_distribution_known = true;
                self.view.is_distribution_denied = false;
                self.change_distribution(*distribution);
            }
            DistributionAnswer::Denied(text) => {
                count(&mut self.counters.distribution_denied, 1);
                self.view.is_distribution_known = false;
                if !core::mem::replace(&mut self.view.is_distribution_denied, true) {
                    let text = self.texts.keep(text);
                    self.notice(Notice::DistributionDenied(text));
                }
            }
        }
    }

    pub(super) fn change_distribution(&mut self, distribution: Distribution) {
        if self.view.change_distribution(distribution) {
            self.distribution_changed();
            self.step(self.now);
        }
    }

    fn distribution_changed(&mut self) {
        count(&mut self.counters.distribution_changes, 1);
        let distribution = self.view.distribution;
        self.notice(Notice::DistributionChanged(distribution));
        self.rebuild_lanes();
    }

    /// Makes the lanes of the current map and distribution. The next steps route
    /// again what waited in lanes that are gone.
    pub(super) fn rebuild_lanes(&mut self) {
        let (view, settings) = (&self.view, &self.settings);
        let shards = view.map.open_shards();
        let homeless = self
            .lanes
            .rebuild(shards, view.distribution, view.listed_at);
        for mut lane in homeless {
            while let Some(sealed) = lane.sealed.pop_first() {
                self.sealer.release(&sealed);
                self.unrouted.add_sealed(sealed, Duration::ZERO);
            }
            self.unrouted.add_lane(lane);
        }
        let in_flight = self.in_flight.values().flat_map(|request| &request.sealed);
        let undecided = self.undecided.values().map(|stored| &stored.sealed);
        for sealed in in_flight.chain(undecided) {
            self.lanes
                .add_in_flight(sealed.span, sealed.held_len, settings);
        }
        self.lanes.schedule_all(settings);
    }
}
