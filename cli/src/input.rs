//! Files and standard input, line by line, document by document or as a whole,
//! and the blobs in them.

use alloc::sync::Arc;
use alloc::vec;
use core::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use kinesis_agg::EnclosingRecord as _;
use kinesis_agg::codec::MAGIC;
use kinesis_agg::lambda::{
    EventDocument, EventError, EventRecord, EventRecords, JsonFields, RecordShape,
};
use serde_json::StreamDeserializer;
use serde_json::de::IoRead;
use serde_json::value::RawValue;

use crate::events;
use crate::held_blobs::HeldBlobs;
use crate::json::{data_of, decode_base64, decode_data, parse_fields, to_base64};
use crate::output::{WrongUsage, note};
use crate::place::{Place, Unit};
use crate::progress::Progress;

/// How blobs are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One blob a line, in hexadecimal digits.
    Hex,
    /// One blob a line, in base64.
    Base64,
    /// One blob a file, as it is.
    Raw,
    /// One Kinesis record a line, a JSON object: `data` in base64, and any other fields.
    Ndjson,
    /// Events of a Lambda function that reads a stream, or records of them.
    Lambda,
    /// Events of a Firehose transformation, or records of them.
    Firehose,
    /// Events of a Kinesis Analytics preprocessing, or records of them.
    Analytics,
    /// What `aws kinesis get-records` or boto3 answers, or records of it.
    GetRecords,
    /// Events or records of any of these shapes; only guessed.
    #[value(skip)]
    Events,
}

impl Format {
    /// Tells from how a file begins.
    fn guess(head: &[u8]) -> Option<Self> {
        let text = head.trim_ascii();
        if head.starts_with(&MAGIC) {
            return Some(Self::Raw);
        }
        match text.first()? {
            b'{' if events::is_of_ours(text) => Some(Self::Ndjson),
            b'{' | b'[' => Some(Self::Events),
            _ => {
                let mut start = Vec::new();
                let is_magic = |hex: &[u8]| hex::decode(hex).is_ok_and(|bytes| bytes == MAGIC);
                if text
                    .get(..MAGIC.len().saturating_mul(2))
                    .is_some_and(is_magic)
                {
                    return Some(Self::Hex);
                }
                // Eight digits are six bytes.
                decode_base64(text.get(..8)?, &mut start).ok()?;
                start.starts_with(&MAGIC).then_some(Self::Base64)
            }
        }
    }

    /// As `--from` has it.
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether such a record may stand there.
    fn takes(self, shape: RecordShape) -> bool {
        match self {
            // EventBridge Pipes calls Lambda functions with flat records.
            Self::Lambda => matches!(shape, RecordShape::Kinesis | RecordShape::Pipes),
            // Without a stream as their source, records of both are bare.
            Self::Firehose => matches!(shape, RecordShape::Firehose | RecordShape::Bare),
            Self::Analytics => matches!(
                shape,
                RecordShape::Analytics | RecordShape::AnalyticsOfFirehose | RecordShape::Bare
            ),
            Self::GetRecords => shape == RecordShape::GetRecords,
            Self::Events | Self::Hex | Self::Base64 | Self::Raw | Self::Ndjson => true,
        }
    }
}

/// Several files as one input. Holds one line, or one whole file, at a time.
#[derive(Debug)]
pub(crate) struct Input {
    files: vec::IntoIter<PathBuf>,
    progress: Progress,
    current: Option<Opened>,
    content: Vec<u8>,
}

struct Opened {
    name: Arc<str>,
    /// Of what was read last.
    number: u64,
    content: Content,
}

