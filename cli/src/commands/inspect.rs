//! Shows what is in a Kinesis record, for people.

use core::time::Duration;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use kinesis_agg::codec::limits::MAGIC_LEN;
use kinesis_agg::codec::{AggregatedRecord, MAGIC, Parsed, ReadSlot, parse_without_digest};
use kinesis_agg::read::PlainReason;
use kinesis_agg::{EnclosingRecord as _, ShardMap};

use crate::commands::deaggregate::fields_of;
use crate::diagnosis::search::Budget;
use crate::diagnosis::{Diagnosis, Verdict, warnings};
use crate::error::cannot_write;
use crate::input::progress::Progress;
use crate::input::{InputArgs, Item, KinesisRecord, Unrecognized, shards};
use crate::output::Out;
use crate::render::chart::{Histogram, stacked};
use crate::render::contents::{KeyTables, print_user_records};
use crate::render::frame;
use crate::render::hash_key_ranges::RangeShares;
use crate::render::style::{Styles, VALUE_COLUMN, heading, line, painted};
use crate::render::text::{count, grouped, percent, shown, tenths, wide};

/// Show what is in Kinesis records: frame, keys, sizes, user records.
///
/// The output is for people; programs should read that of deaggregate. For a record that is
/// not aggregated, it explains why. The contents of a damaged record are shown if they can
/// still be parsed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ kinesis-agg inspect record.bin

  # One blob from a log, in hex or base64.
  $ echo 84mawgoBYQoBYhoFCAAaAXgaBQgBGgF5sAMZCa51iRypSs7C7M4xJQ== | kinesis-agg inspect

  # All user records of a dump, and how many user records of each aggregate are in each shard.
  $ aws kinesis get-records --shard-iterator ... > dump.json
  $ aws kinesis list-shards --stream-name ... > shards.json
  $ kinesis-agg inspect --all --shards shards.json dump.json

  # The record that verify reported.
  $ kinesis-agg inspect --record 4 dump.json

  # With colours in a pager.
  $ kinesis-agg inspect --color always records.ndjson | less -R

Lines and columns:
  outer key   partition key of the Kinesis record itself
  hash key    explicit hash key of the Kinesis record itself
  sequence    sequence number
  frame       offset of each part; stored: the digest in the record, computed: that of the message
  overhead    all bytes but the user data: keys, frame, and the fields around them
  #           number of a key, or of a user record (its sub-sequence number), from 0
  at          offset of the key, or of the user record's data, in the Kinesis record's data
  uses        number of user records with this key
  size        bytes of the user record's data

`kinesis-agg verify --help` explains the verdicts, such as damaged. Records, elements of a JSON
document and bytes are numbered from 0, lines from 1.

Exit status:
  0  success, also if records are bad; verify checks that
  1  a line or record cannot be read
  2  wrong usage, a file that cannot be read, or output that cannot be written")]
pub(crate) struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// Show only Kinesis record N, as numbered by verify and deaggregate.
    #[arg(long, value_name = "N")]
    record: Option<u64>,

    /// List all keys and user records instead of the first 20.
    #[arg(long)]
    all: bool,

    /// Show how many user records of each aggregate are in each shard.
    ///
    /// FILE holds the JSON that `aws kinesis list-shards` prints.
    #[arg(long, value_name = "FILE")]
    shards: Option<PathBuf>,
}

/// Rows of a table that are shown without `--all`.
const LISTED: usize = 20;

pub(crate) fn run(args: &Args, styles: &Styles, out: &mut Out<'_>) -> anyhow::Result<ExitCode> {
    let map = args.shards.as_deref().map(shards::read).transpose()?;
    let progress = Progress::beside_output(&args.input.files);
    let mut items = args.input.read(Unrecognized::Raw, &progress)?;
    let mut inspector = Inspector {
        styles,
        limit: if args.all { usize::MAX } else { LISTED },
        map: map.as_ref(),
        budget: Budget::default(),
        is_bad: false,
        out,
    };
    let mut record_index: u64 = 0;
    loop {
        // Print what there is before waiting for input.
        let idle = || inspector.out.flush().map_err(cannot_write);
        let batches = items.next_all(Duration::ZERO, idle)?;
        if batches.is_empty() {
            break;
        }
        for item in batches.iter().flat_map(|batch| batch.items()) {
            let index = record_index;
            record_index = index.saturating_add(1);
            match args.record {
                None => inspector.print(item, index, index > 0),
                Some(asked) if asked == index => inspector.print(item, index, false),
                Some(_) => Ok(()),
            }
            .map_err(cannot_write)?;
        }
        if args.record.is_some_and(|asked| asked < record_index) {
            break;
        }
    }
    if let Some(asked) = args.record
        && asked >= record_index
    {
        let records = count(record_index, "Kinesis record");
        bail!("there is no record {asked}: the input has {records}, numbered from 0");
    }
    Ok(match inspector.is_bad {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    })
}

/// Prints Kinesis records one by one.
#[derive(Debug)]
struct Inspector<'a, W> {
    styles: &'a Styles,
    /// The most rows to print of a table.
    limit: usize,
    map: Option<&'a ShardMap>,
    budget: Budget,
    /// True if something could not be read.
    is_bad: bool,
    out: W,
}

