//! Colours, and the width of the output.

use core::fmt;
use std::io::{self, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Effects, Style};
use clap::ColorChoice;
use terminal_size::terminal_size_of;

use crate::render::text::cut;

/// The style of each kind of text, and the width of a line. Without colours, all styles are
/// empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Styles {
    /// Width of a line in cells: the terminal's, else 80.
    pub(crate) width: usize,
    /// True if the width is that of a terminal or of `COLUMNS`, which no line may exceed.
    is_bounded: bool,
    pub(crate) heading: Style,
    pub(crate) label: Style,
    pub(crate) good: Style,
    pub(crate) doubtful: Style,
    pub(crate) bad: Style,
    pub(crate) key: Style,
    pub(crate) data: Style,
    pub(crate) aside: Style,
}

impl Styles {
    /// Returns the styles for standard output. `Auto` means colours on a terminal, unless
    /// `NO_COLOR` is set.
    pub(crate) fn of_stdout(choice: ColorChoice) -> Self {
        let is_colored = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
        };
        let terminal = terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        let columns = std::env::var("COLUMNS").ok();
        let columns = columns.and_then(|columns| columns.parse().ok());
        let bound = terminal.or(columns).filter(|width| *width > 0);
        let style = |style: Style| if is_colored { style } else { Style::new() };
        Self {
            width: bound.unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH),
            is_bounded: bound.is_some(),
            heading: style(Style::new().effects(Effects::BOLD)),
            label: style(AnsiColor::Blue.on_default()),
            good: style(AnsiColor::Green.on_default()),
            doubtful: style(AnsiColor::Yellow.on_default()),
            bad: style(AnsiColor::Red.on_default().effects(Effects::BOLD)),
            key: style(AnsiColor::Cyan.on_default()),
            data: style(AnsiColor::Green.on_default()),
            aside: style(Style::new().effects(Effects::DIMMED)),
        }
    }

    /// Returns how many cells the line has beyond the default width.
    pub(crate) const fn extra(&self) -> usize {
        self.width.saturating_sub(DEFAULT_WIDTH)
    }

    /// Prints the line above what is said about a record.
    pub(crate) fn title(
        &self,
        index: u64,
        place: &impl fmt::Display,
        what: &str,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let which = painted(self.heading, format_args!("record {index}"));
        self.long_line(&format!("{which} ({place}): {what}"), out)
    }

    /// Prints why a record cannot be read.
    pub(crate) fn unreadable(
        &self,
        index: u64,
        place: &impl fmt::Display,
        why: &str,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let what = painted(self.bad, format_args!("unreadable, {why}"));
        self.title(index, place, &what, out)
    }

    /// Prints a line that may be long because it contains file names: broken only where a
    /// terminal would break it.
    pub(crate) fn long_line(&self, text: &str, out: &mut impl Write) -> io::Result<()> {
        match self.is_bounded {
            false => writeln!(out, "{text}"),
            true => self.paragraph("", text, out),
        }
    }

    /// Prints text, broken into lines that each start with `indent`.
    pub(crate) fn paragraph(
        &self,
        indent: &str,
        text: &str,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let options = textwrap::Options::new(self.width)
            .initial_indent(indent)
            .subsequent_indent(if indent.is_empty() { "  " } else { indent });
        let mut lines = textwrap::wrap(text, options).into_iter();
        lines.try_for_each(|line| writeln!(out, "{line}"))
    }
}

/// Cells of a line if the terminal's width is unknown.
const DEFAULT_WIDTH: usize = 80;

/// The least width in cells. Narrower terminals wrap the lines.
const MIN_WIDTH: usize = 60;

/// Returns the text with its style.
pub(crate) fn painted(style: Style, text: impl fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Cells before the value of a [`line()`].
pub(crate) const VALUE_COLUMN: usize = 14;

/// Prints `  label       value`. A value that does not fit is cut, or wrapped if it has
/// colours.
pub(crate) fn line(
    label: &str,
    value: &str,
    styles: &Styles,
    out: &mut impl Write,
) -> io::Result<()> {
    const LABEL_WIDTH: usize = VALUE_COLUMN - 2;
    let label = painted(styles.label, format_args!("{label:<LABEL_WIDTH$}"));
    let room = styles.width.saturating_sub(VALUE_COLUMN);
    if !value.contains('\u{1b}') {
        return writeln!(out, "  {label}{}", cut(value, room));
    }
    let mut before = format!("  {label}");
    for part in textwrap::wrap(value, room) {
        writeln!(out, "{before}{part}")?;
        before = " ".repeat(VALUE_COLUMN);
    }
    Ok(())
}

/// Prints the line above a table or a chart.
pub(crate) fn heading(text: &str, styles: &Styles, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "  {}",
        painted(styles.label, cut(text, styles.width.saturating_sub(2)))
    )
}
