//! PutRecords requests and their results.

use alloc::sync::Arc;

use bytes::Bytes;
use kinesis_agg_codec::HashKey;
use thiserror::Error;

/// Identifies a request. It is unique within a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// A PutRecords request to make.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PutRequest {
    /// The id to pass back with the answer.
    pub id: RequestId,
    /// The records, at least one. The results in the answer have the same order.
    pub records: Vec<PutRecord>,
}

/// A Kinesis record to put.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutRecord {
    /// The data.
    pub data: Bytes,
    /// The partition key. None only on streams that distribute records
    /// themselves ([`Distribution::Auto`](crate::producer::Distribution::Auto)).
    pub partition_key: Option<String>,
    /// The explicit hash key, if there is one.
    pub explicit_hash_key: Option<HashKey>,
}

impl PutRecord {
    /// Returns the bytes that count towards the service's limits: data and
    /// partition key.
    pub(super) fn len(&self) -> usize {
        let key_len = self.partition_key.as_ref().map_or(0, String::len);
        self.data.len().saturating_add(key_len)
    }
}

/// The result of one record in a PutRecords answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the service has no third answer")]
pub enum PutResult {
    /// The record is in the stream.
    Stored {
        /// The shard in which it is stored.
        shard_id: Arc<str>,
        /// Its sequence number.
        sequence_number: Arc<str>,
    },
    /// The record is not in the stream.
    Rejected {
        /// The error code, such as `ProvisionedThroughputExceededException`.
        code: Arc<str>,
        /// The error message.
        message: Arc<str>,
    },
}

/// Why a request failed as a whole. Each variant holds the text of the error.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each variant leads to a reaction of its own"
)]
pub enum RequestFailure {
    /// The service rejected the request, and would reject it again. One of its
    /// records may be the cause: the records are sent again in requests of half
    /// the size. A record that is rejected as the only one of its request is given
    /// up.
    #[error("the service rejected the request: {0}")]
    Rejected(Arc<str>),
    /// The outcome of the request is unknown: there was no connection, no answer
    /// in time, or a fault of the service. The records are sent again.
    #[error("no answer: {0}")]
    NoAnswer(Arc<str>),
    /// The credentials do not allow the request. The records are sent again, in
    /// case access is granted within their time to live.
    #[error("access denied: {0}")]
    AccessDenied(Arc<str>),
    /// There is no such stream. Nothing is sent until the shards have been listed
    /// again: a stream that is created again under the same name has the same
    /// shard ids with other ranges.
    #[error("no such stream: {0}")]
    StreamNotFound(Arc<str>),
}

impl RequestFailure {
    /// Returns the text of the error.
    #[must_use]
    pub const fn text(&self) -> &Arc<str> {
        match self {
            Self::Rejected(text)
            | Self::NoAnswer(text)
            | Self::AccessDenied(text)
            | Self::StreamNotFound(text) => text,
        }
    }

    /// Returns the error code under which the failure is counted.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Rejected(_) => "Rejected",
            Self::NoAnswer(_) => "NoAnswer",
            Self::AccessDenied(_) => "AccessDenied",
            Self::StreamNotFound(_) => "StreamNotFound",
        }
    }

    /// Returns the same failure with another text.
    pub(super) fn with_text(&self, text: Arc<str>) -> Self {
        match self {
            Self::Rejected(_) => Self::Rejected(text),
            Self::NoAnswer(_) => Self::NoAnswer(text),
            Self::AccessDenied(_) => Self::AccessDenied(text),
            Self::StreamNotFound(_) => Self::StreamNotFound(text),
        }
    }
}

/// The error of an answer to a request that is not in flight: it was never made,
/// was answered already, or was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("request is not in flight")]
#[non_exhaustive]
pub struct UnknownRequest {}
