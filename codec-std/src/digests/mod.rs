//! Digests of one or many messages. Only this file and `md5_lanes.rs` use MD5 in this
//! crate.
//!
//! MD5 is a chain of dependent steps, so one digest uses only a small part of a core.
//! With the feature `simd`, several digests are computed at once in the lanes of wide
//! registers. If the lengths differ, long messages start first, and a lane that has
//! finished continues with the next message.

#[cfg(feature = "simd")]
mod md5_lanes;

use kinesis_agg_codec::{DecodeError, Digest, Frame, HashKey, Parsed, parse_with_digest};

/// Returns the digests of many messages, in their order.
///
/// Computes several at a time with the feature `simd`, one after the other without.
///
/// ```
/// use kinesis_agg::codec::Digest;
/// use kinesis_agg::digests;
///
/// assert_eq!(digests::of(&["a", "b"]), [Digest::of(b"a"), Digest::of(b"b")]);
/// ```
#[must_use]
pub fn of<M: AsRef<[u8]>>(messages: &[M]) -> Vec<Digest> {
    let messages: Vec<_> = messages.iter().map(AsRef::as_ref).collect();
    engine::many(&messages)
}

/// Returns the hash keys of many partition keys, in their order; see
/// [`HashKey::of_partition_key`].
///
/// ```
/// use kinesis_agg::HashKey;
/// use kinesis_agg::digests::hash_keys_of;
///
/// let hash_keys = hash_keys_of(&["a", "b"]);
/// assert_eq!(hash_keys[1], HashKey::of_partition_key(b"b"));
/// ```
#[must_use]
pub fn hash_keys_of<K: AsRef<[u8]>>(partition_keys: &[K]) -> Vec<HashKey> {
    let digests = of(partition_keys);
    digests.into_iter().map(HashKey::from).collect()
}

/// Returns the digest of one message.
pub(crate) fn digest_of(message: &[u8]) -> Digest {
    engine::one(message)
}

/// Returns the digests of the messages in the data of many Kinesis records, in their
/// order, or `None` for data that is too short or has no magic. Pass the result to
/// [`Deaggregator::deaggregate_with_digests`](crate::Deaggregator::deaggregate_with_digests).
///
/// ```
/// use kinesis_agg::digests;
///
/// let plain: &[u8] = b"no aggregate";
/// assert_eq!(digests::of_blobs([plain]), [None]);
/// ```
#[must_use]
pub fn of_blobs<'a>(blobs: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<Digest>> {
    let blobs = blobs.into_iter();
    let mut messages = Vec::with_capacity(blobs.size_hint().0);
    let is_framed: Vec<_> = blobs
        .map(|blob| {
            let frame = Frame::split(blob);
            messages.extend(frame.as_ref().map(Frame::message));
            frame.is_ok()
        })
        .collect();
    let mut digests = engine::many(&messages).into_iter();
    let digest_of = |is_framed: bool| is_framed.then(|| digests.next()).flatten();
    is_framed.into_iter().map(digest_of).collect()
}

/// Parses the data of a Kinesis record. Computes its digest unless it is `known`.
pub(crate) fn parse(blob: &[u8], known: Option<Digest>) -> Result<Parsed<'_>, DecodeError> {
    match Frame::split(blob) {
        Ok(frame) => {
            let digest = known.unwrap_or_else(|| digest_of(frame.message()));
            parse_with_digest(blob, digest)
        }
        Err(reason) => Ok(Parsed::Plain(reason)),
    }
}

#[cfg(not(feature = "simd"))]
mod engine {
    use super::Digest;

    pub(super) fn one(message: &[u8]) -> Digest {
        Digest::of(message)
    }

    pub(super) fn many(messages: &[&[u8]]) -> Vec<Digest> {
        messages.iter().map(|message| one(message)).collect()
    }
}

#[cfg(feature = "simd")]
mod engine {
    use core::cmp::Reverse;

    use kinesis_agg_codec::limits::DIGEST_LEN;
    use md5_many::Md5Many;

    use super::Digest;
    use crate::digests::md5_lanes;

    pub(super) fn one(message: &[u8]) -> Digest {
        Digest::from(md5_many::md5(message))
    }

    pub(super) fn many(messages: &[&[u8]]) -> Vec<Digest> {
        if messages.is_sorted_by_key(|message| Reverse(message.len())) {
            return many_by_length(messages);
        }
        let mut order: Vec<(usize, &[u8])> = (0..).zip(messages.iter().copied()).collect();
        order.sort_unstable_by_key(|(_, message)| Reverse(message.len()));
        let ordered: Vec<_> = order.iter().map(|&(_, message)| message).collect();
        let mut digests = vec![Digest::from([0; DIGEST_LEN]); messages.len()];
        for ((place, _), digest) in order.into_iter().zip(many_by_length(&ordered)) {
            if let Some(slot) = digests.get_mut(place) {
                *slot = digest;
            }
        }
        digests
    }

    /// Returns the digests of messages that are sorted by length, the longest first.
    fn many_by_length(messages: &[&[u8]]) -> Vec<Digest> {
        let mut digests = vec![[0; DIGEST_LEN]; messages.len()];
        md5_lanes::hash(Md5Many::new(), messages, &mut digests);
        digests.into_iter().map(Digest::from).collect()
    }
}
