//! Checks a whole message before any user record is returned.

use crate::error::{DecodeError, DecodeErrorKind};
use crate::limits::MAGIC_LEN;
use crate::read::counts::{Counts, RecordRun};
use crate::read::fast;
use crate::read::record::RecordReader;
use crate::schema::{KeyKind, RECORD};
use crate::wire::fault::Fault;
use crate::wire::num::Num as _;

/// Checks every field of `message` and every key index, and counts keys and records in
/// `counts`, which must be all zero. They are an argument because returning them would copy
/// them.
///
/// # Errors
///
/// The first structural fault in the order of the bytes, or else the first key index
/// outside its table in the order of the records.
// Not inlined, so that its stack is not in use while the digest is computed.
#[inline(never)]
pub(crate) fn check(message: &[u8], counts: &mut Counts) -> Result<(), DecodeError> {
    // Offsets are stored in 32 bits.
    if u32::try_from(message.len().saturating_add(MAGIC_LEN)).is_err() {
        return Err(DecodeError::new(DecodeErrorKind::BlobTooLong, 0));
    }
    let mut reader = RecordReader::new(message, 0);
    loop {
        reader.fields.at = fast::skip_fields(message, reader.fields.at, counts);
        match check_field(&mut reader, counts) {
            Ok(true) => {}
            Ok(false) => break,
            Err(fault) => return Err(reader.fields.error(fault, MAGIC_LEN)),
        }
    }
    if counts.has_all_keys() {
        return Ok(());
    }
    reader.fields.at = counts.first_record;
    Err(bad_index(&mut reader, counts))
}

/// Checks and counts the next field. Returns false at the end of the message.
#[inline(always)]
fn check_field(reader: &mut RecordReader<'_>, counts: &mut Counts) -> Result<bool, Fault> {
    if !reader.fields.next(0)? {
        return Ok(false);
    }
    if let Some(kind) = KeyKind::of_tag(reader.fields.tag) {
        counts.add_key(kind, reader.fields.value_offset);
    } else if reader.fields.tag == RECORD {
        reader.read_record()?;
        let run = RecordRun {
            count: 1,
            partition_keys: reader.record.partition_key_index.needed,
            explicit_hash_keys: reader.record.explicit_hash_key_index.needed,
        };
        counts.add_records(reader.fields.offset, run);
    }
    Ok(true)
}

/// Returns the error for the first index outside its table; there must be one. `reader` is at
/// the first record.
#[cold]
fn bad_index(reader: &mut RecordReader<'_>, counts: &Counts) -> DecodeError {
    let partition_keys = counts.partition_keys.count;
    loop {
        let is_last = reader.next_record().is_none();
        let record = &reader.record;
        let is_partition_key = record.partition_key_index.needed > partition_keys;
        let (index, count) = match is_partition_key {
            true => (record.partition_key_index, partition_keys),
            false => (
                record.explicit_hash_key_index,
                counts.explicit_hash_keys.count,
            ),
        };
        if index.needed <= count && !is_last {
            continue;
        }
        // Read the field again for its full 64 bits. It was valid, so it still is.
        reader.fields.at = index.offset;
        let _ = reader.fields.next(1);
        let offset = index.offset.plus(MAGIC_LEN);
        let (index, count) = (reader.fields.number, u64::from(count));
        let kind = match is_partition_key {
            true => DecodeErrorKind::PartitionKeyIndex { index, count },
            false => DecodeErrorKind::ExplicitHashKeyIndex { index, count },
        };
        return DecodeError::new(kind, offset);
    }
}
