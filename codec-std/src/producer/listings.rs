//! Listings: which lane a user record waits in.

use core::time::Duration;

use crate::producer::core::ProducerCore;
use crate::producer::counters::count;
use crate::producer::distribution::{Distribution, DistributionAnswer};
use crate::producer::event::Notice;
use crate::producer::request::RequestFailure;
use crate::shards::ShardMap;

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

    /// Takes note that a listing failed. [`RequestFailure::AccessDenied`] and
    /// [`RequestFailure::StreamNotFound`] lead to a [`Notice`]; a stream that is
    /// not found gets nothing before it is listed again.
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

    /// Makes the lanes of the present map and distribution. What waits in lanes
    /// that are gone is routed again by the next steps.
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
