//! Reads and writes the KPL's aggregates, checks that user records that do not fit are
//! rejected, and measures stack and instructions.
#![no_std]
#![no_main]

use core::hint::black_box;

use firmware::kpl::{FIXTURES, Fixture, ONE_KEY};
use firmware::{Memory, instructions_of, print, print_number, stack_of};
use kinesis_agg_codec::{
    AggregateWriter, AggregatedRecord, ByteSink, EncodeError, EncodedPart, HashKey, KeySlots,
    NewUserRecord, Parsed, ReadSlot, RecordTags, SectionWriter, StreamError, StreamWriter,
    WriteSlot, parse,
};

type Writer = AggregateWriter<&'static mut [u8; 1024]>;

static BUFFER: Memory<[u8; 1024]> = Memory::new([0; 1024]);

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    // SAFETY: called once.
    let mut writer = AggregateWriter::new(unsafe { BUFFER.lend() });
    for (number, fixture) in (1..).zip(FIXTURES) {
        if !reads(fixture) {
            return number;
        }
        if !writes(fixture, &mut writer) {
            return number | 0x10;
        }
    }
    if !refuses_what_does_not_fit() {
        return 0x20;
    }
    if !writes_more_keys_than_it_remembers() {
        return 0x21;
    }
    let mut memory = [0xa5; 256];
    let mut device = Device {
        memory: &mut memory,
        len: 0,
    };
    if !streams(&mut device) {
        return 0x22;
    }
    measure(&mut writer);
    print("OK check\n");
    0
}

/// Reads all user records, with as many slots as keys, with few and with none.
fn reads(fixture: &Fixture) -> bool {
    let Ok(Parsed::Aggregated(aggregated)) = parse(fixture.blob) else {
        return false;
    };
    let mut few_slots = [ReadSlot::default(); 3];
    let with_many = aggregated.user_records();
    let with_few = aggregated.user_records_in(&mut few_slots[..]);
    let with_none = aggregated.user_records_in([]);
    aggregated.record_count() == fixture.user_records.len()
        && with_many
            .zip(with_few)
            .zip(with_none)
            .zip(fixture.user_records)
            .all(|(((a, b), c), &(partition_key, explicit_hash_key, data))| {
                [a, b, c].iter().all(|user_record| {
                    user_record.partition_key() == partition_key
                        && user_record.explicit_hash_key() == explicit_hash_key.map(Into::into)
                        && user_record.data() == data.as_bytes()
                })
            })
}

/// Writes the KPL's bytes.
fn writes(fixture: &Fixture, writer: &mut Writer) -> bool {
    fixture
        .user_records
        .iter()
        .all(|user_record| push(user_record, writer))
        && writer
            .finish()
            .is_ok_and(|aggregate| aggregate.data() == fixture.blob)
}

fn push(
    &(partition_key, explicit_hash_key, data): &firmware::kpl::Expected,
    writer: &mut Writer,
) -> bool {
    let explicit_hash_key = explicit_hash_key.and_then(|text| text.parse::<HashKey>().ok());
    let user_record = NewUserRecord::new(partition_key, data.as_bytes())
        .with_explicit_hash_key(explicit_hash_key);
    writer.try_push(&user_record).is_ok()
}

/// A rejected push changes nothing.
fn refuses_what_does_not_fit() -> bool {
    let mut buffer = [0xa5; 64];
    let mut writer = AggregateWriter::new(&mut buffer);
    let long_key = core::str::from_utf8(&[b'k'; 257]).unwrap_or_default();
    let five = NewUserRecord::new("key", b"five.");
    let refusals = [
        writer.try_push(&NewUserRecord::new("", b"five.")) == Err(EncodeError::EmptyPartitionKey),
        writer.try_push(&NewUserRecord::new(long_key, b"five."))
            == Err(EncodeError::PartitionKeyTooLong {
                utf16_len: 257,
                limit: 256,
            }),
        writer.try_push(&NewUserRecord::new("key", &[0; 64]))
            == Err(EncodeError::TooLarge {
                part: EncodedPart::UserRecord,
                needed: 20 + 5 + 70,
                limit: 64,
            }),
        writer
            .finish()
            .is_err_and(|error| error == EncodeError::Empty),
        writer.encoded_len() == 20,
        writer.try_push(&five).is_ok(),
        writer.try_push(&five).is_ok(),
        writer.try_push(&five).is_ok(),
        writer.try_push(&five)
            == Err(EncodeError::Full {
                needed: 20 + 5 + 4 * 11,
                limit: 64,
            }),
        writer.encoded_len() == 20 + 5 + 3 * 11,
    ];
    let finished = writer.finish().is_ok_and(|aggregate| {
        let parsed = parse(aggregate.data());
        matches!(parsed, Ok(Parsed::Aggregated(aggregated))
            if aggregated.user_records().filter(|read| read.data() == b"five.").count() == 3)
    });
    refusals == [true; 10] && finished && writer.try_push(&five).is_ok()
}

