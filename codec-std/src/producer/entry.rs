//! A user record that waits to be sent.

use core::time::Duration;

use kinesis_agg_codec::{HashKey, MAGIC};

use crate::producer::attempt::Attempts;
use crate::write::OwnedUserRecord;

/// Bytes that count for each user record in addition to its content and its
/// entry: the rounding of the allocator, the history of its attempts, its place
/// in queues and its event.
const HELD_BESIDE: usize = 320;

/// The state of a user record from push to event, except its content.
#[derive(Debug)]
pub(super) struct Pushed<T> {
    pub(super) token: T,
    /// The number of its push, which defines the order within a hash key.
    pub(super) number: u64,
    pub(super) hash_key: HashKey,
    pub(super) pushed_at: Duration,
    /// Until when it waits for others to share its Kinesis record or request.
    pub(super) due_at: Duration,
    pub(super) expires_at: Duration,
    /// It has the time to live of the settings. The times of such user records
    /// never decrease with the numbers.
    pub(super) is_usual: bool,
    pub(super) held_len: usize,
    /// Attempts before its current aggregate was made.
    pub(super) attempts: Attempts,
    /// It is not sent before the shards have been listed at this time or later.
    pub(super) awaits_listing: Duration,
}

/// A user record, not in an aggregate.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) user_record: OwnedUserRecord,
    /// Bytes of an aggregate that holds only this user record.
    pub(super) encoded_len: u32,
    pub(super) pushed: Pushed<T>,
}

impl<T> Entry<T> {
    /// Bytes that a user record counts for while the producer holds it.
    pub(super) fn held_len(user_record: &OwnedUserRecord) -> usize {
        user_record
            .content_len()
            .saturating_add(size_of::<Self>())
            .saturating_add(HELD_BESIDE)
    }
}

/// Returns true if a consumer receives the user record unchanged when it is sent
/// raw: tags would be lost, and data that begins with the magic bytes could be
/// mistaken for an aggregate.
pub(super) fn can_go_raw(user_record: &OwnedUserRecord) -> bool {
    user_record.tags().is_empty() && !user_record.data().starts_with(&MAGIC)
}
