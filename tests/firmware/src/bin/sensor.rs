//! A sensor that sends its readings in aggregates, as a user would write it.
#![no_std]
#![no_main]

use firmware::{Memory, exit, print, print_hex};
use kinesis_agg_codec::{Aggregate, AggregateWriter, EncodeError, NewUserRecord};

static BUFFER: Memory<[u8; 512]> = Memory::new([0; 512]);

/// A measurement.
struct Reading {
    at_seconds: u32,
    celsius_hundredths: i16,
}

impl Reading {
    fn to_bytes(&self) -> [u8; 6] {
        let [a, b, c, d] = self.at_seconds.to_be_bytes();
        let [e, f] = self.celsius_hundredths.to_be_bytes();
        [a, b, c, d, e, f]
    }
}

/// A simulated thermometer, with a reading a minute.
fn readings() -> impl Iterator<Item = Reading> {
    (0_u32..).map(|minute| Reading {
        at_seconds: minute.wrapping_mul(60),
        celsius_hundredths: 2_000_i16.wrapping_add((minute % 50) as i16),
    })
}

fn sample_and_send() -> Result<(), EncodeError> {
    // SAFETY: called once.
    let mut writer = AggregateWriter::new(unsafe { BUFFER.lend() });
    for reading in readings() {
        let data = reading.to_bytes();
        let user_record = NewUserRecord::new("sensor-7", &data);
        match writer.try_push(&user_record) {
            Ok(()) => {}
            Err(error) if error.is_full() => {
                send(&writer.finish()?);
                writer.try_push(&user_record)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Takes the place of the network: prints the first aggregate and exits.
fn send(aggregate: &Aggregate<'_>) {
    print(aggregate.partition_key());
    print(" ");
    print_hex(aggregate.data());
    print("\nOK sensor\n");
    exit(0)
}

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    match sample_and_send() {
        Ok(()) => 0,
        Err(_) => 1,
    }
}
