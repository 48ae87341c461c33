//! User records in, a JSON object each; Kinesis records out.

use alloc::sync::Arc;
use core::time::Duration;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;
use kinesis_agg::codec::NewUserRecord;
use kinesis_agg::codec::limits::{DEFAULT_MAX_SIZE, LARGEST_MAX_SIZE};
use kinesis_agg::{
    AsUserRecord, HashKey, Limits, LoneUserRecord, OuterKey, OwnedAggregate, OwnedUserRecord,
    RecordAggregator, RefusalReason, ShardAggregate, ShardedAggregator, ShardedLimits,
};
use serde_json::value::RawValue;

use crate::input::Input;
use crate::json::Fields;
use crate::output::{JsonLines, Out, cannot_write};
use crate::progress::Progress;
use crate::shards;

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
    max_count: Option<u32>,

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

fn max_count(text: &str) -> anyhow::Result<u32> {
    let limits = Limits::new().with_max_count(text.parse()?)?;
    Ok(limits.max_count())
}

pub(crate) fn run(args: &Args, out: &mut Out<'_>) -> anyhow::Result<()> {
    let From::Ndjson = args.from;
    let limits = Limits::new()
        .with_max_size(args.max_size)?
        .with_max_count(args.max_count.unwrap_or(u32::MAX))?;
    let outer_key = match args.outer_key {
        Outer::First => OuterKey::FirstUserRecord,
        Outer::Kpl => OuterKey::Kpl,
    };
    let lone = match args.lone {
        Lone::Wrap => LoneUserRecord::Wrapped,
        Lone::Raw => LoneUserRecord::Raw,
    };
    let mut aggregator = match &args.shards {
        None => Aggregator::OfAnyShard(Box::new(
            RecordAggregator::new()
                .with_limits(limits)
                .with_outer_key(outer_key)
                .with_lone_user_record(lone),
        )),
        Some(file) => {
            let map = shards::read(file)?;
            let limits = ShardedLimits::new()
                .with_limits(limits)
                .with_outer_key(outer_key)
                .with_lone_user_record(lone)
                .with_max_buffered_len(usize::MAX);
            Aggregator::OfOneShard(Box::new(ShardedAggregator::new(map, limits)))
        }
    };
    let mut lines = JsonLines::new(out);
    let mut data = Vec::new();
    let mut input = Input::new(&args.files, Progress::beside_output(&args.files));
    loop {
        match next_user_record(&mut input, &mut data, &mut aggregator) {
            Ok(Step::Pushed(None)) => {}
            Ok(Step::Pushed(Some(aggregate))) => print(&aggregate, &mut lines)?,
            end => {
                // What came before an error goes out all the same.
                for rest in aggregator.flush() {
                    print(&rest, &mut lines)?;
                }
                return end.map(drop);
            }
        }
    }
}

enum Aggregator {
    OfAnyShard(Box<RecordAggregator>),
    OfOneShard(Box<ShardedAggregator>),
}

/// An aggregate, and the shard that has all of it, if shards are known.
struct Completed {
    aggregate: OwnedAggregate,
    shard_id: Option<Arc<str>>,
}

impl core::convert::From<OwnedAggregate> for Completed {
    fn from(aggregate: OwnedAggregate) -> Self {
        Self {
            aggregate,
            shard_id: None,
        }
    }
}

impl core::convert::From<ShardAggregate> for Completed {
    fn from(complete: ShardAggregate) -> Self {
        Self {
            aggregate: complete.aggregate,
            shard_id: Some(complete.shard_id),
        }
    }
}

impl Aggregator {
    fn push(&mut self, user_record: impl AsUserRecord) -> anyhow::Result<Option<Completed>> {
        match self {
            Self::OfAnyShard(aggregator) => match aggregator.push(user_record) {
                Ok(completed) => Ok(completed.map(Completed::from)),
                Err(refused) => Err(refused.reason.into()),
            },
            Self::OfOneShard(aggregator) => {
                match aggregator.push(user_record, (), Duration::ZERO) {
                    Ok(completed) => Ok(completed.map(Completed::from)),
                    Err(refused) => Err(match refused.reason {
                        RefusalReason::Unfit(reason) => reason.into(),
                        other => other.into(),
                    }),
                }
            }
        }
    }

