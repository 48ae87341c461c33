//! The two jobs, implemented with each library and with the same digest: write 20 readings of 5
//! sensors into one blob, and read it back.
#![no_std]

#[cfg_attr(feature = "codec", path = "codec.rs")]
#[cfg_attr(feature = "codec-sections", path = "codec_sections.rs")]
#[cfg_attr(feature = "codec-stream", path = "codec_stream.rs")]
#[cfg_attr(feature = "micropb", path = "micropb.rs")]
#[cfg_attr(feature = "nanopb", path = "nanopb.rs")]
#[cfg_attr(feature = "femtopb", path = "femtopb.rs")]
pub mod peer;

use core::hint::black_box;

/// Memory for a blob.
pub type Blob = [u8; 1024];

/// The sensors' names.
pub static KEYS: [&str; 5] = ["sensor-0", "sensor-1", "sensor-2", "sensor-3", "sensor-4"];

/// Returns a reading to write, with the sensor's name.
#[inline(never)]
pub fn reading(place: u8) -> (&'static str, [u8; 32]) {
    let key = KEYS
        .get(usize::from(place % 5))
        .copied()
        .unwrap_or_default();
    (black_box(key), black_box([place; 32]))
}

/// Readings in a blob.
pub const COUNT: u8 = 20;

/// Processes a user record that was read.
#[inline(never)]
pub fn consume(sum: &mut u32, key: &[u8], data: &[u8]) {
    for &byte in key.iter().chain(data) {
        *sum = sum.wrapping_mul(31).wrapping_add(u32::from(byte));
    }
}

/// Returns the sum that [`consume`] computes for all readings.
pub fn expected() -> u32 {
    let mut sum = 0;
    for place in 0..COUNT {
        let (key, data) = reading(place);
        consume(&mut sum, key.as_bytes(), &data);
    }
    sum
}

/// Writes the magic before and the digest after a message that is already in its place.
pub fn seal(blob: &mut [u8], message_len: usize) -> Option<usize> {
    let (magic, rest) = blob.split_first_chunk_mut()?;
    *magic = kinesis_agg_codec::MAGIC;
    let (message, rest) = rest.split_at_mut_checked(message_len)?;
    *rest.first_chunk_mut()? = kinesis_agg_codec::Digest::of(message).to_bytes();
    message_len.checked_add(20)
}

/// Returns the message of a blob, if its digest is good.
pub fn open(blob: &[u8]) -> Option<&[u8]> {
    let framed = blob.strip_prefix(&kinesis_agg_codec::MAGIC)?;
    let (message, digest) = framed.split_last_chunk()?;
    (kinesis_agg_codec::Digest::of(message).to_bytes() == *digest).then_some(message)
}
