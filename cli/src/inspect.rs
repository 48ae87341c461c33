//! What is in a Kinesis record, for people.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::bail;
use kinesis_agg::ShardMap;
use kinesis_agg::codec::limits::MAGIC_LEN;
use kinesis_agg::codec::{AggregatedRecord, MAGIC, Parsed, ReadSlot, parse, parse_without_digest};
use kinesis_agg::read::PlainReason;

use crate::billing::Savings;
use crate::chart::{Histogram, stacked};
use crate::explain::{self, BitSearch, Explanation};
use crate::frame;
use crate::hash_key_ranges::RangeShares;
use crate::input::{Blob, Blobs, Format, Input, Unknown};
use crate::key_tables::KeyTables;
use crate::output::{Out, cannot_write};
use crate::progress::Progress;
use crate::shards;
use crate::style::{Styles, VALUE_COLUMN, heading, line, painted};
use crate::text::{WIDTH, count, cut, grouped, percent, shown, tenths, wide};
use crate::user_records::UserRecordTable;

/// Show what is in Kinesis records: frame, keys, sizes, savings, user records.
///
/// For people; programs read what deaggregate prints. Of a record that is not
/// aggregated it says why, and shows the message of a damaged one all the same
/// if that can be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ kinesis-agg inspect record.bin

  # All user records of a dump, and what each shard has of each aggregate.
  $ aws kinesis get-records --shard-iterator ... > dump.json
  $ aws kinesis list-shards --stream-name ... > shards.json
  $ kinesis-agg inspect --all --shards shards.json dump.json

  # The one that verify complained of.
  $ kinesis-agg inspect --record 4 dump.json

  # In colour behind a pipe.
  $ kinesis-agg inspect --color always records.ndjson | less -R")]
pub(crate) struct Args {
    /// Files to read in order; `-` is standard input, and so is none at all.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How Kinesis records are written in the files [default: told from how each file begins, else raw].
    #[arg(long, value_enum, value_name = "FORMAT")]
    from: Option<Format>,

    /// Show this Kinesis record only, by the number that verify and deaggregate give it, from 0.
    #[arg(long, value_name = "N")]
    record: Option<u64>,

    /// List all keys and user records, however many there are.
    #[arg(long)]
    all: bool,

    /// Show what each shard has of an aggregate: the JSON that ListShards answers.
    #[arg(long, value_name = "FILE")]
    shards: Option<PathBuf>,
}

/// Lines of a table without `--all`.
const LISTED: usize = 20;

/// Characters of the widest value.
const VALUE_WIDTH: usize = WIDTH - VALUE_COLUMN;

pub(crate) fn run(args: &Args, styles: &Styles, out: &mut Out<'_>) -> anyhow::Result<()> {
    let map = args.shards.as_deref().map(shards::read).transpose()?;
    let input = Input::new(&args.files, Progress::beside_output(&args.files));
    let mut blobs = Blobs::new(input, args.from).with_unknown(Unknown::IsRaw);
    let mut inspector = Inspector {
        styles,
        limit: if args.all { usize::MAX } else { LISTED },
        map: map.as_ref(),
        search: BitSearch::default(),
        has_told_savings: false,
        out,
    };
    let mut record_index: u64 = 0;
    loop {
        if blobs.is_drained() {
            // Nobody waits for a record while this waits for input.
            inspector.out.flush().map_err(cannot_write)?;
        }
        if !blobs.advance()? {
            break;
        }
        let index = record_index;
        record_index = index.saturating_add(1);
        if args.record.is_some_and(|asked| asked != index) {
            continue;
        }
        let blob = blobs.current()?;
        if index > 0 && args.record.is_none() {
            writeln!(inspector.out).map_err(cannot_write)?;
        }
        inspector.inspect(&blob, index).map_err(cannot_write)?;
        if args.record.is_some() {
            break;
        }
    }
    if let Some(asked) = args.record
        && asked >= record_index
    {
        let records = count(record_index, "Kinesis record");
        bail!("there is no record {asked}: the input has {records}, from 0");
    }
    inspector.tell_rules().map_err(cannot_write)
}

/// Prints one Kinesis record after the other.
#[derive(Debug)]
struct Inspector<'a, W> {
    styles: &'a Styles,
    /// Lines of a table.
    limit: usize,
    map: Option<&'a ShardMap>,
    search: BitSearch,
    has_told_savings: bool,
    out: W,
}

