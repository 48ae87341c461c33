//! A device that sends its sensor readings in aggregates, over a link that fails now and then.
//!
//! ```sh
//! cargo run -p kinesis-agg-codec --features embedded-io --example embedded_producer \
//!     | kinesis-agg deaggregate --from hex
//! ```
//!
//! `device.rs` is the part that belongs in firmware; `tests/firmware/src/bin/producer.rs` of
//! the repository runs it on a Cortex-M. This file simulates its environment: time, an
//! interrupt, and a modem that loses every third frame. It prints the blobs that arrive, one a
//! line.

use core::convert::Infallible;
use core::error::Error;
use core::sync::atomic::{AtomicU32, Ordering};

use kinesis_agg_codec::{Parsed, parse};

mod device;

use device::{ACCEPTED, BUFFER_LEN, Reading, Readings, Sampler, Uplink};

/// Parses frames, and keeps the blobs that arrived.
#[derive(Default)]
struct Modem {
    frame: Vec<u8>,
    frames: u32,
    answer: Option<u8>,
    received: Vec<(String, Vec<u8>)>,
}

impl embedded_io::ErrorType for Modem {
    type Error = Infallible;
}

impl embedded_io::Write for Modem {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        // A modem with a small FIFO.
        let len = bytes.len().min(16);
        self.frame.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        let frame = core::mem::take(&mut self.frame);
        self.frames += 1;
        if self.frames % 3 == 1 {
            self.answer = Some(b'-');
            return Ok(());
        }
        let (&key_len, rest) = frame.split_first().expect("a length");
        let (key, rest) = rest.split_at(key_len.into());
        let (blob_len, blob) = rest.split_first_chunk().expect("a length");
        assert_eq!(usize::from(u16::from_be_bytes(*blob_len)), blob.len());
        let key = String::from_utf8_lossy(key).into_owned();
        self.received.push((key, blob.to_vec()));
        self.answer = Some(ACCEPTED);
        Ok(())
    }
}

impl embedded_io::Read for Modem {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        let answered = into.first_mut().zip(self.answer.take());
        Ok(answered.map_or(0, |(place, answer)| {
            *place = answer;
            1
        }))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    const READINGS: u32 = 100;
    let mut queue = Readings::new();
    let dropped = AtomicU32::new(0);
    let (producer, mut readings) = queue.split();
    let mut sampler = Sampler::new(producer, &dropped);
    let mut uplink = Uplink::new(Modem::default());
    let mut now = 0;
    for number in 0..READINGS {
        // In firmware, an interrupt does this.
        sampler.sample(Reading {
            sensor: number.to_be_bytes()[3] % 4,
            at_seconds: now,
            number,
        });
        // During the day, the buffer fills up first; at night, its contents get too old first.
        now += if number < READINGS / 2 { 5 } else { 60 };
        if number % 8 == 7 {
            uplink.turn(&mut readings, now)?;
        }
    }
    uplink.turn(&mut readings, now)?;
    if let Err(rejected) = uplink.push(&[0; BUFFER_LEN], now) {
        eprintln!("a picture: {rejected}");
    }
    uplink.flush()?;

    let mut numbers = Vec::new();
    for (key, blob) in uplink.into_link().received {
        let Parsed::Aggregated(aggregated) = parse(&blob)? else {
            return Err("not an aggregate".into());
        };
        eprintln!(
            "{} bytes under {key}: {} readings",
            blob.len(),
            aggregated.record_count(),
        );
        for reading in aggregated.user_records() {
            let (number, _sensor) = reading.data().split_first_chunk().ok_or("too short")?;
            numbers.push(u32::from_be_bytes(*number));
        }
        let hex: String = blob.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{hex}");
    }
    if dropped.load(Ordering::Relaxed) != 0 || !numbers.into_iter().eq(0..READINGS) {
        return Err("readings are missing".into());
    }
    eprintln!("{READINGS} readings sent, all received, in order");
    Ok(())
}
