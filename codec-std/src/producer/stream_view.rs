//! What the producer knows about its stream, and whether it still trusts that.

use core::time::Duration;

use kinesis_agg_codec::HashKeyRange;

use crate::producer::distribution::{Distribution, Evidence};
use crate::producer::settings::ProducerSettings;
use crate::producer::stored::Stored;
use crate::shards::{Shard, ShardMap};

/// The shards and the distribution, and since when they are trusted.
#[derive(Debug)]
pub(super) struct StreamView {
    pub(super) map: ShardMap,
    pub(super) distribution: Distribution,
    /// True if the service has returned how the stream distributes records.
    pub(super) is_distribution_known: bool,
    evidence: Evidence,
    /// When the current listing was requested.
    pub(super) listed_at: Duration,
    /// The latest time at which the stream of the current map certainly existed.
    last_seen: Duration,
    /// A listing requested at this time or later is wanted.
    pub(super) wanted_since: Option<Duration>,
    /// The stream may have been replaced by another: nothing is sent and no
    /// aggregate is judged until there is a listing requested at this time or
    /// later.
    pub(super) doubted_since: Option<Duration>,
    /// Requests that were sent before this time may have reached another stream
    /// with the same name.
    trusted_since: Duration,
    /// Conditions that last and were reported with a notice.
    pub(super) is_put_denied: bool,
    pub(super) is_listing_denied: bool,
    pub(super) is_stream_missing: bool,
    pub(super) is_distribution_denied: bool,
}

/// Whether a Kinesis record that the service stored counts as delivered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Delivered,
    WrongShard,
    UnknownShard,
}

impl StreamView {
    pub(super) fn new(map: ShardMap, distribution: Distribution, listed_at: Duration) -> Self {
        Self {
            map,
            distribution,
            is_distribution_known: false,
            evidence: Evidence::default(),
            listed_at,
            last_seen: listed_at,
            wanted_since: None,
            doubted_since: None,
            trusted_since: Duration::ZERO,
            is_put_denied: false,
            is_listing_denied: false,
            is_stream_missing: false,
            is_distribution_denied: false,
        }
    }

    /// Requests a listing that is not older than `since`, nor than one that was
    /// requested already.
    pub(super) fn want_refresh(&mut self, since: Duration) {
        self.wanted_since = self.wanted_since.max(Some(since));
    }

    /// Returns true if the stream has not answered for so long that another one
    /// could have replaced it.
    pub(super) fn is_silent(&self, now: Duration, settings: &ProducerSettings) -> bool {
        now.saturating_sub(self.last_seen) > settings.max_silence
    }

    /// Stops sending and judging until there is a new listing.
    pub(super) fn doubt(&mut self, now: Duration) {
        if self.doubted_since.is_none() {
            self.doubted_since = Some(now);
            self.want_refresh(now);
        }
    }

    /// Records an answer to a request that was sent at `sent_at`.
    pub(super) fn answered(&mut self, sent_at: Duration) {
        self.last_seen = self.last_seen.max(sent_at);
        self.is_put_denied = false;
        self.is_stream_missing = false;
    }

    /// Uses a listing that was requested at `listed_at`. Returns false if it is
    /// older than the current one.
    pub(super) fn replace_map(&mut self, map: ShardMap, listed_at: Duration) -> bool {
        if listed_at < self.listed_at {
            return false;
        }
        self.listed_at = listed_at;
        self.last_seen = self.last_seen.max(listed_at);
        self.wanted_since = self.wanted_since.filter(|&since| since > listed_at);
        let was_doubted = self.doubted_since.is_some();
        self.doubted_since = self.doubted_since.filter(|&since| since > listed_at);
        self.is_stream_missing = false;
        self.is_listing_denied = false;
        let older = core::mem::replace(&mut self.map, map);
        if was_doubted && self.doubted_since.is_none() || older.is_contradicted_by(&self.map) {
            self.trusted_since = listed_at;
        }
        if !self.is_distribution_known
            && self.evidence.contradicts(&older, &self.map, listed_at)
            && self.distribution == Distribution::ByKey
        {
            self.change_distribution(Distribution::Auto);
        }
        true
    }

    /// Changes the distribution. Returns false if it is the same already.
    pub(super) fn change_distribution(&mut self, distribution: Distribution) -> bool {
        if self.distribution == distribution {
            return false;
        }
        self.distribution = distribution;
        self.evidence = Evidence::default();
        true
    }

    /// Judges whether the shard of a stored Kinesis record has all of its hash
    /// keys, by the range that was listed for the shard id; for an id that is not
    /// listed, by the range for which the Kinesis record was sealed. Consumers drop
    /// no raw record, so it cannot be in a wrong shard.
    ///
    /// A request that was sent before [`trusted_since`](Self::trusted_since) may
    /// have been answered by another stream with the same name. It counts only if
    /// the shard is the one for which it was sealed, with the same range.
    pub(super) fn judge<T>(&self, stored: &Stored<T>) -> Verdict {
        let Stored {
            sealed, shard_id, ..
        } = stored;
        if sealed.is_raw {
            return Verdict::Delivered;
        }
        let (made_for, range) = &sealed.shard;
        let is_doubtful = stored.sent_at < self.trusted_since;
        match self.map.find(shard_id).map(Shard::hash_key_range) {
            Some(listed) if is_doubtful && (made_for != shard_id || *range != listed) => {
                Verdict::WrongShard
            }
            Some(listed) if has_all(listed, sealed.span) => Verdict::Delivered,
            Some(_) => Verdict::WrongShard,
            None if made_for == shard_id && !is_doubtful => Verdict::Delivered,
            None => Verdict::UnknownShard,
        }
    }

    /// Records where the service stored a Kinesis record, while the distribution
    /// is not known. Returns true if that shows that the stream distributes records
    /// by key after all.
    pub(super) fn note_place<T>(&mut self, stored: &Stored<T>) -> bool {
        if self.is_distribution_known {
            return false;
        }
        let Some(hash_key) = stored.sealed.outer_hash_key() else {
            return false;
        };
        let (map, shard_id) = (&self.map, &stored.shard_id);
        match self.distribution {
            Distribution::ByKey => {
                let answered_at = stored.answered_at;
                let evidence = &mut self.evidence;
                evidence.aggregate_stored(map, shard_id, hash_key, answered_at);
                false
            }
            Distribution::Auto => {
                stored.sealed.is_raw && self.evidence.raw_stored(map, shard_id, hash_key)
            }
        }
    }

    /// Returns the earliest time of a listing that is newer than the current one
    /// and not older than an answer.
    pub(super) fn newer_listing(&self, answered_at: Duration) -> Duration {
        let next = self.listed_at.saturating_add(Duration::from_nanos(1));
        answered_at.max(next)
    }
}

pub(super) fn has_all(range: HashKeyRange, span: HashKeyRange) -> bool {
    range.contains(span.starting_hash_key()) && range.contains(span.ending_hash_key())
}
