//! A [`ProducerCore`] with a clock and a connection: tokio and the AWS SDK.
//!
//! One task owns the core (`worker.rs`). Callers reach it through a channel that
//! holds no more than there is room for (`room.rs`).

use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use aws_sdk_kinesis::Client;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::producer::backoff::SplitMix;
use crate::producer::core::ProducerCore;
use crate::producer::counters::ProducerCounters;
use crate::producer::distribution::DistributionAnswer;
use crate::producer::event::{Delivery, Failure, Notice};
use crate::producer::request::RequestFailure;
use crate::producer::room::Room;
use crate::producer::settings::ProducerSettings;
use crate::producer::stream_client::{ListShardsError, StreamClient};
use crate::producer::worker::{Clock, Command, LONGEST_PAUSE, SHORTEST_PAUSE, Token, Worker};
use crate::shards::RejectionReason;
use crate::shards::ShardMap;
use crate::write::OwnedUserRecord;

/// How long a request of a [`Producer`] may take by default.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a [`Producer`] tries to start by default.
pub const DEFAULT_START_TIMEOUT: Duration = Duration::from_secs(30);

/// What is called with each [`Notice`].
#[derive(Clone)]
pub(super) struct OnNotice(Arc<dyn Fn(&Notice) + Send + Sync>);

impl OnNotice {
    pub(super) fn call(&self, notice: &Notice) {
        (self.0)(notice);
    }
}

impl fmt::Debug for OnNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnNotice").finish_non_exhaustive()
    }
}

/// Settings of a [`Producer`]; made by [`Producer::builder`].
#[derive(Clone, Debug)]
pub struct ProducerBuilder {
    client: Client,
    stream: String,
    settings: ProducerSettings,
    request_timeout: Duration,
    start_timeout: Duration,
    seed: Option<u64>,
    on_notice: Option<OnNotice>,
}

impl ProducerBuilder {
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

    /// Sets how long [`start`](Self::start) tries again after errors that pass;
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
    /// about its stream while it runs. It is called on the producer's task, and
    /// must not block. Each notice is a `tracing` event, too.
    #[must_use]
    pub fn on_notice(self, on_notice: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self {
            on_notice: Some(OnNotice(Arc::new(on_notice))),
            ..self
        }
    }

    /// Lists the shards, asks how the stream distributes records, and starts the
    /// producer in the tokio runtime of the caller.
    ///
    /// Errors that pass are retried until the
    /// [start timeout](Self::start_timeout) is over, as a running producer
    /// retries them: requests without an answer, too many requests, and open
    /// shards that do not have every hash key once, as happens while a stream
    /// reshards.
    ///
    /// # Errors
    ///
    /// At once: [`ListShardsError::Service`] with
    /// [`AccessDenied`](RequestFailure::AccessDenied) if the credentials do not
    /// allow ListShards, with
    /// [`StreamNotFound`](RequestFailure::StreamNotFound) if there is no such
    /// stream, with [`Rejected`](RequestFailure::Rejected) if its name is not
    /// valid. After the start timeout, the last of the others:
    /// [`ListShardsError::Service`] with
    /// [`NoAnswer`](RequestFailure::NoAnswer), [`ListShardsError::Range`] or
    /// [`ListShardsError::Map`].
    pub async fn start(self) -> Result<Producer, ListShardsError> {
        let stream = StreamClient::new(self.client, self.stream.into(), self.request_timeout);
        let seed = self.seed.unwrap_or_else(random_seed);
        let mut random = SplitMix::new(seed.wrapping_add(1));
        let clock = Clock::start();
        let (map, distribution, listed_at) =
            first_listing(&stream, clock, self.start_timeout, &mut random).await?;
        tracing::debug!(
            stream = &**stream.stream(),
            shards = map.open_shards().len(),
            "start"
        );
        // A put waits for room, and the room is not divided by shards.
        let settings = self.settings.with_shard_shares(false);
        let (max_buffered_len, ttl) = (settings.max_buffered_len(), settings.ttl());
        let mut core = ProducerCore::new(map, listed_at, settings, seed);
        core.set_distribution(&distribution, clock.now());
        let (commands, receiver) = mpsc::unbounded_channel();
        let (counters_sender, counters) = watch::channel(ProducerCounters::default());
        let room = Arc::new(Room::new(max_buffered_len));
        let worker = Worker::new(
            stream,
            core,
            clock,
            random,
            Arc::clone(&room),
            counters_sender,
            self.on_notice,
        );
        Ok(Producer {
            commands,
            counters,
            clock,
            room,
            ttl,
            worker: tokio::spawn(worker.run(receiver)),
        })
    }
}

