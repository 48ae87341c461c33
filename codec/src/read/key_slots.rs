//! Finding a key by its index, in slots that the caller lends.
//!
//! The format does not say where in a message a key is, so its offset is stored when
//! the iteration starts: one slot per key. With fewer slots than keys, every n-th key of
//! a table has a slot, and a look-up reads on from there. The offset of a table's first
//! key comes from the check, so that it needs no slot.

use crate::read::counts::{Counts, KeyTable};
use crate::read::fast;
use crate::schema::KeyKind;
use crate::wire::field::Fields;
use crate::wire::num::{Num as _, to_u32, to_usize};
use crate::wire::varint::FOR_SIZE;

/// A slot of the reader's key look-up: the offset of one key. Four bytes.
///
/// Lent slots may hold anything; the reader fills in those that it uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadSlot(u32);

impl ReadSlot {
    /// A slot that holds nothing yet.
    pub const EMPTY: Self = Self(0);
}

/// One key table and its share of the slots.
#[derive(Clone, Copy, Debug, Default)]
struct Table {
    /// Offset of the first key's length.
    first: u32,
    /// The number of slots before this table's.
    base: u32,
    /// Index of the key that was looked up last, and the offset of its length: keys in
    /// order of first use are found in one step, however few slots there are.
    last: (u32, u32),
}

/// Both key tables of one message. Offsets count from the start of the message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyTables {
    /// A slot for every so many keys.
    stride: u32,
    partition_keys: Table,
    explicit_hash_keys: Table,
}

impl KeyTables {
    /// Stores in `slots` where the keys of a checked `message` are.
    ///
    /// Reads the message up to its last key: in the KPL's order, only the keys.
    // Inlined, and `fill` is not: 0.1 kB less stack on a Cortex-M3.
    #[inline(always)]
    pub(crate) fn index(&mut self, counts: &Counts, message: &[u8], slots: &mut [ReadSlot]) {
        let partition_keys = counts.partition_keys;
        let explicit_hash_keys = counts.explicit_hash_keys;
        let key_count = partition_keys
            .count
            .saturating_add(explicit_hash_keys.count);
        let slot_count = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        // A table is divided into blocks of `stride` keys. The first block of a table needs no
        // slot, which makes up for rounding up in both tables, so the slots always suffice.
        // ceil(keys / slots), and 1 without keys.
        let quotient = key_count.saturating_sub(1).checked_div(slot_count);
        self.stride = quotient.map_or(u32::MAX, |quotient| quotient.plus(1));
        let slots_before = partition_keys.count.saturating_sub(1);
        let slots_before = slots_before.checked_div(self.stride).unwrap_or_default();
        self.partition_keys = Table::new(partition_keys, 0);
        self.explicit_hash_keys = Table::new(explicit_hash_keys, slots_before);
        self.fill(key_count, message, slots);
    }

    #[inline(never)]
    fn fill(&self, key_count: u32, message: &[u8], slots: &mut [ReadSlot]) {
        let mut fields = Fields::new(message, 0);
        // For each table: the next slot, and how many keys precede the one for it.
        let mut partition_keys = (self.partition_keys.base, self.stride);
        let mut explicit_hash_keys = (self.explicit_hash_keys.base, self.stride);
        let mut remaining = key_count;
        while remaining > 0 {
            let (kind, len_offset) = match fast::key(message, fields.at) {
                Some((kind, behind)) => {
                    let len_offset = fields.at.plus(1);
                    fields.at = behind;
                    (kind, len_offset)
                }
                None => {
                    if fields.next(0) != Ok(true) {
                        break;
                    }
                    let Some(kind) = KeyKind::of_tag(fields.tag) else {
                        continue;
                    };
                    (kind, fields.value_offset)
                }
            };
            let (slot, keys_before) = match kind {
                KeyKind::Partition => &mut partition_keys,
                KeyKind::ExplicitHash => &mut explicit_hash_keys,
            };
            if *keys_before == 0 {
                if let Some(slot) = slots.get_mut(to_usize(*slot)) {
                    *slot = ReadSlot(to_u32(len_offset));
                }
                *slot = slot.plus(1);
                *keys_before = self.stride;
            }
            *keys_before = keys_before.minus(1);
            remaining = remaining.minus(1);
        }
    }