enum Content {
    /// To be read by lines, or as a whole.
    Bytes(BufReader<Box<dyn Read>>),
    /// JSON documents, one behind the other.
    Documents(StreamDeserializer<'static, IoRead<BufReader<Box<dyn Read>>>, Box<RawValue>>),
    /// Read as a whole.
    Done,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("name", &self.name)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Opened {
    fn open(path: &Path, progress: &Progress) -> anyhow::Result<Self> {
        let (name, reader): (_, Box<dyn Read>) = if path == Path::new("-") {
            let stdin = io::stdin().lock();
            if stdin.is_terminal() {
                note(format_args!(
                    "reads what is typed here, until ctrl-D; to read a file, name it (--help)"
                ));
            }
            ("<stdin>".to_owned(), Box::new(progress.of_reader(stdin)))
        } else {
            let name = path.display().to_string();
            let file = File::open(path).with_context(|| name.clone())?;
            (name, Box::new(progress.of_reader(file)))
        };
        Ok(Self {
            name: name.into(),
            number: 0,
            content: Content::Bytes(BufReader::with_capacity(BUFFER_LEN, reader)),
        })
    }
}

/// Bytes read at a time.
const BUFFER_LEN: usize = 1 << 16;

impl Input {
    /// The files, in order; standard input if there are none.
    pub(crate) fn new(files: &[PathBuf], progress: Progress) -> Self {
        let files = match files {
            [] => vec![PathBuf::from("-")],
            files => files.to_vec(),
        };
        Self {
            files: files.into_iter(),
            progress,
            current: None,
            content: Vec::new(),
        }
    }

    /// Opens the next file; false behind the last.
    fn open_next(&mut self) -> anyhow::Result<bool> {
        self.current = None;
        if let Some(path) = self.files.next() {
            self.current = Some(Opened::open(&path, &self.progress)?);
        }
        Ok(self.current.is_some())
    }

    /// Goes to the next line; false if there is none.
    pub(crate) fn next_line(&mut self) -> anyhow::Result<bool> {
        loop {
            if self.next_line_here()? {
                return Ok(true);
            }
            if !self.open_next()? {
                return Ok(false);
            }
        }
    }

    /// Goes to the next line of the file; false if there is none.
    fn next_line_here(&mut self) -> anyhow::Result<bool> {
        self.content.clear();
        if let Some(opened) = &mut self.current
            && let Content::Bytes(reader) = &mut opened.content
        {
            let read = read_line(reader, &mut self.content);
            if read.with_context(|| opened.name.to_string())? {
                opened.number = opened.number.saturating_add(1);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the file as a whole; false if that has been done.
    fn read_here(&mut self) -> anyhow::Result<bool> {
        self.content.clear();
        if let Some(opened) = &mut self.current
            && let Content::Bytes(mut reader) =
                core::mem::replace(&mut opened.content, Content::Done)
        {
            let read = reader.read_to_end(&mut self.content);
            read.with_context(|| opened.name.to_string())?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The next JSON document of the file.
    fn next_document_here(&mut self) -> anyhow::Result<Option<Box<RawValue>>> {
        let Some(opened) = &mut self.current else {
            return Ok(None);
        };
        opened.content = match core::mem::replace(&mut opened.content, Content::Done) {
            Content::Bytes(reader) => {
                Content::Documents(serde_json::Deserializer::from_reader(reader).into_iter())
            }
            other => other,
        };
        let Content::Documents(documents) = &mut opened.content else {
            return Ok(None);
        };
        opened.number = opened.number.saturating_add(1);
        let document = documents.next().transpose();
        document.with_context(|| format!("{}: not JSON", self.place()))
    }

    /// Tells how the file is written, without reading it.
    fn guess_here(&mut self, unknown: Unknown) -> anyhow::Result<Format> {
        let Some(opened) = &mut self.current else {
            return Ok(Format::Raw);
        };
        let mut head = Vec::new();
        if let Content::Bytes(mut reader) = core::mem::replace(&mut opened.content, Content::Done) {
            while head.trim_ascii().is_empty() {
                let read = reader.read_until(b'\n', &mut head);
                if read.with_context(|| opened.name.to_string())? == 0 {
                    break;
                }
            }
            let again: Box<dyn Read> = Box::new(Cursor::new(head.clone()).chain(reader));
            opened.content = Content::Bytes(BufReader::with_capacity(BUFFER_LEN, again));
        }
        match (Format::guess(&head), unknown) {
            (Some(format), _) => Ok(format),
            (None, Unknown::IsRaw) => Ok(Format::Raw),
            (None, Unknown::IsWrongUsage) => {
                let name = &opened.name;
                let what = match head.as_slice() {
                    [] => "there is nothing in it, so the format has to be said with --from",
                    [0x1f, 0x8b, ..] => "it is compressed (gzip); pipe it through gzip -dc",
                    _ => {
                        "cannot tell how Kinesis records are written there; say it with --from \
                         (hex, base64, raw, ndjson, ...)"
                    }
                };
                Err(WrongUsage(format!("{name}: {what}")).into())
            }
        }
    }

    /// The line, without its end.
    pub(crate) fn line(&self) -> &[u8] {
        let line = self.content.as_slice();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// Where that stands.
    pub(crate) fn place(&self) -> Place {
        let Some(opened) = &self.current else {
            return Place::default();
        };
        Place {
            file: Arc::clone(&opened.name),
            unit: match opened.content {
                Content::Documents(_) => Unit::Document,
                Content::Bytes(_) | Content::Done => Unit::Line,
            },
            number: opened.number,
        }
    }

    /// Of the line.
    pub(crate) fn number(&self) -> u64 {
        self.current.as_ref().map_or(0, |opened| opened.number)
    }

    pub(crate) fn is_in_file_of(&self, place: &Place) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|opened| Arc::ptr_eq(&opened.name, &place.file))
    }

    /// True if the next line has to be waited for, as far as can be told.
    pub(crate) fn is_drained(&self) -> bool {
        let Some(opened) = &self.current else {
            return true;
        };
        match &opened.content {
            Content::Bytes(reader) => reader.buffer().is_empty(),
            Content::Documents(_) | Content::Done => true,
        }
    }
}

/// What a file is that begins like none of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Data of a Kinesis record, as in [`Format::Raw`].
    IsRaw,
    /// Nothing that can be read without being told how.
    IsWrongUsage,
}

/// Kinesis records, as the input has them.
#[derive(Debug)]
pub(crate) struct Blobs {
    input: Input,
    /// None: to be guessed, file by file.
    asked: Option<Format>,
    unknown: Unknown,
    /// Of the file that is open.
    format: Option<Format>,
    /// Decoded.
    data: Vec<u8>,
    /// The records of the document that have not been read yet.
    records: Option<EventRecords>,
    /// The one that was reached.
    record: Option<EventRecord>,
}

/// A Kinesis record.
#[derive(Debug)]
pub(crate) struct Blob<'a> {
    pub(crate) place: Place,
    pub(crate) data: &'a [u8],
    /// What else is known of it, if the format tells.
    pub(crate) fields: JsonFields<'a>,
    /// As JSON, if the input is that.
    line: Option<&'a [u8]>,
}

impl Blob<'_> {
    /// As an event would have it.
    fn to_event_record(&self) -> anyhow::Result<EventRecord> {
        let record = match self.line {
            Some(line) => serde_json::from_slice(line),
            None => serde_json::from_value(serde_json::json!({"data": to_base64(self.data)})),
        };
        record.with_context(|| self.place.to_string())
    }
}

impl Blobs {
    /// In a format, or in what each file seems to be in.
    pub(crate) fn new(input: Input, format: Option<Format>) -> Self {
        Self {
            input,
            asked: format,
            unknown: Unknown::IsWrongUsage,
            format: None,
            data: Vec::new(),
            records: None,
            record: None,
        }
    }

    /// Says what a file is that begins like none of the formats; wrong usage
    /// otherwise.
    pub(crate) fn with_unknown(self, unknown: Unknown) -> Self {
        Self { unknown, ..self }
    }

    /// As [`Input::is_drained`].
    pub(crate) fn is_drained(&self) -> bool {
        let are_read = self
            .records
            .as_ref()
            .is_none_or(|records| records.len() == 0);
        are_read && self.input.is_drained()
    }

    /// The next Kinesis record. The error names the place.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Blob<'_>>> {
        if !self.advance()? {
            return Ok(None);
        }
        self.current().map(Some)
    }

    /// The Kinesis record that was reached. The error names the place; one can
    /// go on behind it.
    pub(crate) fn current(&mut self) -> anyhow::Result<Blob<'_>> {
        let Self {
            input,
            data,
            record,
            format,
            ..
        } = self;
        let format = format.unwrap_or(Format::Raw);
        let place = input.place();
        if let Some(record) = record {
            return Ok(Blob {
                place,
                data: record.data(),
                fields: events::fields(record),
                line: None,
            });
        }
        let line = input.line();
        data.clear();
        let fields = decode(format, line, data).with_context(|| read_as(&place, format))?;
        Ok(Blob {
            place,
            data: match format {
                Format::Raw => &input.content,
                _ => data,
            },
            fields,
            line: (format == Format::Ndjson).then_some(line),
        })
    }

    /// Moves the Kinesis record that was reached into `held`, if wanted as an
    /// event would have it. The error names the place.
    pub(crate) fn move_to(&mut self, held: &mut HeldBlobs, as_event: bool) -> anyhow::Result<()> {
        let place = self.input.place();
        let record = match self.record.take() {
            None if as_event => Some(self.current()?.to_event_record()?),
            other => other,
        };
        if let Some(record) = record {
            held.push_event(place, record);
            return Ok(());
        }
        let format = self.format.unwrap_or(Format::Raw);
        let (line, whole) = (self.input.line(), self.input.content.as_slice());
        held.push(&place, |bytes| match format {
            Format::Raw => {
                bytes.extend_from_slice(whole);
                Ok(None)
            }
            _ => {
                let fields = decode(format, line, bytes);
                let fields = fields.with_context(|| read_as(&place, format))?;
                Ok((format == Format::Ndjson).then_some((line, fields)))
            }
        })
    }

    /// Goes to the next Kinesis record; false if there is none.
    pub(crate) fn advance(&mut self) -> anyhow::Result<bool> {
        loop {
            if let Some(format) = self.format
                && self.advance_here(format)?
            {
                return Ok(true);
            }
            if !self.input.open_next()? {
                return Ok(false);
            }
            self.format = match self.asked {
                Some(asked) => Some(asked),
                None => Some(self.input.guess_here(self.unknown)?),
            };
        }
    }

    /// Goes to the next Kinesis record of the file; false if there is none.
    fn advance_here(&mut self, format: Format) -> anyhow::Result<bool> {
        self.record = None;
        match format {
            Format::Raw => self.input.read_here(),
            Format::Hex | Format::Base64 => self.input.next_line_here(),
            Format::Ndjson => loop {
                if !self.input.next_line_here()? {
                    return Ok(false);
                }
                if !self.input.line().trim_ascii().is_empty() {
                    return Ok(true);
                }
            },
            Format::Lambda
            | Format::Firehose
            | Format::Analytics
            | Format::GetRecords
            | Format::Events => loop {
                if let Some(record) = self.records.as_mut().and_then(Iterator::next) {
                    let place = self.input.place();
                    let record = record.map_err(describe).and_then(|record| {
                        events::expect_shape(record, |shape| format.takes(shape))
                    });
                    self.record = Some(record.with_context(|| place.to_string())?);
                    return Ok(true);
                }
                let Some(document) = self.input.next_document_here()? else {
                    return Ok(false);
                };
                let document = EventDocument::from_raw(document);
                let place = self.input.place();
                let document = document.with_context(|| place.to_string())?;
                self.records = Some(document.into_iter());
            },
        }
    }
}

impl Input {
    /// Goes to the next line that is not blank; false if there is none.
    pub(crate) fn next_filled_line(&mut self) -> anyhow::Result<bool> {
        while self.next_line()? {
            if !self.line().trim_ascii().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Appends all to the end of the line; false if there is nothing more. As
/// [`read_until`](io::BufRead::read_until), which searches a few bytes at a time.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let available = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let end = memchr::memchr(b'\n', available).map(|place| place.saturating_add(1));
        let piece = end
            .and_then(|end| available.get(..end))
            .unwrap_or(available);
        line.extend_from_slice(piece);
        let len = piece.len();
        reader.consume(len);
        if end.is_some() || len == 0 {
            return Ok(!line.is_empty());
        }
    }
}

/// Turns the error of a record into one of the command line.
fn describe(error: EventError) -> anyhow::Error {
    anyhow::Error::new(error).context("not a record")
}

fn read_as(place: &Place, format: Format) -> String {
    format!("{place}, read as {} (see --from)", format.name())
}

/// Decodes a line, appends its data to `data`, and returns its fields.
fn decode<'a>(
    format: Format,
    line: &'a [u8],
    data: &mut Vec<u8>,
) -> anyhow::Result<JsonFields<'a>> {
    match format {
        Format::Hex => {
            let start = data.len();
            data.resize(start.saturating_add(line.len() / 2), 0);
            let place = data.get_mut(start..).unwrap_or_default();
            hex::decode_to_slice(line, place).context("not hex")?;
        }
        Format::Base64 => decode_base64(line, data)?,
        Format::Ndjson => {
            let fields = parse_fields(line)?;
            decode_data(&data_of(&fields)?, data)?;
            return Ok(fields);
        }
        // As it is, or decoded already.
        Format::Raw
        | Format::Lambda
        | Format::Firehose
        | Format::Analytics
        | Format::GetRecords
        | Format::Events => {}
    }
    Ok(JsonFields::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_where_read_until_ends_it_whatever_is_read_at_a_time() {
        for text in ["", "\n", "a", "a\n", "\n\nab\n\ncd", "abcdef\ngh\n"] {
            for capacity in 1..=text.len().saturating_add(1) {
                let [mut ours, mut theirs] =
                    [(); 2].map(|()| BufReader::with_capacity(capacity, text.as_bytes()));
                loop {
                    let [mut line, mut expected] = [const { Vec::new() }; 2];
                    let is_there = read_line(&mut ours, &mut line).unwrap();
                    let read = theirs.read_until(b'\n', &mut expected).unwrap();
                    assert_eq!((is_there, &line), (read > 0, &expected), "{text:?}");
                    if !is_there {
                        break;
                    }
                }
            }
        }
    }
}
