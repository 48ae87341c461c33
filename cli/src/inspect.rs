//! What is in a Kinesis record, for people.

use core::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use kinesis_agg::codec::limits::{DIGEST_LEN, FRAME_LEN, MAGIC_LEN};
use kinesis_agg::codec::{
    AggregatedRecord, Digest, Frame, KeyOffset, MAGIC, Parsed, parse, parse_trusting_digest,
};
use kinesis_agg::{DecodeError, KeyBytes, PlainReason, RecordTag, UserRecord};

use crate::input::{Blob, Blobs, Format};
use crate::output::{Out, cannot_write};

/// Show what is in Kinesis records: frame, digest, keys, sizes, user records.
///
/// For people; programs read what deaggregate prints. Of a record that is not
/// aggregated it says why, and shows the message of a damaged one all the same
/// if that can be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  $ kinesis-agg inspect --from ndjson records.ndjson")]
pub(crate) struct Args {
    /// Files to read in order; `-` is standard input, and so is none at all.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How Kinesis records are written in the files.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Raw)]
    from: Format,
}

pub(crate) fn run(args: &Args, out: &mut Out<'_>) -> anyhow::Result<()> {
    let mut blobs = Blobs::new(&args.files, Some(args.from));
    let mut record_index: u64 = 0;
    while let Some(blob) = blobs.next()? {
        if record_index > 0 {
            writeln!(out).map_err(cannot_write)?;
        }
        inspect(&blob, record_index, out).map_err(cannot_write)?;
        record_index = record_index.saturating_add(1);
    }
    Ok(())
}

/// Characters of a line.
const WIDTH: usize = 80;

/// Characters before the value of a `label  value` line.
const VALUE_COLUMN: usize = 14;

/// Characters of the widest value.
const VALUE_WIDTH: usize = WIDTH - VALUE_COLUMN;

fn inspect(blob: &Blob<'_>, record_index: u64, out: &mut impl Write) -> io::Result<()> {
    let data = blob.data;
    let parsed = parse(data);
    let verdict = match &parsed {
        Ok(Parsed::Aggregated(_)) => "aggregated".to_owned(),
        Ok(Parsed::Plain(reason)) => format!("plain, {reason}"),
        Err(error) => format!("malformed, {error}"),
    };
    writeln!(out, "record {record_index} ({}): {verdict}", blob.place)?;
    for key in ["partitionKey", "explicitHashKey", "sequenceNumber"] {
        if let Some(value) = blob.fields.get(key) {
            let label = match key {
                "partitionKey" => "put under",
                "explicitHashKey" => "hash key",
                _ => "sequence",
            };
            line(out, label, &cut(value.get(), VALUE_WIDTH))?;
        }
    }
    match parsed {
        Ok(Parsed::Aggregated(aggregated)) => {
            frame(data, out)?;
            contents(data, &aggregated, out)
        }
        Ok(Parsed::Plain(PlainReason::NoMagic)) => {
            let start = data.get(..MAGIC_LEN).unwrap_or(data);
            let magic = hex::encode(MAGIC);
            let found = match start {
                [] => "there is no data".to_owned(),
                start => format!("starts with {}, not {magic}", hex::encode(start)),
            };
            line(out, "frame", &found)?;
            plain_data(data, out)
        }
        Ok(Parsed::Plain(PlainReason::TooShort)) => {
            let text = format!(
                "{} bytes, magic included; more than {FRAME_LEN} are needed",
                data.len()
            );
            line(out, "frame", &text)?;
            plain_data(data, out)
        }
        Ok(Parsed::Plain(PlainReason::DigestMismatch)) => {
            frame(data, out)?;
            match parse_trusting_digest(data) {
                Ok(Parsed::Aggregated(aggregated)) => {
                    line(out, "message", "can be read all the same:")?;
                    contents(data, &aggregated, out)
                }
                Ok(Parsed::Plain(_)) => Ok(()),
                Err(error) => {
                    line(out, "message", &format!("cannot be read: {error}"))?;
                    surroundings(data, error, out)
                }
            }
        }
        Err(error) => {
            frame(data, out)?;
            line(out, "message", &error.to_string())?;
            surroundings(data, error, out)
        }
    }
}

