//! Hash keys, which determine the shard of a user record.

use core::fmt;
use core::str::{self, FromStr};

use crate::digest::Digest;
use crate::error::{HashKeyError, ReversedRangeError};
use crate::limits::MAX_HASH_KEY_DECIMAL_LEN;

/// A position on the ring of shards: 0 to 2^128 - 1.
///
/// A user record's hash key is its explicit hash key if it has one, else the
/// MD5 of its partition key's bytes, read as one big-endian number (Kinesis
/// `PutRecord`).
///
/// ```
/// use kinesis_agg_codec::HashKey;
///
/// let hash_key = HashKey::of_partition_key(b"a");
/// assert_eq!(hash_key.to_decimal().as_str(), "16955237001963240173058271559858726497");
/// assert_eq!(" +007".parse(), Ok(HashKey::new(7)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(u128);

impl HashKey {
    /// The lowest hash key.
    pub const MIN: Self = Self(0);
    /// The highest hash key.
    pub const MAX: Self = Self(u128::MAX);

    /// Creates the hash key with this number.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// Returns the hash key as a number.
    #[must_use]
    pub const fn to_u128(self) -> u128 {
        self.0
    }

    /// Returns the hash key of a user record without explicit hash key: the
    /// MD5 of its partition key.
    #[must_use]
    pub fn of_partition_key(partition_key: &[u8]) -> Self {
        Self::from(Digest::of(partition_key))
    }

    /// Parses decimal digits, which may follow one `+`. Leading zeros are
    /// accepted, white space is not. An explicit hash key in a blob is read like
    /// this (the KCL's `BigInteger`).
    ///
    /// # Errors
    ///
    /// [`HashKeyError::Empty`] without digits, [`HashKeyError::NotADigit`] for any other byte,
    /// [`HashKeyError::OutOfRange`] if the number is 2^128 or more.
    pub fn from_decimal(text: &[u8]) -> Result<Self, HashKeyError> {
        let digits = text.strip_prefix(b"+").unwrap_or(text);
        if digits.is_empty() {
            return Err(HashKeyError::Empty);
        }
        if let Some(position) = digits.iter().position(|byte| !byte.is_ascii_digit()) {
            let first = text.len().saturating_sub(digits.len());
            return Err(HashKeyError::NotADigit {
                offset: first.saturating_add(position),
            });
        }
        let mut number = 0_u128;
        for &digit in digits {
            if number > u128::MAX / 10 {
                return Err(HashKeyError::OutOfRange);
            }
            number = ten_times(number)
                .checked_add(u128::from(digit & 0xf))
                .ok_or(HashKeyError::OutOfRange)?;
        }
        Ok(Self(number))
    }

    /// Returns the hash key of digits that [`to_decimal`](Self::to_decimal) made, stored
    /// forwards or backwards. For any other bytes, the result is arbitrary.
    pub(crate) fn of_digits(digits: &[u8], is_backwards: bool) -> Self {
        if is_backwards {
            return Self(digits.iter().rev().fold(0, |number, &digit| {
                ten_times(number).wrapping_add(u128::from(digit & 0xf))
            }));
        }
        let first_len = digits.len() % 8;
        let (first, mut rest) = digits.split_at_checked(first_len).unwrap_or_default();
        // The first digits, which do not fill a group of eight, padded with leading zeros.
        let first = match (digits.first_chunk(), u32::try_from(first_len)) {
            (Some(eight), Ok(first_len)) => {
                let spare_bits = u64::BITS.wrapping_sub(first_len.wrapping_mul(8));
                u64::from_le_bytes(*eight)
                    .checked_shl(spare_bits)
                    .unwrap_or_default()
            }
            _ => first
                .iter()
                .fold(0, |eight, &digit| eight >> 8 | u64::from(digit) << 56),
        };
        let mut number = u128::from(of_eight_digits(first));
        while let Some((eight, behind)) = rest.split_first_chunk() {
            let eight = u128::from(of_eight_digits(u64::from_le_bytes(*eight)));
            number = number.wrapping_mul(100_000_000).wrapping_add(eight);
            rest = behind;
        }
        Self(number)
    }

    /// Returns the hash key in plain decimal, without sign and leading zeros, as
    /// the service requires it.
    #[must_use]
    pub fn to_decimal(self) -> HashKeyDecimal {
        HashKeyDecimal::of(self.0)
    }
}

/// Multiplies with two shifts: small processors have no 128-bit multiplication.
fn ten_times(number: u128) -> u128 {
    (number << 3).wrapping_add(number << 1)
}

