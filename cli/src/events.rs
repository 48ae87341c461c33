//! Kinesis records in the JSON of events.

use alloc::borrow::Cow;
use std::collections::HashSet;

use anyhow::bail;
use kinesis_agg::lambda::{EventRecord, JsonField, JsonFields, RecordShape};

use crate::json::parse_fields;

/// True for a line that `deaggregate` reads as `ndjson`: it has `data`, and no field
/// that only events have.
pub(crate) fn is_of_ours(line: &[u8]) -> bool {
    const OF_EVENTS: [&str; 8] = [
        "Records",
        "records",
        "kinesis",
        "kinesisStreamRecordMetadata",
        "kinesisRecordMetadata",
        "kinesisFirehoseRecordMetadata",
        "recordId",
        "Data",
    ];
    parse_fields(line).is_ok_and(|fields| {
        let is_there = |name: &&str| fields.get(name).is_some();
        fields.get("data").is_some() && !OF_EVENTS.iter().any(is_there)
    })
}

/// A record of an event, if its shape is one that is asked for.
pub(crate) fn expect_shape(
    record: EventRecord,
    takes: impl FnOnce(RecordShape) -> bool,
) -> anyhow::Result<EventRecord> {
    let shape = record.shape();
    if !takes(shape) {
        bail!("the record is of another kind: {shape:?}");
    }
    Ok(record)
}

/// Returns all fields that describe a record, under the same names for every
/// shape. Of fields of the same name, the first counts: the metadata's.
pub(crate) fn fields(record: &EventRecord) -> JsonFields<'_> {
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
