//! The alternatives: the generated code of a protobuf library, and the code that a
//! user of it has to write.
//!
//! Each removes the frame and checks the digest where its scenario asks for that
//! ([`message_of`], [`verified_message_of`]), resolves the keys of each user record,
//! and touches both ends of keys and data.

pub(crate) mod best_effort;
pub(crate) mod buffa;
pub(crate) mod micropb;
pub(crate) mod prost;
pub(crate) mod quick_protobuf;

use md5::{Digest as _, Md5};

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// Returns the message of an aggregated blob.
pub(crate) fn message_of(blob: &[u8]) -> &[u8] {
    assert!(blob.len() > 20 && blob.starts_with(&MAGIC));
    &blob[4..blob.len() - 16]
}

pub(crate) fn digest_of(message: &[u8]) -> [u8; 16] {
    Md5::digest(message).into()
}

/// Returns the message of an aggregated blob, and checks its digest.
pub(crate) fn verified_message_of(blob: &[u8]) -> &[u8] {
    let message = message_of(blob);
    assert!(digest_of(message) == blob[blob.len() - 16..]);
    message
}

/// Computes and checks only the digests, which every verifying reader has to do.
pub(crate) fn md5_alone(blobs: &[impl AsRef<[u8]>]) -> u64 {
    blobs.iter().fold(0, |sum: u64, blob| {
        let message = verified_message_of(blob.as_ref());
        sum.wrapping_add(u64::from(message[0]))
    })
}

fn index(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
