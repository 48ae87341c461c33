//! Runs both jobs, compares their results and measures their stack.
#![no_std]
#![no_main]

use core::hint::black_box;

use firmware::{Memory, print, print_number, stack_of};
use firmware_peers::{Blob, expected, peer};

static BLOB: Memory<Blob> = Memory::new([0; 1024]);

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    // SAFETY: called once.
    let blob = unsafe { BLOB.lend() };
    let mut len = None;
    let stack = stack_of(&mut || len = peer::encode(black_box(blob)));
    print_number("stack_encode", stack);
    let Some(blob) = len.and_then(|len| blob.get(..len)) else {
        return 1;
    };
    let mut sum = None;
    let stack = stack_of(&mut || sum = peer::decode(black_box(blob)));
    print_number("stack_decode", stack);
    if sum != Some(expected()) || blob.len() != 830 {
        print_number("len", blob.len() as u32);
        return 2;
    }
    print("OK run\n");
    0
}
