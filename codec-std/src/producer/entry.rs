//! A user record that waits to be sent.

use alloc::boxed::Box;
use core::time::Duration;

use kinesis_agg_codec::{HashKey, MAGIC};

use crate::producer::attempt::Attempts;
use crate::producer::nanos::Nanos;
use crate::producer::settings::ProducerSettings;
use crate::write::OwnedUserRecord;

/// Bytes that count for each user record in addition to its content and its
/// entry: the rounding of the allocator, the history of its attempts, its place
/// in queues and its event.
const HELD_BESIDE: usize = 320;

/// The state of a user record from push to event, except its content. There is one
/// for each user record, so it is small.
#[derive(Debug)]
pub(super) struct Pushed<T> {
    pub(super) token: T,
    /// The number of its push, which defines the order within a hash key.
    pub(super) number: u64,
    pub(super) hash_key: HashKey,
    pushed_at: Nanos,
    expires_at: Nanos,
    content_len: u32,
    /// Bytes of an aggregate that holds only this user record.
    pub(super) encoded_len: u32,
    /// What most user records do not have.
    rare: Option<Box<Rare>>,
}

#[derive(Debug, Default)]
struct Rare {
    /// Until when it waits for others, if it has a time to live of its own.
    due_at: Option<Duration>,
    /// Attempts before its current aggregate was made.
    attempts: Attempts,
    awaits_listing: Duration,
}

impl<T> Pushed<T> {
    #[inline]
    pub(super) fn new(
        token: T,
        number: u64,
        hash_key: HashKey,
        user_record: &OwnedUserRecord,
        encoded_len: u32,
        (pushed_at, expires_at): (Duration, Duration),
    ) -> Self {
        Self {
            token,
            number,
            hash_key,
            pushed_at: pushed_at.into(),
            expires_at: expires_at.into(),
            // Lengths beyond this are not accepted.
            content_len: u32::try_from(user_record.content_len()).unwrap_or(u32::MAX),
            encoded_len,
            rare: None,
        }
    }

    #[inline]
    pub(super) const fn pushed_at(&self) -> Duration {
        self.pushed_at.duration()
    }

    /// Returns true if both were pushed at the same time, and both or neither were
    /// sent before.
    #[inline]
    pub(super) fn is_from_same_step(&self, other: &Self) -> bool {
        self.pushed_at == other.pushed_at
            && (self.attempt_count() == 0) == (other.attempt_count() == 0)
    }

    #[inline]
    pub(super) const fn expires_at(&self) -> Duration {
        self.expires_at.duration()
    }

    /// Bytes that it counts for.
    #[inline]
    pub(super) fn held_len(&self) -> usize {
        Entry::<T>::held_beside(self.content_len())
    }

    /// Bytes of its data, its partition key and its tags.
    #[inline]
    pub(super) fn content_len(&self) -> usize {
        usize::try_from(self.content_len).unwrap_or(usize::MAX)
    }

    /// Returns until when it waits for others to share its Kinesis record or
    /// request.
    pub(super) fn due_at(&self, settings: &ProducerSettings) -> Duration {
        let own = self.rare.as_ref().and_then(|rare| rare.due_at);
        own.unwrap_or_else(|| {
            let expires_at = self.expires_at();
            let put_at = expires_at.saturating_sub(settings.ttl);
            settings.due_at(put_at, self.pushed_at(), expires_at)
        })
    }

    /// Sets until when it waits for others. Called for each user record with a time
    /// to live of its own.
    pub(super) fn set_due_at(&mut self, due_at: Duration) {
        self.rare.get_or_insert_default().due_at = Some(due_at);
    }

    /// Returns true if it has the time to live of the settings. The times of such
    /// user records never decrease with the numbers.
    #[inline]
    pub(super) fn is_usual(&self) -> bool {
        self.rare.as_ref().is_none_or(|rare| rare.due_at.is_none())
    }

    /// Returns the number of attempts before its current aggregate was made.
    #[inline]
    pub(super) fn attempt_count(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.attempts.count())
    }

    /// Returns the attempts before its current aggregate was made.
    pub(super) fn attempts(&self) -> Attempts {
        let attempts = self.rare.as_ref().map(|rare| rare.attempts.clone());
        attempts.unwrap_or_default()
    }

    pub(super) fn set_attempts(&mut self, attempts: Attempts) {
        self.rare.get_or_insert_default().attempts = attempts;
    }

    /// Returns the time of the oldest listing with which it may be sent.
    #[inline]
    pub(super) fn awaits_listing(&self) -> Duration {
        let rare = self.rare.as_ref();
        rare.map_or(Duration::ZERO, |rare| rare.awaits_listing)
    }

    /// Prevents it from being sent before the shards have been listed at this time
    /// or later.
    pub(super) fn await_listing(&mut self, listed_at: Duration) {
        if listed_at > self.awaits_listing() {
            self.rare.get_or_insert_default().awaits_listing = listed_at;
        }
    }
}

/// A user record, not in an aggregate.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) user_record: OwnedUserRecord,
    pub(super) pushed: Pushed<T>,
}

impl<T> Entry<T> {
    /// Bytes that a user record counts for while the producer holds it.
    #[inline]
    pub(super) fn held_len(user_record: &OwnedUserRecord) -> usize {
        Self::held_beside(user_record.content_len())
    }

    #[inline]
    const fn held_beside(content_len: usize) -> usize {
        content_len
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
