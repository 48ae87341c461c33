//! An allocator that counts. A test that wants to know installs it:
//! `#[global_allocator] static ALLOCATOR: Counting = Counting;`

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

/// The system's allocator, and a count for each thread.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a static is made of it")]
pub struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Wraps: memory can be freed by another thread than the one that allocated it.
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator as it is.
#[expect(unsafe_code, reason = "only an allocator can count allocations")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        LIVE.set(LIVE.get().wrapping_add(layout.size()));
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().wrapping_sub(layout.size()));
        // SAFETY: `memory` came from `alloc` with this `layout`, so from the system's allocator.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Allocations of this thread while `run` ran.
pub fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

/// Bytes that this thread has allocated and not freed. Only the wrapping
/// difference of two calls means something: the thread may have freed memory that
/// another one allocated.
#[must_use]
pub fn live_len() -> usize {
    LIVE.get()
}
