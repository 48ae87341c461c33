//! Kinesis records that are made and wait to be sent.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::producer::sealed::Sealed;

/// Kinesis records by when they may be sent, and by age. No two share a hash
/// key, except raw records of a stream that keeps no order.
#[derive(Debug)]
pub(super) struct SealedQueue<T> {
    by_number: BTreeMap<u64, Sealed<T>>,
    by_time: BTreeSet<(Duration, u64)>,
}

impl<T> Default for SealedQueue<T> {
    fn default() -> Self {
        Self {
            by_number: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }
}

impl<T> SealedQueue<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    pub(super) fn insert(&mut self, sealed: Sealed<T>) {
        let number = sealed.number();
        self.by_time.insert((sealed.not_before, number));
        self.by_number.insert(number, sealed);
    }

    /// The one that may be sent first.
    pub(super) fn first(&self) -> Option<&Sealed<T>> {
        let (_, number) = self.by_time.first()?;
        self.by_number.get(number)
    }

    pub(super) fn pop_first(&mut self) -> Option<Sealed<T>> {
        let (_, number) = self.by_time.pop_first()?;
        self.by_number.remove(&number)
    }

    /// When the oldest user record was put. Put times do not decrease with the
    /// numbers, so it is in the lowest.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.by_number.values().next().map(Sealed::put_at)
    }

    /// Takes the one with the oldest user record.
    pub(super) fn pop_oldest(&mut self) -> Option<Sealed<T>> {
        let (number, sealed) = self.by_number.pop_first()?;
        self.by_time.remove(&(sealed.not_before, number));
        Some(sealed)
    }
}
