//! An accelerator for the fields that every known producer writes: keys, and records
//! with each field once, in order, without tags.
//!
//! Each function reads one such field, or returns `None` for everything else, valid or
//! not; the general reader then takes over. With this file left out, every test passes
//! and reading takes longer.

use crate::read::counts::{Counts, RecordRun};
use crate::read::record::RecordFields;
use crate::schema::{DATA, EXPLICIT_HASH_KEY_INDEX, KeyKind, PARTITION_KEY_INDEX, RECORD};
use crate::wire::num::Num as _;

/// Counts usual fields from the offset `at` on. Returns the offset of the first field
/// that is not one.
pub(crate) fn skip_fields(message: &[u8], at: usize, counts: &mut Counts) -> usize {
    let mut at = at;
    loop {
        let start = at;
        while let Some((kind, behind)) = key(message, at) {
            counts.add_key(kind, at.plus(1));
            at = behind;
        }
        at = skip_records(message, at, counts);
        if at == start {
            return at;
        }
    }
}

/// [`skip_fields`] for records. A separate loop, so that its state fits in registers: that
/// saves a quarter of the time of the check.
#[inline(never)]
fn skip_records(message: &[u8], at: usize, counts: &mut Counts) -> usize {
    let mut rest = message.get(at..).unwrap_or_default();
    let mut run = RecordRun::default();
    while let Some((record, behind)) = take_record(rest) {
        // Indices have at most 28 bits here.
        run.partition_keys = run.partition_keys.max(record.partition_key_index.plus(1));
        if let Some(index) = record.explicit_hash_key_index {
            run.explicit_hash_keys = run.explicit_hash_keys.max(index.plus(1));
        }
        run.count = run.count.plus(1);
        rest = behind;
    }
    counts.add_records(at, run);
    message.len().minus(rest.len())
}

/// Reads the record at the offset `at`, and returns the offset after it.
#[inline(always)]
pub(crate) fn record(message: &[u8], at: usize) -> Option<(RecordFields<'_>, usize)> {
    let (record, rest) = take_record(message.get(at..)?)?;
    Some((record, message.len().minus(rest.len())))
}

/// Reads the key at the offset `at`, and returns the offset after it.
#[inline(always)]
pub(crate) fn key(message: &[u8], at: usize) -> Option<(KeyKind, usize)> {
    let (&tag, rest) = message.get(at..)?.split_first()?;
    let kind = KeyKind::of_tag(u32::from(tag))?;
    let (len, rest) = take_len(rest)?;
    let behind = rest.get(len..)?;
    Some((kind, message.len().minus(behind.len())))
}

/// Returns the key whose length is at this offset.
#[inline(always)]
pub(crate) fn key_at(message: &[u8], len_offset: usize) -> Option<&[u8]> {
    let (len, rest) = take_len(message.get(len_offset..)?)?;
    rest.get(..len)
}

#[inline(always)]
fn take_record(input: &[u8]) -> Option<(RecordFields<'_>, &[u8])> {
    let (len, rest) = take_len(take_tag(input, RECORD)?)?;
    let (body, rest) = rest.split_at_checked(len)?;
    let (partition_key_index, mut body) = take_partition_key_index(body)?;
    let mut explicit_hash_key_index = None;
    if let Some(behind) = take_tag(body, EXPLICIT_HASH_KEY_INDEX) {
        let (index, behind) = take_number(behind)?;
        explicit_hash_key_index = Some(index);
        body = behind;
    }
    let (data_len, data) = take_len(take_tag(body, DATA)?)?;
    let record = RecordFields {
        partition_key_index,
        explicit_hash_key_index,
        data,
        tags: &[],
    };
    (data.len() == data_len).then_some((record, rest))
}

/// Reads this tag, which must have one byte, and returns what follows it.
#[inline(always)]
fn take_tag(input: &[u8], tag: u32) -> Option<&[u8]> {
    let (&first, rest) = input.split_first()?;
    (u32::from(first) == tag).then_some(rest)
}

/// Reads a partition key index of up to four bytes, with its tag. Indices of one and two bytes
/// occur in any order, so they are distinguished without a branch: a walk takes 9 % less time
/// (x86-64, 1,000 keys in random order).
#[inline(always)]
fn take_partition_key_index(input: &[u8]) -> Option<(u32, &[u8])> {
    // A field follows the index, so there is always a third byte.
    let &[tag, a, b, ..] = input else {
        return None;
    };
    if u32::from(tag) != PARTITION_KEY_INDEX {
        return None;
    }
    let has_second = a >> 7;
    if has_second & (b >> 7) == 1 {
        return take_number(input.get(1..)?);
    }
    let value = u32::from(a & 0x7f) | u32::from(has_second.wrapping_mul(b & 0x7f)) << 7;
    let rest = input.get(usize::from(has_second).plus(2)..)?;
    Some((value, rest))
}

/// Reads a length of up to four bytes.
#[inline(always)]
fn take_len(input: &[u8]) -> Option<(usize, &[u8])> {
    let (len, rest) = take_number(input)?;
    Some((usize::try_from(len).ok()?, rest))
}

