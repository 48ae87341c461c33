//! How user records end, and what led to it.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use kinesis_agg_codec::EncodeError;
use thiserror::Error;

use crate::producer::request::RequestFailure;
use crate::write::OwnedUserRecord;

/// One attempt to put a user record into the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// When the request was handed out, as the caller's `now`.
    pub sent_at: Duration,
    /// When its answer came, as the caller's `now`.
    pub answered_at: Duration,
    /// What became of it.
    pub outcome: AttemptOutcome,
}

/// Why an attempt was not the last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// The service rejected the record, with error code and message.
    Rejected {
        /// The error code.
        code: Arc<str>,
        /// What was said beside it.
        message: Arc<str>,
    },
    /// The request failed as a whole.
    RequestFailed(RequestFailure),
    /// The answer was not one of as many results as there were records, so
    /// that none is known to be whose.
    CountMismatch {
        /// Records of the request.
        sent: usize,
        /// Results of the answer.
        answered: usize,
    },
    /// The aggregate is in a shard that does not have all of its user records,
    /// or that no map knows. A consumer may drop it, or see this user record
    /// twice.
    WrongShard {
        /// The shard.
        shard_id: Arc<str>,
        /// The number under which it is there.
        sequence_number: Arc<str>,
    },
}

/// How a user record ended. Each token that was taken comes in exactly one.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum ProducerEvent<T> {
    /// It is in the stream, where every consumer gets it.
    Delivered {
        /// What was pushed with it.
        token: T,
        /// Where it is.
        delivery: Delivery,
    },
    /// It was given up. Earlier attempts may have put it into the stream.
    Failed {
        /// What was pushed with it.
        token: T,
        /// The user record and its story.
        failure: Failure,
    },
}

/// Where a user record is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The shard.
    pub shard_id: Arc<str>,
    /// The sequence number of its aggregate.
    pub sequence_number: Arc<str>,
    /// Its place in the aggregate, from 0; 0 if it went raw.
    pub sub_sequence_number: u64,
    /// The attempts, this one included.
    pub attempt_count: usize,
}

/// A user record that was given up.
#[derive(Clone, Error)]
#[error("user record was given up after {} attempts", attempts.len())]
#[non_exhaustive]
pub struct Failure {
    /// The user record, as it was pushed.
    pub user_record: OwnedUserRecord,
    /// Why.
    #[source]
    pub reason: FailureReason,
    /// The attempts, the first one first.
    pub attempts: Arc<[Attempt]>,
}

/// Without the user record, which may be large and need not be printable.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("reason", &self.reason)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// Why a user record was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FailureReason {
    /// Its time was over ([`with_ttl`](crate::ProducerSettings::with_ttl)).
    #[error("expired")]
    Expired,
    /// It was sent as often as allowed ([`with_max_attempts`](crate::ProducerSettings::with_max_attempts)).
    #[error("attempts exhausted")]
    AttemptsExhausted,
    /// The service refused a request that had nothing but its aggregate
    /// ([`RequestFailure::Refused`]), and would again.
    #[error("refused by the service")]
    Refused,
    /// No aggregate can take it, although one did before.
    #[error(transparent)]
    Unfit(EncodeError),
}

/// What a producer did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerCounters {
    /// User records taken.
    pub user_records_in: u64,
    /// User records delivered.
    pub user_records_delivered: u64,
    /// User records given up.
    pub user_records_failed: u64,
    /// Requests handed out.
    pub requests: u64,
    /// Aggregates in them, each attempt counted.
    pub aggregates: u64,
    /// Bytes of them: data and partition keys.
    pub bytes: u64,
    /// Attempts that delivered nothing, in aggregates.
    pub retries: u64,
    /// Aggregates that the service put into a shard that does not have all of
    /// their user records.
    pub wrong_shard: u64,
    /// From the push to the first attempt, over all user records.
    pub buffering_time: Duration,
}
