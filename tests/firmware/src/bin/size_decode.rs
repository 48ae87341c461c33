//! The smallest program that reads an aggregate.
#![no_std]
#![no_main]

use core::hint::black_box;

use firmware::Memory;
use kinesis_agg_codec::{Parsed, parse};

static BUFFER: Memory<[u8; 512]> = Memory::new([0; 512]);

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    // SAFETY: called once.
    let blob = black_box(unsafe { BUFFER.lend() }.as_slice());
    if let Ok(Parsed::Aggregated(aggregated)) = parse(blob) {
        for user_record in aggregated.user_records() {
            black_box((user_record.partition_key(), user_record.data()));
        }
    }
    0
}
