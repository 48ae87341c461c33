//! A malformed Kinesis record as an error.

use core::fmt;

use kinesis_agg_codec::DecodeError;
use thiserror::Error;

/// A Kinesis record that is a malformed aggregate, as an error; see
/// [`Delivered::checked`](crate::Delivered::checked).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "record {record_index}{} is malformed",
    SequenceNumber(sequence_number)
)]
#[non_exhaustive]
pub struct MalformedRecord {
    /// Its place among the Kinesis records that were read, from 0.
    pub record_index: usize,
    /// Its sequence number, if it has one.
    pub sequence_number: Option<String>,
    /// What is wrong, and where in its data.
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
