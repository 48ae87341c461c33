//! Positions in a shard, including positions in the middle of an aggregate, whose user
//! records share one sequence number.

use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// Maximum number of digits of a sequence number (pattern of `SequenceNumber` in the
/// Kinesis API). Those that the service assigns have 56 digits today.
pub const MAX_SEQUENCE_NUMBER_LEN: usize = 129;

/// The position of a Kinesis record in its shard, or one of the KCL's sentinels for
/// positions before and after all records.
///
/// Ordered as in the KCL: `AtTimestamp`, `TrimHorizon`, `Latest`, the numbers,
/// `ShardEnd`.
///
/// ```
/// use kinesis_agg::SequenceNumber;
///
/// let number: SequenceNumber =
///     "49590338271490256608559692538361571095921575989136588898".parse()?;
/// assert!(SequenceNumber::Latest < number && number < SequenceNumber::ShardEnd);
/// assert_eq!("TRIM_HORIZON".parse(), Ok(SequenceNumber::TrimHorizon));
/// # Ok::<(), kinesis_agg::read::SequenceNumberError>(())
/// ```
///
/// With the feature `serde`, it is serialized as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the KCL's sentinels; one more would change its checkpoints' format"
)]
pub enum SequenceNumber {
    /// `AT_TIMESTAMP`: before all records.
    AtTimestamp,
    /// `TRIM_HORIZON`: before all records.
    TrimHorizon,
    /// `LATEST`: before all records. It states where to start reading, not what was
    /// read.
    Latest,
    /// The sequence number of a Kinesis record.
    Number(SequenceDigits),
    /// `SHARD_END`: after all records.
    ShardEnd,
}

/// The digits of a sequence number, without leading zeros. Ordered as numbers, which may
/// be larger than 128 bits can hold.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SequenceDigits(Box<str>);

impl SequenceDigits {
    /// Returns the digits, as the service writes them.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for SequenceDigits {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_digits(&self.0, &other.0)
    }
}

impl PartialOrd for SequenceDigits {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares numbers that have no leading zeros.
fn cmp_digits(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

impl fmt::Debug for SequenceDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SequenceDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The reason why text is not a position in a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SequenceNumberError {
    /// The text is empty.
    #[error("sequence number is empty")]
    Empty,
    /// The text is not one of the KCL's sentinels, and has a byte that is not an ASCII
    /// digit.
    #[error("sequence number has a byte at offset {offset} that is not a digit")]
    NotADigit {
        /// The offset of that byte in the text.
        offset: usize,
    },
    /// The number has more than [`MAX_SEQUENCE_NUMBER_LEN`] digits, not counting leading
    /// zeros.
    #[error("sequence number has {digit_count} digits; the limit is {MAX_SEQUENCE_NUMBER_LEN}")]
    TooLong {
        /// The number of digits.
        digit_count: usize,
    },
    /// An extended sequence number has no `:` followed by a sub-sequence number.
    #[error("extended sequence number has no `:` with a sub-sequence number after it")]
    NoSubSequenceNumber,
    /// The sub-sequence number of an extended sequence number does not consist
    /// of ASCII digits.
    #[error("sub-sequence number is not a number")]
    SubSequenceNumberNotANumber,
    /// The sub-sequence number of an extended sequence number is larger than
    /// 64 bits can hold.
    #[error("sub-sequence number is larger than {}", u64::MAX)]
    SubSequenceNumberTooLarge,
}

/// The KCL's sentinels, as written in its lease table.
const SENTINELS: [(&str, SequenceNumber); 4] = [
    ("AT_TIMESTAMP", SequenceNumber::AtTimestamp),
    ("TRIM_HORIZON", SequenceNumber::TrimHorizon),
    ("LATEST", SequenceNumber::Latest),
    ("SHARD_END", SequenceNumber::ShardEnd),
];

/// A sequence number that borrows its digits.
enum Borrowed<'a> {
    Sentinel(SequenceNumber),
    Digits(&'a str),
}

fn parse(text: &str) -> Result<Borrowed<'_>, SequenceNumberError> {
    if text.is_empty() {
        return Err(SequenceNumberError::Empty);
    }
    if let Some((_, sentinel)) = SENTINELS.iter().find(|(word, _)| *word == text) {
        return Ok(Borrowed::Sentinel(sentinel.clone()));
    }
    if let Some(offset) = text.bytes().position(|byte| !byte.is_ascii_digit()) {
        return Err(SequenceNumberError::NotADigit { offset });
    }
    let digits = match text.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    if digits.len() > MAX_SEQUENCE_NUMBER_LEN {
        let digit_count = digits.len();
        return Err(SequenceNumberError::TooLong { digit_count });
    }
    Ok(Borrowed::Digits(digits))
}

impl SequenceNumber {
    /// Compares with a sequence number in text form, without allocating.
    pub(crate) fn cmp_text(&self, text: &str) -> Result<Ordering, SequenceNumberError> {
        Ok(match (self, parse(text)?) {
            (_, Borrowed::Sentinel(other)) => self.cmp(&other),
            (Self::Number(digits), Borrowed::Digits(other)) => cmp_digits(&digits.0, other),
            (Self::ShardEnd, Borrowed::Digits(_)) => Ordering::Greater,
            (Self::AtTimestamp | Self::TrimHorizon | Self::Latest, Borrowed::Digits(_)) => {
                Ordering::Less
            }
        })
    }
}

/// Parses digits or one of the KCL's sentinels. Leading zeros, which the service never
/// writes, are ignored.
impl FromStr for SequenceNumber {
    type Err = SequenceNumberError;

