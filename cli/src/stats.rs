//! What is in many Kinesis records together.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kinesis_agg::codec::{AggregatedRecord, KeyOffset, Parsed, parse};
use kinesis_agg::{HashKey, KeyBytes, PlainReason};
use serde::Serialize;

use crate::billing::Savings;
use crate::chart::{Bucket, Histogram, bar};
use crate::hash_key_ranges::{RangeShare, RangeShares};
use crate::input::{Blob, Blobs, Format, Input};
use crate::json::{Fields, to_base64};
use crate::output::{JsonLines, Out, cannot_write};
use crate::progress::Progress;
use crate::shards;
use crate::style::{Styles, heading, line, painted};
use crate::svg;
use crate::text::{count, grouped, percent, shown_key, size, wide};

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

    /// Hash key ranges of one length to count in, 1 to 256.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=256),
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

pub(crate) fn run(args: &Args, styles: &Styles, out: &mut Out<'_>) -> anyhow::Result<()> {
    let ranges = match &args.shards {
        Some(file) => RangeShares::of_shards(&shards::read(file)?),
        None => RangeShares::equal(args.ranges),
    };
    let progress = Progress::before_output(&args.files);
    let mut blobs = Blobs::new(Input::new(&args.files, progress.clone()), args.from);
    let mut stats = Stats::new(ranges);
    while let Some(blob) = blobs.next()? {
        stats.add(&blob);
    }
    progress.clear();
    let report = stats.report(args.top, args.shards.is_some());
    if args.json {
        JsonLines::new(&mut *out).line(&report)
    } else {
        stats.print(&report, args.shards.is_some(), styles, out)
    }
    .map_err(cannot_write)?;
    match &args.svg {
        None => Ok(()),
        Some(file) => {
            draw(file, &stats.ranges).with_context(|| format!("cannot write {}", file.display()))
        }
    }
}

fn draw(file: &Path, ranges: &RangeShares) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    svg::write("User records by hash key", ranges, &mut out)?;
    out.flush()
}

/// All that is counted.
#[derive(Debug)]
struct Stats {
    records: u64,
    aggregated: u64,
    without_user_records: u64,
    /// Aggregates with user records of several ranges, or of none.
    spread: u64,
    plain: Plain,
    malformed: u64,
    /// Data of all Kinesis records.
    data_len: u64,
    user_records_in_aggregate: Histogram,
    user_record_len: Histogram,
    key_len: KeyLen,
    savings: Savings,
    partition_keys: HashMap<Box<[u8]>, KeyUse>,
    ranges: RangeShares,
    /// User records of which the input does not tell the partition key.
    without_partition_key: u64,
    slots: Vec<KeyOffset>,
}

/// Plain records, by reason.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Plain {
    no_magic: u64,
    too_short: u64,
    digest_mismatch: u64,
}

/// Bytes of the keys of aggregates.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyLen {
    /// As they are in the key tables.
    in_tables: u64,
    /// If each user record had its own.
    without_tables: u64,
}

#[derive(Clone, Copy, Debug)]
struct KeyUse {
    user_records: u64,
    bytes: u64,
    /// Of the range that has the key's hash key.
    range: usize,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    kinesis_records: u64,
    aggregated: u64,
    aggregated_without_user_records: u64,
    /// Aggregates that are not of one shard, if shards are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregated_not_of_one_shard: Option<u64>,
    plain: Plain,
    malformed: u64,
    bytes: u64,
    user_records: u64,
    user_data_bytes: u64,
    user_records_in_aggregate: Distribution,
    user_record_bytes: Distribution,
    key_bytes: KeyLen,
    billed: Savings,
    partition_keys: PartitionKeys<'a>,
    hash_key_ranges: &'a [RangeShare],
    user_records_without_hash_key: u64,
    user_records_without_partition_key: u64,
}

#[derive(Debug, Serialize)]
struct Distribution {
    min: Option<u64>,
    max: Option<u64>,
    buckets: Vec<Bucket>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PartitionKeys<'a> {
    distinct: u64,
    hot: Vec<HotKey<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HotKey<'a> {
    #[serde(skip)]
    key: KeyBytes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key: Option<&'a str>,
    /// Of a key that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key_base64: Option<String>,
    user_records: u64,
    bytes: u64,
}

