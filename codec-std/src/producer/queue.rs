//! A queue of user records that wait, in the order of their pushes.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::time::Duration;

use crate::producer::entry::{Entry, Pushed};
use crate::producer::settings::ProducerSettings;
use crate::write::OwnedUserRecord;

/// User records in a chunk.
const CHUNK_LEN: usize = 32;

/// User records, ordered by the numbers of their pushes, by when they are due and by
/// when they expire.
///
/// Most are pushed at the end, removed from the front, and are due and expire in
/// that order. The few others, which were put back or have their own time to live, are in
/// trees.
#[derive(Debug)]
pub(super) struct Queue<T> {
    usual: Chunks<T>,
    others: BTreeMap<u64, Box<Other<T>>>,
    /// Due time and number of each entry of `others`.
    dues: BTreeSet<(Duration, u64)>,
    /// Expiry and number of each entry of `others`.
    expiries: BTreeSet<(Duration, u64)>,
    held_len: usize,
}

#[derive(Debug)]
struct Other<T> {
    entry: Entry<T>,
    due_at: Duration,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            usual: Chunks {
                chunks: VecDeque::new(),
                len: 0,
            },
            others: BTreeMap::new(),
            dues: BTreeSet::new(),
            expiries: BTreeSet::new(),
            held_len: 0,
        }
    }
}

