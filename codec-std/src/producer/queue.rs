//! User records that wait, in the order of their pushes.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::time::Duration;

use crate::producer::entry::Entry;

/// A queue as short as this keeps its memory.
const MIN_CAPACITY: usize = 64;

/// User records by the numbers of their pushes, and when they expire.
///
/// Most are pushed at the end and taken from the front, and expire in that
/// order. The few others, which came back or have a time to live of their own,
/// are in trees.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// Numbers and expiries do not decrease.
    usual: VecDeque<Entry<T>>,
    others: BTreeMap<u64, Box<Entry<T>>>,
    /// Expiry and number of each of the others.
    expiries: BTreeSet<(Duration, u64)>,
    held_len: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            usual: VecDeque::new(),
            others: BTreeMap::new(),
            expiries: BTreeSet::new(),
            held_len: 0,
        }
    }
}

impl<T> Queue<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.usual.is_empty() && self.others.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.usual.len().saturating_add(self.others.len())
    }

    /// Bytes that its user records count for.
    pub(super) const fn held_len(&self) -> usize {
        self.held_len
    }

    /// Adds a user record at the place of its number.
    pub(super) fn insert(&mut self, entry: Entry<T>) {
        let pushed = &entry.pushed;
        let is_last = self.usual.back().is_none_or(|last| {
            last.pushed.number < pushed.number && last.pushed.expires_at <= pushed.expires_at
        });
        if !is_last {
            return self.insert_apart(entry);
        }
        self.held_len = self.held_len.saturating_add(pushed.held_len);
        self.usual.push_back(entry);
    }

    /// Adds a user record that need not expire after those before it.
    pub(super) fn insert_apart(&mut self, entry: Entry<T>) {
        let (number, expires_at) = (entry.pushed.number, entry.pushed.expires_at);
        self.held_len = self.held_len.saturating_add(entry.pushed.held_len);
        self.expiries.insert((expires_at, number));
        self.others.insert(number, Box::new(entry));
    }

    /// The user record with the lowest number.
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

    pub(super) fn pop_first(&mut self) -> Option<Entry<T>> {
        let usual = self.usual.front().map(|entry| entry.pushed.number);
        let other = self.others.keys().next().copied();
        match (usual, other) {
            (usual, Some(other)) if usual.is_none_or(|usual| other < usual) => {
                self.remove_other(other)
            }
            _ => self.pop_usual(),
        }
    }

    fn pop_usual(&mut self) -> Option<Entry<T>> {
        let entry = self.usual.pop_front()?;
        self.held_len = self.held_len.saturating_sub(entry.pushed.held_len);
        let capacity = self.usual.capacity();
        if capacity > MIN_CAPACITY && self.usual.len() < capacity / 4 {
            self.usual.shrink_to(capacity / 2);
        }
        Some(entry)
    }

    fn remove_other(&mut self, number: u64) -> Option<Entry<T>> {
        let entry = *self.others.remove(&number)?;
        self.expiries.remove(&(entry.pushed.expires_at, number));
        self.held_len = self.held_len.saturating_sub(entry.pushed.held_len);
        Some(entry)
    }

    /// When the first of its user records expires.
    pub(super) fn expires_at(&self) -> Option<Duration> {
        let usual = self.usual.front().map(|entry| entry.pushed.expires_at);
        let other = self.expiries.first().map(|&(expires_at, _)| expires_at);
        usual.into_iter().chain(other).min()
    }

    /// Takes a user record that has expired.
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

    /// All user records in the order of their numbers.
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
        queue.insert_apart(entry(10, 2));
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
