//! User records in, a JSON object each; Kinesis records out.

use core::time::Duration;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;
use kinesis_agg::codec::limits::{DEFAULT_MAX_SIZE, LARGEST_MAX_SIZE};
use kinesis_agg::lambda::JsonFields;
use kinesis_agg::shards::ShardedLimits;
use kinesis_agg::write::{Limits, LoneUserRecord, OuterKey};
use kinesis_agg::{HashKey, RecordAggregator, ShardedAggregator};
use serde_json::value::RawValue;

use crate::input::Input;
use crate::json::{data_of, parse_fields, text_or_base64};
use crate::output::{JsonLines, Out, cannot_write};
use crate::packer::Packer;
use crate::progress::Progress;
use crate::relay::{BATCH_LEN, Batch as _, Reading, Relay};
use crate::shards;
use crate::user_record_batch::{OwnedTag, UserRecordBatch};
use crate::usual_line::{UsualLine, hash_key};

/// Pack user records into Kinesis records, in order, as many into each as fit.
///
/// Reads JSON objects, one a line: partitionKey, data in base64, and, if there
/// are any, explicitHashKey and tags. What deaggregate prints will do.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  $ printf '%s\\n' '{\"partitionKey\":\"a\",\"data\":\"eA==\"}' \\
      '{\"partitionKey\":\"b\",\"data\":\"eQ==\"}' | kinesis-agg aggregate
  {\"partitionKey\":\"a\",\"explicitHashKey\":null,\"userRecords\":2,\"size\":40,\
\"data\":\"84mawgoBYQoBYhoFCAAaAXgaBQgBGgF5sAMZCa51iRypSs7C7M4xJQ==\"}")]
pub(crate) struct Args {
    /// Files to read in order; `-` is standard input, and so is none at all.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How user records are written in the files.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = From::Ndjson)]
    from: From,

    #[arg(
        long,
        value_name = "N",
        value_parser = max_size,
        default_value_t = DEFAULT_MAX_SIZE,
        help = format!(
            "Bytes of the largest Kinesis record, 1 to {LARGEST_MAX_SIZE}: its data and its partition key"
        ),
    )]
    max_size: u32,

    /// User records in the largest aggregate [default: any number].
    #[arg(long, value_name = "N", value_parser = max_count)]
    max_count: Option<usize>,

    /// What aggregates are to be put under.
    #[arg(long, value_enum, value_name = "KEY", default_value_t = Outer::First)]
    outer_key: Outer,

    /// In what form a user record goes that is alone in its aggregate.
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Lone::Wrap)]
    lone: Lone,

    /// Make aggregates of one shard each, and name it: the JSON that ListShards answers.
    ///
    /// Without it, an aggregate has user records of any shard; a consumer that
    /// filters by hash key range, as the KCL, then drops aggregates.
    #[arg(long, value_name = "FILE")]
    shards: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    /// One user record a line, a JSON object.
    Ndjson,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outer {
    /// The first user record's partition key, and its explicit hash key if it has one.
    First,
    /// The partition key `a` and the first user record's hash key, as the KPL.
    Kpl,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Lone {
    /// As an aggregate of one.
    Wrap,
    /// As it is, unless it has tags or looks like an aggregate; as the KPL.
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
    let From::Ndjson = args.from;
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
    let mut packer = match &args.shards {
        None => Packer::of_any_shard(
            RecordAggregator::new()
                .with_limits(limits)
                .with_outer_key(outer_key)
                .with_lone_user_record(lone),
        ),
        Some(file) => {
            let map = shards::read(file)?;
            let limits = ShardedLimits::new()
                .with_limits(limits)
                .with_outer_key(outer_key)
                .with_lone_user_record(lone)
                .with_max_buffered_len(usize::MAX);
            Packer::OfOneShard(Box::new(ShardedAggregator::new(map, limits)))
        }
    };
    let progress = Progress::beside_output(&args.files);
    let input = {
        let (files, progress) = (args.files.clone(), progress.clone());
        move || Input::new(&files, progress)
    };
    let relay = Relay::start(move |reading| read(input(), reading))?;
    let mut lines = JsonLines::new(out);
    let packed = pack(relay, &mut packer, &mut lines);
    // What came before an error goes out all the same.
    let rest = packer.flush(&mut lines);
    progress.clear();
    let flushed = rest.and_then(|()| lines.flush());
    flushed.map_err(cannot_write).and(packed)
}

/// Reads all user records, and hands over what there is before it waits for more.
fn read(mut input: Input, reading: &mut Reading<UserRecordBatch>) -> anyhow::Result<()> {
    let mut batch = UserRecordBatch::default();
    loop {
        if batch.len() >= BATCH_LEN || (input.is_drained() && !batch.is_empty()) {
            if reading.hand_over(batch).is_err() {
                return Ok(());
            }
            batch = reading.spare();
            batch.clear();
        }
        let end = match input.next_filled_line() {
            Ok(true) => match push(input.line(), &input, &mut batch) {
                Ok(()) => continue,
                Err(error) => Err(error.context(input.place().to_string())),
            },
            other => other.map(drop),
        };
        // What came before an error goes out all the same.
        return reading.hand_over(batch).map_or(Ok(()), |()| end);
    }
}

fn push(line: &[u8], input: &Input, batch: &mut UserRecordBatch) -> anyhow::Result<()> {
    if let Some(usual) = UsualLine::parse(line) {
        let explicit_hash_key = usual.explicit_hash_key()?;
        let key = usual.partition_key;
        batch.push(input, key, explicit_hash_key, usual.data, Vec::new());
        return Ok(());
    }
    let fields = parse_fields(line)?;
    let partition_key = text_or_base64(&fields, "partitionKey", "partitionKeyBase64")?
        .context("no partitionKey")?;
    let explicit_hash_key = explicit_hash_key(&fields)?;
    let data = data_of(&fields)?;
    let tags = fields.get_non_null("tags").map(parse_tags).transpose();
    let tags = tags.context("tags")?.unwrap_or_default();
    batch.push(input, &partition_key, explicit_hash_key, &data, tags);
    Ok(())
}

/// How long a complete aggregate waits for others: longer than it takes to read a batch.
const PATIENCE: Duration = Duration::from_millis(5);

/// Packs what is read, and prints each aggregate.
fn pack<W: Write>(
    mut relay: Relay<UserRecordBatch>,
    packer: &mut Packer,
    lines: &mut JsonLines<W>,
) -> anyhow::Result<()> {
    let mut data = Vec::new();
    loop {
        let batches = relay.next(PATIENCE, || {
            // Nobody waits for a complete aggregate while this waits for input.
            let finished = packer.finish(lines);
            finished.and_then(|()| lines.flush()).map_err(cannot_write)
        })?;
        if batches.is_empty() {
            return relay.end();
        }
        for batch in batches {
            batch.0.try_for_each(&mut data, |user_record, place| {
                packer.push(user_record, place, lines)
            })?;
            relay.give_back(batch);
        }
    }
}

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
