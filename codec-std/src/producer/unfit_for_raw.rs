//! User records that cannot be sent raw.

/// How to treat user records that cannot be sent raw, on streams that distribute
/// records themselves ([`Distribution::Auto`](crate::producer::Distribution::Auto)).
/// These are user records with tags, and those whose data begins with the magic bytes
/// of aggregated records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnfitForRaw {
    /// They are rejected
    /// ([`RejectionReason::CannotGoRaw`](crate::shards::RejectionReason::CannotGoRaw)).
    /// Those still waiting to be sent when the stream changes to this
    /// distribution fail.
    #[default]
    Reject,
    /// Each is sent as an aggregate of one user record, and sent again until the
    /// service happens to store it in the shard of its hash key. Consumers that
    /// do not filter by shard also see the copies from earlier attempts.
    Aggregate,
}
