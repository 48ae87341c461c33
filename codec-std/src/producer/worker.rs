//! The task that owns the core of a running producer.
//!
//! It works in bounded steps and lets other tasks of the runtime run between
//! them. Each request and each listing is a separate task.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;
use std::collections::HashMap;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::producer::clock::Clock;
use crate::producer::core::ProducerCore;
use crate::producer::delivery::End;
use crate::producer::epochs::Epochs;
use crate::producer::event::{FailureReason, Notice, ProducerEvent};
use crate::producer::hooks::Hooks;
use crate::producer::intake::{Command, Intake, Orders, Token};
use crate::producer::lister::Lister;
use crate::producer::listing::{Listing, Pauses};
#[cfg(feature = "metrics")]
use crate::producer::meter::Meter;
use crate::producer::put_error::PutError;
use crate::producer::request::{PutRequest, PutResult, RequestFailure, RequestId};
use crate::producer::service::{ListShardsError, StreamService};
use crate::producer::tally::Tally;
use crate::producer::timed::Timed;

/// How long a closed shard is remembered after it is no longer listed.
const KEEP_CLOSED: Duration = Duration::from_secs(15 * 60);
/// The most puts that a step passes to the core, and the most events it handles.
const STEP_LEN: usize = 256;
/// A step makes one request of at least this many bytes, or several smaller ones.
/// Sealing takes about 1 ms for 100 kB of small user records.
const LARGE_REQUEST_LEN: usize = 1 << 16;

type Answer = (Duration, Result<Vec<PutResult>, RequestFailure>);

#[derive(Debug)]
pub(super) struct Worker<S> {
    stream: Timed<S>,
    core: ProducerCore<Token>,
    clock: Clock,
    intake: Arc<Intake>,
    /// Taken from the intake, and not yet passed to the core.
    commands: VecDeque<Command>,
    requests: JoinSet<Answer>,
    request_ids: HashMap<Id, RequestId>,
    lister: Lister,
    epochs: Epochs,
    /// Bytes of ended user records that are not yet returned to the room.
    freed: usize,
    tally: Tally,
    hooks: Hooks,
    gives_up: bool,
    #[cfg(feature = "metrics")]
    meter: Meter,
    /// Dropped when the task has ended, after everything else.
    _running: watch::Sender<()>,
}

