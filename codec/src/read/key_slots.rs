//! Finding a key by its index, in memory that the caller lends.
//!
//! Nothing says where in a message its keys stand, so the place of each is
//! noted once: a slot a key. Where there are fewer slots than keys, every
//! n-th key of a table is noted, the first being always known, and the rest of
//! the way is walked.

use crate::read::record::TableKey;
use crate::schema::{EXPLICIT_HASH_KEY, KeyKind, PARTITION_KEY};
use crate::wire::cursor::Cursor;
use crate::wire::field::Fields;
use crate::wire::varint::FOR_SIZE;

/// A slot of the reader's key index: where in the message one key stands.
///
/// Four bytes. Only the reader fills it in; `ReadSlot::default()` is an empty
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadSlot(u32);

/// What the check of a message learned about one key table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyTable {
    pub(crate) count: u32,
    /// Where the first key's length stands.
    first: u32,
    /// Keys that there have to be: one more than the highest index in use.
    needed: u32,
}

impl KeyTable {
    /// Counts a key whose length stands at `len_offset`, in the order of the
    /// message.
    #[inline]
    pub(crate) fn note_key(&mut self, len_offset: usize) {
        if self.count == 0 {
            self.first = to_u32(len_offset);
        }
        // There are fewer keys than bytes, and these have 32 bits.
        self.count = self.count.wrapping_add(1);
    }

    /// Sees how many keys a record needs: one more than its index.
    #[inline]
    pub(crate) fn note_needed(&mut self, needed: u32) {
        self.needed = self.needed.max(needed);
    }

    /// True if every index that was seen has its key.
    pub(crate) fn has_all_used(&self) -> bool {
        self.needed <= self.count
    }
}

/// Offsets in a checked message have 32 bits.
#[inline]
fn to_u32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// One table's share of the slots.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    /// Where the first key's length stands.
    first: u32,
    /// Slots before this table's.
    base: u32,
    /// The key that was looked up last, and where its length stands: keys in
    /// order of first use are found in one step, however few slots there are.
    last: (u32, u32),
}

/// Both key tables of one message, indexed. Offsets count from the message's
/// start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyTables {
    /// Every how many keys there is a slot.
    stride: u32,
    partition_keys: Share,
    explicit_hash_keys: Share,
}

impl KeyTables {
    /// Notes in `slots` where the keys of a checked `message` stand.
    ///
    /// Reads the message up to its last key: in the KPL's order, the keys
    /// alone.
    #[inline(always)]
    pub(crate) fn note(
        &mut self,
        partition_keys: KeyTable,
        explicit_hash_keys: KeyTable,
        message: &[u8],
        slots: &mut [ReadSlot],
    ) {
        let key_count = partition_keys
            .count
            .saturating_add(explicit_hash_keys.count);
        let slot_count = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        // Slots divide the keys into blocks of `stride`. That the first block of each table needs
        // no slot makes up for the rounding in both: the slots always suffice. With a slot for each
        // key there is nothing to round, and the first has one, too: every look-up is the same. On
        // bare metal it has none, so that there is one way.
        self.stride = match slot_count {
            0 => u32::MAX,
            _ => key_count.div_ceil(slot_count).max(1),
        };
        self.partition_keys = Share::new(partition_keys, 0);
        let slots_before = match self.stride {
            1 if !FOR_SIZE => partition_keys.count,
            stride => partition_keys
                .count
                .saturating_sub(1)
                .checked_div(stride)
                .unwrap_or_default(),
        };
        self.explicit_hash_keys = Share::new(explicit_hash_keys, slots_before);
        self.fill(key_count, message, slots);
    }

