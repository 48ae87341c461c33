//! A [`ProducerCore`] with a clock and a connection: tokio and the AWS SDK.
//!
//! One task owns the core. Callers reach it through a short channel, which is
//! not read while the core has no room: that is how back-pressure comes to
//! them. Requests run as tasks of their own, and so does listing the shards.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::HashMap;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types;
use kinesis_agg_codec::{HashKey, HashKeyRange};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio::time::error::Elapsed;

use crate::producer::{
    Delivery, Failure, ProducerCore, ProducerCounters, ProducerEvent, ProducerSettings, PutRequest,
    PutResult, RequestFailure, RequestId, SplitMix,
};
use crate::shards::{RefusalReason, Shard, ShardMap, ShardMapError};
use crate::write::OwnedUserRecord;

/// How long a request of a [`Producer`] may take by default.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a closed shard is remembered after it is no longer listed.
const KEEP_CLOSED: Duration = Duration::from_secs(15 * 60);
/// Pauses between listings: the first, and the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// User records between the callers and the core.
const CHANNEL_LEN: usize = 64;
/// User records taken from the channel before requests are looked at.
const COMMANDS_AT_ONCE: usize = 256;

/// Settings of a [`Producer`]; made by [`Producer::builder`].
#[derive(Clone, Debug)]
pub struct ProducerBuilder {
    client: Client,
    stream: String,
    settings: ProducerSettings,
    request_timeout: Duration,
    seed: Option<u64>,
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

    /// Sets what the pauses between attempts are drawn from. Random by default.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..self
        }
    }

    /// Lists the shards and starts the producer, in the tokio runtime of the
    /// caller.
    ///
    /// # Errors
    ///
    /// [`ListShardsError::Service`] if the service does not list the shards,
    /// [`ListShardsError::Range`] if a shard has no hash key range,
    /// [`ListShardsError::Map`] if the open shards do not have every hash key
    /// once.
    pub async fn start(self) -> Result<Producer, ListShardsError> {
        let stream: Arc<str> = self.stream.into();
        let shards = list_shards(&self.client, &stream, self.request_timeout).await?;
        let map = ShardMap::new(shards)?;
        tracing::debug!(stream = &*stream, shards = map.open_shards().len(), "start");
        let seed = self.seed.unwrap_or_else(random_seed);
        let (commands, receiver) = mpsc::channel(CHANNEL_LEN);
        let (counters_sender, counters) = watch::channel(ProducerCounters::default());
        let worker = Worker {
            client: self.client,
            stream,
            request_timeout: self.request_timeout,
            core: ProducerCore::new(map, self.settings, seed),
            started_at: Instant::now(),
            random: SplitMix::new(seed.wrapping_add(1)),
            requests: JoinSet::new(),
            request_ids: HashMap::new(),
            refresh: JoinSet::new(),
            fruitless_refreshes: 0,
            refused: None,
            epoch: 0,
            held: BTreeMap::new(),
            flushes: Vec::new(),
            counters: counters_sender,
        };
        Ok(Producer {
            commands,
            counters,
            worker: tokio::spawn(worker.run(receiver)),
        })
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
/// What is delivered, in which order, and what memory is held:
/// [`ProducerCore`]. Beside that memory, a few user records are on their way
/// from their puts to the core, and requests in flight are held as the SDK
/// encodes them ([`ProducerSettings::with_max_requests_in_flight`]). The client
/// should not make attempts of its own (`RetryConfig::disabled()`): they are
/// made here, and theirs only take time from the timeout.
///
/// Dropped without [`shutdown`](Self::shutdown), a producer goes on in the
/// background until all it took has ended.
///
/// Each step is a `tracing` event; numbers are in
/// [`counters`](Self::counters).
#[derive(Debug)]
pub struct Producer {
    commands: mpsc::Sender<Command>,
    counters: watch::Receiver<ProducerCounters>,
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
            seed: None,
        }
    }

    /// Takes a user record, as soon as there is room, and returns the future
    /// of its delivery. That need not be awaited for the delivery to happen.
    ///
    /// User records of one hash key are stored in the order in which their
    /// puts returned. If this future is dropped before it returns, the user
    /// record is dropped with it, and is not sent.
    pub async fn put(&self, user_record: OwnedUserRecord) -> DeliveryFuture {
        let (ended, end) = oneshot::channel();
        let put = Command::Put(user_record, ended);
        if let Err(mpsc::error::SendError(Command::Put(user_record, ended))) =
            self.commands.send(put).await
        {
            let stopped = PutError::Stopped(Some(user_record.into()));
            // The receiver is in our hands.
            let _is_sent = ended.send(Err(stopped));
        }
        DeliveryFuture { end }
    }

    /// Sends what waits for company, and waits until all user records that
    /// were put before have ended.
    pub async fn flush(&self) {
        let (ended, end) = oneshot::channel();
        if self.commands.send(Command::Flush(ended)).await.is_ok() {
            // Without an answer, there is nobody left to wait for.
            let _is_ended = end.await;
        }
    }

    /// Waits until all user records that were put have ended, and stops. Without
    /// a service, that is when the time of all is over
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
#[must_use = "it tells whether the user record was delivered"]
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
    /// No aggregate can take it, or it is larger than the buffer; nothing was
    /// sent.
    #[error("user record was refused")]
    Refused(Box<OwnedUserRecord>, #[source] RefusalReason),
    /// It was given up.
    #[error(transparent)]
    Failed(Box<Failure>),
    /// The producer does not run any longer: its runtime was shut down. The
    /// user record, if it was not on its way yet.
    #[error("producer has stopped")]
    Stopped(Option<Box<OwnedUserRecord>>),
}

