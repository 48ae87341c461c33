//! Tables of any length. No rows are kept: the caller passes each one twice, to measure and to
//! print it.

use std::io::{self, Write};

use anstyle::Style;

use crate::render::style::{Styles, painted};
use crate::render::text::{cut, pad, width_of};

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    title: &'static str,
    is_number: bool,
    style: Style,
    /// The most cells; the last column gets all that are left.
    max_width: usize,
}

impl Column {
    pub(crate) const fn number(title: &'static str) -> Self {
        Self {
            title,
            is_number: true,
            style: Style::new(),
            max_width: usize::MAX,
        }
    }

    pub(crate) const fn text(title: &'static str, style: Style, max_width: usize) -> Self {
        Self {
            title,
            is_number: false,
            style,
            max_width,
        }
    }
}

/// The columns of a table, each as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    columns: [Column; N],
    widths: [usize; N],
}

const INDENT: usize = 4;
const GAP: usize = 2;

impl<const N: usize> Table<N> {
    pub(crate) const fn new(columns: [Column; N]) -> Self {
        Self {
            columns,
            widths: [0; N],
        }
    }

    /// Widens the columns for a row. A column whose cells are all empty is not printed.
    pub(crate) fn measure(&mut self, cells: &[String; N]) {
        for ((width, cell), column) in self.widths.iter_mut().zip(cells).zip(&self.columns) {
            let wanted = width_of(cell).min(column.max_width);
            if wanted > 0 {
                *width = wanted.max(column.title.len()).max(*width);
            }
        }
    }

    /// Returns how many cells of a line are left for the last column.
    pub(crate) fn room(&self, styles: &Styles) -> usize {
        let before = self.widths.iter().take(N.saturating_sub(1));
        let used = before
            .filter(|width| **width > 0)
            .fold(INDENT, |used, width| {
                used.saturating_add(*width).saturating_add(GAP)
            });
        styles.width.saturating_sub(used)
    }

    pub(crate) fn print_titles(&self, styles: &Styles, out: &mut impl Write) -> io::Result<()> {
        let titles = self.columns.map(|column| column.title.to_owned());
        let line = self.row(&titles, |_, cell| cell, styles);
        writeln!(
            out,
            "{:INDENT$}{}",
            "",
            painted(styles.aside, line.trim_end())
        )
    }

    pub(crate) fn print(
        &self,
        cells: &[String; N],
        styles: &Styles,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let line = self.row(cells, painted, styles);
        writeln!(out, "{:INDENT$}{}", "", line.trim_end())
    }

    fn row(
        &self,
        cells: &[String; N],
        paint: impl Fn(Style, String) -> String,
        styles: &Styles,
    ) -> String {
        let mut row = String::new();
        let last = N.saturating_sub(1);
        let columns = self.columns.iter().zip(&self.widths).zip(cells).enumerate();
        for (place, ((column, &width), cell)) in columns {
            if width == 0 {
                continue;
            }
            let cell = match place == last && !column.is_number {
                true => cut(cell, self.room(styles)),
                false => pad(&cut(cell, width), width, column.is_number),
            };
            row.push_str(&paint(column.style, cell));
            if place != last {
                row.push_str("  ");
            }
        }
        row
    }
}

/// Prints how many rows were left out.
pub(crate) fn print_more(
    len: usize,
    limit: usize,
    styles: &Styles,
    out: &mut impl Write,
) -> io::Result<()> {
    match len.saturating_sub(limit) {
        0 => Ok(()),
        left => {
            let text = format!("… {left} more; use --all");
            writeln!(out, "{:INDENT$}{}", "", painted(styles.aside, text))
        }
    }
}
