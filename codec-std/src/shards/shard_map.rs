//! Maps hash keys to shards.
//!
//! The open shards of a map cover every hash key exactly once, so routing cannot
//! fail. A map also remembers closed shards, because an answer of the service may
//! name one long after the map has changed.

use alloc::sync::Arc;
use core::time::Duration;

use hashbrown::HashMap;
use kinesis_agg_codec::{HashKey, HashKeyRange};
use thiserror::Error;

/// A shard, as ListShards returns it.
///
/// ```
/// use kinesis_agg::{HashKeyRange, Shard};
///
/// let shard = Shard::new("shardId-000000000000", HashKeyRange::FULL).closed();
/// assert!(!shard.is_open());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    id: Arc<str>,
    hash_key_range: HashKeyRange,
    parents: Vec<Arc<str>>,
    is_open: bool,
}

impl Shard {
    /// Returns an open shard without parents.
    pub fn new(id: impl Into<Arc<str>>, hash_key_range: HashKeyRange) -> Self {
        Self {
            id: id.into(),
            hash_key_range,
            parents: Vec::new(),
            is_open: true,
        }
    }

    /// Adds a parent: one after a split, two after a merge (ListShards:
    /// ParentShardId, AdjacentParentShardId).
    #[must_use]
    pub fn with_parent(mut self, id: impl Into<Arc<str>>) -> Self {
        self.parents.push(id.into());
        self
    }

    /// Marks the shard as closed: it accepts no more records, and its ending
    /// sequence number is set (ListShards: SequenceNumberRange).
    #[must_use]
    pub fn closed(self) -> Self {
        Self {
            is_open: false,
            ..self
        }
    }

    /// Returns the shard id. It is unique within a stream, but a stream that is
    /// deleted and created again under the same name uses the same ids.
    #[must_use]
    pub const fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Returns the hash key range of the shard. It never changes while the stream
    /// exists.
    #[must_use]
    pub const fn hash_key_range(&self) -> HashKeyRange {
        self.hash_key_range
    }

    /// Returns the ids of the shards that were split or merged into this one.
    #[must_use]
    pub fn parents(&self) -> &[Arc<str>] {
        &self.parents
    }

    /// Returns true unless the shard is known to be closed.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.is_open
    }
}

/// Why shards do not form a map.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShardMapError {
    /// Hash keys that belong to no open shard.
    #[error("no open shard has the hash keys {} to {}", .0.starting_hash_key(), .0.ending_hash_key())]
    Gap(HashKeyRange),
    /// Hash keys that belong to two open shards.
    #[error(
        "open shards {first} and {second} both have the hash keys {} to {}",
        range.starting_hash_key(), range.ending_hash_key()
    )]
    Overlap {
        /// The shard whose range starts first.
        first: Arc<str>,
        /// The other shard.
        second: Arc<str>,
        /// The hash keys that both have.
        range: HashKeyRange,
    },
    /// A shard id that is listed with two different ranges.
    #[error("shard {0} is listed with two hash key ranges")]
    TwoRanges(Arc<str>),
}

/// The open shards of a stream, which together cover every hash key exactly once.
///
/// ```
/// use kinesis_agg::{HashKey, HashKeyRange, Shard, ShardMap};
///
/// let range = |start, end| HashKeyRange::new(HashKey::new(start), HashKey::new(end));
/// let map = ShardMap::new([
///     Shard::new("parent", HashKeyRange::FULL).closed(),
///     Shard::new("low", range(0, 99)?).with_parent("parent"),
///     Shard::new("high", range(100, u128::MAX)?).with_parent("parent"),
/// ])?;
/// assert_eq!(&**map.shard_of(HashKey::new(99)).id(), "low");
/// assert_eq!(&**map.shard_of(HashKey::new(100)).id(), "high");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ShardMap {
    /// In order of their hash keys, from the lowest to the highest.
    open: Vec<Shard>,
    /// The first open shard, which always exists.
    first: Shard,
    places: HashMap<Arc<str>, usize>,
    closed: HashMap<Arc<str>, Closed>,
}

#[derive(Clone, Debug)]
struct Closed {
    shard: Shard,
    /// When it was first missing from a listing.
    unlisted_since: Option<Duration>,
}