impl From<&Histogram> for Distribution {
    fn from(histogram: &Histogram) -> Self {
        Self {
            min: histogram.min(),
            max: histogram.max(),
            buckets: histogram.buckets(),
        }
    }
}

impl Stats {
    fn new(ranges: RangeShares) -> Self {
        Self {
            records: 0,
            aggregated: 0,
            without_user_records: 0,
            spread: 0,
            plain: Plain::default(),
            malformed: 0,
            data_len: 0,
            user_records_in_aggregate: Histogram::default(),
            user_record_len: Histogram::default(),
            key_len: KeyLen::default(),
            savings: Savings::default(),
            partition_keys: HashMap::new(),
            ranges,
            without_partition_key: 0,
            slots: Vec::new(),
        }
    }

    fn add(&mut self, blob: &Blob<'_>) {
        let data = blob.data;
        self.records = self.records.saturating_add(1);
        self.data_len = self.data_len.saturating_add(wide(data.len()));
        let plain = match parse(data) {
            Ok(Parsed::Aggregated(aggregated)) => {
                self.savings.put.add(data.len());
                return self.add_aggregate(&aggregated);
            }
            Ok(Parsed::Plain(PlainReason::NoMagic)) => &mut self.plain.no_magic,
            Ok(Parsed::Plain(PlainReason::TooShort)) => &mut self.plain.too_short,
            Ok(Parsed::Plain(PlainReason::DigestMismatch)) => &mut self.plain.digest_mismatch,
            Err(_) => {
                self.malformed = self.malformed.saturating_add(1);
                return;
            }
        };
        *plain = plain.saturating_add(1);
        self.savings.put.add(data.len());
        let [partition_key, explicit_hash_key] =
            ["partitionKey", "explicitHashKey"].map(|name| text(&blob.fields, name));
        let explicit_hash_key = explicit_hash_key.as_deref().map(KeyBytes::from);
        let partition_key = partition_key.as_deref().map(KeyBytes::from);
        self.add_user_record(partition_key, explicit_hash_key, data.len());
    }

    fn add_aggregate(&mut self, aggregated: &AggregatedRecord<'_>) {
        let records = wide(aggregated.record_count());
        self.aggregated = self.aggregated.saturating_add(1);
        if records == 0 {
            self.without_user_records = self.without_user_records.saturating_add(1);
        }
        self.user_records_in_aggregate.add(records);
        let keys = aggregated
            .partition_keys()
            .chain(aggregated.explicit_hash_keys());
        for key in keys {
            let len = wide(key.as_bytes().len());
            self.key_len.in_tables = self.key_len.in_tables.saturating_add(len);
        }
        let mut slots = core::mem::take(&mut self.slots);
        slots.resize(aggregated.key_count(), KeyOffset::default());
        let mut user_records = aggregated.user_records_in(slots);
        let mut first_range = None;
        let mut is_spread = false;
        for user_record in &mut user_records {
            let partition_key = user_record.partition_key();
            let explicit_hash_key = user_record.explicit_hash_key();
            for key in explicit_hash_key.iter().chain([&partition_key]) {
                let len = wide(key.as_bytes().len());
                let sum = &mut self.key_len.without_tables;
                *sum = sum.saturating_add(len);
            }
            let data_len = user_record.data().len();
            let range = self.add_user_record(Some(partition_key), explicit_hash_key, data_len);
            is_spread |= range.is_none() || *first_range.get_or_insert(range) != range;
        }
        self.spread = self.spread.saturating_add(u64::from(is_spread));
        self.slots = user_records.into_slots();
    }

