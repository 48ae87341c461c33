//! Only reads, to measure the size of the code.
#![no_std]
#![no_main]

use core::hint::black_box;

use firmware::Memory;
use firmware_peers::{Blob, peer};

static BLOB: Memory<Blob> = Memory::new([0; 1024]);

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    // SAFETY: called once.
    let blob = black_box(unsafe { BLOB.lend() });
    u32::from(black_box(peer::decode(blob)).is_none())
}
