//! A chart of hash key ranges as an SVG picture.

use std::io::{self, Write};

use crate::render::hash_key_ranges::RangeShares;
use crate::render::text::{count, percent, size};

const ROW_HEIGHT: usize = 22;
const TOP: usize = 56;
const BAR_START: usize = 230;
const BAR_WIDTH: usize = 360;
const WIDTH: usize = 900;

/// Writes an SVG 1.1 picture: a bar for each range with its number of user records; hot ranges
/// are red.
pub(crate) fn write(title: &str, shares: &RangeShares, out: &mut impl Write) -> io::Result<()> {
    let rows = shares.shares().len();
    let height = rows
        .saturating_mul(ROW_HEIGHT)
        .saturating_add(TOP)
        .saturating_add(12);
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">"#
    )?;
    writeln!(out, r##"<rect width="100%" height="100%" fill="#fff"/>"##)?;
    let title = escaped(title);
    writeln!(out, r#"<text x="12" y="28" font-size="16">{title}</text>"#)?;
    let [most, total] = [shares.most(), shares.total()];
    let mut top = TOP;
    for share in shares.shares() {
        let width = u128::from(share.user_records)
            .saturating_mul(crate::render::text::wide(BAR_WIDTH).into());
        let width = width.checked_div(most.into()).unwrap_or_default();
        let fill = match shares.is_hot(share) {
            true => "#c0392b",
            false => "#2e86ab",
        };
        let base = top.saturating_add(13);
        let name = escaped(&share.name);
        let text = format!(
            "{} ({} %), {}",
            count(share.user_records, "user record"),
            percent(share.user_records, total),
            size(share.bytes)
        );
        let text_start = BAR_START.saturating_add(BAR_WIDTH).saturating_add(10);
        writeln!(out, r#"<text x="12" y="{base}">{name}</text>"#)?;
        writeln!(
            out,
            r#"<rect x="{BAR_START}" y="{top}" width="{width}" height="16" fill="{fill}"/>"#
        )?;
        writeln!(
            out,
            r#"<text x="{text_start}" y="{base}">{}</text>"#,
            escaped(&text)
        )?;
        top = top.saturating_add(ROW_HEIGHT);
    }
    writeln!(out, "</svg>")
}

/// Escapes markup, and replaces control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
