//! Lists the shards of the stream and asks how it distributes records.

use core::time::Duration;

use tokio::time::Instant;

use crate::producer::backoff::SplitMix;
use crate::producer::clock::Clock;
use crate::producer::distribution::DistributionAnswer;
use crate::producer::request::RequestFailure;
use crate::producer::service::{ListShardsError, StreamService};
use crate::producer::timed::Timed;
use crate::shards::{Shard, ShardMap};

/// The upper bounds of the pauses between listings: of the first, and of all.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The results of a listing.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) requested_at: Duration,
    pub(super) shards: Result<Vec<Shard>, ListShardsError>,
    pub(super) distribution: Result<DistributionAnswer, RequestFailure>,
}

/// Random pauses between listings that do not help. The upper bound doubles after
/// each.
#[derive(Debug)]
pub(super) struct Pauses {
    random: SplitMix,
    longest: Duration,
}

impl Pauses {
    pub(super) fn new(random: SplitMix) -> Self {
        Self {
            random,
            longest: SHORTEST_PAUSE,
        }
    }

    pub(super) fn next(&mut self) -> Duration {
        let pause = self.random.up_to(self.longest);
        self.longest = self.longest.saturating_mul(2).min(LONGEST_PAUSE);
        pause
    }

    pub(super) fn reset(&mut self) {
        self.longest = SHORTEST_PAUSE;
    }
}

/// Lists the shards and asks for the distribution, once.
pub(super) async fn list<S: StreamService>(stream: &Timed<S>, clock: Clock) -> Listing {
    let requested_at = clock.now();
    let (shards, distribution) = tokio::join!(stream.list_shards(), stream.distribution());
    Listing {
        requested_at,
        shards,
        distribution,
    }
}

/// Returns the first list of shards and how the stream distributes records.
/// Retries transient errors until the timeout is over.
pub(super) async fn first_listing<S: StreamService>(
    stream: &Timed<S>,
    clock: Clock,
    timeout: Duration,
    pauses: &mut Pauses,
) -> Result<(ShardMap, DistributionAnswer, Duration), ListShardsError> {
    let deadline = Instant::now().checked_add(timeout);
    let mut error: ListShardsError = RequestFailure::NoAnswer("deadline has elapsed".into()).into();
    loop {
        let listing = list(stream, clock);
        let listing = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, listing).await,
            None => Ok(listing.await),
        };
        let Ok(listing) = listing else {
            return Err(error);
        };
        match parts(listing) {
            Ok(parts) => {
                pauses.reset();
                return Ok(parts);
            }
            Err(lasting) if lasting.is_lasting() => return Err(lasting),
            Err(passing) => error = passing,
        }
        tracing::debug!(stream = stream.stream(), %error, "start is tried again");
        let pause = pauses.next();
        let next = Instant::now().checked_add(pause);
        if deadline.is_some_and(|deadline| next.is_none_or(|next| next > deadline)) {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
    }
}

fn parts(listing: Listing) -> Result<(ShardMap, DistributionAnswer, Duration), ListShardsError> {
    let map = ShardMap::new(listing.shards?)?;
    Ok((map, listing.distribution?, listing.requested_at))
}
