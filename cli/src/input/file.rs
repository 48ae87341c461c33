//! A file or standard input, decompressed, as text with line numbers.

use std::fs::File;
use std::io::{self, BufReader, Cursor, IsTerminal as _, Read};
use std::path::Path;

use anyhow::{Context as _, bail};
use encoding_rs_io::DecodeReaderBytes;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::error::note;
use crate::input::progress::Progress;
use crate::pipeline::Closed;

/// Bytes that are read at a time. With half as many, `aggregate` took 1.04 times as long on
/// 900,000 user records; with twice as many, 1.03 times as long on 20,000.
const CHUNK_LEN: usize = 1 << 17;

/// An open file, with the bytes that were read and not consumed.
pub(crate) struct OpenFile {
    name: String,
    reader: Box<dyn Read>,
    /// What was read, up to `end`. The bytes after that are free.
    bytes: Vec<u8>,
    /// Start of the bytes that are not consumed.
    start: usize,
    end: usize,
    /// Line ends before `start`.
    lines: u64,
    /// Length of the line at `start`, with its end, once that was found; else 0.
    line_len: usize,
    /// True if a document was read from the line at `start` already.
    is_rest_of_line: bool,
    is_read: bool,
}

/// What to do before waiting for input.
pub(crate) type Idle<'a> = &'a mut dyn FnMut() -> Result<(), Closed>;

/// Why there is no JSON document at a line.
#[derive(Debug)]
pub(crate) struct NotJson {
    pub(crate) line: u64,
    pub(crate) why: String,
}

/// Returns the name of a file for messages.
pub(crate) fn name(path: &Path) -> String {
    match path == Path::new("-") {
        true => "<stdin>".to_owned(),
        false => path.display().to_string(),
    }
}

impl OpenFile {
    /// Opens a file; `-` is standard input. Waits for its first bytes.
    pub(crate) fn open(path: &Path, progress: &Progress) -> anyhow::Result<Self> {
        let name = name(path);
        let reader: Box<dyn Read> = if path == Path::new("-") {
            let stdin = io::stdin();
            if stdin.is_terminal() {
                note(format_args!(
                    "reading standard input until Ctrl-D; to read a file, pass its name"
                ));
            }
            Box::new(progress.of_reader(stdin))
        } else {
            let file = File::open(path).with_context(|| name.clone())?;
            Box::new(progress.of_reader(file))
        };
        Ok(Self {
            reader: decoded(reader).with_context(|| name.clone())?,
            name,
            bytes: Vec::new(),
            start: 0,
            end: 0,
            lines: 0,
            line_len: 0,
            is_rest_of_line: false,
            is_read: false,
        })
    }