    /// Returns the place of its range, if that is known.
    fn add_user_record(
        &mut self,
        partition_key: Option<KeyBytes<'_>>,
        explicit_hash_key: Option<KeyBytes<'_>>,
        data_len: usize,
    ) -> Option<usize> {
        self.user_record_len.add(wide(data_len));
        self.savings.user_records_alone.add(data_len);
        let of_partition_key = partition_key.map(|key| self.add_partition_key(key, data_len));
        let range = match (explicit_hash_key, of_partition_key) {
            (Some(text), _) => {
                let hash_key = HashKey::from_decimal(text.as_bytes()).ok();
                hash_key.map(|hash_key| self.ranges.place_of(hash_key))
            }
            (None, Some(range)) => Some(range),
            (None, None) => {
                let unknown = &mut self.without_partition_key;
                *unknown = unknown.saturating_add(1);
                return None;
            }
        };
        self.ranges.add(range, data_len);
        range
    }

    /// Returns the place of the key's range.
    fn add_partition_key(&mut self, key: KeyBytes<'_>, data_len: usize) -> usize {
        if !self.partition_keys.contains_key(key.as_bytes()) {
            let hash_key = HashKey::of_partition_key(key.as_bytes());
            let unused = KeyUse {
                user_records: 0,
                bytes: 0,
                range: self.ranges.place_of(hash_key),
            };
            self.partition_keys.insert(key.as_bytes().into(), unused);
        }
        match self.partition_keys.get_mut(key.as_bytes()) {
            Some(known) => {
                known.user_records = known.user_records.saturating_add(1);
                known.bytes = known.bytes.saturating_add(wide(data_len));
                known.range
            }
            None => 0,
        }
    }

    fn report(&self, top: usize, are_shards: bool) -> Report<'_> {
        let mut hot: Vec<_> = self.partition_keys.iter().collect();
        // Keys of one count in the order of their bytes: the same each time.
        hot.sort_unstable_by(|(key, used), (other_key, other)| {
            let order = other.user_records.cmp(&used.user_records);
            order.then_with(|| key.cmp(other_key))
        });
        let hot = hot.into_iter().take(top).map(|(bytes, used)| {
            let key = KeyBytes::new(bytes);
            HotKey {
                key,
                partition_key: key.to_str().ok(),
                partition_key_base64: key.to_str().is_err().then(|| to_base64(bytes)),
                user_records: used.user_records,
                bytes: used.bytes,
            }
        });
        Report {
            kinesis_records: self.records,
            aggregated: self.aggregated,
            aggregated_without_user_records: self.without_user_records,
            aggregated_not_of_one_shard: are_shards.then_some(self.spread),
            plain: self.plain,
            malformed: self.malformed,
            bytes: self.data_len,
            user_records: self.user_record_len.count(),
            user_data_bytes: u64::try_from(self.user_record_len.sum()).unwrap_or(u64::MAX),
            user_records_in_aggregate: (&self.user_records_in_aggregate).into(),
            user_record_bytes: (&self.user_record_len).into(),
            key_bytes: self.key_len,
            billed: self.savings,
            partition_keys: PartitionKeys {
                distinct: wide(self.partition_keys.len()),
                hot: hot.collect(),
            },
            hash_key_ranges: self.ranges.shares(),
            user_records_without_hash_key: self.ranges.nowhere(),
            user_records_without_partition_key: self.without_partition_key,
        }
    }

    fn print(
        &self,
        report: &Report<'_>,
        are_shards: bool,
        styles: &Styles,
        out: &mut Out<'_>,
    ) -> io::Result<()> {
        let title = count(self.records, "Kinesis record");
        writeln!(out, "{}", painted(styles.heading, title))?;
        self.print_kinds(styles, out)?;
        line(
            "holds",
            count(report.user_records, "user record"),
            styles,
            out,
        )?;
        let user_data = size(report.user_data_bytes);
        let share = percent(report.user_data_bytes, self.data_len);
        let text = format!(
            "{}: {user_data} of user data ({share} %)",
            size(self.data_len)
        );
        line("size", text, styles, out)?;
        let KeyLen {
            in_tables,
            without_tables,
        } = self.key_len;
        let saved = percent(without_tables.saturating_sub(in_tables), without_tables);
        let text = format!(
            "{} in tables instead of {} beside each: {saved} % fewer",
            size(in_tables),
            size(without_tables),
        );
        line("keys", text, styles, out)?;
        for (label, text) in ["savings", "", ""].into_iter().zip(self.savings.lines()) {
            line(label, text, styles, out)?;
        }
        for text in Savings::rule() {
            line("", painted(styles.aside, text), styles, out)?;
        }
        let of_aggregates = &self.user_records_in_aggregate;
        for (noun, unit, histogram) in [
            ("aggregate", "user record", of_aggregates),
            ("user record", "byte", &self.user_record_len),
        ] {
            if histogram.count() > 0 {
                let title = format!("{noun}s of {}", histogram.summary(unit));
                heading(&title, styles, out)?;
                histogram.print(noun, styles, out)?;
            }
        }
        print_hot_keys(report, styles, out)?;
        if self.ranges.total() == 0 {
            return Ok(());
        }
        let what = if are_shards {
            "shards"
        } else {
            "hash key ranges"
        };
        let text = format!(
            "{what}: the fullest has {} times the mean",
            self.ranges.skew()
        );
        heading(&text, styles, out)?;
        self.ranges.print(styles, out)?;
        if are_shards && self.spread > 0 {
            let what = count(self.spread, "aggregate");
            let text =
                format!("{what} not of one shard: a consumer that filters, as the KCL, drops");
            let text = painted(styles.bad, format_args!("{text} all of each"));
            writeln!(out, "    {text}")?;
        }
        if self.without_partition_key > 0 {
            let what = count(self.without_partition_key, "plain record");
            let text = format!("{what} not in here: the input has no partition key of them");
            writeln!(out, "    {}", painted(styles.aside, text))?;
        }
        Ok(())
    }

    fn print_kinds(&self, styles: &Styles, out: &mut Out<'_>) -> io::Result<()> {
        let without = match self.without_user_records {
            0 => String::new(),
            empty => format!(", {} of them without user records", grouped(empty)),
        };
        line(
            "aggregated",
            format!("{}{without}", grouped(self.aggregated)),
            styles,
            out,
        )?;
        let Plain {
            no_magic,
            too_short,
            digest_mismatch,
        } = self.plain;
        let damaged = too_short.saturating_add(digest_mismatch);
        let plain = no_magic.saturating_add(damaged);
        line("plain", grouped(plain), styles, out)?;
        if damaged > 0 {
            let text = format!(
                "{} of them start with the magic; verify explains",
                grouped(damaged)
            );
            line("", painted(styles.bad, text), styles, out)?;
        }
        if self.malformed > 0 {
            let text = format!(
                "{}, not counted below; verify explains",
                grouped(self.malformed)
            );
            line("malformed", painted(styles.bad, text), styles, out)?;
        }
        Ok(())
    }
}

