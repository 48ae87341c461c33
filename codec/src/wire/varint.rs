//! Variable-length numbers: seven bits a byte, low bits first, the high bit
//! set on all but the last byte.

use crate::limits::MAX_VARINT_LEN;

/// On bare metal code is dearer than time: there is one way to do each thing, and
/// none that is for usual input alone.
pub(crate) const FOR_SIZE: bool = cfg!(not(feature = "fast"));

/// A varint as it stands in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Varint {
    /// The low 64 bits.
    pub(crate) value: u64,
    /// The tenth byte has bits beyond the 64th. Values drop them, as the C++
    /// and Java runtimes do; a length or a tag that has them does not fit.
    pub(crate) overflows: bool,
}

/// Why no varint could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VarintError {
    /// The input ends first.
    Truncated,
    /// It goes on after as many bytes as it may have.
    TooLong,
}

/// Reads a varint of at most `limit` bytes; returns it with the rest of
/// `input`.
#[inline]
pub(crate) fn decode(input: &[u8], limit: u8) -> Result<(Varint, &[u8]), VarintError> {
    let longest = input.get(..usize::from(limit)).unwrap_or(input);
    let before_last = longest.iter().position(|&byte| byte < 0x80);
    let taken = before_last.and_then(|len| input.split_at_checked(len.wrapping_add(1)));
    let Some((bytes, rest)) = taken else {
        return Err(match longest.len() < usize::from(limit) {
            true => VarintError::Truncated,
            false => VarintError::TooLong,
        });
    };
    // From the last byte on, so that all are shifted by the same. What does not fit falls out.
    let value = bytes
        .iter()
        .rfold(0, |value: u64, &byte| value << 7 | u64::from(byte & 0x7f));
    // Nine bytes hold 63 bits.
    let overflows = bytes.get(9).is_some_and(|&last| last > 1);
    Ok((Varint { value, overflows }, rest))
}

/// Bytes that `value` takes.
pub(crate) const fn encoded_len(value: u32) -> u32 {
    // Seven bits a byte: one byte more than the highest set bit's place divided by 7. No branch, and
    // no division: 9/64 is near enough to 1/7 for all places there are.
    let place = (value | 1).ilog2();
    place.wrapping_mul(9).wrapping_add(73) >> 6
}

/// Hands the bytes of `value` to `put`, until it refuses one.
pub(crate) fn encode(value: u32, mut put: impl FnMut(u8) -> Option<()>) -> Option<()> {
    let mut rest = value;
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            return put(low);
        }
        put(low | 0x80)?;
    }
}

const _: () = assert!(MAX_VARINT_LEN == u64::BITS.div_ceil(7).to_le_bytes()[0]);

#[cfg(test)]
mod tests {
    use super::*;

    /// Value and shortest bytes at both sides of every change of length.
    const EDGES: &[(u64, &[u8])] = &[
        (0, &[0x00]),
        (1, &[0x01]),
        ((1 << 7) - 1, &[0x7f]),
        (1 << 7, &[0x80, 0x01]),
        ((1 << 14) - 1, &[0xff, 0x7f]),
        (1 << 14, &[0x80, 0x80, 0x01]),
        ((1 << 21) - 1, &[0xff, 0xff, 0x7f]),
        (1 << 21, &[0x80, 0x80, 0x80, 0x01]),
        ((1 << 28) - 1, &[0xff, 0xff, 0xff, 0x7f]),
        (1 << 28, &[0x80, 0x80, 0x80, 0x80, 0x01]),
        ((1 << 32) - 1, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ((1 << 35) - 1, &[0xff, 0xff, 0xff, 0xff, 0x7f]),
        (1 << 35, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01]),
        (1 << 42, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]),
        (1 << 49, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]),
        (
            (1 << 63) - 1,
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ),
        (
            1 << 63,
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
        ),
        (
            u64::MAX,
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ),
    ];

    fn value(input: &[u8]) -> Result<u64, VarintError> {
        decode(input, MAX_VARINT_LEN).map(|(varint, _)| varint.value)
    }

    #[test]
    fn edges_decode_and_every_prefix_is_truncated() {
        for &(expected, bytes) in EDGES {
            assert_eq!(value(bytes), Ok(expected));
            for len in 0..bytes.len() {
                assert_eq!(value(&bytes[..len]), Err(VarintError::Truncated));
            }
        }
    }

    #[test]
    fn edges_encode_in_the_length_that_was_promised() {
        for &(number, bytes) in EDGES {
            let Ok(number) = u32::try_from(number) else {
                continue;
            };
            let mut out = [0xa5; 5];
            let mut at = 0;
            encode(number, |byte| {
                out[at] = byte;
                at += 1;
                Some(())
            })
            .unwrap();
            assert_eq!(&out[..at], bytes);
            assert_eq!(usize::try_from(encoded_len(number)), Ok(at));
        }
    }

    #[test]
    fn a_varint_ends_at_its_limit() {
        let zeros_in_ten = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00];
        assert_eq!(value(&zeros_in_ten), Ok(0));
        assert_eq!(
            value(&[0x80; 10]),
            Err(VarintError::TooLong),
            "the tenth byte has to be the last"
        );
        assert_eq!(decode(&[0x80; 5], 5), Err(VarintError::TooLong));
    }

    #[test]
    fn spare_bits_of_the_tenth_byte_are_dropped_and_reported() {
        for (last, value, overflows) in [
            (0x01, 1 << 63, false),
            (0x02, 0, true),
            (0x7e, 0, true),
            (0x7f, 1 << 63, true),
        ] {
            let bytes = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, last];
            let (varint, rest) = decode(&bytes, MAX_VARINT_LEN).unwrap();
            assert_eq!(varint, Varint { value, overflows });
            assert!(rest.is_empty());
        }
    }
}
