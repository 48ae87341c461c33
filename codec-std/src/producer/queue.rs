//! A queue of user records that wait, in the order of their pushes.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::time::Duration;

use crate::producer::entry::Entry;

/// User records in a chunk.
const CHUNK_LEN: usize = 32;

/// User records, ordered by the numbers of their pushes and by when they expire.
///
/// Most are pushed at the end, removed from the front, and expire in that order.
/// The few others, which were put back or have their own time to live, are in
/// trees.
#[derive(Debug)]
pub(super) struct Queue<T> {
    usual: Chunks<T>,
    others: BTreeMap<u64, Box<Entry<T>>>,
    /// Expiry and number of each entry of `others`.
    expiries: BTreeSet<(Duration, u64)>,
    held_len: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            usual: Chunks {
                chunks: VecDeque::new(),
                len: 0,
            },
            others: BTreeMap::new(),
            expiries: BTreeSet::new(),
            held_len: 0,
        }
    }
}

impl<T> Queue<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.usual.len == 0 && self.others.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.usual.len.saturating_add(self.others.len())
    }

    /// Returns how many bytes its user records count for.
    pub(super) const fn held_len(&self) -> usize {
        self.held_len
    }

    /// Returns true if a user record with that number would come after all of
    /// `usual`.
    #[inline]
    fn is_last(&self, number: u64) -> bool {
        let last = self.usual.back();
        last.is_none_or(|last| last.pushed.number < number)
    }

    /// Returns true if a user record is later than all others in every respect:
    /// by number, by due time and by expiry.
    #[inline]
    pub(super) fn is_later_than_all(&self, entry: &Entry<T>) -> bool {
        let is_later = entry.pushed.is_usual && self.is_last(entry.pushed.number);
        is_later && self.others.is_empty() && self.usual.len > 0
    }

    /// Inserts a user record by its number.
    #[inline]
    pub(super) fn insert(&mut self, entry: Entry<T>) {
        let pushed = &entry.pushed;
        self.held_len = self.held_len.saturating_add(pushed.held_len);
        if pushed.is_usual && self.is_last(pushed.number) {
            self.usual.push_back(entry);
        } else {
            self.insert_other(entry);
        }
    }

    #[cold]
    fn insert_other(&mut self, entry: Entry<T>) {
        let (number, expires_at) = (entry.pushed.number, entry.pushed.expires_at);
        self.expiries.insert((expires_at, number));
        self.others.insert(number, Box::new(entry));
    }

    /// Returns the user record with the lowest number.
    #[inline]
    pub(super) fn first(&self) -> Option<&Entry<T>> {
        let usual = self.usual.front();
        if self.others.is_empty() {
            return usual;
        }
        let other = self.others.values().next().map(|entry| &**entry);
        match (usual, other) {
            (Some(usual), Some(other)) if usual.pushed.number < other.pushed.number => Some(usual),
            (usual, other) => other.or(usual),
        }
    }

    #[inline(always)]
    pub(super) fn pop_first(&mut self) -> Option<Entry<T>> {
        if self.others.is_empty() {
            return self.pop_usual();
        }
        let usual = self.usual.front().map(|entry| entry.pushed.number);
        let other = self.others.keys().next().copied();
        match (usual, other) {
            (usual, Some(other)) if usual.is_none_or(|usual| other < usual) => {
                self.remove_other(other)
            }
            _ => self.pop_usual(),
        }
    }

    #[inline(always)]
    fn pop_usual(&mut self) -> Option<Entry<T>> {
        let entry = self.usual.pop_front()?;
        self.held_len = self.held_len.saturating_sub(entry.pushed.held_len);
        Some(entry)
    }

    fn remove_other(&mut self, number: u64) -> Option<Entry<T>> {
        let entry = *self.others.remove(&number)?;
        self.expiries.remove(&(entry.pushed.expires_at, number));
        self.held_len = self.held_len.saturating_sub(entry.pushed.held_len);
        Some(entry)
    }

    /// Returns when the first of its user records expires.
    pub(super) fn expires_at(&self) -> Option<Duration> {
        let usual = self.usual.front().map(|entry| entry.pushed.expires_at);
        let other = self.expiries.first().map(|&(expires_at, _)| expires_at);
        usual.into_iter().chain(other).min()
    }

    /// Removes a user record that has expired.
    pub(super) fn pop_expired(&mut self, now: Duration) -> Option<Entry<T>> {
        let usual = self.usual.front();
        if usual.is_some_and(|entry| entry.pushed.expires_at <= now) {
            return self.pop_usual();
        }
        let &(expires_at, number) = self.expiries.first()?;
        if expires_at > now {
            return None;
        }
        self.remove_other(number)
    }

    /// Returns all user records in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry<T>> {
        let mut usual = self.usual.iter().peekable();
        let mut others = self.others.values().map(|entry| &**entry).peekable();
        core::iter::from_fn(move || match (usual.peek(), others.peek()) {
            (Some(first), Some(other)) if other.pushed.number < first.pushed.number => {
                others.next()
            }
            (Some(_), _) => usual.next(),
            (None, _) => others.next(),
        })
    }
}

