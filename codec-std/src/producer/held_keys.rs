//! The hash keys of Kinesis records that have not ended.

use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};
use kinesis_agg_codec::HashKey;

/// A table with no more capacity than this keeps its memory.
const MIN_CAPACITY: usize = 1_024;

/// Identifies a Kinesis record that holds hash keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Holder(u64);

/// The hash keys of Kinesis records that were sealed and have not ended. Each is
/// held by one of them. Until it is released, no other Kinesis record with a user
/// record of that hash key is sealed, which keeps these user records in order.
#[derive(Debug)]
pub(super) struct HeldKeys {
    /// Also has hash keys whose holders have released them: most are held again
    /// soon.
    holders: HashMap<HashKey, Holder, DefaultHashBuilder>,
    /// The holders that have not released their hash keys.
    live: HashSet<Holder, DefaultHashBuilder>,
    last: Holder,
    /// With more hash keys than this, those that were released are removed.
    limit: usize,
}

impl Default for HeldKeys {
    fn default() -> Self {
        Self {
            holders: HashMap::default(),
            live: HashSet::default(),
            last: Holder::default(),
            limit: MIN_CAPACITY,
        }
    }
}

impl HeldKeys {
    /// Adds a holder for the next Kinesis record.
    pub(super) fn add_holder(&mut self) -> Holder {
        if self.holders.len() > self.limit {
            let live = &self.live;
            self.holders.retain(|_, holder| live.contains(holder));
            // So that this takes constant time for each hash key.
            self.limit = self.holders.len().saturating_mul(2).max(MIN_CAPACITY);
        }
        self.last = Holder(self.last.0.wrapping_add(1));
        self.live.insert(self.last);
        self.last
    }

    /// Returns the hash key if no other holder than `holder` holds it.
    #[inline]
    pub(super) fn free(&mut self, hash_key: HashKey, holder: Holder) -> Option<FreeKey<'_>> {
        let entry = self.holders.entry(hash_key);
        let is_held = matches!(&entry, Entry::Occupied(held)
            if *held.get() != holder && self.live.contains(held.get()));
        (!is_held).then_some(FreeKey { entry, holder })
    }

    /// Releases all hash keys of a holder.
    pub(super) fn release(&mut self, holder: Holder) {
        self.live.remove(&holder);
    }

    /// Frees memory that the hash keys since the last call did not need. Called
    /// when nothing is held.
    pub(super) fn shrink(&mut self) {
        let used = self.holders.len().max(MIN_CAPACITY);
        self.holders.clear();
        if used < self.holders.capacity() / 4 {
            self.holders.shrink_to(used);
        }
        self.limit = MIN_CAPACITY;
        self.live.shrink_to(0);
    }
}

/// A hash key that its holder may hold.
pub(super) struct FreeKey<'a> {
    entry: Entry<'a, HashKey, Holder, DefaultHashBuilder>,
    holder: Holder,
}

impl FreeKey<'_> {
    #[inline]
    pub(super) fn hold(self) {
        self.entry.insert(self.holder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(keys: &mut HeldKeys, hash_key: u128, holder: Holder) -> bool {
        let free = keys.free(HashKey::new(hash_key), holder);
        free.map(FreeKey::hold).is_some()
    }

    #[test]
    fn a_hash_key_is_free_for_its_holder_and_for_others_once_released() {
        let mut keys = HeldKeys::default();
        let (first, second) = (keys.add_holder(), keys.add_holder());
        assert!(hold(&mut keys, 1, first) && hold(&mut keys, 1, first));
        assert!(!hold(&mut keys, 1, second) && hold(&mut keys, 2, second));
        keys.release(first);
        assert!(hold(&mut keys, 1, second));
        keys.release(first);
        let third = keys.add_holder();
        assert!(!hold(&mut keys, 1, third));
    }

    /// Protects memory use: keys that never repeat are forgotten, held ones are
    /// not.
    #[test]
    fn released_hash_keys_are_forgotten_and_a_burst_is_freed_after_less_use() {
        let mut keys = HeldKeys::default();
        let long = keys.add_holder();
        assert!(hold(&mut keys, u128::MAX, long));
        for at_once in 0..1_000 {
            let holder = keys.add_holder();
            for number in 0..100 {
                assert!(hold(&mut keys, at_once * 100 + number, holder));
            }
            keys.release(holder);
            assert!(keys.holders.len() <= MIN_CAPACITY + 100);
        }
        let other = keys.add_holder();
        assert!(!hold(&mut keys, u128::MAX, other));
        for number in 0..100_000 {
            assert!(hold(&mut keys, number, other));
        }
        keys.release(long);
        keys.release(other);
        keys.shrink();
        let busy = keys.holders.capacity();
        assert!(busy >= 100_000);
        let next = keys.add_holder();
        assert!(hold(&mut keys, 1, next));
        keys.release(next);
        keys.shrink();
        assert!(keys.holders.capacity() <= 4 * MIN_CAPACITY);
    }
}
