//! The protocol without I/O: converts lines to events and calls to lines.

use serde_json::json;

use crate::multilang::action::{
    Action, CHECKPOINT, INITIALIZE, Initialization, LEASE_LOST, PROCESS_RECORDS, SHARD_ENDED,
    SHUTDOWN_REQUESTED,
};
use crate::multilang::error::{CheckpointRejection, MisuseError, ProtocolError, ProtocolErrorKind};
use crate::multilang::record::RecordBatch;
use crate::read::MalformedPolicy;

/// The meaning of a line from the daemon.
///
/// All except [`CheckpointAnswered`](Self::CheckpointAnswered) are calls, which
/// [`Protocol::complete`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The first call: names the shard of the process.
    Initialize(Initialization),
    /// Records arrived.
    ProcessRecords(RecordBatch),
    /// Another worker holds the lease.
    LeaseLost,
    /// All records of the shard have been passed on, after a reshard closed it. The
    /// end must be checkpointed.
    ShardEnded,
    /// The daemon is about to end or to hand over the lease. The process may
    /// checkpoint first.
    ShutdownRequested,
    /// A call that this version does not know. It can arrive at any time between
    /// calls, and is answered like the others.
    Unknown {
        /// The name of the call.
        action: String,
    },
    /// The answer to a checkpoint.
    CheckpointAnswered(Result<(), CheckpointRejection>),
}

/// The protocol between a record processor and the daemon, as a state machine
/// without I/O, for programs that cannot use a [`Runner`](super::Runner).
///
/// Feed each line of standard input to [`receive`](Self::receive); write the
/// lines that [`checkpoint`](Self::checkpoint) and [`complete`](Self::complete)
/// return to standard output, and flush it.
///
/// ```
/// use kinesis_agg::multilang::{Event, Protocol};
///
/// let mut protocol = Protocol::new();
/// let event = protocol.receive(br#"{"action":"initialize","shardId":"shard-0"}"#)?;
/// assert!(matches!(event, Event::Initialize(shard) if shard.shard_id() == "shard-0"));
/// assert_eq!(
///     protocol.complete()?,
///     "{\"action\":\"status\",\"responseFor\":\"initialize\"}\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// One call runs at a time, and during a call one checkpoint at a time. The
/// daemon reads a line of this process only while a call runs.
#[derive(Clone, Debug, Default)]
pub struct Protocol {
    malformed: MalformedPolicy,
    line_number: u64,
    state: State,
}

#[derive(Clone, Debug, Default)]
enum State {
    /// Before `initialize`.
    #[default]
    New,
    /// Between calls.
    Idle,
    /// During a call.
    Call(Call),
    /// During a call, after a checkpoint and before its answer.
    Checkpoint(Call),
}

#[derive(Clone, Debug)]
struct Call {
    action: String,
    /// False only for an unknown call that arrives before `initialize`.
    is_initialized: bool,
    is_end_stored: bool,
}

impl Protocol {
    /// Returns the state before the first line.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how to treat malformed aggregates, which the KCL passes on;
    /// [`MalformedPolicy::Deliver`] by default.
    #[must_use]
    pub fn with_malformed(self, malformed: MalformedPolicy) -> Self {
        Self { malformed, ..self }
    }

    /// Parses a line from the daemon, with or without its line feed.
    ///
    /// Unknown fields are ignored. A line that fails changes only the line number.
    ///
    /// # Errors
    ///
    /// [`ProtocolErrorKind::Malformed`] if it is not a JSON object with the
    /// fields of its action; [`ProtocolErrorKind::Unexpected`] if it arrives at the
    /// wrong time.
    pub fn receive(&mut self, line: &[u8]) -> Result<Event, ProtocolError> {
        self.line_number = self.line_number.saturating_add(1);
        let line_number = self.line_number;
        let action = Action::parse(line).map_err(|error| ProtocolError {
            line_number,
            kind: ProtocolErrorKind::Malformed(error),
        })?;
        self.accept(action).map_err(|action| ProtocolError {
            line_number,
            kind: ProtocolErrorKind::Unexpected { action },
        })
    }