impl<W: Write> Inspector<'_, W> {
    fn inspect(&mut self, blob: &Blob<'_>, record_index: u64) -> io::Result<()> {
        let styles = self.styles;
        let data = blob.data;
        let parsed = parse(data);
        let verdict = match &parsed {
            Ok(Parsed::Aggregated(_)) => painted(styles.good, "aggregated"),
            Ok(Parsed::Plain(PlainReason::NoMagic)) => painted(
                styles.doubtful,
                format_args!("plain, {}", PlainReason::NoMagic),
            ),
            Ok(Parsed::Plain(reason)) => painted(styles.bad, format_args!("plain, {reason}")),
            Err(error) => painted(styles.bad, format_args!("malformed, {error}")),
        };
        let which = painted(styles.heading, format_args!("record {record_index}"));
        writeln!(self.out, "{which} ({}): {verdict}", blob.place)?;
        for (key, label) in [
            ("partitionKey", "put under"),
            ("explicitHashKey", "hash key"),
            ("sequenceNumber", "sequence"),
        ] {
            if let Some(value) = blob.fields.get_non_null(key) {
                self.line(label, &cut(value.get(), VALUE_WIDTH))?;
            }
        }
        match parsed {
            Ok(Parsed::Aggregated(aggregated)) => {
                frame::draw(data, styles, &mut self.out)?;
                self.contents(data, &aggregated)
            }
            Ok(Parsed::Plain(PlainReason::NoMagic)) => {
                let start = data.get(..MAGIC_LEN).unwrap_or(data);
                let magic = hex::encode(MAGIC);
                let found = match start {
                    [] => "there is no data".to_owned(),
                    start => format!("starts with {}, not {magic}", hex::encode(start)),
                };
                self.line("frame", &found)?;
                let damage = explain::damaged(data, PlainReason::NoMagic, &mut self.search);
                self.explain(data, damage)?;
                self.plain_data(data)
            }
            Ok(Parsed::Plain(reason)) => {
                frame::draw(data, styles, &mut self.out)?;
                let damage = explain::damaged(data, reason, &mut self.search);
                self.explain(data, damage)?;
                match parse_without_digest(data) {
                    Ok(Parsed::Aggregated(aggregated)) => self.contents(data, &aggregated),
                    _ => self.plain_data(data),
                }
            }
            Err(error) => {
                frame::draw(data, styles, &mut self.out)?;
                self.explain(data, Some(explain::malformed(error)))?;
                self.plain_data(data)
            }
        }
    }

    fn line(&mut self, label: &str, value: &str) -> io::Result<()> {
        line(label, value, self.styles, &mut self.out)
    }

    /// The data of a plain record, as far as it fits a line.
    fn plain_data(&mut self, data: &[u8]) -> io::Result<()> {
        self.line("size", &count(wide(data.len()), "byte"))?;
        self.line("data", &shown(data, VALUE_WIDTH))
    }

    fn explain(&mut self, data: &[u8], explanation: Option<Explanation>) -> io::Result<()> {
        match explanation {
            None => Ok(()),
            Some(explanation) => explanation.print(data, self.styles, &mut self.out),
        }
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
        let mut keys = KeyTables::of(data, aggregated);
        let mut table = UserRecordTable::new(self.limit);
        let mut sizes = Histogram::default();
        let mut savings = Savings::default();
        savings.put.add(data.len());
        let mut shares = self.map.map(RangeShares::of_shards);
        let mut slots = vec![ReadSlot::default(); aggregated.key_count()];
        for user_record in aggregated.user_records_in(&mut slots[..]) {
            table.measure(data, &user_record);
            keys.count(data, &user_record);
            sizes.add(wide(user_record.data().len()));
            savings.user_records_alone.add(user_record.data().len());
            if let Some(shares) = &mut shares {
                shares.add_user_record(&user_record);
            }
        }
        self.sizes(data, keys.keys_len(), &sizes)?;
        for (label, text) in ["savings", "", ""].into_iter().zip(savings.lines()) {
            self.line(label, &text)?;
        }
        self.has_told_savings = true;
        keys.print(self.limit, self.styles, &mut self.out)?;
        if let Some(shares) = shares {
            self.shards(&shares)?;
        }
        table.print(data, aggregated, self.styles, &mut self.out)
    }

    /// Of what the bytes are.
    fn sizes(&mut self, data: &[u8], keys_len: usize, sizes: &Histogram) -> io::Result<()> {
        let styles = self.styles;
        let len = wide(data.len());
        let user_data_len = u64::try_from(sizes.sum()).unwrap_or(len);
        let keys_len = wide(keys_len);
        let around = len.saturating_sub(user_data_len).saturating_sub(keys_len);
        let text = format!(
            "{}: {} █ user data, {} ▓ keys, {} ░ frame and fields",
            count(len, "byte"),
            grouped(user_data_len),
            grouped(keys_len),
            grouped(around)
        );
        self.line("size", &text)?;
        let overhead = keys_len.saturating_add(around);
        let each = match sizes.count() {
            0 => String::new(),
            records => format!(", {} a user record", tenths(overhead.into(), records)),
        };
        let share = percent(overhead, len);
        let text = format!(
            "{}, keys included ({share} %){each}",
            count(overhead, "byte")
        );
        self.line("overhead", &text)?;
        let parts = [(user_data_len, "█"), (keys_len, "▓"), (around, "░")];
        let [user_data, keys, around] = stacked(parts, VALUE_WIDTH);
        let bar = [
            painted(styles.data, user_data),
            painted(styles.key, keys),
            painted(styles.aside, around),
        ];
        self.line("", &bar.concat())?;
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
            (_, 1..) => "a consumer that filters by shard, as the KCL, drops all of this aggregate",
            _ => "more than one shard: a consumer that filters, as the KCL, drops all of it",
        };
        let warning = painted(self.styles.bad, warning);
        writeln!(self.out, "    {warning}")
    }

    /// What the numbers of savings stand on.
    fn tell_rules(&mut self) -> io::Result<()> {
        if self.has_told_savings {
            writeln!(self.out)?;
            for line in Savings::rule() {
                writeln!(self.out, "{}", painted(self.styles.aside, line))?;
            }
        }
        Ok(())
    }
}
