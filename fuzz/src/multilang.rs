//! Runs a record processor on arbitrary lines from a daemon, and compares its answers and what
//! it received with the lines, parsed as general JSON.

use std::cell::RefCell;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kinesis_agg::multilang::{
    Checkpointer, DaemonRecord, Initialization, ProcessorError, RecordBatch, RecordProcessor,
    RunError, Runner, ShardEndCheckpointed, ShardEndCheckpointer,
};
use serde_json::Value;

/// Records what it receives, and checkpoints where the input says so.
struct Processor<'a> {
    seen: &'a RefCell<Vec<Seen>>,
    choices: u8,
}

#[derive(Debug)]
struct Seen {
    method: &'static str,
    records: Vec<DaemonRecord>,
}

impl Processor<'_> {
    fn see(&self, method: &'static str, records: Vec<DaemonRecord>) {
        self.seen.borrow_mut().push(Seen { method, records });
    }

    fn checkpoint(
        &self,
        records: &[DaemonRecord],
        checkpointer: &mut Checkpointer<'_>,
    ) -> Result<(), ProcessorError> {
        if self.choices & 1 != 0 {
            checkpointer.checkpoint()?;
        }
        if let (true, Some(record)) = (self.choices & 2 != 0, records.first()) {
            let result = checkpointer.checkpoint_at(record);
            if self.choices & 4 != 0 {
                result?;
            }
        }
        Ok(())
    }
}

impl RecordProcessor for Processor<'_> {
    fn initialize(&mut self, _: &Initialization) -> Result<(), ProcessorError> {
        self.see("initialize", Vec::new());
        Ok(())
    }

    fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &mut Checkpointer<'_>,
    ) -> Result<(), ProcessorError> {
        self.see("processRecords", batch.records().to_vec());
        self.checkpoint(batch.records(), checkpointer)
    }

    fn lease_lost(&mut self) -> Result<(), ProcessorError> {
        self.see("leaseLost", Vec::new());
        Ok(())
    }

    fn shard_ended(
        &mut self,
        checkpointer: ShardEndCheckpointer<'_>,
    ) -> Result<ShardEndCheckpointed, ProcessorError> {
        self.see("shardEnded", Vec::new());
        Ok(checkpointer.checkpoint()?)
    }

    fn shutdown_requested(
        &mut self,
        checkpointer: &mut Checkpointer<'_>,
    ) -> Result<(), ProcessorError> {
        self.see("shutdownRequested", Vec::new());
        self.checkpoint(&[], checkpointer)
    }
}

const CALLS: [&str; 5] = [
    "initialize",
    "processRecords",
    "leaseLost",
    "shardEnded",
    "shutdownRequested",
];

/// Checks an input: a byte of choices, then the lines of a daemon.
pub fn check(input: &[u8]) {
    let Some((&choices, lines)) = input.split_first() else {
        return;
    };
    // A line with a fault in a field that the runner does not read is accepted, but the
    // general parser rejects it, so there is nothing to compare with.
    let mut understood = 0;
    let sent: Vec<Value> = lines
        .split_inclusive(|&byte| byte == b'\n')
        .map_while(|line| {
            let value = serde_json::from_slice(line).ok()?;
            understood += line.len();
            Some(value)
        })
        .collect();
    compare(choices, &lines[..understood], &sent);
    if understood < lines.len() {
        let _no_panic = run(choices, lines);
    }
}

/// Returns the result, what the processor received, and the lines to the daemon.
fn run(choices: u8, lines: &[u8]) -> (Result<(), RunError>, Vec<Seen>, String) {
    let seen = RefCell::new(Vec::new());
    let processor = Processor {
        seen: &seen,
        choices,
    };
    let mut output = Vec::new();
    let attempts = NonZeroU32::MIN.saturating_add(u32::from(choices >> 6));
    let runner = Runner::new().with_checkpoint_attempts(attempts);
    let result = runner
        .with_sleep(|_| {})
        .run_on(processor, lines, &mut output);
    let output = String::from_utf8(output).unwrap();
    assert!(output.is_empty() || output.ends_with('\n'));
    (result, seen.into_inner(), output)
}

fn compare(choices: u8, lines: &[u8], sent: &[Value]) {
    let (result, seen, output) = run(choices, lines);
    // The processor received what the lines contain.
    let calls: Vec<_> = sent
        .iter()
        .filter(|line| line["action"] != "checkpoint")
        .collect();
    let known = calls
        .iter()
        .filter(|line| CALLS.iter().any(|call| line["action"] == *call));
    assert!(known.clone().count() >= seen.len());
    for (seen, line) in seen.iter().zip(known) {
        assert_eq!(line["action"], seen.method);
        for (place, record) in seen.records.iter().enumerate() {
            let line = &line["records"][place];
            let data = STANDARD.decode(line["data"].as_str().unwrap()).unwrap();
            assert_eq!(record.data(), &data);
            assert_eq!(line["sequenceNumber"], record.sequence_number());
            assert_eq!(line["partitionKey"].as_str(), record.partition_key());
            let sub_sequence_number = line["subSequenceNumber"].as_u64().unwrap_or_default();
            assert_eq!(sub_sequence_number, record.sub_sequence_number());
        }
    }

    // Each call but the last has one answer, in order; the last one has an answer if it
    // succeeded. The answer to `shardEnded` follows a checkpoint.
    let mut is_checkpointed = false;
    let mut answered = 0;
    for line in output.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["action"] == "checkpoint" {
            is_checkpointed = true;
            continue;
        }
        assert_eq!(line["action"], "status");
        assert_eq!(line["responseFor"], calls[answered]["action"]);
        assert!(is_checkpointed || line["responseFor"] != "shardEnded");
        is_checkpointed = false;
        answered += 1;
    }
    match result {
        Ok(()) => assert_eq!(answered, calls.len()),
        Err(RunError::Protocol(error)) => assert!(error.line_number >= 1),
        Err(RunError::Processor { .. } | RunError::Disconnected) => {
            assert!(answered < calls.len());
        }
        Err(error) => panic!("{error}"),
    }
}
