//! Files and standard input, line by line or as a whole, and the blobs in them.

use alloc::vec;
use core::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use kinesis_agg::EnclosingRecord;

use crate::json::{Fields, decode_base64};

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
}

/// Where something was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    file: &'a str,
    /// From 1; 0 for the whole file.
    line_number: u64,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line_number {
            0 => f.write_str(self.file),
            number => write!(f, "{}, line {number}", self.file),
        }
    }
}

/// Several files as one input. Holds one line, or one whole file, at a time.
#[derive(Debug)]
pub(crate) struct Input {
    files: vec::IntoIter<PathBuf>,
    current: Option<Opened>,
    content: Vec<u8>,
}

struct Opened {
    name: String,
    line_number: u64,
    reader: BufReader<Box<dyn Read>>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("name", &self.name)
            .field("line_number", &self.line_number)
            .finish_non_exhaustive()
    }
}

impl Opened {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let (name, reader): (_, Box<dyn Read>) = if path == Path::new("-") {
            ("<stdin>".to_owned(), Box::new(io::stdin().lock()))
        } else {
            let name = path.display().to_string();
            let file = File::open(path).with_context(|| name.clone())?;
            (name, Box::new(file))
        };
        Ok(Self {
            name,
            line_number: 0,
            reader: BufReader::with_capacity(BUFFER_LEN, reader),
        })
    }
}

/// Bytes read at a time.
const BUFFER_LEN: usize = 1 << 16;

impl Input {
    /// The files, in order; standard input if there are none.
    pub(crate) fn new(files: &[PathBuf]) -> Self {
        let files = match files {
            [] => vec![PathBuf::from("-")],
            files => files.to_vec(),
        };
        Self {
            files: files.into_iter(),
            current: None,
            content: Vec::new(),
        }
    }

    /// Opens the next file. `None` behind the last.
    fn open_next(&mut self) -> anyhow::Result<Option<&mut Opened>> {
        let Some(path) = self.files.next() else {
            self.current = None;
            return Ok(None);
        };
        Ok(Some(self.current.insert(Opened::open(&path)?)))
    }

    /// Goes to the next line; false if there is none.
    pub(crate) fn next_line(&mut self) -> anyhow::Result<bool> {
        loop {
            self.content.clear();
            if let Some(opened) = &mut self.current {
                let read = opened.reader.read_until(b'\n', &mut self.content);
                if read.with_context(|| opened.name.clone())? > 0 {
                    opened.line_number = opened.line_number.saturating_add(1);
                    return Ok(true);
                }
            }
            if self.open_next()?.is_none() {
                return Ok(false);
            }
        }
    }

    /// Goes to the next file as a whole; false if there is none.
    fn next_file(&mut self) -> anyhow::Result<bool> {
        self.content.clear();
        if self.open_next()?.is_none() {
            return Ok(false);
        }
        if let Some(opened) = &mut self.current {
            let read = opened.reader.read_to_end(&mut self.content);
            read.with_context(|| opened.name.clone())?;
        }
        Ok(true)
    }

    /// The line, without its end.
    pub(crate) fn line(&self) -> &[u8] {
        let line = self.content.as_slice();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// Where that stands.
    pub(crate) fn place(&self) -> Place<'_> {
        let (file, line_number) = self
            .current
            .as_ref()
            .map_or(("", 0), |opened| (opened.name.as_str(), opened.line_number));
        Place { file, line_number }
    }

    /// True if the next line has to be waited for, as far as can be told.
    pub(crate) fn is_drained(&self) -> bool {
        self.current
            .as_ref()
            .is_none_or(|opened| opened.reader.buffer().is_empty())
    }
}

/// Kinesis records, as the input has them.
#[derive(Debug)]
pub(crate) struct Blobs {
    input: Input,
    format: Format,
    /// Decoded.
    data: Vec<u8>,
}

/// A Kinesis record.
#[derive(Debug)]
pub(crate) struct Blob<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) data: &'a [u8],
    /// What else is known of it, if the format tells.
    pub(crate) fields: Fields<'a>,
}

impl EnclosingRecord for Blob<'_> {
    fn data(&self) -> &[u8] {
        self.data
    }

    fn sequence_number(&self) -> Option<&str> {
        let written = self.fields.get("sequenceNumber")?.get();
        Some(written.trim_matches('"'))
    }
}

impl Blobs {
    pub(crate) fn new(files: &[PathBuf], format: Format) -> Self {
        Self {
            input: Input::new(files),
            format,
            data: Vec::new(),
        }
    }

    /// As [`Input::is_drained`].
    pub(crate) fn is_drained(&self) -> bool {
        self.input.is_drained()
    }

    /// The next Kinesis record. The error names the place.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Blob<'_>>> {
        if !self.advance()? {
            return Ok(None);
        }
        let Self {
            input,
            format,
            data,
        } = self;
        let place = input.place();
        let fields = decode(*format, input.line(), data).with_context(|| place.to_string())?;
        let data = match format {
            Format::Raw => &input.content,
            Format::Hex | Format::Base64 | Format::Ndjson => &*data,
        };
        Ok(Some(Blob {
            place,
            data,
            fields,
        }))
    }

    fn advance(&mut self) -> anyhow::Result<bool> {
        match self.format {
            Format::Raw => self.input.next_file(),
            Format::Hex | Format::Base64 => self.input.next_line(),
            Format::Ndjson => self.input.next_filled_line(),
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

/// Decodes a line into `data`, and returns what else it holds.
fn decode<'a>(format: Format, line: &'a [u8], data: &mut Vec<u8>) -> anyhow::Result<Fields<'a>> {
    match format {
        Format::Raw => {}
        Format::Hex => {
            data.resize(line.len() / 2, 0);
            hex::decode_to_slice(line, data).context("not hex")?;
        }
        Format::Base64 => decode_base64(line, data)?,
        Format::Ndjson => {
            let fields = Fields::parse(line)?;
            fields.data(data)?;
            return Ok(fields);
        }
    }
    Ok(Fields::default())
}
