//! A record processor for the KCL's MultiLangDaemon: counts the user records of
//! each partition key of a shard into a file.
//!
//! Under the daemon, `multilang.properties` starts it. By hand, it reads the lines
//! of a daemon from a file:
//!
//! ```sh
//! cargo run -p kinesis-agg --example multilang --features multilang -- target/counts \
//!     < codec-std/examples/multilang.ndjson
//! cat target/counts/shardId-000000000000.json
//! ```

extern crate alloc;

use alloc::collections::BTreeMap;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs, io};

use kinesis_agg::ExtendedSequenceNumber;
use kinesis_agg::multilang::{
    self, Checkpointer, DaemonRecord, Initialization, ProcessorError, RecordBatch, RecordProcessor,
    ShardEndCheckpointed, ShardEndCheckpointer,
};
use serde_json::json;

/// A checkpoint is a write to DynamoDB.
const RECORDS_PER_CHECKPOINT: u64 = 1_000;
const TIME_PER_CHECKPOINT: Duration = Duration::from_secs(30);

struct Counter {
    directory: PathBuf,
    /// The file of the shard.
    file: PathBuf,
    counts: BTreeMap<String, u64>,
    /// The last record that was counted.
    last: Option<ExtendedSequenceNumber>,
    since_checkpoint: u64,
    checkpoint_at: Instant,
}

impl Counter {
    fn new(directory: &Path) -> Self {
        Self {
            directory: directory.into(),
            file: PathBuf::new(),
            counts: BTreeMap::new(),
            last: None,
            since_checkpoint: 0,
            checkpoint_at: Instant::now(),
        }
    }

    fn count(&mut self, record: &DaemonRecord) -> Result<(), ProcessorError> {
        // A malformed aggregate would count as one user record. A consumer that may
        // not stop stores it elsewhere instead.
        let position = record.checked()?.extended_sequence_number()?;
        // Delivered again after a crash, but counted in the file already.
        if self.last.as_ref().is_some_and(|last| position <= *last) {
            return Ok(());
        }
        let key = record.partition_key().unwrap_or_default();
        *self.counts.entry(key.to_owned()).or_default() += 1;
        self.last = Some(position);
        self.since_checkpoint += 1;
        Ok(())
    }

    /// Always before a checkpoint: what is checkpointed is not delivered again.
    fn save(&mut self) -> io::Result<()> {
        let last = self.last.as_ref().map(ToString::to_string);
        let json = json!({ "last": last, "counts": self.counts });
        let new_file = self.file.with_extension("new");
        fs::write(&new_file, json.to_string())?;
        fs::rename(new_file, &self.file)?;
        self.since_checkpoint = 0;
        self.checkpoint_at = Instant::now();
        Ok(())
    }
}

impl RecordProcessor for Counter {
    fn initialize(&mut self, shard: &Initialization) -> Result<(), ProcessorError> {
        self.file = self.directory.join(shard.shard_id()).with_extension("json");
        if let Ok(json) = fs::read(&self.file) {
            let mut saved: serde_json::Value = serde_json::from_slice(&json)?;
            self.counts = serde_json::from_value(saved["counts"].take())?;
            self.last = saved["last"].as_str().map(str::parse).transpose()?;
        }
        Ok(())
    }

    fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &mut Checkpointer<'_>,
    ) -> Result<(), ProcessorError> {
        for record in batch.records() {
            self.count(record)?;
            if self.since_checkpoint == RECORDS_PER_CHECKPOINT {
                self.save()?;
                // Also in the middle of an aggregate.
                checkpointer.checkpoint_at(record)?;
            }
        }
        if self.since_checkpoint > 0 && self.checkpoint_at.elapsed() >= TIME_PER_CHECKPOINT {
            self.save()?;
            checkpointer.checkpoint()?;
        }
        Ok(())
    }

    fn shard_ended(
        &mut self,
        checkpointer: ShardEndCheckpointer<'_>,
    ) -> Result<ShardEndCheckpointed, ProcessorError> {
        self.save()?;
        Ok(checkpointer.checkpoint()?)
    }

    fn shutdown_requested(
        &mut self,
        checkpointer: &mut Checkpointer<'_>,
    ) -> Result<(), ProcessorError> {
        self.save()?;
        checkpointer.checkpoint()?;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let directory = env::args().nth(1).ok_or("usage: multilang DIRECTORY")?;
    fs::create_dir_all(&directory)?;
    multilang::run(Counter::new(Path::new(&directory)))?;
    Ok(())
}
