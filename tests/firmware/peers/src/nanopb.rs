//! nanopb: a message of fixed capacity in C, compiled by ../peers.sh. Tags and
//! explicit hash keys are left out, which makes it smaller.

use core::ptr::null;
use core::slice;

use crate::{Blob, COUNT, consume, open, reading, seal};

// These are in nanopb.c.
unsafe extern "C" {
    safe fn nanopb_clear();
    fn nanopb_push(key: *const u8, key_len: usize, data: *const u8, data_len: usize) -> bool;
    fn nanopb_encode(out: *mut u8, len: usize) -> usize;
    fn nanopb_decode(message: *const u8, len: usize) -> bool;
    fn nanopb_user_record(
        place: usize,
        key: &mut *const u8,
        key_len: &mut usize,
        data: &mut *const u8,
        data_len: &mut usize,
    ) -> bool;
}

pub fn encode(blob: &mut Blob) -> Option<usize> {
    nanopb_clear();
    for place in 0..COUNT {
        let (key, data) = reading(place);
        // SAFETY: the function copies this many bytes from the pointers.
        let is_pushed = unsafe { nanopb_push(key.as_ptr(), key.len(), data.as_ptr(), data.len()) };
        if !is_pushed {
            return None;
        }
    }
    let out = blob.get_mut(4..)?;
    // SAFETY: the function writes at most this many bytes.
    let message_len = unsafe { nanopb_encode(out.as_mut_ptr(), out.len()) };
    seal(blob, message_len)
}

pub fn decode(blob: &[u8]) -> Option<u32> {
    let message = open(blob)?;
    // SAFETY: the function reads at most this many bytes.
    if !unsafe { nanopb_decode(message.as_ptr(), message.len()) } {
        return None;
    }
    let mut sum = 0;
    let (mut key, mut key_len, mut data, mut data_len) = (null(), 0, null(), 0);
    let mut place = 0;
    // SAFETY: the pointers point into the decoded message, which does not change in this loop.
    while unsafe { nanopb_user_record(place, &mut key, &mut key_len, &mut data, &mut data_len) } {
        // SAFETY: as above; the function returned these lengths.
        let (key, data) = unsafe {
            (
                slice::from_raw_parts(key, key_len),
                slice::from_raw_parts(data, data_len),
            )
        };
        consume(&mut sum, key, data);
        place += 1;
    }
    Some(sum)
}
