//! Standard output as JSON, one object a line, and standard error.

use core::fmt;
use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;

use crate::json::{Field, append_base64};

/// Standard output, locked and buffered.
pub(crate) type Out<'a> = BufWriter<StdoutLock<'a>>;

/// Bytes of the buffer before standard output.
pub(crate) const BUFFER_LEN: usize = 1 << 16;

/// Says what could not be done. `is_closed_pipe` still sees the cause.
pub(crate) fn cannot_write(error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context("cannot write standard output")
}

/// What the caller could have known better.
#[derive(Debug)]
pub(crate) struct WrongUsage(pub(crate) String);

impl fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for WrongUsage {}

/// True if nobody reads the output any more, as behind `| head`.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// A line on standard error. If nobody reads that, there is nobody to tell.
pub(crate) fn note(text: fmt::Arguments<'_>) {
    let _unread = writeln!(io::stderr().lock(), "kinesis-agg: {text}");
}

/// Writes JSON objects, one a line, their fields in the order of the calls.
#[derive(Debug)]
pub(crate) struct JsonLines<W> {
    out: W,
    /// The line so far; formatting each piece into the output costs more.
    line: Vec<u8>,
}

impl<W: Write> JsonLines<W> {
    pub(crate) const fn new(out: W) -> Self {
        Self {
            out,
            line: Vec::new(),
        }
    }

    /// Starts an object.
    pub(crate) fn object(&mut self) -> JsonObject<'_, W> {
        self.line.clear();
        JsonObject {
            lines: self,
            separator: b"{",
        }
    }

    /// A whole object.
    pub(crate) fn line(&mut self, object: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, object)?;
        self.out.write_all(b"\n")
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// An object that is being made. Only [`end`](Self::end) writes it.
#[derive(Debug)]
#[must_use = "the object has to be ended"]
pub(crate) struct JsonObject<'a, W> {
    lines: &'a mut JsonLines<W>,
    separator: &'static [u8],
}

impl<W: Write> JsonObject<'_, W> {
    /// `name` needs no escape.
    #[inline]
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        let line = &mut self.lines.line;
        line.extend_from_slice(self.separator);
        line.push(b'"');
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":");
        self.separator = b",";
        line
    }

    #[inline]
    pub(crate) fn value(
        &mut self,
        name: &str,
        value: &(impl Serialize + ?Sized),
    ) -> io::Result<&mut Self> {
        serde_json::to_writer(self.name(name), value)?;
        Ok(self)
    }

    /// A string.
    #[inline]
    pub(crate) fn text(&mut self, name: &str, text: &str) -> io::Result<&mut Self> {
        // All of it without a branch, so that it is looked at many bytes at a time.
        let needs_escape = text.bytes().fold(false, |found, byte| {
            found | (byte < b' ') | (byte == b'"') | (byte == b'\\')
        });
        if needs_escape {
            return self.value(name, text);
        }
        let line = self.name(name);
        line.push(b'"');
        line.extend_from_slice(text.as_bytes());
        line.push(b'"');
        Ok(self)
    }

    #[inline]
    pub(crate) fn base64(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        let line = self.name(name);
        line.push(b'"');
        append_base64(bytes, line);
        line.push(b'"');
        self
    }

    /// Fields as they were written elsewhere.
    pub(crate) fn written(&mut self, fields: &WrittenFields) -> &mut Self {
        if let [_, fields @ ..] = &*fields.0 {
            self.lines.line.extend_from_slice(self.separator);
            self.lines.line.extend_from_slice(fields);
            self.separator = b",";
        }
        self
    }

    /// Ends object and line.
    pub(crate) fn end(self) -> io::Result<()> {
        let JsonLines { out, line } = self.lines;
        line.extend_from_slice(b"}\n");
        out.write_all(line)
    }
}

/// Fields as they were written, each behind a comma.
#[derive(Debug, Default)]
pub(crate) struct WrittenFields(Vec<u8>);

impl<'a> FromIterator<&'a Field<'a>> for WrittenFields {
    fn from_iter<I: IntoIterator<Item = &'a Field<'a>>>(fields: I) -> Self {
        let mut written = Vec::new();
        for field in fields {
            written.push(b',');
            written.extend_from_slice(field.name.get().as_bytes());
            written.push(b':');
            written.extend_from_slice(field.value.get().as_bytes());
        }
        Self(written)
    }
}
