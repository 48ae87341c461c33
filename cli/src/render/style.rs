//! Colours, where somebody sees them.

use core::fmt;
use std::io::{self, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Effects, Style};
use clap::ColorChoice;
use terminal_size::terminal_size_of;

use crate::render::text::cut;

/// How each kind of text is printed, and how wide. Without colours, all styles are empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Styles {
    /// Cells of a line: the terminal's, else 80.
    pub(crate) width: usize,
    /// True if a terminal, or `COLUMNS`, has a width that no line may exceed.
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
    /// For standard output: `Auto` means colours on a terminal, unless `NO_COLOR` is set.
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

    /// Cells beyond a usual terminal's.
    pub(crate) const fn extra(&self) -> usize {
        self.width.saturating_sub(DEFAULT_WIDTH)
    }

    /// Prints a line that holds names of files and so may be long: broken only where a
    /// terminal would break it.
    pub(crate) fn long_line(&self, text: &str, out: &mut impl Write) -> io::Result<()> {
        match self.is_bounded {
            false => writeln!(out, "{text}"),
            true => self.paragraph("", text, out),
        }
    }

    /// Prints text, broken into lines, each behind `indent`.
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

/// Cells of a line where no terminal tells.
const DEFAULT_WIDTH: usize = 80;

/// Narrower terminals break lines.
const MIN_WIDTH: usize = 60;

/// A text in its style.
pub(crate) fn painted(style: Style, text: impl fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Cells before the value of a [`line()`].
pub(crate) const VALUE_COLUMN: usize = 14;

/// `  label       value`; a value that does not fit is cut, or broken if it has colours.
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

/// The line above a table or a chart.
pub(crate) fn heading(text: &str, styles: &Styles, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "  {}",
        painted(styles.label, cut(text, styles.width.saturating_sub(2)))
    )
}
