//! Kinesis records in JSON documents: events, records, or bare data.

use core::ops::ControlFlow;

use kinesis_agg::EnclosingRecord as _;
use kinesis_agg::lambda::{EventDocument, EventRecord, EventRecordError, JsonFields};
use serde_json::value::RawValue;

use crate::data::{decode_numbers, decode_text, is_hex_of_magic, offset_in, to_base64};
use crate::error::Spot;
use crate::input::file::OpenFile;
use crate::input::format::Format;
use crate::input::sink::Sink;
use crate::pipeline::Closed;

/// Reads all documents of a file.
pub(super) fn read(sink: &mut Sink<'_>, file: &mut OpenFile, format: Format) -> anyhow::Result<()> {
    loop {
        // Most documents are a record on a line of its own, which is parsed in one pass.
        let line = file.whole_line(&mut || sink.producer.flush())?;
        if let Some((number, line)) = line
            && let Some(record) = record_on_line(line, format)
        {
            sink.push(Spot::Line(number), Ok(record))?;
            file.end_line();
            continue;
        }
        let producer = &mut *sink.producer;
        // Both closures need the producer, one at a time, since the document is read in place.
        let producer = core::cell::RefCell::new(producer);
        let idle = &mut || producer.borrow_mut().flush();
        let (name, budget) = (&sink.name, &mut *sink.budget);
        let document = file.next_document(idle, |line, document| {
            let mut sink = Sink {
                name: name.clone(),
                producer: &mut producer.borrow_mut(),
                budget,
            };
            sink.read_document(line, document, format)
        })?;
        match document {
            None => return Ok(()),
            Some(Ok(read)) => read?,
            Some(Err(fault)) => sink.push(Spot::Line(fault.line), Err(fault.why))?,
        }
    }
}

impl Sink<'_> {
    fn read_document(
        &mut self,
        line: u64,
        document: &RawValue,
        format: Format,
    ) -> Result<(), Closed> {
        let text = document.get();
        let is_numbers = || {
            let inner = text.strip_prefix('[').map(str::trim_ascii_start);
            inner.is_some_and(|inner| inner.starts_with(|c: char| c.is_ascii_digit()))
        };
        if text.starts_with('"') || is_numbers() {
            return self.push(Spot::Line(line), element(document, format));
        }
        let mut next: u64 = 0;
        let mut result = Ok(());
        let walked = EventDocument::for_each_record(document, |record| {
            let spot = match core::ptr::eq(record, document) {
                true => Spot::Line(line),
                false => Spot::Element(line, next),
            };
            next = next.saturating_add(1);
            result = self.push(spot, element(record, format));
            match result {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        result?;
        match walked {
            Ok(()) => Ok(()),
            Err(error) => self.push(Spot::Line(line), Err(error.to_string())),
        }
    }
}

/// Returns a record that takes a whole line; `None` if the line holds anything else.
fn record_on_line(line: &[u8], format: Format) -> Option<EventRecord> {
    let record = EventRecord::parse(str::from_utf8(line).ok()?).ok()?;
    let is_usual = format.allows(record.shape()) && !is_misread_hex(&record);
    is_usual.then_some(record)
}

/// Reads an element of a document that should be a record.
fn element(value: &RawValue, format: Format) -> Result<EventRecord, String> {
    let text = value.get();
    if text.starts_with('"') {
        let text =
            serde_json::from_str::<String>(text).map_err(|_| "the string is not Unicode text")?;
        let data = decode_text(&text).map_err(|error| format!("{error:#}"))?;
        return Ok(EventRecord::from_data(data));
    }
    let record = match EventRecord::parse(text) {
        Ok(record) if !is_misread_hex(&record) => record,
        // Bytes as numbers may be in an object with a field `data`, too.
        parsed => match decode_numbers(value) {
            Some(data) => EventRecord::from_data(data),
            None if matches!(parsed, Err(EventRecordError::NotARecord)) => {
                return Err("neither an event nor a record".to_owned());
            }
            None => in_base64(text)?,
        },
    };
    match format.allows(record.shape()) {
        true => Ok(record),
        false => Err(format!(
            "not a record of the format {}; --from json reads every kind",
            format.name()
        )),
    }
}

/// Returns true if hexadecimal digits of an aggregate were decoded as base64.
fn is_misread_hex(record: &EventRecord) -> bool {
    record.data().get(..6).is_some_and(|start| {
        // Six bytes are eight characters of base64.
        is_hex_of_magic(to_base64(start).as_bytes())
    })
}

/// Reads a record whose data is not plain base64, by rewriting the data.
fn in_base64(text: &str) -> Result<EventRecord, String> {
    let fields = JsonFields::parse(text).map_err(|_| "not a JSON object")?;
    let kinesis = fields.get_non_null("kinesis");
    let kinesis = kinesis.map(|kinesis| JsonFields::parse(kinesis.get()));
    let name = match fields.get_non_null("Data") {
        Some(_) if kinesis.is_none() => "Data",
        _ => "data",
    };
    let around = match &kinesis {
        None => &fields,
        Some(kinesis) => kinesis.as_ref().map_err(|_| "kinesis is not an object")?,
    };
    let written = around.get_non_null(name);
    let written = written.ok_or_else(|| match name {
        _ if fields.get("Records").is_some() => "not a record".to_owned(),
        name => format!("neither an event nor a record: no {name}"),
    })?;
    let data = match decode_numbers(written) {
        Some(data) => data,
        None => {
            let not_data = format!("{name} is neither a base64 string nor an array of bytes");
            let string = serde_json::from_str::<String>(written.get()).map_err(|_| not_data)?;
            decode_text(&string).map_err(|error| format!("{name}: {error:#}"))?
        }
    };
    let start = offset_in(text.as_bytes(), written.get().as_bytes());
    let end = start.saturating_add(written.get().len());
    let [before, behind] = [text.get(..start), text.get(end..)].map(Option::unwrap_or_default);
    let rewritten = [before, "\"", &to_base64(&data), "\"", behind].concat();
    EventRecord::parse(&rewritten).map_err(|error| error.to_string())
}
