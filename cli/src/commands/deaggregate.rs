//! Kinesis records in, user records out.

use core::time::Duration;
use std::collections::HashSet;
use std::io::{self, Write};

use alloc::borrow::Cow;
use anyhow::bail;
use clap::ValueEnum;
use kinesis_agg::codec::{Digest, Parsed, parse};
use kinesis_agg::lambda::{EventRecord, JsonField, JsonFields, RecordShape, UserRecordEvent};
use kinesis_agg::read::{KeyBytes, Observer, PlainReason, UserRecord};
use kinesis_agg::{
    Deaggregator, Delivered, EnclosingRecord, HashKey, HashKeyFilter, HashKeyRange, Outcome,
    digests,
};
use serde_json::Value;

use crate::data::to_base64;
use crate::diagnosis::is_nested;
use crate::error::Place;
use crate::error::{BadInput, cannot_write, note};
use crate::input::progress::Progress;
use crate::input::{InputArgs, Item, KinesisRecord, Unrecognized};
use crate::output::{JsonLines, Out, WrittenFields};
use crate::pipeline::Consumer;
use crate::render::text::count;

/// Split Kinesis records into their user records, one JSON object per line.
///
/// A record that is not aggregated is printed unchanged, with the reason. So is a malformed
/// one, with the error. An aggregate without user records is reported on standard error. The
/// first line or record that cannot be read ends the run; verify reports all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ echo f3899ac20a01610a01621a0508001a01781a0508011a0179b0031909ae75891ca94acec2ecce3125 \\
      | kinesis-agg deaggregate
  {\"record\":0,\"aggregated\":true,\"subSequenceNumber\":0,\"partitionKey\":\"a\",\
\"explicitHashKey\":null,\"data\":\"eA==\"}
  {\"record\":0,\"aggregated\":true,\"subSequenceNumber\":1,\"partitionKey\":\"b\",\
\"explicitHashKey\":null,\"data\":\"eQ==\"}

  # An event of Lambda, Firehose, Kinesis Analytics or EventBridge Pipes, or an on-failure
  # document. The other fields of a record are copied to each of its user records.
  $ kinesis-agg deaggregate event.json

  # The records of a stream, in the shape of AWS's Python module.
  $ aws kinesis get-records --shard-iterator ... | kinesis-agg deaggregate --to event
  $ aws kinesis get-records --query 'Records[].Data' ... | kinesis-agg deaggregate

  # From boto3: json.dumps(response, default=str). From Node: JSON.stringify(record).
  $ kinesis-agg deaggregate dump.json

  # An object that Firehose wrote to S3: compressed, with aggregates back to back.
  $ kinesis-agg deaggregate archive.gz

  # Only the data of the user records.
  $ kinesis-agg deaggregate --to data --print0 dump.json | xargs -0 -n 1 echo

Exit status:
  0  success, also if records were malformed or not aggregated
  1  a line or record cannot be read, or --malformed fail found a malformed record
  2  wrong usage, a file that cannot be read, or output that cannot be written")]
pub(crate) struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// What to print.
    #[arg(long, value_enum, value_name = "SHAPE", default_value_t = To::Ndjson)]
    to: To,

    /// With --to data: end the data of each user record with a zero byte, not a line end.
    #[arg(long, conflicts_with = "length_prefix")]
    print0: bool,

    /// With --to data: write the length before the data, as 4 bytes, most significant first.
    #[arg(long)]
    length_prefix: bool,

    /// Also split user records that are aggregates themselves, because they were aggregated twice.
    ///
    /// Their user records are printed instead, with their numbers in `nestedSubSequenceNumbers`.
    #[arg(long)]
    nested: bool,

    /// What to do with a malformed record.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Malformed::Pass)]
    malformed: Malformed,

    /// Drop what is outside this hash key range, and report it on standard error.
    ///
    /// START and END are decimal numbers, both inclusive, such as those of a shard.
    #[arg(long, value_name = "START:END", value_parser = hash_key_range)]
    range: Option<HashKeyRange>,

    /// What to drop if a user record is outside the range [default: whole-aggregate].
    #[arg(long, value_enum, value_name = "WHAT", requires = "range")]
    filter: Option<Filter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Malformed {
    /// Print it unchanged, with the error, and continue.
    Pass,
    /// Stop at it, with exit status 1.
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum To {
    /// One JSON object per line: the user record, then the other fields of its Kinesis record.
    Ndjson,
    /// One JSON object per line: a record of a Lambda event, as AWS's Python module makes it.
    Event,
    /// Only the data, one user record per line.
    Data,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Filter {
    /// Its whole aggregate, as the KCL does.
    WholeAggregate,
    /// Only that user record.
    PerUserRecord,
}

fn hash_key_range(text: &str) -> Result<HashKeyRange, String> {
    let (start, end) = text.split_once(':').ok_or("expected START:END")?;
    let hash_key = |text: &str| text.parse::<HashKey>().map_err(|error| error.to_string());
    HashKeyRange::new(hash_key(start)?, hash_key(end)?).map_err(|error| error.to_string())
}

pub(crate) fn run(args: &Args, out: &mut Out<'_>) -> anyhow::Result<()> {
    args.check()?;
    let progress = Progress::beside_output(&args.input.files);
    let records = args.input.read(Unrecognized::WrongUsage, &progress)?;
    let mut lines = JsonLines::new(out);
    let mut printer = Printer {
        args,
        deaggregator: Deaggregator::new().with_observer(Notes::default()),
        broken_lines: 0,
    };
    if let Some(filter) = args.filter() {
        printer.deaggregator = Deaggregator::new()
            .with_observer(Notes::default())
            .with_filter(filter);
    }
    let result = printer.print_all(records, &mut lines);
    progress.clear();
    let flushed = lines.flush().map_err(cannot_write);
    if printer.broken_lines > 0 {
        note(format_args!(
            "line ends inside the data of {}; to keep records apart, use --print0 or --length-prefix",
            count(printer.broken_lines, "record")
        ));
    }
    flushed.and(result)
}

impl Args {
    fn check(&self) -> anyhow::Result<()> {
        let is_framed = self.print0 || self.length_prefix;
        match self.to {
            To::Ndjson | To::Event if is_framed => {
                bail!("--print0 and --length-prefix need --to data")
            }
            To::Event if self.nested => bail!("--nested cannot be used with --to event"),
            _ => Ok(()),
        }
    }

    fn filter(&self) -> Option<HashKeyFilter> {
        self.range.map(|range| match self.filter {
            None | Some(Filter::WholeAggregate) => HashKeyFilter::WholeAggregate(range),
            Some(Filter::PerUserRecord) => HashKeyFilter::PerUserRecord(range),
        })
    }
}

struct Printer<'a> {
    args: &'a Args,
    deaggregator: Deaggregator<Notes>,
    /// Payloads that contain line ends, although each is printed on one line.
    broken_lines: u64,
}

impl Printer<'_> {
    fn print_all<W: Write>(
        &mut self,
        mut records: Consumer<Item>,
        lines: &mut JsonLines<W>,
    ) -> anyhow::Result<()> {
        loop {
            // Print what there is before waiting for input.
            let idle = || lines.flush().map_err(cannot_write);
            let mut batches = records.next_all(Duration::ZERO, idle)?;
            if batches.is_empty() {
                return Ok(());
            }
            let items = batches.iter().flat_map(|batch| batch.items());
            let blobs = items.filter_map(|item| Some(item.as_ref().ok()?.event.data()));
            let mut digests = digests::of_blobs(blobs).into_iter();
            for batch in &mut batches {
                for item in batch.take() {
                    let record = item?;
                    let digest = digests.next().unwrap_or_default();
                    self.print(&record, digest, lines)?;
                    self.report(&record.place);
                }
            }
        }
    }

    fn print<W: Write>(
        &mut self,
        record: &KinesisRecord,
        digest: Option<Digest>,
        lines: &mut JsonLines<W>,
    ) -> anyhow::Result<()> {
        let records = core::slice::from_ref(&record.event);
        let args = self.args;
        let mut along = None;
        let mut json = String::new();
        for delivered in self
            .deaggregator
            .deaggregate_with_digests(records, [digest])
        {
            let delivered = match args.malformed {
                Malformed::Pass => delivered,
                Malformed::Fail => delivered.checked().map_err(|error| BadInput {
                    place: record.place.clone(),
                    why: chain(&error),
                })?,
            };
            let nested = args
                .nested
                .then(|| delivered.data())
                .filter(|data| is_nested(data));
            let printed = match args.to {
                To::Event => {
                    json.clear();
                    UserRecordEvent::from(delivered).write_json(&mut json);
                    lines.json(&json)
                }
                To::Data => match nested {
                    None => args.print_data(delivered.data(), &mut self.broken_lines, lines),
                    Some(blob) => each_nested(blob, &mut Vec::new(), &mut |_, user_record| {
                        args.print_data(user_record.data(), &mut self.broken_lines, lines)
                    }),
                },
                To::Ndjson => {
                    let along = match &along {
                        Some(along) => along,
                        None => along.insert(Along::of(&delivered)?),
                    };
                    let number = delivered.sub_sequence_number();
                    match (delivered.user_record(), nested) {
                        (Some(_), Some(blob)) => {
                            each_nested(blob, &mut Vec::new(), &mut |path, user_record| {
                                print_user_record(number, path, user_record, along, lines)
                            })
                        }
                        (Some(user_record), None) => {
                            print_user_record(number, &[], user_record, along, lines)
                        }
                        (None, _) => lines.object(|fields| {
                            let fields = fields.append(&along.head);
                            fields.base64("data", delivered.data()).append(&along.tail);
                            Ok(())
                        }),
                    }
                }
            };
            printed.map_err(cannot_write)?;
        }
        Ok(())
    }

    /// Reports what the output does not show of a Kinesis record.
    fn report(&mut self, place: &Place) {
        let Notes {
            record,
            is_empty,
            left_out_count,
            left_out_keys,
        } = core::mem::take(self.deaggregator.observer_mut());
        if is_empty {
            note(format_args!(
                "{place}: record {record} is an aggregate without user records"
            ));
        }
        let Some(filter) = self.args.filter().filter(|_| left_out_count > 0) else {
            return;
        };
        let range = filter.range();
        let which = match filter {
            HashKeyFilter::WholeAggregate(_) => "of an aggregate that is not entirely in",
            HashKeyFilter::PerUserRecord(_) => "outside",
        };
        let more = if left_out_keys.len() > KEYS_TOLD {
            ", ..."
        } else {
            ""
        };
        let told = left_out_keys.iter().take(KEYS_TOLD).map(String::as_str);
        note(format_args!(
            "{place}: record {record}: dropped {} {which} {}:{}; partition keys: {}{more}",
            count(left_out_count, "user record"),
            range.starting_hash_key(),
            range.ending_hash_key(),
            told.collect::<Vec<_>>().join(", "),
        ));
    }
}

/// Returns an error with all its causes as text.
fn chain(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Prints the user records of an aggregate, opening those that are aggregates themselves.
/// `path` holds the sub-sequence numbers of the enclosing user records.
fn each_nested(
    blob: &[u8],
    path: &mut Vec<u64>,
    print: &mut dyn FnMut(&[u64], &UserRecord<'_>) -> io::Result<()>,
) -> io::Result<()> {
    /// Accidental nesting is never this deep, and each level uses stack space.
    const MAX_DEPTH: usize = 8;
    let Ok(Parsed::Aggregated(aggregated)) = parse(blob) else {
        return Ok(());
    };
    for user_record in aggregated.user_records() {
        path.push(user_record.sub_sequence_number());
        match path.len() < MAX_DEPTH && is_nested(user_record.data()) {
            true => each_nested(user_record.data(), path, print)?,
            false => print(path, &user_record)?,
        }
        path.pop();
    }
    Ok(())
}

/// What is reported about a Kinesis record besides its user records.
#[derive(Debug, Default)]
struct Notes {
    record: usize,
    is_empty: bool,
    left_out_count: u64,
    /// Distinct partition keys of the user records that were left out, at most one more than is
    /// reported.
    left_out_keys: Vec<String>,
}

impl Observer for Notes {
    fn on_kinesis_record<R: EnclosingRecord>(&mut self, record: usize, _: &R, outcome: Outcome) {
        self.record = record;
        self.is_empty = outcome == Outcome::Aggregated { record_count: 0 };
    }

    fn on_left_out<R: EnclosingRecord>(&mut self, left_out: &Delivered<'_, R>) {
        self.left_out_count = self.left_out_count.saturating_add(1);
        if let Some(key) = left_out.partition_key()
            && self.left_out_keys.len() <= KEYS_TOLD
        {
            let key = format!("{key:?}");
            if !self.left_out_keys.contains(&key) {
                self.left_out_keys.push(key);
            }
        }
    }
}

/// How many partition keys of left-out user records are reported for each Kinesis record.
const KEYS_TOLD: usize = 8;

/// The fields that are the same on each line of a Kinesis record.
#[derive(Debug, Default)]
struct Along {
    head: WrittenFields,
    tail: WrittenFields,
}

impl Along {
    fn of(delivered: &Delivered<'_, EventRecord>) -> io::Result<Self> {
        let mut along = Self::default();
        let is_aggregated = delivered.user_record().is_some();
        let head = along
            .head
            .value("record", &delivered.record_index())?
            .value("aggregated", &is_aggregated)?;
        let fields = &fields_of(delivered.enclosing());
        let ours: &[&str] = match delivered.outcome() {
            Outcome::Aggregated { .. } => &[
                "subSequenceNumber",
                "nestedSubSequenceNumbers",
                "partitionKeyBase64",
                "explicitHashKeyBase64",
                "tags",
            ],
            Outcome::Plain(reason) => {
                head.value("reason", name_of(reason))?;
                &["reason"]
            }
            Outcome::Malformed(error) => {
                head.value("reason", "malformed")?
                    .value("error", &error.to_string())?;
                &["reason", "error"]
            }
        };
        if !is_aggregated {
            let outer_keys = OUTER_KEYS.iter().filter_map(|key| fields.field(key));
            head.extend(outer_keys);
        }
        // Fields of the input that have the name of a field that is written here are left out.
        let others = fields.iter().filter(|field| {
            let name = field.name();
            let is_ours = |name: &str| ours.contains(&name) || ALWAYS_WRITTEN.contains(&name);
            !name.is_some_and(|name| is_ours(&name))
        });
        along.tail.extend(others);
        Ok(along)
    }
}

/// Prints a user record. `nested` holds its sub-sequence numbers inside the user record with
/// the number `sub_sequence_number`; it is empty for that user record itself.
fn print_user_record<W: Write>(
    sub_sequence_number: u64,
    nested: &[u64],
    user_record: &UserRecord<'_>,
    along: &Along,
    lines: &mut JsonLines<W>,
) -> io::Result<()> {
    lines.object(|fields| {
        fields
            .append(&along.head)
            .value("subSequenceNumber", &sub_sequence_number)?;
        if !nested.is_empty() {
            fields.value("nestedSubSequenceNumbers", nested)?;
        }
        write_key(
            ["partitionKey", "partitionKeyBase64"],
            user_record.partition_key(),
            fields,
        )?;
        let names = ["explicitHashKey", "explicitHashKeyBase64"];
        match user_record.explicit_hash_key() {
            Some(key) => write_key(names, key, fields)?,
            None => fields.value("explicitHashKey", &())?,
        };
        fields.base64("data", user_record.data());
        let tags = user_record.tags();
        if !tags.is_empty() {
            let tags = tags.iter().map(|tag| {
                Value::from_iter([
                    tag_text(["key", "keyBase64"], Some(tag.key)),
                    tag_text(["value", "valueBase64"], tag.value),
                ])
            });
            fields.value("tags", &tags.collect::<Value>())?;
        }
        fields.append(&along.tail);
        Ok(())
    })
}

impl Args {
    fn print_data<W: Write>(
        &self,
        data: &[u8],
        broken_lines: &mut u64,
        lines: &mut JsonLines<W>,
    ) -> io::Result<()> {
        match (self.print0, self.length_prefix) {
            (true, _) => lines.bytes(&[data, b"\0"]),
            (_, true) => {
                let len = u32::try_from(data.len()).map_err(io::Error::other)?;
                lines.bytes(&[&len.to_be_bytes(), data])
            }
            _ => {
                let has_line_end = memchr::memchr(b'\n', data).is_some();
                *broken_lines = broken_lines.saturating_add(u64::from(has_line_end));
                lines.bytes(&[data, b"\n"])
            }
        }
    }
}

/// Returns all fields that describe a record, under the same names for every shape. If a name
/// occurs twice, the first field is returned: that of the metadata.
pub(crate) fn fields_of(record: &EventRecord) -> JsonFields<'_> {
    let mut names = HashSet::new();
    let fields = record.metadata_fields().chain(record.fields());
    let renamed = fields.map(|field| match (record.shape(), field.name()) {
        (RecordShape::GetRecords, Some(name)) => JsonField::new(&lower_first(&name), field.value()),
        _ => field.as_borrowed(),
    });
    renamed
        .filter(|field| match field.name() {
            Some(name) => names.insert(name.into_owned()),
            None => true,
        })
        .collect()
}

/// Some shapes write `SequenceNumber`, others `sequenceNumber`.
fn lower_first(name: &str) -> Cow<'_, str> {
    let mut characters = name.chars();
    match characters.next() {
        Some(first) if first.is_ascii_uppercase() => {
            let first = first.to_ascii_lowercase();
            Cow::Owned(format!("{first}{}", characters.as_str()))
        }
        _ => Cow::Borrowed(name),
    }
}

/// The fields with the keys of the Kinesis record.
const OUTER_KEYS: [&str; 2] = ["partitionKey", "explicitHashKey"];

/// The fields that this command writes for every record.
const ALWAYS_WRITTEN: [&str; 5] = [
    "record",
    "aggregated",
    "partitionKey",
    "explicitHashKey",
    "data",
];

#[inline]
fn write_key<'f>(
    [name, name_base64]: [&str; 2],
    key: KeyBytes<'_>,
    fields: &'f mut WrittenFields,
) -> io::Result<&'f mut WrittenFields> {
    // Most keys are plain ASCII, which needs only one pass.
    if fields.plain(name, key.as_bytes()) {
        return Ok(fields);
    }
    match key.to_str() {
        Ok(text) => fields.text(name, text),
        Err(_) => Ok(fields.base64(name_base64, key.as_bytes())),
    }
}

const fn name_of(reason: PlainReason) -> &'static str {
    match reason {
        PlainReason::NoMagic => "no_magic",
        PlainReason::TooShort => "too_short",
        PlainReason::DigestMismatch => "digest_mismatch",
    }
}

/// Returns a text of a tag with its name: as a string, or in base64 if it is not UTF-8.
fn tag_text([name, name_base64]: [&str; 2], text: Option<KeyBytes<'_>>) -> (String, Value) {
    let Some(text) = text else {
        return (name.to_owned(), Value::Null);
    };
    match text.to_str() {
        Ok(text) => (name.to_owned(), text.into()),
        Err(_) => (name_base64.to_owned(), to_base64(text.as_bytes()).into()),
    }
}