impl<T> Queue<T> {
    #[inline]
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
        last.is_none_or(|last| last.number < number)
    }

    /// Returns true if a user record is later than all others in every respect:
    /// by number, by due time and by expiry.
    #[inline]
    pub(super) fn is_later_than_all(&self, pushed: &Pushed<T>) -> bool {
        let is_later = pushed.is_usual() && self.is_last(pushed.number);
        is_later && self.others.is_empty() && self.usual.len > 0
    }

    /// Adds a user record that is [later than all](Self::is_later_than_all).
    #[inline]
    pub(super) fn push(&mut self, user_record: OwnedUserRecord, pushed: Pushed<T>) {
        self.held_len = self.held_len.saturating_add(pushed.held_len());
        self.usual.push_back(user_record, pushed);
    }

    /// Inserts a user record by its number.
    pub(super) fn insert(
        &mut self,
        user_record: OwnedUserRecord,
        pushed: Pushed<T>,
        settings: &ProducerSettings,
    ) {
        if pushed.is_usual() && self.is_last(pushed.number) {
            self.push(user_record, pushed);
        } else {
            self.held_len = self.held_len.saturating_add(pushed.held_len());
            let due_at = pushed.due_at(settings);
            self.insert_other(user_record, pushed, due_at);
        }
    }

    #[cold]
    fn insert_other(&mut self, user_record: OwnedUserRecord, pushed: Pushed<T>, due_at: Duration) {
        let (number, expires_at) = (pushed.number, pushed.expires_at());
        self.dues.insert((due_at, number));
        self.expiries.insert((expires_at, number));
        let entry = Entry {
            user_record,
            pushed,
        };
        self.others
            .insert(number, Box::new(Other { entry, due_at }));
    }

    /// Returns the number of the first of `others`, if it is the first of all.
    #[inline]
    fn first_other(&self) -> Option<u64> {
        let other = self.others.keys().next().copied()?;
        let usual = self.usual.front();
        usual
            .is_none_or(|usual| other < usual.number)
            .then_some(other)
    }

    /// Returns the user record with the lowest number.
    #[inline]
    pub(super) fn first(&self) -> Option<(&OwnedUserRecord, &Pushed<T>)> {
        self.iter().next()
    }

    /// Returns the state of the user record with the lowest number.
    #[inline]
    pub(super) fn first_pushed(&self) -> Option<&Pushed<T>> {
        match self.first_other() {
            Some(other) => Some(&self.others.get(&other)?.entry.pushed),
            None => self.usual.front(),
        }
    }

    #[inline]
    pub(super) fn pop_first(&mut self) -> Option<Entry<T>> {
        match self.first_other() {
            Some(other) => self.remove_other(other),
            None => self.pop_usual(),
        }
    }

    /// Removes user records from the front, in order, while `accepts` returns true.
    /// Drops their contents, and appends their states to `taken`.
    #[inline]
    pub(super) fn take_while(
        &mut self,
        taken: &mut Vec<Pushed<T>>,
        mut accepts: impl FnMut(&OwnedUserRecord, &Pushed<T>) -> bool,
    ) {
        let mut is_over = false;
        while !is_over && !self.is_empty() {
            if let Some(other) = self.first_other() {
                let entry = self.others.get(&other).map(|other| &other.entry);
                is_over = !entry.is_some_and(|entry| accepts(&entry.user_record, &entry.pushed));
                if !is_over {
                    taken.extend(self.remove_other(other).map(|entry| entry.pushed));
                }
                continue;
            }
            // The user records of the front chunk, up to the first of `others`.
            let other = self.others.keys().next();
            let run = self.usual.iter_front();
            let run =
                run.take_while(|(_, pushed)| other.is_none_or(|&other| pushed.number < other));
            let (mut count, mut held_len) = (0_usize, 0_usize);
            for (user_record, pushed) in run {
                is_over = !accepts(user_record, pushed);
                if is_over {
                    break;
                }
                count = count.saturating_add(1);
                held_len = held_len.saturating_add(pushed.held_len());
            }
            self.usual.take_front(count, taken);
            self.held_len = self.held_len.saturating_sub(held_len);
        }
    }

    #[inline]
    fn pop_usual(&mut self) -> Option<Entry<T>> {
        let entry = self.usual.pop_front()?;
        self.held_len = self.held_len.saturating_sub(entry.pushed.held_len());
        Some(entry)
    }

    fn remove_other(&mut self, number: u64) -> Option<Entry<T>> {
        let Other { entry, due_at } = *self.others.remove(&number)?;
        self.dues.remove(&(due_at, number));
        self.expiries.remove(&(entry.pushed.expires_at(), number));
        self.held_len = self.held_len.saturating_sub(entry.pushed.held_len());
        Some(entry)
    }

    /// Returns when the first of its user records to be due is due.
    #[inline]
    pub(super) fn due_at(&self, settings: &ProducerSettings) -> Option<Duration> {
        let usual = self.usual.front().map(|pushed| pushed.due_at(settings));
        let other = self.dues.first().map(|&(due_at, _)| due_at);
        usual.into_iter().chain(other).min()
    }

    /// Returns when the first of its user records expires.
    #[inline]
    pub(super) fn expires_at(&self) -> Option<Duration> {
        let usual = self.usual.front().map(Pushed::expires_at);
        let other = self.expiries.first().map(|&(expires_at, _)| expires_at);
        usual.into_iter().chain(other).min()
    }

    /// Removes a user record that has expired.
    pub(super) fn pop_expired(&mut self, now: Duration) -> Option<Entry<T>> {
        let usual = self.usual.front();
        if usual.is_some_and(|pushed| pushed.expires_at() <= now) {
            return self.pop_usual();
        }
        let &(expires_at, number) = self.expiries.first()?;
        if expires_at > now {
            return None;
        }
        self.remove_other(number)
    }

    /// Returns all user records in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&OwnedUserRecord, &Pushed<T>)> {
        let mut usual = self.usual.iter().peekable();
        let others = self.others.values();
        let mut others = others
            .map(|other| (&other.entry.user_record, &other.entry.pushed))
            .peekable();
        core::iter::from_fn(move || match (usual.peek(), others.peek()) {
            (Some((_, first)), Some((_, other))) if other.number < first.number => others.next(),
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
    chunks: VecDeque<Chunk<T>>,
    len: usize,
}

/// User records and their states, in two queues of the same length, so that a
/// Kinesis record gets its states without the contents.
#[derive(Debug)]
struct Chunk<T> {
    user_records: VecDeque<OwnedUserRecord>,
    pushed: VecDeque<Pushed<T>>,
}

impl<T> Chunk<T> {
    fn with_capacity(capacity: usize) -> Self {
        Self {
            user_records: VecDeque::with_capacity(capacity),
            pushed: VecDeque::with_capacity(capacity),
        }
    }

    #[inline]
    fn push_back(&mut self, user_record: OwnedUserRecord, pushed: Pushed<T>) {
        self.user_records.push_back(user_record);
        self.pushed.push_back(pushed);
    }

    fn iter(&self) -> impl Iterator<Item = (&OwnedUserRecord, &Pushed<T>)> {
        self.user_records.iter().zip(&self.pushed)
    }
}

impl<T> Chunks<T> {
    #[inline]
    fn push_back(&mut self, user_record: OwnedUserRecord, pushed: Pushed<T>) {
        let last = self.chunks.back_mut();
        self.len = self.len.saturating_add(1);
        if let Some(chunk) = last.filter(|chunk| chunk.pushed.len() < CHUNK_LEN) {
            chunk.push_back(user_record, pushed);
            return;
        }
        // The first chunk starts small, so that short queues use little memory.
        let capacity = if self.chunks.is_empty() { 1 } else { CHUNK_LEN };
        let mut chunk = Chunk::with_capacity(capacity);
        chunk.push_back(user_record, pushed);
        self.chunks.push_back(chunk);
    }

    fn pop_front(&mut self) -> Option<Entry<T>> {
        let chunk = self.chunks.front_mut()?;
        let entry = Entry {
            user_record: chunk.user_records.pop_front()?,
            pushed: chunk.pushed.pop_front()?,
        };
        self.len = self.len.saturating_sub(1);
        self.drop_empty();
        Some(entry)
    }

    /// Removes user records from the front chunk. Drops their contents, and appends
    /// their states to `taken`.
    fn take_front(&mut self, count: usize, taken: &mut Vec<Pushed<T>>) {
        let Some(chunk) = self.chunks.front_mut() else {
            return;
        };
        let count = count.min(chunk.pushed.len());
        drop(chunk.user_records.drain(..count));
        taken.extend(chunk.pushed.drain(..count));
        self.len = self.len.saturating_sub(count);
        self.drop_empty();
    }

    /// Drops the front chunk if it is empty.
    fn drop_empty(&mut self) {
        if self
            .chunks
            .front()
            .is_some_and(|chunk| chunk.pushed.is_empty())
        {
            self.chunks.pop_front();
            if self.chunks.is_empty() {
                self.chunks = VecDeque::new();
            }
        }
    }

    #[inline]
    fn front(&self) -> Option<&Pushed<T>> {
        self.chunks.front()?.pushed.front()
    }

    #[inline]
    fn back(&self) -> Option<&Pushed<T>> {
        self.chunks.back()?.pushed.back()
    }

    fn iter(&self) -> impl Iterator<Item = (&OwnedUserRecord, &Pushed<T>)> {
        self.chunks.iter().flat_map(Chunk::iter)
    }

    /// Returns the user records of the front chunk.
    fn iter_front(&self) -> impl Iterator<Item = (&OwnedUserRecord, &Pushed<T>)> {
        self.chunks.front().into_iter().flat_map(Chunk::iter)
    }
}

#[cfg(test)]
mod tests {
    use kinesis_agg_codec::HashKey;

    use super::*;

    fn insert(queue: &mut Queue<()>, number: u64, expires_at: u64) {
        let user_record = OwnedUserRecord::new("key", "");
        let times = (Duration::ZERO, Duration::from_secs(expires_at));
        let mut pushed = Pushed::new((), number, HashKey::new(0), &user_record, 0, times);
        if number >= 10 {
            pushed.set_due_at(Duration::ZERO);
        }
        queue.insert(user_record, pushed, &ProducerSettings::new());
    }

    fn insert_usual(queue: &mut Queue<()>, number: u64) {
        let user_record = OwnedUserRecord::new("key", "");
        let times = (Duration::ZERO, Duration::from_secs(number));
        let pushed = Pushed::new((), number, HashKey::new(0), &user_record, 0, times);
        queue.insert(user_record, pushed, &ProducerSettings::new());
    }

    fn numbers(queue: &Queue<()>) -> Vec<u64> {
        queue.iter().map(|(_, pushed)| pushed.number).collect()
    }

    #[test]
    fn user_records_come_out_by_number_and_are_due_and_expire_by_time() {
        let mut queue = Queue::default();
        for number in [5, 6, 8, 9] {
            insert(&mut queue, number, number);
        }
        insert(&mut queue, 7, 7);
        insert(&mut queue, 1, 1);
        insert(&mut queue, 10, 2);
        assert_eq!(numbers(&queue), [1, 5, 6, 7, 8, 9, 10]);
        let each = Entry::<()>::held_len(&OwnedUserRecord::new("key", ""));
        assert_eq!((queue.len(), queue.held_len()), (7, 7 * each));
        let settings = ProducerSettings::new();
        assert_eq!(queue.due_at(&settings), Some(Duration::ZERO));
        let at = Duration::from_secs(6);
        let expired = core::iter::from_fn(|| queue.pop_expired(at));
        let mut expired: Vec<_> = expired.map(|entry| entry.pushed.number).collect();
        expired.sort_unstable();
        assert_eq!(expired, [1, 5, 6, 10]);
        assert_eq!(queue.due_at(&settings), Some(settings.max_age));
        assert_eq!(queue.expires_at(), Some(Duration::from_secs(7)));
        for number in [7, 8, 9] {
            assert_eq!(queue.first_pushed().unwrap().number, number);
            assert_eq!(queue.pop_first().unwrap().pushed.number, number);
        }
        assert!(queue.is_empty() && queue.held_len() == 0);
    }
    /// Protects the order when a Kinesis record is made of user records from both
    /// trees and chunks.
    #[test]
    fn user_records_are_taken_by_number_up_to_the_first_that_does_not_fit() {
        let count = u64::try_from(3 * CHUNK_LEN).unwrap();
        for stop in 10..10 + count {
            let mut queue = Queue::default();
            for number in (10..10 + count).filter(|number| number % 7 != 3) {
                insert_usual(&mut queue, number);
            }
            for number in (10..10 + count).filter(|number| number % 7 == 3) {
                insert(&mut queue, number, 1);
            }
            let mut taken = Vec::new();
            queue.take_while(&mut taken, |_, pushed| pushed.number < stop);
            let taken: Vec<_> = taken.iter().map(|pushed| pushed.number).collect();
            assert!(taken.into_iter().eq(10..stop));
            assert!(numbers(&queue).into_iter().eq(stop..10 + count));
            let each = Entry::<()>::held_len(&OwnedUserRecord::new("key", ""));
            assert_eq!(queue.held_len(), queue.len() * each);
        }
    }
}