/// The first list of shards and how the stream distributes records, tried again
/// after errors that pass.
async fn first_listing(
    stream: &StreamClient,
    clock: Clock,
    timeout: Duration,
    random: &mut SplitMix,
) -> Result<(ShardMap, DistributionAnswer, Duration), ListShardsError> {
    let deadline = Instant::now().checked_add(timeout);
    let mut longest_pause = SHORTEST_PAUSE;
    let mut error: ListShardsError = RequestFailure::NoAnswer("deadline has elapsed".into()).into();
    loop {
        let listed_at = clock.now();
        let attempt = async {
            let (shards, distribution) = tokio::join!(stream.list_shards(), stream.distribution());
            let map = ShardMap::new(shards?)?;
            Ok::<_, ListShardsError>((map, distribution?, listed_at))
        };
        let attempt = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, attempt).await,
            None => Ok(attempt.await),
        };
        match attempt {
            Ok(Ok(listing)) => return Ok(listing),
            Ok(Err(lasting)) if lasting.is_lasting() => return Err(lasting),
            Ok(Err(passing)) => error = passing,
            Err(_elapsed) => return Err(error),
        }
        tracing::debug!(stream = &**stream.stream(), %error, "start is tried again");
        let pause = random.up_to(longest_pause);
        longest_pause = longest_pause.saturating_mul(2).min(LONGEST_PAUSE);
        let next = Instant::now().checked_add(pause);
        if deadline.is_some_and(|deadline| next.is_none_or(|next| next > deadline)) {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
    }
}

/// Puts user records into a stream, aggregated by shard; nothing is lost.
///
/// ```no_run
/// use kinesis_agg::{OwnedUserRecord, Producer};
///
/// # async fn produce(client: aws_sdk_kinesis::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let producer = Producer::builder(client, "my-stream").start().await?;
/// let delivery = producer.put(OwnedUserRecord::new("sensor-7", "21.5")).await;
/// let delivery = delivery.await?;
/// println!("{} {}", delivery.shard_id, delivery.sequence_number);
/// producer.shutdown().await;
/// # Ok(())
/// # }
/// ```
///
/// [`ProducerCore`] documents what is delivered, in which order, and what memory
/// is held; the bound of the memory includes the way from the puts to the core.
/// Beside it, requests in flight are held as the SDK encodes them
/// ([`ProducerSettings::with_max_requests_in_flight`]). The client should not
/// make attempts of its own (`RetryConfig::disabled()`): the producer makes
/// them, and those of the client only take time from the timeout.
///
/// The credentials need `kinesis:PutRecords`, `kinesis:ListShards` and
/// `kinesis:DescribeStreamSummary`. Without the last one, the producer goes by
/// where the service stores records, and gives a [`Notice`] of that.
///
/// Dropped without [`shutdown`](Self::shutdown), a producer goes on in the
/// background until everything it accepted has ended.
///
/// Each step is a `tracing` event; numbers are in
/// [`counters`](Self::counters).
#[derive(Debug)]
pub struct Producer {
    commands: mpsc::UnboundedSender<Command>,
    counters: watch::Receiver<ProducerCounters>,
    clock: Clock,
    room: Arc<Room>,
    ttl: Duration,
    worker: JoinHandle<()>,
}

