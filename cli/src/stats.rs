//! What is in many Kinesis records together.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::hash_key_ranges::RangeShares;
use crate::input::{Blobs, Format, Input};
use crate::output::{JsonLines, Out, cannot_write};
use crate::progress::Progress;
use crate::report::Report;
use crate::shards;
use crate::style::Styles;
use crate::svg;
use crate::totals::Totals;

/// Count what is in many Kinesis records: user records, bytes, hot keys.
///
/// Reads what deaggregate reads, once and as it comes: memory grows with the
/// distinct partition keys only, and all numbers are exact. A Kinesis record
/// that is not aggregated is one user record, under its own partition key if the
/// input has that. A malformed one only counts as such.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ kinesis-agg stats dump-*.json

  # Which shards are hot? As a picture, too.
  $ aws kinesis list-shards --stream-name ... > shards.json
  $ kinesis-agg stats --shards shards.json --svg shards.svg dump.json

  # The hottest partition key, for a script.
  $ kinesis-agg stats --json --top 1 dump.json | jq '.partitionKeys.hot[0]'")]
pub(crate) struct Args {
    /// Files to read in order; `-` is standard input, and so is none at all.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How Kinesis records are written in the files [default: told from how each file begins].
    #[arg(long, value_enum, value_name = "FORMAT")]
    from: Option<Format>,

    /// Partition keys to list, from the one with the most user records on.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    #[arg(
        long,
        value_name = "N",
        default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=MAX_RANGES),
        help = format!("Hash key ranges of one length to count in, 1 to {MAX_RANGES}"),
        conflicts_with = "shards"
    )]
    ranges: u16,

    /// Count in the ranges of shards instead: the JSON that ListShards answers.
    #[arg(long, value_name = "FILE")]
    shards: Option<PathBuf>,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,

    /// Draw the hash key ranges into this file, too.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Ranges that a person can still look through.
const MAX_RANGES: i64 = 256;

pub(crate) fn run(args: &Args, styles: &Styles, out: &mut Out<'_>) -> anyhow::Result<()> {
    let ranges = match &args.shards {
        Some(file) => RangeShares::of_shards(&shards::read(file)?),
        None => RangeShares::equal(args.ranges),
    };
    let progress = Progress::before_output(&args.files);
    let mut blobs = Blobs::new(Input::new(&args.files, progress.clone()), args.from);
    let mut totals = Totals::new(ranges);
    while let Some(blob) = blobs.next()? {
        totals.add(&blob);
    }
    progress.clear();
    let report = Report::new(&totals, args.top);
    if args.json {
        let mut lines = JsonLines::new(&mut *out);
        lines.line(&report).and_then(|()| lines.flush())
    } else {
        report.print(styles, out)
    }
    .map_err(cannot_write)?;
    match &args.svg {
        None => Ok(()),
        Some(file) => {
            draw(file, &totals.ranges).with_context(|| format!("cannot write {}", file.display()))
        }
    }
}

fn draw(file: &Path, ranges: &RangeShares) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    svg::write("User records by hash key", ranges, &mut out)?;
    out.flush()
}