/// Keys that the look-up has forgotten are stored again, and every user record keeps its key.
fn writes_more_keys_than_it_remembers() -> bool {
    let keys = ["a", "b", "c", "d", "e", "a", "b", "c", "d", "e"];
    let mut buffer = [0xa5; 128];
    let mut slots = [WriteSlot::EMPTY; 2];
    let mut writer = AggregateWriter::with_key_lookup(&mut buffer, KeySlots::new(&mut slots));
    keys.iter().all(|key| {
        writer
            .try_push(&NewUserRecord::new(key, key.as_bytes()))
            .is_ok()
    }) && writer.finish().is_ok_and(|aggregate| {
        let parsed = parse(aggregate.data());
        matches!(parsed, Ok(Parsed::Aggregated(aggregated))
        if aggregated.partition_key_count() == 8
            && aggregated.record_count() == 10
            && aggregated.user_records().zip(keys).all(|(read, key)| {
                read.partition_key() == key && read.data() == key.as_bytes()
            }))
    })
}

/// A device with limited memory, such as a page of flash.
struct Device<'a> {
    memory: &'a mut [u8],
    len: usize,
}

impl ByteSink for Device<'_> {
    type Error = ();

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let free = self.memory.get_mut(self.len..).ok_or(())?;
        free.get_mut(..bytes.len())
            .ok_or(())?
            .copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }
}

/// A streamed blob can be read, and a device that is full poisons the writer.
fn streams(device: &mut Device<'_>) -> bool {
    stream(device).is_ok()
        && device.memory.get(..device.len).is_some_and(|blob| {
            matches!(parse(blob), Ok(Parsed::Aggregated(aggregated))
            if aggregated.record_count() == ONE_KEY.user_records.len()
                && aggregated.user_records().zip(ONE_KEY.user_records).all(
                    |(read, &(_, _, data))| read.data() == data.as_bytes()
                        && read.partition_key() == "sensor-7",
                ))
        })
        && stream(device).is_err_and(|error| error == StreamError::Sink(()))
}

fn stream(device: &mut Device<'_>) -> Result<(), StreamError<()>> {
    let mut writer = StreamWriter::new(|bytes: &[u8]| device.write_all(bytes));
    let key = writer.add_partition_key(black_box(b"sensor-7"))?;
    for (_, _, data) in ONE_KEY.user_records {
        let data = black_box(data).as_bytes();
        writer.push(key, None, data, RecordTags::default())?;
    }
    writer.finish().map(drop)
}

/// Measures one short key and four user records of 32 bytes, without explicit hash keys, as a
/// sensor would write them. The blob that is read has an explicit hash key.
fn measure(writer: &mut Writer) {
    let mut encode = || {
        for &(partition_key, _, data) in ONE_KEY.user_records {
            let user_record =
                NewUserRecord::new(black_box(partition_key), black_box(data).as_bytes())
                    .with_explicit_hash_key(black_box(None::<HashKey>));
            black_box(black_box(&mut *writer).try_push(&user_record).is_ok());
        }
        black_box(writer.finish().is_ok());
    };
    print_number("stack_encode", stack_of(&mut encode));
    print_number("instructions_encode", instructions_of(&mut encode));
    let mut buffer = [0; 256];
    let mut section_writer = SectionWriter::new(&mut buffer);
    let mut encode_sections = || {
        let Ok(key) = section_writer.add_partition_key(black_box(b"sensor-7")) else {
            return;
        };
        for (_, _, data) in ONE_KEY.user_records {
            let data = black_box(data).as_bytes();
            black_box(
                section_writer
                    .push(key, None, data, RecordTags::default())
                    .is_ok(),
            );
        }
        black_box(section_writer.finish().is_ok());
    };
    print_number("stack_encode_sections", stack_of(&mut encode_sections));
    let mut memory = [0; 256];
    let mut device = Device {
        memory: &mut memory,
        len: 0,
    };
    let mut encode_stream = || {
        black_box(stream(&mut device).is_ok());
    };
    print_number("stack_encode_stream", stack_of(&mut encode_stream));
    print_number("ram_encode_stream", size_of::<StreamWriter<()>>() as u32);
    let mut decode = || {
        if let Ok(Parsed::Aggregated(aggregated)) = parse(black_box(ONE_KEY.blob)) {
            walk(&aggregated);
        }
    };
    print_number("stack_decode", stack_of(&mut decode));
    print_number("instructions_decode", instructions_of(&mut decode));
    print_number("records", ONE_KEY.user_records.len() as u32);
}

// A separate function, so that the iterator and its slots are not on the stack while the digest
// is computed.
#[inline(never)]
fn walk(aggregated: &AggregatedRecord<'_>) {
    for user_record in aggregated.user_records() {
        black_box((user_record.partition_key(), user_record.data()));
    }
}
