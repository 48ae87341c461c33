//! Bounded searches: for intact aggregates inside other bytes, and for the one bit or byte that
//! changed.

use core::ops::Range;

use kinesis_agg::codec::limits::{DIGEST_LEN, MAGIC_LEN};
use kinesis_agg::codec::{Digest, Frame, MAGIC};

/// The bytes that may still be hashed. Some searches take time quadratic in the length of a
/// blob, so without this limit one damaged input could keep a command busy for ever.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
}

impl Default for Budget {
    /// Takes about a second to hash.
    fn default() -> Self {
        Self { left: 512 << 20 }
    }
}

impl Budget {
    /// Subtracts `len` from what is left. Returns false, and subtracts nothing, if less is
    /// left.
    fn spend(&mut self, len: usize) -> bool {
        let left = self.left.checked_sub(len);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// Like [`spend`](Self::spend), for hashing a message of this length once for each of its
    /// bits. Also returns false if that is too much for one blob.
    fn spend_on_bits(&mut self, message_len: usize) -> bool {
        const MAX_OF_A_BLOB: usize = 32 << 20;
        let needed = message_len.saturating_mul(8).saturating_mul(message_len);
        needed <= MAX_OF_A_BLOB && self.spend(needed)
    }
}

/// Returns true if magic and digest are good.
pub(crate) fn is_intact(blob: &[u8]) -> bool {
    Frame::split(blob).is_ok_and(|frame| Digest::of(frame.message()) == frame.digest())
}

/// The least that looking at a part costs, in bytes hashed.
const MIN_WORK: usize = 64;

/// Returns the intact aggregates inside data, in order.
pub(crate) fn intact_parts(data: &[u8], budget: &mut Budget) -> Vec<Range<usize>> {
    let starts: Vec<_> = memchr::memmem::find_iter(data, &MAGIC).collect();
    let mut parts: Vec<Range<usize>> = Vec::new();
    for (place, &start) in starts.iter().enumerate() {
        if parts.last().is_some_and(|last| start < last.end) {
            continue;
        }
        let later = starts.get(place.saturating_add(1)..).unwrap_or_default();
        let ends = later.iter().copied().chain([data.len()]);
        for end in ends.flat_map(|end| ends_before(data, end)) {
            let part = data.get(start..end).unwrap_or_default();
            if !budget.spend(part.len().max(MIN_WORK)) {
                return parts;
            }
            if is_intact(part) {
                parts.push(start..end);
                break;
            }
        }
    }
    parts
}

/// Returns `end`, and the ends before any characters that people and programs append to a blob.
fn ends_before(data: &[u8], end: usize) -> impl Iterator<Item = usize> {
    /// A digest may end with such bytes, too, and a length may follow, so up to this number each
    /// count of bytes is tried.
    const MAX_TRIED: usize = 4;
    let behind = data.get(..end).unwrap_or_default().iter().rev();
    let is_filling = |byte: &&u8| matches!(byte, 0 | b'\n' | b'\r' | b' ' | b'"' | b'\'' | b',');
    let filling = behind.take_while(is_filling).count();
    let few = 0..=MAX_TRIED;
    let all = (filling > MAX_TRIED).then_some(filling);
    few.chain(all).filter_map(move |len| end.checked_sub(len))
}

/// Names the way in which these bytes are this length, if they are.
pub(crate) fn len_prefix(bytes: &[u8], len: usize) -> Option<&'static str> {
    if let Ok(number) = <[u8; 4]>::try_from(bytes) {
        let numbers = [u32::from_be_bytes(number), u32::from_le_bytes(number)];
        let is_len = |number: &u32| usize::try_from(*number) == Ok(len);
        return numbers
            .iter()
            .any(is_len)
            .then_some("its length in 4 bytes");
    }
    let (last, before) = bytes.split_last()?;
    // The least significant bits come first; all bytes but the last have the highest bit.
    let is_varint = before.iter().all(|byte| *byte >= 0x80) && *last < 0x80 && before.len() < 4;
    let number = bytes.iter().rev().fold(0, |number: usize, byte| {
        (number << 7) | usize::from(byte & 0x7f)
    });
    (is_varint && number == len).then_some("its length as a varint")
}

