//! [`size_defmt_none`](../size_defmt_none.rs), and a log of an error, of a user
//! record and of an aggregate.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::sync::atomic::Ordering;

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
        if let Err(error) = writer.try_push(&user_record) {
            defmt::error!(
                "{} rejected after {=usize}: {}",
                user_record,
                writer.record_count(),
                error
            );
            break;
        }
    }
    if let Ok(aggregate) = writer.finish() {
        defmt::info!("{}", aggregate);
    }
    u32::from(logger::LOGGED.load(Ordering::Relaxed) == 0)
}
