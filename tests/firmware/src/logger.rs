//! The logger of the programs with defmt: it counts bytes and drops them. A real one has a
//! transport; this one only measures what the codec adds.

use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};

/// Bytes logged so far.
pub static LOGGED: AtomicU32 = AtomicU32::new(0);

#[defmt::global_logger]
struct Logger;

// SAFETY: there is one core, and no interrupt that logs.
unsafe impl defmt::Logger for Logger {
    fn acquire() {}

    unsafe fn flush() {}

    unsafe fn release() {}

    unsafe fn write(bytes: &[u8]) {
        let logged = LOGGED
            .load(Ordering::Relaxed)
            .wrapping_add(black_box(bytes).len() as u32);
        LOGGED.store(logged, Ordering::Relaxed);
    }
}