impl Producer {
    /// A producer for a stream, given by its name or its ARN.
    pub fn builder(client: Client, stream: impl Into<String>) -> ProducerBuilder {
        ProducerBuilder {
            client,
            stream: stream.into(),
            settings: ProducerSettings::new(),
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            start_timeout: DEFAULT_START_TIMEOUT,
            seed: None,
            on_notice: None,
        }
    }

    /// Accepts a user record as soon as there is room, and returns the future
    /// of its delivery. The delivery happens whether that is awaited or not.
    ///
    /// The time to live of the user record starts with this call. If there is no
    /// room before it is over, the user record is rejected
    /// ([`RejectionReason::Expired`]).
    ///
    /// User records of one hash key are stored in the order in which their
    /// puts returned. If this future is dropped before it returns, the user
    /// record is dropped with it, and is not sent.
    pub async fn put(&self, user_record: OwnedUserRecord) -> DeliveryFuture {
        let put_at = self.clock.now();
        let (ended, end) = oneshot::channel();
        let needed = ProducerCore::<Token>::held_len(&user_record);
        let expiry = self.clock.instant(put_at.saturating_add(self.ttl));
        let unsent = match self.room.take(needed, expiry).await {
            Err(reason) => Some((ended, PutError::Rejected(user_record.into(), reason))),
            Ok(place) => {
                let token = Token::new(ended, place);
                let put = Command::Put(user_record, token, put_at);
                match self.commands.send(put) {
                    Err(mpsc::error::SendError(Command::Put(user_record, token, _))) => {
                        let stopped = PutError::Stopped(Some(user_record.into()));
                        Some((token.into_ended(), stopped))
                    }
                    Ok(()) | Err(_) => None,
                }
            }
        };
        if let Some((ended, error)) = unsent {
            // This function still holds the receiver.
            let _is_sent = ended.send(Err(error));
        }
        DeliveryFuture { end }
    }

    /// Sends what waits for company, and waits until all user records whose
    /// puts have returned have ended.
    pub async fn flush(&self) {
        let (ended, end) = oneshot::channel();
        if self.commands.send(Command::Flush(ended)).is_ok() {
            // Without an answer, the worker is gone, and so is what it held.
            let _is_ended = end.await;
        }
    }

    /// Waits until all user records that were put have ended, and stops. Without
    /// a service, that is when the time to live of all is over
    /// ([`ProducerSettings::with_ttl`]).
    pub async fn shutdown(self) {
        drop(self.commands);
        if let Err(error) = self.worker.await {
            tracing::error!(%error, "producer ended early");
        }
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> ProducerCounters {
        *self.counters.borrow()
    }
}

/// The end of a user record that was put.
#[derive(Debug)]
#[must_use = "it says whether the user record was delivered"]
pub struct DeliveryFuture {
    end: oneshot::Receiver<Result<Delivery, PutError>>,
}

impl Future for DeliveryFuture {
    type Output = Result<Delivery, PutError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let end = Pin::new(&mut self.end).poll(context);
        end.map(|end| end.unwrap_or(Err(PutError::Stopped(None))))
    }
}

/// A user record that is not known to be delivered.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum PutError {
    /// It was never accepted, and nothing was sent.
    #[error("user record was rejected")]
    Rejected(Box<OwnedUserRecord>, #[source] RejectionReason),
    /// It was accepted and then given up.
    #[error(transparent)]
    Failed(Box<Failure>),
    /// The producer is not running any longer, because its runtime was shut
    /// down. Holds the user record if it was not on its way yet.
    #[error("producer has stopped")]
    Stopped(Option<Box<OwnedUserRecord>>),
}

/// Differs from process to process and from call to call.
fn random_seed() -> u64 {
    use core::hash::{BuildHasher as _, Hasher as _};
    let state = std::collections::hash_map::RandomState::new();
    state.build_hasher().finish()
}
