//! Measures everything that is not the codec: the start code, and the compiler's functions that
//! move bytes.
#![no_std]
#![no_main]

use core::hint::black_box;

use firmware::Memory;

static BUFFER: Memory<[u8; 512]> = Memory::new([0; 512]);

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    // SAFETY: called once.
    let buffer = black_box(unsafe { BUFFER.lend() });
    let (front, back) = buffer.split_at_mut(256);
    front.copy_from_slice(back);
    let (some, rest) = front.split_at_mut_checked(black_box(7)).unwrap_or_default();
    for (to, from) in rest
        .chunks_exact_mut(some.len().max(1))
        .zip([&*some, &*back])
    {
        if to.len() == from.len() {
            to.copy_from_slice(from);
        }
    }
    rest.fill(black_box(1));
    let is_same = *some == *rest;
    if let Some(distance) = rest.len().checked_sub(some.len()) {
        rest.copy_within(distance.., 0);
    }
    u32::from(is_same)
}
