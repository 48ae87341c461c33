//! Makes PutRecords requests.

use core::time::Duration;

use crate::producer::core::{InFlight, ProducerCore};
use crate::producer::counters::count;
use crate::producer::distribution::Distribution;
use crate::producer::entry::Pushed;
use crate::producer::request::{PutRequest, RequestId};
use crate::producer::request_room::RequestRoom;
use crate::producer::sealed::Sealed;

impl<T> ProducerCore<T> {
    /// Returns the next request to make, if one may be made now. Also fails user
    /// records whose time to live is over, and finishes the work that
    /// [`step`](Self::step) does in parts.
    pub fn poll_request(&mut self, now: Duration) -> Option<PutRequest> {
        let now = self.advance(now);
        while self.step(now) {}
        if self.refresh_at().is_some_and(|at| at <= now) {
            self.view.want_refresh(now);
        }
        if self.in_flight.len() >= self.settings.max_requests_in_flight
            || self.view.doubted_since.is_some()
        {
            return None;
        }
        self.lanes.due(now, &self.settings)?;
        if self.view.is_silent(now, &self.settings) {
            self.view.doubt(now);
            return None;
        }
        let sealed = match self.view.distribution {
            Distribution::ByKey => self.take_aggregates(),
            Distribution::Auto => self.take_raw(),
        };
        (!sealed.is_empty()).then(|| self.request(sealed))
    }

    /// Removes from the lanes that are due the Kinesis records of a request.
    fn take_aggregates(&mut self) -> Vec<Sealed<T>> {
        let mut request = RequestRoom::new(&self.settings);
        let mut all = Vec::new();
        while !request.is_full() {
            let Some(place) = self.lanes.due(self.now, &self.settings) else {
                break;
            };
            let Some(lane) = self.lanes.get_mut(place) else {
                break;
            };
            let sealed = match lane.sealed.first() {
                Some(next) if !request.has_room(next) => break,
                Some(_) => lane.sealed.pop_first(),
                None => {
                    let listed_at = self.view.listed_at;
                    let made = self.sealer.seal(lane, listed_at, &self.settings);
                    for (entry, reason) in made.unfit {
                        self.failed(entry, reason);
                    }
                    if let Some(sealed) = &made.sealed {
                        request.add_work(sealed);
                    }
                    made.sealed
                }
            };
            let Some(sealed) = sealed else {
                // Nothing in the lane can be sent now.
                self.lanes.schedule(place, &self.settings);
                continue;
            };
            let Some(lane) = self.lanes.get_mut(place) else {
                break;
            };
            if !request.has_room(&sealed) {
                lane.sealed.insert(sealed);
                self.lanes.schedule(place, &self.settings);
                break;
            }
            let len = sealed.record.len();
            lane.rate.charge(&self.settings, len, self.now);
            request.add(&sealed);
            let (span, held_len) = (sealed.span, sealed.held_len);
            self.lanes.add_in_flight(span, held_len, &self.settings);
            all.push(sealed);
        }
        all
    }

    /// Removes the raw records of a request from the lane: as many as fit and the
    /// rate allows, once one of them is due.
    fn take_raw(&mut self) -> Vec<Sealed<T>> {
        let mut request = RequestRoom::new(&self.settings);
        let (mut all, place, now) = (Vec::new(), 0, self.now);
        while !request.is_full() {
            let Some(lane) = self.lanes.get_mut(place) else {
                break;
            };
            let again = lane.sealed.first().filter(|first| first.not_before <= now);
            let len = match (again, lane.queue.first()) {
                (Some(sealed), _) => sealed.record.len(),
                (None, Some((first, _))) => first.content_len(),
                (None, None) => break,
            };
            if lane.rate.allows_at(&self.settings, 1, len) > now {
                break;
            }
            let sealed = if again.is_some() {
                lane.sealed.pop_first()
            } else {
                let Some(entry) = lane.queue.pop_first() else {
                    break;
                };
                let shard = (lane.shard_id.clone(), lane.range);
                let made = self.sealer.seal_alone(entry, shard);
                for (entry, reason) in made.unfit {
                    self.failed(entry, reason);
                }
                if made.sealed.is_none() {
                    continue;
                }
                made.sealed
            };
            let (Some(sealed), Some(lane)) = (sealed, self.lanes.get_mut(place)) else {
                break;
            };
            if !request.has_room(&sealed) {
                lane.sealed.insert(sealed);
                break;
            }
            lane.rate.charge(&self.settings, sealed.record.len(), now);
            request.add(&sealed);
            all.push(sealed);
        }
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.refill(Distribution::Auto, &self.settings);
        }
        self.lanes.schedule(place, &self.settings);
        all
    }

    fn request(&mut self, sealed: Vec<Sealed<T>>) -> PutRequest {
        let id = RequestId(self.next_request);
        self.next_request = self.next_request.saturating_add(1);
        count(&mut self.counters.requests, 1);
        count(&mut self.counters.records, sealed.len());
        for sealed in &sealed {
            count(&mut self.counters.raw_records, usize::from(sealed.is_raw));
            count(&mut self.counters.bytes, sealed.record.len());
            if sealed.attempts.count() > 0 {
                continue;
            }
            for pushed in sealed.pushed.chunk_by(Pushed::is_from_same_step) {
                if let Some(first) = pushed.first().filter(|first| first.attempt_count() == 0) {
                    let waited = self.now.saturating_sub(first.pushed_at());
                    self.numbers
                        .buffering_time
                        .record_many(waited, pushed.len());
                }
            }
        }
        self.counters.buffering_time = self.numbers.buffering_time.sum();
        let records = sealed.iter().map(|sealed| sealed.record.clone()).collect();
        let sent_at = self.now;
        self.in_flight.insert(id, InFlight { sent_at, sealed });
        PutRequest { id, records }
    }
}
