//! The writer's key lookup, on the heap.

use core::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};
use kinesis_agg_codec::{KeyLookup, WriteSlot};

/// A hash table that grows, so that every key is found. It does not store the keys
/// themselves, which are in the writer's buffer.
#[derive(Clone, Default)]
pub(crate) struct KeyMap {
    keys: HashTable<(u64, WriteSlot)>,
    build_hasher: DefaultHashBuilder,
}

impl KeyMap {
    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.build_hasher.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

impl KeyLookup for KeyMap {
    fn find(&self, key: &[u8], mut is_match: impl FnMut(WriteSlot) -> bool) -> Option<WriteSlot> {
        let hash = self.hash(key);
        self.keys
            .find(hash, |&(other, slot)| other == hash && is_match(slot))
            .map(|&(_, slot)| slot)
    }

    fn insert(&mut self, key: &[u8], slot: WriteSlot) {
        let hash = self.hash(key);
        self.keys
            .insert_unique(hash, (hash, slot), |&(hash, _)| hash);
    }

    fn clear(&mut self) {
        self.keys.clear();
    }
}

impl core::fmt::Debug for KeyMap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KeyMap")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}
