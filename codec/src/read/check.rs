//! Key indices outside their table.

use crate::error::{DecodeError, DecodeErrorKind};
use crate::limits::MAGIC_LEN;
use crate::read::record::TopFields;

/// The first index outside its table, of which there is one: the number of keys
/// in each table is given, and the place of the first record.
#[cold]
#[inline(never)]
pub(crate) fn bad_index(top: &mut TopFields<'_>, key_counts: (u32, u32)) -> DecodeError {
    let (partition_keys, explicit_hash_keys) = key_counts;
    loop {
        let is_last = top.next_record().is_none();
        let record = &top.record;
        let is_first_index = record.partition_key_index.needed > partition_keys;
        let (index, count) = match is_first_index {
            true => (record.partition_key_index, partition_keys),
            false => (record.explicit_hash_key_index, explicit_hash_keys),
        };
        if index.needed <= count && !is_last {
            continue;
        }
        // Read again, for the number as it stands there. It was good, so there is no fault to lose.
        top.fields.at = index.offset;
        let _ = top.fields.next(1);
        let offset = index.offset.wrapping_add(MAGIC_LEN);
        let (index, count) = (top.fields.number, u64::from(count));
        let kind = match is_first_index {
            true => DecodeErrorKind::PartitionKeyIndex { index, count },
            false => DecodeErrorKind::ExplicitHashKeyIndex { index, count },
        };
        return DecodeError::new(kind, offset);
    }
}

/// Counts of things in memory always fit.
pub(crate) fn to_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