impl<S: StreamService> Worker<S> {
    pub(super) fn new(
        stream: Timed<S>,
        core: ProducerCore<Token>,
        clock: Clock,
        pauses: Pauses,
        intake: Arc<Intake>,
        hooks: Hooks,
        running: watch::Sender<()>,
    ) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            meter: Meter::new(stream.stream()),
            stream,
            core,
            clock,
            intake,
            commands: VecDeque::new(),
            requests: JoinSet::new(),
            request_ids: HashMap::new(),
            lister: Lister::new(pauses),
            epochs: Epochs::default(),
            freed: 0,
            tally: Tally::default(),
            hooks,
            gives_up: false,
            _running: running,
        }
    }

    pub(super) async fn run(mut self) {
        let intake = Arc::clone(&self.intake);
        loop {
            let is_moving = self.step();
            if !is_moving && self.core.buffered_count() == 0 && intake.is_over() {
                break;
            }
            let timeout = self.timeout();
            tokio::select! {
                biased;
                Some(answer) = self.requests.join_next_with_id() => {
                    self.answered(answer);
                    while let Some(answer) = self.requests.try_join_next_with_id() {
                        self.answered(answer);
                    }
                }
                Some(listing) = self.lister.next() => self.listed(listing),
                () = tokio::task::yield_now(), if is_moving => {}
                () = intake.changed(), if !is_moving => {}
                () = sleep_until(timeout), if !is_moving => {}
            }
        }
        self.tally.warn(Duration::MAX);
        tracing::debug!("stop");
    }

    fn timeout(&self) -> Option<Instant> {
        let at = [
            self.core.poll_timeout(),
            self.tally.due_at(),
            #[cfg(feature = "metrics")]
            self.meter.due_at(),
        ];
        let at = at.into_iter().flatten().min();
        at.and_then(|at| self.clock.instant(at))
    }

    /// Does a bounded part of the work that needs no waiting. Returns true if
    /// there may be more, because nothing else would wake the task for it.
    fn step(&mut self) -> bool {
        let orders = self.intake.take(&mut self.commands);
        let now = self.clock.now();
        let mut is_moving = self.take_commands(now);
        self.obey(orders, now);
        // A reshard or many expiries take several steps; other tasks run between
        // them.
        let is_working = self.core.step(now);
        is_moving |= is_working;
        while !is_working && let Some(request) = self.core.poll_request(now) {
            is_moving = true;
            if !self.send(request) {
                break;
            }
        }
        // Update the counters before callers see the outcomes.
        self.intake.report(self.core.counters());
        is_moving |= self.take_events();
        self.intake.room.give_back(core::mem::take(&mut self.freed));
        let core = &mut self.core;
        let share_left = |range, is_awaited| core.share_left(range, is_awaited);
        self.intake.gates.update(share_left);
        self.epochs.tell();
        self.tally.warn(now);
        #[cfg(feature = "metrics")]
        self.measure(is_moving, now);
        let is_wanted = self.core.wants_refresh();
        self.lister.start(is_wanted, &self.stream, self.clock);
        is_moving
    }

    #[cfg(feature = "metrics")]
    fn measure(&mut self, is_moving: bool, now: Duration) {
        if is_moving || self.core.buffered_count() > 0 {
            self.meter.touch();
        }
        if self.meter.due_at().is_some_and(|due_at| due_at <= now) {
            self.meter.report(self.core.snapshot(now), now);
        }
    }

    fn take_commands(&mut self, now: Duration) -> bool {
        for _ in 0..STEP_LEN {
            match self.commands.pop_front() {
                Some(Command::Put(user_record, mut token, put)) => {
                    token.epoch = self.epochs.add();
                    let pushed = self.core.push_beyond_share(user_record, token, put, now);
                    match pushed {
                        Ok(None) => {}
                        Ok(Some(full)) => self.intake.gates.shut(full),
                        Err(rejected) => {
                            let user_record = rejected.user_record.into();
                            let error = PutError::Rejected(user_record, rejected.reason);
                            self.end(rejected.token, Err(error));
                        }
                    }
                }
                Some(Command::Flush(ended)) => {
                    self.core.flush();
                    self.epochs.flush(ended);
                }
                // A caller that stopped waiting has dropped the receiver.
                Some(Command::Snapshot(answer)) => {
                    let _is_awaited = answer.send(self.core.snapshot(now));
                }
                Some(Command::ShardSnapshots(answer)) => {
                    let shards = self.core.shard_snapshots(now).collect();
                    let _is_awaited = answer.send(shards);
                }
                None => return false,
            }
        }
        true
    }

    fn obey(&mut self, orders: Orders, now: Duration) {
        self.gives_up |= orders.gives_up;
        // Queued commands reach the core first.
        if !self.commands.is_empty() {
            return;
        }
        if orders.is_closed || self.intake.room.is_short() {
            // While a put waits for room, or the producer is closing, user records
            // do not wait for the aggregate to fill.
            self.core.flush();
        }
        if self.gives_up {
            self.requests.abort_all();
            self.core.give_up_all(now);
        }
    }

    /// Spawns a request. Returns false if other tasks should run before the next.
    fn send(&mut self, request: PutRequest) -> bool {
        let PutRequest { id, records, .. } = request;
        tracing::trace!(?id, records = records.len(), "put");
        let lens = records.iter().map(|record| record.data.len());
        let len = lens.fold(0, usize::saturating_add);
        let is_small = records.len() < STEP_LEN && len < LARGE_REQUEST_LEN;
        let clock = self.clock;
        let put = self.stream.clone().put_records(records);
        let put = async move {
            let answer = put.await;
            (clock.now(), answer)
        };
        let task = self.requests.spawn(put.in_current_span());
        self.request_ids.insert(task.id(), id);
        is_small
    }

    /// Handles events of the core. Returns true if there may be more to do.
    fn take_events(&mut self) -> bool {
        let mut has_moved = false;
        for _ in 0..STEP_LEN {
            let Some(event) = self.core.poll_event() else {
                return has_moved;
            };
            has_moved = true;
            self.take_event(event);
        }
        true
    }

    fn take_event(&mut self, event: ProducerEvent<Token>) {
        match event {
            ProducerEvent::Delivered { token, delivery } => self.end(token, Ok(delivery)),
            ProducerEvent::Failed { token, failure } => {
                self.tally.given_up(&failure);
                if self.gives_up && failure.reason == FailureReason::Stopped {
                    self.intake.report_undelivered(failure.clone());
                }
                self.end(token, Err(PutError::Failed(failure.into())));
            }
            ProducerEvent::Notice(notice) => self.notice(&notice),
        }
    }

    fn end(&mut self, token: Token, end: End) {
        if let Err(error) = &end {
            self.hooks.failure(error);
        }
        self.freed = self.freed.saturating_add(token.held_len);
        self.epochs.end(token.epoch);
        token.ending.end(end);
    }

    fn notice(&self, notice: &Notice) {
        tracing::warn!(%notice, "notice");
        self.hooks.notice(notice);
    }

    fn answered(&mut self, answer: Result<(Id, Answer), JoinError>) {
        let (task, (answered_at, answer)) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let failure = RequestFailure::NoAnswer(error.to_string().into());
                (error.id(), (self.clock.now(), Err(failure)))
            }
        };
        let Some(id) = self.request_ids.remove(&task) else {
            return;
        };
        let taken = match answer {
            Ok(results) => self.core.handle_answer(id, results, answered_at),
            Err(failure) => {
                tracing::debug!(?id, %failure, "request failed");
                self.tally.request_failed(&failure);
                self.core.handle_failure(id, failure, answered_at)
            }
        };
        if taken.is_err() {
            // The request was given up before its answer arrived.
            tracing::debug!(?id, "answer to no request");
        }
    }

    fn listed(&mut self, listing: Result<Listing, JoinError>) {
        let now = self.clock.now();
        let Ok(listing) = listing else { return };
        if let Ok(answer) = &listing.distribution {
            self.core.set_distribution(answer, now);
        }
        let map = listing.shards.and_then(|shards| {
            let map = self.core.map().refreshed(shards, now, KEEP_CLOSED);
            map.map_err(ListShardsError::from)
        });
        match map {
            Ok(map) => {
                let diff = self.core.map().diff(&map);
                let (opened, closed) = (diff.opened.len(), diff.closed.len());
                tracing::info!(opened, closed, "shards listed");
                self.core.replace_map(map, listing.requested_at, now);
                self.lister.used(self.core.wants_refresh());
            }
            // While a stream reshards, its shards may not form a valid map.
            Err(error) => {
                self.tally.listing_failed(&error);
                if let ListShardsError::Service(failure) = &error {
                    self.core.handle_listing_failure(failure, now);
                }
            }
        }
    }
}

/// Returns user records that have not ended to their callers. The runtime drops
/// the task if it is shut down before the producer.
impl<S> Drop for Worker<S> {
    fn drop(&mut self) {
        let mut commands = self.intake.end();
        for command in self.commands.drain(..).chain(commands.drain(..)) {
            if let Command::Put(user_record, token, _) = command {
                let error = PutError::Stopped(user_record.into());
                self.hooks.failure(&error);
                token.ending.end(Err(error));
            }
        }
        // The core uses its latest time: the runtime's clock may be gone.
        self.core.give_up_all(Duration::ZERO);
        self.intake.report(self.core.counters());
        while let Some(event) = self.core.poll_event() {
            if let ProducerEvent::Failed { token, failure } = event {
                let error = PutError::Failed(failure.into());
                self.hooks.failure(&error);
                token.ending.end(Err(error));
            } else if let ProducerEvent::Delivered { token, delivery } = event {
                token.ending.end(Ok(delivery));
            }
        }
        let last = self.core.snapshot(Duration::ZERO);
        #[cfg(feature = "metrics")]
        self.meter.report(last.clone(), Duration::ZERO);
        self.intake.report_last(last);
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => core::future::pending().await,
    }
}
