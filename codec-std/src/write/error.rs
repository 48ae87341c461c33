//! What can go wrong above the codec, with what it was about.

use core::fmt;
use core::str::Utf8Error;

use kinesis_agg_codec::{EncodeError, HashKeyError};
use thiserror::Error;

/// A user record that was refused, and is the caller's again.
///
/// The aggregator stands as before the push.
#[derive(Clone, Error)]
#[error("user record was refused")]
#[non_exhaustive]
pub struct PushError<U> {
    /// The user record as it came in.
    pub user_record: U,
    /// Why. Never [`EncodeError::Full`] or [`EncodeError::CountReached`]: the
    /// aggregator starts the next aggregate by itself.
    #[source]
    pub reason: EncodeError,
}

/// Without the user record, which may be large and need not be printable.
impl<U> fmt::Debug for PushError<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushError")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// A user record that was read and cannot be written as it is: its producer
/// did not keep to the rules that bind ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnfitUserRecord {
    /// Its partition key is not UTF-8.
    #[error("partition key is not UTF-8")]
    PartitionKey(#[source] Utf8Error),
    /// Its explicit hash key is no number that can be one.
    #[error("explicit hash key cannot be one")]
    ExplicitHashKey(#[source] HashKeyError),
}
