//! Errors between this process and the daemon.

use alloc::boxed::Box;
use core::error::Error as StdError;
use std::io;

use thiserror::Error;

/// A line from the daemon that this process cannot act on.
#[derive(Debug, Error)]
#[error("line {line_number} from the daemon {kind}")]
#[non_exhaustive]
pub struct ProtocolError {
    /// The number of the line, from 1.
    pub line_number: u64,
    /// What is wrong with it.
    pub kind: ProtocolErrorKind,
}

/// What is wrong with a line from the daemon.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProtocolErrorKind {
    /// The line is not a JSON object with the fields of its action, or the data
    /// of a record is not base64. The text names the column.
    #[error("is malformed: {0}")]
    Malformed(serde_json::Error),
    /// The line is valid, but not at this point: a call before `initialize`,
    /// a call before the last one has returned, or the answer to a checkpoint
    /// that was not requested.
    #[error("is not expected here: action {action:?}")]
    Unexpected {
        /// The action of the line.
        action: String,
    },
}

/// Why a [`Protocol`](super::Protocol) did not return a line: the program that
/// drives it called the wrong method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MisuseError {
    /// No call is running, or the answer to a checkpoint has not arrived yet.
    #[error("no call is running, or the answer to a checkpoint has not arrived")]
    NotNow,
    /// The daemon rejects this checkpoint during this call: every checkpoint
    /// during `initialize` and `leaseLost`, and during `shardEnded` every
    /// checkpoint except the one at the end.
    #[error("the daemon rejects this checkpoint during this call")]
    CheckpointNotAllowed,
    /// The sub-sequence number is larger than a Java `long`.
    #[error("sub-sequence number is larger than {}", i64::MAX)]
    SubSequenceNumberTooLarge,
    /// The call `shardEnded` cannot return before a checkpoint at the end has
    /// been stored.
    #[error("the end of the shard has not been checkpointed")]
    ShardEndNotCheckpointed,
}

/// Why the daemon did not store a checkpoint: the Java exception that it names.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckpointRejection {
    /// `ShutdownException`: another worker holds the lease now, or this one is
    /// shutting down. All further checkpoints are also rejected; the next worker
    /// resumes after the last checkpoint that was stored.
    #[error("this worker no longer holds the lease")]
    Shutdown,
    /// `ThrottlingException`: the lease table is throttled. Retried by
    /// [`Checkpointer`](super::Checkpointer).
    #[error("the lease table is throttled")]
    Throttled,
    /// `KinesisClientLibDependencyException`: DynamoDB did not answer. Retried by
    /// [`Checkpointer`](super::Checkpointer).
    #[error("a service that the KCL depends on failed")]
    Dependency,
    /// `InvalidStateException`: the KCL cannot use its lease table, for example
    /// because the table was deleted.
    #[error("the lease table is in an invalid state")]
    InvalidState,
    /// `IllegalArgumentException`: the position is before the last checkpoint or
    /// after the last record that the daemon passed on, or it is not a position.
    #[error("the position is before the last checkpoint or after the last record")]
    OutOfRange,
    /// Any other exception.
    #[error("the daemon reports {0}")]
    Other(String),
}

impl CheckpointRejection {
    pub(super) fn of_exception(name: String) -> Self {
        match name.as_str() {
            "ShutdownException" => Self::Shutdown,
            "ThrottlingException" => Self::Throttled,
            "KinesisClientLibDependencyException" => Self::Dependency,
            "InvalidStateException" => Self::InvalidState,
            "IllegalArgumentException" => Self::OutOfRange,
            _ => Self::Other(name),
        }
    }

    /// Returns true if the same checkpoint can succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Throttled | Self::Dependency)
    }
}

/// Why a checkpoint is not stored, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The daemon rejected the checkpoint. It is not stored.
    #[error("checkpoint rejected in {attempts} attempts: {reason}")]
    Rejected {
        /// The reason for the last rejection.
        reason: CheckpointRejection,
        /// How often the checkpoint was attempted.
        attempts: u32,
    },
    /// The connection to the daemon ended before an answer arrived. It is not
    /// known whether the checkpoint is stored. The runner stops after this call,
    /// and returns the reason.
    #[error("the connection to the daemon ended before it answered a checkpoint")]
    Disconnected,
}

/// The error of a [`RecordProcessor`](super::RecordProcessor): any error.
pub type ProcessorError = Box<dyn StdError + Send + Sync>;

/// Why a [`Runner`](super::Runner) stopped before the daemon closed the
/// connection.
///
/// Return it from `main`: the process must end so that the daemon notices.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The processor failed.
    #[error("record processor failed in {method}")]
    Processor {
        /// The method of [`RecordProcessor`](super::RecordProcessor) that failed.
        method: &'static str,
        /// Its error.
        source: ProcessorError,
    },
    /// The daemon sent a line that this process cannot act on.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// Reading, writing or taking over standard output failed.
    #[error("connection to the daemon failed")]
    Io(#[from] io::Error),
    /// The daemon closed the connection before it answered a checkpoint.
    #[error("the daemon closed the connection before it answered a checkpoint")]
    Disconnected,
    /// The runner broke the protocol. This is a fault of this crate.
    #[error(transparent)]
    Misuse(#[from] MisuseError),
}
