//! The example `flash_log` on a device that a timer interrupt resets repeatedly, at any
//! instruction. Prints what was sealed, what was found after each reset, and each blob that is
//! sent.
#![no_std]
#![no_main]

use core::convert::Infallible;
use core::mem::MaybeUninit;
use core::ptr::{addr_of_mut, read_volatile, write_volatile};

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use firmware::{print, print_number, reset, stop_ticking, tick_every};

#[path = "../../../../codec/examples/flash_log/device.rs"]
mod device;

use device::{Fault, FlashLog, Found, Link};

const SECTOR_LEN: usize = 256;
const FLASH_LEN: usize = SECTOR_LEN * 8;
const READINGS: u32 = 400;
const RESETS: u32 = 12;
const POWER_ON: u32 = 0x0f1a_5117;

/// Memory that survives a reset: the flash, a clock and the number of resets.
#[repr(C)]
struct Kept {
    power_on: u32,
    resets: u32,
    /// The number of the next reading, like a clock with a battery.
    next: u32,
    flash: [u8; FLASH_LEN],
}

#[unsafe(link_section = ".uninit")]
static mut KEPT: MaybeUninit<Kept> = MaybeUninit::uninit();

fn kept() -> *mut Kept {
    addr_of_mut!(KEPT).cast()
}

macro_rules! kept {
    ($field:ident) => {
        // SAFETY: a place in static memory, initialized at power on; one core.
        unsafe { read_volatile(addr_of_mut!((*kept()).$field)) }
    };
    ($field:ident = $value:expr) => {
        // SAFETY: as above.
        unsafe { write_volatile(addr_of_mut!((*kept()).$field), $value) }
    };
}

#[unsafe(no_mangle)]
extern "C" fn tick() {
    reset()
}

/// Programming clears bits, only erasing sets them.
struct Flash {
    /// Erasures of a sector since the last reset.
    erasures: u32,
}

impl Flash {
    fn place(at: usize) -> Option<*mut u8> {
        // SAFETY: within the flash.
        (at < FLASH_LEN).then(|| unsafe { addr_of_mut!((*kept()).flash).cast::<u8>().add(at) })
    }
}

impl ErrorType for Flash {
    type Error = Infallible;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, at: u32, into: &mut [u8]) -> Result<(), Infallible> {
        for (at, byte) in (at as usize..).zip(into) {
            if let Some(place) = Self::place(at) {
                // SAFETY: a place within the flash.
                *byte = unsafe { read_volatile(place) };
            }
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        FLASH_LEN
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR_LEN;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        self.erasures = self.erasures.wrapping_add(1);
        for place in (from as usize..to as usize).filter_map(Self::place) {
            // SAFETY: a place within the flash.
            unsafe { write_volatile(place, 0xff) };
        }
        Ok(())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Infallible> {
        for (at, byte) in (at as usize..).zip(bytes) {
            if let Some(place) = Self::place(at) {
                // SAFETY: a place within the flash.
                unsafe { write_volatile(place, read_volatile(place) & byte) };
            }
        }
        Ok(())
    }
}

/// Prints each blob in one call, so that a reset does not split its line.
struct Console {
    line: [u8; "\nblob \n".len() + 2 * SECTOR_LEN],
    len: usize,
    /// Hexadecimal digits that are still missing.
    missing: usize,
}

impl Console {
    fn put(&mut self, text: &[u8]) -> Option<()> {
        let place = self.line.get_mut(self.len..)?.get_mut(..text.len())?;
        place.copy_from_slice(text);
        self.len = self.len.wrapping_add(text.len());
        Some(())
    }
}

impl Link for Console {
    fn start(&mut self, _partition_key: &str, len: usize) -> Option<()> {
        (self.len, self.missing) = (0, len.wrapping_mul(2));
        self.put(b"\nblob ")
    }

    fn send(&mut self, bytes: &[u8]) -> Option<()> {
        for byte in bytes {
            let digits = [byte >> 4, byte & 15].map(|digit| match digit {
                0..10 => b'0' + digit,
                _ => b'a' - 10 + digit,
            });
            self.put(&digits)?;
            self.missing = self.missing.wrapping_sub(digits.len());
        }
        Some(())
    }

    fn finish(&mut self) -> Option<()> {
        self.put(b"\n")?;
        let line = core::str::from_utf8(self.line.get(..self.len)?).ok()?;
        (self.missing == 0).then(|| print(line))
    }
}

fn run() -> Result<(), Fault<Infallible>> {
    let (mut log, Found { sealed, lost }) = FlashLog::open(Flash { erasures: 0 })?;
    print_number("\nfound_sealed", sealed);
    print_number("found_lost", lost);
    let mut console = Console {
        line: [0; "\nblob \n".len() + 2 * SECTOR_LEN],
        len: 0,
        missing: 0,
    };
    let resets = kept!(resets);
    if resets < RESETS {
        // A different delay after each reset.
        tick_every(30_000 + resets.wrapping_mul(7_919));
    }
    let mut first = kept!(next);
    loop {
        let next = kept!(next);
        if next == READINGS {
            break;
        }
        match log.push(&next.to_be_bytes()) {
            Err(Fault::FlashFull) => {
                // The flash is full: the link is up now.
                while log.send_oldest(&mut console)? {}
                continue;
            }
            pushed => pushed?,
        }
        kept!(next = next.wrapping_add(1));
        if next % 16 == 15 {
            log.seal()?;
            print_number("\nsealed_from", first);
            print_number("sealed_to", next);
            first = next.wrapping_add(1);
        }
    }
    log.seal()?;
    stop_ticking();
    while log.send_oldest(&mut console)? {}
    print_number("erasures", log.into_flash().erasures);
    Ok(())
}

#[unsafe(no_mangle)]
fn firmware_main() -> u32 {
    if kept!(power_on) == POWER_ON {
        let resets = kept!(resets);
        kept!(resets = resets.wrapping_add(1));
    } else {
        kept!(resets = 0);
        kept!(next = 0);
        let Ok(()) = Flash { erasures: 0 }.erase(0, FLASH_LEN as u32);
        kept!(power_on = POWER_ON);
    }
    if run().is_err() {
        return 1;
    }
    print_number("resets", kept!(resets));
    print("OK flash_log\n");
    0
}
