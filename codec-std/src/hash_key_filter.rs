//! Which user records a consumer of one shard may see.
//!
//! After a reshard, a user record can lie in a shard whose hash keys do not
//! reach it: its aggregate was put before, or under another user record's key.
//! The KCL takes such aggregates away, silently; here a filter is asked for,
//! and tells what it leaves out.

use kinesis_agg_codec::{HashKeyRange, UserRecord};

/// A hash key range, and what is left out when a user record lies outside.
///
/// A user record whose hash key cannot be computed lies outside. What is not
/// aggregated, and what is malformed, is never left out: the service itself
/// chose its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a forced `_ =>` in user code would hide a loss"
)]
pub enum HashKeyFilter {
    /// One user record outside, and all of its aggregate is left out (KCL
    /// behaviour, save for an explicit hash key that is no number: there the
    /// KCL delivers the user records before it).
    WholeAggregate(HashKeyRange),
    /// Just the user records outside are left out.
    PerUserRecord(HashKeyRange),
}

impl HashKeyFilter {
    /// The hash keys that may be seen.
    #[must_use]
    pub const fn range(&self) -> HashKeyRange {
        match self {
            Self::WholeAggregate(range) | Self::PerUserRecord(range) => *range,
        }
    }

    /// True if the user record itself lies in the range.
    #[must_use]
    pub fn contains(&self, user_record: &UserRecord<'_>) -> bool {
        user_record
            .hash_key()
            .is_ok_and(|hash_key| self.range().contains(hash_key))
    }
}
