//! Colours, where somebody sees them.

use core::fmt;
use std::io::{self, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Effects, Style};
use clap::ColorChoice;

/// What each kind of text looks like; nothing of it is a colour if there are to
/// be none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Styles {
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
    /// For standard output: `Auto` means on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn of_stdout(choice: ColorChoice) -> Self {
        let is_colored = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
        };
        if is_colored {
            Self::colored()
        } else {
            Self::default()
        }
    }

    const fn colored() -> Self {
        Self {
            heading: Style::new().effects(Effects::BOLD),
            label: AnsiColor::Blue.on_default(),
            good: AnsiColor::Green.on_default(),
            doubtful: AnsiColor::Yellow.on_default(),
            bad: AnsiColor::Red.on_default().effects(Effects::BOLD),
            key: AnsiColor::Cyan.on_default(),
            data: AnsiColor::Green.on_default(),
            aside: Style::new().effects(Effects::DIMMED),
        }
    }
}

/// A text in its style.
pub(crate) fn painted(style: Style, text: impl fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Characters before the value of a [`line()`].
pub(crate) const VALUE_COLUMN: usize = 14;

/// `  label       value`.
pub(crate) fn line(
    label: &str,
    value: impl fmt::Display,
    styles: &Styles,
    out: &mut impl Write,
) -> io::Result<()> {
    const LABEL_WIDTH: usize = VALUE_COLUMN - 2;
    let label = painted(styles.label, format_args!("{label:<LABEL_WIDTH$}"));
    writeln!(out, "  {label}{value}")
}

/// The line above a table or a chart.
pub(crate) fn heading(text: &str, styles: &Styles, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "  {}", painted(styles.label, text))
}
