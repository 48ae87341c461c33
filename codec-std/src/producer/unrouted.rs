//! User records that must be routed to a lane again, a bounded number at a time.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::producer::entry::Entry;
use crate::producer::lane::Lane;
use crate::producer::sealed::Sealed;

/// User records whose lanes are gone, and Kinesis records to take apart. Nothing
/// is sent until all of them are routed.
#[derive(Debug)]
pub(super) struct Unrouted<T> {
    lanes: Vec<Lane<T>>,
    /// Each with the listing that its user records await.
    sealed: VecDeque<(Sealed<T>, Duration)>,
    /// The remaining user records of the Kinesis record taken apart last.
    apart: alloc::vec::IntoIter<Entry<T>>,
    awaits_listing: Duration,
}

impl<T> Default for Unrouted<T> {
    fn default() -> Self {
        Self {
            lanes: Vec::new(),
            sealed: VecDeque::new(),
            apart: Vec::new().into_iter(),
            awaits_listing: Duration::ZERO,
        }
    }
}

impl<T> Unrouted<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty() && self.sealed.is_empty() && self.apart.len() == 0
    }

    /// Adds a lane whose sealed Kinesis records have been removed.
    pub(super) fn add_lane(&mut self, lane: Lane<T>) {
        self.lanes.push(lane);
    }

    pub(super) fn add_sealed(&mut self, sealed: Sealed<T>, awaits_listing: Duration) {
        self.sealed.push_back((sealed, awaits_listing));
    }

    pub(super) fn pop(&mut self) -> Option<Entry<T>> {
        loop {
            if let Some(mut entry) = self.apart.next() {
                entry.pushed.await_listing(self.awaits_listing);
                return Some(entry);
            }
            if let Some((sealed, awaits_listing)) = self.sealed.pop_front() {
                self.apart = sealed.take_apart().into_iter();
                self.awaits_listing = awaits_listing;
                continue;
            }
            self.apart = Vec::new().into_iter();
            match self.lanes.last_mut()?.queue.pop_first() {
                Some(entry) => return Some(entry),
                None => drop(self.lanes.pop()),
            }
        }
    }
}
