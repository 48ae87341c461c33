//! Small fields at the start of the input, seen as one number.

/// The next bytes of the input as one number, the first in its low bits: tags
/// and lengths are then compared together, and not byte by byte.
pub(crate) type Word = u64;

/// What is known of the first bytes of a [`Word`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pattern {
    mask: Word,
    bits: Word,
}

/// What is known of one byte.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Byte {
    /// It is this tag.
    Tag(u32),
    /// A byte of a number, and not its last.
    More,
    /// The last byte of a number.
    Last,
}

impl Pattern {
    pub(crate) const fn of(mut bytes: &[Byte]) -> Self {
        let (mut mask, mut bits) = (0, 0);
        while let [rest @ .., last] = bytes {
            let (byte_mask, byte_bits) = match *last {
                Byte::Tag(tag) => (0xff, tag.to_le_bytes()[0]),
                Byte::More => (0x80, 0x80),
                Byte::Last => (0x80, 0),
            };
            mask = mask << 8 | widen(byte_mask);
            bits = bits << 8 | widen(byte_bits);
            bytes = rest;
        }
        Self { mask, bits }
    }

    #[inline(always)]
    pub(crate) fn starts(self, word: Word) -> bool {
        word & self.mask == self.bits
    }
}

const fn widen(byte: u8) -> Word {
    Word::from_le_bytes([byte, 0, 0, 0, 0, 0, 0, 0])
}

/// A number at the start of a [`Word`], and the word from its last byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) value: u32,
    pub(crate) len: usize,
    pub(crate) last: Word,
}

impl Number {
    /// The number that `word` starts with, if it has one byte or two: then
    /// [`last`](Self::last) starts with [`Byte::Last`].
    ///
    /// Without a branch: key indices of one byte and of two come in any order,
    /// and every third branch on it would be guessed wrong.
    #[inline(always)]
    pub(crate) fn of(word: Word) -> Self {
        // The high bit says that there is a second byte, and stands for its bits here.
        let bits_before = low_bits(word >> 4, 0x8);
        let last = word.wrapping_shr(bits_before);
        // 8 becomes 7.
        let shift = bits_before.wrapping_sub(bits_before >> 3);
        Self {
            value: low_bits(word, 0x7f) | low_bits(last, 0x7f).wrapping_shl(shift),
            len: usize::try_from(bits_before >> 3)
                .unwrap_or(usize::MAX)
                .wrapping_add(1),
            last,
        }
    }
}

/// These of the low bits of `word`.
#[inline(always)]
pub(crate) fn low_bits(word: Word, mask: u32) -> u32 {
    // It fits, so there is nothing to saturate.
    u32::try_from(word & Word::from(mask)).unwrap_or(u32::MAX)
}

/// A length of one byte, or of two: the word starts with it and is known to.
#[inline(always)]
pub(crate) fn length_in(word: Word, len: usize) -> usize {
    let low = low_bits(word, 0x7f);
    let value = match len {
        1 => low,
        _ => low | low_bits(word >> 1, 0x3f80),
    };
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::varint;

    const ENDS: Pattern = Pattern::of(&[Byte::Last]);

    /// `value` as it is encoded, other bytes behind it.
    fn word_of(value: u32) -> (Word, usize) {
        let mut bytes = [0xa5; size_of::<Word>()];
        let mut len = 0;
        varint::encode(value, |byte| {
            bytes[len] = byte;
            len += 1;
            Some(())
        })
        .unwrap();
        (Word::from_le_bytes(bytes), len)
    }

    #[test]
    fn numbers_of_one_byte_and_of_two_are_read_and_longer_ones_do_not_end() {
        for value in 0..1 << 14 {
            let (word, len) = word_of(value);
            let last = word >> (8 * (len - 1));
            assert_eq!(Number::of(word), Number { value, len, last });
            assert!(ENDS.starts(last));
            assert_eq!(u32::try_from(length_in(word, len)), Ok(value));
        }
        for value in (14..32).flat_map(|bit| [1 << bit, (1 << bit) + 1]) {
            let (word, _) = word_of(value);
            assert!(!ENDS.starts(Number::of(word).last));
        }
    }

    #[test]
    fn a_pattern_is_of_tags_and_of_where_numbers_end() {
        let pattern = Pattern::of(&[Byte::Last, Byte::Tag(0x1a), Byte::More, Byte::Last]);
        let starts = |bytes: [u8; 4]| {
            let [a, b, c, d] = bytes;
            pattern.starts(Word::from_le_bytes([a, b, c, d, 0xff, 0, 0xff, 0]))
        };
        assert!(starts([0x00, 0x1a, 0x80, 0x00]));
        assert!(starts([0x7f, 0x1a, 0xff, 0x7f]));
        for (place, byte) in [(0, 0x80), (1, 0x1b), (1, 0x9a), (2, 0x7f), (3, 0x80)] {
            let mut bytes = [0x7f, 0x1a, 0xff, 0x7f];
            bytes[place] = byte;
            assert!(!starts(bytes));
        }
    }
}
