//! User records in, Kinesis records out.

use alloc::borrow::Cow;
use core::time::Duration;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use anyhow::{Context as _, anyhow, bail};
use clap::ValueEnum;
use kinesis_agg::codec::limits::{DEFAULT_MAX_SIZE, LARGEST_MAX_SIZE};
use kinesis_agg::lambda::JsonFields;
use kinesis_agg::shards::ShardedLimits;
use kinesis_agg::write::{Limits, LoneUserRecord, OuterKey};
use kinesis_agg::{HashKey, RecordAggregator, ShardedAggregator};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::commands::packer::{Packer, Printer, To};
use crate::commands::user_records::{OwnedTag, UserRecords};
use crate::data::decode_base64;
use crate::diagnosis::is_nested;
use crate::error::{BadInput, cannot_write, note};
use crate::input::file::{self, OpenFile, not_json};
use crate::input::progress::Progress;
use crate::input::{or_stdin, shards};
use crate::output::{JsonLines, Out};
use crate::pipeline::{self, Closed, Consumer, Producer};
use crate::render::text::count;

/// Pack user records into Kinesis records, in order, as many into each as fit.
///
/// Reads JSON objects with partitionKey, data in base64, and optionally explicitHashKey and
/// tags, such as the output of deaggregate. An object may span several lines. The first one
/// that is rejected ends the run; all user records before it are packed and printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ printf '%s\\n' '{\"partitionKey\":\"a\",\"data\":\"eA==\"}' \\
      '{\"partitionKey\":\"b\",\"data\":\"eQ==\"}' | kinesis-agg aggregate
  {\"partitionKey\":\"a\",\"explicitHashKey\":null,\"userRecords\":2,\"size\":40,\
\"data\":\"84mawgoBYQoBYhoFCAAaAXgaBQgBGgF5sAMZCa51iRypSs7C7M4xJQ==\"}

  # Filter records with jq, and put them into another stream.
  $ kinesis-agg deaggregate dump.json | jq -c 'select(.partitionKey != \"test\")' \\
      | kinesis-agg aggregate --to put-records \\
      | while read -r request; do
          aws kinesis put-records --stream-name other --cli-input-json \"$request\"
        done

Exit status:
  0  success
  1  a line or user record was rejected
  2  wrong usage, a file that cannot be read, or output that cannot be written")]
pub(crate) struct Args {
    /// Files to read, in order [default: standard input, also `-`].
    ///
    /// Files may be compressed with gzip, zstd or lz4, and may be UTF-16. Blank lines are skipped.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Format of the files.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = From::Json)]
    from: From,

    /// What to print.
    #[arg(long, value_enum, value_name = "SHAPE", default_value_t = To::Ndjson)]
    to: To,

    #[arg(
        long,
        value_name = "N",
        value_parser = max_size,
        default_value_t = DEFAULT_MAX_SIZE,
        help = format!(
            "Maximum size of a Kinesis record in bytes, data and partition key: 1 to {LARGEST_MAX_SIZE}"
        ),
    )]
    max_size: u32,

    /// Maximum number of user records in an aggregate [default: unlimited].
    #[arg(long, value_name = "N", value_parser = max_count)]
    max_count: Option<usize>,

    /// Which partition key to put aggregates under.
    #[arg(long, value_enum, value_name = "KEY", default_value_t = Outer::First)]
    outer_key: Outer,

    /// How to write a user record that is alone in its aggregate.
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Lone::Wrap)]
    lone: Lone,

    /// Put only user records of the same shard into an aggregate, and print the shard's id.
    ///
    /// FILE holds the JSON that `aws kinesis list-shards` prints. Without this option, an
    /// aggregate may hold user records of several shards; consumers that filter by hash key
    /// range, such as the KCL, drop such an aggregate.
    #[arg(long, value_name = "FILE")]
    shards: Option<PathBuf>,

    /// Put only consecutive user records with the same keys into an aggregate.
    ///
    /// The keys are the partition key and the explicit hash key. A reshard cannot spread such
    /// an aggregate over several shards. The order is kept.
    #[arg(long, conflicts_with = "shards")]
    per_key: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    /// JSON objects, one user record each.
    #[value(alias = "ndjson")]
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outer {
    /// The first user record's partition key, and its explicit hash key if it has one.
    First,
    /// The partition key `a` and the first user record's hash key, as the KPL does.
    Kpl,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Lone {
    /// As an aggregate of one user record.
    Wrap,
    /// As plain data, as the KPL does; but wrapped if it has tags or looks like an aggregate.
    Raw,
}

fn max_size(text: &str) -> anyhow::Result<u32> {
    let limits = Limits::new().with_max_size(text.parse()?)?;
    Ok(limits.max_size())
}

fn max_count(text: &str) -> anyhow::Result<usize> {
    let limits = Limits::new().with_max_count(text.parse()?)?;
    Ok(limits.max_count())
}

pub(crate) fn run(args: &Args, out: &mut Out<'_>) -> anyhow::Result<()> {
    let From::Json = args.from;
    let packer = packer(args)?;
    let progress = Progress::beside_output(&args.files);
    let (files, reading) = (or_stdin(args.files.clone()), progress.clone());
    let (printed, spare) = mpsc::channel();
    let read = pipeline::start(pipeline::MAX_USER_RECORDS_LEN, move |producer| {
        let mut reader = Reader {
            producer,
            batch: UserRecords::default(),
            spare,
        };
        let read = files
            .iter()
            .try_for_each(|path| reader.read(path, &reading));
        // User records that were read before an error are packed.
        reader.flush()?;
        read
    })?;
    let mut lines = JsonLines::new(out);
    let mut writer = Writer {
        packer,
        printer: Printer::new(args.to),
        nested: 0,
    };
    let packed = writer.pack_all(read, &printed, &mut lines);
    if writer.nested > 0 {
        note(format_args!(
            "aggregated twice: the data of {} is already an aggregate; \
             run deaggregate first",
            count(writer.nested, "user record")
        ));
    }
    // And their aggregates are printed.
    let ended = writer.end(&mut lines).and_then(|()| lines.flush());
    progress.clear();
    ended.map_err(cannot_write).and(packed)
}

fn packer(args: &Args) -> anyhow::Result<Packer> {
    let limits = Limits::new()
        .with_max_size(args.max_size)?
        .with_max_count(args.max_count.unwrap_or(usize::MAX))?;
    let outer_key = match args.outer_key {
        Outer::First => OuterKey::FirstUserRecord,
        Outer::Kpl => OuterKey::Kpl,
    };
    let lone = match args.lone {
        Lone::Wrap => LoneUserRecord::Wrapped,
        Lone::Raw => LoneUserRecord::Raw,
    };
    let aggregator = RecordAggregator::new()
        .with_limits(limits)
        .with_outer_key(outer_key.clone())
        .with_lone_user_record(lone)
        .with_one_key(args.per_key);
    Ok(match &args.shards {
        None => Packer::OfAnyShard(Box::new(aggregator)),
        Some(file) => {
            let map = shards::read(file)?;
            let limits = ShardedLimits::new()
                .with_limits(limits)
                .with_outer_key(outer_key)
                .with_lone_user_record(lone)
                .with_max_buffered_len(usize::MAX);
            Packer::OfOneShard(Box::new(ShardedAggregator::new(map, limits)))
        }
    })
}

/// Reads user records.
struct Reader<'a> {
    producer: &'a mut Producer<UserRecords>,
    /// User records that are not sent yet.
    batch: UserRecords,
    /// Batches that were packed, returned so that their memory is reused.
    spare: mpsc::Receiver<UserRecords>,
}

