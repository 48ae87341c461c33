//! Kinesis records that were read, in memory of their own.

use core::ops::Range;

use kinesis_agg::EnclosingRecord as _;
use kinesis_agg::lambda::{EventRecord, JsonFields};
use serde_json::value::RawValue;

use crate::events;
use crate::json::parse_fields;
use crate::key_tables::offset_in;
use crate::place::Place;
use crate::relay::Batch;

/// Some Kinesis records, in order.
#[derive(Debug, Default)]
pub(crate) struct HeldBlobs {
    /// What they are made of, one behind the other.
    bytes: Vec<u8>,
    records: Vec<Held>,
    /// Bytes of the data of events.
    events_len: usize,
}

#[derive(Debug)]
struct Held {
    place: Place,
    source: Source,
}

/// In `bytes`, unless it is an event.
#[derive(Debug)]
enum Source {
    Line {
        data: Range<usize>,
        /// JSON; empty if there is none.
        line: Range<usize>,
    },
    Event(EventRecord),
}

/// Memory of a large record is kept for the next only up to here.
const KEPT_CAPACITY: usize = 2 << 20;

impl Batch for HeldBlobs {
    fn len(&self) -> usize {
        let of_records = self.records.len().saturating_mul(size_of::<Held>());
        let bytes = self.bytes.len().saturating_add(self.events_len);
        bytes.saturating_add(of_records)
    }
}

impl HeldBlobs {
    pub(crate) const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_CAPACITY);
        self.records.clear();
        self.events_len = 0;
    }

    pub(crate) fn push_event(&mut self, place: Place, record: EventRecord) {
        self.events_len = self.events_len.saturating_add(record.data().len());
        let source = Source::Event(record);
        self.records.push(Held { place, source });
    }

    /// `decode` appends the data, and returns the line that it stands in and
    /// that line's fields, if it is JSON. The line is kept without the data.
    pub(crate) fn push<'a>(
        &mut self,
        place: &Place,
        decode: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<Option<(&'a [u8], JsonFields<'a>)>>,
    ) -> anyhow::Result<()> {
        let start = self.bytes.len();
        let decoded = decode(&mut self.bytes);
        if decoded.is_err() {
            self.bytes.truncate(start);
        }
        let line = decoded?;
        let end = self.bytes.len();
        if let Some((line, fields)) = line
            && let Some(data) = fields.get("data").map(RawValue::get)
        {
            let from = offset_in(line, data.as_bytes());
            let to = from.saturating_add(data.len());
            self.bytes
                .extend_from_slice(line.get(..from).unwrap_or_default());
            self.bytes.extend_from_slice(b"null");
            self.bytes
                .extend_from_slice(line.get(to..).unwrap_or_default());
        }
        let source = Source::Line {
            data: start..end,
            line: end..self.bytes.len(),
        };
        let place = place.clone();
        self.records.push(Held { place, source });
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = HeldBlob<'_>> {
        let bytes = &self.bytes;
        self.records.iter().map(|held| HeldBlob { bytes, held })
    }
}

/// A Kinesis record, held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldBlob<'a> {
    bytes: &'a [u8],
    held: &'a Held,
}

impl<'a> HeldBlob<'a> {
    pub(crate) const fn place(self) -> &'a Place {
        &self.held.place
    }

    /// As an event has it, if the input is one or it was asked for.
    pub(crate) const fn event(self) -> Option<&'a EventRecord> {
        match &self.held.source {
            Source::Event(record) => Some(record),
            Source::Line { .. } => None,
        }
    }

    pub(crate) fn data(self) -> &'a [u8] {
        match &self.held.source {
            Source::Line { data, .. } => self.bytes.get(data.clone()).unwrap_or_default(),
            Source::Event(record) => record.data(),
        }
    }

    /// What is known of it.
    pub(crate) fn fields(self) -> anyhow::Result<JsonFields<'a>> {
        match &self.held.source {
            Source::Line { line, .. } if line.is_empty() => Ok(JsonFields::default()),
            Source::Line { line, .. } => {
                parse_fields(self.bytes.get(line.clone()).unwrap_or_default())
            }
            Source::Event(record) => Ok(events::fields(record)),
        }
    }
}