    fn from_str(text: &str) -> Result<Self, SequenceNumberError> {
        Ok(match parse(text)? {
            Borrowed::Sentinel(sentinel) => sentinel,
            Borrowed::Digits(digits) => Self::Number(SequenceDigits(digits.into())),
        })
    }
}

/// Writes the text that [`FromStr`] parses.
impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtTimestamp => f.pad("AT_TIMESTAMP"),
            Self::TrimHorizon => f.pad("TRIM_HORIZON"),
            Self::Latest => f.pad("LATEST"),
            Self::Number(digits) => fmt::Display::fmt(digits, f),
            Self::ShardEnd => f.pad("SHARD_END"),
        }
    }
}

/// The position of a user record in its shard: a checkpoint.
///
/// Ordered by the sequence number, then by the sub-sequence number (KCL behaviour). A
/// Kinesis record that is not aggregated has sub-sequence number 0.
///
/// ```
/// use kinesis_agg::ExtendedSequenceNumber;
///
/// let checkpoint: ExtendedSequenceNumber = "42:7".parse()?;
/// assert_eq!(checkpoint.sub_sequence_number, 7);
/// assert_eq!(checkpoint.to_string(), "42:7");
/// assert!(checkpoint > "42:6".parse()? && checkpoint < "100:0".parse()?);
/// # Ok::<(), kinesis_agg::read::SequenceNumberError>(())
/// ```
///
/// # Storing a checkpoint
///
/// Store it as the text `sequence number:sub-sequence number`, which [`FromStr`] parses
/// and the feature `serde` uses, or in two columns, as the KCL does.
///
/// # Resuming
///
/// | Checkpoint | Shard iterator |
/// |---|---|
/// | [`is_after_record`](Self::is_after_record) | `AFTER_SEQUENCE_NUMBER` |
/// | in the middle of an aggregate | `AT_SEQUENCE_NUMBER`, so that the aggregate is read again |
/// | `TRIM_HORIZON`, `LATEST`, `AT_TIMESTAMP` | the type of that name |
/// | `SHARD_END` | none; continue with the children of the shard |
///
/// In each case,
/// [`Deaggregator::resume_after`](crate::Deaggregator::resume_after) skips everything
/// that was already processed. For a number, `AT_SEQUENCE_NUMBER` is always correct.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the pair that the KCL stores in its lease table"
)]
pub struct ExtendedSequenceNumber {
    /// The sequence number of the Kinesis record.
    pub sequence_number: SequenceNumber,
    /// The position in the aggregate, counted from 0.
    pub sub_sequence_number: u64,
}

