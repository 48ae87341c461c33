//! The error for a malformed Kinesis record.

use core::fmt;

use kinesis_agg_codec::DecodeError;
use thiserror::Error;

/// The error for a Kinesis record that is a malformed aggregate, returned by
/// [`Delivered::checked`](crate::Delivered::checked).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "record {record_index}{} is malformed",
    SequenceNumber(sequence_number)
)]
#[non_exhaustive]
pub struct MalformedRecord {
    /// The position of the record among those that were read, counted from 0.
    pub record_index: usize,
    /// The sequence number of the record, if known.
    pub sequence_number: Option<String>,
    /// What is wrong, and where in the data.
    pub source: DecodeError,
}

struct SequenceNumber<'a>(&'a Option<String>);

impl fmt::Display for SequenceNumber<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, " (sequence number {number})"),
            None => Ok(()),
        }
    }
}