/// Returns the number that eight digits form, the first one in the lowest byte. Combines
/// neighbouring lanes three times; each time, lanes have twice the bits and hold twice the
/// digits. Digit by digit, a push with an explicit hash key takes 40 % more instructions (x86-64).
fn of_eight_digits(digits: u64) -> u64 {
    let pairs = (digits & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul((10 << 8) + 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul((100 << 16) + 1) >> 16;
    (fours & 0x0000_ffff_0000_ffff).wrapping_mul((10_000 << 32) + 1) >> 32
}

impl From<Digest> for HashKey {
    /// Converts the digest of a partition key to its hash key.
    fn from(digest_of_partition_key: Digest) -> Self {
        Self(u128::from_be_bytes(digest_of_partition_key.to_bytes()))
    }
}

impl From<u128> for HashKey {
    fn from(number: u128) -> Self {
        Self(number)
    }
}

impl From<HashKey> for u128 {
    fn from(hash_key: HashKey) -> Self {
        hash_key.0
    }
}

/// Parses text as the KPL's front end does: trims ASCII white space, then calls
/// [`HashKey::from_decimal`].
impl FromStr for HashKey {
    type Err = HashKeyError;

    fn from_str(text: &str) -> Result<Self, HashKeyError> {
        let trimmed = text.trim_ascii_start();
        let leading_len = text.len().saturating_sub(trimmed.len());
        Self::from_decimal(trimmed.trim_ascii_end().as_bytes()).map_err(|error| match error {
            HashKeyError::NotADigit { offset } => HashKeyError::NotADigit {
                offset: offset.saturating_add(leading_len),
            },
            other => other,
        })
    }
}

/// Prints plain decimal.
impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_decimal().as_str())
    }
}

/// A hash key as decimal text of at most [`MAX_HASH_KEY_DECIMAL_LEN`] bytes,
/// made without a heap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKeyDecimal {
    /// Right-aligned.
    digits: [u8; GROUPS * GROUP_LEN],
    /// Leading zeros that are not part of the text.
    skipped: usize,
}

/// The widest number that the processor divides in one instruction.
#[cfg(target_pointer_width = "64")]
type Word = u64;
#[cfg(not(target_pointer_width = "64"))]
type Word = u32;
const HALF_BITS: u32 = Word::BITS / 2;
const HALF_LEN: usize = size_of::<Word>() / 2;

/// Digits in a group, as many as fit in half a word, and ten to that power.
const GROUP_LEN: usize = if HALF_LEN == 4 { 9 } else { 4 };
const BASE: Word = if HALF_LEN == 4 { 1_000_000_000 } else { 10_000 };
/// Number of groups that 2^128 - 1 needs.
const GROUPS: usize = MAX_HASH_KEY_DECIMAL_LEN.div_ceil(GROUP_LEN);

impl HashKeyDecimal {
    /// Long multiplication in words. Dividing a `u128` takes kilobytes of code on a processor
    /// without an instruction for it.
    fn of(number: u128) -> Self {
        let mut groups = [0_u32; GROUPS];
        for half in number.to_be_bytes().chunks_exact(HALF_LEN) {
            let mut carry = half
                .iter()
                .fold(0, |half, &byte| (half << 8) | Word::from(byte));
            for group in groups.iter_mut().rev() {
                // Less than the base times 2^half, so the carry is less than 2^half again.
                let shifted = (Word::from(*group) << HALF_BITS) | carry;
                *group = u32::try_from(shifted % BASE).unwrap_or_default();
                carry = shifted / BASE;
            }
        }
        let mut digits = [0; GROUPS * GROUP_LEN];
        for (chunk, group) in digits.chunks_exact_mut(GROUP_LEN).zip(groups) {
            let mut rest = group;
            for digit in chunk.iter_mut().rev() {
                let [low, ..] = (rest % 10).to_le_bytes();
                *digit = b'0' | low;
                rest /= 10;
            }
        }
        let last = digits.len().saturating_sub(1);
        let skipped = digits
            .iter()
            .position(|&digit| digit != b'0')
            .unwrap_or(last);
        Self { digits, skipped }
    }

    /// Returns the digits as ASCII bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.skipped..).unwrap_or_default()
    }

    /// Returns the digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl AsRef<str> for HashKeyDecimal {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for HashKeyDecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `str`'s own `Debug` contains panics.
        write!(f, "\"{}\"", self.as_str())
    }
}

impl fmt::Display for HashKeyDecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The hash keys of a shard, from start to end, both inclusive.
///
/// ```
/// use kinesis_agg_codec::{HashKey, HashKeyRange};
///
/// let range = HashKeyRange::new(HashKey::new(5), HashKey::new(7))?;
/// assert!(range.contains(HashKey::new(7)));
/// assert!(!range.contains(HashKey::new(8)));
/// assert!(HashKeyRange::new(HashKey::new(7), HashKey::new(5)).is_err());
/// # Ok::<(), kinesis_agg_codec::ReversedRangeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HashKeyRange {
    starting_hash_key: HashKey,
    ending_hash_key: HashKey,
}

impl HashKeyRange {
    /// All hash keys.
    pub const FULL: Self = Self {
        starting_hash_key: HashKey::MIN,
        ending_hash_key: HashKey::MAX,
    };

