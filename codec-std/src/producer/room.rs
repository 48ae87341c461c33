//! Room for user records, in bytes, on their whole way: from the caller through
//! the channel and the core to the event.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::shards::RejectionReason;

/// A bounded number of bytes. Those who wait for some get them in the order in
/// which they came.
#[derive(Debug)]
pub(super) struct Room {
    len: usize,
    bytes: Arc<Semaphore>,
    waiting: AtomicUsize,
    is_short: Notify,
}

/// Bytes that are taken, until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _bytes: OwnedSemaphorePermit,
}

impl Room {
    pub(super) fn new(len: usize) -> Self {
        let len = len.min(Semaphore::MAX_PERMITS);
        Self {
            len,
            bytes: Arc::new(Semaphore::new(len)),
            waiting: AtomicUsize::new(0),
            is_short: Notify::new(),
        }
    }

    /// Waits for so many bytes, but not beyond `expiry`.
    ///
    /// # Errors
    ///
    /// [`RejectionReason::LargerThanBuffer`] at once,
    /// [`RejectionReason::Expired`] when the time is over.
    pub(super) async fn take(
        &self,
        needed: usize,
        expiry: Option<Instant>,
    ) -> Result<Place, RejectionReason> {
        let limit = self.len;
        let count = u32::try_from(needed).ok().filter(|_| needed <= limit);
        let Some(count) = count else {
            return Err(RejectionReason::LargerThanBuffer { needed, limit });
        };
        if let Ok(bytes) = Arc::clone(&self.bytes).try_acquire_many_owned(count) {
            return Ok(Place { _bytes: bytes });
        }
        let _waiting = Waiting::new(self);
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(count);
        let far = Duration::from_secs(u64::from(u32::MAX));
        let expiry = expiry.or_else(|| Instant::now().checked_add(far));
        let bytes = match expiry {
            Some(expiry) => tokio::time::timeout_at(expiry, bytes).await.ok(),
            None => Some(bytes.await),
        };
        // The semaphore is never closed.
        let bytes = bytes.and_then(Result::ok);
        bytes
            .map(|bytes| Place { _bytes: bytes })
            .ok_or(RejectionReason::Expired)
    }

    /// True if somebody waits.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits until somebody has to wait.
    pub(super) async fn becomes_short(&self) {
        self.is_short.notified().await;
    }
}

/// Counts one that waits, until this is dropped.
struct Waiting<'a>(&'a Room);

impl<'a> Waiting<'a> {
    fn new(room: &'a Room) -> Self {
        room.waiting.fetch_add(1, Ordering::Relaxed);
        room.is_short.notify_one();
        Self(room)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
