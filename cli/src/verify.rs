//! Whether Kinesis records are what they seem to be.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use kinesis_agg::codec::{Parsed, ReadSlot, parse};
use kinesis_agg::read::UserRecord;

use crate::explain::{self, BitSearch, Explanation};
use crate::input::{Blobs, Format, Input};
use crate::output::{Out, cannot_write};
use crate::progress::Progress;
use crate::style::{Styles, painted};
use crate::text::{count, grouped, wide};

/// Check Kinesis records, and explain each bad one at its first broken byte.
///
/// Bad is an aggregate that is malformed or damaged: its message is not valid,
/// or magic, length or digest are wrong. What does not look like an aggregate is
/// plain, and not bad. An aggregate that consumers may drop gets a warning.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ kinesis-agg verify records.ndjson
  $ kinesis-agg verify *.bin && echo all good

  # All that is in the record that is bad.
  $ kinesis-agg verify dump.json
  record 4 (dump.json, document 1): damaged, digest mismatch
  ...
  $ kinesis-agg inspect --record 4 dump.json

Exit status: 0 if none is bad, 1 if one is or cannot be read, 2 for wrong usage.")]
pub(crate) struct Args {
    /// Files to read in order; `-` is standard input, and so is none at all.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How Kinesis records are written in the files [default: told from how each file begins].
    #[arg(long, value_enum, value_name = "FORMAT")]
    from: Option<Format>,
}

/// How many there were of each kind.
#[derive(Debug, Default)]
struct Tally {
    records: u64,
    aggregated: u64,
    user_records: u64,
    plain: u64,
    bad: u64,
    search: BitSearch,
}

/// What is told of a Kinesis record.
enum Finding {
    Nothing,
    /// Good, but consumers may not get it.
    Warning(String),
    Bad(String, Explanation),
}

pub(crate) fn run(args: &Args, styles: &Styles, out: &mut Out<'_>) -> anyhow::Result<ExitCode> {
    let progress = Progress::before_output(&args.files);
    let blobs = Blobs::new(Input::new(&args.files, progress.clone()), args.from);
    let mut tally = Tally::default();
    let result = verify_all(blobs, &mut tally, &progress, styles, out);
    progress.clear();
    // What was read before an error has its verdict.
    if tally.records > 0 || result.is_ok() {
        tally.print(styles, out).map_err(cannot_write)?;
    }
    result.map(|()| match tally.bad {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn verify_all(
    mut blobs: Blobs,
    tally: &mut Tally,
    progress: &Progress,
    styles: &Styles,
    out: &mut Out<'_>,
) -> anyhow::Result<()> {
    let mut slots = Vec::new();
    while blobs.advance()? {
        let index = tally.records;
        tally.records = index.saturating_add(1);
        let which = painted(styles.heading, format_args!("record {index}"));
        let blob = match blobs.current() {
            Ok(blob) => blob,
            Err(error) => {
                tally.bad = tally.bad.saturating_add(1);
                let what = painted(styles.bad, format_args!("cannot be read, {error:#}"));
                let told = progress.aside(|| {
                    writeln!(out, "{which}: {what}")?;
                    out.flush()
                });
                told.map_err(cannot_write)?;
                continue;
            }
        };
        let (what, explanation) = match tally.judge(blob.data, &mut slots) {
            Finding::Nothing => continue,
            Finding::Warning(what) => (painted(styles.doubtful, what), None),
            Finding::Bad(what, explanation) => (painted(styles.bad, what), Some(explanation)),
        };
        let told = progress.aside(|| {
            writeln!(out, "{which} ({}): {what}", blob.place)?;
            if let Some(explanation) = explanation {
                explanation.print(blob.data, styles, out)?;
            }
            out.flush()
        });
        told.map_err(cannot_write)?;
    }
    Ok(())
}

impl Tally {
    fn judge(&mut self, data: &[u8], slots: &mut Vec<ReadSlot>) -> Finding {
        match parse(data) {
            Ok(Parsed::Aggregated(aggregated)) => {
                let len = wide(aggregated.record_count());
                self.aggregated = self.aggregated.saturating_add(1);
                self.user_records = self.user_records.saturating_add(len);
                slots.resize(aggregated.key_count(), ReadSlot::default());
                let mut user_records = aggregated.user_records_in(&mut slots[..]);
                let is_nowhere = |user_record: &UserRecord<'_>| user_record.hash_key().is_err();
                if len == 0 {
                    return Finding::Warning("aggregated, but without user records".to_owned());
                }
                match user_records.find(is_nowhere) {
                    None => Finding::Nothing,
                    Some(first) => Finding::Warning(format!(
                        "aggregated, but user record {} is in no shard: its explicit hash key is \
                         no number (0 to 2^128 - 1)",
                        first.sub_sequence_number()
                    )),
                }
            }
            Ok(Parsed::Plain(reason)) => match explain::damaged(data, reason, &mut self.search) {
                None => {
                    self.plain = self.plain.saturating_add(1);
                    Finding::Nothing
                }
                Some(explanation) => {
                    self.bad = self.bad.saturating_add(1);
                    Finding::Bad(format!("damaged, {reason}"), explanation)
                }
            },
            Err(error) => {
                self.bad = self.bad.saturating_add(1);
                Finding::Bad(format!("malformed, {error}"), explain::malformed(error))
            }
        }
    }

    fn print(&self, styles: &Styles, out: &mut Out<'_>) -> io::Result<()> {
        let [aggregated, plain] = [self.aggregated, self.plain].map(grouped);
        let bad = match self.bad {
            0 => painted(styles.good, "none bad"),
            bad => painted(styles.bad, format_args!("{} bad", grouped(bad))),
        };
        let records = count(self.records, "Kinesis record");
        let user_records = count(self.user_records, "user record");
        writeln!(
            out,
            "{records}: {aggregated} aggregated with {user_records}, {plain} plain, {bad}"
        )
    }
}
