//! Converts answers and errors of the service.

use alloc::sync::Arc;

use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::types;
use kinesis_agg_codec::{HashKey, HashKeyRange};

use crate::producer::{Distribution, ListShardsError, PutResult, RequestFailure};
use crate::shards::Shard;

/// Converts an entry with a shard id, a sequence number and no error code to
/// `Stored`; any other to `Rejected`, with the code `NoShardId` if it has no error
/// code.
impl From<types::PutRecordsResultEntry> for PutResult {
    fn from(entry: types::PutRecordsResultEntry) -> Self {
        match (entry.error_code, entry.shard_id, entry.sequence_number) {
            (None, Some(shard_id), Some(sequence_number)) => Self::Stored {
                shard_id: shard_id.into(),
                sequence_number: sequence_number.into(),
            },
            (code, ..) => Self::Rejected {
                code: code.unwrap_or_else(|| "NoShardId".into()).into(),
                message: entry.error_message.unwrap_or_default().into(),
            },
        }
    }
}

/// Converts a shard with its parents. It is closed if it has an ending sequence
/// number. Fails with [`ListShardsError::Range`] if it has no valid hash key range.
impl TryFrom<&types::Shard> for Shard {
    type Error = ListShardsError;

    fn try_from(listed: &types::Shard) -> Result<Self, ListShardsError> {
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
            .fold(Self::new(id, range), Self::with_parent);
        let numbers = listed.sequence_number_range();
        let is_closed = numbers.is_some_and(|numbers| numbers.ending_sequence_number().is_some());
        Ok(if is_closed { shard.closed() } else { shard })
    }
}

/// Returns `Auto` if the summary contains `AUTO`, and `ByKey` otherwise.
impl From<&types::StreamDescriptionSummary> for Distribution {
    fn from(summary: &types::StreamDescriptionSummary) -> Self {
        match summary.record_distribution_strategy {
            Some(types::RecordDistributionStrategy::Auto) => Self::Auto,
            _ => Self::ByKey,
        }
    }
}

/// Classifies an error by its code and the HTTP status. An error that leaves open
/// whether the request was executed is [`RequestFailure::NoAnswer`].
///
/// The text contains no request id, so that equal errors have equal texts.
impl<E> From<&SdkError<E>> for RequestFailure
where
    E: ProvideErrorMetadata + core::error::Error + 'static,
{
    fn from(error: &SdkError<E>) -> Self {
        let status = error.raw_response().map(|response| response.status());
        let is_too_large = status.is_some_and(|status| status.as_u16() == PAYLOAD_TOO_LARGE);
        let code = error.code().unwrap_or_default();
        let text: Arc<str> = match (code, error.message()) {
            ("", _) => DisplayErrorContext(error).to_string().into(),
            (code, Some(message)) => format!("{code}: {message}").into(),
            (code, None) => code.into(),
        };
        if is_too_large || INVALID.contains(&code) {
            Self::Rejected(text)
        } else if DENIED.contains(&code) {
            Self::AccessDenied(text)
        } else if code == "ResourceNotFoundException" {
            Self::StreamNotFound(text)
        } else {
            Self::NoAnswer(text)
        }
    }
}

/// Error codes of an invalid request. A single record may be the cause.
const INVALID: [&str; 5] = [
    "InvalidAction",
    "InvalidArgumentException",
    "SerializationException",
    "UnknownOperationException",
    "ValidationException",
];

/// Error codes of requests that the credentials, or the key that encrypts the
/// stream, do not allow.
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

/// The HTTP status of a request that is too large.
const PAYLOAD_TOO_LARGE: u16 = 413;
