//! The frame of a blob, drawn with the offsets of its parts.

use std::io::{self, Write};

use kinesis_agg::codec::limits::MAGIC_LEN;
use kinesis_agg::codec::{Digest, Frame, MAGIC};

use crate::style::{Styles, heading, painted};
use crate::text::{count, wide};

/// Draws magic, message and digest of what has them.
pub(crate) fn draw(data: &[u8], styles: &Styles, out: &mut impl Write) -> io::Result<()> {
    let Ok(frame) = Frame::split(data) else {
        return Ok(());
    };
    let message_len = frame.message().len();
    let [stored, computed] = [frame.digest(), Digest::of(frame.message())];
    let [stored_hex, computed_hex] = [stored, computed].map(|d| hex::encode(d.to_bytes()));
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
