//! Bounds the bytes of all user records from the put to the event, in the queue
//! and in the core.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit, TryAcquireError};
use tokio::time::Instant;
use tokio::time::error::Elapsed;

use crate::shards::RejectionReason;

/// Why there is no room.
#[derive(Debug)]
pub(super) enum NoRoom {
    /// The user record may be put again, unless it can never fit.
    Rejected(RejectionReason),
    /// The producer accepts no more user records.
    Closed,
}

/// A bounded number of bytes. Puts that wait get them in the order in which they
/// began to wait.
#[derive(Debug)]
pub(super) struct Room {
    len: usize,
    bytes: Semaphore,
    waiting: AtomicUsize,
}

impl Room {
    pub(super) fn new(len: usize) -> Self {
        let len = len.min(Semaphore::MAX_PERMITS);
        Self {
            len,
            bytes: Semaphore::new(len),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Takes `needed` bytes, to be [given back](Self::give_back) later.
    pub(super) fn try_take(&self, needed: usize) -> Result<(), NoRoom> {
        let count = self.count(needed)?;
        match self.bytes.try_acquire_many(count) {
            Ok(bytes) => {
                bytes.forget();
                Ok(())
            }
            Err(TryAcquireError::NoPermits) => {
                let available = self.bytes.available_permits();
                let reason = RejectionReason::BufferFull { needed, available };
                Err(NoRoom::Rejected(reason))
            }
            Err(TryAcquireError::Closed) => Err(NoRoom::Closed),
        }
    }

    /// Takes `needed` bytes; waits for them, but not beyond `until` (`None`: no
    /// limit). Calls `on_short` when it begins to wait.
    pub(super) async fn take(
        &self,
        needed: usize,
        until: Option<Instant>,
        on_short: impl FnOnce(),
    ) -> Result<(), NoRoom> {
        let no_room = match self.try_take(needed) {
            Err(NoRoom::Rejected(full @ RejectionReason::BufferFull { .. })) => full,
            other => return other,
        };
        let _waiting = Waiting::new(self);
        on_short();
        match acquire(&self.bytes, self.count(needed)?, until).await {
            Ok(Ok(bytes)) => {
                bytes.forget();
                Ok(())
            }
            Ok(Err(_closed)) => Err(NoRoom::Closed),
            Err(_elapsed) => Err(NoRoom::Rejected(no_room)),
        }
    }

    /// Converts bytes to permits, or fails if there can never be so many.
    pub(super) fn count(&self, needed: usize) -> Result<u32, NoRoom> {
        let limit = self.len;
        let count = u32::try_from(needed).ok().filter(|_| needed <= limit);
        let too_large = RejectionReason::LargerThanBuffer { needed, limit };
        count.ok_or(NoRoom::Rejected(too_large))
    }

    /// Gives back bytes that were taken before.
    pub(super) fn give_back(&self, len: usize) {
        if len > 0 {
            self.bytes.add_permits(len);
        }
    }

    /// Ends the wait of all puts, and rejects later ones.
    pub(super) fn close(&self) {
        self.bytes.close();
    }

    /// Returns true if a put waits.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// Waits for permits, but not beyond `until` (`None`: no limit).
pub(super) async fn acquire(
    bytes: &Semaphore,
    count: u32,
    until: Option<Instant>,
) -> Result<Result<SemaphorePermit<'_>, AcquireError>, Elapsed> {
    let bytes = bytes.acquire_many(count);
    let far = Duration::from_secs(u64::from(u32::MAX));
    match until.or_else(|| Instant::now().checked_add(far)) {
        Some(until) => tokio::time::timeout_at(until, bytes).await,
        None => Ok(bytes.await),
    }
}

/// Counts a put as waiting until this is dropped.
struct Waiting<'a>(&'a Room);

impl<'a> Waiting<'a> {
    fn new(room: &'a Room) -> Self {
        room.waiting.fetch_add(1, Ordering::Relaxed);
        Self(room)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
