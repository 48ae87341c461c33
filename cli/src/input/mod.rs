//! Kinesis records from files of every format.

pub(crate) mod file;
mod format;
mod json;
mod lines;
pub(crate) mod progress;
pub(crate) mod shards;
mod sink;

use std::path::PathBuf;

use anyhow::bail;

use crate::diagnosis::search::Budget;
use crate::error::{Spot, note};
use crate::input::file::OpenFile;
use crate::input::format::{Format, Guess};
use crate::input::progress::Progress;
use crate::input::sink::Sink;
pub(crate) use crate::input::sink::{Item, KinesisRecord};
use crate::pipeline::{self, Consumer};

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
                    None => detect(&mut sink, &mut file, unrecognized)?,
                };
                if let Some(format) = format {
                    read(&mut sink, &mut file, format)?;
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

/// Detects the format; `None` if there is nothing to read.
fn detect(
    sink: &mut Sink<'_>,
    file: &mut OpenFile,
    unrecognized: Unrecognized,
) -> anyhow::Result<Option<Format>> {
    let guess = Format::guess(file.head(&mut || sink.producer.flush())?);
    match (guess, unrecognized) {
        (Guess::Is(format), _) => Ok(Some(format)),
        (Guess::Empty, _) => Ok(None),
        (Guess::Binary, _) => Ok(Some(Format::Raw)),
        (Guess::Text(_), Unrecognized::Raw) => {
            note(format_args!(
                "{}: no format recognized, so the file is read as one raw blob. Convert a dump of bytes \
                     with `xxd -p`, or see --from",
                sink.name
            ));
            Ok(Some(Format::Raw))
        }
        (Guess::Text(why), Unrecognized::Unreadable) => {
            sink.push(Spot::File, Err(why.to_owned()))?;
            Ok(None)
        }
        (Guess::Text(why), Unrecognized::WrongUsage) => {
            bail!("{}: {why}", sink.name)
        }
    }
}

fn read(sink: &mut Sink<'_>, file: &mut OpenFile, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Raw => {
            let data = file.read_all(&mut || sink.producer.flush())?;
            Ok(sink.push_raw(data)?)
        }
        Format::Hex | Format::Base64 => lines::read(sink, file, format),
        Format::Dump => lines::read_dump(sink, file),
        Format::Json
        | Format::Lambda
        | Format::Firehose
        | Format::Analytics
        | Format::GetRecords => json::read(sink, file, format),
    }
}
