//! The builder that configures and starts a running producer.

use alloc::sync::Arc;
use core::time::Duration;

use tokio::sync::watch;
use tracing::Instrument as _;

use crate::producer::backoff::SplitMix;
use crate::producer::clock::Clock;
use crate::producer::core::ProducerCore;
use crate::producer::driver::Producer;
use crate::producer::event::Notice;
use crate::producer::hooks::Hooks;
use crate::producer::intake::Intake;
use crate::producer::listing::{Pauses, first_listing};
use crate::producer::put_error::PutError;
use crate::producer::service::{ListShardsError, StreamService};
use crate::producer::settings::ProducerSettings;
use crate::producer::timed::Timed;
use crate::producer::worker::Worker;

/// The default timeout of a request of a [`Producer`].
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The default time for which a [`Producer`] tries to start.
pub const DEFAULT_START_TIMEOUT: Duration = Duration::from_secs(30);

/// Configures and starts a [`Producer`].
#[derive(Clone, Debug)]
pub struct ProducerBuilder<S> {
    service: S,
    settings: ProducerSettings,
    request_timeout: Duration,
    start_timeout: Duration,
    seed: Option<u64>,
    hooks: Hooks,
}

impl<S: StreamService> ProducerBuilder<S> {
    /// Returns a builder with the default settings. `Producer::builder` (feature
    /// `aws-sdk`) does the same for a client of the AWS SDK.
    #[must_use]
    pub fn new(service: S) -> Self {
        Self {
            service,
            settings: ProducerSettings::new(),
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            start_timeout: DEFAULT_START_TIMEOUT,
            seed: None,
            hooks: Hooks::default(),
        }
    }

    /// Sets the settings of the producer.
    #[must_use]
    pub fn settings(self, settings: ProducerSettings) -> Self {
        Self { settings, ..self }
    }

    /// Sets the timeout of a request, after which it counts as lost and its user
    /// records are sent again. It is also the timeout of a listing with all its
    /// pages. [`DEFAULT_REQUEST_TIMEOUT`] by default.
    #[must_use]
    pub fn request_timeout(self, request_timeout: Duration) -> Self {
        Self {
            request_timeout,
            ..self
        }
    }

    /// Sets how long [`start`](Self::start) retries transient errors;
    /// [`DEFAULT_START_TIMEOUT`] by default.
    #[must_use]
    pub fn start_timeout(self, start_timeout: Duration) -> Self {
        Self {
            start_timeout,
            ..self
        }
    }

    /// Sets the seed of the random pauses between attempts. It differs for each
    /// producer by default.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..self
        }
    }

    /// Sets a function to call with each notice about the stream, as soon as the
    /// producer makes it. The producer also logs each notice with `tracing`.
    ///
    /// The function runs on the producer's task and must not block. If it panics,
    /// the panic is logged and the producer continues.
    #[must_use]
    pub fn on_notice(mut self, on_notice: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.hooks.on_notice = Some(Arc::new(on_notice));
        self
    }

    /// Sets a function to call with every user record whose
    /// [`DeliveryFuture`](crate::producer::DeliveryFuture) ends in an error,
    /// whether or not that future is awaited. A program that drops the futures
    /// needs it. It is not called for errors that [`Producer::try_put`] and
    /// [`Producer::put_within`] return.
    ///
    /// The function runs on the producer's task, or in the put, before the future
    /// ends, and must not block. If it panics, the panic is logged and the
    /// producer continues.
    #[must_use]
    pub fn on_failure(mut self, on_failure: impl Fn(&PutError) + Send + Sync + 'static) -> Self {
        self.hooks.on_failure = Some(Arc::new(on_failure));
        self
    }

    /// Lists the shards, asks how the stream distributes records, and starts the
    /// producer in the tokio runtime of the caller.
    ///
    /// Transient errors are retried until the
    /// [start timeout](Self::start_timeout) is over, as a running producer
    /// retries them: requests without an answer, too many requests, and open
    /// shards that do not cover every hash key exactly once, as happens while a
    /// stream reshards.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, no producer is started.
    ///
    /// # Errors
    ///
    /// Immediately: [`ListShardsError::Service`] with
    /// [`AccessDenied`](crate::producer::RequestFailure::AccessDenied) if the
    /// credentials do not allow ListShards, with
    /// [`StreamNotFound`](crate::producer::RequestFailure::StreamNotFound) if
    /// there is no such stream, with
    /// [`Rejected`](crate::producer::RequestFailure::Rejected) if its name is
    /// not valid. After the start timeout, the last transient error:
    /// [`ListShardsError::Service`] with
    /// [`NoAnswer`](crate::producer::RequestFailure::NoAnswer),
    /// [`ListShardsError::Range`] or [`ListShardsError::Map`].
    pub async fn start(self) -> Result<Producer, ListShardsError> {
        let stream = Timed::new(self.service, self.request_timeout);
        // A root span: the producer outlives the caller's span.
        let span = tracing::info_span!(parent: None, "producer", stream = stream.stream());
        let seed = self.seed.unwrap_or_else(random_seed);
        let mut pauses = Pauses::new(SplitMix::new(seed.wrapping_add(1)));
        let clock = Clock::start();
        let listing = first_listing(&stream, clock, self.start_timeout, &mut pauses);
        let (map, distribution, listed_at) = listing.instrument(span.clone()).await?;
        span.in_scope(|| tracing::debug!(shards = map.open_shards().len(), "start"));
        let (max_buffered_len, ttl) = (self.settings.max_buffered_len(), self.settings.ttl());
        let mut core = ProducerCore::new(map, listed_at, self.settings, seed);
        core.set_distribution(&distribution, clock.now());
        let intake = Arc::new(Intake::new(max_buffered_len, core.snapshot(clock.now())));
        let shared = Arc::clone(&intake);
        let (running, ended) = watch::channel(());
        let hooks = self.hooks.clone();
        let worker = Worker::new(stream, core, clock, pauses, shared, hooks, running);
        tokio::spawn(worker.run().instrument(span));
        Ok(Producer::new(intake, clock, ttl, self.hooks, ended))
    }
}

/// Returns a seed that differs for each process and each call.
fn random_seed() -> u64 {
    use core::hash::{BuildHasher as _, Hasher as _};
    let state = std::collections::hash_map::RandomState::new();
    state.build_hasher().finish()
}
