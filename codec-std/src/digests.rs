//! Digests of one message or of many: the one file of this crate that names an
//! MD5.
//!
//! One MD5 is a chain of dependent steps, which keeps a small part of a core
//! busy. Those of several messages can run side by side, in the lanes of wide
//! registers (feature `simd`). Where lengths differ, long messages start first,
//! and a lane that is done goes on with the next.

use kinesis_agg_codec::{DecodeError, Digest, Frame, HashKey, Parsed, parse_with_digest};

/// The digests of many messages, in their order.
///
/// With the feature `simd` several are computed at a time; without it one after
/// the other.
///
/// ```
/// use kinesis_agg::codec::Digest;
/// use kinesis_agg::digests_of;
///
/// assert_eq!(digests_of(&["a", "b"]), [Digest::of(b"a"), Digest::of(b"b")]);
/// ```
#[must_use]
pub fn digests_of<M: AsRef<[u8]>>(messages: &[M]) -> Vec<Digest> {
    let messages: Vec<_> = messages.iter().map(AsRef::as_ref).collect();
    engine::many(&messages)
}

/// The hash keys of many partition keys, in their order; see
/// [`HashKey::of_partition_key`].
///
/// ```
/// use kinesis_agg::{HashKey, hash_keys_of};
///
/// let hash_keys = hash_keys_of(&["a", "b"]);
/// assert_eq!(hash_keys[1], HashKey::of_partition_key(b"b"));
/// ```
#[must_use]
pub fn hash_keys_of<K: AsRef<[u8]>>(partition_keys: &[K]) -> Vec<HashKey> {
    let digests = digests_of(partition_keys);
    digests.into_iter().map(HashKey::from).collect()
}

/// The digest of one message.
pub(crate) fn digest_of(message: &[u8]) -> Digest {
    engine::one(message)
}

/// The digests of the blobs' messages; `None` for what is no frame.
pub(crate) fn digests_of_blobs<'a>(blobs: impl Iterator<Item = &'a [u8]>) -> Vec<Option<Digest>> {
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

/// Reads the data of a Kinesis record; computes its digest unless that is
/// `known`.
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
    use md5_many::{Md5Many, Md5State};

    use super::Digest;

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

    /// The digests of messages of which the longest comes first.
    fn many_by_length(messages: &[&[u8]]) -> Vec<Digest> {
        let mut digests = vec![[0; DIGEST_LEN]; messages.len()];
        let (longest, shortest) = match messages {
            [longest, .., shortest] => (longest.len(), shortest.len()),
            _ => (0, 0),
        };
        if longest > WORTH_REFILLING && longest != shortest {
            refilled(messages, &mut digests);
        } else {
            Md5Many::new().hash_many(messages, &mut digests);
        }
        digests.into_iter().map(Digest::from).collect()
    }

    /// Bytes from which on it is worth it to give a lane the next message as
    /// soon as it is done with one: a few times what that costs.
    const WORTH_REFILLING: usize = 4096;

    /// Bytes that MD5 takes at a time.
    const BLOCK_LEN: usize = 64;

    /// A message on its way through a lane.
    struct Lane<'a> {
        place: usize,
        rest: &'a [u8],
        state: Md5State,
    }

    /// Computes digests in lanes that all take the same number of blocks, until
    /// one is done with its message and goes on with the next.
    ///
    /// The longest message of all is there from the start and bounds the time.
    /// While it does, one register of lanes makes it fastest; while there is
    /// more than that can take meanwhile, up to three of them do more together.
    fn refilled(messages: &[&[u8]], digests: &mut [[u8; DIGEST_LEN]]) {
        let engine = Md5Many::new();
        let register = engine.lanes();
        let mut waiting = messages.iter().copied().enumerate();
        let mut left: usize = messages.iter().map(|message| message.len()).sum();
        let mut lanes: Vec<Lane<'_>> = Vec::new();
        let mut done = Vec::with_capacity(messages.len());
        loop {
            let rests = lanes.iter().map(|lane| lane.rest.len());
            let longest = rests.max().unwrap_or(left).max(1);
            let registers = left.div_ceil(longest).div_ceil(register).clamp(1, 3);
            let wanted = register.saturating_mul(registers);
            let free = wanted.saturating_sub(lanes.len());
            lanes.extend(waiting.by_ref().take(free).map(|(place, rest)| Lane {
                place,
                rest,
                state: Md5State::new(),
            }));
            let Some(shortest) = lanes.iter().map(|lane| lane.rest.len()).min() else {
                break;
            };
            let step = shortest.saturating_sub(shortest % BLOCK_LEN);
            left = left.saturating_sub(step.saturating_mul(lanes.len()));
            // Lanes without a message take any, for nobody.
            let width = lanes.len().next_multiple_of(register);
            let inputs = lanes.iter().filter_map(|lane| lane.rest.get(..step));
            let inputs: Vec<_> = inputs.cycle().take(width).collect();
            let states = lanes.iter().map(|lane| lane.state);
            let mut states: Vec<_> = states.cycle().take(width).collect();
            engine.update_many(&mut states, &inputs);
            for (lane, state) in lanes.iter_mut().zip(states) {
                lane.state = state;
                lane.rest = lane.rest.get(step..).unwrap_or_default();
            }
            lanes.retain_mut(|lane| {
                let goes_on = lane.rest.len() >= BLOCK_LEN;
                if !goes_on {
                    left = left.saturating_sub(lane.rest.len());
                    lane.state.update(lane.rest);
                    done.push((lane.place, lane.state));
                }
                goes_on
            });
        }
        let (places, states): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        let mut finished = vec![[0; DIGEST_LEN]; states.len()];
        engine.finalize_many(&states, &mut finished);
        for (place, digest) in places.into_iter().zip(finished) {
            if let Some(slot) = digests.get_mut(place) {
                *slot = digest;
            }
        }
    }
}
