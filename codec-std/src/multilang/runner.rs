//! Runs a processor over standard input and output.

use core::num::NonZeroU32;
use core::time::Duration;
use std::io::{BufRead, Write};
use std::process;
use std::thread;

use crate::multilang::checkpointer::{Checkpointer, ShardEndCheckpointer};
use crate::multilang::connection::{Connection, DEFAULT_CHECKPOINT_ATTEMPTS, Retry};
use crate::multilang::error::{ProcessorError, RunError};
use crate::multilang::processor::RecordProcessor;
use crate::multilang::protocol::{Event, Protocol};
use crate::multilang::standard_streams;
use crate::read::MalformedPolicy;

/// Runs a [`RecordProcessor`] under the daemon.
///
/// ```no_run
/// # use kinesis_agg::multilang::{self, RecordProcessor, Runner};
/// # fn f(processor: impl RecordProcessor) -> Result<(), multilang::RunError> {
/// use kinesis_agg::read::MalformedPolicy;
///
/// Runner::new()
///     .with_malformed(MalformedPolicy::LeaveOut)
///     .run(processor)
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Runner {
    malformed: MalformedPolicy,
    retry: Retry,
}

impl Default for Runner {
    fn default() -> Self {
        Self::new()
    }
}

impl Runner {
    /// Returns a runner with the default settings.
    #[must_use]
    pub const fn new() -> Self {
        let attempts = match NonZeroU32::new(DEFAULT_CHECKPOINT_ATTEMPTS) {
            Some(attempts) => attempts,
            None => NonZeroU32::MIN,
        };
        Self {
            malformed: MalformedPolicy::Deliver,
            retry: Retry {
                attempts,
                sleep: thread::sleep,
            },
        }
    }

    /// Sets how to treat malformed aggregates, which the KCL passes on;
    /// [`MalformedPolicy::Deliver`] by default. Those left out are in
    /// [`RecordBatch::left_out`](super::RecordBatch::left_out).
    #[must_use]
    pub const fn with_malformed(self, malformed: MalformedPolicy) -> Self {
        Self { malformed, ..self }
    }

    /// Sets the maximum number of attempts at a checkpoint while the lease table is
    /// throttled or DynamoDB does not answer; [`DEFAULT_CHECKPOINT_ATTEMPTS`] by
    /// default.
    #[must_use]
    pub const fn with_checkpoint_attempts(mut self, attempts: NonZeroU32) -> Self {
        self.retry.attempts = attempts;
        self
    }

    /// Sets the function that sleeps between two attempts at a checkpoint;
    /// [`thread::sleep`] by default. For tests.
    #[must_use]
    pub const fn with_sleep(mut self, sleep: fn(Duration)) -> Self {
        self.retry.sleep = sleep;
        self
    }

    /// Runs the processor over standard input and output until the daemon closes
    /// the connection.
    ///
    /// The protocol owns both streams, so call this before anything reads standard
    /// input. On Unix, this function redirects file descriptor 1 to standard error
    /// and file descriptor 0 to `/dev/null`, until the process ends, so that
    /// neither a `println!` nor a child process can write into the protocol or read
    /// from it. On other systems, do not print to standard output.
    ///
    /// If the processor panics, the process ends with the exit code 101, as after
    /// a panic in `main`, even if this function runs in another thread.
    ///
    /// # Errors
    ///
    /// [`RunError::Processor`] if a method of the processor fails,
    /// [`RunError::Protocol`] if the daemon sends a line that this process cannot
    /// act on, [`RunError::Io`] if reading or writing fails, and
    /// [`RunError::Disconnected`] if the daemon closes the connection before it
    /// answered a checkpoint.
    pub fn run(self, processor: impl RecordProcessor) -> Result<(), RunError> {
        let (input, output) = standard_streams::take()?;
        let _guard = ExitOnPanic;
        self.run_on(processor, input, output)
    }

    /// Runs the processor over any input and output, for example in a test. The
    /// input holds the lines of the daemon, including the answers to checkpoints.
    ///
    /// ```
    /// # use kinesis_agg::multilang::*;
    /// # struct Counter;
    /// # impl RecordProcessor for Counter {
    /// #     fn process_records(&mut self, batch: RecordBatch, checkpointer: &mut Checkpointer<'_>) -> Result<(), ProcessorError> {
    /// #         Ok(checkpointer.checkpoint()?)
    /// #     }
    /// #     fn shard_ended(&mut self, end: ShardEndCheckpointer<'_>) -> Result<ShardEndCheckpointed, ProcessorError> {
    /// #         Ok(end.checkpoint()?)
    /// #     }
    /// # }
    /// let lines = br#"{"action":"initialize","shardId":"shardId-000000000000"}
    /// {"action":"processRecords","records":[{"data":"eA==","sequenceNumber":"7"}]}
    /// {"action":"checkpoint","error":null}
    /// "#;
    /// let mut output = Vec::new();
    /// Runner::new().run_on(Counter, &lines[..], &mut output)?;
    /// assert_eq!(String::from_utf8(output)?.lines().count(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_on(
        self,
        mut processor: impl RecordProcessor,
        input: impl BufRead,
        output: impl Write,
    ) -> Result<(), RunError> {
        let protocol = Protocol::new().with_malformed(self.malformed);
        let mut connection = Connection::new(protocol, input, output, self.retry);
        while let Some(event) = connection.receive()? {
            let (method, result) = call(&mut processor, event, &mut connection);
            if let Some(fault) = connection.take_fault() {
                return Err(fault);
            }
            match result {
                Ok(()) => {}
                // Another worker holds the shard already, so the error is dropped.
                Err(_) if connection.is_lease_lost() && CAN_LOSE_LEASE.contains(&method) => {}
                Err(source) => return Err(RunError::Processor { method, source }),
            }
            connection.complete()?;
        }
        Ok(())
    }
}

/// The methods in which a checkpoint may be rejected because the lease is lost, and
/// whose call can be answered without a checkpoint.
const CAN_LOSE_LEASE: [&str; 2] = ["process_records", "shutdown_requested"];

/// Calls the method for an event. Returns its name and its result.
fn call<I: BufRead, O: Write>(
    processor: &mut impl RecordProcessor,
    event: Event,
    connection: &mut Connection<I, O>,
) -> (&'static str, Result<(), ProcessorError>) {
    match event {
        Event::Initialize(shard) => ("initialize", processor.initialize(&shard)),
        Event::ProcessRecords(batch) => {
            let mut checkpointer = Checkpointer::new(connection);
            let result = processor.process_records(batch, &mut checkpointer);
            ("process_records", result)
        }
        Event::LeaseLost => ("lease_lost", processor.lease_lost()),
        Event::ShardEnded => {
            let result = processor.shard_ended(ShardEndCheckpointer::new(connection));
            ("shard_ended", result.map(|_checkpointed| ()))
        }
        Event::ShutdownRequested => {
            let result = processor.shutdown_requested(&mut Checkpointer::new(connection));
            ("shutdown_requested", result)
        }
        // The processor has no method for it, but the daemon waits for an answer.
        Event::Unknown { .. } | Event::CheckpointAnswered(_) => ("", Ok(())),
    }
}

/// Ends the process if the processor panics: while the process lives, the daemon
/// waits for its answer forever.
struct ExitOnPanic;

impl Drop for ExitOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            process::exit(101);
        }
    }
}
