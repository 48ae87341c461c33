//! A thread that reads, and batches on their way from it to the one that prints.
//!
//! Who prints gets all that is there and never waits for more, so that a slow
//! input holds nothing back; behind a fast one, batches gather while the last
//! ones are printed.

use core::time::Duration;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;

/// Batches that are on their way at most.
const MOST_BATCHES: usize = 32;

/// Bytes that are on their way, but for those of the last batch.
const MOST_BYTES: usize = 16 << 20;

/// Bytes of a batch that is worth a way of its own.
pub(crate) const BATCH_LEN: usize = 1 << 16;

/// What goes from one thread to the other, and comes back to be used again.
pub(crate) trait Batch: Default + Send + 'static {
    /// Bytes that it holds.
    fn len(&self) -> usize;
}

/// A batch, and its bytes when it was handed over.
type Counted<B> = (B, usize);

/// The end of the thread that reads.
#[derive(Debug)]
pub(crate) struct Reading<B> {
    there: Sender<Counted<B>>,
    back: Receiver<Counted<B>>,
    spare: Vec<B>,
    count: usize,
    len: usize,
}

/// Nobody prints any more.
#[derive(Debug)]
pub(crate) struct NobodyPrints;

impl<B: Batch> Reading<B> {
    /// Hands a batch over. Waits if there is too much on its way.
    pub(crate) fn hand_over(&mut self, batch: B) -> Result<(), NobodyPrints> {
        let len = batch.len();
        self.there.send((batch, len)).map_err(|_| NobodyPrints)?;
        self.count = self.count.saturating_add(1);
        self.len = self.len.saturating_add(len);
        while self.count >= MOST_BATCHES || self.len >= MOST_BYTES {
            let returned = self.back.recv().map_err(|_| NobodyPrints)?;
            self.take_back(returned);
        }
        Ok(())
    }

    fn take_back(&mut self, (batch, len): Counted<B>) {
        self.count = self.count.saturating_sub(1);
        self.len = self.len.saturating_sub(len);
        self.spare.push(batch);
    }

    /// A batch that was printed, or a new one.
    pub(crate) fn spare(&mut self) -> B {
        while let Ok(returned) = self.back.try_recv() {
            self.take_back(returned);
        }
        self.spare.pop().unwrap_or_default()
    }
}

/// The end of the thread that prints.
#[derive(Debug)]
pub(crate) struct Relay<B> {
    there: Receiver<Counted<B>>,
    back: Sender<Counted<B>>,
    reader: JoinHandle<anyhow::Result<()>>,
}

impl<B: Batch> Relay<B> {
    /// Starts to read. If printing ends first, nobody waits for who reads:
    /// that may be waiting for an input that never comes.
    pub(crate) fn start(
        read: impl FnOnce(&mut Reading<B>) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (there, to_print) = mpsc::channel();
        let (back, printed) = mpsc::channel();
        let mut reading = Reading {
            there,
            back: printed,
            spare: Vec::new(),
            count: 0,
            len: 0,
        };
        let reader = thread::Builder::new()
            .spawn(move || read(&mut reading))
            .context("cannot start a thread")?;
        Ok(Self {
            there: to_print,
            back,
            reader,
        })
    }

    /// All batches that are there, at least one; none when all was read. If
    /// there is none for so long, calls `idle` and then waits.
    pub(crate) fn next(
        &mut self,
        patience: Duration,
        idle: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Counted<B>>> {
        let first = match self.there.recv_timeout(patience) {
            Ok(batch) => Some(batch),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                idle()?;
                self.there.recv().ok()
            }
        };
        Ok(first.into_iter().chain(self.there.try_iter()).collect())
    }

    /// Gives back what was printed.
    pub(crate) fn give_back(&self, batch: Counted<B>) {
        // Who reads has come to its end, if nobody takes it.
        let _end = self.back.send(batch);
    }

    /// How reading ended. To be asked when nothing is left to print.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        match self.reader.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Numbered(usize, usize);

    impl Batch for Numbered {
        fn len(&self) -> usize {
            self.1
        }
    }

    #[test]
    fn all_comes_in_order_and_only_so_much_is_on_its_way() {
        const COUNT: usize = 100;
        for len in [0, 1, BATCH_LEN, MOST_BYTES / 3, MOST_BYTES, 2 * MOST_BYTES] {
            let mut relay = Relay::start(move |reading: &mut Reading<Numbered>| {
                for number in 0..COUNT {
                    reading.hand_over(Numbered(number, len)).unwrap();
                }
                anyhow::bail!("the end")
            })
            .unwrap();
            let most = MOST_BYTES.div_ceil(len.max(1)).min(MOST_BATCHES);
            let mut numbers = Vec::new();
            loop {
                let mut taken = Vec::new();
                while taken.len() < most {
                    let batches = relay.next(Duration::ZERO, || Ok(())).unwrap();
                    if batches.is_empty() {
                        break;
                    }
                    taken.extend(batches);
                }
                // Whoever reads waits until something is given back.
                assert!(taken.len() <= most && relay.there.try_recv().is_err());
                if taken.is_empty() {
                    break;
                }
                for batch in taken {
                    numbers.push(batch.0.0);
                    relay.give_back(batch);
                }
            }
            assert!(numbers.into_iter().eq(0..COUNT));
            assert_eq!(relay.end().unwrap_err().to_string(), "the end");
        }
    }

    #[test]
    fn who_prints_does_not_wait_for_who_reads() {
        let (never, forever) = mpsc::channel::<()>();
        let relay = Relay::<Numbered>::start(move |_| Ok(forever.recv()?)).unwrap();
        drop(relay);
        drop(never);
    }

    #[test]
    fn reading_ends_when_nobody_prints() {
        let (told, end) = mpsc::channel();
        let relay = Relay::start(move |reading: &mut Reading<Numbered>| {
            while reading.hand_over(Numbered(0, 1)).is_ok() {}
            Ok(told.send(())?)
        });
        drop(relay.unwrap());
        end.recv().unwrap();
    }
}
