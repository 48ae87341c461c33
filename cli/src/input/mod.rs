//! Kinesis records from files of every format.

pub(crate) mod data;
pub(crate) mod file;
mod format;
mod json;
mod lines;
pub(crate) mod progress;
pub(crate) mod shards;

use alloc::sync::Arc;
use core::fmt;
use std::path::PathBuf;

use anyhow::bail;
use kinesis_agg::EnclosingRecord as _;
use kinesis_agg::lambda::EventRecord;

use crate::diagnosis::search::{Budget, split_back_to_back};
use crate::input::file::OpenFile;
use crate::input::format::{Format, Guess};
pub(crate) use crate::input::json::offset_in;
use crate::input::progress::Progress;
use crate::output::{BadInput, note};
use crate::pipeline::{self, Closed, Consumer, Producer};

/// The arguments of commands that read Kinesis records.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct InputArgs {
    /// Files to read, in order [default: standard input, also `-`].
    ///
    /// Files may be compressed with gzip, zstd or lz4, and may be UTF-16. Blank lines are skipped.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Format of the files [default: detected for each file].
    #[arg(long, value_enum, value_name = "FORMAT")]
    from: Option<Format>,
}

/// A place in a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) spot: Spot,
}

/// A position in a file. Lines count from 1, all else from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spot {
    /// The whole file.
    File,
    /// What starts on this line.
    Line(u64),
    /// An element of the JSON document that starts on this line: the line, then the element.
    Element(u64, u64),
    /// What starts at this byte.
    Byte(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match self.spot {
            Spot::File => Ok(()),
            Spot::Line(line) => write!(f, ", line {line}"),
            Spot::Element(line, element) => write!(f, ", line {line}, element {element}"),
            Spot::Byte(byte) => write!(f, ", byte {byte}"),
        }
    }
}

/// A Kinesis record, and where it was read.
#[derive(Debug)]
pub(crate) struct KinesisRecord {
    pub(crate) place: Place,
    pub(crate) event: EventRecord,
}

pub(crate) type Item = Result<KinesisRecord, BadInput>;

/// How to handle text in which no format is recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrecognized {
    /// Read it as raw data, and print a note.
    Raw,
    /// Report the file as a record that cannot be read, and continue with the next file.
    Unreadable,
    /// Reject it, and ask for `--from`.
    WrongUsage,
}

impl InputArgs {
    /// Starts a thread that reads all Kinesis records.
    pub(crate) fn read(
        &self,
        unrecognized: Unrecognized,
        progress: &Progress,
    ) -> anyhow::Result<Consumer<Item>> {
        let (Self { files, from }, progress) = (self.clone(), progress.clone());
        pipeline::start(pipeline::MAX_LEN, move |producer| {
            let mut budget = Budget::default();
            for path in or_stdin(files) {
                // Opening a pipe may block for long.
                producer.flush()?;
                let mut file = OpenFile::open(&path, &progress)?;
                let mut sink = Sink {
                    name: file::name(&path).into(),
                    producer,
                    budget: &mut budget,
                };
                let format = match from {
                    Some(format) => Some(format),
                    None => sink.detect(&mut file, unrecognized)?,
                };
                if let Some(format) = format {
                    sink.read(&mut file, format)?;
                }
            }
            Ok(())
        })
    }
}

/// Returns the files, or standard input if there are none.
pub(crate) fn or_stdin(files: Vec<PathBuf>) -> Vec<PathBuf> {
    match files.is_empty() {
        true => vec![PathBuf::from("-")],
        false => files,
    }
}

/// Receives the records of a file.
struct Sink<'a> {
    name: Arc<str>,
    producer: &'a mut Producer<Item>,
    budget: &'a mut Budget,
}

impl Sink<'_> {
    /// Detects the format; `None` if there is nothing to read.
    fn detect(
        &mut self,
        file: &mut OpenFile,
        unrecognized: Unrecognized,
    ) -> anyhow::Result<Option<Format>> {
        let guess = Format::guess(file.head(&mut || self.producer.flush())?);
        match (guess, unrecognized) {
            (Guess::Is(format), _) => Ok(Some(format)),
            (Guess::Empty, _) => Ok(None),
            (Guess::Binary, _) => Ok(Some(Format::Raw)),
            (Guess::Text(_), Unrecognized::Raw) => {
                note(format_args!(
                    "{}: no format recognized, so the file is read as one raw blob. Convert a dump of bytes \
                     with `xxd -p`, or see --from",
                    self.name
                ));
                Ok(Some(Format::Raw))
            }
            (Guess::Text(why), Unrecognized::Unreadable) => {
                self.push(Spot::File, Err(why.to_owned()))?;
                Ok(None)
            }
            (Guess::Text(why), Unrecognized::WrongUsage) => {
                bail!("{}: {why}", self.name)
            }
        }
    }

    fn read(&mut self, file: &mut OpenFile, format: Format) -> anyhow::Result<()> {
        match format {
            Format::Raw => {
                let data = file.read_all(&mut || self.producer.flush())?;
                Ok(self.push_raw(data)?)
            }
            Format::Hex | Format::Base64 => lines::read(self, file, format),
            Format::Dump => lines::read_dump(self, file),
            Format::Json
            | Format::Lambda
            | Format::Firehose
            | Format::Analytics
            | Format::GetRecords => json::read(self, file, format),
        }
    }

    /// Adds one record, or several if the data is intact aggregates back to back.
    fn push_raw(&mut self, data: Vec<u8>) -> Result<(), Closed> {
        if data.is_empty() {
            return Ok(());
        }
        let parts = split_back_to_back(&data, self.budget);
        if parts.is_empty() {
            return self.push_data(Spot::File, data);
        }
        parts.into_iter().try_for_each(|part| {
            let bytes = data.get(part.clone()).unwrap_or_default();
            self.push_data(Spot::Byte(part.start), bytes.to_vec())
        })
    }

    fn push_data(&mut self, spot: Spot, data: Vec<u8>) -> Result<(), Closed> {
        self.push(spot, Ok(EventRecord::from_data(data)))
    }

    fn push(&mut self, spot: Spot, record: Result<EventRecord, String>) -> Result<(), Closed> {
        /// Bytes of memory that a record uses besides its data.
        const AROUND: usize = 512;
        let file = Arc::clone(&self.name);
        let place = Place { file, spot };
        let len = record.as_ref().map_or(0, |record| record.data().len());
        let item = match record {
            Ok(event) => Ok(KinesisRecord { place, event }),
            Err(why) => Err(BadInput { place, why }),
        };
        self.producer.push(item, len.saturating_add(AROUND))
    }
}
