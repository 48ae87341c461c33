//! Replaces a runtime crate and a debugger: start code, output by semihosting, memory that is
//! lent once, and measurements of stack and instructions.
#![no_std]

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;

#[path = "../../freestanding/src/kpl.rs"]
pub mod kpl;

// Defined by each program; the result is the exit status.
unsafe extern "Rust" {
    safe fn firmware_main() -> u32;
}

// Of size zero, so that the compiler does not assume that the start and the end of an empty
// section differ.
unsafe extern "C" {
    static mut data_start: [u32; 0];
    static mut data_end: [u32; 0];
    static data_image: [u32; 0];
    static mut bss_start: [u32; 0];
    static mut bss_end: [u32; 0];
    static mut stack_low: [u32; 0];
    /// Not defined anywhere: a program that can panic does not link.
    fn FIRMWARE_CAN_PANIC() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: the function does not exist, so a linked program never calls it.
    unsafe { FIRMWARE_CAN_PANIC() }
}

/// CPACR: full access to coprocessors 10 and 11.
#[cfg(target_abi = "eabihf")]
macro_rules! enable_fpu {
    () => {
        "ldr r0, =0xe000ed88
         ldr r1, [r0]
         orr r1, r1, #(0xf << 20)
         str r1, [r0]
         dsb
         isb"
    };
}

/// Does nothing: the target has no floating-point unit.
#[cfg(not(target_abi = "eabihf"))]
macro_rules! enable_fpu {
    () => {
        ""
    };
}

global_asm!(
    ".section .vectors, \"a\"",
    ".word stack_top",
    ".word reset",
    ".rept 13",
    ".word {fault}",
    ".endr",
    ".word tick",
    ".text",
    ".thumb_func",
    ".globl reset",
    "reset:",
    enable_fpu!(),
    "bl {start}",
    fault = sym fault,
    start = sym start,
);

extern "C" fn start() -> ! {
    // SAFETY: the linker script aligns the bounds to words and keeps all of them apart from the
    // stack; nothing else runs yet.
    unsafe {
        let mut to = (&raw mut data_start).cast::<u32>();
        let mut from = (&raw const data_image).cast::<u32>();
        while to != (&raw mut data_end).cast() {
            to.write_volatile(from.read_volatile());
            to = to.add(1);
            from = from.add(1);
        }
        let mut to = (&raw mut bss_start).cast::<u32>();
        while to != (&raw mut bss_end).cast() {
            to.write_volatile(0);
            to = to.add(1);
        }
    }
    exit(firmware_main())
}

extern "C" fn fault() -> ! {
    exit(99)
}

/// Requests a service of the debugger, here QEMU.
fn semihost(service: usize, argument: *const usize) -> usize {
    let result;
    // SAFETY: `argument` points to what the service reads; no service used here writes.
    unsafe {
        asm!(
            "bkpt #0xab",
            inlateout("r0") service => result,
            in("r1") argument,
            options(nostack, preserves_flags),
        );
    }
    result
}

/// Ends the program with this status.
pub fn exit(status: u32) -> ! {
    const EXIT_EXTENDED: usize = 0x20;
    const APPLICATION_EXIT: usize = 0x20026;
    let block = [APPLICATION_EXIT, status as usize];
    loop {
        semihost(EXIT_EXTENDED, block.as_ptr());
    }
}

/// Prints text.
pub fn print(text: &str) {
    const OPEN: usize = 1;
    const WRITE: usize = 5;
    const CLOSE: usize = 2;
    let console = c":tt";
    let open = [console.as_ptr() as usize, 4, 3];
    let handle = semihost(OPEN, open.as_ptr());
    let write = [handle, text.as_ptr() as usize, text.len()];
    semihost(WRITE, write.as_ptr());
    semihost(CLOSE, [handle].as_ptr());
}

/// Prints bytes as hexadecimal digits.
pub fn print_hex(bytes: &[u8]) {
    const DIGITS: &str = "0123456789abcdef";
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            let digit = usize::from(digit);
            print(DIGITS.get(digit..=digit).unwrap_or("?"));
        }
    }
}

/// Prints `name=number` on a line of its own.
pub fn print_number(name: &str, number: u32) {
    print(name);
    print("=");
    let mut digits = [b'0'; 10];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let skipped = digits.iter().position(|&digit| digit != b'0').unwrap_or(9);
    let text = digits.get(skipped..).unwrap_or_default();
    print(core::str::from_utf8(text).unwrap_or("?"));
    print("\n");
}

/// Static memory that is lent once.
pub struct Memory<T>(UnsafeCell<T>);

// SAFETY: there is one core and no interrupt, and `lend` is for one caller.
unsafe impl<T> Sync for Memory<T> {}

