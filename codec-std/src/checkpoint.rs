//! How far a consumer got, and going on from there: also in the middle of an
//! aggregate, whose user records share one sequence number.

use core::cmp::Ordering;
use core::fmt;
use core::iter::FusedIterator;
use core::str::FromStr;

use kinesis_agg_codec::ReadSlot;
use thiserror::Error;

use crate::deaggregate::{Batch, Deaggregated, Delivered, Strict};
use crate::enclosing::EnclosingRecord;
use crate::filtered::Filtered;

/// Digits of the longest sequence number (pattern of `SequenceNumber` in the
/// Kinesis API). Today's have 56.
pub const MAX_SEQUENCE_NUMBER_LEN: usize = 129;

/// Where a Kinesis record stands in its shard, or one of the KCL's places
/// before and behind all records.
///
/// The order is the KCL's: `AtTimestamp`, `TrimHorizon`, `Latest`, the numbers,
/// `ShardEnd`.
///
/// ```
/// use kinesis_agg::SequenceNumber;
///
/// let number: SequenceNumber =
///     "49590338271490256608559692538361571095921575989136588898".parse()?;
/// assert!(SequenceNumber::Latest < number && number < SequenceNumber::ShardEnd);
/// assert_eq!("TRIM_HORIZON".parse(), Ok(SequenceNumber::TrimHorizon));
/// # Ok::<(), kinesis_agg::SequenceNumberError>(())
/// ```
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
    /// `LATEST`: before all records; it says where reading begins, not what was
    /// read.
    Latest,
    /// That of a Kinesis record.
    Number(SequenceDigits),
    /// `SHARD_END`: behind all records.
    ShardEnd,
}

/// The digits of a sequence number, without leading zeros; too many for 128
/// bits. Ordered as numbers.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SequenceDigits(Box<str>);

impl SequenceDigits {
    /// The digits, as the service writes them.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for SequenceDigits {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_len = self.0.len().cmp(&other.0.len());
        by_len.then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for SequenceDigits {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
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

/// Why a text is no sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SequenceNumberError {
    /// There is no text.
    #[error("sequence number is empty")]
    Empty,
    /// It is none of the KCL's words, and has a byte that is no ASCII digit.
    #[error("sequence number is no number from byte {offset} on")]
    NotADigit {
        /// Where that byte stands, from 0.
        offset: usize,
    },
    /// It has more digits than [`MAX_SEQUENCE_NUMBER_LEN`], leading zeros not
    /// counted.
    #[error("sequence number of {digit_count} digits is too long")]
    TooLong {
        /// How many it has.
        digit_count: usize,
    },
}

/// The KCL's words, as in its lease table.
const SENTINELS: [(&str, SequenceNumber); 4] = [
    ("AT_TIMESTAMP", SequenceNumber::AtTimestamp),
    ("TRIM_HORIZON", SequenceNumber::TrimHorizon),
    ("LATEST", SequenceNumber::Latest),
    ("SHARD_END", SequenceNumber::ShardEnd),
];

/// Reads digits, or one of the KCL's words. Leading zeros, which the service
/// never writes, make no difference.
impl FromStr for SequenceNumber {
    type Err = SequenceNumberError;

    fn from_str(text: &str) -> Result<Self, SequenceNumberError> {
        if text.is_empty() {
            return Err(SequenceNumberError::Empty);
        }
        if let Some((_, sentinel)) = SENTINELS.iter().find(|(word, _)| *word == text) {
            return Ok(sentinel.clone());
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
        Ok(Self::Number(SequenceDigits(digits.into())))
    }
}

/// As it is read.
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

/// Where a user record stands in its shard: a checkpoint.
///
/// Ordered by the sequence number, then by the sub-sequence number (KCL
/// behaviour). What is not aggregated has sub-sequence number 0.
///
/// ```
/// use kinesis_agg::{ExtendedSequenceNumber, SequenceNumber};
///
/// let checkpoint = ExtendedSequenceNumber {
///     sequence_number: "42".parse()?,
///     sub_sequence_number: 7,
/// };
/// assert!(checkpoint > "42".parse::<SequenceNumber>()?.into());
/// assert!(checkpoint < "100".parse::<SequenceNumber>()?.into());
/// # Ok::<(), kinesis_agg::SequenceNumberError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the KCL's pair, kept in tables")]
pub struct ExtendedSequenceNumber {
    /// Of the Kinesis record.
    pub sequence_number: SequenceNumber,
    /// The place in the aggregate, from 0.
    pub sub_sequence_number: u64,
}

impl From<SequenceNumber> for ExtendedSequenceNumber {
    /// With sub-sequence number 0.
    fn from(sequence_number: SequenceNumber) -> Self {
        Self {
            sequence_number,
            sub_sequence_number: 0,
        }
    }
}

/// For people: `sequence number:sub-sequence number`.
impl fmt::Display for ExtendedSequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence_number, self.sub_sequence_number)
    }
}

impl<R: EnclosingRecord + ?Sized> Delivered<'_, R> {
    /// What to note as checkpoint when this and all before it is done; none if
    /// the sequence number is not known.
    ///
    /// # Errors
    ///
    /// [`SequenceNumberError`] if the Kinesis record has a sequence number that
    /// is none: [`Empty`](SequenceNumberError::Empty),
    /// [`NotADigit`](SequenceNumberError::NotADigit) or
    /// [`TooLong`](SequenceNumberError::TooLong).
    pub fn extended_sequence_number(
        &self,
    ) -> Result<Option<ExtendedSequenceNumber>, SequenceNumberError> {
        self.sequence_number()
            .map(|text| {
                Ok(ExtendedSequenceNumber {
                    sequence_number: text.parse()?,
                    sub_sequence_number: self.sub_sequence_number(),
                })
            })
            .transpose()
    }
}

