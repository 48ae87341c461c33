//! A device that sends what its sensors read in aggregates, over a link that
//! fails now and then.
//!
//! ```sh
//! cargo run -p kinesis-agg-codec --example embedded_producer
//! ```
//!
//! `device` is what goes into firmware: `core` and the codec. `main` is the
//! world around it: time, sensors, a link that loses every third send, and a
//! receiver that reads what came.

use core::error::Error;

use kinesis_agg_codec::{Parsed, parse};

mod device {
    use core::fmt;

    use kinesis_agg_codec::{AggregateWriter, EncodeError, KeySlots, NewUserRecord, WriteSlot};

    /// The longest blob: what the link carries at once.
    pub(super) const BUFFER_LEN: usize = 256;
    /// Partition keys that are stored once an aggregate; the others each time.
    pub(super) const SENSOR_COUNT: usize = 4;
    const MAX_AGE_SECONDS: u32 = 300;
    const MAX_SENDS: u32 = 5;

    /// What stands between the device and the stream.
    pub(super) trait Link {
        fn send(&mut self, partition_key: &str, data: &[u8]) -> Result<(), ()>;
    }

    #[derive(Debug)]
    pub(super) enum Fault {
        /// This reading can never be sent; all others go on.
        Unfit(EncodeError),
        /// The link did not take an aggregate: that many readings are lost, and
        /// a reading that was pushed is not among them.
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

    pub(super) struct Uplink<L> {
        writer: AggregateWriter<[u8; BUFFER_LEN], KeySlots<[WriteSlot; SENSOR_COUNT]>>,
        oldest_at: Option<u32>,
        link: L,
    }

    impl<L: Link> Uplink<L> {
        pub(super) fn new(link: L) -> Self {
            let slots = KeySlots::new([WriteSlot::EMPTY; SENSOR_COUNT]);
            Self {
                writer: AggregateWriter::with_key_lookup([0; BUFFER_LEN], slots),
                oldest_at: None,
                link,
            }
        }

        /// Takes a reading, and sends those before it if it has no room.
        pub(super) fn push(&mut self, sensor: &str, data: &[u8], now: u32) -> Result<(), Fault> {
            let reading = NewUserRecord::new(sensor, data);
            match self.writer.try_push(&reading) {
                Err(error) if error.is_full() => {
                    let sent = self.flush();
                    self.writer.try_push(&reading).map_err(Fault::Unfit)?;
                    self.oldest_at = Some(now);
                    return sent;
                }
                pushed => pushed.map_err(Fault::Unfit)?,
            }
            self.oldest_at.get_or_insert(now);
            Ok(())
        }

        /// To be called now and then: sends what has waited long enough.
        pub(super) fn tick(&mut self, now: u32) -> Result<(), Fault> {
            match self.oldest_at {
                Some(at) if now.wrapping_sub(at) >= MAX_AGE_SECONDS => self.flush(),
                _ => Ok(()),
            }
        }

        pub(super) fn flush(&mut self) -> Result<(), Fault> {
            self.oldest_at = None;
            let aggregate = match self.writer.finish() {
                Err(EncodeError::Empty) => return Ok(()),
                finished => finished.map_err(Fault::Unfit)?,
            };
            // The blob stays in the buffer as long as the aggregate is borrowed.
            for _ in 0..MAX_SENDS {
                let sent = self.link.send(aggregate.partition_key(), aggregate.data());
                if sent.is_ok() {
                    return Ok(());
                }
            }
            Err(Fault::LinkDown {
                readings: aggregate.record_count(),
            })
        }
    }
}

/// Keeps the blobs that came through.
struct Radio<'a> {
    sends: u32,
    received: &'a mut Vec<Vec<u8>>,
}

impl device::Link for Radio<'_> {
    fn send(&mut self, _partition_key: &str, data: &[u8]) -> Result<(), ()> {
        self.sends += 1;
        if self.sends % 3 == 1 {
            return Err(());
        }
        self.received.push(data.to_vec());
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    const READINGS: u32 = 100;
    let mut blobs = Vec::new();
    let mut uplink = device::Uplink::new(Radio {
        sends: 0,
        received: &mut blobs,
    });
    let mut now = 0;
    for number in 0..READINGS {
        let sensor = format!("sensor-{}", number % 4);
        uplink.push(&sensor, &number.to_be_bytes(), now)?;
        // By day the buffer is full first, by night what is in it is old first.
        now += if number < READINGS / 2 { 5 } else { 60 };
        uplink.tick(now)?;
    }
    if let Err(refused) = uplink.push("camera", &[0; device::BUFFER_LEN], now) {
        println!("a picture: {refused}");
    }
    uplink.flush()?;

    let mut numbers = Vec::new();
    for blob in &blobs {
        let Parsed::Aggregated(aggregated) = parse(blob)? else {
            return Err("no aggregate".into());
        };
        println!(
            "{} bytes: {} readings under {} keys",
            blob.len(),
            aggregated.record_count(),
            aggregated.key_count()
        );
        for reading in aggregated.user_records() {
            numbers.push(u32::from_be_bytes(reading.data().try_into()?));
        }
    }
    if !numbers.into_iter().eq(0..READINGS) {
        return Err("readings are missing".into());
    }
    println!("{READINGS} readings sent, all received, in order");
    Ok(())
}
