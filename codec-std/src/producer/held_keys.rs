//! The hash keys of Kinesis records that have not ended.

use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap};
use kinesis_agg_codec::HashKey;

/// A table with no more capacity than this keeps its memory.
const MIN_CAPACITY: usize = 1_024;

/// Identifies a Kinesis record that holds hash keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder(u64);

/// The hash keys of Kinesis records that were sealed and have not ended. Each is
/// held by one of them. Until it is released, no other Kinesis record with a user
/// record of that hash key is sealed, which keeps these user records in order.
#[derive(Debug, Default)]
pub(super) struct HeldKeys {
    holders: HashMap<HashKey, Holder, DefaultHashBuilder>,
    last: u64,
}

impl HeldKeys {
    /// Returns the holder for the next Kinesis record.
    pub(super) const fn next_holder(&mut self) -> Holder {
        self.last = self.last.wrapping_add(1);
        Holder(self.last)
    }

    /// Returns the hash key if no other holder than `holder` holds it.
    pub(super) fn free(&mut self, hash_key: HashKey, holder: Holder) -> Option<FreeKey<'_>> {
        let entry = self.holders.entry(hash_key);
        let is_held = matches!(&entry, Entry::Occupied(held) if *held.get() != holder);
        (!is_held).then_some(FreeKey { entry, holder })
    }

    /// Releases the hash keys of a Kinesis record that held them.
    pub(super) fn release(&mut self, hash_keys: impl Iterator<Item = HashKey>) {
        for hash_key in hash_keys {
            self.holders.remove(&hash_key);
        }
    }

    /// Frees memory that a large number of hash keys needed.
    pub(super) fn shrink(&mut self) {
        if self.holders.capacity() > MIN_CAPACITY {
            self.holders.shrink_to(0);
        }
    }
}

/// A hash key that its holder may hold.
pub(super) struct FreeKey<'a> {
    entry: Entry<'a, HashKey, Holder, DefaultHashBuilder>,
    holder: Holder,
}

impl FreeKey<'_> {
    pub(super) fn hold(self) {
        self.entry.or_insert(self.holder);
    }
}
