//! Finds the keys that a writer has stored already.

use crate::limits::{
    DEFAULT_KEY_SLOTS, LARGEST_MAX_SIZE, MAX_KEY_PROBES, MAX_PARTITION_KEY_UTF16_LEN,
};
use crate::schema::KeyKind;
use crate::wire::num::{Num as _, to_u32};
use crate::wire::varint::FOR_SIZE;

/// A key of the aggregate that is being written: where it is in the buffer, and
/// its index in its table.
///
/// Eight bytes. The key itself is only in the writer's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteSlot {
    /// Bytes from the start of the key to the buffer's end; never 0.
    pub(crate) from_end: u32,
    /// The index and, in the low [`SHAPE_BITS`], the key's length and table, so
    /// that a candidate is compared without reading its entry.
    index_and_shape: u32,
}

/// Bits of a key's length and table.
const SHAPE_BITS: u32 = 11;
/// They hold the length of the longest partition key: three bytes a UTF-16 unit.
const _: () = assert!(MAX_PARTITION_KEY_UTF16_LEN * 3 < 1 << (SHAPE_BITS - 1));
/// The bits above them hold every index: each key has a user record, and both take at least 9
/// bytes.
const _: () = assert!(LARGEST_MAX_SIZE / 9 < 1 << (u32::BITS - SHAPE_BITS));

impl WriteSlot {
    /// A slot without a key.
    pub const EMPTY: Self = Self {
        from_end: 0,
        index_and_shape: 0,
    };

    pub(crate) fn new(from_end: u32, index: u32, shape: u32) -> Self {
        Self {
            from_end,
            index_and_shape: index << SHAPE_BITS | shape,
        }
    }

    /// Returns length and table of a key that the writer accepts, in [`SHAPE_BITS`].
    pub(crate) fn shape(kind: KeyKind, key: &[u8]) -> u32 {
        to_u32(key.len()) << 1 | u32::from(kind == KeyKind::ExplicitHash)
    }

    pub(crate) fn has_shape(self, shape: u32) -> bool {
        self.index_and_shape & ((1 << SHAPE_BITS) - 1) == shape
    }

    /// Returns the length of the key if it is an explicit hash key.
    pub(crate) fn explicit_hash_key_len(self) -> Option<u32> {
        let shape = self.index_and_shape & ((1 << SHAPE_BITS) - 1);
        (shape & 1 == 1).then_some(shape >> 1)
    }

    pub(crate) fn index(self) -> u32 {
        self.index_and_shape >> SHAPE_BITS
    }

    fn is_empty(self) -> bool {
        self.from_end == 0
    }
}

/// Remembers the keys of an aggregate, so that the writer stores each once.
///
/// [`KeySlots`] implements it in memory of a fixed size. An implementation may
/// forget keys: a key that is not found is stored again, which the format
/// allows.
pub trait KeyLookup {
    /// Finds the slot of a key that was inserted since the last
    /// [`clear`](Self::clear).
    ///
    /// `is_match` returns true if a candidate is the wanted key. Only candidates for which it
    /// returned true may be returned. `key` is what to hash: for an explicit hash key, the 16
    /// bytes of its number, not its text.
    fn find(&self, key: &[u8], is_match: impl FnMut(WriteSlot) -> bool) -> Option<WriteSlot>;

    /// Remembers a key that [`find`](Self::find) did not find.
    fn insert(&mut self, key: &[u8], slot: WriteSlot);

    /// Forgets all keys. The writer calls this before the first key of each
    /// aggregate.
    fn clear(&mut self);
}

