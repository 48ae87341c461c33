//! A stream, as the AWS SDK reaches it.

use alloc::sync::Arc;
use core::future::Future;
use core::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types;
use kinesis_agg_codec::{HashKey, HashKeyRange};
use thiserror::Error;
use tokio::time::error::Elapsed;

use crate::producer::distribution::{Distribution, DistributionAnswer};
use crate::producer::request::{PutRecord, PutResult, RequestFailure};
use crate::shards::{Shard, ShardMapError};

/// Shards that could not be listed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListShardsError {
    /// The service did not list them.
    #[error("cannot list shards")]
    Service(#[from] RequestFailure),
    /// The service listed a shard without a hash key range, or with one that is
    /// not valid.
    #[error("shard {0} is listed without a valid hash key range")]
    Range(Arc<str>),
    /// The open shards do not have every hash key exactly once. That passes when
    /// a reshard has ended.
    #[error(transparent)]
    Map(#[from] ShardMapError),
}

impl ListShardsError {
    /// True if trying again does not help: access is denied, there is no such
    /// stream, or the request is not valid.
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

/// All shards of a stream, open and closed, from as many pages as there are:
/// what a [`ShardMap`](crate::ShardMap) is made of. The stream is given by its
/// name or its ARN.
///
/// [`Producer`](crate::producer::Producer) calls this itself; it is public for
/// callers who drive a [`ProducerCore`](crate::producer::ProducerCore) or a
/// [`ShardedAggregator`](crate::ShardedAggregator).
///
/// # Errors
///
/// [`ListShardsError::Service`] if a page does not come, or all of them do not
/// come within `timeout`; [`ListShardsError::Range`] if a shard has no valid
/// range. Never [`ListShardsError::Map`].
pub async fn list_shards(
    client: &Client,
    stream: &str,
    timeout: Duration,
) -> Result<Vec<Shard>, ListShardsError> {
    let stream = StreamClient::new(client.clone(), stream.into(), timeout);
    stream.list_shards().await
}

/// One stream, given by its name or its ARN.
#[derive(Clone, Debug)]
pub(super) struct StreamClient {
    client: Client,
    stream: Arc<str>,
    /// For a request, and for all pages of a listing.
    timeout: Duration,
}

impl StreamClient {
    pub(super) const fn new(client: Client, stream: Arc<str>, timeout: Duration) -> Self {
        Self {
            client,
            stream,
            timeout,
        }
    }

    pub(super) const fn stream(&self) -> &Arc<str> {
        &self.stream
    }

    fn arn(&self) -> Option<String> {
        self.stream
            .starts_with("arn:")
            .then(|| (*self.stream).into())
    }

    fn name(&self) -> Option<String> {
        (!self.stream.starts_with("arn:")).then(|| (*self.stream).into())
    }

    pub(super) async fn put_records(
        self,
        records: Vec<PutRecord>,
    ) -> Result<Vec<PutResult>, RequestFailure> {
        let entries = records.into_iter().filter_map(entry).collect();
        let put = self.client.put_records();
        let put = put.set_stream_arn(self.arn()).set_stream_name(self.name());
        let answer = in_time(self.timeout, put.set_records(Some(entries)).send()).await?;
        Ok(answer.records.into_iter().map(result).collect())
    }

    pub(super) async fn list_shards(&self) -> Result<Vec<Shard>, ListShardsError> {
        let pages = tokio::time::timeout(self.timeout, self.list_pages());
        pages
            .await
            .unwrap_or_else(|elapsed| Err(no_answer(&elapsed).into()))
    }

    async fn list_pages(&self) -> Result<Vec<Shard>, ListShardsError> {
        let mut shards = Vec::new();
        let mut next_token: Option<String> = None;
        loop {
            let list = self.client.list_shards();
            // The token stands for the stream, too.
            let list = match next_token {
                Some(token) => list.next_token(token),
                None => list.set_stream_arn(self.arn()).set_stream_name(self.name()),
            };
            let page = list.send().await.map_err(|error| failure(&error))?;
            for listed in page.shards() {
                shards.push(shard(listed)?);
            }
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(shards);
            }
        }
    }

    /// How the stream distributes records.
    ///
    /// A failure is one that passes, or a stream that does not exist.
    pub(super) async fn distribution(&self) -> Result<DistributionAnswer, RequestFailure> {
        let describe = self.client.describe_stream_summary();
        let describe = describe
            .set_stream_arn(self.arn())
            .set_stream_name(self.name());
        match in_time(self.timeout, describe.send()).await {
            Ok(answer) => {
                let summary = answer.stream_description_summary;
                let strategy = summary.and_then(|summary| summary.record_distribution_strategy);
                let distribution = match strategy {
                    Some(types::RecordDistributionStrategy::Auto) => Distribution::Auto,
                    _ => Distribution::ByKey,
                };
                Ok(DistributionAnswer::Known(distribution))
            }
            // A server that does not know the question will not answer it later.
            Err(RequestFailure::AccessDenied(text) | RequestFailure::Rejected(text)) => {
                Ok(DistributionAnswer::Denied(text))
            }
            Err(failure) => Err(failure),
        }
    }
}

async fn in_time<T, E>(
    timeout: Duration,
    request: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<T, RequestFailure>
where
    E: ProvideErrorMetadata + core::error::Error + 'static,
{
    match tokio::time::timeout(timeout, request).await {
        Ok(answer) => answer.map_err(|error| failure(&error)),
        Err(elapsed) => Err(no_answer(&elapsed)),
    }
}

fn no_answer(elapsed: &Elapsed) -> RequestFailure {
    RequestFailure::NoAnswer(elapsed.to_string().into())
}

/// None only without data, which every record has. If it did not, the answer
/// would have too few results, and all would be sent again.
fn entry(record: PutRecord) -> Option<types::PutRecordsRequestEntry> {
    types::PutRecordsRequestEntry::builder()
        .data(Blob::from_maybe_shared(record.data))
        .set_partition_key(record.partition_key)
        .set_explicit_hash_key(record.explicit_hash_key.map(|key| key.to_string()))
        .build()
        .ok()
}

fn result(entry: types::PutRecordsResultEntry) -> PutResult {
    match (entry.error_code, entry.shard_id, entry.sequence_number) {
        (None, Some(shard_id), Some(sequence_number)) => PutResult::Stored {
            shard_id: shard_id.into(),
            sequence_number: sequence_number.into(),
        },
        (code, ..) => PutResult::Rejected {
            code: code.unwrap_or_else(|| "NoShardId".into()).into(),
            message: entry.error_message.unwrap_or_default().into(),
        },
    }
}

fn shard(listed: &types::Shard) -> Result<Shard, ListShardsError> {
    let hash_key = |text: &str| HashKey::from_decimal(text.as_bytes()).ok();
    let range = listed.hash_key_range().and_then(|range| {
        let starting = hash_key(range.starting_hash_key())?;
        let ending = hash_key(range.ending_hash_key())?;
        HashKeyRange::new(starting, ending).ok()
    });
    let id = listed.shard_id();
    let range = range.ok_or_else(|| ListShardsError::Range(id.into()))?;
    let parents = [listed.parent_shard_id(), listed.adjacent_parent_shard_id()];
    let shard = parents
        .into_iter()
        .flatten()
        .fold(Shard::new(id, range), Shard::with_parent);
    let numbers = listed.sequence_number_range();
    let is_closed = numbers.is_some_and(|numbers| numbers.ending_sequence_number().is_some());
    Ok(if is_closed { shard.closed() } else { shard })
}

fn failure<E>(error: &SdkError<E>) -> RequestFailure
where
    E: ProvideErrorMetadata + core::error::Error + 'static,
{
    let status = error.raw_response().map(|response| response.status());
    let is_too_large = status.is_some_and(|status| status.as_u16() == PAYLOAD_TOO_LARGE);
    let code = error.code().unwrap_or_default();
    // Without the id of the request, so that equal errors have equal texts.
    let text: Arc<str> = match (code, error.message()) {
        ("", _) => DisplayErrorContext(error).to_string().into(),
        (code, Some(message)) => format!("{code}: {message}").into(),
        (code, None) => code.into(),
    };
    if is_too_large || INVALID.contains(&code) {
        RequestFailure::Rejected(text)
    } else if DENIED.contains(&code) {
        RequestFailure::AccessDenied(text)
    } else if code == "ResourceNotFoundException" {
        RequestFailure::StreamNotFound(text)
    } else {
        RequestFailure::NoAnswer(text)
    }
}

/// Error codes of a request that is not valid, of which one record may be the
/// cause.
const INVALID: [&str; 5] = [
    "InvalidAction",
    "InvalidArgumentException",
    "SerializationException",
    "UnknownOperationException",
    "ValidationException",
];

/// Error codes of credentials, or of a key that encrypts the stream, that do
/// not allow a request.
const DENIED: [&str; 12] = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSNotFoundException",
    "MissingAuthenticationTokenException",
    "OptInRequired",
    "UnrecognizedClientException",
];

/// The HTTP status of a request that is too long.
const PAYLOAD_TOO_LARGE: u16 = 413;
