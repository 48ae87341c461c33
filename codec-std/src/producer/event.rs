//! Events: the outcome of each user record, and notices about the stream.

use alloc::sync::Arc;
use core::fmt;

use kinesis_agg_codec::EncodeError;
use thiserror::Error;

use crate::producer::attempt::Attempts;
use crate::producer::distribution::Distribution;
use crate::write::OwnedUserRecord;

/// An event of a producer. Each token that was accepted is returned in exactly
/// one [`Delivered`](Self::Delivered) or [`Failed`](Self::Failed).
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum ProducerEvent<T> {
    /// The user record is in the stream, in a shard where every consumer gets it.
    Delivered {
        /// The token that was pushed with it.
        token: T,
        /// Its place in the stream.
        delivery: Delivery,
    },
    /// The user record was accepted and then given up. Earlier attempts may
    /// have put it into the stream.
    Failed {
        /// The token that was pushed with it.
        token: T,
        /// The user record, the reason and the attempts.
        failure: Failure,
    },
    /// A notice about the stream, not about one user record.
    Notice(Notice),
}

/// A state of the stream that a producer has found out.
///
/// It is reported when the state begins, and not again while it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Notice {
    /// The credentials do not allow PutRecords or ListShards. User records are
    /// sent again until their time to live is over. Holds the text of the error.
    #[error("access denied: {0}")]
    AccessDenied(Arc<str>),
    /// There is no such stream. User records wait until there is one again, or
    /// until their time to live is over. Holds the text of the error.
    #[error("no such stream: {0}")]
    StreamNotFound(Arc<str>),
    /// The credentials do not allow DescribeStreamSummary, so the producer infers
    /// the distribution from the shards in which the service stores its records.
    /// Holds the text of the error.
    #[error("cannot find out how the stream distributes records: {0}")]
    DistributionDenied(Arc<str>),
    /// The producer now sends user records as this distribution requires.
    #[error("the stream distributes records {}", described(*.0))]
    DistributionChanged(Distribution),
}

const fn described(distribution: Distribution) -> &'static str {
    match distribution {
        Distribution::ByKey => "by key: user records are aggregated",
        Distribution::Auto => "itself: user records are sent raw",
    }
}

/// The place of a delivered user record in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The shard.
    pub shard_id: Arc<str>,
    /// The sequence number of its Kinesis record.
    pub sequence_number: Arc<str>,
    /// Its index in the aggregate, from 0; 0 if it was sent raw.
    pub sub_sequence_number: u64,
    /// The number of attempts, including the one that succeeded.
    pub attempt_count: usize,
}

/// A user record that was accepted and then given up.
///
/// The error text contains how often the user record was sent and why it was
/// given up; the [source](core::error::Error::source) is the
/// [outcome](crate::producer::AttemptOutcome) of the last attempt, if there was
/// one.
#[derive(Clone)]
#[non_exhaustive]
pub struct Failure {
    /// The user record, unchanged.
    pub user_record: OwnedUserRecord,
    /// Why it was given up.
    pub reason: FailureReason,
    /// The attempts to deliver it.
    pub attempts: Attempts,
}

/// Omits the user record, which may be large and need not be printable.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("reason", &self.reason)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts = match self.attempts.count() {
            0 => return write!(f, "user record was given up unsent ({})", self.reason),
            1 => "1 attempt",
            count => &format!("{count} attempts"),
        };
        write!(
            f,
            "user record was given up after {attempts} ({})",
            self.reason
        )
    }
}

impl core::error::Error for Failure {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        let last = self.attempts.last()?;
        Some(&last.outcome)
    }
}

/// Why a user record was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FailureReason {
    /// Its time to live was over
    /// ([`with_ttl`](crate::producer::ProducerSettings::with_ttl)).
    #[error("expired")]
    Expired,
    /// It was sent as many times as allowed
    /// ([`with_max_attempts`](crate::producer::ProducerSettings::with_max_attempts)).
    #[error("attempts exhausted")]
    AttemptsExhausted,
    /// The service rejected a request that had only its Kinesis record
    /// ([`RequestFailure::Rejected`](crate::producer::RequestFailure::Rejected)),
    /// and would reject it again.
    #[error("rejected by the service")]
    RejectedByService,
    /// The service throttled it, and the settings forbid to send it again
    /// ([`with_fail_if_throttled`](crate::producer::ProducerSettings::with_fail_if_throttled)).
    #[error("throttled")]
    Throttled,
    /// No aggregate can hold it. It was accepted while user records were sent
    /// raw, or the limits allow less for an aggregate than for a raw record.
    #[error(transparent)]
    Unfit(EncodeError),
    /// It has no partition key, and the stream now distributes records by key.
    #[error("no partition key, on a stream that distributes records by key")]
    NoPartitionKey,
    /// It cannot be sent raw, and the stream now distributes records itself
    /// ([`UnfitForRaw`](crate::producer::UnfitForRaw)).
    #[error("cannot be sent raw, on a stream that distributes records itself")]
    CannotGoRaw,
    /// The producer was stopped before it was delivered
    /// ([`ProducerCore::give_up_all`](crate::producer::ProducerCore::give_up_all)).
    #[error("producer stopped")]
    Stopped,
}
