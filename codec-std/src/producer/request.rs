//! What goes to the service, and what comes back.

use alloc::sync::Arc;

use bytes::Bytes;
use kinesis_agg_codec::HashKey;
use thiserror::Error;

/// The name of a request. No two requests of one producer share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// A PutRecords request to be made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PutRequest {
    /// Goes back with the answer.
    pub id: RequestId,
    /// The records, at least one, in the order in which the answer has them.
    pub records: Vec<PutRecord>,
}

/// A Kinesis record to be put.
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
    /// Bytes that count towards the service's limits: data and partition key.
    pub(super) fn len(&self) -> usize {
        let key_len = self.partition_key.as_ref().map_or(0, String::len);
        self.data.len().saturating_add(key_len)
    }
}

/// What a PutRecords answer says of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the service has no third answer")]
pub enum PutResult {
    /// It is in the stream.
    Stored {
        /// In this shard.
        shard_id: Arc<str>,
        /// With this sequence number.
        sequence_number: Arc<str>,
    },
    /// It is not.
    Rejected {
        /// The error code, such as `ProvisionedThroughputExceededException`.
        code: Arc<str>,
        /// The message that came with it.
        message: Arc<str>,
    },
}

/// Why a request failed as a whole. Each variant holds the error's text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each variant leads to a reaction of its own"
)]
pub enum RequestFailure {
    /// The service rejected the request, and would reject it again. One of its
    /// records may be the cause: the records are sent again in requests of half
    /// the size, and given up if the service rejects one that is alone.
    #[error("the service rejected the request: {0}")]
    Rejected(Arc<str>),
    /// It is unknown what became of the request: no connection, no answer in
    /// time, a fault of the service. The records are sent again.
    #[error("no answer: {0}")]
    NoAnswer(Arc<str>),
    /// The credentials do not allow the request. The records are sent again, in
    /// case that is mended within their time to live.
    #[error("access denied: {0}")]
    AccessDenied(Arc<str>),
    /// There is no such stream. Nothing is sent before the shards have been
    /// listed again: a stream that is created under the same name has the same
    /// shard ids with other ranges.
    #[error("no such stream: {0}")]
    StreamNotFound(Arc<str>),
}

impl RequestFailure {
    /// The error's text.
    #[must_use]
    pub const fn text(&self) -> &Arc<str> {
        match self {
            Self::Rejected(text)
            | Self::NoAnswer(text)
            | Self::AccessDenied(text)
            | Self::StreamNotFound(text) => text,
        }
    }

    /// What it is counted as.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Rejected(_) => "Rejected",
            Self::NoAnswer(_) => "NoAnswer",
            Self::AccessDenied(_) => "AccessDenied",
            Self::StreamNotFound(_) => "StreamNotFound",
        }
    }

    /// The same failure with another text.
    pub(super) fn with_text(&self, text: Arc<str>) -> Self {
        match self {
            Self::Rejected(_) => Self::Rejected(text),
            Self::NoAnswer(_) => Self::NoAnswer(text),
            Self::AccessDenied(_) => Self::AccessDenied(text),
            Self::StreamNotFound(_) => Self::StreamNotFound(text),
        }
    }
}

/// An answer to a request that is not in flight: never made, or answered
/// already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("request is not in flight")]
#[non_exhaustive]
pub struct UnknownRequest {}