    /// Applies an action. Fails with its name if it is not expected now.
    fn accept(&mut self, action: Action) -> Result<Event, String> {
        let (name, event) = match action {
            Action::Checkpoint(exception) => return self.accept_answer(exception),
            Action::Initialize(initialization) => {
                (INITIALIZE.into(), Event::Initialize(initialization))
            }
            Action::ProcessRecords(mut batch) => {
                batch.apply(self.malformed);
                (PROCESS_RECORDS.into(), Event::ProcessRecords(batch))
            }
            Action::LeaseLost => (LEASE_LOST.into(), Event::LeaseLost),
            Action::ShardEnded => (SHARD_ENDED.into(), Event::ShardEnded),
            Action::ShutdownRequested => (SHUTDOWN_REQUESTED.into(), Event::ShutdownRequested),
            Action::Unknown(action) => (action.clone(), Event::Unknown { action }),
        };
        let is_initialized = match (&self.state, &event) {
            (State::New, Event::Unknown { .. }) => false,
            (State::New, Event::Initialize(_)) => true,
            (State::New, _) | (State::Idle, Event::Initialize(_)) => return Err(name),
            (State::Idle, _) => true,
            (State::Call(_) | State::Checkpoint(_), _) => return Err(name),
        };
        self.state = State::Call(Call {
            action: name,
            is_initialized,
            is_end_stored: false,
        });
        Ok(event)
    }

    fn accept_answer(&mut self, exception: Option<String>) -> Result<Event, String> {
        let State::Checkpoint(call) = &mut self.state else {
            return Err(CHECKPOINT.into());
        };
        call.is_end_stored = exception.is_none();
        self.state = State::Call(call.clone());
        let rejection = exception.map(CheckpointRejection::of_exception);
        Ok(Event::CheckpointAnswered(rejection.map_or(Ok(()), Err)))
    }

    /// Returns the line to send to request a checkpoint. The next line from the
    /// daemon is the answer.
    ///
    /// The position is the sequence number and the sub-sequence number of the
    /// last processed record; `None` means all records passed on so far, or in
    /// `shardEnded` the end of the shard.
    ///
    /// # Errors
    ///
    /// [`MisuseError::NotNow`] if no call is running or another checkpoint has no
    /// answer yet, [`MisuseError::CheckpointNotAllowed`] if the daemon rejects
    /// such a checkpoint during this call, and
    /// [`MisuseError::SubSequenceNumberTooLarge`] if the daemon could not parse the
    /// line.
    pub fn checkpoint(&mut self, position: Option<(&str, u64)>) -> Result<String, MisuseError> {
        let State::Call(call) = &self.state else {
            return Err(MisuseError::NotNow);
        };
        match call.action.as_str() {
            INITIALIZE | LEASE_LOST => return Err(MisuseError::CheckpointNotAllowed),
            SHARD_ENDED if position.is_some() => return Err(MisuseError::CheckpointNotAllowed),
            _ => {}
        }
        let (sequence_number, sub_sequence_number) = position.unzip();
        if sub_sequence_number.is_some_and(|number| i64::try_from(number).is_err()) {
            return Err(MisuseError::SubSequenceNumberTooLarge);
        }
        self.state = State::Checkpoint(call.clone());
        let reply = json!({
            "action": CHECKPOINT,
            "sequenceNumber": sequence_number,
            "subSequenceNumber": sub_sequence_number,
        });
        Ok(format!("{reply}\n"))
    }

    /// Returns the line to send to return from the running call.
    ///
    /// # Errors
    ///
    /// [`MisuseError::NotNow`] if no call is running or a checkpoint has no answer
    /// yet, and [`MisuseError::ShardEndNotCheckpointed`] in `shardEnded` if its
    /// last checkpoint was not stored.
    pub fn complete(&mut self) -> Result<String, MisuseError> {
        let State::Call(call) = &self.state else {
            return Err(MisuseError::NotNow);
        };
        if call.action == SHARD_ENDED && !call.is_end_stored {
            return Err(MisuseError::ShardEndNotCheckpointed);
        }
        let reply = json!({ "action": "status", "responseFor": call.action });
        self.state = if call.is_initialized {
            State::Idle
        } else {
            State::New
        };
        Ok(format!("{reply}\n"))
    }
}