impl<T> Memory<T> {
    pub const fn new(content: T) -> Self {
        Self(UnsafeCell::new(content))
    }

    /// # Safety
    ///
    /// Must be called at most once for each memory.
    #[expect(clippy::mut_from_ref, reason = "lent once")]
    pub unsafe fn lend(&'static self) -> &'static mut T {
        // SAFETY: the caller promises that this is the only borrow.
        unsafe { &mut *self.0.get() }
    }
}

/// Sleeps until the next interrupt.
pub fn wait_for_interrupt() {
    // SAFETY: the instruction only waits.
    unsafe { asm!("wfi", options(nomem, nostack, preserves_flags)) }
}

/// Starts the system timer, which from now on calls the program's function `tick` every
/// `cycles` cycles.
pub fn tick_every(cycles: u32) {
    const ENABLED_WITH_INTERRUPT: u32 = 0b111;
    // SAFETY: the system timer of every Cortex-M; `ticks_of` is not used at the same time.
    unsafe {
        SYST_RELOAD.write_volatile(cycles);
        SYST_CURRENT.write_volatile(0);
        SYST_CONTROL.write_volatile(ENABLED_WITH_INTERRUPT);
    }
}

/// Stops the system timer.
pub fn stop_ticking() {
    // SAFETY: as above.
    unsafe { SYST_CONTROL.write_volatile(0) }
}

/// Resets the processor. Memory in `.uninit` is kept.
pub fn reset() -> ! {
    const APPLICATION_INTERRUPT_AND_RESET: *mut u32 = 0xe000_ed0c as *mut u32;
    const KEY_AND_REQUEST: u32 = 0x05fa_0004;
    loop {
        // SAFETY: a register of every Cortex-M.
        unsafe { APPLICATION_INTERRUPT_AND_RESET.write_volatile(KEY_AND_REQUEST) }
    }
}

const SYST_CONTROL: *mut u32 = 0xe000_e010 as *mut u32;
const SYST_RELOAD: *mut u32 = 0xe000_e014 as *mut u32;
const SYST_CURRENT: *mut u32 = 0xe000_e018 as *mut u32;

const PAINT: u32 = 0xa5a5_5a5a;

/// Returns how many bytes of stack `work` uses, including its own frame.
#[inline(never)]
pub fn stack_of(work: &mut dyn FnMut()) -> u32 {
    let top: *mut u32;
    // SAFETY: only reads a register.
    unsafe { asm!("mov {}, sp", out(reg) top, options(nomem, nostack, preserves_flags)) }
    let low = (&raw mut stack_low).cast::<u32>();
    let mut at = low;
    while at < top {
        // SAFETY: the memory below the stack pointer is the free part of the stack.
        unsafe {
            at.write_volatile(PAINT);
            at = at.add(1);
        }
    }
    core::hint::black_box(work)();
    let mut at = low;
    // SAFETY: as above.
    while at < top && unsafe { at.read_volatile() } == PAINT {
        at = at.wrapping_add(1);
    }
    (top as u32).wrapping_sub(at as u32)
}

/// Returns how many instructions `work` runs, if QEMU counts time by instructions. Uses the
/// system timer, calibrated with a loop of known length.
#[inline(never)]
pub fn instructions_of(work: &mut dyn FnMut()) -> u32 {
    const LOOPS: u32 = 10_000;
    let empty = ticks_of(&mut || {});
    let calibration = ticks_of(&mut || {
        // SAFETY: only counts down a register.
        unsafe {
            asm!("1: subs {0}, #1", "bne 1b", inout(reg) LOOPS => _, options(nomem, nostack));
        }
    });
    let ticks = ticks_of(work).wrapping_sub(empty);
    let ticks_per_loop = u64::from(calibration.wrapping_sub(empty));
    u64::from(ticks)
        .wrapping_mul(u64::from(LOOPS).wrapping_mul(2))
        .checked_div(ticks_per_loop)
        .unwrap_or_default() as u32
}

#[inline(never)]
fn ticks_of(work: &mut dyn FnMut()) -> u32 {
    const ENABLED_BY_CPU_CLOCK: u32 = 0b101;
    // SAFETY: the system timer of every Cortex-M; no program uses it for both jobs at once.
    unsafe {
        SYST_RELOAD.write_volatile(0xff_ffff);
        SYST_CURRENT.write_volatile(0);
        SYST_CONTROL.write_volatile(ENABLED_BY_CPU_CLOCK);
        let before = SYST_CURRENT.read_volatile();
        core::hint::black_box(work)();
        let after = SYST_CURRENT.read_volatile();
        SYST_CONTROL.write_volatile(0);
        before.wrapping_sub(after) & 0xff_ffff
    }
}
