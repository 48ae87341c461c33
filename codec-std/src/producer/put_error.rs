//! The error of a user record that is not known to be delivered.

use alloc::boxed::Box;

use thiserror::Error;

use crate::producer::event::Failure;
use crate::shards::RejectionReason;
use crate::write::OwnedUserRecord;

/// A user record that is not known to be delivered, and why.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum PutError {
    /// It was never accepted, and nothing was sent.
    #[error("user record was rejected")]
    Rejected(Box<OwnedUserRecord>, #[source] RejectionReason),
    /// It was accepted and then given up. The
    /// [source](core::error::Error::source) is the outcome of the last attempt.
    #[error(transparent)]
    Failed(Box<Failure>),
    /// It was not sent, because the producer has been closed or its runtime has
    /// been shut down.
    #[error("producer has stopped")]
    Stopped(Box<OwnedUserRecord>),
}

impl PutError {
    /// Returns the user record.
    #[must_use]
    pub fn user_record(&self) -> &OwnedUserRecord {
        match self {
            Self::Rejected(user_record, _) | Self::Stopped(user_record) => user_record,
            Self::Failed(failure) => &failure.user_record,
        }
    }

    /// Returns the user record, unchanged.
    #[must_use]
    pub fn into_user_record(self) -> OwnedUserRecord {
        match self {
            Self::Rejected(user_record, _) | Self::Stopped(user_record) => *user_record,
            Self::Failed(failure) => failure.user_record,
        }
    }
}