impl Reader<'_> {
    fn read(&mut self, path: &Path, progress: &Progress) -> anyhow::Result<()> {
        self.flush()?;
        let mut file = OpenFile::open(path, progress)?;
        self.batch.restart(&file::name(path).into());
        loop {
            // Most user records are lines, which are parsed in one pass.
            let line = file.whole_line(&mut || self.flush())?;
            if let Some((number, line)) = line
                && let Some(usual) = UsualLine::parse(line)
            {
                let pushed = push_usual(&usual, number, &mut self.batch);
                pushed.map_err(|error| bad_input(&self.batch, number, &error))?;
                file.end_line();
            } else {
                let owned = |line, document: &RawValue| (line, document.get().to_owned());
                match file.next_document(&mut || self.flush(), owned)? {
                    None => return Ok(()),
                    Some(Ok((line, document))) => {
                        let pushed = push(&document, line, &mut self.batch);
                        pushed.map_err(|error| bad_input(&self.batch, line, &error))?;
                    }
                    Some(Err(fault)) => {
                        return Err(bad_input(&self.batch, fault.line, &anyhow!(fault.why)));
                    }
                }
            }
            if self.batch.len() >= pipeline::BATCH_LEN {
                self.flush()?;
            }
        }
    }

    /// Sends the batch unless it is empty.
    fn flush(&mut self) -> Result<(), Closed> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut next = self.spare.try_recv().unwrap_or_default();
        next.restart(self.batch.file());
        let batch = core::mem::replace(&mut self.batch, next);
        let len = batch.len();
        self.producer.push(batch, len)?;
        self.producer.flush()
    }
}