/// Returns the parts of a file of intact aggregates back to back: the aggregates, and any bytes
/// between them other than filling and lengths. Empty if there are fewer than two aggregates.
pub(crate) fn split_back_to_back(data: &[u8], budget: &mut Budget) -> Vec<Range<usize>> {
    let intact = match is_intact(data) {
        true => return Vec::new(),
        false => intact_parts(data, budget),
    };
    if intact.len() < 2 {
        return Vec::new();
    }
    let is_filling = |byte: &u8| matches!(byte, 0 | b'\n' | b'\r');
    let mut parts = Vec::new();
    let mut end = 0;
    for part in intact
        .into_iter()
        .chain(core::iter::once(data.len()..data.len()))
    {
        let between = end..part.start;
        let bytes = data.get(between.clone()).unwrap_or_default();
        if !bytes.iter().all(is_filling) && len_prefix(bytes, part.len()).is_none() {
            parts.push(between);
        }
        end = part.end;
        if !part.is_empty() {
            parts.push(part);
        }
    }
    parts
}

/// Returns the byte that makes the digest good if one bit of it is flipped back.
pub(crate) fn flipped_bit(data: &[u8], budget: &mut Budget) -> Option<(usize, u8)> {
    let frame = Frame::split(data).ok()?;
    let stored = frame.digest();
    if !budget.spend_on_bits(frame.message().len()) {
        return None;
    }
    let mut message = frame.message().to_vec();
    for place in 0..message.len() {
        for bit in 0..u8::BITS {
            let flip = |message: &mut [u8]| -> Option<u8> {
                let byte = message.get_mut(place)?;
                *byte ^= 1_u8.checked_shl(bit)?;
                Some(*byte)
            };
            let byte = flip(&mut message)?;
            if Digest::of(&message) == stored {
                return Some((place.saturating_add(MAGIC_LEN), byte));
            }
            flip(&mut message)?;
        }
    }
    None
}

/// Returns the byte of the digest that is wrong, if only one is.
pub(crate) fn wrong_digest_byte(data: &[u8]) -> Option<usize> {
    let frame = Frame::split(data).ok()?;
    let [stored, computed] = [frame.digest(), Digest::of(frame.message())].map(|d| d.to_bytes());
    let mut wrong = (0..DIGEST_LEN).filter(|&place| stored.get(place) != computed.get(place));
    let first = wrong.next()?;
    let start = data.len().saturating_sub(DIGEST_LEN);
    wrong.next().is_none().then(|| start.saturating_add(first))
}

/// Returns the first wrong byte of the magic, if the digest matches everything after the magic.
pub(crate) fn wrong_magic_byte(data: &[u8]) -> Option<usize> {
    let (start, rest) = data.split_first_chunk::<MAGIC_LEN>()?;
    let (message, digest) = rest.split_last_chunk::<DIGEST_LEN>()?;
    if message.is_empty() || Digest::of(message).to_bytes() != *digest {
        return None;
    }
    start.iter().zip(&MAGIC).position(|(is, ought)| is != ought)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_end_however_much_is_damaged() {
        let mut budget = Budget::default();
        assert!(!budget.spend_on_bits(usize::MAX) && !budget.spend_on_bits(10 << 20));
        let allowed = (0..10_000).filter(|_| budget.spend_on_bits(1000)).count();
        assert!((1..1000).contains(&allowed), "{allowed}");
        let magics = MAGIC.repeat(1 << 16);
        let mut budget = Budget { left: 1 << 20 };
        assert!(intact_parts(&magics, &mut budget).is_empty());
        assert!(!budget.spend(1 << 20));
    }
}