    /// Creates the range from `starting_hash_key` to `ending_hash_key`, both
    /// included.
    ///
    /// # Errors
    ///
    /// [`ReversedRangeError`] if the start is above the end.
    pub const fn new(
        starting_hash_key: HashKey,
        ending_hash_key: HashKey,
    ) -> Result<Self, ReversedRangeError> {
        if starting_hash_key.0 > ending_hash_key.0 {
            return Err(ReversedRangeError {});
        }
        Ok(Self {
            starting_hash_key,
            ending_hash_key,
        })
    }

    /// Returns the lowest hash key of the range.
    #[must_use]
    pub const fn starting_hash_key(&self) -> HashKey {
        self.starting_hash_key
    }

    /// Returns the highest hash key of the range.
    #[must_use]
    pub const fn ending_hash_key(&self) -> HashKey {
        self.ending_hash_key
    }

    /// Returns true if `hash_key` is in the range.
    #[must_use]
    pub const fn contains(&self, hash_key: HashKey) -> bool {
        self.starting_hash_key.0 <= hash_key.0 && hash_key.0 <= self.ending_hash_key.0
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn hash_keys_print_and_parse_like_u128() {
        let mut number = 1_u128;
        loop {
            for near in [number - 1, number, number.wrapping_neg()] {
                assert_eq!(HashKey::new(near).to_string(), near.to_string());
                assert_eq!(near.to_string().parse(), Ok(HashKey::new(near)));
            }
            match number.checked_mul(7) {
                Some(next) => number = next,
                None => break,
            }
        }
    }

    #[test]
    fn hash_keys_around_powers_of_ten_round_trip_through_decimal() {
        let mut number = 1_u128;
        for _ in 0..MAX_HASH_KEY_DECIMAL_LEN {
            for near in [number - 1, number, number + 1] {
                assert_eq!(
                    HashKey::from_decimal(near.to_string().as_bytes()),
                    Ok(HashKey(near))
                );
                assert_eq!(HashKey(near).to_decimal().as_str(), near.to_string());
                let mut digits = near.to_string().into_bytes();
                assert_eq!(HashKey::of_digits(&digits, false), HashKey(near));
                digits.reverse();
                assert_eq!(HashKey::of_digits(&digits, true), HashKey(near));
            }
            number = number.wrapping_mul(10);
        }
    }

    #[test]
    fn from_decimal_accepts_one_plus_and_leading_zeros_and_rejects_other_bytes() {
        use HashKeyError::{Empty, NotADigit, OutOfRange};
        let cases: &[(&str, Result<u128, HashKeyError>)] = &[
            ("0", Ok(0)),
            ("007", Ok(7)),
            ("+7", Ok(7)),
            ("+007", Ok(7)),
            ("340282366920938463463374607431768211455", Ok(u128::MAX)),
            ("0000000000000000000000000000000000000000000000001", Ok(1)),
            ("340282366920938463463374607431768211456", Err(OutOfRange)),
            ("999999999999999999999999999999999999999", Err(OutOfRange)),
            ("3402823669209384634633746074317682114550", Err(OutOfRange)),
            ("", Err(Empty)),
            ("+", Err(Empty)),
            ("-1", Err(NotADigit { offset: 0 })),
            ("++1", Err(NotADigit { offset: 1 })),
            (" 1", Err(NotADigit { offset: 0 })),
            ("1 ", Err(NotADigit { offset: 1 })),
            ("1_000", Err(NotADigit { offset: 1 })),
            ("0x10", Err(NotADigit { offset: 1 })),
            ("\u{661}", Err(NotADigit { offset: 0 })),
        ];
        for (text, expected) in cases {
            let got = HashKey::from_decimal(text.as_bytes());
            assert_eq!(got, expected.map(HashKey), "{text:?}");
        }
    }

    #[test]
    fn from_str_trims_ascii_white_space() {
        for (text, expected) in [
            (" 7", Ok(7)),
            ("\t+007\r\n", Ok(7)),
            (" ", Err(HashKeyError::Empty)),
            ("  1 2", Err(HashKeyError::NotADigit { offset: 3 })),
            ("\u{a0}7", Err(HashKeyError::NotADigit { offset: 0 })),
        ] {
            assert_eq!(text.parse(), expected.map(HashKey), "{text:?}");
        }
    }

    #[test]
    fn a_hash_key_range_contains_both_of_its_ends() {
        let key = HashKey::new;
        assert!(HashKeyRange::FULL.contains(HashKey::MIN));
        assert!(HashKeyRange::FULL.contains(HashKey::MAX));
        let one = HashKeyRange::new(key(5), key(5)).unwrap();
        assert_eq!(
            [4, 5, 6].map(|n| one.contains(key(n))),
            [false, true, false]
        );
        assert_eq!(
            HashKeyRange::new(key(6), key(5)),
            Err(ReversedRangeError {})
        );
    }
}
