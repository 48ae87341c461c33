//! The example `embedded_producer` on a device: a timer interrupt measures, and the main loop
//! aggregates and sends over a modem that rejects every third frame. Prints each blob that
//! arrives.
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::convert::Infallible;
use core::sync::atomic::{AtomicU32, Ordering};

use firmware::{
    Memory, print, print_hex, print_number, stop_ticking, tick_every, wait_for_interrupt,
};

#[path = "../../../../codec/examples/embedded_producer/device.rs"]
mod device;

use device::{ACCEPTED, BUFFER_LEN, Reading, Readings, Sampler, Uplink};

const READINGS: u32 = 100;
const SECONDS_PER_TICK: u32 = 20;

static QUEUE: Memory<Readings> = Memory::new(Readings::new());
static DROPPED: AtomicU32 = AtomicU32::new(0);
/// The number of readings so far, which is also the clock.
static TICKS: AtomicU32 = AtomicU32::new(0);

/// Set before the first interrupt, and then used only by the interrupt.
struct ForInterrupt(UnsafeCell<Option<Sampler<'static>>>);
// SAFETY: see above; there is one core.
unsafe impl Sync for ForInterrupt {}
static SAMPLER: ForInterrupt = ForInterrupt(UnsafeCell::new(None));

#[unsafe(no_mangle)]
extern "C" fn tick() {
    let number = TICKS.load(Ordering::Relaxed);
    if number == READINGS {
        return;
    }
    // SAFETY: this interrupt does not interrupt itself, and nothing else uses the cell.
    if let Some(sampler) = unsafe { &mut *SAMPLER.0.get() } {
        sampler.sample(Reading {
            sensor: (number % 4) as u8,
            at_seconds: number.wrapping_mul(SECONDS_PER_TICK),
            number,
        });
    }
    TICKS.store(number.wrapping_add(1), Ordering::Relaxed);
}

/// The receiver.
struct Modem {
    frame: [u8; BUFFER_LEN + 32],
    len: usize,
    frames: u32,
    answer: Option<u8>,
}

impl embedded_io::ErrorType for Modem {
    type Error = Infallible;
}

impl embedded_io::Write for Modem {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let free = self.frame.get_mut(self.len..).unwrap_or_default();
        // A FIFO of 16 bytes.
        let len = bytes.len().min(free.len()).min(16);
        for (place, byte) in free.iter_mut().zip(bytes).take(len) {
            *place = *byte;
        }
        self.len = self.len.wrapping_add(len);
        Ok(len)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        let frame = self.frame.get(..self.len).unwrap_or_default();
        self.len = 0;
        self.frames = self.frames.wrapping_add(1);
        let blob = match self.frames % 3 {
            1 => None,
            _ => blob_in(frame),
        };
        self.answer = Some(match blob {
            Some(blob) => {
                print("blob ");
                print_hex(blob);
                print("\n");
                ACCEPTED
            }
            None => b'-',
        });
        Ok(())
    }
}

/// Returns the blob in a frame, if the frame is complete and has the device's key.
fn blob_in(frame: &[u8]) -> Option<&[u8]> {
    let (&key_len, rest) = frame.split_first()?;
    let (key, rest) = rest.split_at_checked(key_len.into())?;
    let (blob_len, blob) = rest.split_first_chunk()?;
    let is_whole = blob.len() == usize::from(u16::from_be_bytes(*blob_len));
    (is_whole && key == device::KEY.as_bytes()).then_some(blob)
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

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    // SAFETY: called once.
    let (producer, mut readings) = unsafe { QUEUE.lend() }.split();
    // SAFETY: interrupts are not enabled yet.
    unsafe { *SAMPLER.0.get() = Some(Sampler::new(producer, &DROPPED)) };
    let mut uplink = Uplink::new(Modem {
        frame: [0; BUFFER_LEN + 32],
        len: 0,
        frames: 0,
        answer: None,
    });
    tick_every(20_000);
    loop {
        let ticks = TICKS.load(Ordering::Relaxed);
        if uplink
            .turn(&mut readings, ticks.wrapping_mul(SECONDS_PER_TICK))
            .is_err()
        {
            return 1;
        }
        if ticks == READINGS {
            break;
        }
        wait_for_interrupt();
    }
    stop_ticking();
    if uplink.flush().is_err() || DROPPED.load(Ordering::Relaxed) != 0 {
        return 2;
    }
    print_number("frames", uplink.into_link().frames);
    print("OK producer\n");
    0
}
