//! Kinesis records in, user records out, a JSON object each.

use core::time::Duration;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;
use kinesis_agg::codec::Digest;
use kinesis_agg::lambda::{JsonFields, UserRecordEvent};
use kinesis_agg::read::{KeyBytes, Observer, PlainReason, RecordTags, UserRecord};
use kinesis_agg::{
    Deaggregator, Delivered, EnclosingRecord, HashKey, HashKeyFilter, HashKeyRange, Outcome,
    digests,
};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::held_blobs::{HeldBlob, HeldBlobs};
use crate::input::{Blobs, Format, Input};
use crate::output::{JsonLines, Out, WrittenFields, cannot_write, note};
use crate::place::Place;
use crate::progress::Progress;
use crate::relay::{BATCH_LEN, Batch as _, Reading, Relay};

/// Take Kinesis records apart into their user records, a JSON object a line.
///
/// A record that is not aggregated is printed as it is, with the reason; so is
/// a malformed one, with the error. An aggregate without user records prints a
/// line on standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ echo f3899ac20a01610a01621a0508001a01781a0508011a0179b0031909ae75891ca94acec2ecce3125 \\
      | kinesis-agg deaggregate
  {\"record\":0,\"aggregated\":true,\"subSequenceNumber\":0,\"partitionKey\":\"a\",\
\"explicitHashKey\":null,\"data\":\"eA==\"}
  {\"record\":0,\"aggregated\":true,\"subSequenceNumber\":1,\"partitionKey\":\"b\",\
\"explicitHashKey\":null,\"data\":\"eQ==\"}

  # A Lambda function's event; what is known of a record goes along.
  $ kinesis-agg deaggregate < event.json

  # What lies in a stream, as the Python module would yield it.
  $ aws kinesis get-records --shard-iterator ... | kinesis-agg deaggregate --to event")]
pub(crate) struct Args {
    /// Files to read in order; `-` is standard input, and so is none at all.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How Kinesis records are written in the files [default: told from how each file begins].
    #[arg(long, value_enum, value_name = "FORMAT")]
    from: Option<Format>,

    /// What to print.
    #[arg(long, value_enum, value_name = "SHAPE", default_value_t = To::Ndjson)]
    to: To,

    /// What to do about an aggregate that is not valid.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Malformed::Pass)]
    malformed: Malformed,

    /// The hash keys of a shard, both inclusive. What is left out is told on standard error.
    #[arg(
        long,
        value_name = "START:END",
        value_parser = hash_key_range,
        requires = "filter"
    )]
    range: Option<HashKeyRange>,

    /// What to leave out for a user record outside of the range.
    #[arg(long, value_enum, value_name = "WHAT", requires = "range")]
    filter: Option<Filter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Malformed {
    /// Print it as it is, with the error, and go on.
    Pass,
    /// Stop there with exit status 1.
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum To {
    /// An object a line: what was delivered, then what is known of its Kinesis record.
    Ndjson,
    /// An object a line, in the shape of AWS's Python module: a Lambda event's record.
    Event,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Filter {
    /// All of its aggregate, as the KCL does.
    WholeAggregate,
    /// Just the user record.
    PerUserRecord,
}

fn hash_key_range(text: &str) -> Result<HashKeyRange, String> {
    let (start, end) = text.split_once(':').ok_or("not START:END")?;
    let hash_key = |text: &str| text.parse::<HashKey>().map_err(|error| error.to_string());
    HashKeyRange::new(hash_key(start)?, hash_key(end)?).map_err(|error| error.to_string())
}

pub(crate) fn run(args: &Args, out: &mut Out<'_>) -> anyhow::Result<()> {
    let progress = Progress::beside_output(&args.files);
    let input = {
        let (files, progress) = (args.files.clone(), progress.clone());
        move || Input::new(&files, progress)
    };
    let (from, as_events) = (args.from, args.to == To::Event);
    let relay = Relay::start(move |reading| read(Blobs::new(input(), from), as_events, reading))?;
    let mut lines = JsonLines::new(out);
    let result = args.print_all(relay, &mut lines);
    progress.clear();
    lines.flush().map_err(cannot_write).and(result)
}

/// Reads all Kinesis records, and hands over what there is before it waits for more.
fn read(mut blobs: Blobs, as_events: bool, reading: &mut Reading<HeldBlobs>) -> anyhow::Result<()> {
    let mut held = HeldBlobs::default();
    loop {
        if held.len() >= BATCH_LEN || (blobs.is_drained() && !held.is_empty()) {
            if reading.hand_over(held).is_err() {
                return Ok(());
            }
            held = reading.spare();
            held.clear();
        }
        let end = match blobs.advance() {
            Ok(true) => match blobs.move_to(&mut held, as_events) {
                Ok(()) => continue,
                Err(error) => Err(error),
            },
            other => other.map(drop),
        };
        // What came before an error goes out all the same.
        return reading.hand_over(held).map_or(Ok(()), |()| end);
    }
}

impl Args {
    fn print_all<W: Write>(
        &self,
        mut relay: Relay<HeldBlobs>,
        lines: &mut JsonLines<W>,
    ) -> anyhow::Result<()> {
        let mut deaggregator = Deaggregator::new().with_observer(Notes::default());
        if let Some(filter) = self.filter() {
            deaggregator = deaggregator.with_filter(filter);
        }
        loop {
            // Nobody waits for user records while this waits for input.
            let batches = relay.next(Duration::ZERO, || lines.flush().map_err(cannot_write))?;
            if batches.is_empty() {
                return relay.end();
            }
            let blobs = batches.iter().flat_map(|(held, _)| held.iter());
            let digests = digests::of_blobs(blobs.map(HeldBlob::data));
            let mut digests = digests.into_iter();
            for batch in batches {
                for (held, digest) in batch.0.iter().zip(&mut digests) {
                    self.print(held, digest, &mut deaggregator, lines)?;
                    self.report(held.place(), deaggregator.observer_mut());
                }
                relay.give_back(batch);
            }
        }
    }

    fn filter(&self) -> Option<HashKeyFilter> {
        self.range
            .zip(self.filter)
            .map(|(range, filter)| match filter {
                Filter::WholeAggregate => HashKeyFilter::WholeAggregate(range),
                Filter::PerUserRecord => HashKeyFilter::PerUserRecord(range),
            })
    }

    fn print<W: Write>(
        &self,
        held: HeldBlob<'_>,
        digest: Option<Digest>,
        deaggregator: &mut Deaggregator<Notes>,
        lines: &mut JsonLines<W>,
    ) -> anyhow::Result<()> {
        match (self.to, held.event()) {
            (To::Event, Some(record)) => {
                let records = core::slice::from_ref(record);
                let mut json = String::new();
                for delivered in deaggregator.deaggregate_with_digests(records, [digest]) {
                    let delivered = self.checked(held.place(), delivered)?;
                    json.clear();
                    UserRecordEvent::from(delivered).write_json(&mut json);
                    lines.json(&json).map_err(cannot_write)?;
                }
            }
            _ => {
                let records = [Record {
                    data: held.data(),
                    fields: held.fields()?,
                }];
                let mut along = None;
                for delivered in deaggregator.deaggregate_with_digests(&records, [digest]) {
                    let delivered = self.checked(held.place(), delivered)?;
                    let along = match &along {
                        Some(along) => along,
                        None => along.insert(Along::of(&delivered)?),
                    };
                    print(&delivered, along, lines).map_err(cannot_write)?;
                }
            }
        }
        Ok(())
    }

    fn checked<'a, R: EnclosingRecord>(
        &self,
        place: &Place,
        delivered: Delivered<'a, R>,
    ) -> anyhow::Result<Delivered<'a, R>> {
        match self.malformed {
            Malformed::Pass => Ok(delivered),
            Malformed::Fail => delivered.checked().with_context(|| place.to_string()),
        }
    }

    /// Reports what is not in the output of a Kinesis record.
    fn report(&self, place: &Place, notes: &mut Notes) {
        let Notes {
            record,
            is_empty,
            left_out_count,
            left_out_keys,
        } = core::mem::take(notes);
        if is_empty {
            note(format_args!(
                "{place}: record {record} is an aggregate without user records"
            ));
        }
        let Some(filter) = self.filter().filter(|_| left_out_count > 0) else {
            return;
        };
        let range = filter.range();
        let which = match filter {
            HashKeyFilter::WholeAggregate(_) => "user records, not all of them in",
            HashKeyFilter::PerUserRecord(_) => "user records outside of",
        };
        let more = if left_out_keys.len() > KEYS_TOLD {
            ", ..."
        } else {
            ""
        };
        let told = left_out_keys.iter().take(KEYS_TOLD).map(String::as_str);
        note(format_args!(
            "{place}: record {record}: left out {left_out_count} {which} {}:{}: {}{more}",
            range.starting_hash_key(),
            range.ending_hash_key(),
            told.collect::<Vec<_>>().join(", "),
        ));
    }
}

/// What is reported about a Kinesis record besides what it delivers.
#[derive(Debug, Default)]
struct Notes {
    record: usize,
    is_empty: bool,
    left_out_count: u64,
    /// Partition keys of what was left out, each once, and one more than is
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

/// Partition keys that are named of what was left out of a Kinesis record.
const KEYS_TOLD: usize = 8;

/// A Kinesis record, and what is known of it.
#[derive(Debug)]
struct Record<'a> {
    data: &'a [u8],
    fields: JsonFields<'a>,
}

impl EnclosingRecord for Record<'_> {
    fn data(&self) -> &[u8] {
        self.data
    }

    fn sequence_number(&self) -> Option<&str> {
        let written = self.fields.get_non_null("sequenceNumber")?.get();
        Some(written.trim_matches('"'))
    }
}

