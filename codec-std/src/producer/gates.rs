//! Gates: puts wait here for a shard that exceeds its share of the buffer, so
//! that they take no room from puts for other shards.
//!
//! The task shuts a gate when it sees a shard above its share, lets pass as many
//! bytes as the share has free again, and removes the gate when no put waits.
//! Puts that were queued when the gate was shut are accepted: the room for all
//! shards is an exact bound, a share is not.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kinesis_agg_codec::{HashKey, HashKeyRange};
use tokio::sync::{Notify, Semaphore, TryAcquireError};
use tokio::time::Instant;

use crate::producer::room::{NoRoom, acquire};
use crate::shards::RejectionReason;
use crate::write::OwnedUserRecord;

/// The gates of all shards that have one.
#[derive(Debug, Default)]
pub(super) struct Gates {
    /// The number of gates. If it is 0, a put need not compute its hash key.
    count: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By the first hash key of their ranges, which do not overlap.
    gates: BTreeMap<HashKey, Arc<Gate>>,
    is_closed: bool,
}

#[derive(Debug)]
pub(super) struct Gate {
    range: HashKeyRange,
    /// Bytes that may pass. Closed when the gate is removed.
    bytes: Semaphore,
    /// Puts that wait, or have passed and are not yet in the queue.
    waiting: AtomicUsize,
    /// Bytes of those of them that have passed.
    passing: AtomicUsize,
}

impl Gates {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Returns the gate that a user record has to pass, if there is one.
    pub(super) fn of(&self, user_record: &OwnedUserRecord) -> Option<Arc<Gate>> {
        if self.is_empty() {
            return None;
        }
        let hash_key = user_record.hash_key();
        let state = self.lock();
        let (_, gate) = state.gates.range(..=hash_key).next_back()?;
        gate.range.contains(hash_key).then(|| Arc::clone(gate))
    }

    /// Shuts a gate for a range. It replaces all gates whose ranges overlap.
    pub(super) fn shut(&self, range: HashKeyRange) {
        let mut state = self.lock();
        let start = range.starting_hash_key();
        let is_shut = state.gates.get(&start).is_some_and(|at| at.range == range);
        if state.is_closed || is_shut {
            return;
        }
        state.gates.retain(|_, gate| {
            let (first, last) = (gate.range.starting_hash_key(), gate.range.ending_hash_key());
            let stays = last < start || range.ending_hash_key() < first;
            if !stays {
                gate.bytes.close();
            }
            stays
        });
        let gate = Gate {
            range,
            bytes: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            passing: AtomicUsize::new(0),
        };
        state.gates.insert(start, Arc::new(gate));
        self.count.store(state.gates.len(), Ordering::Relaxed);
    }

    /// Updates how many bytes may pass each gate. `share_left` returns how many
    /// more bytes the shards of a range may hold; its second argument is whether
    /// puts wait for them.
    pub(super) fn update(&self, mut share_left: impl FnMut(HashKeyRange, bool) -> usize) {
        if self.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.gates.retain(|_, gate| {
            let is_awaited = gate.waiting.load(Ordering::SeqCst) > 0;
            let left = share_left(gate.range, is_awaited);
            let stays = left == 0 || is_awaited;
            if stays {
                gate.allow(left);
            } else {
                gate.bytes.close();
            }
            stays
        });
        self.count.store(state.gates.len(), Ordering::Relaxed);
    }

    /// Removes all gates, and prevents new ones.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        for gate in core::mem::take(&mut state.gates).into_values() {
            gate.bytes.close();
        }
        self.count.store(0, Ordering::Relaxed);
    }
}

impl Gate {
    /// Sets how many bytes may pass, including those that have passed and are not
    /// yet in the queue.
    fn allow(&self, left: usize) {
        let left = left.saturating_sub(self.passing.load(Ordering::SeqCst));
        let left = left.min(Semaphore::MAX_PERMITS);
        let open = self.bytes.available_permits();
        if open > left {
            self.bytes.forget_permits(open.saturating_sub(left));
        } else if open < left {
            self.bytes.add_permits(left.saturating_sub(open));
        }
    }

    /// Passes without waiting; returns `None` if the gate was removed.
    pub(super) fn try_pass<'a>(
        self: Arc<Self>,
        count: u32,
        needed: usize,
        wake: &'a Notify,
    ) -> Result<Option<Pass<'a>>, NoRoom> {
        let mut pass = Pass::new(self, wake);
        match pass.gate.bytes.try_acquire_many(count) {
            Ok(bytes) => bytes.forget(),
            Err(TryAcquireError::Closed) => return Ok(None),
            Err(TryAcquireError::NoPermits) => return Err(pass.gate.full(needed)),
        }
        pass.passed(needed);
        Ok(Some(pass))
    }

    /// Waits until the put can pass, but not beyond `until`; returns `None` if the
    /// gate was removed. Puts pass in the order in which they began to wait.
    pub(super) async fn pass(
        self: Arc<Self>,
        count: u32,
        needed: usize,
        until: Option<Instant>,
        wake: &Notify,
    ) -> Result<Option<Pass<'_>>, NoRoom> {
        let mut pass = Pass::new(self, wake);
        // The task may have to flush user records of this shard.
        wake.notify_one();
        match acquire(&pass.gate.bytes, count, until).await {
            Ok(Ok(bytes)) => bytes.forget(),
            Ok(Err(_closed)) => return Ok(None),
            Err(_elapsed) => return Err(pass.gate.full(needed)),
        }
        pass.passed(needed);
        Ok(Some(pass))
    }

    fn full(&self, needed: usize) -> NoRoom {
        let available = self.bytes.available_permits();
        NoRoom::Rejected(RejectionReason::ShardFull { needed, available })
    }
}

/// A put that waits at a gate or has passed it, until its user record is in the
/// queue or it gives up. When dropped, wakes the task to update what may pass.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gate: Arc<Gate>,
    passed: usize,
    wake: &'a Notify,
}

impl<'a> Pass<'a> {
    fn new(gate: Arc<Gate>, wake: &'a Notify) -> Self {
        gate.waiting.fetch_add(1, Ordering::SeqCst);
        let passed = 0;
        Self { gate, passed, wake }
    }

    fn passed(&mut self, needed: usize) {
        self.passed = needed;
        self.gate.passing.fetch_add(needed, Ordering::SeqCst);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.passing.fetch_sub(self.passed, Ordering::SeqCst);
        self.gate.waiting.fetch_sub(1, Ordering::SeqCst);
        self.wake.notify_one();
    }
}