/// A hash table in memory that the caller lends or that it owns, eight bytes a
/// slot.
///
/// `S` is the type of the slots: an array, or a mutable slice.
///
/// | Slots | Keys stored |
/// |---|---|
/// | at least twice as many as keys of both kinds | each once: the bytes are the KPL's |
/// | at least as many as keys, and at most [`MAX_KEY_PROBES`] | each once |
/// | others | some of them more than once |
///
/// A look-up compares the key with at most [`MAX_KEY_PROBES`] others, so keys
/// that were chosen to collide cost at most that; with more than 128 slots, they
/// may be stored more than once. Other keys collide like that by chance in less than
/// one of 10^9 aggregates. A key that is stored again makes the blob longer by its
/// length. The user records are the same.
///
/// The slots may hold anything when they are lent: the writer overwrites them
/// before it uses them.
///
/// ```
/// use kinesis_agg_codec::{AggregateWriter, WriteSlot, KeySlots};
///
/// let mut buffer = [0; 4096];
/// let mut slots = [WriteSlot::EMPTY; 64];
/// let writer = AggregateWriter::with_key_lookup(&mut buffer, KeySlots::new(&mut slots));
/// # drop(writer);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySlots<S = [WriteSlot; DEFAULT_KEY_SLOTS]>(S);

impl<S> KeySlots<S> {
    /// Creates a table from these slots, whatever they hold.
    pub const fn new(slots: S) -> Self {
        Self(slots)
    }

    /// Returns the slots.
    #[must_use]
    pub fn into_slots(self) -> S {
        self.0
    }
}

impl Default for KeySlots {
    fn default() -> Self {
        Self::new([WriteSlot::EMPTY; DEFAULT_KEY_SLOTS])
    }
}

impl<S: AsRef<[WriteSlot]> + AsMut<[WriteSlot]>> KeyLookup for KeySlots<S> {
    #[cfg_attr(feature = "fast", inline(always))]
    fn find(&self, key: &[u8], is_match: impl FnMut(WriteSlot) -> bool) -> Option<WriteSlot> {
        let slots = self.0.as_ref();
        let at = position(slots, key, is_match)?;
        slots.get(at).copied().filter(|slot| !slot.is_empty())
    }

    fn insert(&mut self, key: &[u8], slot: WriteSlot) {
        let slots = self.0.as_mut();
        let at = position(slots, key, |_| false);
        if let Some(place) = at.and_then(|at| slots.get_mut(at)) {
            *place = slot;
        }
    }

    fn clear(&mut self) {
        self.0.as_mut().fill(WriteSlot::EMPTY);
    }
}

/// With up to so many slots, of which half are free, more slots are probed than are taken.
const FEW_SLOTS: usize = 2 * MAX_KEY_PROBES;

/// Returns the place of the slot that has this key, or else of the empty one
/// for it. `None` after [`MAX_KEY_PROBES`] slots, or if all are taken.
// Inlined: 11 % fewer instructions for a push on x86-64.
#[inline(always)]
fn position(
    slots: &[WriteSlot],
    key: &[u8],
    mut is_match: impl FnMut(WriteSlot) -> bool,
) -> Option<usize> {
    // Scales 32 bits down to the number of slots without a division.
    let scaled = u64::from(hash(key))
        .wrapping_mul(u64::try_from(slots.len()).unwrap_or_default())
        .wrapping_shr(u32::BITS);
    let mut at = usize::try_from(scaled).unwrap_or_default();
    // With few slots, one after the other is probed, so that a free one is reached if half of
    // them are. With more, the distance grows by one each time, so that no long runs of taken
    // slots build up; such probes can return to the same slots.
    let growth = usize::from(slots.len() > FEW_SLOTS);
    let mut distance = 1_usize;
    for _ in 0..slots.len().min(MAX_KEY_PROBES) {
        let slot = *slots.get(at)?;
        if slot.is_empty() || is_match(slot) {
            return Some(at);
        }
        at = at.plus(distance);
        if at >= slots.len() {
            at = at.minus(slots.len());
        }
        distance = distance.plus(growth);
    }
    None
}

