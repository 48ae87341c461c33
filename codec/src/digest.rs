//! The one file that names an MD5.

use md5::{Digest as _, Md5};

use crate::limits::DIGEST_LEN;

/// An MD5 digest: over a message, or over a partition key.
///
/// The format uses MD5 as a checksum and to spread keys. It does not protect
/// against anyone.
///
/// Whoever computes many digests at once brings them in as bytes:
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
    // Not inlined, so that no caller keeps a block of MD5 on its stack.
    #[inline(never)]
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Md5::digest(bytes).into())
    }

    /// The digest, first byte first.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; DIGEST_LEN] {
        self.0
    }
}

/// A digest over bytes that come piece by piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunningDigest(Md5);

impl RunningDigest {
    #[inline(never)]
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces; starts over.
    #[inline(never)]
    pub(crate) fn finish(&mut self) -> Digest {
        Digest(self.0.finalize_reset().into())
    }
}

impl From<[u8; DIGEST_LEN]> for Digest {
    fn from(bytes: [u8; DIGEST_LEN]) -> Self {
        Self(bytes)
    }
}