/// What stands in the line of all that a Kinesis record delivers.
#[derive(Debug, Default)]
struct Along {
    head: WrittenFields,
    tail: WrittenFields,
}

impl Along {
    fn of(delivered: &Delivered<'_, Record<'_>>) -> io::Result<Self> {
        let mut along = Self::default();
        let is_aggregated = delivered.user_record().is_some();
        let head = along
            .head
            .value("record", &delivered.record_index())?
            .value("aggregated", &is_aggregated)?;
        let fields = &delivered.enclosing().fields;
        let ours: &[&str] = match delivered.outcome() {
            Outcome::Aggregated { .. } => &USER_RECORD_FIELDS,
            Outcome::Plain(reason) => {
                head.value("reason", name_of(reason))?;
                &PLAIN_FIELDS
            }
            Outcome::Malformed(error) => {
                head.value("reason", "malformed")?
                    .value("error", &error.to_string())?;
                &MALFORMED_FIELDS
            }
        };
        if !is_aggregated {
            let outer_keys = OUTER_KEYS.iter().filter_map(|key| fields.field(key));
            head.extend(outer_keys);
        }
        let others = fields.iter().filter(|field| {
            !field
                .name()
                .is_some_and(|name| ours.contains(&name.as_ref()))
        });
        along.tail.extend(others);
        Ok(along)
    }
}

