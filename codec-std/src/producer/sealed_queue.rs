//! A queue of sealed Kinesis records that wait to be sent.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::producer::sealed::Sealed;

/// Kinesis records, ordered by when they may be sent and by when they expire. No
/// two of them share a hash key, unless no order is kept.
#[derive(Debug)]
pub(super) struct SealedQueue<T> {
    by_number: BTreeMap<u64, Sealed<T>>,
    by_time: BTreeSet<(Duration, u64)>,
    by_expiry: BTreeSet<(Duration, u64)>,
    held_len: usize,
}

impl<T> Default for SealedQueue<T> {
    fn default() -> Self {
        Self {
            by_number: BTreeMap::new(),
            by_time: BTreeSet::new(),
            by_expiry: BTreeSet::new(),
            held_len: 0,
        }
    }
}

impl<T> SealedQueue<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    /// Returns how many bytes its user records count for.
    pub(super) const fn held_len(&self) -> usize {
        self.held_len
    }

    /// Returns the number of user records in it.
    pub(super) fn user_record_count(&self) -> usize {
        let counts = self.by_number.values().map(|sealed| sealed.pushed.len());
        counts.fold(0, usize::saturating_add)
    }

    /// Returns when its oldest user record was pushed.
    pub(super) fn oldest_pushed_at(&self) -> Option<Duration> {
        let first = self.by_number.values().next()?.pushed.first()?;
        Some(first.pushed_at())
    }

    pub(super) fn insert(&mut self, sealed: Sealed<T>) {
        let number = sealed.number();
        self.held_len = self.held_len.saturating_add(sealed.held_len);
        self.by_time.insert((sealed.not_before, number));
        self.by_expiry.insert((sealed.expires_at, number));
        self.by_number.insert(number, sealed);
    }

    fn remove(&mut self, number: u64) -> Option<Sealed<T>> {
        let sealed = self.by_number.remove(&number)?;
        self.by_time.remove(&(sealed.not_before, number));
        self.by_expiry.remove(&(sealed.expires_at, number));
        self.held_len = self.held_len.saturating_sub(sealed.held_len);
        Some(sealed)
    }

    /// Returns the Kinesis record that may be sent first.
    pub(super) fn first(&self) -> Option<&Sealed<T>> {
        let (_, number) = self.by_time.first()?;
        self.by_number.get(number)
    }

    pub(super) fn pop_first(&mut self) -> Option<Sealed<T>> {
        let &(_, number) = self.by_time.first()?;
        self.remove(number)
    }

    /// Returns when the first of its user records expires.
    pub(super) fn expires_at(&self) -> Option<Duration> {
        self.by_expiry.first().map(|&(expires_at, _)| expires_at)
    }

    /// Removes the Kinesis record with the user record that expires first.
    pub(super) fn pop_next_to_expire(&mut self) -> Option<Sealed<T>> {
        let &(_, number) = self.by_expiry.first()?;
        self.remove(number)
    }
}
