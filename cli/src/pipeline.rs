//! Threads in a chain: each reads from the previous one through a bounded channel.
//!
//! One thread reads and decodes records, and the main thread prints them. A batch is sent when
//! it is large enough, or before its producer waits for input, so slow input delays nothing.
//! The consumer receives all batches in the channel at once.

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use thiserror::Error;

/// Size at which a batch is sent, in bytes.
pub(crate) const BATCH_LEN: usize = 1 << 18;

/// The most batches in a channel.
const MAX_BATCHES: usize = 64;

/// The most bytes in a channel of records; a single larger batch is allowed. This many fill all
/// lanes of the digests.
pub(crate) const MAX_LEN: usize = 16 << 20;

/// The most bytes in a channel of user records, which are packed as they arrive.
pub(crate) const MAX_USER_RECORDS_LEN: usize = 4 << 20;

/// The consumer has ended, so producing more is pointless.
#[derive(Clone, Copy, Debug, Error)]
#[error("the consumer has ended")]
pub(crate) struct Closed;

/// The bytes in a channel.
#[derive(Debug)]
struct InFlight {
    max_len: usize,
    level: Mutex<Level>,
    is_less: Condvar,
}

#[derive(Debug, Default)]
struct Level {
    len: usize,
    /// True while the producer waits for room.
    is_waited_for: bool,
}

impl InFlight {
    /// Waits until there is room, then reserves it.
    fn add(&self, len: usize) {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        while level.len > 0 && level.len.saturating_add(len) > self.max_len {
            level.is_waited_for = true;
            let waited = self.is_less.wait(level);
            level = waited.unwrap_or_else(PoisonError::into_inner);
        }
        level.is_waited_for = false;
        level.len = level.len.saturating_add(len);
    }

    fn remove(&self, len: usize) {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        level.len = level.len.saturating_sub(len);
        // Notifying costs a system call even if no thread waits.
        if level.is_waited_for {
            self.is_less.notify_all();
        }
    }
}

/// Items that were sent together. Dropping the batch frees its room in the channel.
#[derive(Debug)]
pub(crate) struct Batch<T> {
    items: Vec<T>,
    len: usize,
    in_flight: Arc<InFlight>,
}

impl<T> Batch<T> {
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    pub(crate) fn take(&mut self) -> Vec<T> {
        core::mem::take(&mut self.items)
    }
}

impl<T> Drop for Batch<T> {
    fn drop(&mut self) {
        // Frees the memory before the room in the channel.
        self.items = Vec::new();
        self.in_flight.remove(self.len);
    }
}

/// The producer's end of a channel.
#[derive(Debug)]
pub(crate) struct Producer<T> {
    channel: SyncSender<Batch<T>>,
    items: Vec<T>,
    len: usize,
    in_flight: Arc<InFlight>,
}

impl<T> Producer<T> {
    /// Adds an item of `len` bytes to the batch, and sends the batch if it is large enough.
    pub(crate) fn push(&mut self, item: T, len: usize) -> Result<(), Closed> {
        self.items.push(item);
        self.len = self.len.saturating_add(len);
        match self.len >= BATCH_LEN {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Sends the batch, unless it is empty.
    pub(crate) fn flush(&mut self) -> Result<(), Closed> {
        if self.items.is_empty() {
            return Ok(());
        }
        let len = core::mem::take(&mut self.len);
        self.in_flight.add(len);
        let batch = Batch {
            items: core::mem::take(&mut self.items),
            len,
            in_flight: Arc::clone(&self.in_flight),
        };
        self.channel.send(batch).map_err(|_| Closed)
    }
}

/// The consumer's end of a channel.
#[derive(Debug)]
pub(crate) struct Consumer<T> {
    channel: mpsc::Receiver<Batch<T>>,
    producer: Option<JoinHandle<anyhow::Result<()>>>,
}

/// Starts a thread that produces, with at most `max_len` bytes in the channel. If the consumer
/// ends first, it does not wait for the thread, which may wait for input that never arrives.
pub(crate) fn start<T: Send + 'static>(
    max_len: usize,
    produce: impl FnOnce(&mut Producer<T>) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<Consumer<T>> {
    let (sender, channel) = mpsc::sync_channel(MAX_BATCHES);
    let mut producer = Producer {
        channel: sender,
        items: Vec::new(),
        len: 0,
        in_flight: Arc::new(InFlight {
            max_len,
            level: Mutex::default(),
            is_less: Condvar::new(),
        }),
    };
    let run = move || {
        let produced = produce(&mut producer);
        // The consumer gets the items from before an error.
        let flushed = producer.flush();
        match produced {
            Err(error) if error.is::<Closed>() => Ok(()),
            Err(error) => Err(error),
            Ok(()) => flushed.or(Ok(())),
        }
    };
    let producer = thread::Builder::new().spawn(run);
    Ok(Consumer {
        channel,
        producer: Some(producer.context("cannot start a thread")?),
    })
}

impl<T> Consumer<T> {
    /// Returns all batches in the channel, at least one; none after the last one. Calls `idle`
    /// before it waits longer than `patience`. Returns the producer's error.
    pub(crate) fn next_all(
        &mut self,
        patience: Duration,
        idle: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Batch<T>>> {
        let first = match self.channel.recv_timeout(patience) {
            Ok(batch) => Some(batch),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                idle()?;
                self.channel.recv().ok()
            }
        };
        match first {
            None => self.end().map(|()| Vec::new()),
            first => Ok(first.into_iter().chain(self.channel.try_iter()).collect()),
        }
    }

    /// Returns how the producer ended.
    fn end(&mut self) -> anyhow::Result<()> {
        match self.producer.take().map(JoinHandle::join) {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            Some(Ok(result)) => result,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_arrive_in_order_and_only_so_many_bytes_are_in_flight() {
        const COUNT: usize = 100;
        for len in [0, 1, BATCH_LEN, MAX_LEN / 3, MAX_LEN, 2 * MAX_LEN] {
            let mut consumer = start(MAX_LEN, move |producer| {
                for number in 0..COUNT {
                    producer.push(number, len)?;
                }
                anyhow::bail!("the end")
            })
            .unwrap();
            let most = MAX_LEN.div_ceil(len.max(1)).max(1);
            let mut numbers = Vec::new();
            let end = loop {
                match consumer.next_all(Duration::ZERO, || Ok(())) {
                    Ok(batches) => {
                        assert!(len < BATCH_LEN || batches.len() <= most, "{len}");
                        let items = batches.iter().flat_map(Batch::items);
                        numbers.extend(items.copied());
                    }
                    Err(error) => break error,
                }
            };
            assert!(numbers.into_iter().eq(0..COUNT), "{len}");
            assert_eq!(end.to_string(), "the end");
        }
    }

    #[test]
    fn a_consumer_that_ends_waits_for_nobody_and_ends_its_producer() {
        let (never, forever) = mpsc::channel::<()>();
        drop(start::<()>(MAX_LEN, move |_| Ok(forever.recv()?)).unwrap());
        drop(never);
        let (sender, ended) = mpsc::channel();
        let consumer = start(MAX_LEN, move |producer| {
            while producer.push(0, BATCH_LEN).is_ok() {}
            Ok(sender.send(())?)
        });
        drop(consumer.unwrap());
        ended.recv().unwrap();
    }
}