fn push_usual(usual: &UsualLine<'_>, line: u64, batch: &mut UserRecords) -> anyhow::Result<()> {
    let explicit_hash_key = usual.explicit_hash_key.map(hash_key).transpose()?;
    batch.push(
        line,
        usual.partition_key,
        explicit_hash_key,
        Vec::new(),
        |data| decode_base64(usual.data.as_bytes(), data).context("data"),
    )
}

fn push(document: &str, line: u64, batch: &mut UserRecords) -> anyhow::Result<()> {
    let fields = JsonFields::parse(document)
        .map_err(|fault| anyhow!("not a JSON object: {}", not_json(&fault, 1, 1)))?;
    let partition_key = text_or_base64(&fields, "partitionKey", "partitionKeyBase64")?
        .context("no partitionKey; expected a user record, as deaggregate prints it")?;
    let explicit_hash_key = explicit_hash_key(&fields)?;
    let encoded = fields.string("data")?.context("no data")?;
    let tags = fields.get_non_null("tags").map(parse_tags).transpose();
    let tags = tags.context("tags")?.unwrap_or_default();
    batch.push(line, &partition_key, explicit_hash_key, tags, |data| {
        decode_base64(encoded.trim().as_bytes(), data).context("data")
    })
}

fn bad_input(batch: &UserRecords, line: u64, error: &anyhow::Error) -> anyhow::Error {
    BadInput {
        place: batch.place(line),
        why: format!("{error:#}"),
    }
    .into()
}

/// How long a complete aggregate waits for others: longer than it takes to read a batch.
const PATIENCE: Duration = Duration::from_millis(5);

/// Packs user records, and prints the aggregates.
struct Writer {
    packer: Packer,
    printer: Printer,
    /// User records that are aggregates themselves.
    nested: u64,
}

impl Writer {
    fn pack_all<W: Write>(
        &mut self,
        mut read: Consumer<UserRecords>,
        packed: &mpsc::Sender<UserRecords>,
        lines: &mut JsonLines<W>,
    ) -> anyhow::Result<()> {
        loop {
            let batches = read.next_all(PATIENCE, || {
                // Print the complete aggregates before waiting for input.
                let sealed = self.printer.seal(lines);
                sealed.and_then(|()| lines.flush()).map_err(cannot_write)
            })?;
            if batches.is_empty() {
                return Ok(());
            }
            for mut batch in batches {
                for user_records in batch.take() {
                    self.pack(&user_records, lines)?;
                    // Returns the memory. Fails only after the reader has ended, which is
                    // harmless.
                    let _end = packed.send(user_records);
                }
            }
        }
    }

    fn pack<W: Write>(
        &mut self,
        user_records: &UserRecords,
        lines: &mut JsonLines<W>,
    ) -> anyhow::Result<()> {
        user_records.try_for_each(|line, user_record| {
            let is_nested = is_nested(user_record.data());
            self.nested = self.nested.saturating_add(u64::from(is_nested));
            let pushed = self.packer.push(user_record, || self.printer.spare());
            match pushed.map_err(|error| bad_input(user_records, line, &error))? {
                None => Ok(()),
                Some(complete) => self.printer.add(complete, lines).map_err(cannot_write),
            }
        })
    }

    /// Prints the aggregates that are left.
    fn end<W: Write>(self, lines: &mut JsonLines<W>) -> io::Result<()> {
        let Self {
            packer,
            mut printer,
            ..
        } = self;
        let mut rest = packer.flush().into_iter();
        rest.try_for_each(|aggregate| printer.add(aggregate, lines))?;
        printer.end(lines)
    }
}

/// A user record in the usual form: no escapes and no rare fields. It is parsed in one pass.
/// All other lines, including invalid ones, are left to [`JsonFields`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsualLine<'a> {
    partition_key: &'a str,
    explicit_hash_key: Option<&'a str>,
    data: &'a str,
    partition_key_base64: Option<IgnoredAny>,
    explicit_hash_key_base64: Option<IgnoredAny>,
    tags: Option<IgnoredAny>,
}

impl<'a> UsualLine<'a> {
    /// Returns `None` if the line is not in the usual form.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let usual: Self = serde_json::from_str(str::from_utf8(line).ok()?).ok()?;
        let others = [
            &usual.partition_key_base64,
            &usual.explicit_hash_key_base64,
            &usual.tags,
        ];
        others.iter().all(|other| other.is_none()).then_some(usual)
    }
}

fn hash_key(text: &str) -> anyhow::Result<HashKey> {
    text.parse().context("explicitHashKey")
}

