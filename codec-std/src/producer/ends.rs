//! Holds outcomes of user records, and notices, until the caller polls them.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::producer::entry::{Entry, Pushed};
use crate::producer::event::{Delivery, Failure, FailureReason, Notice, ProducerEvent};
use crate::producer::stored::Stored;

/// A queue with no more capacity than this keeps its memory.
const MIN_CAPACITY: usize = 64;

#[derive(Debug)]
enum Ended<T> {
    /// The user records of a Kinesis record whose events were not polled yet.
    Delivered {
        pushed: alloc::vec::IntoIter<Pushed<T>>,
        /// The delivery of the next user record. Its attempt count is that of the
        /// Kinesis record.
        delivery: Delivery,
    },
    Failed {
        entry: Box<Entry<T>>,
        reason: FailureReason,
    },
}

/// The events that [`poll_event`](crate::producer::ProducerCore::poll_event)
/// returns.
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
    pub(super) fn delivered(&mut self, stored: Stored<T>) {
        let delivery = Delivery {
            shard_id: stored.shard_id,
            sequence_number: stored.sequence_number,
            sub_sequence_number: 0,
            attempt_count: stored.sealed.attempts.count().saturating_add(1),
        };
        self.queue.push_back(Ended::Delivered {
            pushed: stored.sealed.pushed.into_iter(),
            delivery,
        });
    }

    pub(super) fn failed(&mut self, entry: Entry<T>, reason: FailureReason) {
        let entry = Box::new(entry);
        self.queue.push_back(Ended::Failed { entry, reason });
    }

    /// Adds a notice. It replaces one of its kind that was not polled yet.
    pub(super) fn notice(&mut self, notice: Notice) {
        let kind = core::mem::discriminant(&notice);
        self.notices
            .retain(|other| core::mem::discriminant(other) != kind);
        self.notices.push_back(notice);
    }

    /// Returns the next event. For an outcome, calls `free` with the bytes that the
    /// user record no longer uses. Notices come first.
    #[inline]
    pub(super) fn pop(&mut self, free: impl FnOnce(usize)) -> Option<ProducerEvent<T>> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(ProducerEvent::Notice(notice));
        }
        while let Some(Ended::Delivered { pushed, delivery }) = self.queue.front_mut() {
            let Some(pushed) = pushed.next() else {
                self.pop_front();
                continue;
            };
            let mut next = delivery.clone();
            next.attempt_count = next.attempt_count.saturating_add(pushed.attempt_count());
            delivery.sub_sequence_number = delivery.sub_sequence_number.saturating_add(1);
            free(pushed.held_len());
            return Some(ProducerEvent::Delivered {
                token: pushed.token,
                delivery: next,
            });
        }
        let Some(Ended::Failed { entry, reason }) = self.pop_front() else {
            return None;
        };
        let Entry {
            user_record,
            pushed,
        } = *entry;
        let failure = Failure {
            user_record,
            reason,
            attempts: pushed.attempts(),
        };
        free(pushed.held_len());
        let token = pushed.token;
        Some(ProducerEvent::Failed { token, failure })
    }

    fn pop_front(&mut self) -> Option<Ended<T>> {
        let ended = self.queue.pop_front()?;
        let capacity = self.queue.capacity();
        if capacity > MIN_CAPACITY && self.queue.len() < capacity / 4 {
            self.queue.shrink_to(capacity / 2);
        }
        Some(ended)
    }
}
