//! The interface through which a producer reaches its stream.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;

use thiserror::Error;

use crate::producer::distribution::DistributionAnswer;
use crate::producer::request::{PutRecord, PutResult, RequestFailure};
use crate::shards::{Shard, ShardMapError};

/// The requests that a `Producer` (feature `producer`) makes to its stream. Each
/// call makes a request once, without retries. The caller retries, and enforces
/// timeouts by dropping the future; a request whose future is dropped may still
/// reach the service.
///
/// With the feature `aws-sdk`, `aws_sdk::SdkStream` implements it. Implement it
/// to produce through another client, or to test without a network:
///
/// ```
/// use kinesis_agg::producer::{
///     Distribution, DistributionAnswer, ListShardsError, PutRecord, PutResult, RequestFailure,
///     StreamService,
/// };
/// use kinesis_agg::{HashKeyRange, Shard};
///
/// /// A stream of one shard that stores nothing.
/// struct Null;
///
/// impl StreamService for Null {
///     fn stream(&self) -> &str {
///         "null"
///     }
///
///     async fn list_shards(&self) -> Result<Vec<Shard>, ListShardsError> {
///         Ok(vec![Shard::new("shardId-000000000000", HashKeyRange::FULL)])
///     }
///
///     async fn distribution(&self) -> Result<DistributionAnswer, RequestFailure> {
///         Ok(DistributionAnswer::Known(Distribution::ByKey))
///     }
///
///     async fn put_records(&self, records: Vec<PutRecord>) -> Result<Vec<PutResult>, RequestFailure> {
///         let stored = |(number, _record): (usize, PutRecord)| PutResult::Stored {
///             shard_id: "shardId-000000000000".into(),
///             sequence_number: number.to_string().into(),
///         };
///         Ok(records.into_iter().enumerate().map(stored).collect())
///     }
/// }
/// ```
pub trait StreamService: Send + Sync + 'static {
    /// Returns the stream's name or ARN, for logs and metrics.
    fn stream(&self) -> &str;

    /// Lists all shards, open and closed, from all pages: the input of
    /// [`ShardMap::new`](crate::ShardMap::new).
    ///
    /// # Errors
    ///
    /// [`ListShardsError::Service`] if the service does not return a page,
    /// [`ListShardsError::Range`] if a shard has no valid hash key range. Never
    /// [`ListShardsError::Map`].
    fn list_shards(&self) -> impl Future<Output = Result<Vec<Shard>, ListShardsError>> + Send;

    /// Asks how the stream distributes records over its shards
    /// (DescribeStreamSummary).
    ///
    /// # Errors
    ///
    /// [`RequestFailure`] if retrying can help. If the service denies or rejects
    /// the request, return [`DistributionAnswer::Denied`] instead.
    fn distribution(
        &self,
    ) -> impl Future<Output = Result<DistributionAnswer, RequestFailure>> + Send;

    /// Puts Kinesis records and returns one result for each, in their order
    /// (PutRecords).
    ///
    /// # Errors
    ///
    /// [`RequestFailure`] if the request fails as a whole; its variant decides
    /// what the producer does next.
    fn put_records(
        &self,
        records: Vec<PutRecord>,
    ) -> impl Future<Output = Result<Vec<PutResult>, RequestFailure>> + Send;
}

/// Why the shards could not be listed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListShardsError {
    /// The request failed.
    #[error("cannot list shards")]
    Service(#[from] RequestFailure),
    /// The service listed a shard without a hash key range, or with one that is
    /// not valid.
    #[error("shard {0} is listed without a valid hash key range")]
    Range(Arc<str>),
    /// The open shards do not cover every hash key exactly once. This is transient
    /// while the stream reshards.
    #[error(transparent)]
    Map(#[from] ShardMapError),
}

impl ListShardsError {
    /// Returns true if trying again does not help: access is denied, there is no
    /// such stream, or the request is not valid.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Service(
                RequestFailure::AccessDenied(_)
                    | RequestFailure::StreamNotFound(_)
                    | RequestFailure::Rejected(_)
            )
        )
    }
}
