//! The handle of a running producer.
//!
//! One task owns the core (`worker.rs`). Handles reach it through a queue that
//! holds no more than there is room for (`intake.rs`, `room.rs`).

use alloc::sync::Arc;
use core::time::Duration;

use tokio::sync::watch;

use crate::producer::clock::Clock;
use crate::producer::core::ProducerCore;
use crate::producer::counters::ProducerCounters;
use crate::producer::delivery::DeliveryFuture;
use crate::producer::event::Failure;
use crate::producer::hooks::Hooks;
use crate::producer::intake::{Command, Intake, Token};
use crate::producer::numbers::{ProducerSnapshot, ShardSnapshot};
use crate::producer::put_error::PutError;
use crate::producer::room::NoRoom;
use crate::shards::RejectionReason;
use crate::write::OwnedUserRecord;

/// User records of a [`Producer::put_batch`] that are handed over at once.
const BATCH_LEN: usize = 64;

/// Puts user records into a stream, aggregated by shard; nothing is lost.
///
/// ```
/// # #[cfg(feature = "aws-sdk")] {
/// use core::time::Duration;
/// use kinesis_agg::{OwnedUserRecord, Producer};
///
/// # async fn produce(client: aws_sdk_kinesis::Client) -> Result<(), Box<dyn core::error::Error>> {
/// let producer = Producer::builder(client, "my-stream")
///     .on_failure(|error| eprintln!("{error}: {:?}", error.user_record().partition_key()))
///     .start()
///     .await?;
/// let handle = producer.clone();
/// let delivery = handle.put(OwnedUserRecord::new("sensor-7", "21.5")).await;
/// println!("in shard {}", delivery.await?.shard_id);
/// let end = producer.shutdown_within(Duration::from_secs(5)).await;
/// println!("{} of {} undelivered", end.undelivered.len(), end.counters.user_records_in);
/// # Ok(())
/// # }
/// # }
/// ```
///
/// A clone is another handle of the same producer. When the last one is dropped,
/// the producer is closed and goes on in the background until everything it
/// accepted has ended.
///
/// [`ProducerCore`] documents what is delivered, in which order, and what memory
/// is held; the bound of the memory includes the way from the puts to the core.
/// Beside it, requests in flight are held as the client encodes them
/// ([`ProducerSettings::with_max_requests_in_flight`](crate::ProducerSettings::with_max_requests_in_flight)).
///
/// The credentials need `kinesis:PutRecords`, `kinesis:ListShards` and
/// `kinesis:DescribeStreamSummary`. Without the last one, the producer goes by
/// where the service stores records, and gives a
/// [`Notice`](crate::producer::Notice) of that.
///
/// If the runtime is shut down before the producer, each user record that has not
/// ended goes back to its caller: [`PutError::Stopped`] if it was not sent,
/// [`PutError::Failed`] with
/// [`FailureReason::Stopped`](crate::producer::FailureReason::Stopped) otherwise.
///
/// # Logs
///
/// All that the producer logs with `tracing` is in one span, `producer`, with the
/// field `stream`. Trouble is a warning, at most one a second, with counts and
/// the last cause.
///
/// # Numbers
///
/// [`counters`](Self::counters), [`snapshot`](Self::snapshot) and
/// [`shard_snapshots`](Self::shard_snapshots) return them. With the feature
/// `metrics`, the producer also reports them to the crate `metrics` once a
/// second while it works, and at its end. Their names begin with
/// `kinesis_agg_producer_`, and they have the label `stream`:
///
/// | Kind | Names |
/// |---|---|
/// | counters | `user_records_in`, `user_records_delivered`, `user_records_failed`, `requests`, `records`, `raw_records`, `bytes`, `retries`, `wrong_shard`; `errors` with the label `code` |
/// | gauges | `buffered_user_records`, `buffered_bytes`, `oldest_age_seconds`, `requests_in_flight` |
/// | histograms | `request_latency_seconds`, `buffering_time_seconds`: each time as the upper bound of its bucket in [`Histogram`](crate::producer::Histogram) |
#[derive(Clone, Debug)]
pub struct Producer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    intake: Arc<Intake>,
    clock: Clock,
    ttl: Duration,
    hooks: Hooks,
    /// Closed when the task ends.
    ended: watch::Receiver<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.intake.close();
    }
}

