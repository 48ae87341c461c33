//! [`size_none`](../size_none.rs), and MD5.
#![no_std]
#![no_main]

use core::hint::black_box;

use firmware::Memory;
use kinesis_agg_codec::Digest;

static BUFFER: Memory<[u8; 512]> = Memory::new([0; 512]);

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    // SAFETY: called once.
    let buffer = black_box(unsafe { BUFFER.lend() }.as_mut_slice());
    black_box(Digest::of(buffer));
    0
}
