//! Record processors for the KCL: consumers that share the shards of a stream in
//! a fleet.
//!
//! The Kinesis Client Library (Java) assigns the shards to the workers of a fleet,
//! keeps checkpoints in DynamoDB and follows reshards. Its `MultiLangDaemon` runs
//! programs in other languages: it starts a process for each shard, and exchanges
//! lines of JSON with it over standard input and output. This module implements the
//! side of the process. [`docs::fleet`](crate::docs::fleet) is the guide, from the
//! jar to a fleet.
//!
//! ```no_run
//! use kinesis_agg::multilang::{
//!     self, Checkpointer, ProcessorError, RecordBatch, RecordProcessor, ShardEndCheckpointed,
//!     ShardEndCheckpointer,
//! };
//!
//! struct Printer;
//!
//! impl RecordProcessor for Printer {
//!     fn process_records(
//!         &mut self,
//!         batch: RecordBatch,
//!         checkpointer: &mut Checkpointer<'_>,
//!     ) -> Result<(), ProcessorError> {
//!         for record in batch.records() {
//!             eprintln!("{:?}: {} bytes", record.partition_key(), record.data().len());
//!         }
//!         checkpointer.checkpoint()?;
//!         Ok(())
//!     }
//!
//!     fn shard_ended(
//!         &mut self,
//!         checkpointer: ShardEndCheckpointer<'_>,
//!     ) -> Result<ShardEndCheckpointed, ProcessorError> {
//!         Ok(checkpointer.checkpoint()?)
//!     }
//! }
//!
//! fn main() -> Result<(), multilang::RunError> {
//!     multilang::run(Printer)
//! }
//! ```
//!
//! | Type | For |
//! |---|---|
//! | [`RecordProcessor`] | the methods that the daemon calls |
//! | [`Checkpointer`] | a checkpoint at a user record inside an aggregate, at the last record, or none |
//! | [`ShardEndCheckpointer`] | the checkpoint that the end of a shard requires |
//! | [`Runner`], [`run`] | blocking I/O over standard input and output |
//! | [`Protocol`] | the protocol without I/O |
//!
//! # Records
//!
//! The daemon deaggregates: a [`DaemonRecord`] is a user record, with the sequence
//! number of its aggregate and its index in it. The records of a shard arrive in
//! order, and those of a child shard arrive after all records of its parents.
//!
//! Delivery is **at least once**. After a crash, a panic or a takeover, everything
//! after the last checkpoint is delivered again, in the same order and under the
//! same sequence numbers; nothing at or before it is.
//!
//! The KCL passes on an aggregate that it cannot deaggregate as one record. This
//! crate detects that: [`DaemonRecord::undecoded`] returns the reason,
//! [`DaemonRecord::checked`] turns a malformed aggregate into an error, and
//! [`Runner::with_malformed`] can remove malformed aggregates from the batch, as
//! `Deaggregator::with_malformed` does. It cannot detect what the KCL drops:
//! aggregates with a user record of another shard, and the rest of an aggregate
//! after a bad index ([`docs::peers`](crate::docs::peers)).
//!
//! # Failures and supervisors
//!
//! If a processor fails or panics, its process ends with a message on standard
//! error. The daemon then ends too (KCL 3), with all of its processes, so a
//! supervisor must start it again. Meanwhile, other workers take over its shards. A
//! record that makes the processor fail each time blocks its shard: store such a
//! record elsewhere, and continue.
//!
//! If the lease is lost, the daemon rejects checkpoints with
//! [`CheckpointRejection::Shutdown`]. That is not a failure: a processor can return
//! the error with `?`, and the runner continues with
//! [`lease_lost`](RecordProcessor::lease_lost).
//!
//! # Async
//!
//! There is no async variant, because each process has one shard and handles one
//! call at a time. A processor that runs async code owns a runtime and blocks on
//! it:
//!
//! ```
//! # use kinesis_agg::multilang::*;
//! # struct Runtime;
//! # impl Runtime { fn block_on<F: core::future::Future<Output = T>, T: Default>(&self, _: F) -> T { T::default() } }
//! # async fn store(_: &DaemonRecord) {}
//! struct Processor {
//!     runtime: Runtime, // tokio::runtime::Runtime
//! }
//!
//! impl RecordProcessor for Processor {
//!     fn process_records(
//!         &mut self,
//!         batch: RecordBatch,
//!         checkpointer: &mut Checkpointer<'_>,
//!     ) -> Result<(), ProcessorError> {
//!         self.runtime.block_on(async {
//!             for record in batch.records() {
//!                 store(record).await;
//!             }
//!         });
//!         checkpointer.checkpoint()?;
//!         Ok(())
//!     }
//! #   fn shard_ended(&mut self, end: ShardEndCheckpointer<'_>) -> Result<ShardEndCheckpointed, ProcessorError> {
//! #       Ok(end.checkpoint()?)
//! #   }
//! }
//! ```
//!
//! A runtime with worker threads keeps running between the calls: tasks that it
//! spawned can be awaited in a later call, before the checkpoint that covers them.
//! A program that cannot block can drive a [`Protocol`] itself.
//!
//! Feature `multilang`, not on by default.

mod action;
mod checkpointer;
mod connection;
mod error;
mod processor;
mod protocol;
mod record;
mod runner;
mod standard_streams;

pub use action::Initialization;
pub use checkpointer::{Checkpointer, ShardEndCheckpointed, ShardEndCheckpointer};
pub use connection::{
    DEFAULT_CHECKPOINT_ATTEMPTS, LONGEST_CHECKPOINT_PAUSE, SHORTEST_CHECKPOINT_PAUSE,
};
pub use error::{
    CheckpointError, CheckpointRejection, MisuseError, ProcessorError, ProtocolError,
    ProtocolErrorKind, RunError,
};
pub use processor::RecordProcessor;
pub use protocol::{Event, Protocol};
pub use record::{DaemonRecord, RecordBatch, Undecoded};
pub use runner::Runner;

/// Runs a processor over standard input and output with the default settings of
/// a [`Runner`].
///
/// # Errors
///
/// As [`Runner::run`].
pub fn run(processor: impl RecordProcessor) -> Result<(), RunError> {
    Runner::new().run(processor)
}
