//! An allocator that counts allocations. A test that needs it installs it with
//! `#[global_allocator] static ALLOCATOR: Counting = Counting;`

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

/// The system's allocator with a count per thread.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "constructed in a static")]
pub struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// May wrap, because a thread may free memory that another thread allocated.
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is forwarded unchanged to the system's allocator.
#[expect(unsafe_code, reason = "only an allocator can count allocations")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        LIVE.set(LIVE.get().wrapping_add(layout.size()));
        // SAFETY: the caller upholds the contract, which is the system allocator's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().wrapping_sub(layout.size()));
        // SAFETY: `memory` came from `alloc` with this `layout`, so from the system's allocator.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Returns the number of allocations of this thread during `run`.
pub fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

/// Returns the number of bytes that this thread has allocated and not freed. Only the
/// wrapping difference of two calls is meaningful, because the thread may have freed
/// memory that another one allocated.
#[must_use]
pub fn live_len() -> usize {
    LIVE.get()
}