    /// Reads more. Returns false at the end of the file.
    fn fill(&mut self, idle: Idle<'_>) -> anyhow::Result<bool> {
        if self.is_read {
            return Ok(false);
        }
        idle()?;
        self.bytes.copy_within(self.start..self.end, 0);
        self.end = self.end.saturating_sub(self.start);
        self.start = 0;
        let room_end = self.end.saturating_add(CHUNK_LEN);
        if self.bytes.len() < room_end {
            self.bytes.resize(room_end, 0);
        }
        let room = self.bytes.get_mut(self.end..room_end).unwrap_or_default();
        let len = loop {
            match self.reader.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The file itself can be read.
                Err(error) if error.raw_os_error().is_none() => bail!(
                    "{}: cannot decompress: {error}; the file is damaged or was cut off",
                    self.name
                ),
                read => break read.with_context(|| self.name.clone())?,
            }
        };
        self.end = self.end.saturating_add(len);
        self.is_read = len == 0;
        Ok(!self.is_read)
    }

    /// Returns the bytes that were read and not consumed.
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns the start of the file: a line that is not blank, whole unless it is very long, and
    /// what was read with it.
    pub(crate) fn head(&mut self, idle: Idle<'_>) -> anyhow::Result<&[u8]> {
        const MAX_LEN: usize = 1 << 16;
        while self.rest().len() < MAX_LEN
            && memchr::memchr(b'\n', self.rest().trim_ascii_start()).is_none()
            && self.fill(idle)?
        {}
        Ok(self.rest())
    }

    /// Returns all bytes up to the end of the file.
    pub(crate) fn read_all(&mut self, idle: Idle<'_>) -> anyhow::Result<Vec<u8>> {
        while self.fill(idle)? {}
        let mut bytes = core::mem::take(&mut self.bytes);
        bytes.truncate(core::mem::take(&mut self.end));
        bytes.drain(..core::mem::take(&mut self.start));
        bytes.shrink_to_fit();
        Ok(bytes)
    }

    fn skip(&mut self, len: usize) {
        let skipped = self.rest().get(..len).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', skipped).count();
        self.line_len = self.line_len.saturating_sub(len);
        self.is_rest_of_line &= lines == 0;
        self.lines = self.lines.saturating_add(crate::render::text::wide(lines));
        self.start = self.start.saturating_add(len).min(self.end);
    }

    /// Skips white space.
    fn skip_blank(&mut self, idle: Idle<'_>) -> anyhow::Result<()> {
        loop {
            let rest = self.rest();
            let blank = rest.len().saturating_sub(rest.trim_ascii_start().len());
            self.skip(blank);
            if !self.rest().is_empty() || !self.fill(idle)? {
                return Ok(());
            }
        }
    }

    /// Reads to the end of the line, and returns the line's length including that.
    fn read_line(&mut self, idle: Idle<'_>) -> anyhow::Result<usize> {
        if self.line_len > 0 {
            return Ok(self.line_len);
        }
        let mut searched = 0;
        self.line_len = loop {
            let unsearched = self.rest().get(searched..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', unsearched) {
                break searched.saturating_add(end).saturating_add(1);
            }
            searched = self.rest().len();
            if !self.fill(idle)? {
                break searched;
            }
        };
        Ok(self.line_len)
    }

    /// Returns the number of the current line, from 1.
    const fn line(&self) -> u64 {
        self.lines.saturating_add(1)
    }

    /// Returns the next line that is not blank, trimmed, and its number; `None` at the end of
    /// the file. The line stays the current one until [`end_line`](Self::end_line).
    pub(crate) fn next_line(&mut self, idle: Idle<'_>) -> anyhow::Result<Option<(u64, &[u8])>> {
        self.skip_blank(idle)?;
        let (number, len) = (self.line(), self.read_line(idle)?);
        let line = self.rest().get(..len).unwrap_or_default().trim_ascii();
        Ok(Some((number, line)).filter(|(_, line)| !line.is_empty()))
    }

    /// Like [`next_line`](Self::next_line), but also returns `None` if a document was read from
    /// the line already.
    pub(crate) fn whole_line(&mut self, idle: Idle<'_>) -> anyhow::Result<Option<(u64, &[u8])>> {
        self.skip_blank(idle)?;
        match self.is_rest_of_line {
            true => Ok(None),
            false => self.next_line(idle),
        }
    }

    /// Consumes the current line.
    pub(crate) fn end_line(&mut self) {
        let line = self.rest().get(..self.line_len).unwrap_or_default();
        let has_end = line.ends_with(b"\n");
        self.start = self.start.saturating_add(self.line_len).min(self.end);
        self.lines = self.lines.saturating_add(u64::from(has_end));
        self.line_len = 0;
        self.is_rest_of_line = false;
    }

    /// Passes the next JSON document to `read`, with the number of its first line. Returns
    /// `None` at the end of the file. Documents follow each other, on one line or several.
    ///
    /// After text that is not JSON, reading continues at the next line; if the fault is on a
    /// later line of the document, at the next line that starts like a document.
    pub(crate) fn next_document<T>(
        &mut self,
        idle: Idle<'_>,
        read: impl FnOnce(u64, &RawValue) -> T,
    ) -> anyhow::Result<Option<Result<T, NotJson>>> {
        self.skip_blank(idle)?;
        if self.rest().is_empty() {
            return Ok(None);
        }
        let line = self.line();
        let mut len = self.read_line(idle)?;
        loop {
            let text = self.rest().get(..len).unwrap_or_default();
            let mut documents = serde_json::Deserializer::from_slice(text).into_iter();
            let fault = match documents.next() {
                Some(Ok(document)) => {
                    let result = read(line, document);
                    let end = documents.byte_offset();
                    self.skip(end);
                    self.is_rest_of_line = true;
                    return Ok(Some(Ok(result)));
                }
                Some(Err(fault)) => fault,
                None => return Ok(None),
            };
            let is_cut = fault.classify() == Category::Eof;
            // Doubling the length keeps the total time linear.
            let longer = len.saturating_mul(2).max(CHUNK_LEN);
            if is_cut && (len < self.rest().len() || self.fill(idle)?) {
                while self.rest().len() < longer && self.fill(idle)? {}
                len = longer.min(self.rest().len());
                continue;
            }
            let fault_line =
                line.saturating_add(crate::render::text::wide(fault.line().saturating_sub(1)));
            let text = self.rest().get(..len).unwrap_or_default();
            let mut lines = text.split(|byte| *byte == b'\n');
            let faulty = lines
                .nth(fault.line().saturating_sub(1))
                .unwrap_or_default();
            let is_line_cut = fault.to_string().starts_with("control character")
                && faulty.trim_ascii_end().len() <= fault.column();
            let why = match is_cut {
                true => "the JSON ends in the middle: it was cut off".to_owned(),
                false if is_line_cut => {
                    "the line ends in the middle of a JSON string: it was cut off".to_owned()
                }
                false => not_json(&fault, fault_line, line),
            };
            let is_of_first_line = fault.line() <= 1 && !is_cut;
            self.end_line();
            while !is_of_first_line && !matches!(self.rest().first(), None | Some(b'{' | b'[')) {
                self.read_line(idle)?;
                self.end_line();
            }
            return Ok(Some(Err(NotJson { line, why })));
        }
    }
}

