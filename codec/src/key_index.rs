//! Has this key been written already? The writer's memory of its keys.

use crate::limits::DEFAULT_KEY_SLOTS;
use crate::wire::varint::FOR_SIZE;

/// A key that stands in an aggregate that is being written: where, and under
/// which index of its table.
///
/// Eight bytes. The key itself is only in the writer's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternedKey {
    /// Distance of its table entry from the buffer's end; never 0.
    pub(crate) from_end: u32,
    pub(crate) index: u32,
}

impl InternedKey {
    /// No key.
    pub const EMPTY: Self = Self {
        from_end: 0,
        index: 0,
    };
}

/// Remembers keys, so that the writer stores each once.
///
/// [`KeySlots`] is the one for memory of a fixed size. An index may forget: a
/// key that it does not find is stored again, which the format allows.
pub trait KeyIndex {
    /// Finds the key with the bytes `key`; `is_same` compares a candidate with
    /// them.
    fn find(&self, key: &[u8], is_same: impl FnMut(InternedKey) -> bool) -> Option<InternedKey>;

    /// Remembers a key that [`find`](Self::find) did not find.
    fn insert(&mut self, key: &[u8], interned: InternedKey);

    /// Forgets all keys.
    fn clear(&mut self);
}

/// A hash table in memory that the caller lends, eight bytes a key.
///
/// As long as the keys are no more than the slots, every key is found. Beyond
/// that, keys that come anew are forgotten. A look-up compares the key with
/// about one other while a quarter of the slots is free, and with all of them
/// if none is: give a third more slots than keys where there are many, or twice
/// as many where time matters more.
///
/// ```
/// use kinesis_agg_codec::{AggregateWriter, InternedKey, KeySlots};
///
/// let mut buffer = [0; 4096];
/// let mut slots = [InternedKey::EMPTY; 64];
/// let writer = AggregateWriter::with_key_index(&mut buffer, KeySlots::new(&mut slots));
/// # drop(writer);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct KeySlots<S = [InternedKey; DEFAULT_KEY_SLOTS]>(S);

impl<S> KeySlots<S> {
    /// An index in `slots`: an array, or a slice of one. They have to be
    /// [`InternedKey::EMPTY`].
    pub const fn new(slots: S) -> Self {
        Self(slots)
    }
}

impl Default for KeySlots {
    fn default() -> Self {
        Self::new([InternedKey::EMPTY; DEFAULT_KEY_SLOTS])
    }
}

impl<S: AsRef<[InternedKey]>> KeySlots<S> {
    /// The slot that is tried first for `key`; the others follow, all round.
    fn first(&self, key: &[u8]) -> usize {
        let slot_count = self.0.as_ref().len();
        // Scales 32 bits down to the number of slots without a division.
        let scaled = u64::from(hash(key))
            .wrapping_mul(u64::try_from(slot_count).unwrap_or_default())
            .wrapping_shr(u32::BITS);
        usize::try_from(scaled).unwrap_or_default()
    }
}

impl<S: AsRef<[InternedKey]> + AsMut<[InternedKey]>> KeyIndex for KeySlots<S> {
    fn find(
        &self,
        key: &[u8],
        mut is_same: impl FnMut(InternedKey) -> bool,
    ) -> Option<InternedKey> {
        let (wrapped, ahead) = self.0.as_ref().split_at_checked(self.first(key))?;
        for part in [ahead, wrapped] {
            for &slot in part {
                if slot == InternedKey::EMPTY {
                    return None;
                }
                if is_same(slot) {
                    return Some(slot);
                }
            }
        }
        None
    }

    fn insert(&mut self, key: &[u8], interned: InternedKey) {
        let first = self.first(key);
        let Some((wrapped, ahead)) = self.0.as_mut().split_at_mut_checked(first) else {
            return;
        };
        let free = ahead
            .iter_mut()
            .chain(wrapped)
            .find(|slot| **slot == InternedKey::EMPTY);
        if let Some(slot) = free {
            *slot = interned;
        }
    }

    fn clear(&mut self) {
        self.0.as_mut().fill(InternedKey::EMPTY);
    }
}

/// Multiplies words into a number, in 32 bits for small processors. A bad
/// spread costs comparisons, never correctness.
fn hash(key: &[u8]) -> u32 {
    /// 2^32 divided by the golden ratio, made odd.
    const FACTOR: u32 = 0x9e37_79b9;
    let mix = |hash: u32, word: u32| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    // Two words a step: the second one's product does not wait for the step before.
    let mix_two = |hash, &[a, b, c, d, e, f, g, h]: &[u8; 8]| {
        let second = u32::from_le_bytes([e, f, g, h]).wrapping_mul(FACTOR);
        mix(
            hash,
            u32::from_le_bytes([a, b, c, d]) ^ second.rotate_left(15),
        )
    };
    let mut hash = 0;
    let mut rest = key;
    if FOR_SIZE {
        return key.iter().fold(0, |hash, &byte| mix(hash, u32::from(byte)));
    }
    while let Some((words, tail)) = rest.split_first_chunk() {
        hash = mix_two(hash, words);
        rest = tail;
    }
    match key.last_chunk() {
        // What is left, and some of what was there before it.
        Some(words) => mix_two(hash, words),
        None => rest
            .iter()
            .fold(hash, |hash, &byte| mix(hash, u32::from(byte))),
    }
}