impl ShardMap {
    /// Makes a map from the output of ListShards, including closed shards.
    ///
    /// A shard also counts as closed if another shard names it as a parent, because
    /// the pages of a listing may be from different moments. A shard may be listed
    /// twice.
    ///
    /// # Errors
    ///
    /// [`ShardMapError`] with the place, if the open shards do not cover every
    /// hash key exactly once: [`Gap`](ShardMapError::Gap),
    /// [`Overlap`](ShardMapError::Overlap) or
    /// [`TwoRanges`](ShardMapError::TwoRanges). Listing again may help: while
    /// a stream reshards, parents close before their children open.
    pub fn new(shards: impl IntoIterator<Item = Shard>) -> Result<Self, ShardMapError> {
        let mut listed: HashMap<Arc<str>, Shard> = HashMap::new();
        for shard in shards {
            match listed.get_mut(&shard.id) {
                None => {
                    listed.insert(Arc::clone(&shard.id), shard);
                }
                Some(twin) if twin.hash_key_range != shard.hash_key_range => {
                    return Err(ShardMapError::TwoRanges(shard.id));
                }
                Some(twin) => twin.is_open &= shard.is_open,
            }
        }
        let parents = listed.values().flat_map(|shard| shard.parents.clone());
        for parent in parents.collect::<Vec<_>>() {
            if let Some(parent) = listed.get_mut(&parent) {
                parent.is_open = false;
            }
        }
        let (mut open, closed): (Vec<_>, Vec<_>) =
            listed.into_values().partition(|shard| shard.is_open);
        open.sort_unstable_by_key(|shard| {
            let range = shard.hash_key_range;
            (range.starting_hash_key(), range.ending_hash_key())
        });
        let first = check_cover(&open)?.clone();
        let places = open.iter().enumerate();
        let places = places.map(|(place, shard)| (Arc::clone(&shard.id), place));
        let places = places.collect();
        let closed = closed.into_iter().map(|shard| {
            let closed = Closed {
                shard,
                unlisted_since: None,
            };
            (Arc::clone(&closed.shard.id), closed)
        });
        Ok(Self {
            open,
            first,
            places,
            closed: closed.collect(),
        })
    }

    /// Makes the map of a later listing. It also remembers shards of this map that
    /// are no longer listed, for `keep` from the first `now` at which they were
    /// missing.
    ///
    /// A listing that contradicts this map may be of another stream, created under
    /// the same name: a shard id has another range, a closed shard is open again,
    /// or an open shard is not listed. The map of such a listing contains only
    /// listed shards.
    ///
    /// `now` is the time since a fixed moment of the caller's choice.
    ///
    /// # Errors
    ///
    /// As [`ShardMap::new`].
    pub fn refreshed(
        &self,
        shards: impl IntoIterator<Item = Shard>,
        now: Duration,
        keep: Duration,
    ) -> Result<Self, ShardMapError> {
        let mut map = Self::new(shards)?;
        if self.is_contradicted_by(&map) {
            return Ok(map);
        }
        for (id, closed) in &self.closed {
            if map.find(id).is_some() {
                continue;
            }
            let mut closed = closed.clone();
            let since = *closed.unlisted_since.get_or_insert(now);
            if now.saturating_sub(since) <= keep {
                map.closed.insert(Arc::clone(id), closed);
            }
        }
        Ok(map)
    }

    /// Returns true if `listed` cannot be of the same stream at a later time.
    pub(crate) fn is_contradicted_by(&self, listed: &Self) -> bool {
        let has_other_range = |shard: &Shard| {
            let listed = listed.find(&shard.id);
            listed.is_some_and(|listed| listed.hash_key_range != shard.hash_key_range)
        };
        let is_open_again = |shard: &Shard| listed.place_of_id(&shard.id).is_some();
        let is_missing = |shard: &Shard| listed.find(&shard.id).is_none();
        let mut closed = self.closed.values().map(|closed| &closed.shard);
        closed.any(|shard| has_other_range(shard) || is_open_again(shard))
            || (self.open.iter()).any(|shard| has_other_range(shard) || is_missing(shard))
    }

    /// Returns the open shards, from the lowest hash key to the highest.
    #[must_use]
    pub fn open_shards(&self) -> &[Shard] {
        &self.open
    }

    /// Returns the shard that accepts user records with this hash key.
    ///
    /// It uses a binary search.
    #[must_use]
    pub fn shard_of(&self, hash_key: HashKey) -> &Shard {
        self.open
            .get(self.place_of(hash_key))
            .unwrap_or(&self.first)
    }

    /// Returns the index in the open shards of the shard of a hash key.
    pub(crate) fn place_of(&self, hash_key: HashKey) -> usize {
        self.open
            .partition_point(|shard| shard.hash_key_range.starting_hash_key() <= hash_key)
            .saturating_sub(1)
    }

    /// Returns true if a shard with this id and range is open.
    fn is_open(&self, shard: &Shard) -> bool {
        let place = self.place_of_id(&shard.id);
        let open = place.and_then(|place| self.open.get(place));
        open.is_some_and(|open| open.hash_key_range == shard.hash_key_range)
    }

