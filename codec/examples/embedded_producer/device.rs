//! The part that belongs in firmware: `core`, the codec, a queue of `heapless` and a link that
//! is an `embedded_io` device.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use embedded_io::{Read, Write};
use heapless::spsc::{Consumer, Producer, Queue};
use kinesis_agg_codec::{
    Aggregate, AggregateWriter, ByteSink as _, EmbeddedIo, EncodeError, KeySlots, NewUserRecord,
    WriteSlot,
};

/// The longest blob, in bytes: what the link carries at once.
pub(crate) const BUFFER_LEN: usize = 256;
/// The partition key of all readings. With one key per aggregate, the Kinesis record is in the
/// shard where its user records belong, however many shards there are.
pub(crate) const KEY: &str = "device-42";
/// Readings that can wait while the main loop sends, plus one.
pub(crate) const QUEUE_LEN: usize = 16;

const MAX_AGE_SECONDS: u32 = 300;
const MAX_SENDS: u32 = 5;
/// What the receiver answers when it has the whole frame.
pub(crate) const ACCEPTED: u8 = b'+';

/// A measurement, made in an interrupt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) sensor: u8,
    pub(crate) at_seconds: u32,
    pub(crate) number: u32,
}

impl Reading {
    /// Returns the data of the user record.
    fn to_bytes(self) -> [u8; 5] {
        let [a, b, c, d] = self.number.to_be_bytes();
        [a, b, c, d, self.sensor]
    }
}

/// A queue between the interrupt and the main loop, without locks and critical sections.
pub(crate) type Readings = Queue<Reading, QUEUE_LEN>;

/// The interrupt's end of the queue.
pub(crate) struct Sampler<'q> {
    readings: Producer<'q, Reading>,
    /// Readings for which the queue had no room. Only the interrupt writes it.
    dropped: &'q AtomicU32,
}

impl<'q> Sampler<'q> {
    pub(crate) const fn new(readings: Producer<'q, Reading>, dropped: &'q AtomicU32) -> Self {
        Self { readings, dropped }
    }

    /// Queues a reading without waiting. Returns false if the reading is lost, which is
    /// counted.
    pub(crate) fn sample(&mut self, reading: Reading) -> bool {
        let is_queued = self.readings.enqueue(reading).is_ok();
        if !is_queued {
            // A load and a store: a Cortex-M0 has no atomic addition.
            let dropped = self.dropped.load(Ordering::Relaxed).wrapping_add(1);
            self.dropped.store(dropped, Ordering::Relaxed);
        }
        is_queued
    }
}

/// What went wrong with readings.
#[derive(Debug)]
pub(crate) enum Fault {
    /// This reading can never be sent. It does not affect the others.
    Unfit(EncodeError),
    /// The link did not accept an aggregate, and its `readings` user records are lost. A
    /// reading that was being pushed is not among them.
    LinkDown { readings: usize },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(reason) => write!(f, "reading cannot be sent: {reason}"),
            Self::LinkDown { readings } => write!(f, "link down, {readings} readings lost"),
        }
    }
}

impl core::error::Error for Fault {}

/// The main loop's side: aggregates readings and sends them.
pub(crate) struct Uplink<L> {
    writer: AggregateWriter<[u8; BUFFER_LEN], KeySlots<[WriteSlot; 1]>>,
    oldest_at: Option<u32>,
    link: L,
}

impl<L: Read + Write> Uplink<L> {
    pub(crate) const fn new(link: L) -> Self {
        let slots = KeySlots::new([WriteSlot::EMPTY; 1]);
        Self {
            writer: AggregateWriter::with_key_lookup([0; BUFFER_LEN], slots),
            oldest_at: None,
            link,
        }
    }

    /// Runs one turn of the main loop: aggregates what is queued, and sends what is full or has
    /// waited long enough.
    pub(crate) fn turn(
        &mut self,
        readings: &mut Consumer<'_, Reading>,
        now: u32,
    ) -> Result<(), Fault> {
        while let Some(reading) = readings.dequeue() {
            self.push(&reading.to_bytes(), reading.at_seconds)?;
        }
        match self.oldest_at {
            Some(at) if now.wrapping_sub(at) >= MAX_AGE_SECONDS => self.flush(),
            _ => Ok(()),
        }
    }

    /// Adds data, and first sends the aggregate if there is no room.
    pub(crate) fn push(&mut self, data: &[u8], at_seconds: u32) -> Result<(), Fault> {
        let user_record = NewUserRecord::new(KEY, data);
        match self.writer.try_push(&user_record) {
            Err(error) if error.is_full() => {
                let sent = self.flush();
                self.writer.try_push(&user_record).map_err(Fault::Unfit)?;
                self.oldest_at = Some(at_seconds);
                return sent;
            }
            pushed => pushed.map_err(Fault::Unfit)?,
        }
        self.oldest_at.get_or_insert(at_seconds);
        Ok(())
    }

    /// Sends the aggregate, if there is one.
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        self.oldest_at = None;
        let aggregate = match self.writer.finish() {
            Err(EncodeError::Empty) => return Ok(()),
            finished => finished.map_err(Fault::Unfit)?,
        };
        // The blob stays in the buffer as long as the aggregate is borrowed.
        for _ in 0..MAX_SENDS {
            if send(&mut self.link, &aggregate).is_some() {
                return Ok(());
            }
        }
        Err(Fault::LinkDown {
            readings: aggregate.record_count(),
        })
    }

    pub(crate) fn into_link(self) -> L {
        self.link
    }
}

/// Sends a frame and waits for the answer.
///
/// ```text
/// key length (1) | partition key | blob length (2, big-endian) | blob
/// ```
fn send<L: Read + Write>(link: &mut L, aggregate: &Aggregate<'_>) -> Option<()> {
    let (key, blob) = (aggregate.partition_key().as_bytes(), aggregate.data());
    let key_len = u8::try_from(key.len()).ok()?.to_be_bytes();
    let blob_len = u16::try_from(blob.len()).ok()?.to_be_bytes();
    // Not `embedded_io`'s `write_all`, which panics if a device writes nothing.
    let mut sink = EmbeddedIo::new(&mut *link);
    for bytes in [&key_len[..], key, &blob_len, blob] {
        sink.write_all(bytes).ok()?;
    }
    link.flush().ok()?;
    let mut answer = [0];
    let received = link.read(&mut answer).ok()?;
    (received == 1 && answer == [ACCEPTED]).then_some(())
}