/// Hashes a key. Collisions cost comparisons and, beyond [`MAX_KEY_PROBES`],
/// keys that are stored again.
fn hash(key: &[u8]) -> u32 {
    /// 2^32 divided by the golden ratio, made odd.
    const FACTOR: u32 = 0x9e37_79b9;
    // Byte by byte without `fast`: 0.3 kB less on a Cortex-M3, and half as fast on x86-64.
    if FOR_SIZE {
        let mix = |hash: u32, &byte| (hash.rotate_left(5) ^ u32::from(byte)).wrapping_mul(FACTOR);
        return key.iter().fold(0, mix);
    }
    // The fraction of the square root of 2. With zero, a chunk whose low half is zero would
    // hash to zero, whatever its high half.
    let mut hash = 0x6a09_e667_f3bc_c908;
    let mut rest = key;
    while rest.len() > 16 {
        let Some((chunk, tail)) = rest.split_first_chunk() else {
            break;
        };
        hash = fold(hash, u128::from_le_bytes(*chunk));
        rest = tail;
    }
    let hash = match (key.last_chunk(), rest.first_chunk(), rest.last_chunk()) {
        // The remaining bytes, and some that precede them.
        (Some(chunk), _, _) => fold(hash, u128::from_le_bytes(*chunk)),
        (None, Some(first), Some(last)) => {
            let first = u128::from(u64::from_le_bytes(*first));
            fold(hash, first | u128::from(u64::from_le_bytes(*last)) << 64)
        }
        _ => rest
            .iter()
            .fold(hash, |hash, &byte| fold(hash, u128::from(byte))),
    };
    // Without another multiplication, consecutive keys with an unlucky prefix differ only in the
    // low bits.
    u32::try_from(hash.wrapping_mul(GOLDEN) >> 32).unwrap_or_default()
}

/// 2^64 divided by the golden ratio, made odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Multiplies both halves of a chunk and folds the product.
fn fold(hash: u64, chunk: u128) -> u64 {
    let (low, high) = halves(chunk);
    let product = u128::from(hash ^ low).wrapping_mul(u128::from(high ^ GOLDEN));
    let (low, high) = halves(product);
    low ^ high
}

fn halves(number: u128) -> (u64, u64) {
    let low = number & u128::from(u64::MAX);
    (
        u64::try_from(low).unwrap_or_default(),
        u64::try_from(number >> 64).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use alloc::vec::Vec;

    use super::*;
    use crate::hash_key::HashKey;
    use crate::write::aggregate_writer::AggregateWriter;
    use crate::write::new_user_record::NewUserRecord;

    /// Probes at growing distances miss 44 of 65 slots.
    #[test]
    fn up_to_128_slots_have_room_for_half_as_many_keys_even_if_all_collide() {
        for slot_count in 1..=FEW_SLOTS {
            let mut slots = alloc::vec![WriteSlot::EMPTY; slot_count];
            for taken in 0..slot_count.div_ceil(2) {
                let free = position(&slots, b"key", |_| false);
                let free = free.unwrap_or_else(|| panic!("{taken} of {slot_count} slots taken"));
                slots[free] = WriteSlot::new(1, 0, 0);
            }
        }
    }

    /// Slots with arbitrary places, indices, lengths and tables, which no writer would leave.
    #[test]
    fn arbitrary_bits_in_write_slots_do_not_change_the_blob() {
        let mut state = 1_u64;
        let mut bits = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            u32::try_from(state >> 32).unwrap()
        };
        for round in 0..500 {
            let slots: Vec<_> = (0..8)
                .map(|_| WriteSlot {
                    // Within the buffer, or anywhere.
                    from_end: if round % 2 == 0 { bits() % 300 } else { bits() },
                    index_and_shape: bits() >> (round % 32),
                })
                .collect();
            let mut dirty = AggregateWriter::with_key_lookup([0xa5; 256], KeySlots::new(slots));
            let slots = [WriteSlot::EMPTY; 8];
            let mut clean = AggregateWriter::with_key_lookup([0; 256], KeySlots::new(slots));
            for n in 0..6 {
                let key = (n % 4).to_string();
                let number = HashKey::new(u128::from(bits() % 3));
                let user_record = NewUserRecord::new(&key, b"21.5").with_explicit_hash_key(number);
                let len = clean.encoded_len_with(&user_record);
                assert_eq!(dirty.encoded_len_with(&user_record), len);
                clean.try_push(&user_record).unwrap();
                dirty.try_push(&user_record).unwrap();
            }
            assert_eq!(dirty.finish(), clean.finish());
        }
    }
}