/// What Kinesis records deliver, without what lies at or before a checkpoint.
///
/// ```
/// use kinesis_agg::{ExtendedSequenceNumber, KinesisRecord, deaggregate_batch};
///
/// # fn load() -> ExtendedSequenceNumber { kinesis_agg::SequenceNumber::TrimHorizon.into() }
/// # fn store(_: ExtendedSequenceNumber) {}
/// # fn get_records_at(_: &ExtendedSequenceNumber) -> Vec<KinesisRecord> { Vec::new() }
/// let checkpoint = load();
/// // With AT_SEQUENCE_NUMBER, so that the rest of a half-done aggregate comes again.
/// let records = get_records_at(&checkpoint);
/// for delivered in deaggregate_batch(&records).resume_after(checkpoint) {
///     println!("{:?}", delivered.data());
///     if let Some(done) = delivered.extended_sequence_number()? {
///         store(done);
///     }
/// }
/// # Ok::<(), kinesis_agg::SequenceNumberError>(())
/// ```
///
/// What has no sequence number that can be compared is delivered: once too
/// often, rather than never.
#[derive(Clone, Debug)]
pub struct Resumed<D> {
    delivered: D,
    checkpoint: ExtendedSequenceNumber,
    /// Place of the last Kinesis record, and how it stands to the checkpoint's.
    last: Option<(usize, Ordering)>,
}

impl<D> Resumed<D> {
    const fn new(delivered: D, checkpoint: ExtendedSequenceNumber) -> Self {
        Self {
            delivered,
            checkpoint,
            last: None,
        }
    }

    /// Ends with an error at the first malformed Kinesis record behind the
    /// checkpoint, instead of passing it through.
    #[must_use]
    pub const fn strict(self) -> Strict<Self> {
        Strict::new(self)
    }

    /// What is skipped through, as for [`Filtered::left_out_count`].
    #[must_use]
    pub const fn get_ref(&self) -> &D {
        &self.delivered
    }

    fn is_done<R: EnclosingRecord + ?Sized>(&mut self, delivered: &Delivered<'_, R>) -> bool {
        let record_index = delivered.record_index();
        let ordering = match self.last {
            Some((last, ordering)) if last == record_index => ordering,
            // Compared once for all user records of an aggregate.
            _ => {
                let number = delivered.sequence_number().map(SequenceNumber::from_str);
                let ordering = match number {
                    Some(Ok(number)) => number.cmp(&self.checkpoint.sequence_number),
                    None | Some(Err(_)) => Ordering::Greater,
                };
                self.last = Some((record_index, ordering));
                ordering
            }
        };
        let sub_sequence_number = delivered.sub_sequence_number();
        ordering
            .then_with(|| sub_sequence_number.cmp(&self.checkpoint.sub_sequence_number))
            .is_le()
    }
}

impl<R: ?Sized, S> Deaggregated<'_, R, S>
where
    R: EnclosingRecord,
    S: AsRef<[ReadSlot]>,
{
    /// Skips what lies at or before a checkpoint.
    #[must_use]
    pub const fn resume_after(self, checkpoint: ExtendedSequenceNumber) -> Resumed<Self> {
        Resumed::new(self, checkpoint)
    }
}

impl<R: ?Sized, I, F> Batch<'_, R, I, F> {
    /// Skips what lies at or before a checkpoint.
    #[must_use]
    pub const fn resume_after(self, checkpoint: ExtendedSequenceNumber) -> Resumed<Self> {
        Resumed::new(self, checkpoint)
    }
}

impl<D, L> Filtered<D, L> {
    /// Skips what lies at or before a checkpoint. What the filter leaves out
    /// there is counted again.
    #[must_use]
    pub const fn resume_after(self, checkpoint: ExtendedSequenceNumber) -> Resumed<Self> {
        Resumed::new(self, checkpoint)
    }
}

impl<'a, R, D> Iterator for Resumed<D>
where
    R: EnclosingRecord + ?Sized + 'a,
    D: Iterator<Item = Delivered<'a, R>>,
{
    type Item = Delivered<'a, R>;

    fn next(&mut self) -> Option<Delivered<'a, R>> {
        loop {
            let delivered = self.delivered.next()?;
            if !self.is_done(&delivered) {
                return Some(delivered);
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.delivered.size_hint().1)
    }
}

impl<'a, R, D> FusedIterator for Resumed<D>
where
    R: EnclosingRecord + ?Sized + 'a,
    D: FusedIterator<Item = Delivered<'a, R>>,
{
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> SequenceNumber {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_are_compared_as_numbers_between_the_kcl_s_words() {
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
    fn leading_zeros_make_no_difference() {
        let zeros = "0".repeat(MAX_SEQUENCE_NUMBER_LEN + 1);
        for (text, same) in [("007", "7"), ("00", "0"), (&zeros, "0")] {
            assert_eq!(number(text), number(same));
            assert_eq!(number(text).to_string(), same);
        }
        assert_eq!(number(&(zeros + "7")), number("7"));
    }

    #[test]
    fn what_is_no_sequence_number_says_where() {
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
    fn the_sub_sequence_number_decides_among_equals() {
        let at = |text, sub_sequence_number| ExtendedSequenceNumber {
            sequence_number: number(text),
            sub_sequence_number,
        };
        assert!(at("7", 9) < at("7", 10));
        assert!(at("7", u64::MAX) < at("8", 0));
        assert!(at("LATEST", 7) < at("0", 0));
        assert!(at("9", 7) < ExtendedSequenceNumber::from(SequenceNumber::ShardEnd));
        assert_eq!(at("7", 9).to_string(), "7:9");
    }
}