/// Shards that could not be listed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ListShardsError {
    /// The service did not list them.
    #[error("cannot list shards: {0}")]
    Service(Arc<str>),
    /// The service listed a shard without a range, or with one that is none.
    #[error("shard {0} is listed without a hash key range")]
    Range(Arc<str>),
    /// The shards are no map.
    #[error(transparent)]
    Map(#[from] ShardMapError),
}

type Ended = oneshot::Sender<Result<Delivery, PutError>>;

#[derive(Debug)]
enum Command {
    Put(OwnedUserRecord, Ended),
    Flush(oneshot::Sender<()>),
}

/// What goes through the core with a user record.
#[derive(Debug)]
struct Token {
    ended: Ended,
    /// Flushes before it.
    epoch: u64,
}

type Answer = Result<Vec<PutResult>, RequestFailure>;

struct Worker {
    client: Client,
    stream: Arc<str>,
    request_timeout: Duration,
    core: ProducerCore<Token>,
    started_at: Instant,
    random: SplitMix,
    requests: JoinSet<Answer>,
    request_ids: HashMap<Id, RequestId>,
    /// At most one task.
    refresh: JoinSet<Result<Vec<Shard>, ListShardsError>>,
    fruitless_refreshes: u32,
    /// For which there is no room yet.
    refused: Option<(OwnedUserRecord, Token)>,
    epoch: u64,
    /// How many user records of each epoch have not ended.
    held: BTreeMap<u64, u64>,
    /// Who waits for all of an epoch and of those before.
    flushes: Vec<(u64, oneshot::Sender<()>)>,
    counters: watch::Sender<ProducerCounters>,
}

