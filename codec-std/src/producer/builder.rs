//! Settings of a running producer, and its start.

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

/// How long a request of a [`Producer`] may take by default.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a [`Producer`] tries to start by default.
pub const DEFAULT_START_TIMEOUT: Duration = Duration::from_secs(30);

/// Settings of a [`Producer`], and what starts it.
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
    /// The default settings of a producer for a stream. `Producer::builder`
    /// (feature `aws-sdk`) does the same for a client of the AWS SDK.
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

    /// Sets how the producer behaves.
    #[must_use]
    pub fn settings(self, settings: ProducerSettings) -> Self {
        Self { settings, ..self }
    }

    /// Sets how long a request may take before it counts as lost and its user
    /// records are sent again, and how long all pages of a listing may take;
    /// [`DEFAULT_REQUEST_TIMEOUT`] by default.
    #[must_use]
    pub fn request_timeout(self, request_timeout: Duration) -> Self {
        Self {
            request_timeout,
            ..self
        }
    }

    /// Sets how long [`start`](Self::start) retries errors that pass;
    /// [`DEFAULT_START_TIMEOUT`] by default.
    #[must_use]
    pub fn start_timeout(self, start_timeout: Duration) -> Self {
        Self {
            start_timeout,
            ..self
        }
    }

    /// Sets what the pauses between attempts are drawn from. Random by default.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..self
        }
    }

    /// Sets a function that is called at once with what the producer finds out
    /// about its stream while it runs. Each notice is a `tracing` event, too.
    ///
    /// It is called on the producer's task and must not block. If it panics, the
    /// panic is logged and the producer goes on.
    #[must_use]
    pub fn on_notice(mut self, on_notice: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.hooks.on_notice = Some(Arc::new(on_notice));
        self
    }

    /// Sets a function that is called with every user record whose
    /// [`DeliveryFuture`](crate::producer::DeliveryFuture) ends in an error,
    /// whether anybody awaits that or not. It is what a program needs that drops
    /// the futures. Errors that [`Producer::try_put`] and
    /// [`Producer::put_within`] return are not among them.
    ///
    /// It is called on the producer's task, or in the put, before the future
    /// ends, and must not block. If it panics, the panic is logged and the
    /// producer goes on.
    #[must_use]
    pub fn on_failure(mut self, on_failure: impl Fn(&PutError) + Send + Sync + 'static) -> Self {
        self.hooks.on_failure = Some(Arc::new(on_failure));
        self
    }

    /// Lists the shards, asks how the stream distributes records, and starts the
    /// producer in the tokio runtime of the caller.
    ///
    /// Errors that pass are retried until the
    /// [start timeout](Self::start_timeout) is over, as a running producer
    /// retries them: requests without an answer, too many requests, and open
    /// shards that do not cover every hash key once, as happens while a stream
    /// reshards.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, no producer is started.
    ///
    /// # Errors
    ///
    /// At once: [`ListShardsError::Service`] with
    /// [`AccessDenied`](crate::producer::RequestFailure::AccessDenied) if the
    /// credentials do not allow ListShards, with
    /// [`StreamNotFound`](crate::producer::RequestFailure::StreamNotFound) if
    /// there is no such stream, with
    /// [`Rejected`](crate::producer::RequestFailure::Rejected) if its name is
    /// not valid. After the start timeout, the last of the others:
    /// [`ListShardsError::Service`] with
    /// [`NoAnswer`](crate::producer::RequestFailure::NoAnswer),
    /// [`ListShardsError::Range`] or [`ListShardsError::Map`].
    pub async fn start(self) -> Result<Producer, ListShardsError> {
        let stream = Timed::new(self.service, self.request_timeout);
        // Of its own: the producer outlives what the caller does.
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

/// Differs from process to process and from call to call.
fn random_seed() -> u64 {
    use core::hash::{BuildHasher as _, Hasher as _};
    let state = std::collections::hash_map::RandomState::new();
    state.build_hasher().finish()
}
