//! The task that owns the core of a running producer.
//!
//! Requests are tasks of their own, and so are listings.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;
use std::collections::HashMap;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::producer::backoff::SplitMix;
use crate::producer::core::ProducerCore;
use crate::producer::counters::ProducerCounters;
use crate::producer::distribution::DistributionAnswer;
use crate::producer::driver::{OnNotice, PutError};
use crate::producer::event::{Delivery, Notice, ProducerEvent};
use crate::producer::request::{PutRequest, PutResult, RequestFailure, RequestId};
use crate::producer::room::{Place, Room};
use crate::producer::stream_client::{ListShardsError, StreamClient};
use crate::shards::Shard;
use crate::write::OwnedUserRecord;

/// How long a closed shard is remembered after it is no longer listed.
const KEEP_CLOSED: Duration = Duration::from_secs(15 * 60);
/// Pauses between listings: the first, and the longest.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// User records taken from the channel before requests are looked at.
const COMMANDS_AT_ONCE: usize = 256;

/// The time since the producer started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started_at: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            started_at: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// The instant of a time; none if it is too far away.
    pub(super) fn instant(&self, at: Duration) -> Option<Instant> {
        self.started_at.checked_add(at)
    }
}

type Ended = oneshot::Sender<Result<Delivery, PutError>>;

#[derive(Debug)]
pub(super) enum Command {
    /// A user record and when it was put.
    Put(OwnedUserRecord, Token, Duration),
    Flush(oneshot::Sender<()>),
}

/// What goes through the core with a user record.
#[derive(Debug)]
pub(super) struct Token {
    ended: Ended,
    /// Flushes before it.
    epoch: u64,
    /// Its bytes are free when the token is dropped.
    _place: Place,
}

impl Token {
    pub(super) const fn new(ended: Ended, place: Place) -> Self {
        Self {
            ended,
            epoch: 0,
            _place: place,
        }
    }

    pub(super) fn into_ended(self) -> Ended {
        self.ended
    }
}

type Answer = Result<Vec<PutResult>, RequestFailure>;

/// What was found out about the stream.
struct Listing {
    requested_at: Duration,
    shards: Result<Vec<Shard>, ListShardsError>,
    distribution: Result<DistributionAnswer, RequestFailure>,
}

pub(super) struct Worker {
    stream: StreamClient,
    core: ProducerCore<Token>,
    clock: Clock,
    random: SplitMix,
    room: Arc<Room>,
    requests: JoinSet<Answer>,
    request_ids: HashMap<Id, RequestId>,
    /// At most one task.
    listing: JoinSet<Listing>,
    /// Listings in a row that did not help.
    fruitless_listings: u32,
    /// The last listing did not say how the stream distributes records.
    asks_again: bool,
    epoch: u64,
    /// How many user records of each epoch have not ended.
    held: BTreeMap<u64, u64>,
    /// Who waits for all of an epoch and of those before.
    flushes: Vec<(u64, oneshot::Sender<()>)>,
    counters: watch::Sender<ProducerCounters>,
    on_notice: Option<OnNotice>,
}

impl Worker {
    pub(super) fn new(
        stream: StreamClient,
        core: ProducerCore<Token>,
        clock: Clock,
        random: SplitMix,
        room: Arc<Room>,
        counters: watch::Sender<ProducerCounters>,
        on_notice: Option<OnNotice>,
    ) -> Self {
        Self {
            stream,
            core,
            clock,
            random,
            room,
            requests: JoinSet::new(),
            request_ids: HashMap::new(),
            listing: JoinSet::new(),
            fruitless_listings: 0,
            asks_again: false,
            epoch: 0,
            held: BTreeMap::new(),
            flushes: Vec::new(),
            counters,
            on_notice,
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let room = Arc::clone(&self.room);
        let mut is_open = true;
        loop {
            self.pump();
            if !is_open && self.core.buffered_count() == 0 {
                break;
            }
            let timeout = self.core.poll_timeout();
            let timeout = timeout.and_then(|at| self.clock.instant(at));
            tokio::select! {
                command = commands.recv(), if is_open => {
                    is_open = command.is_some();
                    let mut next = command;
                    for _ in 0..COMMANDS_AT_ONCE {
                        let Some(command) = next else { break };
                        self.take(command);
                        next = commands.try_recv().ok();
                    }
                    if let Some(command) = next {
                        self.take(command);
                    }
                }
                Some(answer) = self.requests.join_next_with_id() => self.answered(answer),
                Some(listing) = self.listing.join_next() => self.listed(listing),
                () = room.becomes_short() => {}
                () = sleep_until(timeout) => {}
            }
            if !is_open {
                self.core.flush();
            }
        }
        tracing::debug!(stream = &**self.stream.stream(), "stop");
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Put(user_record, mut token, put_at) => {
                token.epoch = self.epoch;
                let held = self.held.entry(self.epoch).or_default();
                *held = held.saturating_add(1);
                let pushed = self.core.push(user_record, token, put_at, self.clock.now());
                if let Err(rejected) = pushed {
                    let reason = rejected.reason;
                    tracing::debug!(%reason, "user record rejected");
                    let error = PutError::Rejected(rejected.user_record.into(), reason);
                    self.end(rejected.token, Err(error));
                }
            }
            Command::Flush(ended) => {
                self.core.flush();
                self.flushes.push((self.epoch, ended));
                self.epoch = self.epoch.saturating_add(1);
            }
        }
    }

