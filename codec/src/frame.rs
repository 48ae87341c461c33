//! The frame of an aggregated record: magic, message, digest.

use core::fmt;

use crate::digest::Digest;
use crate::limits::{DIGEST_LEN, MAGIC_LEN};

/// The first bytes of every aggregated record.
///
/// Source: the KPL's aggregation format document.
pub const MAGIC: [u8; MAGIC_LEN] = [0xf3, 0x89, 0x9a, 0xc2];

/// Offset of the message in a blob.
pub(crate) const MESSAGE_START: u32 = 4;
const _: () = assert!(MAGIC_LEN == 4);

/// Why a blob is plain: a single user record, not an aggregate.
///
/// The reasons are those of the KCL. A blob that starts with the magic by chance, or was
/// damaged in transit, is delivered unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum PlainReason {
    /// The blob does not start with [`MAGIC`].
    NoMagic,
    /// The blob starts with [`MAGIC`], but is too short for a message and a digest.
    TooShort,
    /// The digest at the end is not that of the message.
    DigestMismatch,
}

impl fmt::Display for PlainReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMagic => "no magic",
            Self::TooShort => "too short",
            Self::DigestMismatch => "digest mismatch",
        })
    }
}

/// A blob with a magic and room for a message, whose digest is not checked yet.
///
/// ```text
/// 0        4                            n-16        n
/// | F3 89 9A C2 |        message        | MD5 of the message |
/// ```
///
/// For programs that compute the digests of many blobs together; see
/// [`parse_with_digest`](crate::parse_with_digest).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'buf> {
    message: &'buf [u8],
    digest: &'buf [u8; DIGEST_LEN],
}

impl<'buf> Frame<'buf> {
    /// Splits a blob without computing a digest.
    ///
    /// # Errors
    ///
    /// [`PlainReason::NoMagic`] or [`PlainReason::TooShort`]: the blob is not
    /// aggregated.
    pub fn split(blob: &'buf [u8]) -> Result<Self, PlainReason> {
        let framed = blob
            .strip_prefix(MAGIC.as_slice())
            .ok_or(PlainReason::NoMagic)?;
        match framed.split_last_chunk::<DIGEST_LEN>() {
            Some((message, digest)) if !message.is_empty() => Ok(Self { message, digest }),
            _ => Err(PlainReason::TooShort),
        }
    }

    /// Returns the protobuf message, which starts [`MAGIC_LEN`] bytes into the blob.
    #[must_use]
    pub const fn message(&self) -> &'buf [u8] {
        self.message
    }

    /// Returns the digest at the end of the blob.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        Digest::new(*self.digest)
    }
}
