//! How a stream distributes records over its shards: by their keys, or by a
//! choice of the service.

use alloc::sync::Arc;
use core::time::Duration;

use kinesis_agg_codec::HashKey;

use crate::shards::ShardMap;

/// How a stream distributes records over its shards (the field
/// `RecordDistributionStrategy` of DescribeStreamSummary).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whether aggregates may be written is what matters"
)]
pub enum Distribution {
    /// By partition key or explicit hash key: `USER_PARTITION_KEY`, and streams
    /// whose description does not have the field (provisioned capacity).
    #[default]
    ByKey,
    /// The service chooses the shard of each record: `AUTO`. Aggregation is not
    /// supported on such streams: the KCL silently drops aggregates that are stored
    /// in a shard that does not have all of their hash keys.
    Auto,
}

/// The answer to a request for how a stream distributes records.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third answer")]
pub enum DistributionAnswer {
    /// The service returned the distribution.
    Known(Distribution),
    /// The credentials do not allow the request
    /// (`kinesis:DescribeStreamSummary`). Holds the text of the error.
    Denied(Arc<str>),
}

/// How many raw records in a row must be stored in the shards of their hash keys
/// before a stream counts as [`Distribution::ByKey`] again.
pub(super) const AGREEING_ANSWERS: u32 = 128;

/// The most answers that contradict the map and wait for the next listing.
const MAX_CONTRADICTIONS: usize = 64;

/// What the answers of PutRecords show about the distribution. Used only while
/// the service does not return it.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Aggregates that were stored in a shard that did not have their outer hash
    /// key, by the map at that time.
    contradictions: Vec<Contradiction>,
    /// Raw records in a row that were stored in the shard of their hash key.
    agreeing: u32,
    /// The shard of the first of them.
    first_shard: Option<Arc<str>>,
    has_two_shards: bool,
}

#[derive(Debug)]
struct Contradiction {
    shard_id: Arc<str>,
    hash_key: HashKey,
    answered_at: Duration,
}

impl Evidence {
    /// Records the shard in which an aggregate was stored.
    pub(super) fn aggregate_stored(
        &mut self,
        map: &ShardMap,
        shard_id: &Arc<str>,
        hash_key: HashKey,
        answered_at: Duration,
    ) {
        let is_elsewhere = map
            .find(shard_id)
            .is_some_and(|shard| !shard.hash_key_range().contains(hash_key));
        if is_elsewhere && self.contradictions.len() < MAX_CONTRADICTIONS {
            self.contradictions.push(Contradiction {
                shard_id: Arc::clone(shard_id),
                hash_key,
                answered_at,
            });
        }
    }

    /// Records the shard in which a raw record was stored. Returns true if enough
    /// in a row agree with the map to conclude that the stream distributes by key.
    pub(super) fn raw_stored(
        &mut self,
        map: &ShardMap,
        shard_id: &Arc<str>,
        hash_key: HashKey,
    ) -> bool {
        let agrees = map
            .find(shard_id)
            .is_some_and(|shard| shard.hash_key_range().contains(hash_key));
        if !agrees {
            *self = Self::default();
            return false;
        }
        self.agreeing = self.agreeing.saturating_add(1);
        match &self.first_shard {
            None => self.first_shard = Some(Arc::clone(shard_id)),
            Some(first) => self.has_two_shards |= first != shard_id,
        }
        self.agreeing >= AGREEING_ANSWERS && self.has_two_shards
    }

    /// Checks the contradictions against a newer map. Returns true if one of them
    /// still holds: the listing is not older than the answer, the shard's range has
    /// not changed, and it does not contain the hash key.
    pub(super) fn contradicts(
        &mut self,
        older: &ShardMap,
        newer: &ShardMap,
        listed_at: Duration,
    ) -> bool {
        let (decided, open): (Vec<_>, Vec<_>) = core::mem::take(&mut self.contradictions)
            .into_iter()
            .partition(|contradiction| contradiction.answered_at <= listed_at);
        self.contradictions = open;
        decided.iter().any(|contradiction| {
            let range = |map: &ShardMap| {
                let shard = map.find(&contradiction.shard_id)?;
                Some(shard.hash_key_range())
            };
            let newer = range(newer);
            newer == range(older)
                && newer.is_some_and(|range| !range.contains(contradiction.hash_key))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::Shard;
    use kinesis_agg_codec::HashKeyRange;

    fn map(middle: u128) -> ShardMap {
        let range = |starting, ending| {
            HashKeyRange::new(HashKey::new(starting), HashKey::new(ending)).unwrap()
        };
        let shards = [
            Shard::new("low", range(0, middle - 1)),
            Shard::new("high", range(middle, u128::MAX)),
        ];
        ShardMap::new(shards).unwrap()
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_aggregate_elsewhere_counts_once_a_newer_listing_still_disagrees() {
        let (low, high) = ("low".into(), "high".into());
        let hash_key = HashKey::new(5);
        let mut evidence = Evidence::default();
        // In the right shard, and in a shard that is in no listing.
        evidence.aggregate_stored(&map(10), &low, hash_key, at(1));
        evidence.aggregate_stored(&map(10), &"what?".into(), hash_key, at(1));
        assert!(!evidence.contradicts(&map(10), &map(10), at(2)));
        evidence.aggregate_stored(&map(10), &high, hash_key, at(3));
        // The listing is older than the answer.
        assert!(!evidence.contradicts(&map(10), &map(10), at(2)));
        assert!(evidence.contradicts(&map(10), &map(10), at(3)));
        // Another stream with the same name.
        evidence.aggregate_stored(&map(10), &high, hash_key, at(4));
        assert!(!evidence.contradicts(&map(10), &map(20), at(5)));
        assert!(!evidence.contradicts(&map(20), &map(20), at(6)));
    }

    #[test]
    fn agreeing_raw_records_count_in_a_row_and_over_two_shards() {
        let (low, high) = ("low".into(), "high".into());
        let (map, mut evidence) = (map(10), Evidence::default());
        for _ in 0..2 * AGREEING_ANSWERS {
            assert!(!evidence.raw_stored(&map, &low, HashKey::new(5)));
        }
        assert!(evidence.raw_stored(&map, &high, HashKey::new(50)));
        assert!(!evidence.raw_stored(&map, &high, HashKey::new(5)));
        for n in 1..=AGREEING_ANSWERS {
            let (shard, hash_key) = if n % 2 == 0 { (&low, 5) } else { (&high, 50) };
            let is_by_key = evidence.raw_stored(&map, shard, HashKey::new(hash_key));
            assert_eq!(is_by_key, n == AGREEING_ANSWERS);
        }
    }
}
