//! The puts of a handle.

use core::time::Duration;

use crate::producer::core::ProducerCore;
use crate::producer::delivery::DeliveryFuture;
use crate::producer::driver::Producer;
use crate::producer::intake::{PutTime, Token};
use crate::producer::put_error::PutError;
use crate::producer::room::NoRoom;
use crate::shards::RejectionReason;
use crate::write::OwnedUserRecord;

/// User records that [`Producer::put_batch`] appends to the queue at once.
const BATCH_LEN: usize = 64;

impl Producer {
    /// Accepts a user record as soon as there is room, and returns the future
    /// of its delivery. The user record is delivered even if that future is not
    /// awaited.
    ///
    /// The [time to live](Self::with_ttl) of the user record starts with this
    /// call. If there is no room before it is over, the user record is rejected
    /// ([`RejectionReason::Expired`]). The returned future also returns user
    /// records that are not accepted.
    ///
    /// A put for a shard that uses up its share of the buffer
    /// ([`ProducerSettings::with_shard_shares`](crate::ProducerSettings::with_shard_shares))
    /// waits until the shard has room again. Meanwhile, other tasks can put user
    /// records for other shards.
    ///
    /// User records of one hash key are stored in the order in which their
    /// puts returned.
    ///
    /// # Cancellation
    ///
    /// If this future is dropped before it returns, the user record is dropped
    /// with it and is not sent. To keep it, use [`try_put`](Self::try_put) or
    /// [`put_within`](Self::put_within).
    pub async fn put(&self, user_record: OwnedUserRecord) -> DeliveryFuture {
        // Lets other tasks run during a loop of puts.
        tokio::task::consume_budget().await;
        match self.accept(user_record, self.put_time(), None).await {
            Ok(future) => future,
            Err(error) => {
                self.inner.hooks.failure(&error);
                DeliveryFuture::rejected(error)
            }
        }
    }

    /// Accepts a user record if there is room now.
    ///
    /// # Errors
    ///
    /// [`PutError::Rejected`] with [`RejectionReason::BufferFull`] if there is no
    /// room, with [`RejectionReason::ShardFull`] if its shard uses up its share, or
    /// with [`RejectionReason::LargerThanBuffer`] if there never will be room;
    /// [`PutError::Stopped`] if the producer is closed. Each holds the user
    /// record, and the [hook](crate::producer::ProducerBuilder::on_failure) is
    /// not called. The future returns all other rejections.
    pub fn try_put(&self, user_record: OwnedUserRecord) -> Result<DeliveryFuture, PutError> {
        let needed = ProducerCore::<Token>::held_len(&user_record);
        let inner = &*self.inner;
        match inner.intake.try_take_room(&user_record, needed) {
            Ok(_pass) => {
                let pushed = inner.intake.push(user_record, needed, self.put_time());
                pushed.map_err(|user_record| PutError::Stopped(user_record.into()))
            }
            Err(no_room) => Err(rejected(user_record, no_room)),
        }
    }

    /// Accepts a user record if there is room within `time`.
    ///
    /// # Cancellation
    ///
    /// If this future is dropped before it returns, the user record is dropped
    /// with it and is not sent.
    ///
    /// # Errors
    ///
    /// As [`try_put`](Self::try_put), if there is no room by the end of `time`;
    /// also [`RejectionReason::Expired`] if the time to live of the user record
    /// ends first.
    pub async fn put_within(
        &self,
        user_record: OwnedUserRecord,
        time: Duration,
    ) -> Result<DeliveryFuture, PutError> {
        tokio::task::consume_budget().await;
        self.accept(user_record, self.put_time(), Some(time)).await
    }

    /// Accepts user records as soon as there is room for them, and returns the
    /// futures of their deliveries, in the same order. It is equivalent to calling
    /// [`put`](Self::put) for one after the other, but faster. While a user record
    /// waits for room, those after it wait too.
    ///
    /// # Cancellation
    ///
    /// If this future is dropped before it returns, the user records accepted so
    /// far are delivered; the others are dropped and not sent.
    pub async fn put_batch(
        &self,
        user_records: impl IntoIterator<Item = OwnedUserRecord>,
    ) -> Vec<DeliveryFuture> {
        let inner = &*self.inner;
        let mut user_records = user_records.into_iter();
        let mut futures = Vec::with_capacity(user_records.size_hint().0);
        loop {
            tokio::task::consume_budget().await;
            let sized = |user_record| {
                let held_len = ProducerCore::<Token>::held_len(&user_record);
                (user_record, held_len)
            };
            let batch: Vec<_> = user_records.by_ref().take(BATCH_LEN).map(sized).collect();
            if batch.is_empty() {
                return futures;
            }
            let held_len = batch.iter().map(|&(_, held_len)| held_len);
            let needed = held_len.fold(0, usize::saturating_add);
            let mut rest = batch;
            let is_open = inner.intake.gates.is_empty();
            if is_open && inner.intake.room.try_take(needed).is_ok() {
                match inner.intake.push_all(rest, self.put_time(), &mut futures) {
                    Ok(()) => continue,
                    Err(closed) => rest = closed,
                }
            }
            for (user_record, _) in rest {
                futures.push(self.put(user_record).await);
            }
        }
    }

    async fn accept(
        &self,
        user_record: OwnedUserRecord,
        put: PutTime,
        time: Option<Duration>,
    ) -> Result<DeliveryFuture, PutError> {
        let needed = ProducerCore::<Token>::held_len(&user_record);
        let inner = &*self.inner;
        let expiry = put.at.saturating_add(self.ttl);
        let until = time.map_or(expiry, |time| put.at.saturating_add(time).min(expiry));
        let until = inner.clock.instant(until);
        let room = inner.intake.wait_for_room(&user_record, needed, until);
        match room.await {
            Ok(_pass) => {
                let pushed = inner.intake.push(user_record, needed, put);
                pushed.map_err(|user_record| PutError::Stopped(user_record.into()))
            }
            Err(NoRoom::Rejected(
                RejectionReason::BufferFull { .. } | RejectionReason::ShardFull { .. },
            )) if inner.clock.now() >= expiry => {
                let expired = RejectionReason::Expired;
                Err(PutError::Rejected(user_record.into(), expired))
            }
            Err(no_room) => Err(rejected(user_record, no_room)),
        }
    }

    fn put_time(&self) -> PutTime {
        PutTime {
            at: self.inner.clock.now(),
            own_ttl: (self.ttl != self.inner.ttl).then_some(self.ttl),
        }
    }
}

fn rejected(user_record: OwnedUserRecord, no_room: NoRoom) -> PutError {
    match no_room {
        NoRoom::Rejected(reason) => PutError::Rejected(user_record.into(), reason),
        NoRoom::Closed => PutError::Stopped(user_record.into()),
    }
}