impl<W: Write> Inspector<'_, W> {
    fn print(&mut self, item: &Item, index: u64, is_next: bool) -> io::Result<()> {
        if is_next {
            writeln!(self.out)?;
        }
        match item {
            Ok(record) => self.inspect(record, index),
            Err(bad) => {
                self.is_bad = true;
                self.styles
                    .unreadable(index, &bad.place, &bad.why, &mut self.out)
            }
        }
    }

    fn inspect(&mut self, record: &KinesisRecord, index: u64) -> io::Result<()> {
        let styles = self.styles;
        let data = record.event.data();
        let diagnosis = Diagnosis::of(data, &mut self.budget);
        let what = painted(diagnosis.verdict.style(styles), diagnosis.headline());
        styles.title(index, &record.place, &what, &mut self.out)?;
        let fields = fields_of(&record.event);
        for (key, label) in [
            ("partitionKey", "outer key"),
            ("explicitHashKey", "hash key"),
            ("sequenceNumber", "sequence"),
        ] {
            if let Some(value) = fields.get_non_null(key) {
                self.line(label, value.get())?;
            }
        }
        if let Ok(Parsed::Plain(PlainReason::NoMagic)) = diagnosis.parsed {
            let start = data.get(..MAGIC_LEN).unwrap_or(data);
            let magic = hex::encode(MAGIC);
            let found = match start {
                [] => "none: the record is empty".to_owned(),
                start => format!("starts with {}, not {magic}", hex::encode(start)),
            };
            self.line("frame", &found)?;
        } else {
            frame::draw(data, styles, &mut self.out)?;
        }
        diagnosis.print(data, styles, &mut self.out)?;
        let damaged = match diagnosis.verdict {
            Verdict::Damaged => parse_without_digest(data).ok(),
            _ => None,
        };
        match (&diagnosis.parsed, &damaged) {
            (Ok(Parsed::Aggregated(aggregated)), _) | (_, Some(Parsed::Aggregated(aggregated))) => {
                self.contents(data, aggregated)
            }
            _ => {
                self.line("size", &count(wide(data.len()), "byte"))?;
                self.line("data", &shown(data, self.value_width()))
            }
        }
    }

    /// Returns the width of the column of values, in cells.
    const fn value_width(&self) -> usize {
        self.styles.width.saturating_sub(VALUE_COLUMN)
    }

    fn line(&mut self, label: &str, value: &str) -> io::Result<()> {
        line(label, value, self.styles, &mut self.out)
    }

    fn contents(&mut self, data: &[u8], aggregated: &AggregatedRecord<'_>) -> io::Result<()> {
        let counts = [
            count(wide(aggregated.record_count()), "user record"),
            count(wide(aggregated.partition_key_count()), "partition key"),
            count(
                wide(aggregated.explicit_hash_key_count()),
                "explicit hash key",
            ),
        ];
        self.line("counts", &counts.join(", "))?;
        let mut slots = vec![ReadSlot::default(); aggregated.key_count()];
        for warning in warnings(aggregated, &mut slots) {
            let warning = painted(self.styles.doubtful, warning);
            self.styles.paragraph("  ", &warning, &mut self.out)?;
        }
        let mut keys = KeyTables::of(data, aggregated);
        let mut sizes = Histogram::default();
        let mut shares = self.map.map(RangeShares::of_shards);
        for user_record in aggregated.user_records_in(&mut slots[..]) {
            keys.count(data, &user_record);
            sizes.add(wide(user_record.data().len()));
            if let Some(shares) = &mut shares {
                shares.add_user_record(&user_record);
            }
        }
        self.sizes(data, keys.keys_len(), &sizes)?;
        keys.print(self.limit, self.styles, &mut self.out)?;
        if let Some(shares) = shares {
            self.shards(&shares)?;
        }
        print_user_records(data, aggregated, self.limit, self.styles, &mut self.out)
    }

    /// Prints what the bytes of the record consist of.
    fn sizes(&mut self, data: &[u8], keys_len: usize, sizes: &Histogram) -> io::Result<()> {
        let styles = self.styles;
        let len = wide(data.len());
        let user_data_len = u64::try_from(sizes.sum()).unwrap_or(len);
        let keys_len = wide(keys_len);
        let around = len.saturating_sub(user_data_len).saturating_sub(keys_len);
        let parts = [
            (user_data_len, "█", "user data", styles.data),
            (keys_len, "▓", "keys", styles.key),
            (around, "░", "frame and fields", styles.aside),
        ];
        let legend = parts.map(|(len, mark, what, style)| {
            let mark = painted(style, format_args!("{mark} {what}"));
            format!("{} {mark}", grouped(len))
        });
        self.line(
            "size",
            &format!("{}: {}", count(len, "byte"), legend.join(", ")),
        )?;
        let overhead = keys_len.saturating_add(around);
        let each = match sizes.count() {
            0 => String::new(),
            records => format!(", {} per user record", tenths(overhead.into(), records)),
        };
        let share = percent(overhead, len);
        let text = format!(
            "{} with the keys ({share} %){each}",
            count(overhead, "byte")
        );
        self.line("overhead", &text)?;
        let bar = stacked(parts.map(|(len, mark, ..)| (len, mark)), self.value_width());
        let bar = bar.into_iter().zip(parts);
        let bar: String = bar.map(|(bar, (.., style))| painted(style, bar)).collect();
        self.line("", &bar)?;
        if sizes.count() > 0 {
            let text = format!("user records of {}", sizes.summary("byte"));
            self.line("sizes", &text)?;
        }
        sizes.print("user record", styles, &mut self.out)
    }

    fn shards(&mut self, shares: &RangeShares) -> io::Result<()> {
        heading("shards", self.styles, &mut self.out)?;
        shares.print(self.styles, &mut self.out)?;
        let warning = match (shares.filled_count(), shares.nowhere()) {
            (0 | 1, 0) => return Ok(()),
            (_, 1..) => {
                "consumers that filter by shard, such as the KCL, drop this aggregate entirely"
            }
            _ => {
                "spans several shards: consumers that filter by shard, such as the KCL, drop it \
                 entirely"
            }
        };
        let warning = painted(self.styles.bad, warning);
        self.styles.paragraph("    ", &warning, &mut self.out)
    }
}