    /// Returns the index in the open shards of the shard with this id and range.
    pub(crate) fn place_of_same(&self, shard: &Shard) -> Option<usize> {
        self.place_of_id(&shard.id).filter(|_| self.is_open(shard))
    }

    /// Returns the index in the open shards of the shard with this id.
    pub(crate) fn place_of_id(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// Returns the shard with this id, open or closed.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Shard> {
        match self.places.get(id) {
            Some(&place) => self.open.get(place),
            None => self.closed.get(id).map(|closed| &closed.shard),
        }
    }

    /// Compares the open shards with those of a newer map. A shard whose range
    /// changed counts as closed and opened, because it belongs to another stream.
    ///
    /// Linear in the number of open shards.
    #[must_use]
    pub fn diff(&self, newer: &Self) -> ShardMapDiff {
        let missing_in = |map: &Self, shards: &[Shard]| -> Vec<Shard> {
            let missing = |shard: &&Shard| !map.is_open(shard);
            shards.iter().filter(missing).cloned().collect()
        };
        ShardMapDiff {
            opened: missing_in(self, &newer.open),
            closed: missing_in(newer, &self.open),
        }
    }
}

/// The differences between the open shards of two maps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardMapDiff {
    /// Open in the newer map only, from the lowest hash key to the highest.
    pub opened: Vec<Shard>,
    /// Open in the older map only, from the lowest hash key to the highest.
    pub closed: Vec<Shard>,
}

impl ShardMapDiff {
    /// Returns true if the open shards are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty() && self.closed.is_empty()
    }
}

/// Checks that sorted shards cover every hash key exactly once. Returns the first
/// of them.
fn check_cover(open: &[Shard]) -> Result<&Shard, ShardMapError> {
    let [first, ..] = open else {
        return Err(ShardMapError::Gap(HashKeyRange::FULL));
    };
    let gap = |starting, ending| match HashKeyRange::new(starting, ending) {
        Ok(range) => Err(ShardMapError::Gap(range)),
        Err(_) => Ok(()),
    };
    let mut before: Option<&Shard> = None;
    for shard in open {
        let starting = shard.hash_key_range.starting_hash_key();
        // The lowest hash key that no earlier shard has. `None`: no hash key is left.
        let next = match before {
            None => Some(HashKey::MIN),
            Some(before) => next_hash_key(before.hash_key_range.ending_hash_key()),
        };
        match (before, next) {
            (_, Some(next)) if next < starting => {
                let last = HashKey::new(starting.to_u128().saturating_sub(1));
                gap(next, last)?;
            }
            (Some(before), _) => {
                let ending = shard.hash_key_range.ending_hash_key();
                let shared = before.hash_key_range.ending_hash_key().min(ending);
                if let Ok(range) = HashKeyRange::new(starting, shared) {
                    return Err(ShardMapError::Overlap {
                        first: Arc::clone(&before.id),
                        second: Arc::clone(&shard.id),
                        range,
                    });
                }
            }
            // Unreachable: no range starts below the lowest hash key.
            (None, _) => {}
        }
        before = Some(shard);
    }
    if let Some(next) = before.and_then(|last| next_hash_key(last.hash_key_range.ending_hash_key()))
    {
        gap(next, HashKey::MAX)?;
    }
    Ok(first)
}

