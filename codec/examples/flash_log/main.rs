//! A device that stores aggregates in flash while it has no link, may lose power at any time,
//! and sends later.
//!
//! ```sh
//! cargo run -p kinesis-agg-codec --example flash_log | kinesis-agg verify --from hex
//! ```
//!
//! `device.rs` is the part that belongs in firmware; `tests/firmware/src/bin/flash_log.rs` of
//! the repository runs it on a Cortex-M that is reset at any instruction. This file simulates its
//! environment: a flash whose power fails after any number of programmed bytes, and a receiver
//! that reads what arrives. It prints the blobs that arrive in one of these simulations, one a
//! line.

use core::error::Error;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use kinesis_agg_codec::{Parsed, parse};

mod device;

use device::{Fault, FlashLog, Found, Link};

const SECTOR_LEN: usize = 128;
const SECTORS: usize = 4;

/// Programming clears bits, only erasing sets them.
#[derive(Clone)]
struct Flash {
    memory: [u8; SECTOR_LEN * SECTORS],
    erasures: [u32; SECTORS],
    /// Bytes that can be programmed before the power fails.
    power: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PowerFailed;

impl NorFlashError for PowerFailed {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl ErrorType for Flash {
    type Error = PowerFailed;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), PowerFailed> {
        let at = usize::try_from(at).expect("within the flash");
        into.copy_from_slice(&self.memory[at..at + into.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.memory.len()
    }
}

impl Flash {
    fn program(&mut self, at: u32, bytes: &[u8], is_erasure: bool) -> Result<(), PowerFailed> {
        let at = usize::try_from(at).expect("within the flash");
        for (place, &byte) in self.memory[at..].iter_mut().zip(bytes) {
            self.power = self.power.checked_sub(1).ok_or(PowerFailed)?;
            *place = if is_erasure { byte } else { *place & byte };
        }
        Ok(())
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR_LEN;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerFailed> {
        let sector = usize::try_from(from).expect("within the flash") / SECTOR_LEN;
        assert_eq!(usize::try_from(to), Ok((sector + 1) * SECTOR_LEN));
        self.erasures[sector] += 1;
        self.program(from, &[0xff; SECTOR_LEN], true)
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), PowerFailed> {
        assert_eq!(bytes.len() % Self::WRITE_SIZE, 0);
        self.program(at, bytes, false)
    }
}

/// The receiver of the blobs.
#[derive(Default)]
struct Receiver {
    blob: Vec<u8>,
    len: usize,
    blobs: Vec<Vec<u8>>,
}

impl Link for Receiver {
    fn start(&mut self, _partition_key: &str, len: usize) -> Option<()> {
        self.blob.clear();
        self.len = len;
        Some(())
    }

    fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.blob.extend_from_slice(bytes);
        Some(())
    }

    fn finish(&mut self) -> Option<()> {
        let blob = core::mem::take(&mut self.blob);
        (blob.len() == self.len).then(|| self.blobs.push(blob))
    }
}

/// What happened to the readings of one simulation.
#[derive(Default)]
struct World {
    receiver: Receiver,
    /// Readings with lower numbers are in sealed aggregates.
    sealed: u32,
    next: u32,
    lost: u32,
}

const READINGS: u32 = 60;

impl World {
    /// Runs from one reset to the next, or to the last reading.
    fn run(&mut self, flash: &mut Flash) -> Result<(), Fault<PowerFailed>> {
        let (mut log, Found { lost, .. }) = FlashLog::open(flash.clone())?;
        self.lost += lost;
        let result = self.fill(&mut log);
        *flash = log.into_flash();
        result
    }

    fn fill(&mut self, log: &mut FlashLog<Flash>) -> Result<(), Fault<PowerFailed>> {
        while self.next < READINGS {
            match log.push(&self.next.to_be_bytes()) {
                // Every sector is full: send over the link.
                Err(Fault::FlashFull) => {
                    while log.send_oldest(&mut self.receiver)? {}
                    continue;
                }
                pushed => pushed?,
            }
            self.next += 1;
            if self.next.is_multiple_of(7) {
                log.seal()?;
                self.sealed = self.next;
            }
        }
        log.seal()?;
        self.sealed = self.next;
        while log.send_oldest(&mut self.receiver)? {}
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut worlds = 0;
    loop {
        let mut world = World::default();
        let mut flash = Flash {
            memory: [0xff; SECTOR_LEN * SECTORS],
            erasures: [0; SECTORS],
            power: worlds,
        };
        let first = world.run(&mut flash);
        let sealed = world.sealed;
        let power_failed = first == Err(Fault::Flash(PowerFailed));
        if power_failed {
            flash.power = usize::MAX;
            world
                .run(&mut flash)
                .map_err(|fault| format!("{fault:?}"))?;
        }
        check(&world, sealed, &flash)?;
        worlds += 1;
        if !power_failed {
            for blob in &world.receiver.blobs {
                let hex: String = blob.iter().map(|byte| format!("{byte:02x}")).collect();
                println!("{hex}");
            }
            eprintln!(
                "{READINGS} readings in {worlds} worlds; erasures of the sectors in the last: {:?}",
                flash.erasures
            );
            return Ok(());
        }
    }
}

/// Checks that no blob is incomplete, that everything that was sealed arrived, and that every
/// loss was reported.
fn check(world: &World, sealed: u32, flash: &Flash) -> Result<(), Box<dyn Error>> {
    let mut arrived = [false; 60];
    for blob in &world.receiver.blobs {
        let Parsed::Aggregated(aggregated) = parse(blob)? else {
            return Err("not an aggregate".into());
        };
        for reading in aggregated.user_records() {
            let number = u32::from_be_bytes(reading.data().try_into()?);
            arrived[usize::try_from(number)?] = true;
        }
    }
    let missing = arrived.iter().filter(|arrived| !**arrived).count();
    if arrived
        .iter()
        .take(usize::try_from(sealed)?)
        .any(|arrived| !arrived)
    {
        return Err("a sealed aggregate did not arrive".into());
    }
    if missing > 0 && world.lost == 0 {
        return Err(format!("{missing} readings are lost, but not reported as lost").into());
    }
    let erasures = flash.erasures.iter();
    if erasures
        .clone()
        .max()
        .zip(erasures.min())
        .is_some_and(|(max, min)| max - min > 2)
    {
        return Err("sectors wear unevenly".into());
    }
    Ok(())
}
