//! What the check of a message counts: keys, records, and the keys they need.

use crate::schema::KeyKind;
use crate::wire::num::{Num as _, to_u32};

/// The contents of a checked message, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) partition_keys: KeyTable,
    pub(crate) explicit_hash_keys: KeyTable,
    pub(crate) record_count: u32,
    /// Offset of the first record's tag.
    pub(crate) first_record: usize,
}

/// The contents of one key table, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyTable {
    pub(crate) count: u32,
    /// Offset of the first key's length.
    pub(crate) first: u32,
    /// How many keys the records need: one more than the highest index.
    needed: u32,
}

/// Records that follow each other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecordRun {
    pub(crate) count: u32,
    /// How many partition keys they need: one more than their highest index.
    pub(crate) partition_keys: u32,
    /// How many explicit hash keys they need, counted in the same way; 0 if no record
    /// has one.
    pub(crate) explicit_hash_keys: u32,
}

impl Counts {
    /// Counts a key whose length is at `len_offset`. Keys must be added in the order of the
    /// message.
    pub(crate) fn add_key(&mut self, kind: KeyKind, len_offset: usize) {
        let table = match kind {
            KeyKind::Partition => &mut self.partition_keys,
            KeyKind::ExplicitHash => &mut self.explicit_hash_keys,
        };
        if table.count == 0 {
            table.first = to_u32(len_offset);
        }
        // A message has fewer keys than bytes, and fewer than 2^32 bytes.
        table.count = table.count.plus(1);
    }

    /// Counts records that follow each other, the first at `offset`.
    pub(crate) fn add_records(&mut self, offset: usize, run: RecordRun) {
        if self.record_count == 0 {
            self.first_record = offset;
        }
        self.record_count = self.record_count.plus(run.count);
        self.partition_keys.needed = self.partition_keys.needed.max(run.partition_keys);
        let explicit_hash_keys = &mut self.explicit_hash_keys;
        explicit_hash_keys.needed = explicit_hash_keys.needed.max(run.explicit_hash_keys);
    }

    /// Returns true if every index has its key.
    pub(crate) fn has_all_keys(&self) -> bool {
        self.partition_keys.needed <= self.partition_keys.count
            && self.explicit_hash_keys.needed <= self.explicit_hash_keys.count
    }
}