impl Worker {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut is_open = true;
        loop {
            self.pump();
            let is_idle = self.core.buffered_count() == 0 && self.refused.is_none();
            if !is_open && is_idle {
                break;
            }
            let timeout = self.core.poll_timeout();
            let timeout = timeout.and_then(|at| self.started_at.checked_add(at));
            tokio::select! {
                command = commands.recv(), if is_open && self.refused.is_none() => {
                    let mut next = command;
                    is_open = next.is_some();
                    for _ in 0..COMMANDS_AT_ONCE {
                        let Some(command) = next else { break };
                        self.take(command);
                        next = match self.refused {
                            None => commands.try_recv().ok(),
                            Some(_) => None,
                        };
                    }
                    if let Some(command) = next {
                        self.take(command);
                    }
                }
                Some(answer) = self.requests.join_next_with_id() => self.answered(answer),
                Some(refreshed) = self.refresh.join_next() => {
                    let shards = refreshed.unwrap_or_else(|error| {
                        Err(ListShardsError::Service(error.to_string().into()))
                    });
                    self.refreshed(shards);
                }
                () = sleep_until(timeout) => {}
            }
            if !is_open {
                self.core.flush();
            }
        }
        tracing::debug!(stream = &*self.stream, "stop");
    }

    fn now(&self) -> Duration {
        self.started_at.elapsed()
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Put(user_record, ended) => {
                let epoch = self.epoch;
                let held = self.held.entry(epoch).or_default();
                *held = held.saturating_add(1);
                self.push(user_record, Token { ended, epoch });
            }
            Command::Flush(ended) => {
                self.core.flush();
                self.flushes.push((self.epoch, ended));
                self.epoch = self.epoch.saturating_add(1);
            }
        }
    }

    fn push(&mut self, user_record: OwnedUserRecord, token: Token) {
        let Err(refused) = self.core.push(user_record, token, self.now()) else {
            return;
        };
        let (user_record, token) = (refused.user_record, refused.token);
        match refused.reason {
            RefusalReason::BufferFull { .. } => self.refused = Some((user_record, token)),
            reason => {
                tracing::debug!(%reason, "user record refused");
                self.end(token, Err(PutError::Refused(user_record.into(), reason)));
            }
        }
    }

    fn end(&mut self, token: Token, end: Result<Delivery, PutError>) {
        // Who does not care has dropped the future.
        let _is_awaited = token.ended.send(end);
        if let Some(held) = self.held.get_mut(&token.epoch) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.held.remove(&token.epoch);
            }
        }
    }

    /// All that can be done without waiting.
    fn pump(&mut self) {
        let mut is_moving = true;
        // Until nothing moves: a request not made, or an end not taken, that
        // is found out last, would have nobody who wakes the task for it.
        while is_moving {
            is_moving = false;
            while let Some(request) = self.core.poll_request(self.now()) {
                self.send(request);
                is_moving = true;
            }
            // Before anybody hears of an end, and reads what led to it.
            self.counters.send_replace(self.core.counters());
            while let Some(event) = self.core.poll_event() {
                match event {
                    ProducerEvent::Delivered { token, delivery } => self.end(token, Ok(delivery)),
                    ProducerEvent::Failed { token, failure } => {
                        tracing::warn!(reason = %failure.reason, attempts = failure.attempts.len(), "user record given up");
                        self.end(token, Err(PutError::Failed(failure.into())));
                    }
                }
                is_moving = true;
            }
            if let Some((user_record, token)) = self.refused.take() {
                // A refusal lets everything go that waits for company.
                self.push(user_record, token);
                is_moving |= self.refused.is_none();
            }
        }
        let oldest_held = self.held.first_key_value().map(|(&epoch, _)| epoch);
        let is_over = |epoch: u64| oldest_held.is_none_or(|held| held > epoch);
        let flushes = core::mem::take(&mut self.flushes);
        for (epoch, ended) in flushes {
            if is_over(epoch) {
                // Who does not wait any longer has dropped the future.
                let _is_awaited = ended.send(());
            } else {
                self.flushes.push((epoch, ended));
            }
        }
        if self.core.wants_refresh() && self.refresh.is_empty() {
            self.list_again();
        }
    }

    fn send(&mut self, request: PutRequest) {
        let PutRequest { id, records, .. } = request;
        tracing::trace!(?id, records = records.len(), "put");
        let mut put = self.client.put_records();
        put = if self.stream.starts_with("arn:") {
            put.stream_arn(&*self.stream)
        } else {
            put.stream_name(&*self.stream)
        };
        for record in records {
            let entry = types::PutRecordsRequestEntry::builder()
                .data(Blob::from_maybe_shared(record.data))
                .partition_key(record.partition_key)
                .set_explicit_hash_key(record.explicit_hash_key.map(|key| key.to_string()))
                .build();
            // The data is there. If it were not, the answer would be too short, and all sent again.
            if let Ok(entry) = entry {
                put = put.records(entry);
            }
        }
        let timeout = self.request_timeout;
        let task = self.requests.spawn(async move {
            match tokio::time::timeout(timeout, put.send()).await {
                Ok(Ok(answer)) => Ok(answer.records.into_iter().map(result).collect()),
                Ok(Err(error)) => Err(failure(&error)),
                Err(elapsed) => Err(RequestFailure::NoAnswer(elapsed.to_string().into())),
            }
        });
        self.request_ids.insert(task.id(), id);
    }

    fn answered(&mut self, answer: Result<(Id, Answer), tokio::task::JoinError>) {
        let (task, answer) = match answer {
            Ok((task, answer)) => (task, answer),
            Err(error) => {
                let failure = RequestFailure::NoAnswer(error.to_string().into());
                (error.id(), Err(failure))
            }
        };
        let Some(id) = self.request_ids.remove(&task) else {
            return;
        };
        let before = self.core.counters();
        let now = self.now();
        let taken = match answer {
            Ok(results) => self.core.handle_answer(id, results, now),
            Err(failure) => {
                tracing::warn!(?id, ?failure, "request failed");
                self.core.handle_failure(id, failure, now)
            }
        };
        if taken.is_err() {
            tracing::error!(?id, "answer to no request");
        }
        let after = self.core.counters();
        let retries = after.retries.saturating_sub(before.retries);
        let wrong_shard = after.wrong_shard.saturating_sub(before.wrong_shard);
        if retries > 0 {
            tracing::debug!(?id, retries, wrong_shard, "aggregates to be sent again");
        }
    }

    fn list_again(&mut self) {
        let doublings = self.fruitless_refreshes.min(16);
        let longest = SHORTEST_PAUSE.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(1));
        let pause = match self.fruitless_refreshes {
            0 => Duration::ZERO,
            _ => self.random.up_to(longest.min(LONGEST_PAUSE)),
        };
        self.fruitless_refreshes = self.fruitless_refreshes.saturating_add(1);
        let (client, stream) = (self.client.clone(), Arc::clone(&self.stream));
        let timeout = self.request_timeout;
        self.refresh.spawn(async move {
            tokio::time::sleep(pause).await;
            list_shards(&client, &stream, timeout).await
        });
    }

    fn refreshed(&mut self, shards: Result<Vec<Shard>, ListShardsError>) {
        let now = self.now();
        let map = shards.and_then(|shards| {
            let map = self.core.map().refreshed(shards, now, KEEP_CLOSED);
            map.map_err(ListShardsError::from)
        });
        match map {
            Ok(map) => {
                let diff = self.core.map().diff(&map);
                let (opened, closed) = (diff.opened.len(), diff.closed.len());
                tracing::info!(stream = &*self.stream, opened, closed, "shards listed");
                self.core.replace_map(map, now);
                if !self.core.wants_refresh() {
                    self.fruitless_refreshes = 0;
                }
            }
            // While a stream reshards, there may be no map for a moment.
            Err(error) => tracing::warn!(stream = &*self.stream, %error, "no new shards"),
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => core::future::pending().await,
    }
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

fn failure<E>(error: &SdkError<E>) -> RequestFailure
where
    E: ProvideErrorMetadata + core::error::Error + 'static,
{
    let text = DisplayErrorContext(error).to_string().into();
    let status = error.raw_response().map(|response| response.status());
    let is_too_large = status.is_some_and(|status| status.as_u16() == PAYLOAD_TOO_LARGE);
    let code = error.code().unwrap_or_default();
    if is_too_large || ABOUT_A_RECORD.contains(&code) {
        RequestFailure::Refused(text)
    } else {
        RequestFailure::NoAnswer(text)
    }
}

/// Error codes of a request of which one record may be the cause. Not those of
/// the stream (no access, no such stream): they are about every record, and what
/// is mended within their time loses none.
const ABOUT_A_RECORD: [&str; 3] = [
    "InvalidArgumentException",
    "ValidationException",
    "SerializationException",
];

/// The HTTP status of a request that is too long.
const PAYLOAD_TOO_LARGE: u16 = 413;

/// All shards of a stream, open and closed, of as many pages as there are: what
/// a [`ShardMap`] is made of. The stream is given by its name or its ARN.
///
/// [`Producer`] does this by itself; this is for callers who drive a
/// [`ProducerCore`] or a [`ShardedAggregator`](crate::ShardedAggregator).
///
/// # Errors
///
/// [`ListShardsError::Service`] if a page does not come, or all of them not
/// within `timeout`; [`ListShardsError::Range`].
pub async fn list_shards(
    client: &Client,
    stream: &str,
    timeout: Duration,
) -> Result<Vec<Shard>, ListShardsError> {
    let pages = tokio::time::timeout(timeout, list_pages(client, stream));
    let no_answer = |elapsed: Elapsed| Err(ListShardsError::Service(elapsed.to_string().into()));
    pages.await.unwrap_or_else(no_answer)
}

async fn list_pages(client: &Client, stream: &str) -> Result<Vec<Shard>, ListShardsError> {
    let mut shards = Vec::new();
    let mut next_token: Option<String> = None;
    loop {
        let list = client.list_shards();
        // The token stands for the stream, too.
        let list = match next_token {
            Some(token) => list.next_token(token),
            None if stream.starts_with("arn:") => list.stream_arn(stream),
            None => list.stream_name(stream),
        };
        let page = list.send().await.map_err(|error| {
            ListShardsError::Service(DisplayErrorContext(&error).to_string().into())
        })?;
        for listed in page.shards() {
            shards.push(shard(listed)?);
        }
        next_token = page.next_token;
        if next_token.is_none() {
            return Ok(shards);
        }
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

/// Differs from process to process and from call to call.
fn random_seed() -> u64 {
    use core::hash::{BuildHasher as _, Hasher as _};
    let state = std::collections::hash_map::RandomState::new();
    state.build_hasher().finish()
}
