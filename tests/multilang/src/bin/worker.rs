//! A record processor that logs what it does, for the judge in `run.py`.
//!
//! Environment: `WORKER`, its daemon's name; `LOGS`, the folder for its log;
//! `CONTROL=1` makes it checkpoint before it processes. It panics once when it
//! finds a file `panic-WORKER` in that folder, in the middle of a batch.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, process, thread};

use kinesis_agg::multilang::{
    self, CheckpointError, Checkpointer, DaemonRecord, Initialization, ProcessorError, RecordBatch,
    RecordProcessor, ShardEndCheckpointed, ShardEndCheckpointer, Undecoded,
};
use serde_json::{Value, json};

/// User records between two checkpoints. It is not a multiple of the user records in an
/// aggregate, so most checkpoints are inside one.
const RECORDS_PER_CHECKPOINT: u64 = 17;

struct Worker {
    log: File,
    panic_file: PathBuf,
    is_control: bool,
    processed: u64,
}

impl Worker {
    fn new() -> Result<Self, ProcessorError> {
        let worker = env::var("WORKER")?;
        let logs = PathBuf::from(env::var("LOGS")?);
        let log = logs.join(format!("{worker}.{}.ndjson", process::id()));
        Ok(Self {
            log: File::create(log)?,
            panic_file: logs.join(format!("panic-{worker}")),
            is_control: env::var_os("CONTROL").is_some(),
            processed: 0,
        })
    }

    /// Writes a line to the log with one system call, so that it is complete even if the
    /// process is killed next.
    fn write(&mut self, event: &str, mut fields: Value) -> Result<(), ProcessorError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        fields["event"] = event.into();
        fields["at"] = now.as_secs_f64().into();
        Ok(self.log.write_all(format!("{fields}\n").as_bytes())?)
    }

    fn process(&mut self, record: &DaemonRecord) -> Result<(), ProcessorError> {
        self.processed += 1;
        let fields = json!({
            "record": str::from_utf8(record.data())?,
            "key": record.partition_key(),
            "position": position(record),
        });
        self.write("processed", fields)
    }

    fn checkpointed(
        &mut self,
        position: Value,
        answer: &Result<(), CheckpointError>,
    ) -> Result<(), ProcessorError> {
        let error = answer.as_ref().err().map(ToString::to_string);
        let fields = json!({ "position": position, "error": error });
        self.write("checkpointed", fields)
    }

    fn panic_if_told(&self) {
        if fs::remove_file(&self.panic_file).is_ok() {
            panic!("panic requested by {}", self.panic_file.display());
        }
    }
}

fn position(record: &DaemonRecord) -> Value {
    json!([record.sequence_number(), record.sub_sequence_number()])
}

impl RecordProcessor for Worker {
    fn initialize(&mut self, shard: &Initialization) -> Result<(), ProcessorError> {
        // This must not reach the daemon.
        println!("this goes to standard error");
        let position = json!([shard.sequence_number(), shard.sub_sequence_number()]);
        let fields = json!({ "shard": shard.shard_id(), "position": position });
        self.write("initialized", fields)
    }

    fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &mut Checkpointer<'_>,
    ) -> Result<(), ProcessorError> {
        let records = batch.records();
        if let (true, Some(last)) = (self.is_control, records.last()) {
            let answer = checkpointer.checkpoint();
            self.checkpointed(position(last), &answer)?;
            answer?;
        }
        for (place, record) in records.iter().enumerate() {
            if let Some(undecoded) = record.undecoded() {
                let undecoded = match undecoded {
                    Undecoded::Plain(reason) => reason.to_string(),
                    Undecoded::Malformed(_) => "malformed".to_owned(),
                };
                self.write("undecoded", json!({ "undecoded": undecoded }))?;
                continue;
            }
            if place == records.len() / 2 && place > 0 {
                self.panic_if_told();
            }
            self.process(record)?;
            if !self.is_control && self.processed.is_multiple_of(RECORDS_PER_CHECKPOINT) {
                let answer = checkpointer.checkpoint_at(record);
                self.checkpointed(position(record), &answer)?;
                answer?;
            }
        }
        Ok(())
    }

    fn lease_lost(&mut self) -> Result<(), ProcessorError> {
        self.write("lease lost", json!({}))
    }

    fn shard_ended(
        &mut self,
        checkpointer: ShardEndCheckpointer<'_>,
    ) -> Result<ShardEndCheckpointed, ProcessorError> {
        let checkpointed = checkpointer.checkpoint()?;
        self.write("shard ended", json!({}))?;
        Ok(checkpointed)
    }

    fn shutdown_requested(
        &mut self,
        checkpointer: &mut Checkpointer<'_>,
    ) -> Result<(), ProcessorError> {
        let answer = checkpointer.checkpoint();
        let error = answer.as_ref().err().map(ToString::to_string);
        self.write("shutdown requested", json!({ "error": error }))?;
        Ok(answer?)
    }
}

fn main() -> Result<(), ProcessorError> {
    let worker = Worker::new()?;
    let run = thread::spawn(|| multilang::run(worker));
    match run.join() {
        Ok(result) => Ok(result?),
        // The runner has to end the process; otherwise, the daemon would wait for ever.
        Err(_panic) => loop {
            thread::park();
        },
    }
}