/// The largest sub-sequence number that the KCL can store: a Java `long`.
const AFTER_RECORD: u64 = i64::MAX.cast_unsigned();

impl ExtendedSequenceNumber {
    /// Returns the position after all user records of a Kinesis record.
    ///
    /// Its sub-sequence number is the largest that the KCL can store, 2^63 - 1.
    #[must_use]
    pub const fn after_record(sequence_number: SequenceNumber) -> Self {
        Self {
            sequence_number,
            sub_sequence_number: AFTER_RECORD,
        }
    }

    /// Returns true if the position is after all user records of a Kinesis record, so
    /// that reading can resume with the shard iterator type `AFTER_SEQUENCE_NUMBER`.
    #[must_use]
    pub const fn is_after_record(&self) -> bool {
        matches!(self.sequence_number, SequenceNumber::Number(_))
            && self.sub_sequence_number >= AFTER_RECORD
    }
}

impl From<SequenceNumber> for ExtendedSequenceNumber {
    /// Returns the position with sub-sequence number 0.
    fn from(sequence_number: SequenceNumber) -> Self {
        Self {
            sequence_number,
            sub_sequence_number: 0,
        }
    }
}

/// Parses `sequence number:sub-sequence number`.
impl FromStr for ExtendedSequenceNumber {
    type Err = SequenceNumberError;

    fn from_str(text: &str) -> Result<Self, SequenceNumberError> {
        let (number, sub) = text
            .split_once(':')
            .ok_or(SequenceNumberError::NoSubSequenceNumber)?;
        let sequence_number = number.parse()?;
        if sub.is_empty() || !sub.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SequenceNumberError::SubSequenceNumberNotANumber);
        }
        let sub_sequence_number = sub
            .parse()
            .map_err(|_| SequenceNumberError::SubSequenceNumberTooLarge)?;
        Ok(Self {
            sequence_number,
            sub_sequence_number,
        })
    }
}

/// Writes `sequence number:sub-sequence number`, which [`FromStr`] parses.
impl fmt::Display for ExtendedSequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence_number, self.sub_sequence_number)
    }
}

#[cfg(feature = "serde")]
mod serde_text {
    use core::fmt;
    use core::marker::PhantomData;
    use core::str::FromStr;

    use serde::de::{Deserialize, Deserializer, Error, Visitor};
    use serde::ser::{Serialize, Serializer};

    use super::{ExtendedSequenceNumber, SequenceNumber};