    fn fill(&mut self, key_count: u32, message: &[u8], slots: &mut [ReadSlot]) {
        let mut cursor = Cursor::new(message, 0);
        let mut fields = Fields::new(message, 0);
        let mut seen = [0_u32; 2];
        let mut left = key_count;
        while left > 0 {
            let usual = match FOR_SIZE {
                true => None,
                false => TableKey::take_usual(&mut cursor),
            };
            let (kind, len_offset) = match usual {
                Some(key) => (key.kind, key.len_offset),
                None => {
                    if !FOR_SIZE {
                        fields.at = cursor.offset();
                    }
                    if fields.next(0) != Ok(true) {
                        break;
                    }
                    if !FOR_SIZE {
                        let at = fields.at;
                        cursor = Cursor::new(message.get(at..).unwrap_or_default(), at);
                    }
                    let kind = match fields.tag {
                        PARTITION_KEY => KeyKind::Partition,
                        EXPLICIT_HASH_KEY => KeyKind::ExplicitHash,
                        _ => continue,
                    };
                    (kind, fields.value_offset)
                }
            };
            let [partition_keys, explicit_hash_keys] = &mut seen;
            let (position, share) = match kind {
                KeyKind::Partition => (partition_keys, &self.partition_keys),
                KeyKind::ExplicitHash => (explicit_hash_keys, &self.explicit_hash_keys),
            };
            let slot = share
                .slot_at(*position, self.stride)
                .and_then(|slot| slots.get_mut(slot));
            if let Some(slot) = slot {
                *slot = ReadSlot(to_u32(len_offset));
            }
            *position = position.wrapping_add(1);
            left = left.wrapping_sub(1);
        }
    }

    /// The key at `position` of this table; `None` only in a message that is not
    /// the one that was indexed.
    #[cfg_attr(feature = "fast", inline(always))]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn key<'buf>(
        &mut self,
        message: &'buf [u8],
        slots: &[ReadSlot],
        kind: KeyKind,
        position: u32,
    ) -> Option<&'buf [u8]> {
        let stride = self.stride;
        let share = match kind {
            KeyKind::Partition => &mut self.partition_keys,
            KeyKind::ExplicitHash => &mut self.explicit_hash_keys,
        };
        if stride == 1 && !FOR_SIZE {
            let slot = usize::try_from(share.base.wrapping_add(position)).ok()?;
            return key_at(message, slots.get(slot)?.0);
        }
        // A copy, so that the share itself can live in registers.
        let mut walked = *share;
        let key = walked.walk(message, slots, kind, position, stride);
        *share = walked;
        key
    }
}

impl Share {
    fn new(table: KeyTable, base: u32) -> Self {
        Self {
            first: table.first,
            base,
            last: (0, table.first),
        }
    }

    /// The slot that is for the key at `position`, if it has one.
    fn slot_at(&self, position: u32, stride: u32) -> Option<usize> {
        let block = match stride {
            1 if !FOR_SIZE => position,
            _ if position.checked_rem(stride)? == 0 => {
                position.checked_div(stride)?.checked_sub(1)?
            }
            _ => return None,
        };
        usize::try_from(self.base.wrapping_add(block)).ok()
    }

    /// Walks from the nearest known key before `position`.
    #[cfg_attr(feature = "fast", cold, inline(never))]
    #[cfg_attr(not(feature = "fast"), inline(always))]
    fn walk<'buf>(
        &mut self,
        message: &'buf [u8],
        slots: &[ReadSlot],
        kind: KeyKind,
        position: u32,
        stride: u32,
    ) -> Option<&'buf [u8]> {
        let block = position.checked_div(stride)?;
        let known = match block.checked_sub(1) {
            None => (0, self.first),
            Some(slot) => {
                let slot = usize::try_from(self.base.wrapping_add(slot)).ok()?;
                (block.wrapping_mul(stride), slots.get(slot)?.0)
            }
        };
        let (mut at, len_offset) = match (known.0..=position).contains(&self.last.0) {
            true => self.last,
            false => known,
        };
        let mut fields = Fields::new(message, usize::try_from(len_offset).ok()?);
        fields.read_bytes().ok()?;
        while at < position {
            fields.next_of(kind.tag())?;
            at = at.wrapping_add(1);
        }
        self.last = (at, to_u32(fields.value_offset));
        Some(fields.bytes())
    }
}

/// The key whose length stands at `len_offset` of `message`.
#[inline]
fn key_at(message: &[u8], len_offset: u32) -> Option<&[u8]> {
    let len_offset = usize::try_from(len_offset).ok()?;
    let mut cursor = Cursor::new(message.get(len_offset..)?, len_offset);
    cursor
        .short_bytes()
        .or_else(|| long_key(message, len_offset))
}

#[cold]
fn long_key(message: &[u8], len_offset: usize) -> Option<&[u8]> {
    let mut fields = Fields::new(message, len_offset);
    fields.read_bytes().ok()?;
    Some(fields.bytes())
}