    /// Returns the key with this index; `None` only if `message` is not the one that was
    /// indexed.
    // Inlined for the same reason as `UserRecordCursor::advance`.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn key<'buf>(
        &mut self,
        message: &'buf [u8],
        slots: &[ReadSlot],
        kind: KeyKind,
        index: u32,
    ) -> Option<&'buf [u8]> {
        let stride = self.stride;
        let table = match kind {
            KeyKind::Partition => &mut self.partition_keys,
            KeyKind::ExplicitHash => &mut self.explicit_hash_keys,
        };
        if stride == 1 && !FOR_SIZE {
            // Without a branch on the first key, which is as frequent as any other. In a
            // message that is not the indexed one, the index may be any number.
            let slot = usize::try_from(table.base.wrapping_add(index).wrapping_sub(1)).ok()?;
            let stored = slots.get(slot).map_or(0, |slot| slot.0);
            let len_offset = if index == 0 { table.first } else { stored };
            let len_offset = usize::try_from(len_offset).ok()?;
            return fast::key_at(message, len_offset).or_else(|| long_key(message, len_offset));
        }
        table.walk(message, slots, kind, index, stride)
    }
}

impl Table {
    fn new(table: KeyTable, base: u32) -> Self {
        Self {
            first: table.first,
            base,
            last: (0, table.first),
        }
    }

    /// Finds the key with this index, starting from the nearest known key before it.
    #[cfg_attr(feature = "fast", cold, inline(never))]
    fn walk<'buf>(
        &mut self,
        message: &'buf [u8],
        slots: &[ReadSlot],
        kind: KeyKind,
        index: u32,
        stride: u32,
    ) -> Option<&'buf [u8]> {
        let block = index.checked_div(stride)?;
        let known = match block.checked_sub(1) {
            None => (0, self.first),
            Some(slot) => {
                let slot = usize::try_from(self.base.checked_add(slot)?).ok()?;
                (block.checked_mul(stride)?, slots.get(slot)?.0)
            }
        };
        let (mut at, len_offset) = match (known.0..=index).contains(&self.last.0) {
            true => self.last,
            false => known,
        };
        let mut fields = Fields::new(message, usize::try_from(len_offset).ok()?);
        fields.read_bytes().ok()?;
        while at < index {
            fields.next_of(kind.tag())?;
            at = at.plus(1);
        }
        self.last = (at, to_u32(fields.value_offset));
        Some(fields.bytes())
    }
}

/// Returns the key whose length is at this offset, with the general reader.
#[cold]
fn long_key(message: &[u8], len_offset: usize) -> Option<&[u8]> {
    let mut fields = Fields::new(message, len_offset);
    fields.read_bytes().ok()?;
    Some(fields.bytes())
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::read::check::check;

    /// Every key is found in any order, with any number of slots and any content in them.
    #[test]
    fn dirty_or_too_few_read_slots_still_find_every_key() {
        // Keys of both kinds, mixed; one is too long for a length of two bytes.
        let mut message = Vec::new();
        let mut keys = [vec![], vec![]];
        for n in 0..23_u8 {
            let (tag, kind) = if n % 3 == 1 { (0x12, 1) } else { (0x0a, 0) };
            let key = match n {
                9 => vec![n; 0x4001],
                _ => vec![n; usize::from(n)],
            };
            message.push(tag);
            crate::wire::varint::encode(u32::try_from(key.len()).unwrap(), |byte| {
                message.push(byte);
                Some(())
            })
            .unwrap();
            message.extend(&key);
            keys[kind].push(key);
        }
        let mut counts = Counts::default();
        check(&message, &mut counts).unwrap();
        for slot_count in 0..30 {
            for dirt in [0, 1, 77, u32::MAX] {
                let mut slots = vec![ReadSlot(dirt); slot_count];
                let mut tables = KeyTables::default();
                tables.index(&counts, &message, &mut slots);
                for step in [1, 2, 5, 7, 14] {
                    for (kind, keys) in [KeyKind::Partition, KeyKind::ExplicitHash]
                        .iter()
                        .zip(&keys)
                    {
                        for n in 0..keys.len() {
                            let n = n * step % keys.len();
                            let index = u32::try_from(n).unwrap();
                            let found = tables.key(&message, &slots, *kind, index);
                            assert!(found == Some(&keys[n]), "{slot_count} slots, key {n}");
                        }
                    }
                }
            }
        }
    }
}