    struct Text<T>(PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence number as text")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    impl Serialize for SequenceNumber {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl Serialize for ExtendedSequenceNumber {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for SequenceNumber {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(Text(PhantomData))
        }
    }

    impl<'de> Deserialize<'de> for ExtendedSequenceNumber {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(Text(PhantomData))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> SequenceNumber {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_are_ordered_by_value_and_between_the_kcls_sentinels() {
        let longest = "9".repeat(MAX_SEQUENCE_NUMBER_LEN);
        let in_order = [
            "AT_TIMESTAMP",
            "TRIM_HORIZON",
            "LATEST",
            "0",
            "9",
            "10",
            "340282366920938463463374607431768211455",
            "340282366920938463463374607431768211456",
            "49590338271490256608559692538361571095921575989136588898",
            "49590338271490256608559692538361571095921575989136588899",
            &longest,
            "SHARD_END",
        ];
        for (place, a) in in_order.iter().enumerate() {
            assert_eq!(number(a).to_string(), *a);
            for (other, b) in in_order.iter().enumerate() {
                assert_eq!(number(a).cmp(&number(b)), place.cmp(&other), "{a} {b}");
            }
        }
    }

    #[test]
    fn leading_zeros_are_ignored() {
        let zeros = "0".repeat(MAX_SEQUENCE_NUMBER_LEN + 1);
        for (text, same) in [("007", "7"), ("00", "0"), (&zeros, "0")] {
            assert_eq!(number(text), number(same));
            assert_eq!(number(text).to_string(), same);
        }
        assert_eq!(number(&(zeros + "7")), number("7"));
    }

    #[test]
    fn an_invalid_sequence_number_error_names_the_byte_offset() {
        use SequenceNumberError::{Empty, NotADigit, TooLong};
        let digit_count = MAX_SEQUENCE_NUMBER_LEN + 1;
        let too_long = "1".repeat(digit_count);
        for (text, error) in [
            ("", Empty),
            ("latest", NotADigit { offset: 0 }),
            ("LATEST ", NotADigit { offset: 0 }),
            ("12-", NotADigit { offset: 2 }),
            ("+1", NotADigit { offset: 0 }),
            (" 1", NotADigit { offset: 0 }),
            ("1\u{661}", NotADigit { offset: 1 }),
            (&too_long, TooLong { digit_count }),
        ] {
            assert_eq!(SequenceNumber::from_str(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn equal_sequence_numbers_are_ordered_by_sub_sequence_number() {
        let at = |text, sub_sequence_number| ExtendedSequenceNumber {
            sequence_number: number(text),
            sub_sequence_number,
        };
        assert!(at("7", 9) < at("7", 10));
        assert!(at("7", u64::MAX) < at("8", 0));
        assert!(at("LATEST", 7) < at("0", 0));
        assert!(at("9", 7) < ExtendedSequenceNumber::from(SequenceNumber::ShardEnd));
    }

    #[test]
    fn comparing_with_text_equals_comparing_with_the_parsed_number() {
        let texts = [
            "AT_TIMESTAMP",
            "TRIM_HORIZON",
            "LATEST",
            "0",
            "9",
            "0010",
            "11",
            "SHARD_END",
        ];
        for one in texts {
            for other in texts {
                let expected = number(one).cmp(&number(other));
                assert_eq!(number(one).cmp_text(other), Ok(expected), "{one} {other}");
            }
        }
        assert_eq!(number("1").cmp_text(""), Err(SequenceNumberError::Empty));
    }

    #[test]
    fn an_extended_sequence_number_parses_its_own_output() {
        let parse = |text: &str| text.parse::<ExtendedSequenceNumber>();
        for text in [
            "7:9",
            "TRIM_HORIZON:0",
            "SHARD_END:0",
            "0:18446744073709551615",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse("007:09"), parse("7:9"));
        for (text, error) in [
            ("", SequenceNumberError::NoSubSequenceNumber),
            ("42", SequenceNumberError::NoSubSequenceNumber),
            (":1", SequenceNumberError::Empty),
            ("x:1", SequenceNumberError::NotADigit { offset: 0 }),
            ("1:", SequenceNumberError::SubSequenceNumberNotANumber),
            ("1:+1", SequenceNumberError::SubSequenceNumberNotANumber),
            ("1:1:1", SequenceNumberError::SubSequenceNumberNotANumber),
            (
                "1:18446744073709551616",
                SequenceNumberError::SubSequenceNumberTooLarge,
            ),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn after_record_is_the_largest_position_that_the_kcl_can_store() {
        let after = ExtendedSequenceNumber::after_record(number("7"));
        assert!(after.is_after_record());
        assert_eq!(after.to_string(), format!("7:{}", i64::MAX));
        let last = ExtendedSequenceNumber {
            sub_sequence_number: u64::from(u32::MAX),
            ..after.clone()
        };
        assert!(!last.is_after_record() && last < after);
        let end = ExtendedSequenceNumber::after_record(SequenceNumber::ShardEnd);
        assert!(!end.is_after_record());
    }
}
