//! The handle of a running producer; `puts.rs` has its puts.
//!
//! One task owns the core (`worker.rs`). Handles send to it through a queue that
//! is bounded by the bytes of the buffer (`intake.rs`, `room.rs`).

use alloc::sync::Arc;
use core::time::Duration;

use tokio::sync::watch;

use crate::producer::clock::Clock;
use crate::producer::counters::ProducerCounters;
use crate::producer::event::Failure;
use crate::producer::hooks::Hooks;
use crate::producer::intake::{Command, Intake};
use crate::producer::numbers::{ProducerSnapshot, ShardSnapshot};

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
/// [`ProducerCore`](crate::ProducerCore) documents delivery, order and memory. The
/// bound on memory includes user records that are queued between the puts and the core. The
/// client's encoded copies of the requests in flight come on top
/// ([`ProducerSettings::with_max_requests_in_flight`](crate::ProducerSettings::with_max_requests_in_flight)).
///
/// The credentials need `kinesis:PutRecords`, `kinesis:ListShards` and
/// `kinesis:DescribeStreamSummary`. Without the last one, the producer infers the
/// distribution from the shards in which the service stores its records, and
/// reports that with a [`Notice`](crate::producer::Notice).
///
/// If the runtime is shut down before the producer, each user record that has not
/// ended is returned to its caller: with
/// [`PutError::Stopped`](crate::producer::PutError::Stopped) if it was still in the
/// queue before the core, with
/// [`PutError::Failed`](crate::producer::PutError::Failed) and
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
/// a second while it works, and when it ends: install your recorder before
/// [`start`](crate::producer::ProducerBuilder::start). Their names begin with
/// `kinesis_agg_producer_`, and they have the label `stream`:
///
/// | Kind | Names |
/// |---|---|
/// | counters | `user_records_in`, `user_records_delivered`, `user_records_failed`, `requests`, `records`, `raw_records`, `bytes`, `retries`, `wrong_shard`; `errors` with the label `code` |
/// | gauges | `buffered_user_records`, `buffered_bytes`, `oldest_age_seconds`, `requests_in_flight` |
/// | histograms | `request_latency_seconds`, `buffering_time_seconds`: each time as the upper bound of its bucket in [`Histogram`](crate::producer::Histogram) |
#[derive(Clone, Debug)]
pub struct Producer {
    pub(super) inner: Arc<Inner>,
    /// The time to live of user records that are put with this handle.
    pub(super) ttl: Duration,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) intake: Arc<Intake>,
    pub(super) clock: Clock,
    /// The time to live of the settings.
    pub(super) ttl: Duration,
    pub(super) hooks: Hooks,
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
    /// Puts that wait for room, and later ones, return
    /// [`PutError::Stopped`](crate::producer::PutError::Stopped), on all handles.
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
    /// To save everything that was not delivered, save what
    /// [`on_failure`](crate::producer::ProducerBuilder::on_failure) gets. This method
    /// returns only what it gives up itself: neither user records that failed earlier,
    /// nor those of puts that still wait for room, which end with
    /// [`PutError::Stopped`](crate::producer::PutError::Stopped). A user record that is
    /// given up also ends its [`DeliveryFuture`](crate::producer::DeliveryFuture) with
    /// the same [`Failure`]. If two handles shut down at once, each user record is
    /// returned to one of them.
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
