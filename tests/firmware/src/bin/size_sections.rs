//! The smallest program that writes an aggregate with known keys.
#![no_std]
#![no_main]

use core::hint::black_box;

use firmware::Memory;
use kinesis_agg_codec::{RecordTags, SectionWriter};

static BUFFER: Memory<[u8; 512]> = Memory::new([0; 512]);

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    // SAFETY: called once.
    let mut writer = SectionWriter::new(unsafe { BUFFER.lend() });
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
