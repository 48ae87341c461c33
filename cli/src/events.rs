//! Kinesis records in the JSON of events.

use alloc::borrow::Cow;

use anyhow::{Context as _, bail};
use kinesis_agg::lambda::{EventRecord, RecordShape};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::Fields;

/// True for a line that deaggregate takes as `ndjson`: data, and nothing that
/// only events have.
pub(crate) fn is_of_ours(line: &[u8]) -> bool {
    const OF_EVENTS: [&str; 7] = [
        "Records",
        "records",
        "kinesis",
        "kinesisStreamRecordMetadata",
        "kinesisRecordMetadata",
        "recordId",
        "Data",
    ];
    Fields::parse(line).is_ok_and(|fields| {
        let is_there = |name: &&str| fields.written(name).is_some();
        fields.written("data").is_some() && !OF_EVENTS.iter().any(is_there)
    })
}

/// The records of an event; of an array; or the one that the document is.
pub(crate) fn records(document: Box<RawValue>) -> anyhow::Result<Vec<Box<RawValue>>> {
    #[derive(Deserialize)]
    struct Event {
        /// Lambda's and GetRecords' name, or Firehose's and Analytics's.
        #[serde(rename = "Records", alias = "records")]
        records: Option<Vec<Box<RawValue>>>,
    }
    let written = document.get();
    match written.as_bytes().first() {
        Some(b'{') => {
            let event: Event = serde_json::from_str(written).context("not an event")?;
            Ok(event.records.unwrap_or_else(|| vec![document]))
        }
        Some(b'[') => serde_json::from_str(written).context("not an array of records"),
        _ => bail!("neither an event nor a record"),
    }
}

/// A record of an event, if it is of a shape that may stand there.
pub(crate) fn record(
    written: &RawValue,
    takes: impl FnOnce(RecordShape) -> bool,
) -> anyhow::Result<EventRecord> {
    let record: EventRecord = serde_json::from_str(written.get()).context("not a record")?;
    let shape = record.shape();
    if !takes(shape) {
        bail!("the record is of another kind: {shape:?}");
    }
    Ok(record)
}

/// What is known of a record, under one name whatever the shape.
pub(crate) fn fields(record: &EventRecord) -> anyhow::Result<Fields<'_>> {
    let fields = record.metadata_fields().chain(record.fields());
    Fields::first_of(fields.map(|(name, value)| match record.shape() {
        RecordShape::GetRecords => (lower_first(name), value),
        _ => (Cow::Borrowed(name), value),
    }))
}

/// `SequenceNumber` is `sequenceNumber` elsewhere.
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