/// How a producer ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Shutdown {
    /// The user records that the shutdown gave up, in the order of their puts,
    /// each with its attempts. Those that were in flight may be in the stream.
    pub undelivered: Vec<Failure>,
    /// What was done from start to end.
    pub counters: ProducerCounters,
}

impl Producer {
    pub(super) fn new(
        intake: Arc<Intake>,
        clock: Clock,
        ttl: Duration,
        hooks: Hooks,
        ended: watch::Receiver<()>,
    ) -> Self {
        let inner = Inner {
            intake,
            clock,
            ttl,
            hooks,
            ended,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Accepts a user record as soon as there is room, and returns the future
    /// of its delivery. The delivery happens whether that is awaited or not.
    ///
    /// The time to live of the user record starts with this call. If there is no
    /// room before it is over, the user record is rejected
    /// ([`RejectionReason::Expired`]). A user record that is not accepted comes
    /// back through the future as well.
    ///
    /// A put for a shard that holds its share of the buffer
    /// ([`ProducerSettings::with_shard_shares`](crate::ProducerSettings::with_shard_shares))
    /// waits until that has room again. Puts for other shards go on meanwhile,
    /// unless they come after it in the same loop.
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
        // A loop of puts lets other tasks run.
        tokio::task::consume_budget().await;
        let put_at = self.inner.clock.now();
        match self.accept(user_record, put_at, None).await {
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
    /// room, with [`RejectionReason::ShardFull`] if its shard holds its share, or
    /// with [`RejectionReason::LargerThanBuffer`] if there never will be;
    /// [`PutError::Stopped`] if the producer is closed. Each holds the user
    /// record, and the [hook](crate::producer::ProducerBuilder::on_failure) is
    /// not called. Other reasons to reject it come through the future.
    pub fn try_put(&self, user_record: OwnedUserRecord) -> Result<DeliveryFuture, PutError> {
        let needed = ProducerCore::<Token>::held_len(&user_record);
        let inner = &*self.inner;
        match inner.intake.try_take_room(&user_record, needed) {
            Ok(_pass) => {
                let pushed = inner.intake.push(user_record, needed, inner.clock.now());
                pushed.map_err(|user_record| PutError::Stopped(user_record.into()))
            }
            Err(no_room) => Err(rejected(user_record, no_room)),
        }
    }

    /// Accepts a user record if there is room within that time.
    ///
    /// # Cancellation
    ///
    /// If this future is dropped before it returns, the user record is dropped
    /// with it and is not sent.
    ///
    /// # Errors
    ///
    /// As [`try_put`](Self::try_put), at the end of that time; also
    /// [`RejectionReason::Expired`] if the time to live of the user record is
    /// over before.
    pub async fn put_within(
        &self,
        user_record: OwnedUserRecord,
        time: Duration,
    ) -> Result<DeliveryFuture, PutError> {
        tokio::task::consume_budget().await;
        let put_at = self.inner.clock.now();
        self.accept(user_record, put_at, Some(time)).await
    }

    /// Accepts user records as soon as there is room for them, and returns the
    /// futures of their deliveries, in the same order. It takes less time than
    /// as many [`put`](Self::put)s one after the other, and does the same
    /// otherwise: one that waits keeps those behind it waiting.
    ///
    /// # Cancellation
    ///
    /// If this future is dropped before it returns, the user records that are
    /// accepted already are delivered; the others are dropped and not sent.
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
                let put_at = inner.clock.now();
                match inner.intake.push_all(rest, put_at, &mut futures) {
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
        put_at: Duration,
        time: Option<Duration>,
    ) -> Result<DeliveryFuture, PutError> {
        let needed = ProducerCore::<Token>::held_len(&user_record);
        let inner = &*self.inner;
        let expiry = put_at.saturating_add(inner.ttl);
        let until = time.map_or(expiry, |time| put_at.saturating_add(time).min(expiry));
        let until = inner.clock.instant(until);
        let room = inner.intake.wait_for_room(&user_record, needed, until);
        match room.await {
            Ok(_pass) => {
                let pushed = inner.intake.push(user_record, needed, put_at);
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

    /// Sends what waits for company, and waits until all user records whose
    /// puts have returned have ended. Returns at once if the producer has
    /// stopped.
    ///
    /// # Cancellation
    ///
    /// If this future is dropped, the flush happens all the same.
    pub async fn flush(&self) {
        // Without an answer, the task has ended, and so has all that it held.
        let _is_ended = self.inner.intake.ask(Command::Flush).await;
    }

    /// Accepts no more user records, waits until all that were accepted have
    /// ended, and returns the final counters. Without a service, that takes
    /// until the time to live of all is over
    /// ([`ProducerSettings::with_ttl`](crate::ProducerSettings::with_ttl)); to
    /// wait less, use [`shutdown_within`](Self::shutdown_within).
    ///
    /// Puts that wait for room, and later ones, return [`PutError::Stopped`]. The
    /// same goes for all handles.
    ///
    /// # Cancellation
    ///
    /// Nothing happens before the first poll. If this future is dropped after
    /// that, the producer stays closed and goes on until everything has ended. It
    /// may be called again.
    pub async fn close(&self) -> ProducerCounters {
        self.inner.intake.close();
        self.ended().await;
        self.counters()
    }

    /// [Closes](Self::close) the producer; what has not ended after that time is
    /// given up and returned, together with the final counters.
    ///
    /// A user record that is given up also ends its
    /// [`DeliveryFuture`](crate::producer::DeliveryFuture), with the same
    /// [`Failure`]. If two handles shut down at once, each user record is
    /// returned to one of them.
    ///
    /// # Cancellation
    ///
    /// Nothing happens before the first poll. If this future is dropped before
    /// the time is over, the producer stays closed, gives up nothing and goes on
    /// until everything has ended. It may be called again. What was given up and
    /// not returned is returned by the next call.
    pub async fn shutdown_within(&self, time: Duration) -> Shutdown {
        let inner = &*self.inner;
        inner.intake.close();
        if tokio::time::timeout(time, self.ended()).await.is_err() {
            inner.intake.give_up();
            self.ended().await;
        }
        Shutdown {
            undelivered: inner.intake.take_undelivered(),
            counters: self.counters(),
        }
    }

    /// Waits until the task has ended.
    async fn ended(&self) {
        let mut ended = self.inner.ended.clone();
        // Nothing is ever sent; the sender is dropped.
        while ended.changed().await.is_ok() {}
    }

    /// Returns the state in numbers: counters, gauges, errors by code, and
    /// histograms. The producer's task makes it when it is asked, after the puts
    /// that have returned. Of a producer that has stopped, it is that of the end.
    ///
    /// # Cancellation
    ///
    /// Dropping this future changes nothing.
    pub async fn snapshot(&self) -> ProducerSnapshot {
        let intake = &self.inner.intake;
        match intake.ask(Command::Snapshot).await {
            Ok(snapshot) => snapshot,
            Err(_ended) => {
                self.ended().await;
                intake.last()
            }
        }
    }

    /// Returns what is held for each open shard, in the order of their hash keys;
    /// nothing if the producer has stopped.
    ///
    /// # Cancellation
    ///
    /// Dropping this future changes nothing.
    pub async fn shard_snapshots(&self) -> Vec<ShardSnapshot> {
        let answer = self.inner.intake.ask(Command::ShardSnapshots).await;
        answer.unwrap_or_default()
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> ProducerCounters {
        self.inner.intake.counters()
    }
}

fn rejected(user_record: OwnedUserRecord, no_room: NoRoom) -> PutError {
    match no_room {
        NoRoom::Rejected(reason) => PutError::Rejected(user_record.into(), reason),
        NoRoom::Closed => PutError::Stopped(user_record.into()),
    }
}
