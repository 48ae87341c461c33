//! User records in, Kinesis records out.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::ValueEnum;
use kinesis_agg::codec::NewUserRecord;
use kinesis_agg::codec::limits::{DEFAULT_MAX_SIZE, LARGEST_MAX_SIZE};
use kinesis_agg::lambda::JsonFields;
use kinesis_agg::read::RecordTag;
use kinesis_agg::shards::ShardedLimits;
use kinesis_agg::write::{Limits, LoneUserRecord, OuterKey};
use kinesis_agg::{HashKey, RecordAggregator, ShardedAggregator};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::commands::packer::{Made, Packer, Printer};
use crate::diagnosis::is_nested;
use crate::input::data::decode_base64;
use crate::input::file::{self, OpenFile, not_json};
use crate::input::place::{Place, Spot};
use crate::input::progress::Progress;
use crate::input::{or_stdin, shards};
use crate::output::{BadInput, JsonLines, Out, cannot_write, note};
use crate::pipeline::{self, Producer};
use crate::render::text::count;

/// Pack user records into Kinesis records, in order, as many into each as fit.
///
/// Reads JSON objects, a line each or printed over several lines: partitionKey, data in
/// base64, and optionally explicitHashKey and tags. Accepts the output of deaggregate.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ printf '%s\\n' '{\"partitionKey\":\"a\",\"data\":\"eA==\"}' \\
      '{\"partitionKey\":\"b\",\"data\":\"eQ==\"}' | kinesis-agg aggregate
  {\"partitionKey\":\"a\",\"explicitHashKey\":null,\"userRecords\":2,\"size\":40,\
\"data\":\"84mawgoBYQoBYhoFCAAaAXgaBQgBGgF5sAMZCa51iRypSs7C7M4xJQ==\"}

  # Change records with jq, and put them into another stream.
  $ kinesis-agg deaggregate dump.json | jq -c 'select(.partitionKey != \"test\")' \\
      | kinesis-agg aggregate --to put-records \\
      | while read -r request; do
          aws kinesis put-records --stream-name other --cli-input-json \"$request\"
        done")]
pub(crate) struct Args {
    /// Files to read, in order; `-` is standard input, which is also the default.
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
            "Maximum size of a Kinesis record in bytes, 1 to {LARGEST_MAX_SIZE}: data and partition key"
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

    /// Keep the user records of each shard apart, and print its id: a file with the JSON that
    /// `aws kinesis list-shards` prints.
    ///
    /// Without it, an aggregate holds user records of any shard; consumers that filter by
    /// hash key range, such as the KCL, then drop it.
    #[arg(long, value_name = "FILE")]
    shards: Option<PathBuf>,

    /// Pack user records together only while they have the same partition key and explicit
    /// hash key, so that no reshard can spread an aggregate. Keeps their order.
    #[arg(long, conflicts_with = "shards")]
    per_key: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    /// JSON objects, one user record each.
    #[value(alias = "ndjson")]
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// A Kinesis record a line, a JSON object.
    Ndjson,
    /// A PutRecords request a line, for `aws kinesis put-records --cli-input-json`.
    PutRecords,
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
    /// In an aggregate of one.
    Wrap,
    /// As plain data, unless it has tags or looks like an aggregate; as the KPL does.
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
    let made = pipeline::start(pipeline::MAX_LEN, move |producer| {
        let mut reader = Reader {
            packer,
            data: Vec::new(),
            nested: 0,
        };
        let read = reader.read(files, &reading, producer);
        if reader.nested > 0 {
            note(format_args!(
                "{} in the input had aggregates as data: they are aggregated twice now; \
                 run deaggregate first",
                count(reader.nested, "user record")
            ));
        }
        // What came before an error is printed all the same.
        reader.packer.flush(producer)?;
        read
    })?;
    let mut lines = JsonLines::new(out);
    let mut printer = Printer::new(args.to);
    let printed = printer.print_all(made, &mut lines);
    let ended = printer.end(&mut lines).and_then(|()| lines.flush());
    progress.clear();
    ended.map_err(cannot_write).and(printed)
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

/// Reads user records and packs them.
struct Reader {
    packer: Packer,
    /// Decoded data: memory that serves one user record after the other.
    data: Vec<u8>,
    /// User records that are aggregates themselves.
    nested: u64,
}

impl Reader {
    fn read(
        &mut self,
        files: Vec<PathBuf>,
        progress: &Progress,
        producer: &mut Producer<Made>,
    ) -> anyhow::Result<()> {
        for path in files {
            let mut file = OpenFile::open(&path, progress)?;
            let name: Arc<str> = file::name(&path).into();
            let bad_input = |line: u64, error: &anyhow::Error| BadInput {
                place: Place {
                    file: Arc::clone(&name),
                    spot: Spot::Line(line),
                },
                why: format!("{error:#}"),
            };
            // Most are lines, which are parsed in one go.
            while let Some((number, line)) = file.next_line(&mut || Ok(()))? {
                if let Some(usual) = UsualLine::parse(line) {
                    let pushed = self.push_usual(&usual, producer);
                    pushed.map_err(|error| bad(error, |error| bad_input(number, error)))?;
                    file.end_line();
                    continue;
                }
                let document = file.next_document(&mut || Ok(()), |line, document| {
                    let pushed = self.push(document.get(), producer);
                    pushed.map_err(|error| bad(error, |error| bad_input(line, error)))
                })?;
                match document {
                    None => break,
                    Some(Ok(pushed)) => pushed?,
                    Some(Err(fault)) => {
                        return Err(bad_input(fault.line, &anyhow!(fault.why)).into());
                    }
                }
            }
        }
        Ok(())
    }

    fn push_usual(
        &mut self,
        usual: &UsualLine<'_>,
        producer: &mut Producer<Made>,
    ) -> anyhow::Result<()> {
        self.data.clear();
        decode_base64(usual.data.as_bytes(), &mut self.data).context("data")?;
        let explicit_hash_key = usual.explicit_hash_key.map(hash_key).transpose()?;
        let user_record = NewUserRecord::new(usual.partition_key, &self.data)
            .with_explicit_hash_key(explicit_hash_key);
        self.nested = self.nested.saturating_add(u64::from(is_nested(&self.data)));
        self.packer.push(user_record, producer)
    }

    fn push(&mut self, document: &str, producer: &mut Producer<Made>) -> anyhow::Result<()> {
        let fields = JsonFields::parse(document)
            .map_err(|fault| anyhow!("not a JSON object: {}", not_json(&fault, 1, 1)))?;
        let partition_key = text_or_base64(&fields, "partitionKey", "partitionKeyBase64")?
            .context("no partitionKey")?;
        let explicit_hash_key = explicit_hash_key(&fields)?;
        let data = fields.string("data")?.context("no data")?;
        self.data.clear();
        decode_base64(data.trim().as_bytes(), &mut self.data).context("data")?;
        let tags = fields.get_non_null("tags").map(parse_tags).transpose();
        let tags = tags.context("tags")?.unwrap_or_default();
        let tags: Vec<_> = tags
            .iter()
            .map(|(key, value)| RecordTag {
                key: key.as_str().into(),
                value: value.as_deref().map(Into::into),
            })
            .collect();
        let user_record = NewUserRecord::new(&partition_key, &self.data)
            .with_explicit_hash_key(explicit_hash_key)
            .with_tags(tags.as_slice().into());
        self.nested = self.nested.saturating_add(u64::from(is_nested(&self.data)));
        self.packer.push(user_record, producer)
    }
}

/// The error of a line, unless it is not the line's.
fn bad(error: anyhow::Error, bad_input: impl FnOnce(&anyhow::Error) -> BadInput) -> anyhow::Error {
    match error.is::<pipeline::Closed>() {
        true => error,
        false => bad_input(&error).into(),
    }
}

/// A user record as most lines have it: without escapes and without what few have. It is
/// parsed in one pass. All other lines, and those that are wrong, are left to
/// [`JsonFields`].
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
    /// None if the line is an unusual one.
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
        bail!("both {name} and {name_base64}");
    }
    let mut bytes = Vec::new();
    decode_base64(encoded.as_bytes(), &mut bytes).context(name_base64.to_owned())?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text.into())),
        Err(_) => bail!("{name_base64} is not UTF-8, and partition keys have to be"),
    }
}

type OwnedTag = (String, Option<String>);

fn explicit_hash_key(fields: &JsonFields<'_>) -> anyhow::Result<Option<HashKey>> {
    let number = fields
        .get_non_null("explicitHashKey")
        .map(RawValue::get)
        // A number is read as it was written, so none is rounded here.
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
    fn what_is_usual_means_what_it_means_to_the_json_reader() {
        for line in USUAL {
            assert!(usual(line).is_some(), "{line}");
            // With a piece of another one, or of none, at every place instead of a piece.
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
    fn what_is_unusual_is_left_to_the_json_reader() {
        for line in [
            r#"{"partitionKey":"a","data":"eA==","tags":[]}"#,
            r#"{"partitionKey":"a","data":"eA==","explicitHashKey":7}"#,
            r#"{"partitionKey":"a","data":"eA==","data":"eQ=="}"#,
            r#"{"partitionKey":"a","data":"e\u0041=="}"#,
            r#"{"partitionKey":"a","data":"eA=="}}"#,
            r#"{"partitionKey":"a"}"#,
            "",
        ] {
            assert!(usual(line).is_none(), "{line}");
        }
    }
}
