//! What goes to the service, and what comes back.

use alloc::sync::Arc;

use bytes::Bytes;
use kinesis_agg_codec::HashKey;
use thiserror::Error;

/// The name of a request, unlike that of any other of its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// A PutRecords request to be made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PutRequest {
    /// To be given back with the answer.
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
    /// The partition key.
    pub partition_key: String,
    /// The explicit hash key, if any.
    pub explicit_hash_key: Option<HashKey>,
}

/// What a PutRecords answer says of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the service has no third answer")]
pub enum PutResult {
    /// It is in the stream.
    Stored {
        /// In this shard.
        shard_id: Arc<str>,
        /// Under this number.
        sequence_number: Arc<str>,
    },
    /// It is not.
    Rejected {
        /// The error code, as `ProvisionedThroughputExceededException`.
        code: Arc<str>,
        /// What is said beside it.
        message: Arc<str>,
    },
}

/// Why a request has no answer record by record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "refused or not is what matters")]
pub enum RequestFailure {
    /// The service refused it as a whole, and would again. One of its records
    /// may be the cause: each is sent in a request of its own next, and given
    /// up if that is refused, too.
    Refused(Arc<str>),
    /// Nobody knows what became of it: no connection, no answer in time, a
    /// fault of the service.
    NoAnswer(Arc<str>),
}

/// An answer to a request that is not in flight: never made, or answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("request is not in flight")]
#[non_exhaustive]
pub struct UnknownRequest {}
