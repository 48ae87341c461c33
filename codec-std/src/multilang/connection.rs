//! Exchanges lines between one process and its daemon, over blocking I/O.

use core::num::NonZeroU32;
use core::time::Duration;
use std::io::{self, BufRead, Write};

use crate::multilang::checkpointer::Checkpoint;
use crate::multilang::error::{CheckpointError, CheckpointRejection, MisuseError, RunError};
use crate::multilang::protocol::{Event, Protocol};

/// The default number of attempts at a checkpoint before it fails, if the lease
/// table is throttled or DynamoDB does not answer.
pub const DEFAULT_CHECKPOINT_ATTEMPTS: u32 = 10;

/// The pause after the first attempt at a checkpoint. Each further pause is twice
/// as long.
pub const SHORTEST_CHECKPOINT_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two attempts at a checkpoint.
pub const LONGEST_CHECKPOINT_PAUSE: Duration = Duration::from_secs(5);

/// How a checkpoint is retried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    pub(super) attempts: NonZeroU32,
    pub(super) sleep: fn(Duration),
}

pub(super) struct Connection<I, O> {
    protocol: Protocol,
    input: I,
    output: O,
    retry: Retry,
    /// The last line that was read.
    line: Vec<u8>,
    /// Why the connection ended during a checkpoint. The processor may have
    /// ignored that error.
    fault: Option<RunError>,
    is_lease_lost: bool,
}

impl<I: BufRead, O: Write> Connection<I, O> {
    pub(super) const fn new(protocol: Protocol, input: I, output: O, retry: Retry) -> Self {
        Self {
            protocol,
            input,
            output,
            retry,
            line: Vec::new(),
            fault: None,
            is_lease_lost: false,
        }
    }

    /// Reads a line; `None` at the end of the input.
    pub(super) fn receive(&mut self) -> Result<Option<Event>, RunError> {
        self.line.clear();
        if self.input.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        Ok(Some(self.protocol.receive(&self.line)?))
    }

    /// Sends the daemon the return from the running call.
    pub(super) fn complete(&mut self) -> Result<(), RunError> {
        let line = self.protocol.complete()?;
        Ok(self.send(&line)?)
    }

    /// Returns why the connection ended during the running call, if it did.
    pub(super) fn take_fault(&mut self) -> Option<RunError> {
        self.fault.take()
    }

    /// Returns true once a checkpoint was rejected because this worker no longer
    /// holds the lease.
    pub(super) const fn is_lease_lost(&self) -> bool {
        self.is_lease_lost
    }

    fn send(&mut self, line: &str) -> io::Result<()> {
        self.output.write_all(line.as_bytes())?;
        self.output.flush()
    }

    /// Requests a checkpoint once.
    fn attempt(
        &mut self,
        position: Option<(&str, u64)>,
    ) -> Result<Result<(), CheckpointRejection>, RunError> {
        let line = match self.protocol.checkpoint(position) {
            Err(MisuseError::SubSequenceNumberTooLarge) => {
                return Ok(Err(CheckpointRejection::OutOfRange));
            }
            line => line?,
        };
        self.send(&line)?;
        match self.receive()? {
            Some(Event::CheckpointAnswered(answer)) => Ok(answer),
            // Unreachable: the protocol accepts no call here.
            Some(_) => Err(MisuseError::NotNow.into()),
            None => Err(RunError::Disconnected),
        }
    }
}

impl<I: BufRead, O: Write> Checkpoint for Connection<I, O> {
    fn checkpoint(&mut self, position: Option<(&str, u64)>) -> Result<(), CheckpointError> {
        if self.fault.is_some() {
            return Err(CheckpointError::Disconnected);
        }
        let mut attempts = 0_u32;
        let mut pause = SHORTEST_CHECKPOINT_PAUSE;
        loop {
            let reason = match self.attempt(position) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(reason)) => reason,
                Err(fault) => {
                    self.fault = Some(fault);
                    return Err(CheckpointError::Disconnected);
                }
            };
            attempts = attempts.saturating_add(1);
            self.is_lease_lost |= reason == CheckpointRejection::Shutdown;
            if !reason.is_retryable() || attempts >= self.retry.attempts.get() {
                return Err(CheckpointError::Rejected { reason, attempts });
            }
            (self.retry.sleep)(pause);
            pause = pause.saturating_mul(2).min(LONGEST_CHECKPOINT_PAUSE);
        }
    }
}
