//! The order of user records.

/// Which user records are stored in the order in which they were pushed, on
/// streams that distribute records by key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Order {
    /// User records with the same effective hash key. A user record is not sent
    /// until all earlier ones with its hash key have been delivered or have
    /// failed, so a shard has several Kinesis records in flight only if they
    /// share no hash key.
    #[default]
    PerHashKey,
    /// No order is kept: a retried user record may be stored before or after
    /// others with its hash key. A shard has as many Kinesis records in flight as
    /// its rate allows.
    None,
}
