//! The hash keys of partition keys that repeat.
//!
//! The hash key of a partition key is its MD5, which takes a fifth of the
//! instructions of a push to delivery. Fleets put user records under the same keys
//! again and again, so those are remembered.

use core::hash::{BuildHasher as _, Hasher as _};

use hashbrown::{DefaultHashBuilder, HashTable};
use kinesis_agg_codec::HashKey;

use crate::write::OwnedUserRecord;

/// The most partition keys that are remembered: 7/8 of 16,384 slots, about 1 MiB.
/// With one more, all are forgotten.
const MAX_COUNT: usize = 14_336;

/// Longer partition keys are not remembered, in bytes.
const MAX_KEY_LEN: usize = 47;

/// Look-ups after which it is decided whether they were worth it: twice as many as
/// are remembered, because the first look-up of a key finds nothing.
const TRIAL_COUNT: usize = 2 * MAX_COUNT;

/// User records without a look-up after a trial in which few keys were found.
const PAUSE_COUNT: usize = 16 * TRIAL_COUNT;

#[derive(Debug)]
struct KnownKey {
    hash_key: HashKey,
    len: u8,
    partition_key: [u8; MAX_KEY_LEN],
}

impl KnownKey {
    /// Returns `None` if the partition key is too long.
    fn new(partition_key: &[u8], hash_key: HashKey) -> Option<Self> {
        let mut known = Self {
            hash_key,
            len: u8::try_from(partition_key.len()).ok()?,
            partition_key: [0; MAX_KEY_LEN],
        };
        let place = known.partition_key.get_mut(..partition_key.len())?;
        place.copy_from_slice(partition_key);
        Some(known)
    }

    fn partition_key(&self) -> &[u8] {
        let key = self.partition_key.get(..usize::from(self.len));
        key.unwrap_or_default()
    }
}

/// Remembers the hash keys of recent partition keys, while that saves time.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    known: HashTable<KnownKey>,
    build_hasher: DefaultHashBuilder,
    /// Look-ups in the current trial, and how many found the key.
    looked_up: usize,
    found: usize,
    /// User records that are still to come without a look-up.
    pause: usize,
    /// Look-ups since the last time at which no user record was held.
    used: usize,
}

impl KnownKeys {
    /// Returns the hash key of a user record.
    pub(super) fn hash_key_of(&mut self, user_record: &OwnedUserRecord) -> HashKey {
        let key = user_record.partition_key().unwrap_or_default().as_bytes();
        if user_record.explicit_hash_key().is_some() || key.len() > MAX_KEY_LEN {
            return user_record.hash_key();
        }
        if self.pause > 0 {
            self.pause = self.pause.saturating_sub(1);
            return user_record.hash_key();
        }
        if self.looked_up >= TRIAL_COUNT && self.has_failed() {
            return user_record.hash_key();
        }
        self.looked_up = self.looked_up.saturating_add(1);
        self.used = self.used.saturating_add(1);
        let hash = hash(&self.build_hasher, key);
        let known = self.known.find(hash, |known| known.partition_key() == key);
        if let Some(known) = known {
            self.found = self.found.saturating_add(1);
            return known.hash_key;
        }
        let hash_key = user_record.hash_key();
        self.add(hash, key, hash_key);
        hash_key
    }

    fn add(&mut self, hash_of_key: u64, key: &[u8], hash_key: HashKey) {
        if self.known.len() >= MAX_COUNT {
            self.known.clear();
        }
        if let Some(known) = KnownKey::new(key, hash_key) {
            let build_hasher = &self.build_hasher;
            let hash_of = |known: &KnownKey| hash(build_hasher, known.partition_key());
            self.known.insert_unique(hash_of_key, known, hash_of);
        }
    }

    /// Ends a trial. If less than a quarter of the keys were found, nothing is
    /// looked up for a while.
    #[cold]
    fn has_failed(&mut self) -> bool {
        let has_failed = self.found < self.looked_up / 4;
        (self.looked_up, self.found) = (0, 0);
        if has_failed {
            self.pause = PAUSE_COUNT;
            self.known = HashTable::new();
        }
        has_failed
    }

    /// Frees the memory if few of the keys can have been used since the last call.
    /// Called when no user record is held.
    pub(super) fn shrink(&mut self) {
        if core::mem::take(&mut self.used) < self.known.len() / 4 {
            self.known = HashTable::new();
        }
    }
}

fn hash(build_hasher: &DefaultHashBuilder, key: &[u8]) -> u64 {
    let mut hasher = build_hasher.build_hasher();
    hasher.write(key);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(known: &mut KnownKeys, key: &str) {
        let user_record = OwnedUserRecord::new(key, "");
        assert_eq!(known.hash_key_of(&user_record), user_record.hash_key());
    }

    #[test]
    fn the_hash_key_is_right_for_every_length_known_or_not() {
        let mut known = KnownKeys::default();
        for _ in 0..2 {
            for len in 0..=2 * MAX_KEY_LEN {
                ask(&mut known, &"x".repeat(len));
            }
            let explicit = OwnedUserRecord::new("x", "").with_explicit_hash_key(HashKey::new(7));
            assert_eq!(known.hash_key_of(&explicit), HashKey::new(7));
        }
        assert_eq!(known.known.len(), MAX_KEY_LEN + 1);
        assert_eq!(known.found, MAX_KEY_LEN + 1);
    }

    /// Protects memory use.
    #[test]
    fn keys_that_repeat_are_kept_and_others_are_not_looked_up_for_a_while() {
        let mut known = KnownKeys::default();
        for number in 0..3 * TRIAL_COUNT {
            ask(&mut known, &(number % MAX_COUNT).to_string());
        }
        assert_eq!(known.known.len(), MAX_COUNT);
        known.shrink();
        assert_eq!(known.known.len(), MAX_COUNT);
        ask(&mut known, "1");
        known.shrink();
        assert_eq!(known.known.len(), 0);
        for number in 0..3 * TRIAL_COUNT {
            ask(&mut known, &number.to_string());
            assert!(known.known.len() <= MAX_COUNT);
        }
        assert_eq!((known.known.len(), known.pause > 0), (0, true));
        for number in 0..PAUSE_COUNT + MAX_COUNT {
            ask(&mut known, &(number % 10).to_string());
        }
        assert_eq!(known.known.len(), 10);
    }
}
