//! Has this key been written already? The writer's memory of its keys.

use crate::limits::{DEFAULT_KEY_SLOTS, LARGEST_MAX_SIZE, MAX_PARTITION_KEY_UTF16_LEN};
use crate::schema::KeyKind;
use crate::wire::varint::FOR_SIZE;

/// A key that stands in an aggregate that is being written: where, and under
/// which index of its table.
///
/// Eight bytes. The key itself is only in the writer's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteSlot {
    /// Distance of its bytes from the buffer's end; never 0.
    pub(crate) from_end: u32,
    /// Its index, and below that in [`SHAPE_BITS`] its length and its table.
    index_and_shape: u32,
}

/// Bits of a key's length and table.
const SHAPE_BITS: u32 = 11;
/// Those of the length hold the most bytes that a partition key's UTF-16 units have.
const _: () = assert!(MAX_PARTITION_KEY_UTF16_LEN * 3 < 1 << (SHAPE_BITS - 1));
/// Those above them hold every index: each key comes with a user record, which take 9 bytes together.
const _: () = assert!(LARGEST_MAX_SIZE / 9 < 1 << (u32::BITS - SHAPE_BITS));

impl WriteSlot {
    /// No key.
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

    /// Length and table of a key that the writer takes, in [`SHAPE_BITS`].
    pub(crate) fn shape(kind: KeyKind, key: &[u8]) -> u32 {
        let len = u32::try_from(key.len()).unwrap_or(u32::MAX);
        len << 1 | u32::from(kind == KeyKind::ExplicitHash)
    }

    pub(crate) fn has_shape(self, shape: u32) -> bool {
        self.index_and_shape & ((1 << SHAPE_BITS) - 1) == shape
    }

    /// Bytes of the key, if it is an explicit hash key.
    pub(crate) fn explicit_hash_key_len(self) -> Option<usize> {
        let shape = self.index_and_shape & ((1 << SHAPE_BITS) - 1);
        let is_explicit = shape & 1 == 1;
        usize::try_from(shape >> 1).ok().filter(|_| is_explicit)
    }

    pub(crate) fn index(self) -> u32 {
        self.index_and_shape >> SHAPE_BITS
    }

    fn is_empty(self) -> bool {
        self.from_end == 0
    }
}

/// Remembers keys, so that the writer stores each once.
///
/// [`KeySlots`] is the one for memory of a fixed size. An index may forget: a
/// key that it does not find is stored again, which the format allows.
pub trait KeyLookup {
    /// Finds the key that is sought by the bytes `key`; `is_same` tells whether a
    /// candidate is it. An explicit hash key is sought by its number, not its text.
    fn find(&self, key: &[u8], is_same: impl FnMut(WriteSlot) -> bool) -> Option<WriteSlot>;

    /// Remembers a key that [`find`](Self::find) did not find.
    fn insert(&mut self, key: &[u8], interned: WriteSlot);

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
/// use kinesis_agg_codec::{AggregateWriter, WriteSlot, KeySlots};
///
/// let mut buffer = [0; 4096];
/// let mut slots = [WriteSlot::EMPTY; 64];
/// let writer = AggregateWriter::with_key_lookup(&mut buffer, KeySlots::new(&mut slots));
/// # drop(writer);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct KeySlots<S = [WriteSlot; DEFAULT_KEY_SLOTS]>(S);

impl<S> KeySlots<S> {
    /// An index in `slots`: an array, or a slice of one. They have to be
    /// [`WriteSlot::EMPTY`].
    pub const fn new(slots: S) -> Self {
        Self(slots)
    }
}

impl Default for KeySlots {
    fn default() -> Self {
        Self::new([WriteSlot::EMPTY; DEFAULT_KEY_SLOTS])
    }
}

impl<S: AsRef<[WriteSlot]> + AsMut<[WriteSlot]>> KeyLookup for KeySlots<S> {
    #[cfg_attr(feature = "fast", inline(always))]
    fn find(&self, key: &[u8], is_same: impl FnMut(WriteSlot) -> bool) -> Option<WriteSlot> {
        let slots = self.0.as_ref();
        let at = position(slots, key, is_same)?;
        slots.get(at).copied().filter(|slot| !slot.is_empty())
    }

    fn insert(&mut self, key: &[u8], interned: WriteSlot) {
        let slots = self.0.as_mut();
        let at = position(slots, key, |_| false);
        if let Some(slot) = at.and_then(|at| slots.get_mut(at)) {
            *slot = interned;
        }
    }

    fn clear(&mut self) {
        self.0.as_mut().fill(WriteSlot::EMPTY);
    }
}

/// The place of the slot that has this key, or else of the empty one that it
/// would be put into.
#[inline(always)]
fn position(
    slots: &[WriteSlot],
    key: &[u8],
    mut is_same: impl FnMut(WriteSlot) -> bool,
) -> Option<usize> {
    // Scales 32 bits down to the number of slots without a division.
    let scaled = u64::from(hash(key))
        .wrapping_mul(u64::try_from(slots.len()).unwrap_or_default())
        .wrapping_shr(u32::BITS);
    let mut at = usize::try_from(scaled).unwrap_or_default();
    for _ in 0..slots.len() {
        let slot = *slots.get(at)?;
        if slot.is_empty() || is_same(slot) {
            return Some(at);
        }
        at = at.wrapping_add(1);
        if at == slots.len() {
            at = 0;
        }
    }
    None
}

/// A number that spreads keys over the slots. A bad spread costs comparisons,
/// never correctness.
fn hash(key: &[u8]) -> u32 {
    /// 2^32 divided by the golden ratio, made odd.
    const FACTOR: u32 = 0x9e37_79b9;
    if FOR_SIZE {
        let mix = |hash: u32, &byte| (hash.rotate_left(5) ^ u32::from(byte)).wrapping_mul(FACTOR);
        return key.iter().fold(0, mix);
    }
    // The fraction of the root of 2: not zero, which would let a chunk's other half count for nothing.
    let mut hash = 0x6a09_e667_f3bc_c908;
    let mut rest = key;
    while let Some((chunk, tail)) = rest.split_first_chunk() {
        hash = fold(hash, u128::from_le_bytes(*chunk));
        rest = tail;
    }
    let hash = match (key.last_chunk(), rest.first_chunk(), rest.last_chunk()) {
        // What is left, and some of what was there before it.
        (Some(chunk), _, _) => fold(hash, u128::from_le_bytes(*chunk)),
        (None, Some(first), Some(last)) => {
            let first = u128::from(u64::from_le_bytes(*first));
            fold(hash, first | u128::from(u64::from_le_bytes(*last)) << 64)
        }
        _ => rest
            .iter()
            .fold(hash, |hash, &byte| fold(hash, u128::from(byte))),
    };
    u32::try_from(hash >> 32).unwrap_or_default()
}

/// Multiplies both halves of a chunk, and the product's.
fn fold(hash: u64, chunk: u128) -> u64 {
    /// 2^64 divided by the golden ratio, made odd.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (low, high) = halves(chunk);
    let product = u128::from(hash ^ low).wrapping_mul(u128::from(high ^ FACTOR));
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