/// Returns the string in the field `name`, or the text whose base64 is in `name_base64`.
fn text_or_base64<'a>(
    fields: &'a JsonFields<'_>,
    name: &str,
    name_base64: &str,
) -> anyhow::Result<Option<Cow<'a, str>>> {
    let plain = fields.string(name)?;
    let Some(encoded) = fields.string(name_base64)? else {
        return Ok(plain);
    };
    if plain.is_some() {
        bail!("it has both {name} and {name_base64}");
    }
    let mut bytes = Vec::new();
    decode_base64(encoded.as_bytes(), &mut bytes).context(name_base64.to_owned())?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text.into())),
        Err(_) => bail!("{name_base64} is not UTF-8 text"),
    }
}

fn explicit_hash_key(fields: &JsonFields<'_>) -> anyhow::Result<Option<HashKey>> {
    let number = fields
        .get_non_null("explicitHashKey")
        .map(RawValue::get)
        // Kept as text, so large numbers are not rounded.
        .filter(|written| written.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
    let text = match number {
        Some(number) => Some(number.into()),
        None => text_or_base64(fields, "explicitHashKey", "explicitHashKeyBase64")?,
    };
    text.map(|text| hash_key(&text)).transpose()
}

fn parse_tags(tags: &RawValue) -> anyhow::Result<Vec<OwnedTag>> {
    let tags = serde_json::from_str::<Vec<JsonFields<'_>>>(tags.get());
    let tags = tags.ok().context("not an array of objects")?;
    tags.iter()
        .map(|tag| {
            let key = text_or_base64(tag, "key", "keyBase64")?.context("no key")?;
            let value = text_or_base64(tag, "value", "valueBase64")?;
            Ok((key.into_owned(), value.map(Into::into)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: [&str; 5] = [
        r#"{"partitionKey":"a","data":"eA=="}"#,
        r#" { "data" : "" , "partitionKey" : "é", "explicitHashKey" : null } "#,
        r#"{"record":0,"aggregated":true,"subSequenceNumber":10,"partitionKey":"{,}:","explicitHashKey":"7","data":"eQ=="}"#,
        r#"{"size":40,"x":"tags","data":"eA==","y":false,"partitionKey":"","z":null}"#,
        r#"{"":"","partitionKey":" b ","data":"not base64","n":4959}"#,
    ];

    fn usual(line: &str) -> Option<UsualLine<'_>> {
        let usual = UsualLine::parse(line.as_bytes())?;
        let fields = JsonFields::parse(line).expect(line);
        let text = |name| fields.string(name).expect(line);
        assert_eq!(
            text("partitionKey").as_deref(),
            Some(usual.partition_key),
            "{line}"
        );
        assert_eq!(
            text("explicitHashKey").as_deref(),
            usual.explicit_hash_key,
            "{line}"
        );
        assert_eq!(text("data").as_deref(), Some(usual.data), "{line}");
        for name in ["partitionKeyBase64", "explicitHashKeyBase64", "tags"] {
            assert!(fields.get_non_null(name).is_none(), "{line}");
        }
        Some(usual)
    }

    #[test]
    fn the_struct_for_usual_lines_agrees_with_json_fields() {
        for line in USUAL {
            assert!(usual(line).is_some(), "{line}");
            // Each range of the line is replaced with each piece, and the parsers must agree.
            let pieces = USUAL.iter().chain(&[
                "",
                "\"",
                "\\\"",
                "\t",
                ",",
                ":",
                "{}",
                "[1]",
                "-1",
                "01",
                "1.0",
                "nul",
                "é",
                r#","tags":[]"#,
                r#","partitionKeyBase64":"""#,
                r#","data":7"#,
            ]);
            for piece in pieces {
                for (start, _) in line.char_indices() {
                    for (end, _) in line.char_indices().filter(|(end, _)| *end >= start) {
                        usual(&[&line[..start], piece, &line[end..]].concat());
                    }
                }
            }
        }
    }

    #[test]
    fn unusual_lines_are_left_to_json_fields() {
        for line in [
            r#"{"partitionKey":"a","data":"eA==","tags":[]}"#,
            r#"{"partitionKey":"a","data":"eA==","explicitHashKey":7}"#,
            r#"{"partitionKey":"a","data":"eA==","data":"eQ=="}"#,
            r#"{"partitionKey":"a","data":"eA==","data":null}"#,
            r#"{"partitionKey":"a","data":"eA==","explicitHashKey":"7","explicitHashKey":null}"#,
            "{\"partitionKey\":\"a\",\"data\":\"eA==\",\u{c}\"x\":1}",
            r#"{"partitionKey":"a","data":"e\u0041=="}"#,
            r#"{"partitionKey":"a","data":"eA=="}}"#,
            r#"{"partitionKey":"a"}"#,
            "",
        ] {
            assert!(usual(line).is_none(), "{line}");
        }
    }
}