fn next_hash_key(hash_key: HashKey) -> Option<HashKey> {
    hash_key.to_u128().checked_add(1).map(HashKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(starting: u128, ending: u128) -> HashKeyRange {
        HashKeyRange::new(HashKey::new(starting), HashKey::new(ending)).unwrap()
    }

    fn ids(shards: &[Shard]) -> Vec<&str> {
        shards.iter().map(|shard| &*shard.id).collect()
    }

    const MAX: u128 = u128::MAX;

    #[test]
    fn hash_keys_at_the_edges_of_a_range_map_to_the_right_shard() {
        let map = ShardMap::new([
            Shard::new("c", range(101, MAX)),
            Shard::new("a", range(0, 0)),
            Shard::new("b", range(1, 100)),
        ])
        .unwrap();
        assert_eq!(ids(map.open_shards()), ["a", "b", "c"]);
        for (hash_key, id) in [
            (0, "a"),
            (1, "b"),
            (100, "b"),
            (101, "c"),
            (MAX - 1, "c"),
            (MAX, "c"),
        ] {
            let shard = map.shard_of(HashKey::new(hash_key));
            assert_eq!(&*shard.id, id, "{hash_key}");
            assert!(shard.hash_key_range().contains(HashKey::new(hash_key)));
        }
    }

    #[test]
    fn a_gap_between_shards_is_an_error_with_the_missing_range() {
        let cases: [(&[Shard], HashKeyRange); 5] = [
            (&[], HashKeyRange::FULL),
            (
                &[Shard::new("a", HashKeyRange::FULL).closed()],
                HashKeyRange::FULL,
            ),
            (&[Shard::new("a", range(2, MAX))], range(0, 1)),
            (&[Shard::new("a", range(0, MAX - 1))], range(MAX, MAX)),
            (
                &[Shard::new("a", range(0, 4)), Shard::new("b", range(8, MAX))],
                range(5, 7),
            ),
        ];
        for (shards, missing) in cases {
            let error = ShardMap::new(shards.iter().cloned()).unwrap_err();
            assert_eq!(error, ShardMapError::Gap(missing));
        }
    }

    #[test]
    fn overlapping_shards_are_an_error_with_the_shared_range() {
        let cases = [
            ([range(0, 5), range(5, MAX)], range(5, 5)),
            ([range(0, MAX), range(3, 4)], range(3, 4)),
            ([range(0, MAX), range(MAX, MAX)], range(MAX, MAX)),
            ([range(0, 2), range(0, MAX)], range(0, 2)),
        ];
        for ([first, second], both) in cases {
            let shards = [Shard::new("a", first), Shard::new("b", second)];
            let error = ShardMap::new(shards).unwrap_err();
            let ShardMapError::Overlap { range, .. } = error.clone() else {
                panic!("{error}");
            };
            assert_eq!(range, both);
            assert!(error.to_string().starts_with("open shards a and b both"));
        }
    }

    #[test]
    fn listing_pages_from_before_and_after_a_split_form_one_map() {
        // The first page lists the parent as open, the last one lists its children.
        let map = ShardMap::new([
            Shard::new("p", HashKeyRange::FULL),
            Shard::new("p", HashKeyRange::FULL),
            Shard::new("l", range(0, 9)).with_parent("p"),
            Shard::new("r", range(10, MAX)).with_parent("p"),
        ])
        .unwrap();
        assert_eq!(ids(map.open_shards()), ["l", "r"]);
        assert!(!map.find("p").unwrap().is_open());
        let twice = [
            Shard::new("p", HashKeyRange::FULL),
            Shard::new("p", range(0, 1)),
        ];
        assert_eq!(
            ShardMap::new(twice).unwrap_err(),
            ShardMapError::TwoRanges("p".into())
        );
    }

    #[test]
    fn a_closed_shard_is_kept_while_it_is_listed_and_for_the_given_time() {
        let seconds = Duration::from_secs;
        let old = ShardMap::new([Shard::new("p", HashKeyRange::FULL)]).unwrap();
        let children = [
            Shard::new("l", range(0, 9)).with_parent("p"),
            Shard::new("r", range(10, MAX)).with_parent("p"),
        ];
        let listed = [
            &[Shard::new("p", HashKeyRange::FULL).closed()],
            &children[..],
        ]
        .concat();
        let map = old.refreshed(listed, seconds(100), seconds(5)).unwrap();
        assert_eq!(map.find("p").unwrap().hash_key_range(), HashKeyRange::FULL);
        let map = map.refreshed(children.clone(), seconds(200), seconds(5));
        let map = map
            .unwrap()
            .refreshed(children.clone(), seconds(205), seconds(5));
        let map = map.unwrap();
        assert!(map.find("p").is_some_and(|shard| !shard.is_open()));
        let map = map.refreshed(children, seconds(206), seconds(5)).unwrap();
        assert!(map.find("p").is_none());
        assert!(map.find("l").is_some_and(Shard::is_open));
    }

    #[test]
    fn a_shard_map_diff_lists_opened_and_closed_shards() {
        let before = ShardMap::new([
            Shard::new("a", range(0, 9)),
            Shard::new("b", range(10, 19)),
            Shard::new("c", range(20, MAX)),
        ])
        .unwrap();
        let after = ShardMap::new([
            Shard::new("d", range(0, 19))
                .with_parent("a")
                .with_parent("b"),
            Shard::new("c", range(20, MAX)),
        ])
        .unwrap();
        let diff = before.diff(&after);
        assert_eq!(ids(&diff.opened), ["d"]);
        assert_eq!(ids(&diff.closed), ["a", "b"]);
        assert!(!diff.is_empty());
        assert!(before.diff(&before.clone()).is_empty());
    }

    #[test]
    fn a_shard_lists_its_parents_in_the_order_they_were_added() {
        let merged = Shard::new("c", HashKeyRange::FULL)
            .with_parent("a")
            .with_parent("b");
        assert_eq!(merged.parents(), ["a".into(), "b".into()]);
    }
}