    fn flush(&mut self) -> Vec<Completed> {
        match self {
            Self::OfAnyShard(aggregator) => {
                let rest = aggregator.flush().into_iter();
                rest.map(Completed::from).collect()
            }
            Self::OfOneShard(aggregator) => {
                let rest = aggregator.flush_all().into_iter();
                rest.map(Completed::from).collect()
            }
        }
    }
}

enum Step {
    /// A user record; it may have completed an aggregate.
    Pushed(Option<Completed>),
    /// There are no more.
    End,
}

/// `data` is memory that serves one user record after the other.
fn next_user_record(
    input: &mut Input,
    data: &mut Vec<u8>,
    aggregator: &mut Aggregator,
) -> anyhow::Result<Step> {
    if !input.next_filled_line()? {
        return Ok(Step::End);
    }
    let completed =
        push(input.line(), data, aggregator).with_context(|| input.place().to_string())?;
    Ok(Step::Pushed(completed))
}

fn push(
    line: &[u8],
    data: &mut Vec<u8>,
    aggregator: &mut Aggregator,
) -> anyhow::Result<Option<Completed>> {
    let fields = Fields::parse(line)?;
    let partition_key = fields
        .text_or_base64("partitionKey", "partitionKeyBase64")?
        .context("no partitionKey")?;
    let explicit_hash_key = explicit_hash_key(&fields)?;
    fields.data(data)?;
    let user_record = NewUserRecord::new(&partition_key, data);
    let user_record = user_record.with_explicit_hash_key(explicit_hash_key);
    let Some(tags) = fields.get("tags") else {
        return aggregator.push(user_record);
    };
    let mut user_record = OwnedUserRecord::from(&user_record);
    for (key, value) in parse_tags(tags).context("tags")? {
        user_record = user_record.with_tag(&key, value.as_deref());
    }
    aggregator.push(user_record)
}

fn explicit_hash_key(fields: &Fields<'_>) -> anyhow::Result<Option<HashKey>> {
    let number = fields
        .get("explicitHashKey")
        .map(RawValue::get)
        // A number is read as it was written, so none is rounded here.
        .filter(|written| written.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
    let text = match number {
        Some(number) => Some(number.into()),
        None => fields.text_or_base64("explicitHashKey", "explicitHashKeyBase64")?,
    };
    let hash_key = text.map(|text| text.parse().context("explicitHashKey"));
    hash_key.transpose()
}

type OwnedTag = (String, Option<String>);

fn parse_tags(tags: &RawValue) -> anyhow::Result<Vec<OwnedTag>> {
    let tags = serde_json::from_str::<Vec<Fields<'_>>>(tags.get());
    let tags = tags.ok().context("not an array of objects")?;
    tags.iter()
        .map(|tag| {
            let key = tag.text_or_base64("key", "keyBase64")?.context("no key")?;
            let value = tag.text_or_base64("value", "valueBase64")?;
            Ok((key.into_owned(), value.map(Into::into)))
        })
        .collect()
}

fn print<W: Write>(completed: &Completed, lines: &mut JsonLines<W>) -> anyhow::Result<()> {
    let aggregate = &completed.aggregate;
    let explicit_hash_key = aggregate.explicit_hash_key().map(HashKey::to_decimal);
    let explicit_hash_key = explicit_hash_key.as_ref().map(|text| text.as_str());
    let mut write = || {
        let mut object = lines.object();
        let fields = object.fields();
        if let Some(shard_id) = &completed.shard_id {
            fields.text("shardId", shard_id)?;
        }
        fields
            .text("partitionKey", aggregate.partition_key())?
            .value("explicitHashKey", &explicit_hash_key)?
            .value("userRecords", &aggregate.record_count())?
            .value("size", &aggregate.data().len())?
            .base64("data", aggregate.data());
        object.end()
    };
    write().map_err(cannot_write)
}