/// A queue of chunks. It does not copy its entries when it grows, and frees memory
/// when it shrinks.
#[derive(Debug)]
struct Chunks<T> {
    /// No chunk is empty.
    chunks: VecDeque<VecDeque<Entry<T>>>,
    len: usize,
}

impl<T> Chunks<T> {
    #[inline]
    fn push_back(&mut self, entry: Entry<T>) {
        self.len = self.len.saturating_add(1);
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK_LEN => chunk.push_back(entry),
            last => {
                // The first chunk starts small, so that short queues use little
                // memory.
                let capacity = last.map_or(1, |_| CHUNK_LEN);
                let mut chunk = VecDeque::with_capacity(capacity);
                chunk.push_back(entry);
                self.chunks.push_back(chunk);
            }
        }
    }

    #[inline(always)]
    fn pop_front(&mut self) -> Option<Entry<T>> {
        let chunk = self.chunks.front_mut()?;
        let entry = chunk.pop_front()?;
        self.len = self.len.saturating_sub(1);
        if chunk.is_empty() {
            self.drop_front();
        }
        Some(entry)
    }

    fn drop_front(&mut self) {
        self.chunks.pop_front();
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new();
        }
    }

    #[inline]
    fn front(&self) -> Option<&Entry<T>> {
        self.chunks.front()?.front()
    }

    #[inline]
    fn back(&self) -> Option<&Entry<T>> {
        self.chunks.back()?.back()
    }

    fn iter(&self) -> impl Iterator<Item = &Entry<T>> {
        self.chunks.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use kinesis_agg_codec::HashKey;

    use super::*;
    use crate::producer::attempt::Attempts;
    use crate::producer::entry::Pushed;
    use crate::write::OwnedUserRecord;

    fn entry(number: u64, expires_at: u64) -> Entry<()> {
        Entry {
            user_record: OwnedUserRecord::new("key", ""),
            encoded_len: 0,
            pushed: Pushed {
                token: (),
                number,
                hash_key: HashKey::new(0),
                pushed_at: Duration::ZERO,
                due_at: Duration::ZERO,
                expires_at: Duration::from_secs(expires_at),
                is_usual: number < 10,
                held_len: 1,
                attempts: Attempts::default(),
                awaits_listing: Duration::ZERO,
            },
        }
    }

    #[test]
    fn user_records_come_out_by_number_and_expire_by_time() {
        let mut queue = Queue::default();
        for number in [5, 6, 8, 9] {
            queue.insert(entry(number, number));
        }
        queue.insert(entry(7, 7));
        queue.insert(entry(1, 1));
        queue.insert(entry(10, 2));
        let numbers = |queue: &Queue<()>| -> Vec<_> {
            queue.iter().map(|entry| entry.pushed.number).collect()
        };
        assert_eq!(numbers(&queue), [1, 5, 6, 7, 8, 9, 10]);
        assert_eq!((queue.len(), queue.held_len()), (7, 7));
        let at = Duration::from_secs(6);
        let expired = core::iter::from_fn(|| queue.pop_expired(at));
        let mut expired: Vec<_> = expired.map(|entry| entry.pushed.number).collect();
        expired.sort_unstable();
        assert_eq!(expired, [1, 5, 6, 10]);
        assert_eq!(queue.expires_at(), Some(Duration::from_secs(7)));
        for number in [7, 8, 9] {
            assert_eq!(queue.first().unwrap().pushed.number, number);
            assert_eq!(queue.pop_first().unwrap().pushed.number, number);
        }
        assert!(queue.is_empty() && queue.held_len() == 0);
    }
}