fn line(out: &mut impl Write, label: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {label:<12}{value}")
}

/// Magic, message and digest of what has them.
fn frame(data: &[u8], out: &mut impl Write) -> io::Result<()> {
    let Ok(frame) = Frame::split(data) else {
        return Ok(());
    };
    let magic = hex::encode(MAGIC);
    let text = format!(
        "{magic} | message of {} bytes | digest of {DIGEST_LEN} bytes",
        frame.message().len()
    );
    line(out, "frame", &text)?;
    let [stored, computed] =
        [frame.digest(), Digest::of(frame.message())].map(|digest| hex::encode(digest.to_bytes()));
    let verdict = if stored == computed { "good" } else { "wrong" };
    line(out, "digest", &format!("{stored} stored"))?;
    line(out, "", &format!("{computed} computed: {verdict}"))
}

/// The data of a plain record, as far as it fits a line.
fn plain_data(data: &[u8], out: &mut impl Write) -> io::Result<()> {
    line(out, "size", &count(data.len(), "byte"))?;
    line(out, "data", &shown(data, VALUE_WIDTH))
}

/// The bytes around a fault.
fn surroundings(data: &[u8], error: DecodeError, out: &mut impl Write) -> io::Result<()> {
    const BEFORE: usize = 8;
    const AFTER: usize = 11;
    let fault = error.offset().min(data.len());
    let start = fault.saturating_sub(BEFORE);
    let end = fault.saturating_add(AFTER).min(data.len());
    let bytes = data.get(start..end).unwrap_or_default();
    let mut dump = String::new();
    for byte in bytes {
        let _infallible = write!(dump, "{byte:02x} ");
    }
    line(out, &format!("byte {start}"), dump.trim_end())?;
    // Three characters a byte.
    let indent = fault.saturating_sub(start).saturating_mul(3);
    line(out, "", &format!("{:indent$}^ byte {fault}", ""))
}

fn contents(
    data: &[u8],
    aggregated: &AggregatedRecord<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let counts = [
        count(aggregated.record_count(), "user record"),
        count(aggregated.partition_key_count(), "partition key"),
        count(aggregated.explicit_hash_key_count(), "explicit hash key"),
    ];
    line(out, "counts", &counts.join(", "))?;
    let table = Table::of(aggregated);
    let keys_len = aggregated
        .partition_keys()
        .chain(aggregated.explicit_hash_keys())
        .fold(0_usize, |len, key| len.saturating_add(key.as_bytes().len()));
    let text = format!(
        "{}: {} of user data, {keys_len} of keys",
        count(data.len(), "byte"),
        table.user_data_len
    );
    line(out, "size", &text)?;
    let overhead = data.len().saturating_sub(table.user_data_len);
    let each = match overhead.checked_div(aggregated.record_count()) {
        Some(each) => format!(", about {each} a user record"),
        None => String::new(),
    };
    let text = format!("{}, keys included{each}", count(overhead, "byte"));
    line(out, "overhead", &text)?;
    keys("partition keys", aggregated.partition_keys(), out)?;
    keys("explicit hash keys", aggregated.explicit_hash_keys(), out)?;
    table.print(aggregated, out)
}

fn keys<'a>(
    title: &str,
    keys: impl ExactSizeIterator<Item = KeyBytes<'a>>,
    out: &mut impl Write,
) -> io::Result<()> {
    if keys.len() == 0 {
        return Ok(());
    }
    writeln!(out, "  {title}")?;
    let index_width = keys.len().saturating_sub(1).to_string().len();
    let width = WIDTH.saturating_sub(index_width.saturating_add(6));
    for (index, key) in keys.enumerate() {
        let key = shown_key(key, width);
        writeln!(out, "    {index:>index_width$}  {key}")?;
    }
    Ok(())
}

/// How the user records of an aggregate are laid out. It holds no line of them:
/// they are walked once to measure and once to print.
#[derive(Debug, Default)]
struct Table {
    widths: [usize; COLUMNS],
    user_data_len: usize,
}

/// Columns that are as wide as their widest cell; the data gets the rest.
const COLUMNS: usize = 5;

const TITLES: [&str; COLUMNS] = ["#", "partition key", "explicit hash key", "tags", "size"];

