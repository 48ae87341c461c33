//! Finding a key by its index, in memory that the caller lends.
//!
//! Nothing says where in a message its keys stand, so the place of each is
//! noted once: a slot a key. Where there are fewer slots than keys, every
//! n-th key of a table is noted, the first being always known, and the rest of
//! the way is walked.

use crate::message::{Table, TableKey, TopField};
use crate::wire::cursor::Cursor;
use crate::wire::fault::Fault;

/// A slot of the reader's key index: where in the message one key stands.
///
/// Four bytes. Only the reader fills it in; `KeyOffset::default()` is an empty
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyOffset(u32);

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

    /// Sees a record's index into the table.
    #[inline]
    pub(crate) fn note_index(&mut self, index: u32) {
        self.needed = self.needed.max(index.wrapping_add(1));
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
#[derive(Clone, Copy, Debug)]
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyTables {
    /// Keys in both tables.
    key_count: u32,
    /// Every how many keys there is a slot.
    stride: u32,
    partition_keys: Share,
    explicit_hash_keys: Share,
}

impl KeyTables {
    /// Divides so many slots among the keys; [`fill`](Self::fill) comes next.
    #[inline]
    pub(crate) fn new(
        partition_keys: KeyTable,
        explicit_hash_keys: KeyTable,
        slot_count: usize,
    ) -> Self {
        let key_count = partition_keys
            .count
            .saturating_add(explicit_hash_keys.count);
        let slot_count = u32::try_from(slot_count).unwrap_or(u32::MAX);
        // Slots divide the keys into blocks of `stride`. That the first block of each table needs
        // no slot makes up for the rounding in both: the slots always suffice.
        let stride = match slot_count {
            0 => u32::MAX,
            _ => key_count.div_ceil(slot_count).max(1),
        };
        let base = match stride {
            1 => partition_keys.count,
            _ => blocks_after_first(partition_keys.count, stride),
        };
        Self {
            key_count,
            stride,
            partition_keys: Share::new(partition_keys, 0),
            explicit_hash_keys: Share::new(explicit_hash_keys, base),
        }
    }

    /// Notes in the slots where the keys of a checked `message` stand.
    ///
    /// Reads the message up to its last key: in the KPL's order, the keys
    /// alone.
    pub(crate) fn fill(&self, message: &[u8], slots: &mut [KeyOffset]) {
        let mut cursor = Cursor::new(message, 0);
        let mut seen = [0_u32; 2];
        let mut left = self.key_count;
        while left > 0 {
            let key = match TableKey::take_usual(&mut cursor) {
                Some(key) => key,
                None => match TopField::read(&mut cursor, &mut Fault::room()) {
                    Ok(Some(TopField::Key(key))) => key,
                    Ok(Some(TopField::Record(_))) => continue,
                    _ => break,
                },
            };
            let [partition_keys, explicit_hash_keys] = &mut seen;
            let (position, share) = match key.table {
                Table::PartitionKeys => (partition_keys, &self.partition_keys),
                Table::ExplicitHashKeys => (explicit_hash_keys, &self.explicit_hash_keys),
            };
            let slot = share
                .slot_at(*position, self.stride)
                .and_then(|slot| slots.get_mut(slot));
            if let Some(slot) = slot {
                *slot = KeyOffset(to_u32(key.len_offset));
            }
            *position = position.wrapping_add(1);
            left = left.wrapping_sub(1);
        }
    }

    /// The partition key at `index`; `None` only in a message that is not the
    /// one that was indexed.
    #[inline]
    pub(crate) fn partition_key<'buf>(
        &mut self,
        message: &'buf [u8],
        slots: &[KeyOffset],
        index: u32,
    ) -> Option<&'buf [u8]> {
        let share = &mut self.partition_keys;
        share.key(message, slots, Table::PartitionKeys, index, self.stride)
    }

    /// The explicit hash key at `index`, as [`partition_key`](Self::partition_key).
    #[inline]
    pub(crate) fn explicit_hash_key<'buf>(
        &mut self,
        message: &'buf [u8],
        slots: &[KeyOffset],
        index: u32,
    ) -> Option<&'buf [u8]> {
        let share = &mut self.explicit_hash_keys;
        share.key(message, slots, Table::ExplicitHashKeys, index, self.stride)
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

    /// The key at `position`.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    #[cfg_attr(target_os = "none", inline(never))]
    fn key<'buf>(
        &mut self,
        message: &'buf [u8],
        slots: &[KeyOffset],
        table: Table,
        position: u32,
        stride: u32,
    ) -> Option<&'buf [u8]> {
        if stride == 1 {
            let slot = usize::try_from(self.base.wrapping_add(position)).ok()?;
            return key_at(message, slots.get(slot)?.0);
        }
        // A copy, so that the share itself can live in registers.
        let mut share = *self;
        let key = share.walk(message, slots, table, position, stride);
        *self = share;
        key
    }

    /// The slot that is for the key at `position`, if it has one.
    fn slot_at(&self, position: u32, stride: u32) -> Option<usize> {
        let block = match stride {
            1 => position,
            _ if position.checked_rem(stride)? == 0 => {
                position.checked_div(stride)?.checked_sub(1)?
            }
            _ => return None,
        };
        usize::try_from(self.base.wrapping_add(block)).ok()
    }

    /// Walks from the nearest known key before `position`.
    #[cold]
    fn walk<'buf>(
        &mut self,
        message: &'buf [u8],
        slots: &[KeyOffset],
        table: Table,
        position: u32,
        stride: u32,
    ) -> Option<&'buf [u8]> {
        let block_start = position.wrapping_sub(position.checked_rem(stride)?);
        let known = match self.slot_at(block_start, stride) {
            Some(slot) => (block_start, slots.get(slot)?.0),
            None => (0, self.first),
        };
        let (mut at, mut len_offset) = if (known.0..=position).contains(&self.last.0) {
            self.last
        } else {
            known
        };
        while at < position {
            len_offset = next_key(message, len_offset, table)?;
            at = at.wrapping_add(1);
        }
        self.last = (at, len_offset);
        key_at(message, len_offset)
    }
}

/// Blocks of a table that need a slot for their first key.
fn blocks_after_first(count: u32, stride: u32) -> u32 {
    count.div_ceil(stride).saturating_sub(1)
}

/// The key whose length stands at `len_offset` of `message`.
#[cfg_attr(not(target_os = "none"), inline)]
#[cfg_attr(target_os = "none", inline(never))]
fn key_at(message: &[u8], len_offset: u32) -> Option<&[u8]> {
    let mut cursor = from_offset(message, len_offset)?;
    cursor.short_bytes().or_else(|| long_key(cursor))
}

#[cold]
fn long_key(mut cursor: Cursor<'_>) -> Option<&[u8]> {
    cursor.bytes(0, &mut Fault::room()).ok()
}

/// Where the length of the next key of the same table stands.
fn next_key(message: &[u8], len_offset: u32, table: Table) -> Option<u32> {
    let mut cursor = from_offset(message, len_offset)?;
    let fault = &mut Fault::room();
    cursor.bytes(0, fault).ok()?;
    loop {
        match TopField::read(&mut cursor, fault).ok()?? {
            TopField::Key(key) if key.table == table => return Some(to_u32(key.len_offset)),
            _ => {}
        }
    }
}

fn from_offset(message: &[u8], offset: u32) -> Option<Cursor<'_>> {
    let offset = usize::try_from(offset).ok()?;
    Some(Cursor::new(message.get(offset..)?, offset))
}
