//! A stream whose requests have a timeout.

use alloc::sync::Arc;
use core::future::Future;
use core::time::Duration;

use crate::producer::distribution::DistributionAnswer;
use crate::producer::request::{PutRecord, PutResult, RequestFailure};
use crate::producer::service::{ListShardsError, StreamService};
use crate::shards::Shard;

/// A stream, and the timeout of requests to it.
#[derive(Debug)]
pub(super) struct Timed<S> {
    service: Arc<S>,
    /// For a request, and for all pages of a listing.
    timeout: Duration,
}

impl<S> Clone for Timed<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            timeout: self.timeout,
        }
    }
}

impl<S: StreamService> Timed<S> {
    pub(super) fn new(service: S, timeout: Duration) -> Self {
        Self {
            service: Arc::new(service),
            timeout,
        }
    }

    pub(super) fn stream(&self) -> &str {
        self.service.stream()
    }

    pub(super) async fn put_records(
        self,
        records: Vec<PutRecord>,
    ) -> Result<Vec<PutResult>, RequestFailure> {
        self.in_time(self.service.put_records(records)).await
    }

    pub(super) async fn list_shards(&self) -> Result<Vec<Shard>, ListShardsError> {
        self.in_time(self.service.list_shards()).await
    }

    pub(super) async fn distribution(&self) -> Result<DistributionAnswer, RequestFailure> {
        self.in_time(self.service.distribution()).await
    }

    async fn in_time<T, E: From<RequestFailure>>(
        &self,
        request: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let answer = tokio::time::timeout(self.timeout, request).await;
        answer.unwrap_or_else(|elapsed| {
            Err(RequestFailure::NoAnswer(elapsed.to_string().into()).into())
        })
    }
}
