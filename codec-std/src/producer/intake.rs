//! The state that the handles of a producer share with its task.
//!
//! Puts append to a queue under a short lock, and the task takes the whole queue
//! at once. Only the first put of an empty queue wakes the task.

use alloc::collections::VecDeque;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::producer::counters::ProducerCounters;
use crate::producer::delivery::{DeliveryFuture, Ending, Slots};
use crate::producer::event::Failure;
use crate::producer::gates::{Gates, Pass};
use crate::producer::numbers::{ProducerSnapshot, ShardSnapshot};
use crate::producer::room::{NoRoom, Room};
use crate::write::OwnedUserRecord;

/// A queue with no more capacity than this keeps its memory.
const MIN_CAPACITY: usize = 1_024;

#[derive(Debug)]
pub(super) enum Command {
    Put(OwnedUserRecord, Token, PutTime),
    Flush(oneshot::Sender<()>),
    Snapshot(oneshot::Sender<ProducerSnapshot>),
    ShardSnapshots(oneshot::Sender<Vec<ShardSnapshot>>),
}

/// When a user record was put, and its time to live if that differs from the
/// settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct PutTime {
    pub(super) at: Duration,
    pub(super) own_ttl: Option<Duration>,
}

/// The token that accompanies a user record through the core.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) ending: Ending,
    /// Bytes that it uses of the room.
    pub(super) held_len: usize,
    /// The epoch that it was put in: flushes end epochs.
    pub(super) epoch: u64,
}

#[derive(Debug)]
pub(super) struct Intake {
    pub(super) room: Room,
    pub(super) gates: Gates,
    queue: Mutex<Queue>,
    wake: Notify,
    reports: Mutex<Reports>,
}

#[derive(Debug)]
struct Queue {
    commands: VecDeque<Command>,
    slots: Slots,
    /// Puts are no longer accepted.
    is_closed: bool,
    /// User records that have not ended must be given up.
    gives_up: bool,
    /// The task has ended.
    has_ended: bool,
}

/// What the task reports to the handles.
#[derive(Debug)]
struct Reports {
    counters: ProducerCounters,
    /// Given up by a shutdown and not yet returned by one.
    undelivered: Vec<Failure>,
    /// The final snapshot, once the task has ended.
    last: ProducerSnapshot,
}

