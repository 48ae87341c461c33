//! Logs values of the codec with defmt, and prints the frames in hexadecimal, one a line.
//! `decode_log` turns them into text, which must be that of `log.txt`.
#![no_std]
#![no_main]

use firmware::{print, print_hex};
use kinesis_agg_codec::{
    AggregateWriter, Digest, HashKey, HashKeyRange, KeyBytes, Limits, NewUserRecord, Parsed,
    RecordTags, SectionWriter, StreamWriter, parse,
};

#[defmt::global_logger]
struct Logger;

// SAFETY: there is one core, and no interrupt that logs.
unsafe impl defmt::Logger for Logger {
    fn acquire() {}

    unsafe fn flush() {}

    unsafe fn release() {
        print("\n");
    }

    unsafe fn write(bytes: &[u8]) {
        print_hex(bytes);
    }
}

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    let plain = NewUserRecord::new("sensor-7", b"21.5");
    let with_hash_key = plain.with_explicit_hash_key(HashKey::MAX);
    defmt::info!("{}", plain);
    defmt::info!("{}", with_hash_key);
    defmt::info!("{}", KeyBytes::new(b"sensor-\xff\n"));
    defmt::info!("{}", HashKey::MAX);
    defmt::info!("{}", HashKeyRange::FULL);
    defmt::info!("{}", Digest::of(b""));
    defmt::info!("{}", Limits::new());
    log_aggregates(&plain, &with_hash_key);
    log_rejections(&plain);
    log_parsed(b"not aggregated");
    // A record without data: `1a 02 08 00`.
    let digest = Digest::of(b"\x0a\x01a\x1a\x02\x08\x00").to_bytes();
    let mut malformed = *b"\xf3\x89\x9a\xc2\x0a\x01a\x1a\x02\x08\x00................";
    if let Some(place) = malformed.last_chunk_mut() {
        *place = digest;
    }
    log_parsed(&malformed);
    0
}

fn log_parsed(blob: &[u8]) {
    match parse(blob) {
        Ok(parsed) => defmt::info!("{}", parsed),
        Err(error) => defmt::error!("{}", error),
    }
}

fn log_aggregates(plain: &NewUserRecord<'_>, with_hash_key: &NewUserRecord<'_>) {
    let mut writer = AggregateWriter::new([0; 256]);
    for user_record in [plain, with_hash_key] {
        if let Err(error) = writer.try_push(user_record) {
            defmt::error!("{}", error);
        }
    }
    let Ok(aggregate) = writer.finish() else {
        return;
    };
    defmt::info!("{}", aggregate);
    log_parsed(aggregate.data());
    if let Ok(Parsed::Aggregated(aggregated)) = parse(aggregate.data()) {
        for user_record in aggregated.user_records() {
            defmt::info!("{}", user_record);
        }
    }
}

fn log_rejections(plain: &NewUserRecord<'_>) {
    let mut writer = AggregateWriter::new([0; 48]);
    if let Err(error) = writer.try_push(plain) {
        defmt::error!("{}", error);
    }
    if let Err(error) = writer.try_push(plain) {
        defmt::error!("{}", error);
    }
    if let Err(error) = writer.try_push(&NewUserRecord::new("", b"")) {
        defmt::error!("{}", error);
    }
    let mut sections = SectionWriter::new([0; 64]);
    if let Err(error) = sections.finish() {
        defmt::error!("{}", error);
    }
    let Ok(key) = sections.add_partition_key(b"sensor-7") else {
        return;
    };
    defmt::info!("{}", key);
    sections.clear();
    if let Err(error) = sections.push(key, None, b"", RecordTags::default()) {
        defmt::error!("{}", error);
    }
    let mut stream = StreamWriter::new(|_: &[u8]| Err::<(), _>(7_u8));
    for _ in 0..2 {
        if let Err(error) = stream.add_partition_key(b"sensor-7") {
            defmt::error!("{}", error);
        }
    }
}
