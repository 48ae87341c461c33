//! [`size_encode`](../size_encode.rs) that also logs numbers: measures defmt itself, without
//! the codec's types.
#![no_std]
#![no_main]

use core::hint::black_box;

use firmware::Memory;
use kinesis_agg_codec::{AggregateWriter, NewUserRecord};

#[path = "../logger.rs"]
mod logger;

static BUFFER: Memory<[u8; 512]> = Memory::new([0; 512]);

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    // SAFETY: called once.
    let mut writer = AggregateWriter::new(unsafe { BUFFER.lend() });
    while black_box(true) {
        let user_record = NewUserRecord::new(black_box("sensor-7"), black_box(b"21.5"));
        if writer.try_push(&user_record).is_err() {
            defmt::error!("rejected after {=usize}", writer.record_count());
            break;
        }
    }
    black_box(writer.finish().is_ok());
    0
}
