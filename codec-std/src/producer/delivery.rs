//! Returns the outcome of a user record to the caller.
//!
//! Each user record has a slot. Slots are allocated in blocks, so that most puts
//! do not allocate.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::producer::event::Delivery;
use crate::producer::put_error::PutError;

/// The outcome of a user record.
pub(super) type End = Result<Delivery, PutError>;

/// Slots in a block. A future keeps its whole block allocated.
const BLOCK_LEN: usize = 32;

#[derive(Debug)]
enum Slot {
    /// The user record has not ended.
    Waiting(Option<Waker>),
    /// The future was dropped before the user record ended.
    Abandoned,
    Ended(End),
    /// The future has returned.
    Taken,
}

type Block = [Mutex<Slot>; BLOCK_LEN];

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Allocates slots.
#[derive(Debug)]
pub(super) struct Slots {
    block: Arc<Block>,
    next: usize,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            block: Arc::new(core::array::from_fn(|_| Mutex::new(Slot::Waiting(None)))),
            next: 0,
        }
    }

    /// Returns both sides of a new slot.
    pub(super) fn pair(&mut self) -> (Ending, DeliveryFuture) {
        if self.next >= BLOCK_LEN {
            *self = Self::new();
        }
        let place = self.next;
        self.next = self.next.saturating_add(1);
        let ending = Ending {
            block: Arc::clone(&self.block),
            place,
        };
        let block = Arc::clone(&self.block);
        let future = DeliveryFuture(State::Waiting { block, place });
        (ending, future)
    }
}

/// The producer's side of a slot. [`end`](Self::end) is called exactly once.
#[derive(Debug)]
pub(super) struct Ending {
    block: Arc<Block>,
    place: usize,
}

impl Ending {
    /// Passes the outcome to the future, unless the future was dropped.
    pub(super) fn end(self, end: End) {
        let Some(slot) = self.block.get(self.place) else {
            return;
        };
        let mut slot = lock(slot);
        // The lock is released before the waiting task is woken.
        match &*slot {
            Slot::Waiting(_) => {
                let before = core::mem::replace(&mut *slot, Slot::Ended(end));
                drop(slot);
                if let Slot::Waiting(Some(waker)) = before {
                    waker.wake();
                }
            }
            Slot::Abandoned | Slot::Ended(_) | Slot::Taken => {}
        }
    }
}

/// A future of the outcome of a user record that was put: its [`Delivery`], or a
/// [`PutError`] that holds the user record.
///
/// It borrows nothing and may be sent to other tasks. Dropping it does not cancel
/// the delivery
/// ([`ProducerBuilder::on_failure`](crate::producer::ProducerBuilder::on_failure)
/// is still called if the user record fails). It completes once; polled after
/// that, it stays pending forever.
#[derive(Debug)]
#[must_use = "it says whether the user record was delivered"]
pub struct DeliveryFuture(State);

#[derive(Debug)]
enum State {
    Waiting {
        block: Arc<Block>,
        place: usize,
    },
    /// It was not accepted.
    Rejected(Box<PutError>),
    Over,
}

impl DeliveryFuture {
    pub(super) fn rejected(error: PutError) -> Self {
        Self(State::Rejected(error.into()))
    }
}

impl Future for DeliveryFuture {
    type Output = Result<Delivery, PutError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match core::mem::replace(&mut self.0, State::Over) {
            State::Waiting { block, place } => {
                let end = block.get(place).and_then(|slot| poll_slot(slot, context));
                if end.is_none() {
                    self.0 = State::Waiting { block, place };
                }
                end.map_or(Poll::Pending, Poll::Ready)
            }
            State::Rejected(error) => Poll::Ready(Err(*error)),
            State::Over => Poll::Pending,
        }
    }
}

fn poll_slot(slot: &Mutex<Slot>, context: &Context<'_>) -> Option<End> {
    let mut slot = lock(slot);
    match &mut *slot {
        Slot::Waiting(Some(waker)) => waker.clone_from(context.waker()),
        Slot::Waiting(waker) => *waker = Some(context.waker().clone()),
        Slot::Ended(_) => {
            if let Slot::Ended(end) = core::mem::replace(&mut *slot, Slot::Taken) {
                return Some(end);
            }
        }
        Slot::Abandoned | Slot::Taken => {}
    }
    None
}

impl Drop for DeliveryFuture {
    fn drop(&mut self) {
        if let State::Waiting { block, place } = &self.0
            && let Some(slot) = block.get(*place)
        {
            let before = core::mem::replace(&mut *lock(slot), Slot::Abandoned);
            drop(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::OwnedUserRecord;
    use alloc::sync::Weak;
    use alloc::task::Wake;

    struct Count(core::sync::atomic::AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        }
    }

    fn stopped(number: usize) -> End {
        let user_record = OwnedUserRecord::new("key", number.to_string());
        Err(PutError::Stopped(user_record.into()))
    }

    #[test]
    fn a_result_wakes_the_last_task_that_polled_and_is_returned_once() {
        let count = Arc::new(Count(0.into()));
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        let mut slots = Slots::new();
        let (ending, mut future) = slots.pair();
        let mut poll = |context: &mut Context<'_>| Pin::new(&mut future).poll(context);
        assert!(poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(poll(&mut context).is_pending());
        ending.end(stopped(0));
        assert_eq!(count.0.load(core::sync::atomic::Ordering::Relaxed), 1);
        let Poll::Ready(Err(error)) = poll(&mut context) else {
            panic!("it has ended");
        };
        assert_eq!(&**error.into_user_record().data(), b"0");
        assert!(poll(&mut context).is_pending());
    }

    /// Protects memory use: a block is freed with its last future, and the
    /// outcome for a dropped future is not kept.
    #[test]
    fn each_future_gets_its_own_result_and_a_block_is_freed_with_its_last_future() {
        let mut slots = Slots::new();
        let mut blocks: Vec<Weak<Block>> = Vec::new();
        let mut futures = Vec::new();
        for number in 0..3 * BLOCK_LEN {
            let (ending, future) = slots.pair();
            blocks.push(Arc::downgrade(&ending.block));
            if number % 2 == 0 {
                ending.end(stopped(number));
                futures.push((number, future));
            } else {
                drop(future);
                ending.end(stopped(number));
            }
        }
        slots = Slots::new();
        let mut context = Context::from_waker(Waker::noop());
        for (number, mut future) in futures.drain(..) {
            let Poll::Ready(Err(error)) = Pin::new(&mut future).poll(&mut context) else {
                panic!("it has ended");
            };
            assert_eq!(&**error.user_record().data(), number.to_string().as_bytes());
        }
        assert!(blocks.iter().all(|block| block.upgrade().is_none()));
        drop(slots);
    }
}