/// Reads a number of up to four bytes. Lengths and explicit hash key indices of neighbouring
/// records mostly have the same number of bytes, so the processor predicts these branches.
#[inline(always)]
fn take_number(input: &[u8]) -> Option<(u32, &[u8])> {
    match *input {
        [a @ ..0x80, ref rest @ ..] => Some((u32::from(a), rest)),
        [a, b @ ..0x80, ref rest @ ..] => Some((two(a, b), rest)),
        [a, b, c @ ..0x80, ref rest @ ..] => Some((two(a, b) | u32::from(c) << 14, rest)),
        [a, b, c, d @ ..0x80, ref rest @ ..] => Some((two(a, b) | two(c, d) << 14, rest)),
        _ => None,
    }
}

/// Returns the number in two bytes of a varint.
#[inline(always)]
fn two(low: u8, high: u8) -> u32 {
    u32::from(low & 0x7f) | u32::from(high & 0x7f) << 7
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::read::record::RecordReader;
    use crate::wire::field::Fields;
    use crate::wire::varint;

    /// Indices on both sides of each change in length, and the largest one of four bytes.
    const INDICES: [u32; 8] = [
        0, 0x7f, 0x80, 0x3fff, 0x4000, 0x1f_ffff, 0x20_0000, 0xfff_ffff,
    ];

    fn number(out: &mut Vec<u8>, tag: u32, number: u32) {
        out.push(u8::try_from(tag).unwrap());
        varint::encode(number, |byte| {
            out.push(byte);
            Some(())
        })
        .unwrap();
    }

    fn record(index: u32, explicit: Option<u32>, data_len: usize) -> Vec<u8> {
        let mut body = Vec::new();
        number(&mut body, PARTITION_KEY_INDEX, index);
        if let Some(index) = explicit {
            number(&mut body, EXPLICIT_HASH_KEY_INDEX, index);
        }
        number(&mut body, DATA, u32::try_from(data_len).unwrap());
        body.extend(vec![0x5a; data_len]);
        let mut record = Vec::new();
        number(&mut record, RECORD, u32::try_from(body.len()).unwrap());
        record.extend(body);
        record
    }

    fn read_in_general(message: &[u8]) -> (Option<RecordFields<'_>>, usize) {
        let mut reader = RecordReader::new(message, 0);
        assert_eq!(reader.fields.next(0), Ok(true));
        reader.read_record().unwrap();
        (reader.record(), reader.fields.at)
    }

    /// Protects the speed for every size of data and index: a record that was left to the
    /// general reader would still be read, but ten times slower.
    #[test]
    fn the_fast_and_the_general_reader_agree_on_records_of_every_size() {
        let explicit: Vec<_> = INDICES.map(Some).into_iter().chain([None]).collect();
        let data_lens = (0..300).chain([16_370, 16_377, 16_384, 70_000, 2_097_140, 2_097_152]);
        for data_len in data_lens {
            for index in INDICES {
                for &explicit in &explicit {
                    let message = record(index, explicit, data_len);
                    let (expected, behind) = read_in_general(&message);
                    let read = super::record(&message, 0).unwrap();
                    let case = (index, explicit, data_len);
                    assert!(Some(read.0) == expected && read.1 == behind, "{case:?}");
                    assert_eq!(behind, message.len());
                    let mut counts = Counts::default();
                    assert_eq!(skip_fields(&message, 0, &mut counts), message.len());
                    assert_eq!(counts.record_count, 1);
                }
                if data_len > 300 {
                    break;
                }
            }
        }
    }

    /// The fast reader must leave unusual and invalid records to the general reader.
    #[test]
    fn the_fast_reader_agrees_or_declines_if_one_byte_is_changed() {
        let usual = record(0x80, Some(3), 5);
        for place in 0..usual.len() {
            for byte in 0..=u8::MAX {
                let mut message = usual.clone();
                message[place] = byte;
                if let Some((read, behind)) = super::record(&message, 0) {
                    assert_eq!(read_in_general(&message), (Some(read), behind));
                }
            }
            assert_eq!(super::record(&usual[..place], 0), None);
        }
    }

    #[test]
    fn the_fast_and_the_general_reader_agree_on_keys_of_every_size() {
        for key_len in (0..300).chain([0x3fff, 0x4000, 0x20_0000]) {
            for kind in [KeyKind::Partition, KeyKind::ExplicitHash] {
                let mut message = Vec::new();
                number(&mut message, kind.tag(), u32::try_from(key_len).unwrap());
                message.extend(vec![0x5a; key_len]);
                let mut general = Fields::new(&message, 0);
                assert_eq!(general.next(0), Ok(true));
                assert_eq!(key(&message, 0), Some((kind, general.at)));
                assert_eq!(
                    key_at(&message, general.value_offset),
                    Some(general.bytes())
                );
                message.pop();
                if key_len > 0 {
                    assert_eq!(key(&message, 0), None);
                    assert_eq!(key_at(&message, 1), None);
                }
            }
        }
    }
}
