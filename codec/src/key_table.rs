//! Finding a key by its index, in memory that the caller lends.
//!
//! Nothing says where in a message its keys stand, so the place of each is
//! noted once: a slot a key. Where there are fewer slots than keys, every
//! n-th key of a table is noted, the first being always known, and the rest of
//! the way is walked.

use crate::message::{TopField, TopFieldKind};
use crate::wire::cursor::Cursor;
use crate::wire::fault::Fault;
use crate::wire::varint;

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
}

impl KeyTable {
    /// Counts a key, in the order of the message.
    pub(crate) fn note(&mut self, len_offset: u32) {
        if self.count == 0 {
            self.first = len_offset;
        }
        self.count = self.count.saturating_add(1);
    }
}

/// Which of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    PartitionKeys,
    ExplicitHashKeys,
}

impl Table {
    fn field(self) -> TopFieldKind {
        match self {
            Self::PartitionKeys => TopFieldKind::PartitionKey,
            Self::ExplicitHashKeys => TopFieldKind::ExplicitHashKey,
        }
    }
}

/// One table's share of the slots.
#[derive(Clone, Copy, Debug)]
struct Share {
    table: KeyTable,
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
    pub(crate) fn fill(
        message: &[u8],
        partition_keys: KeyTable,
        explicit_hash_keys: KeyTable,
        slots: &mut [KeyOffset],
    ) -> Self {
        let key_count = partition_keys
            .count
            .saturating_add(explicit_hash_keys.count);
        let slot_count = u32::try_from(slots.len()).unwrap_or(u32::MAX);
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
        let mut index = Self {
            stride,
            partition_keys: Share::new(partition_keys, 0),
            explicit_hash_keys: Share::new(explicit_hash_keys, base),
        };
        index.note_keys(message, key_count, slots);
        index
    }

    fn note_keys(&mut self, message: &[u8], key_count: u32, slots: &mut [KeyOffset]) {
        let mut cursor = Cursor::new(message, 0);
        let mut seen = [0_u32; 2];
        let mut left = key_count;
        while left > 0 {
            let Ok(Some(field)) = TopField::read(&mut cursor, &mut Fault::room()) else {
                break;
            };
            let [partition_keys, explicit_hash_keys] = &mut seen;
            let (position, share) = match field.kind {
                TopFieldKind::PartitionKey => (partition_keys, &self.partition_keys),
                TopFieldKind::ExplicitHashKey => (explicit_hash_keys, &self.explicit_hash_keys),
                TopFieldKind::Record => continue,
            };
            let slot = share
                .slot_at(*position, self.stride)
                .and_then(|slot| slots.get_mut(slot));
            if let Some(slot) = slot {
                *slot = KeyOffset(u32::try_from(field.len_offset).unwrap_or(u32::MAX));
            }
            *position = position.wrapping_add(1);
            left = left.wrapping_sub(1);
        }
    }

    /// The key at `position` of `table`; `None` only in a message
    /// that is not the one that was indexed.
    #[inline]
    pub(crate) fn key<'buf>(
        &mut self,
        message: &'buf [u8],
        slots: &[KeyOffset],
        table: Table,
        position: u64,
    ) -> Option<&'buf [u8]> {
        let share = match table {
            Table::PartitionKeys => &mut self.partition_keys,
            Table::ExplicitHashKeys => &mut self.explicit_hash_keys,
        };
        let position = u32::try_from(position).ok()?;
        if self.stride == 1 {
            let slot = usize::try_from(share.base.wrapping_add(position)).ok()?;
            return key_at(message, slots.get(slot)?.0);
        }
        share.walk(message, slots, table, position, self.stride)
    }
}

impl Share {
    fn new(table: KeyTable, base: u32) -> Self {
        Self {
            table,
            base,
            last: (0, table.first),
        }
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
            None => (0, self.table.first),
        };
        let (mut at, mut len_offset) = if (known.0..=position).contains(&self.last.0) {
            self.last
        } else {
            known
        };
        while at < position {
            len_offset = next_key(message, len_offset, table.field())?;
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
    match varint::decode_short_delimited(cursor.rest()) {
        Some((key, _)) => Some(key),
        None => cursor.bytes(0, &mut Fault::room()).ok(),
    }
}

/// Where the length of the next key of the same table stands.
fn next_key(message: &[u8], len_offset: u32, field: TopFieldKind) -> Option<u32> {
    let mut cursor = from_offset(message, len_offset)?;
    let fault = &mut Fault::room();
    cursor.bytes(0, fault).ok()?;
    loop {
        let next = TopField::read_any(&mut cursor, fault).ok()??;
        if next.kind == field {
            return u32::try_from(next.len_offset).ok();
        }
    }
}

fn from_offset(message: &[u8], offset: u32) -> Option<Cursor<'_>> {
    let offset = usize::try_from(offset).ok()?;
    Some(Cursor::new(message.get(offset..)?, offset))
}
