//! Accepts user records.

use core::time::Duration;

#[cfg(feature = "producer")]
use kinesis_agg_codec::HashKeyRange;
use kinesis_agg_codec::{EncodeError, EncodedPart};

use crate::producer::core::ProducerCore;
use crate::producer::counters::count;
use crate::producer::distribution::Distribution;
use crate::producer::entry::{Entry, Pushed, can_go_raw};
#[cfg(feature = "producer")]
use crate::producer::intake::PutTime;
use crate::producer::unfit_for_raw::UnfitForRaw;
use crate::shards::{RejectedUserRecord, RejectionReason, check_room};
use crate::write::{AsUserRecord as _, OwnedUserRecord, PushError};

/// A put that is later than the last one by more than this gets its own expiry.
#[cfg(feature = "producer")]
const LATE: Duration = Duration::from_millis(100);

impl<T> ProducerCore<T> {
    /// Returns how many bytes a user record counts for while it is held, including
    /// its token.
    #[must_use]
    pub fn held_len(user_record: &OwnedUserRecord) -> usize {
        Entry::<T>::held_len(user_record)
    }

    /// Accepts a user record, and a token that is returned with its event.
    ///
    /// `put_at` is when the time to live of the user record started: before `now`
    /// if it had to wait for room. A `put_at` before that of an earlier push
    /// counts as the earlier push's; one after `now` counts as `now`.
    ///
    /// # Errors
    ///
    /// [`RejectedUserRecord`] with the user record and the token; the producer
    /// does not keep them. The reasons:
    /// [`RejectionReason::BufferFull`]: there is room once events have been
    /// polled; this also triggers a [`flush`](Self::flush).
    /// [`RejectionReason::ShardFull`]: there is room once events of this shard's
    /// user records have been polled, or other shards have freed more of the
    /// buffer; this also flushes the shard.
    /// [`RejectionReason::LargerThanBuffer`]: the user record is larger than the
    /// whole buffer. [`RejectionReason::Unfit`]: it does not fit in an aggregate,
    /// or in a raw Kinesis record. [`RejectionReason::NoPartitionKey`]: it has no
    /// partition key, and the stream distributes records by key.
    /// [`RejectionReason::CannotGoRaw`]: it cannot be sent raw, and the stream
    /// distributes records itself.
    #[expect(
        clippy::result_large_err,
        reason = "the rejected user record is returned by value, so that rejecting does not allocate"
    )]
    pub fn push(
        &mut self,
        user_record: OwnedUserRecord,
        token: T,
        put_at: Duration,
        now: Duration,
    ) -> Result<(), RejectedUserRecord<OwnedUserRecord, T>> {
        let own_expiry = None;
        self.accept(user_record, token, put_at, own_expiry, true, now)
            .map(drop)
    }

    /// Like [`push`](Self::push), with an expiry for this user record: it is given
    /// up at `expires_at` if it is not in flight then.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), and [`RejectionReason::Expired`] if `expires_at`
    /// is not after `now`.
    #[expect(
        clippy::result_large_err,
        reason = "the rejected user record is returned by value, so that rejecting does not allocate"
    )]
    pub fn push_until(
        &mut self,
        user_record: OwnedUserRecord,
        token: T,
        put_at: Duration,
        expires_at: Duration,
        now: Duration,
    ) -> Result<(), RejectedUserRecord<OwnedUserRecord, T>> {
        if expires_at <= self.advance(now) {
            let reason = RejectionReason::Expired;
            return Err(RejectedUserRecord::new(user_record, token, reason));
        }
        self.accept(user_record, token, put_at, Some(expires_at), true, now)
            .map(drop)
    }

    /// Pushes a user record even if its shard exceeds its share. Returns the hash
    /// key range of the shard if it does so now. The expiry of a late put is not
    /// delayed.
    #[cfg(feature = "producer")]
    #[expect(
        clippy::result_large_err,
        reason = "the rejected user record is returned by value, so that rejecting does not allocate"
    )]
    pub(super) fn push_beyond_share(
        &mut self,
        user_record: OwnedUserRecord,
        token: T,
        put: PutTime,
        now: Duration,
    ) -> Result<Option<HashKeyRange>, RejectedUserRecord<OwnedUserRecord, T>> {
        // Puts of several handles arrive nearly in order; those that waited at a
        // gate do not.
        let is_late = self.last_put_at.saturating_sub(put.at) > LATE;
        let own_ttl = put.own_ttl.or(is_late.then_some(self.settings.ttl));
        let own_expiry = own_ttl.map(|ttl| put.at.saturating_add(ttl));
        if own_expiry.is_some_and(|expires_at| expires_at <= self.advance(now)) {
            let reason = RejectionReason::Expired;
            return Err(RejectedUserRecord::new(user_record, token, reason));
        }
        let place = self.accept(user_record, token, put.at, own_expiry, false, now)?;
        let is_above = self.check_share(place, 1).is_err();
        let lane = self.lanes.get(place).filter(|_| is_above);
        Ok(lane.map(|lane| lane.range))
    }

    /// Returns how many more bytes the shards of a range may hold. If `is_awaited`,
    /// puts wait for that room, so these shards are flushed.
    #[cfg(feature = "producer")]
    pub(super) fn share_left(&mut self, range: HashKeyRange, is_awaited: bool) -> usize {
        let limit = self.settings.max_buffered_len;
        if self.lanes.len() == 1 {
            return limit;
        }
        let free = limit.saturating_sub(self.held_len);
        let mut taken: usize = 0;
        for place in self.lanes.places(range) {
            let lane = self.lanes.get(place);
            taken = taken.saturating_add(lane.map_or(0, |lane| lane.held_len()));
            if is_awaited {
                let number = self.next_number;
                self.lanes.flush_lane(place, number, &self.settings);
            }
        }
        // As in a push: a shard that holds nothing may use the whole buffer.
        if taken == 0 {
            return limit;
        }
        free.saturating_sub(taken)
    }

    #[expect(
        clippy::result_large_err,
        reason = "the rejected user record is returned by value, so that rejecting does not allocate"
    )]
    #[inline]
    fn accept(
        &mut self,
        user_record: OwnedUserRecord,
        token: T,
        put_at: Duration,
        own_expiry: Option<Duration>,
        keeps_share: bool,
        now: Duration,
    ) -> Result<usize, RejectedUserRecord<OwnedUserRecord, T>> {
        let now = self.advance(now);
        let put_at = put_at.min(now).max(self.last_put_at);
        let needed = Self::held_len(&user_record);
        let encoded_len = user_record.as_user_record().encoded_len_alone();
        let limit = self.settings.max_buffered_len;
        let checked = self.check_form(&user_record, encoded_len);
        let checked = checked.and_then(|()| check_room(needed, self.held_len, limit));
        if let Err(reason) = checked {
            if matches!(reason, RejectionReason::BufferFull { .. }) {
                self.flush();
            }
            return Err(RejectedUserRecord::new(user_record, token, reason));
        }
        let hash_key = self.known_keys.hash_key_of(&user_record);
        let place = self.lanes.place_of(hash_key);
        if keeps_share && let Err(reason) = self.check_share(place, needed) {
            let number = self.next_number;
            self.lanes.flush_lane(place, number, &self.settings);
            return Err(RejectedUserRecord::new(user_record, token, reason));
        }
        let by_ttl = put_at.saturating_add(self.settings.ttl);
        let times = (now, own_expiry.unwrap_or(by_ttl));
        let number = self.next_number;
        let mut pushed = Pushed::new(token, number, hash_key, &user_record, encoded_len, times);
        if let Some(expires_at) = own_expiry {
            pushed.set_due_at(self.settings.due_at(put_at, now, expires_at));
        }
        self.last_put_at = put_at;
        self.next_number = self.next_number.saturating_add(1);
        self.held_len = self.held_len.saturating_add(needed);
        self.held_count = self.held_count.saturating_add(1);
        count(&mut self.counters.user_records_in, 1);
        self.lanes.push(place, user_record, pushed, &self.settings);
        Ok(place)
    }

    /// Checks that a user record can be sent in the form that the stream requires.
    fn check_form(
        &self,
        user_record: &OwnedUserRecord,
        encoded_len: u32,
    ) -> Result<(), RejectionReason> {
        let has_key = user_record.partition_key().is_some();
        if self.view.distribution == Distribution::ByKey {
            if !has_key {
                return Err(RejectionReason::NoPartitionKey);
            }
            return self.check_aggregate(user_record, encoded_len);
        }
        if !can_go_raw(user_record) {
            if self.settings.unfit_for_raw == UnfitForRaw::Reject || !has_key {
                return Err(RejectionReason::CannotGoRaw);
            }
            return self.check_aggregate(user_record, encoded_len);
        }
        if has_key {
            let borrowed = user_record.as_user_record();
            let checked = borrowed.check_partition_key();
            checked.map_err(RejectionReason::Unfit)?;
        }
        let needed = u32::try_from(user_record.content_len()).unwrap_or(u32::MAX);
        let limit = self.settings.limits.max_size();
        if needed > limit {
            let part = EncodedPart::UserRecord;
            let error = EncodeError::TooLarge {
                part,
                needed,
                limit,
            };
            return Err(RejectionReason::Unfit(error));
        }
        Ok(())
    }

    /// Checks that an aggregate can hold a user record, or that it may be sent raw
    /// instead.
    fn check_aggregate(
        &self,
        user_record: &OwnedUserRecord,
        encoded_len: u32,
    ) -> Result<(), RejectionReason> {
        let key = user_record.partition_key().unwrap_or_default();
        let key_len = u64::try_from(key.len()).unwrap_or(u64::MAX);
        let outer_key_len = self.settings.outer_key_len(key_len);
        let len = u64::from(encoded_len).saturating_add(outer_key_len);
        // A key of up to 64 bytes never exceeds the limit on keys.
        let is_key_short = |len: u64| (1..=64).contains(&len);
        if is_key_short(key_len)
            && is_key_short(outer_key_len)
            && len <= u64::from(self.settings.limits.max_size())
        {
            return Ok(());
        }
        match self.settings.aggregator().push(user_record) {
            Ok(_) => Ok(()),
            Err(PushError { reason, .. }) => Err(RejectionReason::Unfit(reason)),
        }
    }

    /// Checks that a lane may hold `needed` more bytes: it may hold no more bytes
    /// than are still free.
    fn check_share(&self, place: usize, needed: usize) -> Result<(), RejectionReason> {
        if !self.settings.shard_shares || self.lanes.len() == 1 {
            return Ok(());
        }
        let taken = self.lanes.get(place).map_or(0, |lane| lane.held_len());
        let free = self.settings.max_buffered_len.saturating_sub(self.held_len);
        let available = free.saturating_sub(taken);
        // A lane that holds nothing may use all free bytes.
        if taken == 0 || needed <= available {
            return Ok(());
        }
        Err(RejectionReason::ShardFull { needed, available })
    }
}
