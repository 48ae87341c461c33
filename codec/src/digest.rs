//! MD5 digests. No other file of this crate names MD5.

use core::slice;

use md5::block_api::compress;

use crate::limits::DIGEST_LEN;

/// An MD5 digest: over a message, or over a partition key.
///
/// The format uses MD5 as a checksum and to distribute keys over shards, not
/// for security.
///
/// To use a digest that was computed elsewhere, for example together with many others, make it
/// from its bytes:
///
/// ```
/// use kinesis_agg_codec::Digest;
///
/// let elsewhere = [
///     0x0c, 0xc1, 0x75, 0xb9, 0xc0, 0xf1, 0xb6, 0xa8, 0x31, 0xc3, 0x99, 0xe2, 0x69, 0x77, 0x26, 0x61,
/// ];
/// assert_eq!(Digest::from(elsewhere), Digest::of(b"a"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; DIGEST_LEN]);

impl Digest {
    /// Computes the digest of `bytes`.
    // Not inlined: otherwise the caller's stack frame would hold an MD5 block.
    #[inline(never)]
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut running = RunningDigest::START;
        running.update(bytes);
        running.finish()
    }

    pub(crate) const fn new(bytes: [u8; DIGEST_LEN]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the digest.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; DIGEST_LEN] {
        self.0
    }
}

/// Length of an MD5 block, in bytes.
const BLOCK_LEN: usize = 64;
/// Number of bytes that precede the length in the last block.
const PADDED_LEN: usize = BLOCK_LEN - size_of::<u64>();

/// A number of bytes in a slice or in a blob. 32 bits are enough on targets whose pointers are
/// shorter than 64 bits: a slice has fewer than 2^31 bytes there, and a blob's limit is a `u32`.
#[cfg(target_pointer_width = "64")]
type Len = u64;
#[cfg(not(target_pointer_width = "64"))]
type Len = u32;

/// A digest of bytes that arrive piece by piece.
///
/// The MD5 crate has such a type, too, but it needs twice as much stack.
#[derive(Clone, Debug)]
pub(crate) struct RunningDigest {
    state: [u32; 4],
    len: Len,
    /// The first [`tail_len`](Self::tail_len) bytes do not fill a block yet.
    block: [u8; BLOCK_LEN],
}

impl RunningDigest {
    /// Source: RFC 1321, 3.3.
    pub(crate) const START: Self = Self {
        state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476],
        len: 0,
        block: [0; BLOCK_LEN],
    };

    /// Returns how many bytes were digested.
    pub(crate) const fn len(&self) -> Len {
        self.len
    }

    /// Returns how many bytes at the start of `block` are not digested yet.
    fn tail_len(&self) -> usize {
        let [low, ..] = self.len.to_le_bytes();
        usize::from(low) % BLOCK_LEN
    }

    #[inline(never)]
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        let tail_len = self.tail_len();
        let free = self.block.get_mut(tail_len..);
        let len = Len::try_from(bytes.len()).unwrap_or(Len::MAX);
        self.len = self.len.wrapping_add(len);
        if let Some(free) = free.filter(|free| free.len() < BLOCK_LEN) {
            let Some((head, behind)) = rest.split_at_checked(free.len()) else {
                return fill(free, rest);
            };
            free.copy_from_slice(head);
            compress(&mut self.state, slice::from_ref(&self.block));
            rest = behind;
        }
        while let Some((block, behind)) = rest.split_first_chunk() {
            compress(&mut self.state, slice::from_ref(block));
            rest = behind;
        }
        fill(&mut self.block, rest);
    }

    /// Returns the digest of all pieces and starts over.
    ///
    /// Source: RFC 1321, 3.1 and 3.2.
    #[inline(never)]
    pub(crate) fn finish(&mut self) -> Digest {
        let tail_len = self.tail_len();
        if let Some([mark, padding @ ..]) = self.block.get_mut(tail_len..) {
            *mark = 0x80;
            padding.fill(0);
        }
        if tail_len >= PADDED_LEN {
            compress(&mut self.state, slice::from_ref(&self.block));
            self.block.fill(0);
        }
        // The length counts modulo 2^64 (RFC 1321, 3.2).
        #[cfg_attr(
            target_pointer_width = "64",
            expect(clippy::useless_conversion, reason = "`Len` is shorter elsewhere")
        )]
        let bit_len = u64::from(self.len).wrapping_mul(8);
        if let Some(place) = self.block.last_chunk_mut() {
            *place = bit_len.to_le_bytes();
        }
        compress(&mut self.state, slice::from_ref(&self.block));
        let mut digest = [0; DIGEST_LEN];
        for (place, word) in digest.chunks_exact_mut(4).zip(&self.state) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.clear();
        Digest(digest)
    }

    pub(crate) fn clear(&mut self) {
        self.state = Self::START.state;
        self.len = 0;
    }
}

/// Copies `bytes` to the start of `memory`, which must be long enough.
fn fill(memory: &mut [u8], bytes: &[u8]) {
    if let Some(place) = memory.get_mut(..bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

impl From<[u8; DIGEST_LEN]> for Digest {
    fn from(bytes: [u8; DIGEST_LEN]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest as _, Md5};

    use super::*;

    /// Tests all lengths up to 200 bytes, which is more than three blocks, in one piece and in
    /// two.
    #[test]
    fn a_running_digest_equals_the_md5_crate_for_every_length_and_split() {
        let bytes: [u8; 200] = core::array::from_fn(|place| place.to_le_bytes()[0]);
        let mut running = RunningDigest::START;
        for len in 0..=bytes.len() {
            let bytes = &bytes[..len];
            let expected = Digest(Md5::digest(bytes).into());
            assert_eq!(Digest::of(bytes), expected, "{len} bytes");
            for split in 0..=len {
                let (head, tail) = bytes.split_at(split);
                running.update(head);
                running.update(tail);
                assert_eq!(running.finish(), expected, "{split} of {len} bytes");
            }
            running.update(b"given up");
            running.clear();
        }
    }
}
