//! The trait that a program implements.

use crate::multilang::action::Initialization;
use crate::multilang::checkpointer::{Checkpointer, ShardEndCheckpointed, ShardEndCheckpointer};
use crate::multilang::error::ProcessorError;
use crate::multilang::record::RecordBatch;

/// Processes the records of one shard. The daemon starts a process for each
/// shard whose lease it holds.
///
/// The daemon calls [`initialize`](Self::initialize) first, then
/// [`process_records`](Self::process_records) repeatedly. At the end it calls
/// [`shard_ended`](Self::shard_ended), [`shutdown_requested`](Self::shutdown_requested)
/// or [`lease_lost`](Self::lease_lost), or the last two in this order. If the daemon
/// ends abruptly, it calls none of them. It waits for each call to return.
///
/// An error ends the process, and then the whole daemon; see
/// [the module](super#failures-and-supervisors).
///
/// | Method | Checkpoint |
/// |---|---|
/// | [`initialize`](Self::initialize) | not possible |
/// | [`process_records`](Self::process_records) | as the processor likes |
/// | [`lease_lost`](Self::lease_lost) | not possible |
/// | [`shard_ended`](Self::shard_ended) | required, at the end |
/// | [`shutdown_requested`](Self::shutdown_requested) | as the processor likes; advisable |
pub trait RecordProcessor {
    /// Called first, with the shard and the position at which reading begins. Does
    /// nothing by default.
    ///
    /// # Errors
    ///
    /// Any error; it ends the process.
    fn initialize(&mut self, shard: &Initialization) -> Result<(), ProcessorError> {
        let _unused = shard;
        Ok(())
    }

    /// Called with the next records of the shard.
    ///
    /// # Errors
    ///
    /// Any error; it ends the process. After a checkpoint was rejected with
    /// [`CheckpointRejection::Shutdown`](super::CheckpointRejection::Shutdown), an
    /// error is dropped instead: another worker holds the shard then, and
    /// [`lease_lost`](Self::lease_lost) follows. So use `?` for checkpoints.
    fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &mut Checkpointer<'_>,
    ) -> Result<(), ProcessorError>;

    /// Called after another worker took the lease. That worker resumes after the
    /// last checkpoint, so this processor should drop unprocessed records after it.
    /// Does nothing by default.
    ///
    /// # Errors
    ///
    /// Any error; it ends the process.
    fn lease_lost(&mut self) -> Result<(), ProcessorError> {
        Ok(())
    }

    /// Called after all records of a shard that was split or merged were passed on.
    /// The processor processes the records that it still holds, then checkpoints the
    /// end. Only after that does the KCL start to read the children of the shard.
    ///
    /// # Errors
    ///
    /// Any error; it ends the process.
    fn shard_ended(
        &mut self,
        checkpointer: ShardEndCheckpointer<'_>,
    ) -> Result<ShardEndCheckpointed, ProcessorError>;

    /// Called before the daemon ends on request, or before it hands the lease over
    /// to another worker (KCL 3). The processor can checkpoint what it has processed,
    /// so that the next worker does not repeat it. Does nothing by default.
    ///
    /// # Errors
    ///
    /// As [`process_records`](Self::process_records).
    fn shutdown_requested(
        &mut self,
        checkpointer: &mut Checkpointer<'_>,
    ) -> Result<(), ProcessorError> {
        let _unused = checkpointer;
        Ok(())
    }
}
