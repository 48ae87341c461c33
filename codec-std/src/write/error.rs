//! Errors of writing user records.

use core::fmt;
use core::str::Utf8Error;

use kinesis_agg_codec::{DecodeError, EncodeError, HashKeyError};
use thiserror::Error;

/// A user record that no aggregate can hold, returned to the caller.
///
/// The aggregator is unchanged.
#[derive(Clone, Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct PushError<U> {
    /// The user record, unchanged.
    pub user_record: U,
    /// The reason. Never [`EncodeError::Full`] or [`EncodeError::CountReached`]:
    /// in these cases the aggregator starts the next aggregate.
    pub reason: EncodeError,
}

/// Omits the user record, which may be large and need not be printable.
impl<U> fmt::Debug for PushError<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushError")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// Why a record that was read cannot be written as a user record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnfitUserRecord {
    /// Its partition key is not UTF-8.
    #[error("partition key is not UTF-8: {0}")]
    PartitionKey(Utf8Error),
    /// Its explicit hash key is not a valid hash key.
    #[error("explicit hash key: {0}")]
    ExplicitHashKey(HashKeyError),
    /// It is a Kinesis record that is not aggregated, and its partition key is
    /// not known.
    #[error("the partition key of the Kinesis record is not known")]
    NoPartitionKey,
    /// It is a Kinesis record that is a malformed aggregate.
    #[error("the Kinesis record is a malformed aggregate: {0}")]
    Malformed(DecodeError),
}
