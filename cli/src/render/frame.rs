//! The frame of a blob with the offsets of its parts, and the bytes around a place in it.

use std::io::{self, Write};

use kinesis_agg::codec::limits::MAGIC_LEN;
use kinesis_agg::codec::{Digest, Frame, MAGIC};

use crate::render::style::{Styles, VALUE_COLUMN, heading, painted};
use crate::render::text::{count, cut, wide};

/// Draws magic, message and digest of a blob that has them.
pub(crate) fn draw(data: &[u8], styles: &Styles, out: &mut impl Write) -> io::Result<()> {
    let Ok(frame) = Frame::split(data) else {
        return Ok(());
    };
    let message_len = frame.message().len();
    let [stored, computed] = [frame.digest(), Digest::of(frame.message())];
    /// Cells of a line that the digest does not use.
    const AROUND: usize = 38;
    let room = styles.width.saturating_sub(AROUND);
    let hex = |digest: Digest| cut(&hex::encode(digest.to_bytes()), room);
    let [stored_hex, computed_hex] = [stored, computed].map(hex);
    let verdict = match stored == computed {
        true => painted(styles.good, "good"),
        false => painted(styles.bad, "wrong"),
    };
    heading("frame", styles, out)?;
    let mut part = |offset: Option<usize>, joint: &str, name: &str, what: &str| {
        let offset = offset.map(|offset| offset.to_string()).unwrap_or_default();
        let offset = painted(styles.aside, format_args!("{offset:>8}"));
        let row = format!("{name:<9}{what}");
        writeln!(out, "  {offset} {joint} {}", row.trim_end())
    };
    part(Some(0), "┬", "magic", &hex::encode(MAGIC))?;
    let what = count(wide(message_len), "byte");
    part(Some(MAGIC_LEN), "├", "message", &what)?;
    let digest_start = MAGIC_LEN.saturating_add(message_len);
    part(
        Some(digest_start),
        "├",
        "digest",
        &format!("{stored_hex} stored, {verdict}"),
    )?;
    if stored != computed {
        part(None, "│", "", &format!("{computed_hex} computed"))?;
    }
    part(Some(data.len()), "┴", "end", "")
}

/// How many bytes to show before the place.
const BEFORE: usize = 8;

/// How many bytes to show from the place on.
const FROM_THERE: usize = 11;

/// Prints two lines: the bytes, and a mark below the place.
pub(crate) fn bytes_around(
    data: &[u8],
    place: usize,
    styles: &Styles,
    out: &mut impl Write,
) -> io::Result<()> {
    let place = place.min(data.len());
    let most = styles.width.saturating_sub(VALUE_COLUMN) / 3;
    let start = place.saturating_sub(BEFORE);
    let from_there = FROM_THERE.min(most.saturating_sub(BEFORE));
    let end = place.saturating_add(from_there).min(data.len());
    let bytes = data.get(start..end).unwrap_or_default();
    write!(out, "  {:<12}", format!("byte {start}"))?;
    for (offset, byte) in (start..).zip(bytes) {
        let separator = if offset == start { "" } else { " " };
        let style = match offset == place {
            true => styles.bad,
            false => styles.aside,
        };
        write!(
            out,
            "{separator}{}",
            painted(style, format_args!("{byte:02x}"))
        )?;
    }
    writeln!(out)?;
    // Each byte takes three characters.
    let indent = place.saturating_sub(start).saturating_mul(3);
    let which = if place == data.len() {
        " (the end)"
    } else {
        ""
    };
    let mark = painted(styles.bad, format_args!("^^ byte {place}{which}"));
    writeln!(out, "{:14}{:indent$}{mark}", "", "")
}