/// Characters of the widest key in the table. Six are left for the data next to
/// all columns, a million user records and a size of eight digits.
const KEY_WIDTH: usize = 18;

/// Characters of the widest tags in the table.
const TAGS_WIDTH: usize = 12;

impl Table {
    fn of(aggregated: &AggregatedRecord<'_>) -> Self {
        let mut table = Self::default();
        let mut slots = vec![KeyOffset::default(); aggregated.key_count()];
        for user_record in aggregated.user_records_in(&mut slots[..]) {
            for (width, cell) in table.widths.iter_mut().zip(cells(&user_record)) {
                *width = cell.chars().count().max(*width);
            }
            let len = user_record.data().len();
            table.user_data_len = table.user_data_len.saturating_add(len);
        }
        for (width, title) in table.widths.iter_mut().zip(TITLES) {
            // What no user record has, has no column.
            if *width > 0 {
                *width = title.len().max(*width);
            }
        }
        table
    }

    fn print(&self, aggregated: &AggregatedRecord<'_>, out: &mut impl Write) -> io::Result<()> {
        if aggregated.record_count() == 0 {
            return writeln!(out, "  no user records");
        }
        writeln!(out, "  user records")?;
        let head = self.row(&TITLES.map(str::to_owned));
        writeln!(out, "  {head}data")?;
        let data_width = WIDTH.saturating_sub(head.chars().count().saturating_add(2));
        let mut slots = vec![KeyOffset::default(); aggregated.key_count()];
        for user_record in aggregated.user_records_in(&mut slots[..]) {
            let row = self.row(&cells(&user_record));
            let data = shown(user_record.data(), data_width);
            writeln!(out, "  {row}{data}")?;
        }
        Ok(())
    }

    fn row(&self, cells: &[String; COLUMNS]) -> String {
        let mut row = String::new();
        for ((cell, &width), title) in cells.iter().zip(&self.widths).zip(TITLES) {
            if width == 0 {
                continue;
            }
            let _infallible = match title {
                "#" | "size" => write!(row, "{cell:>width$}  "),
                _ => write!(row, "{cell:<width$}  "),
            };
        }
        row
    }
}

fn cells(user_record: &UserRecord<'_>) -> [String; COLUMNS] {
    let explicit_hash_key = user_record.explicit_hash_key();
    let tags: Vec<_> = user_record.tags().map(shown_tag).collect();
    [
        user_record.sub_sequence_number().to_string(),
        shown_key(user_record.partition_key(), KEY_WIDTH),
        explicit_hash_key.map_or_else(String::new, |key| shown_key(key, KEY_WIDTH)),
        cut(&tags.join(","), TAGS_WIDTH),
        user_record.data().len().to_string(),
    ]
}

fn shown_tag(tag: RecordTag<'_>) -> String {
    let key = shown(tag.key.as_bytes(), TAGS_WIDTH);
    match tag.value {
        Some(value) => format!("{key}={}", shown(value.as_bytes(), TAGS_WIDTH)),
        None => key,
    }
}

/// A number as it is, any other key as [`shown`].
fn shown_key(key: KeyBytes<'_>, width: usize) -> String {
    match key.to_str() {
        Ok(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            cut(digits, width)
        }
        _ => shown(key.as_bytes(), width),
    }
}

/// Text in quotes if it can be printed, else hex; as much as fits.
fn shown(bytes: &[u8], width: usize) -> String {
    let is_printable = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    let mut text = String::new();
    match str::from_utf8(bytes) {
        Ok(utf8) if utf8.chars().all(is_printable) => {
            text.push('"');
            for c in utf8.chars().take(width) {
                match c {
                    '"' | '\'' | '\\' => text.push(c),
                    // Line ends, and what is no sight by itself.
                    _ => text.extend(c.escape_debug()),
                }
            }
            text.push('"');
        }
        _ => {
            text.push_str("0x");
            for byte in bytes.iter().take(width) {
                let _infallible = write!(text, "{byte:02x}");
            }
        }
    }
    cut(&text, width)
}

/// As many characters as fit.
fn cut(text: &str, width: usize) -> String {
    if text.chars().nth(width).is_none() {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(['…']).collect()
}

fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}
