//! Replaces the standard library and the C library: the start, the exit and the five functions
//! that compilers call.

use core::arch::{asm, global_asm};
use core::panic::PanicInfo;

use crate::Failure;

// The kernel starts the program with the stack pointer at a multiple of 16, as a call requires.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "call {run}",
    "ud2",
    run = sym run,
);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "bl {run}", "udf #0", run = sym run);

extern "C" fn run() -> ! {
    exit(match crate::main() {
        Ok(()) => 0,
        Err(failure) => status(failure),
    })
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    exit(status(Failure::Panicked))
}

fn status(failure: Failure) -> usize {
    failure as usize + 1
}

fn exit(status: usize) -> ! {
    // SAFETY: exit_group takes one number and does not return.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", in("rax") 231, in("rdi") status, options(noreturn))
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc #0", in("x8") 94, in("x0") status, options(noreturn))
    }
}

/// Prevents the compiler from replacing a loop with a call of the function that contains it.
fn opaque(at: usize) {
    // SAFETY: contains no instruction.
    unsafe { asm!("/* {0} */", in(reg) at, options(nomem, nostack, preserves_flags)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    for at in 0..len {
        opaque(at);
        // SAFETY: the caller guarantees `len` bytes at both pointers.
        unsafe { to.add(at).write(from.add(at).read()) }
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    if to.cast_const() <= from {
        // SAFETY: as for the caller; upwards, each byte is read before it is overwritten.
        return unsafe { memcpy(to, from, len) };
    }
    for at in (0..len).rev() {
        opaque(at);
        // SAFETY: the caller guarantees `len` bytes at both pointers.
        unsafe { to.add(at).write(from.add(at).read()) }
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
    for at in 0..len {
        opaque(at);
        // SAFETY: the caller guarantees `len` bytes.
        unsafe { to.add(at).write(byte as u8) }
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, len: usize) -> i32 {
    for at in 0..len {
        opaque(at);
        // SAFETY: the caller guarantees `len` bytes at both pointers.
        let (left, right) = unsafe { (left.add(at).read(), right.add(at).read()) };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, len: usize) -> i32 {
    // SAFETY: as for the caller.
    unsafe { memcmp(left, right, len) }
}