/// Instructions to the task besides the commands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Orders {
    pub(super) is_closed: bool,
    pub(super) gives_up: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Intake {
    pub(super) fn new(room_len: usize, first: ProducerSnapshot) -> Self {
        Self {
            room: Room::new(room_len),
            gates: Gates::default(),
            queue: Mutex::new(Queue {
                commands: VecDeque::new(),
                slots: Slots::new(),
                is_closed: false,
                gives_up: false,
                has_ended: false,
            }),
            wake: Notify::new(),
            reports: Mutex::new(Reports {
                counters: first.counters,
                undelivered: Vec::new(),
                last: first,
            }),
        }
    }

    /// Appends a user record for which room was taken, or returns it if the
    /// producer is closed.
    pub(super) fn push(
        &self,
        user_record: OwnedUserRecord,
        held_len: usize,
        put: PutTime,
    ) -> Result<DeliveryFuture, OwnedUserRecord> {
        let mut queue = lock(&self.queue);
        if queue.is_closed {
            drop(queue);
            self.room.give_back(held_len);
            return Err(user_record);
        }
        let is_first = queue.commands.is_empty();
        let future = queue.put(user_record, held_len, put);
        drop(queue);
        if is_first {
            self.wake.notify_one();
        }
        Ok(future)
    }

    /// Appends user records for which room was taken, or returns them if the
    /// producer is closed.
    pub(super) fn push_all(
        &self,
        user_records: Vec<(OwnedUserRecord, usize)>,
        put: PutTime,
        futures: &mut Vec<DeliveryFuture>,
    ) -> Result<(), Vec<(OwnedUserRecord, usize)>> {
        let mut queue = lock(&self.queue);
        if queue.is_closed {
            drop(queue);
            let held_len = user_records.iter().map(|&(_, held_len)| held_len);
            self.room.give_back(held_len.fold(0, usize::saturating_add));
            return Err(user_records);
        }
        let is_first = queue.commands.is_empty();
        for (user_record, held_len) in user_records {
            futures.push(queue.put(user_record, held_len, put));
        }
        drop(queue);
        if is_first {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Appends a command that has an answer. The receiver returns the answer, or
    /// an error if the task has ended.
    pub(super) fn ask<A>(
        &self,
        command: impl FnOnce(oneshot::Sender<A>) -> Command,
    ) -> oneshot::Receiver<A> {
        let (answer, answered) = oneshot::channel();
        let mut queue = lock(&self.queue);
        if !queue.has_ended {
            queue.commands.push_back(command(answer));
        }
        drop(queue);
        self.wake.notify_one();
        answered
    }

    /// Stops accepting puts, including those that wait for room.
    pub(super) fn close(&self) {
        lock(&self.queue).is_closed = true;
        self.room.close();
        self.gates.close();
        self.wake.notify_one();
    }

    /// Closes, and makes the task give up all user records that have not ended.
    pub(super) fn give_up(&self) {
        lock(&self.queue).gives_up = true;
        self.close();
    }

    /// Takes room for a user record. If it had to pass a gate, the pass is kept
    /// until the user record is in the queue.
    pub(super) fn try_take_room(
        &self,
        user_record: &OwnedUserRecord,
        needed: usize,
    ) -> Result<Option<Pass<'_>>, NoRoom> {
        let count = self.room.count(needed)?;
        let pass = match self.gates.of(user_record) {
            Some(gate) => gate.try_pass(count, needed, &self.wake)?,
            None => None,
        };
        self.room.try_take(needed)?;
        Ok(pass)
    }

    /// Like [`try_take_room`](Self::try_take_room), but waits for room until
    /// `until`; the task flushes meanwhile.
    pub(super) async fn wait_for_room(
        &self,
        user_record: &OwnedUserRecord,
        needed: usize,
        until: Option<Instant>,
    ) -> Result<Option<Pass<'_>>, NoRoom> {
        let count = self.room.count(needed)?;
        loop {
            let pass = match self.gates.of(user_record) {
                Some(gate) => match gate.pass(count, needed, until, &self.wake).await? {
                    None => continue,
                    pass => pass,
                },
                None => None,
            };
            let wake = || self.wake.notify_one();
            self.room.take(needed, until, wake).await?;
            // Many puts may have been waiting for room when the gate was shut.
            if pass.is_some() || self.gates.of(user_record).is_none() {
                return Ok(pass);
            }
            self.room.give_back(needed);
        }
    }

    /// Waits until a command was appended, there are orders, or a put waits for
    /// room.
    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Swaps the queue with `commands` if that is empty, so that both reuse their
    /// memory. Returns the orders.
    pub(super) fn take(&self, commands: &mut VecDeque<Command>) -> Orders {
        if commands.capacity() > MIN_CAPACITY && commands.is_empty() {
            commands.shrink_to(commands.capacity() / 2);
        }
        let mut queue = lock(&self.queue);
        if commands.is_empty() {
            core::mem::swap(&mut queue.commands, commands);
        }
        Orders {
            is_closed: queue.is_closed,
            gives_up: queue.gives_up,
        }
    }

    /// Returns true once the queue is closed and empty.
    pub(super) fn is_over(&self) -> bool {
        let queue = lock(&self.queue);
        queue.is_closed && queue.commands.is_empty()
    }

    /// Closes because the task ends, and returns the commands it has not taken.
    pub(super) fn end(&self) -> VecDeque<Command> {
        self.room.close();
        self.gates.close();
        let mut queue = lock(&self.queue);
        queue.is_closed = true;
        queue.has_ended = true;
        core::mem::take(&mut queue.commands)
    }

    pub(super) fn report(&self, counters: ProducerCounters) {
        lock(&self.reports).counters = counters;
    }

    pub(super) fn report_undelivered(&self, failure: Failure) {
        lock(&self.reports).undelivered.push(failure);
    }

    pub(super) fn report_last(&self, snapshot: ProducerSnapshot) {
        lock(&self.reports).last = snapshot;
    }

    /// Returns the final snapshot, once the task has ended.
    pub(super) fn last(&self) -> ProducerSnapshot {
        lock(&self.reports).last.clone()
    }

    pub(super) fn counters(&self) -> ProducerCounters {
        lock(&self.reports).counters
    }

    pub(super) fn take_undelivered(&self) -> Vec<Failure> {
        core::mem::take(&mut lock(&self.reports).undelivered)
    }
}

impl Queue {
    fn put(
        &mut self,
        user_record: OwnedUserRecord,
        held_len: usize,
        put: PutTime,
    ) -> DeliveryFuture {
        let (ending, future) = self.slots.pair();
        let token = Token {
            ending,
            held_len,
            epoch: 0,
        };
        self.commands
            .push_back(Command::Put(user_record, token, put));
        future
    }
}
