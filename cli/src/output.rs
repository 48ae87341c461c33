//! Standard output as JSON, one object a line.

use std::io::{self, BufWriter, StdoutLock, Write};

use kinesis_agg::lambda::JsonField;
use serde::Serialize;

use crate::data::append_base64;

/// Standard output, locked and buffered.
pub(crate) type Out<'a> = BufWriter<StdoutLock<'a>>;

/// Bytes of the buffer before standard output.
pub(crate) const BUFFER_LEN: usize = 1 << 16;

/// Writes JSON objects, one a line. Lines are buffered until there are [`BUFFER_LEN`] bytes, or
/// until [`flush`](Self::flush).
#[derive(Debug)]
pub(crate) struct JsonLines<W> {
    out: W,
    /// The complete lines, and the start of the next one.
    fields: WrittenFields,
    /// Length of the complete lines.
    ended: usize,
}

impl<W: Write> JsonLines<W> {
    pub(crate) const fn new(out: W) -> Self {
        Self {
            out,
            fields: WrittenFields(Vec::new()),
            ended: 0,
        }
    }

    /// Writes an object of the fields that `write` appends, at least one.
    pub(crate) fn object(
        &mut self,
        write: impl FnOnce(&mut WrittenFields) -> io::Result<()>,
    ) -> io::Result<()> {
        // Removes an object that was not ended because of an error.
        self.fields.0.truncate(self.ended);
        write(&mut self.fields)?;
        if let Some(first) = self.fields.0.get_mut(self.ended) {
            *first = b'{';
        }
        self.end(b"}\n")
    }

    /// Writes an object that is JSON text already.
    pub(crate) fn json(&mut self, object: &str) -> io::Result<()> {
        self.fields.0.truncate(self.ended);
        append_in_line(object, &mut self.fields.0);
        self.end(b"\n")
    }

    /// Writes bytes that are not JSON.
    pub(crate) fn bytes(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        self.fields.0.truncate(self.ended);
        for part in parts {
            self.fields.0.extend_from_slice(part);
        }
        self.end(&[])
    }

    fn end(&mut self, end: &[u8]) -> io::Result<()> {
        let lines = &mut self.fields.0;
        lines.extend_from_slice(end);
        self.ended = lines.len();
        if self.ended < BUFFER_LEN {
            return Ok(());
        }
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        let lines = self.fields.0.get(..self.ended).unwrap_or_default();
        // If writing fails, the lines are not written again.
        self.ended = 0;
        self.out.write_all(lines)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.write()?;
        self.out.flush()
    }
}

/// Fields of a JSON object, in the order of the calls, each after a comma.
#[derive(Debug, Default)]
pub(crate) struct WrittenFields(Vec<u8>);

impl WrittenFields {
    /// Appends a name that needs no escapes.
    #[inline]
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        let Self(line) = self;
        line.extend_from_slice(b",\"");
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":");
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

    /// Appends a string.
    #[inline]
    pub(crate) fn text(&mut self, name: &str, text: &str) -> io::Result<&mut Self> {
        match self.plain(name, text.as_bytes()) {
            true => Ok(self),
            false => self.value(name, text),
        }
    }

    /// Appends a string of these bytes, if all are ASCII and need no escape in JSON. Otherwise
    /// appends nothing and returns false.
    #[inline]
    pub(crate) fn plain(&mut self, name: &str, bytes: &[u8]) -> bool {
        // No branch on a single byte, so the compiler vectorizes the loop.
        let is_plain = bytes.iter().fold(true, |all, byte| {
            all & (b' '..=b'~').contains(byte) & (*byte != b'"') & (*byte != b'\\')
        });
        if is_plain {
            let line = self.name(name);
            line.push(b'"');
            line.extend_from_slice(bytes);
            line.push(b'"');
        }
        is_plain
    }

    #[inline]
    pub(crate) fn base64(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        let line = self.name(name);
        line.push(b'"');
        append_base64(bytes, line);
        line.push(b'"');
        self
    }

    pub(crate) fn append(&mut self, others: &Self) -> &mut Self {
        self.0.extend_from_slice(&others.0);
        self
    }
}

/// Appends JSON that may span several lines. Line breaks become spaces: in JSON, they can only
/// be white space between tokens.
fn append_in_line(json: &str, line: &mut Vec<u8>) {
    let start = line.len();
    line.extend_from_slice(json.as_bytes());
    let added = line.get_mut(start..).unwrap_or_default();
    if memchr::memchr2(b'\n', b'\r', added).is_some() {
        for byte in added
            .iter_mut()
            .filter(|byte| matches!(byte, b'\n' | b'\r'))
        {
            *byte = b' ';
        }
    }
}

/// Appends fields as they were written in the input.
impl<'a, 'b: 'a> Extend<&'a JsonField<'b>> for WrittenFields {
    fn extend<I: IntoIterator<Item = &'a JsonField<'b>>>(&mut self, fields: I) {
        for field in fields {
            self.0.push(b',');
            self.0
                .extend_from_slice(field.written_name().get().as_bytes());
            self.0.push(b':');
            append_in_line(field.value().get(), &mut self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_wherever_json_wants_it() {
        for character in (0..=0x100).filter_map(char::from_u32) {
            let text = format!("before{character}behind");
            let [mut ours, mut theirs] = [(); 2].map(|()| WrittenFields::default());
            ours.text("name", &text).unwrap();
            theirs.value("name", &text).unwrap();
            assert_eq!(ours.0, theirs.0, "{character:?}");
        }
    }
}