    fn end(&mut self, token: Token, end: Result<Delivery, PutError>) {
        let epoch = token.epoch;
        // Callers who do not care have dropped the future.
        let _is_awaited = token.into_ended().send(end);
        if let Some(held) = self.held.get_mut(&epoch) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.held.remove(&epoch);
            }
        }
    }

    /// Does all that can be done without waiting.
    fn pump(&mut self) {
        if self.room.is_short() {
            // Nobody waits for company while somebody waits for room.
            self.core.flush();
        }
        let mut is_moving = true;
        // Until nothing moves: if a request or an event were left over, nothing
        // would wake the task for it.
        while is_moving {
            is_moving = false;
            while let Some(request) = self.core.poll_request(self.clock.now()) {
                self.send(request);
                is_moving = true;
            }
            // Before anybody learns of an end and reads what led to it.
            self.counters.send_replace(self.core.counters());
            while let Some(event) = self.core.poll_event() {
                match event {
                    ProducerEvent::Delivered { token, delivery } => self.end(token, Ok(delivery)),
                    ProducerEvent::Failed { token, failure } => {
                        tracing::warn!(reason = %failure.reason, attempts = failure.attempts.count(), "user record given up");
                        self.end(token, Err(PutError::Failed(failure.into())));
                    }
                    ProducerEvent::Notice(notice) => self.notice(&notice),
                }
                is_moving = true;
            }
        }
        let oldest_held = self.held.first_key_value().map(|(&epoch, _)| epoch);
        let is_over = |epoch: u64| oldest_held.is_none_or(|held| held > epoch);
        let flushes = core::mem::take(&mut self.flushes);
        for (epoch, ended) in flushes {
            if is_over(epoch) {
                // Callers who do not wait any longer have dropped the future.
                let _is_awaited = ended.send(());
            } else {
                self.flushes.push((epoch, ended));
            }
        }
        let wants_listing = self.core.wants_refresh() || self.asks_again;
        if wants_listing && self.listing.is_empty() {
            self.list();
        }
    }

    fn notice(&self, notice: &Notice) {
        tracing::warn!(stream = &**self.stream.stream(), %notice, "notice");
        if let Some(on_notice) = &self.on_notice {
            on_notice.call(notice);
        }
    }

    fn send(&mut self, request: PutRequest) {
        let PutRequest { id, records, .. } = request;
        tracing::trace!(?id, records = records.len(), "put");
        let put = self.stream.clone().put_records(records);
        let task = self.requests.spawn(put);
        self.request_ids.insert(task.id(), id);
    }

    fn answered(&mut self, answer: Result<(Id, Answer), JoinError>) {
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
        let now = self.clock.now();
        let taken = match answer {
            Ok(results) => self.core.handle_answer(id, results, now),
            Err(failure) => {
                tracing::warn!(?id, %failure, "request failed");
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
            tracing::debug!(?id, retries, wrong_shard, "records to be sent again");
        }
    }

    fn list(&mut self) {
        let doublings = self.fruitless_listings.min(16);
        let longest = SHORTEST_PAUSE.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(1));
        let pause = match self.fruitless_listings {
            0 => Duration::ZERO,
            _ => self.random.up_to(longest.min(LONGEST_PAUSE)),
        };
        self.fruitless_listings = self.fruitless_listings.saturating_add(1);
        let (stream, clock) = (self.stream.clone(), self.clock);
        self.listing.spawn(async move {
            tokio::time::sleep(pause).await;
            let requested_at = clock.now();
            let (shards, distribution) = tokio::join!(stream.list_shards(), stream.distribution());
            Listing {
                requested_at,
                shards,
                distribution,
            }
        });
    }

    fn listed(&mut self, listing: Result<Listing, JoinError>) {
        let now = self.clock.now();
        let Ok(Listing {
            requested_at,
            shards,
            distribution,
        }) = listing
        else {
            return;
        };
        self.asks_again = distribution.is_err();
        if let Ok(answer) = &distribution {
            self.core.set_distribution(answer, now);
        }
        let stream = &**self.stream.stream();
        let map = shards.and_then(|shards| {
            let map = self.core.map().refreshed(shards, now, KEEP_CLOSED);
            map.map_err(ListShardsError::from)
        });
        match map {
            Ok(map) => {
                let diff = self.core.map().diff(&map);
                let (opened, closed) = (diff.opened.len(), diff.closed.len());
                tracing::info!(stream, opened, closed, "shards listed");
                self.core.replace_map(map, requested_at, now);
                if !self.core.wants_refresh() && !self.asks_again {
                    self.fruitless_listings = 0;
                }
            }
            // While a stream reshards, there may be no map for a moment.
            Err(error) => {
                let cause: &(dyn core::error::Error + 'static) = &error;
                tracing::warn!(stream, error = cause, "shards not listed");
                if let ListShardsError::Service(failure) = &error {
                    self.core.handle_listing_failure(failure, now);
                }
            }
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => core::future::pending().await,
    }
}
