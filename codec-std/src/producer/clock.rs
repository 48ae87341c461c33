//! The clock of a running producer.

use core::time::Duration;

use tokio::time::Instant;

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

    /// Returns the instant at time `at`; `None` if it is too far away.
    pub(super) fn instant(&self, at: Duration) -> Option<Instant> {
        self.started_at.checked_add(at)
    }
}
