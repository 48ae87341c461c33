//! User records that have ended, and notices, until the caller takes them.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::producer::entry::Entry;
use crate::producer::event::{Delivery, Failure, FailureReason, Notice, ProducerEvent};

/// A queue as short as this keeps its memory.
const MIN_CAPACITY: usize = 64;

#[derive(Debug)]
enum Ended<T> {
    Delivered {
        token: T,
        delivery: Delivery,
        held_len: usize,
    },
    Failed {
        entry: Box<Entry<T>>,
        reason: FailureReason,
    },
}

/// What [`poll_event`](crate::producer::ProducerCore::poll_event) hands out.
#[derive(Debug)]
pub(super) struct Ends<T> {
    queue: VecDeque<Ended<T>>,
    /// At most one of each kind.
    notices: VecDeque<Notice>,
}

impl<T> Default for Ends<T> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            notices: VecDeque::new(),
        }
    }
}

impl<T> Ends<T> {
    pub(super) fn delivered(&mut self, token: T, delivery: Delivery, held_len: usize) {
        self.queue.push_back(Ended::Delivered {
            token,
            delivery,
            held_len,
        });
    }

    pub(super) fn failed(&mut self, entry: Box<Entry<T>>, reason: FailureReason) {
        self.queue.push_back(Ended::Failed { entry, reason });
    }

    /// Adds a notice. It replaces one of its kind that was not taken yet.
    pub(super) fn notice(&mut self, notice: Notice) {
        let kind = core::mem::discriminant(&notice);
        self.notices
            .retain(|other| core::mem::discriminant(other) != kind);
        self.notices.push_back(notice);
    }

    /// The next event and how many bytes it frees; notices come first, and hold
    /// none.
    pub(super) fn pop(&mut self) -> Option<(ProducerEvent<T>, Option<usize>)> {
        if let Some(notice) = self.notices.pop_front() {
            return Some((ProducerEvent::Notice(notice), None));
        }
        let (event, held_len) = match self.queue.pop_front()? {
            Ended::Delivered {
                token,
                delivery,
                held_len,
            } => (ProducerEvent::Delivered { token, delivery }, held_len),
            Ended::Failed { entry, reason } => {
                let Entry {
                    user_record,
                    pushed,
                } = *entry;
                let failure = Failure {
                    user_record,
                    reason,
                    attempts: pushed.attempts,
                };
                let token = pushed.token;
                (ProducerEvent::Failed { token, failure }, pushed.held_len)
            }
        };
        let capacity = self.queue.capacity();
        if capacity > MIN_CAPACITY && self.queue.len() < capacity / 4 {
            self.queue.shrink_to(capacity / 2);
        }
        Some((event, Some(held_len)))
    }
}
