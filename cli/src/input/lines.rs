//! Kinesis records as lines of text: hexadecimal digits, base64, dumps.

use kinesis_agg::codec::MAGIC;

use crate::data::{decode_base64, decode_hex, decode_python, dump_line};
use crate::diagnosis::search::is_intact;
use crate::error::Spot;
use crate::error::note;
use crate::input::file::OpenFile;
use crate::input::format::Format;
use crate::input::sink::Sink;

/// Lengths at which `xxd -p`, `openssl base64` and `base64` wrap lines.
const WRAPPED_LENS: [usize; 3] = [60, 64, 76];

/// Reads a file of digits. The lines of a wrapped blob are joined.
pub(super) fn read(sink: &mut Sink<'_>, file: &mut OpenFile, format: Format) -> anyhow::Result<()> {
    let mut wrapped = None::<Wrapped>;
    loop {
        let next = file.next_line(&mut || sink.producer.flush())?;
        let Some((line_number, line)) = next.map(|(number, line)| (number, line.to_vec())) else {
            return wrapped.map_or(Ok(()), |wrapped| wrapped.push(sink, format));
        };
        file.end_line();
        if let Some(mut open) = wrapped.take() {
            if open.takes(&line, format) {
                open.join(&line);
                if line.len() < open.line_len {
                    open.push(sink, format)?;
                } else {
                    wrapped = Some(open);
                }
                continue;
            }
            open.push(sink, format)?;
        }
        match Wrapped::start(&line, line_number, format) {
            Some(open) => wrapped = Some(open),
            None => push_line(sink, line_number, &line, format)?,
        }
    }
}

/// A blob that is wrapped over several lines.
struct Wrapped {
    text: Vec<u8>,
    line_len: usize,
    line_number: u64,
    lines: u64,
}

impl Wrapped {
    /// Starts a wrapped blob if the line has the length of a wrapped one and holds the
    /// beginning of an aggregate that is not complete.
    fn start(line: &[u8], line_number: u64, format: Format) -> Option<Self> {
        let is_open = WRAPPED_LENS.contains(&line.len())
            && decode(line, format).is_ok_and(|data| data.starts_with(&MAGIC) && !is_intact(&data));
        is_open.then(|| Self {
            text: line.to_vec(),
            line_len: line.len(),
            line_number,
            lines: 1,
        })
    }

    /// Returns true if the line continues the blob instead of starting another one.
    fn takes(&self, line: &[u8], format: Format) -> bool {
        let starts_another = || decode(line, format).is_ok_and(|data| data.starts_with(&MAGIC));
        line.len() <= self.line_len && !line.contains(&b'\t') && !starts_another()
    }

    fn join(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.lines = self.lines.saturating_add(1);
    }

    fn push(self, sink: &mut Sink<'_>, format: Format) -> anyhow::Result<()> {
        if self.lines > 1 {
            note(format_args!(
                "{}, line {}: joined {} lines of {} into one blob, because they look wrapped",
                sink.name,
                self.line_number,
                self.lines,
                format.name()
            ));
        }
        push_line(sink, self.line_number, &self.text, format)
    }
}

fn decode(token: &[u8], format: Format) -> anyhow::Result<Vec<u8>> {
    if let Some(bytes) = str::from_utf8(token).ok().and_then(decode_python) {
        return Ok(bytes);
    }
    let unquoted = token
        .strip_prefix(b"\"")
        .and_then(|t| t.strip_suffix(b"\""));
    let token = unquoted.unwrap_or(token);
    match format {
        Format::Hex => decode_hex(token),
        _ => {
            let mut bytes = Vec::new();
            decode_base64(token, &mut bytes)?;
            Ok(bytes)
        }
    }
}

/// Adds the blob of a line, or several blobs with tabs between them.
fn push_line(
    sink: &mut Sink<'_>,
    line_number: u64,
    line: &[u8],
    format: Format,
) -> anyhow::Result<()> {
    let tokens = || {
        let tokens = line.split(|byte| *byte == b'\t').map(<[u8]>::trim_ascii);
        tokens.filter(|token| !token.is_empty())
    };
    let is_alone = tokens().count() == 1;
    for (element, token) in (0..).zip(tokens()) {
        let spot = match is_alone {
            true => Spot::Line(line_number),
            false => Spot::Element(line_number, element),
        };
        let decoded = decode(token, format).map(kinesis_agg::lambda::EventRecord::from_data);
        let from = format.name();
        let described = decoded.map_err(|error| format!("read as {from} (see --from): {error:#}"));
        sink.push(spot, described)?;
    }
    Ok(())
}

/// Reads dumps. Each line with offset 0 starts a new blob.
pub(super) fn read_dump(sink: &mut Sink<'_>, file: &mut OpenFile) -> anyhow::Result<()> {
    let mut blob: Vec<u8> = Vec::new();
    let mut first_line = 0;
    loop {
        let line = file.next_line(&mut || sink.producer.flush())?;
        let line_number = line.map_or(0, |(number, _)| number);
        let parsed = line.map(|(_, line)| (line == b"*", dump_line(line)));
        file.end_line();
        match parsed {
            // `*` stands for repetitions of the line before it; the next offset shows how many.
            Some((true, _)) => continue,
            Some((_, Some((offset, bytes)))) if offset > 0 => {
                let last = blob.len().saturating_sub(16);
                let repeated = blob.get(last..).unwrap_or_default().to_vec();
                let missing = offset.saturating_sub(blob.len());
                if !repeated.is_empty() && missing <= MAX_REPEATED {
                    blob.extend(repeated.iter().cycle().take(missing));
                }
                match blob.len() == offset {
                    true => blob.extend(bytes),
                    false => {
                        let why =
                            format!("the dump jumps from byte {} to byte {offset}", blob.len());
                        sink.push(Spot::Line(line_number), Err(why))?;
                        blob.clear();
                    }
                }
            }
            other => {
                if !blob.is_empty() {
                    sink.push_data(Spot::Line(first_line), core::mem::take(&mut blob))?;
                }
                match other {
                    None => return Ok(()),
                    Some((_, Some((_, bytes)))) => {
                        blob = bytes;
                        first_line = line_number;
                    }
                    Some((_, None)) => {
                        let why = "not a line of xxd or hexdump -C output".to_owned();
                        sink.push(Spot::Line(line_number), Err(why))?;
                    }
                }
            }
        }
    }
}

/// The most bytes of repeated lines that are accepted: the largest Kinesis record has fewer.
const MAX_REPEATED: usize = 16 << 20;