fn print<W: Write>(
    delivered: &Delivered<'_, Record<'_>>,
    along: &Along,
    lines: &mut JsonLines<W>,
) -> io::Result<()> {
    let mut object = lines.object();
    let fields = object.fields().append(&along.head);
    match delivered.user_record() {
        Some(user_record) => write_user_record(user_record, fields)?,
        None => fields.base64("data", delivered.data()),
    }
    .append(&along.tail);
    object.end()
}

/// What a Kinesis record was put under.
const OUTER_KEYS: [&str; 2] = ["partitionKey", "explicitHashKey"];

// Names that say something about a line, whether or not it has the field: what
// the input has by the same name does not go along.

const USER_RECORD_FIELDS: [&str; 9] = [
    "record",
    "aggregated",
    "subSequenceNumber",
    "partitionKey",
    "partitionKeyBase64",
    "explicitHashKey",
    "explicitHashKeyBase64",
    "data",
    "tags",
];

/// The outer keys stand before the data.
const PLAIN_FIELDS: [&str; 6] = [
    "record",
    "aggregated",
    "reason",
    "partitionKey",
    "explicitHashKey",
    "data",
];

const MALFORMED_FIELDS: [&str; 7] = [
    "record",
    "aggregated",
    "reason",
    "error",
    "partitionKey",
    "explicitHashKey",
    "data",
];

fn write_user_record<'f>(
    user_record: &UserRecord<'_>,
    fields: &'f mut WrittenFields,
) -> io::Result<&'f mut WrittenFields> {
    fields.value("subSequenceNumber", &user_record.sub_sequence_number())?;
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
        fields.value("tags", &Tags(tags))?;
    }
    Ok(fields)
}

#[inline]
fn write_key<'f>(
    [name, name_base64]: [&str; 2],
    key: KeyBytes<'_>,
    fields: &'f mut WrittenFields,
) -> io::Result<&'f mut WrittenFields> {
    // Most are, and are looked at once so.
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

struct Tags<'a>(RecordTags<'a>);

impl Serialize for Tags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|tag| Tag {
            key: tag.key,
            value: tag.value,
        }))
    }
}

struct Tag<'a> {
    key: KeyBytes<'a>,
    value: Option<KeyBytes<'a>>,
}

impl Serialize for Tag<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        for (name, name_base64, text) in [
            ("key", "keyBase64", Some(self.key)),
            ("value", "valueBase64", self.value),
        ] {
            match text.map(|text| (text.to_str(), text)) {
                None => map.serialize_entry(name, &())?,
                Some((Ok(text), _)) => map.serialize_entry(name, text)?,
                Some((Err(_), bytes)) => {
                    map.serialize_entry(name_base64, &crate::json::to_base64(bytes.as_bytes()))?;
                }
            }
        }
        map.end()
    }
}