fn print_hot_keys(report: &Report<'_>, styles: &Styles, out: &mut Out<'_>) -> io::Result<()> {
    const KEY_WIDTH: usize = 24;
    const BAR_WIDTH: usize = 16;
    let keys = &report.partition_keys;
    let Some(most) = keys.hot.first() else {
        return Ok(());
    };
    let title = match wide(keys.hot.len()) == keys.distinct {
        true => count(keys.distinct, "partition key"),
        false => format!(
            "hottest {} of {} partition keys",
            keys.hot.len(),
            grouped(keys.distinct)
        ),
    };
    heading(&title, styles, out)?;
    let shown: Vec<_> = keys
        .hot
        .iter()
        .map(|hot| shown_key(hot.key, KEY_WIDTH))
        .collect();
    let widths = shown.iter().map(|key| key.chars().count());
    let width = widths.max().unwrap_or_default();
    for (hot, key) in keys.hot.iter().zip(shown) {
        let bar = bar(hot.user_records, most.user_records, BAR_WIDTH);
        writeln!(
            out,
            "    {}  {}  {} ({} %), {}",
            painted(styles.key, format_args!("{key:<width$}")),
            painted(styles.data, format_args!("{bar:<BAR_WIDTH$}")),
            count(hot.user_records, "user record"),
            percent(hot.user_records, report.user_records),
            size(hot.bytes),
        )?;
    }
    Ok(())
}

/// A field's string, if it is one.
fn text<'a>(fields: &Fields<'a>, name: &str) -> Option<alloc::borrow::Cow<'a, str>> {
    fields.text(name).ok().flatten()
}
