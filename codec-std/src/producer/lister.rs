//! Lists the shards of a running producer again, one listing at a time.

use core::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use crate::producer::clock::Clock;
use crate::producer::listing::{Listing, Pauses, list};
use crate::producer::service::StreamService;
use crate::producer::timed::Timed;

/// Lists the shards again when that is wanted, after a pause if the last listing
/// did not help.
#[derive(Debug)]
pub(super) struct Lister {
    /// At most one task.
    task: JoinSet<Listing>,
    pauses: Pauses,
    /// The last listing failed, or left a refresh wanted.
    is_fruitless: bool,
    /// The last listing could not find out how the stream distributes records.
    asks_again: bool,
}

impl Lister {
    pub(super) fn new(pauses: Pauses) -> Self {
        Self {
            task: JoinSet::new(),
            pauses,
            is_fruitless: false,
            asks_again: false,
        }
    }

    /// Starts a listing if the core wants one or the last one did not find out the
    /// distribution, unless one is under way.
    pub(super) fn start<S: StreamService>(
        &mut self,
        is_wanted: bool,
        stream: &Timed<S>,
        clock: Clock,
    ) {
        if !self.task.is_empty() || !is_wanted && !self.asks_again {
            return;
        }
        let pause = match self.is_fruitless {
            true => self.pauses.next(),
            false => Duration::ZERO,
        };
        self.is_fruitless = true;
        let stream = stream.clone();
        let listing = async move {
            tokio::time::sleep(pause).await;
            list(&stream, clock).await
        };
        self.task.spawn(listing.in_current_span());
    }

    /// Waits for the listing under way; returns `None` if there is none.
    ///
    /// Dropping the future does not cancel the listing.
    pub(super) async fn next(&mut self) -> Option<Result<Listing, JoinError>> {
        let listing = self.task.join_next().await?;
        if let Ok(listing) = &listing {
            self.asks_again = listing.distribution.is_err();
        }
        Some(listing)
    }

    /// Must be called after a listing was used. The next one is made without a
    /// pause if the core wants none now.
    pub(super) fn used(&mut self, is_wanted: bool) {
        if !is_wanted && !self.asks_again {
            self.is_fruitless = false;
            self.pauses.reset();
        }
    }
}
