//! A Kinesis record that is in the stream.

use alloc::sync::Arc;
use core::time::Duration;

use crate::producer::sealed::Sealed;

/// A Kinesis record that the service stored, and where.
#[derive(Debug)]
pub(super) struct Stored<T> {
    pub(super) sealed: Sealed<T>,
    pub(super) sent_at: Duration,
    pub(super) answered_at: Duration,
    pub(super) shard_id: Arc<str>,
    pub(super) sequence_number: Arc<str>,
}
