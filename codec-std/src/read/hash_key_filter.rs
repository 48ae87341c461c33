//! The filter for the user records of one shard.
//!
//! After a reshard, an aggregate can be in a shard whose hash key range does not contain
//! all of its user records. The KCL drops such aggregates silently. Here, filtering is
//! optional, and everything that a filter leaves out is counted.

use kinesis_agg_codec::{HashKeyRange, UserRecord};

/// A hash key range, and what to leave out if a user record is outside it.
///
/// A user record with an invalid explicit hash key counts as outside. A filter never
/// leaves out Kinesis records that are plain or malformed, because the service itself
/// chose their shard.
///
/// A range converts into [`WholeAggregate`](Self::WholeAggregate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum HashKeyFilter {
    /// If any user record is outside the range, its whole aggregate is left out. This is
    /// the KCL's behaviour, except for an explicit hash key that is not a number: the KCL
    /// delivers the user records before it.
    WholeAggregate(HashKeyRange),
    /// Only the user records outside the range are left out.
    PerUserRecord(HashKeyRange),
}

impl HashKeyFilter {
    /// Returns the hash key range.
    #[must_use]
    pub const fn range(&self) -> HashKeyRange {
        match self {
            Self::WholeAggregate(range) | Self::PerUserRecord(range) => *range,
        }
    }

    /// Returns true if the hash key of the user record is in the range.
    #[must_use]
    pub fn contains(&self, user_record: &UserRecord<'_>) -> bool {
        user_record
            .hash_key()
            .is_ok_and(|hash_key| self.range().contains(hash_key))
    }
}

impl From<HashKeyRange> for HashKeyFilter {
    /// Returns [`HashKeyFilter::WholeAggregate`], the KCL's behaviour.
    fn from(range: HashKeyRange) -> Self {
        Self::WholeAggregate(range)
    }
}
