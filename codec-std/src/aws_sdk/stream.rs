//! Reaches a stream through a client of the SDK.

use alloc::sync::Arc;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;

use crate::producer::{
    Distribution, DistributionAnswer, ListShardsError, PutRecord, PutResult, RequestFailure,
    StreamService,
};
use crate::shards::Shard;

/// A stream that is reached through a client of the SDK. Each request is made
/// once, without retries.
///
/// ```no_run
/// use kinesis_agg::ShardMap;
/// use kinesis_agg::aws_sdk::SdkStream;
/// use kinesis_agg::producer::StreamService as _;
///
/// # async fn f(client: aws_sdk_kinesis::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let stream = SdkStream::new(client, "my-stream");
/// let map = ShardMap::new(stream.list_shards().await?)?;
/// # Ok(())
/// # }
/// ```
///
/// Disable retries in the client (`RetryConfig::disabled()`): the caller of these
/// methods retries.
#[derive(Clone, Debug)]
pub struct SdkStream {
    client: Client,
    stream: Arc<str>,
}

impl SdkStream {
    /// Returns the stream with the given name or ARN.
    pub fn new(client: Client, stream: impl Into<Arc<str>>) -> Self {
        Self {
            client,
            stream: stream.into(),
        }
    }

    fn arn(&self) -> Option<String> {
        self.stream
            .starts_with("arn:")
            .then(|| (*self.stream).into())
    }

    fn name(&self) -> Option<String> {
        (!self.stream.starts_with("arn:")).then(|| (*self.stream).into())
    }
}

impl StreamService for SdkStream {
    fn stream(&self) -> &str {
        &self.stream
    }

    async fn list_shards(&self) -> Result<Vec<Shard>, ListShardsError> {
        let mut shards = Vec::new();
        let mut next_token: Option<String> = None;
        loop {
            let list = self.client.list_shards();
            // The token identifies the stream: a request has one or the other.
            let list = match next_token {
                Some(token) => list.next_token(token),
                None => list.set_stream_arn(self.arn()).set_stream_name(self.name()),
            };
            let page = list.send().await;
            let page = page.map_err(|error| RequestFailure::from(&error))?;
            for listed in page.shards() {
                shards.push(listed.try_into()?);
            }
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(shards);
            }
        }
    }

    async fn distribution(&self) -> Result<DistributionAnswer, RequestFailure> {
        let describe = self.client.describe_stream_summary();
        let describe = describe
            .set_stream_arn(self.arn())
            .set_stream_name(self.name());
        match describe.send().await {
            Ok(answer) => {
                let summary = answer.stream_description_summary();
                let distribution = summary.map_or(Distribution::ByKey, Distribution::from);
                Ok(DistributionAnswer::Known(distribution))
            }
            Err(error) => match RequestFailure::from(&error) {
                // A server that does not support the request never will.
                RequestFailure::AccessDenied(text) | RequestFailure::Rejected(text) => {
                    Ok(DistributionAnswer::Denied(text))
                }
                failure => Err(failure),
            },
        }
    }

    async fn put_records(&self, records: Vec<PutRecord>) -> Result<Vec<PutResult>, RequestFailure> {
        // Building an entry fails only without data, which every record has. If it
        // failed, the answer would have too few results, and all records would be
        // sent again.
        let entries = records.into_iter().map(PutRecordsRequestEntry::try_from);
        let put = self.client.put_records();
        let put = put.set_stream_arn(self.arn()).set_stream_name(self.name());
        let put = put.set_records(Some(entries.filter_map(Result::ok).collect()));
        let answer = put.send().await;
        let answer = answer.map_err(|error| RequestFailure::from(&error))?;
        Ok(answer.records.into_iter().map(PutResult::from).collect())
    }
}

#[cfg(feature = "producer")]
impl crate::Producer {
    /// Returns the settings of a producer for a stream, given by its name or its
    /// ARN, with a client of the SDK. Features `producer` and `aws-sdk`.
    ///
    /// Disable retries in the client (`RetryConfig::disabled()`): the producer
    /// retries, and retries of the client only use up the timeout.
    #[must_use]
    pub fn builder(
        client: Client,
        stream: impl Into<Arc<str>>,
    ) -> crate::producer::ProducerBuilder<SdkStream> {
        crate::producer::ProducerBuilder::new(SdkStream::new(client, stream))
    }
}
