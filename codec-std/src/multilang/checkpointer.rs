//! The types with which a processor makes checkpoints.

use core::fmt;

use crate::multilang::error::CheckpointError;
use crate::multilang::record::DaemonRecord;
use crate::read::ExtendedSequenceNumber;

/// Something that can ask the daemon for a checkpoint: the connection.
pub(super) trait Checkpoint {
    /// Stores a position; `None` means the last record that the daemon passed on,
    /// or the end of the shard.
    fn checkpoint(&mut self, position: Option<(&str, u64)>) -> Result<(), CheckpointError>;
}

/// Stores the position of the processor, so that the next worker of this shard
/// resumes there.
///
/// Each method waits for the daemon's answer. If the lease table is throttled, or
/// DynamoDB does not answer, it retries after a growing pause
/// ([`SHORTEST_CHECKPOINT_PAUSE`](super::SHORTEST_CHECKPOINT_PAUSE) to
/// [`LONGEST_CHECKPOINT_PAUSE`](super::LONGEST_CHECKPOINT_PAUSE)), up to the
/// attempts of
/// [`Runner::with_checkpoint_attempts`](super::Runner::with_checkpoint_attempts).
///
/// A checkpoint is a write to DynamoDB. The methods fail with
///
/// - [`CheckpointError::Rejected`] if the daemon did not store the checkpoint,
/// - [`CheckpointError::Disconnected`] if the connection ended before its answer.
pub struct Checkpointer<'a>(&'a mut dyn Checkpoint);

impl<'a> Checkpointer<'a> {
    pub(super) const fn new(connection: &'a mut dyn Checkpoint) -> Self {
        Self(connection)
    }

    /// Checkpoints all records that the daemon has passed on so far, including
    /// those of the running call.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]; see the type.
    pub fn checkpoint(&mut self) -> Result<(), CheckpointError> {
        self.0.checkpoint(None)
    }

    /// Checkpoints a record and all records before it, even in the middle of an
    /// aggregate. The record may be from an earlier call.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]; see the type.
    pub fn checkpoint_at(&mut self, record: &DaemonRecord) -> Result<(), CheckpointError> {
        let position = (record.sequence_number(), record.sub_sequence_number());
        self.0.checkpoint(Some(position))
    }

    /// Checkpoints a position that the program stored. It must be that of a record
    /// ([`DaemonRecord::extended_sequence_number`]):
    /// [`ExtendedSequenceNumber::after_record`] is rejected, because it lies
    /// after the last record that the daemon passed on.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]; see the type.
    pub fn checkpoint_at_position(
        &mut self,
        position: &ExtendedSequenceNumber,
    ) -> Result<(), CheckpointError> {
        let sequence_number = position.sequence_number.to_string();
        self.0
            .checkpoint(Some((&sequence_number, position.sub_sequence_number)))
    }
}

impl fmt::Debug for Checkpointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Checkpointer").finish_non_exhaustive()
    }
}

/// Stores that a shard was processed to its end. After that, the KCL starts to read
/// the shard's children.
///
/// It is the only source of a [`ShardEndCheckpointed`], which
/// [`RecordProcessor::shard_ended`](super::RecordProcessor::shard_ended) must
/// return.
pub struct ShardEndCheckpointer<'a>(&'a mut dyn Checkpoint);

impl<'a> ShardEndCheckpointer<'a> {
    pub(super) const fn new(connection: &'a mut dyn Checkpoint) -> Self {
        Self(connection)
    }

    /// Checkpoints the end of the shard. Call it once the processor has processed
    /// all records that it holds of the shard. Retries like [`Checkpointer`].
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]; see [`Checkpointer`].
    pub fn checkpoint(self) -> Result<ShardEndCheckpointed, CheckpointError> {
        self.0.checkpoint(None)?;
        Ok(ShardEndCheckpointed(()))
    }
}

impl fmt::Debug for ShardEndCheckpointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShardEndCheckpointer")
            .finish_non_exhaustive()
    }
}

/// The proof that the end of a shard is checkpointed; made by
/// [`ShardEndCheckpointer::checkpoint`].
#[derive(Debug)]
#[must_use = "shard_ended has to return it"]
pub struct ShardEndCheckpointed(());
