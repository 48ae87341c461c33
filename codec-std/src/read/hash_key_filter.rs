//! Which user records a consumer of one shard may see.
//!
//! After a reshard, an aggregate can be in a shard whose hash key range does
//! not contain all of its user records. The KCL drops such aggregates silently;
//! here a consumer asks for a filter, and what it leaves out is counted.

use kinesis_agg_codec::{HashKeyRange, UserRecord};

/// A hash key range, and what is left out when a user record lies outside it.
///
/// A user record whose hash key cannot be computed counts as outside. Kinesis
/// records that are not aggregated, or malformed, are never left out by a
/// filter: the service itself chose their shard.
///
/// A range converts into [`WholeAggregate`](Self::WholeAggregate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum HashKeyFilter {
    /// One user record outside leaves out its whole aggregate (KCL behaviour,
    /// except for an explicit hash key that is not a number: there the KCL
    /// delivers the user records before it).
    WholeAggregate(HashKeyRange),
    /// Only the user records outside are left out.
    PerUserRecord(HashKeyRange),
}

impl HashKeyFilter {
    /// Returns the hash keys that the consumer may see.
    #[must_use]
    pub const fn range(&self) -> HashKeyRange {
        match self {
            Self::WholeAggregate(range) | Self::PerUserRecord(range) => *range,
        }
    }

    /// Returns true if the user record itself lies in the range.
    #[must_use]
    pub fn contains(&self, user_record: &UserRecord<'_>) -> bool {
        user_record
            .hash_key()
            .is_ok_and(|hash_key| self.range().contains(hash_key))
    }
}

impl From<HashKeyRange> for HashKeyFilter {
    /// [`HashKeyFilter::WholeAggregate`], as the KCL filters.
    fn from(range: HashKeyRange) -> Self {
        Self::WholeAggregate(range)
    }
}
