//! The handle of a running producer.
//!
//! One task owns the core (`worker.rs`). Handles send to it through a queue that
//! is bounded by the bytes of the buffer (`intake.rs`, `room.rs`).

use alloc::sync::Arc;
use core::time::Duration;

use tokio::sync::watch;

use crate::producer::clock::Clock;
use crate::producer::core::ProducerCore;
use crate::producer::counters::ProducerCounters;
use crate::producer::delivery::DeliveryFuture;
use crate::producer::event::Failure;
use crate::producer::hooks::Hooks;
use crate::producer::intake::{Command, Intake, PutTime, Token};
use crate::producer::numbers::{ProducerSnapshot, ShardSnapshot};
use crate::producer::put_error::PutError;
use crate::producer::room::NoRoom;
use crate::shards::RejectionReason;
use crate::write::OwnedUserRecord;

/// User records that [`Producer::put_batch`] appends to the queue at once.
const BATCH_LEN: usize = 64;

/// Aggregates user records by shard and puts them into a stream; none is lost.
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
/// the producer is closed, and continues in the background until every user
/// record it accepted has been delivered or has failed.
///
/// [`ProducerCore`] documents delivery, order and memory. The bound on memory
/// includes user records that are queued between the puts and the core. The
/// client's encoded copies of the requests in flight come on top
/// ([`ProducerSettings::with_max_requests_in_flight`](crate::ProducerSettings::with_max_requests_in_flight)).
///
/// The credentials need `kinesis:PutRecords`, `kinesis:ListShards` and
/// `kinesis:DescribeStreamSummary`. Without the last one, the producer infers the
/// distribution from the shards in which the service stores its records, and
/// reports that with a [`Notice`](crate::producer::Notice).
///
/// If the runtime is shut down before the producer, each user record that has not
/// ended is returned to its caller: with [`PutError::Stopped`] if it was still in
/// the queue before the core, with [`PutError::Failed`] and
/// [`FailureReason::Stopped`](crate::producer::FailureReason::Stopped) otherwise.
///
/// # Logs
///
/// The producer logs with `tracing`, in a span named `producer` with the field
/// `stream`. It logs failures as a warning at most once a second, with counts and
/// the last cause.
///
/// # Metrics
///
/// [`counters`](Self::counters), [`snapshot`](Self::snapshot) and
/// [`shard_snapshots`](Self::shard_snapshots) return the metrics. With the
/// feature `metrics`, the producer also reports them to the crate `metrics` once
/// a second while it works, and when it ends. Their names begin with
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
    /// The time to live of user records that are put with this handle.
    ttl: Duration,
}

#[derive(Debug)]
struct Inner {
    intake: Arc<Intake>,
    clock: Clock,
    /// The time to live of the settings.
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

/// The result of [`Producer::shutdown_within`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Shutdown {
    /// The user records that the shutdown gave up, in the order of their puts,
    /// each with its attempts. Those that were in flight may be in the stream.
    pub undelivered: Vec<Failure>,
    /// The final counters.
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
            ttl,
        }
    }

    /// Returns a handle of the same producer whose puts have another time to live
    /// than [`ProducerSettings::with_ttl`](crate::ProducerSettings::with_ttl).
    ///
    /// Making a handle is cheap: keep one for each kind of user record, or make one
    /// for a single put. The producer handles user records with the time to live of
    /// the settings a little faster than others.
    ///
    /// ```
    /// use core::time::Duration;
    /// use kinesis_agg::{OwnedUserRecord, Producer};
    ///
    /// # async fn produce(producer: Producer) -> Result<(), Box<dyn core::error::Error>> {
    /// let alarms = producer.with_ttl(Duration::from_secs(600));
    /// alarms.put(OwnedUserRecord::new("sensor-7", "overheated")).await.await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_ttl(&self, ttl: Duration) -> Self {
        let inner = Arc::clone(&self.inner);
        Self { inner, ttl }
    }

    fn put_time(&self) -> PutTime {
        PutTime {
            at: self.inner.clock.now(),
            own_ttl: (self.ttl != self.inner.ttl).then_some(self.ttl),
        }
    }

    /// Accepts a user record as soon as there is room, and returns the future
    /// of its delivery. The user record is delivered even if that future is not
    /// awaited.
    ///
    /// The [time to live](Self::with_ttl) of the user record starts with this call. If there is no
    /// room before it is over, the user record is rejected
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

    /// Sends user records that wait for the aggregate to fill, and waits until all
    /// user records whose puts have returned are delivered or have failed. Returns
    /// at once if the producer has stopped.
    ///
    /// # Cancellation
    ///
    /// Once this future has been polled, dropping it does not cancel the flush.
    pub async fn flush(&self) {
        // Without an answer, the task has ended, and has ended all user records.
        let _is_ended = self.inner.intake.ask(Command::Flush).await;
    }

    /// Stops accepting user records, waits until all accepted ones are delivered
    /// or have failed, and returns the final counters. If the service does not
    /// respond, that takes until their time to live is over
    /// ([`ProducerSettings::with_ttl`](crate::ProducerSettings::with_ttl)); to
    /// limit the wait, use [`shutdown_within`](Self::shutdown_within).
    ///
    /// Puts that wait for room, and later ones, return [`PutError::Stopped`], on
    /// all handles.
    ///
    /// # Cancellation
    ///
    /// Nothing happens before the first poll. If this future is dropped after
    /// that, the producer stays closed and continues until all user records have
    /// ended. `close` may be called again.
    pub async fn close(&self) -> ProducerCounters {
        self.inner.intake.close();
        self.ended().await;
        self.counters()
    }

    /// [Closes](Self::close) the producer, gives up user records that have not
    /// ended after `time`, and returns those together with the final counters.
    ///
    /// A user record that is given up also ends its
    /// [`DeliveryFuture`](crate::producer::DeliveryFuture) with the same
    /// [`Failure`], and is passed to
    /// [`on_failure`](crate::producer::ProducerBuilder::on_failure): save it in one of
    /// these places. User records that failed before the deadline are not returned.
    /// If two handles shut down at once, each user record is returned to one of them.
    ///
    /// # Cancellation
    ///
    /// Nothing happens before the first poll. If this future is dropped before
    /// the time is over, the producer stays closed, gives up nothing, and
    /// continues until all user records have ended. `shutdown_within` may be called
    /// again; it also returns user records that an earlier call gave up and did
    /// not return.
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

    /// Returns counters, gauges, errors by code, and histograms. The producer's
    /// task makes the snapshot after it has processed all puts that have returned.
    /// If the producer has stopped, returns its last snapshot.
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

    /// Returns what the producer holds for each open shard, in the order of their
    /// hash keys; an empty vector if the producer has stopped.
    ///
    /// # Cancellation
    ///
    /// Dropping this future changes nothing.
    pub async fn shard_snapshots(&self) -> Vec<ShardSnapshot> {
        let answer = self.inner.intake.ask(Command::ShardSnapshots).await;
        answer.unwrap_or_default()
    }

    /// Returns the counters so far.
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
