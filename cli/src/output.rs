//! Standard output as JSON, one object a line, and standard error.

use core::fmt;
use std::io::{self, BufWriter, StdoutLock, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

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
    /// Where base64 is made.
    scratch: String,
}

impl<W: Write> JsonLines<W> {
    pub(crate) const fn new(out: W) -> Self {
        Self {
            out,
            scratch: String::new(),
        }
    }

    /// Starts an object.
    pub(crate) fn object(&mut self) -> JsonObject<'_, W> {
        JsonObject {
            lines: self,
            separator: "{",
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

/// An object that is being written. Without [`end`](Self::end) it is half a
/// line.
#[derive(Debug)]
#[must_use = "the object has to be ended"]
pub(crate) struct JsonObject<'a, W> {
    lines: &'a mut JsonLines<W>,
    separator: &'static str,
}

impl<W: Write> JsonObject<'_, W> {
    /// `name` needs no escape.
    fn name(&mut self, name: &str) -> io::Result<()> {
        write!(self.lines.out, "{}\"{name}\":", self.separator)?;
        self.separator = ",";
        Ok(())
    }

    pub(crate) fn value(
        &mut self,
        name: &str,
        value: &(impl Serialize + ?Sized),
    ) -> io::Result<&mut Self> {
        self.name(name)?;
        serde_json::to_writer(&mut self.lines.out, value)?;
        Ok(self)
    }

    pub(crate) fn base64(&mut self, name: &str, bytes: &[u8]) -> io::Result<&mut Self> {
        self.name(name)?;
        let scratch = &mut self.lines.scratch;
        scratch.clear();
        scratch.push('"');
        STANDARD.encode_string(bytes, scratch);
        scratch.push('"');
        self.lines.out.write_all(scratch.as_bytes())?;
        Ok(self)
    }

    /// A field as it was written elsewhere.
    pub(crate) fn raw(&mut self, name: &RawValue, value: &RawValue) -> io::Result<&mut Self> {
        write!(self.lines.out, "{}{name}:{value}", self.separator)?;
        self.separator = ",";
        Ok(self)
    }

    /// Ends object and line.
    pub(crate) fn end(self) -> io::Result<()> {
        self.lines.out.write_all(b"}\n")
    }
}