/// Describes a fault without the line number of the parser, which counts from the document.
pub(crate) fn not_json(fault: &serde_json::Error, fault_line: u64, line: u64) -> String {
    let text = fault.to_string();
    let place = format!(" at line {} column {}", fault.line(), fault.column());
    let what = text.strip_suffix(&place).unwrap_or(&text);
    let column = fault.column();
    match fault_line == line {
        true => format!("not JSON: {what} at column {column}"),
        false => format!("not JSON: {what} at line {fault_line} column {column}"),
    }
}

/// Returns a reader that decompresses the file or converts UTF-16, or passes it on unchanged.
fn decoded(mut reader: Box<dyn Read>) -> anyhow::Result<Box<dyn Read>> {
    let mut head = Vec::new();
    reader.by_ref().take(6).read_to_end(&mut head)?;
    let compressed = |name: &str| {
        format!("the file is compressed ({name}), which is not supported: decompress it first")
    };
    let whole = Box::new(Cursor::new(head.clone()).chain(reader));
    match head.as_slice() {
        [0x1f, 0x8b, 8, ..] => decoded(Box::new(flate2::read::MultiGzDecoder::new(whole))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Box::new(zstd_frames(whole))),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => bail!(compressed("xz")),
        [b'B', b'Z', b'h', b'1'..=b'9', b'1', ..] => bail!(compressed("bzip2")),
        [b'P', b'K', 3, 4, ..] => bail!(compressed("zip")),
        [0x04, 0x22, 0x4d, 0x18, ..] => Ok(Box::new(lz4_flex::frame::FrameDecoder::new(whole))),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Ok(Box::new(DecodeReaderBytes::new(whole))),
        [0xef, 0xbb, 0xbf, rest @ ..] if !rest.starts_with(&[0xf3, 0x89]) => {
            let mut whole = whole;
            whole.read_exact(&mut [0; 3])?;
            Ok(whole)
        }
        _ => Ok(whole),
    }
}

/// Decompresses Zstandard frames that follow each other.
fn zstd_frames(source: impl Read + 'static) -> impl Read {
    struct Frames<R: Read> {
        source: Option<BufReader<R>>,
        frame: Option<
            ruzstd::decoding::StreamingDecoder<BufReader<R>, ruzstd::decoding::FrameDecoder>,
        >,
    }
    impl<R: Read> Read for Frames<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            loop {
                if let Some(frame) = &mut self.frame {
                    match frame.read(buffer)? {
                        0 => self.source = self.frame.take().map(|frame| frame.into_inner()),
                        len => return Ok(len),
                    }
                }
                let Some(mut source) = self.source.take() else {
                    return Ok(0);
                };
                if io::BufRead::fill_buf(&mut source)?.is_empty() {
                    return Ok(0);
                }
                let frame = ruzstd::decoding::StreamingDecoder::new(source);
                self.frame = Some(frame.map_err(io::Error::other)?);
            }
        }
    }
    Frames {
        source: Some(BufReader::new(source)),
        frame: None,
    }
}
