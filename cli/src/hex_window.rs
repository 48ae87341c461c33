//! The bytes around a place in a blob.

use std::io::{self, Write};

use crate::style::{Styles, painted};

/// Bytes before the place.
const BEFORE: usize = 8;

/// Bytes from the place on.
const FROM_THERE: usize = 11;

/// Two lines: the bytes, and below them where the place is.
pub(crate) fn print(
    data: &[u8],
    place: usize,
    styles: &Styles,
    out: &mut impl Write,
) -> io::Result<()> {
    let place = place.min(data.len());
    let start = place.saturating_sub(BEFORE);
    let end = place.saturating_add(FROM_THERE).min(data.len());
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
    // Three characters a byte.
    let indent = place.saturating_sub(start).saturating_mul(3);
    let which = if place == data.len() {
        " (the end)"
    } else {
        ""
    };
    let mark = painted(styles.bad, format_args!("^^ byte {place}{which}"));
    writeln!(out, "{:14}{:indent$}{mark}", "", "")
}
