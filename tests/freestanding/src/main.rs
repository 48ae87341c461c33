//! Reads what the KPL wrote and writes it again, byte for byte, in a program that has neither a
//! standard library nor an allocator: `alloc` would not link, and `std` has its own panic handler.
//!
//! The exit status is 0, or one more than the place in [`Failure`].
#![no_std]
#![no_main]

mod bare;
mod kpl;

use kinesis_agg_codec::{
    AggregateWriter, EncodeError, HashKey, KeySlots, NewUserRecord, Parsed, ReadSlot, RecordTags,
    SectionWriter, WriteSlot, parse,
};

use kpl::{FIXTURES, Fixture};

/// What went wrong.
#[derive(Clone, Copy)]
pub enum Failure {
    Panicked,
    NotAggregated,
    Malformed,
    UserRecordsDiffer,
    CountDiffers,
    HashKeyInvalid,
    AggregateWriterRejected,
    AggregateWriterDiffers,
    SectionWriterRejected,
    SectionWriterDiffers,
    TooSmallBufferTaken,
}

pub fn main() -> Result<(), Failure> {
    for fixture in FIXTURES {
        read(fixture)?;
        // The exact length, and more room, for which the writer uses another algorithm.
        let mut buffer = [0xa5; 2048];
        for room in [fixture.blob.len(), buffer.len()] {
            let buffer = buffer
                .get_mut(..room)
                .ok_or(Failure::AggregateWriterRejected)?;
            write_with_deduplication(fixture, buffer)?;
            write_sections(fixture, buffer)?;
        }
        let buffer = buffer.get_mut(..fixture.blob.len() - 1);
        if write_with_deduplication(fixture, buffer.ok_or(Failure::TooSmallBufferTaken)?).is_ok() {
            return Err(Failure::TooSmallBufferTaken);
        }
    }
    Ok(())
}

fn read(fixture: &Fixture) -> Result<(), Failure> {
    let aggregated = match parse(fixture.blob) {
        Ok(Parsed::Aggregated(aggregated)) => aggregated,
        Ok(Parsed::Plain(_)) => return Err(Failure::NotAggregated),
        Err(_) => return Err(Failure::Malformed),
    };
    if aggregated.record_count() != fixture.user_records.len() {
        return Err(Failure::CountDiffers);
    }
    let mut few_slots = [ReadSlot::default(); 3];
    let pairs = aggregated
        .user_records()
        .zip(aggregated.user_records_in(&mut few_slots[..]));
    let mut count = 0;
    for ((user_record, same), expected) in pairs.zip(fixture.user_records) {
        let (partition_key, explicit_hash_key, data) = *expected;
        for user_record in [&user_record, &same] {
            let found = (
                user_record.partition_key().as_bytes(),
                user_record.explicit_hash_key().map(|key| key.as_bytes()),
                user_record.data(),
            );
            let expected = (
                partition_key.as_bytes(),
                explicit_hash_key.map(str::as_bytes),
                data.as_bytes(),
            );
            if found != expected {
                return Err(Failure::UserRecordsDiffer);
            }
            if user_record.hash_key().is_err() {
                return Err(Failure::HashKeyInvalid);
            }
        }
        count += 1;
    }
    if count != fixture.user_records.len() {
        return Err(Failure::CountDiffers);
    }
    Ok(())
}

fn write_with_deduplication(fixture: &Fixture, buffer: &mut [u8]) -> Result<(), Failure> {
    let mut slots = [WriteSlot::EMPTY; 32];
    let mut writer = AggregateWriter::with_key_lookup(buffer, KeySlots::new(&mut slots[..]));
    for &(partition_key, explicit_hash_key, data) in fixture.user_records {
        let explicit_hash_key = match explicit_hash_key.map(str::parse::<HashKey>) {
            Some(Ok(hash_key)) => Some(hash_key),
            Some(Err(_)) => return Err(Failure::HashKeyInvalid),
            None => None,
        };
        let user_record = NewUserRecord::new(partition_key, data.as_bytes())
            .with_explicit_hash_key(explicit_hash_key);
        writer
            .try_push(&user_record)
            .map_err(|_| Failure::AggregateWriterRejected)?;
    }
    match writer.finish() {
        Ok(aggregate) if aggregate.data() == fixture.blob => Ok(()),
        Ok(_) => Err(Failure::AggregateWriterDiffers),
        Err(_) => Err(Failure::AggregateWriterRejected),
    }
}

fn write_sections(fixture: &Fixture, buffer: &mut [u8]) -> Result<(), Failure> {
    match copy_by_sections(fixture.blob, buffer) {
        Ok(blob) if blob == fixture.blob => Ok(()),
        Ok(_) => Err(Failure::SectionWriterDiffers),
        Err(_) => Err(Failure::SectionWriterRejected),
    }
}

/// Adds the keys of both tables in order, then finds each user record's keys there.
fn copy_by_sections<'out>(
    blob: &[u8],
    buffer: &'out mut [u8],
) -> Result<&'out [u8], Option<EncodeError>> {
    let Ok(Parsed::Aggregated(aggregated)) = parse(blob) else {
        return Err(None);
    };
    let mut writer = SectionWriter::new(&mut *buffer);
    let mut partition_keys = [None; 16];
    for (index, key) in partition_keys.iter_mut().zip(aggregated.partition_keys()) {
        *index = Some((key, writer.add_partition_key(key.as_bytes())?));
    }
    let mut explicit_hash_keys = [None; 16];
    for (index, key) in explicit_hash_keys
        .iter_mut()
        .zip(aggregated.explicit_hash_keys())
    {
        *index = Some((key, writer.add_explicit_hash_key(key.as_bytes())?));
    }
    for user_record in aggregated {
        let partition_key = partition_keys
            .iter()
            .flatten()
            .find(|(key, _)| *key == user_record.partition_key())
            .ok_or(None)?;
        let explicit_hash_key = user_record.explicit_hash_key().and_then(|wanted| {
            explicit_hash_keys
                .iter()
                .flatten()
                .find(|(key, _)| *key == wanted)
                .map(|&(_, index)| index)
        });
        writer.push(
            partition_key.1,
            explicit_hash_key,
            user_record.data(),
            RecordTags::default(),
        )?;
    }
    let len = writer.finish()?.len();
    buffer.get(..len).ok_or(None)
}
