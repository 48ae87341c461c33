//! Summarizes many Kinesis records.

use core::time::Duration;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::commands::report::Report;
use crate::commands::totals::Totals;
use crate::error::{cannot_write, note};
use crate::input::progress::Progress;
use crate::input::{InputArgs, Unrecognized, shards};
use crate::output::Out;
use crate::render::hash_key_ranges::RangeShares;
use crate::render::style::Styles;
use crate::render::svg;

/// Count what is in many Kinesis records: user records, bytes, hot keys.
///
/// Reads the same input as deaggregate. All numbers are exact. A Kinesis record that is not
/// aggregated counts as one user record, under its own partition key if the input has it.
/// Malformed and unreadable records are counted, but their contents are not. Memory use grows
/// with the number of distinct partition keys and with the largest line, JSON document or raw
/// file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ kinesis-agg stats dump-*.json

  # Which shards are hot? Also as a picture.
  $ aws kinesis list-shards --stream-name ... > shards.json
  $ kinesis-agg stats --shards shards.json --svg shards.svg dump.json

  # The hottest partition key, for a script.
  $ kinesis-agg stats --json --top 1 dump.json | jq '.partitionKeys.hot[0]'

The mean is that of all ranges. A range with more than 1.5 times the mean has another colour.
`kinesis-agg verify --help` explains the verdicts, such as damaged.

Exit status:
  0  success, no record is bad
  1  at least one record is bad or unreadable
  2  wrong usage, a file that cannot be read, or output that cannot be written")]
pub(crate) struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// How many partition keys to list: those with the most user records.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    #[arg(
        long,
        value_name = "N",
        default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=MAX_RANGES),
        help = format!("Count in this many hash key ranges of equal length: 1 to {MAX_RANGES}"),
        conflicts_with = "shards"
    )]
    ranges: u16,

    /// Count in the hash key ranges of the stream's open shards.
    ///
    /// FILE holds the JSON that `aws kinesis list-shards` prints.
    #[arg(long, value_name = "FILE")]
    shards: Option<PathBuf>,

    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,

    /// Also draw the hash key ranges as a picture (SVG) into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// The most ranges that a person can still read.
const MAX_RANGES: i64 = 256;

pub(crate) fn run(args: &Args, styles: &Styles, out: &mut Out<'_>) -> anyhow::Result<ExitCode> {
    let ranges = match &args.shards {
        Some(file) => RangeShares::of_shards(&shards::read(file)?),
        None => RangeShares::equal(args.ranges),
    };
    let progress = Progress::before_output(&args.input.files);
    let mut items = args.input.read(Unrecognized::Unreadable, &progress)?;
    let mut totals = Totals::new(ranges);
    let read = loop {
        match items.next_all(Duration::ZERO, || Ok(())) {
            Ok(batches) if batches.is_empty() => break Ok(()),
            Ok(batches) => {
                let items = batches.iter().flat_map(|batch| batch.items());
                items.for_each(|item| match item {
                    Ok(record) => totals.add(&record.event),
                    Err(bad) => {
                        totals.add_unreadable();
                        progress.aside(|| note(format_args!("{bad}")));
                    }
                });
            }
            Err(error) => break Err(error),
        }
    };
    progress.clear();
    // Records that were read before an error are reported.
    if read.is_ok() || totals.kinesis_records > 0 {
        let report = Report::new(&totals, args.top);
        if args.json {
            let written = serde_json::to_writer(&mut *out, &report);
            written
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out))
        } else {
            report.print(styles, out)
        }
        .map_err(cannot_write)?;
    }
    read?;
    if let Some(file) = &args.svg {
        let drawn = draw(file, &totals.ranges);
        drawn.with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(match totals.bad {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn draw(file: &Path, ranges: &RangeShares) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    svg::write("User records by hash key", ranges, &mut out)?;
    out.flush()
}
