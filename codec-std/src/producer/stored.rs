//! A Kinesis record that the service has stored.

use alloc::sync::Arc;
use core::time::Duration;

use crate::producer::attempt::{Attempt, AttemptOutcome};
use crate::producer::sealed::Sealed;

/// A Kinesis record that the service has stored, and its place in the stream.
#[derive(Debug)]
pub(super) struct Stored<T> {
    pub(super) sealed: Sealed<T>,
    pub(super) sent_at: Duration,
    pub(super) answered_at: Duration,
    pub(super) shard_id: Arc<str>,
    pub(super) sequence_number: Arc<str>,
}

impl<T> Stored<T> {
    /// Returns the Kinesis record, and the attempt as one that did not deliver.
    pub(super) fn into_parts(self) -> (Sealed<T>, Attempt) {
        let attempt = Attempt {
            sent_at: self.sent_at,
            answered_at: self.answered_at,
            outcome: AttemptOutcome::WrongShard {
                shard_id: self.shard_id,
                sequence_number: self.sequence_number,
            },
        };
        (self.sealed, attempt)
    }
}
