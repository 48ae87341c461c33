//! The smallest program that streams an aggregate.
#![no_std]
#![no_main]

use core::hint::black_box;

use firmware as _;
use kinesis_agg_codec::{RecordTags, StreamWriter};

/// A device that accepts bytes, or fails.
fn device(bytes: &[u8]) -> Result<(), ()> {
    match black_box(bytes) {
        [] => Err(()),
        _ => Ok(()),
    }
}

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    let mut writer = StreamWriter::new(device);
    let Ok(key) = writer.add_partition_key(black_box(b"sensor-7")) else {
        return 1;
    };
    while black_box(true) {
        let data = black_box(b"21.5");
        if writer.push(key, None, data, RecordTags::default()).is_err() {
            return 1;
        }
    }
    black_box(writer.finish().is_ok());
    0
}
