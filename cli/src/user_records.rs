//! The user records of an aggregate as a table.

use core::fmt::Write as _;
use std::io::{self, Write};

use kinesis_agg::codec::{AggregatedRecord, ReadSlot};
use kinesis_agg::read::{RecordTag, UserRecord};

use crate::key_tables::{more, offset_in};
use crate::style::{Styles, heading, painted};
use crate::text::{WIDTH, cut, shown, shown_key};

/// How the user records of an aggregate are laid out. It holds no line of them:
/// they are walked once to measure and once to print.
#[derive(Debug)]
pub(crate) struct UserRecordTable {
    widths: [usize; COLUMNS],
    /// User records that are printed.
    limit: usize,
}

/// Columns that are as wide as their widest cell; the data gets the rest.
const COLUMNS: usize = 6;

const TITLES: [&str; COLUMNS] = [
    "#",
    "at",
    "partition key",
    "explicit hash key",
    "tags",
    "size",
];

/// Characters of the widest key in the table. What is left for the data next to
/// all columns, a million user records and an offset and a size of eight digits
/// is six.
const KEY_WIDTH: usize = 17;

/// Characters of the widest tags in the table.
const TAGS_WIDTH: usize = 9;

impl UserRecordTable {
    /// Of so many user records at most.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            widths: [0; COLUMNS],
            limit,
        }
    }

    /// Makes room for the next user record.
    pub(crate) fn measure(&mut self, blob: &[u8], user_record: &UserRecord<'_>) {
        let place = usize::try_from(user_record.sub_sequence_number()).unwrap_or(usize::MAX);
        if place >= self.limit {
            return;
        }
        for (width, cell) in self.widths.iter_mut().zip(cells(blob, user_record)) {
            *width = cell.chars().count().max(*width);
        }
    }

    pub(crate) fn print(
        mut self,
        blob: &[u8],
        aggregated: &AggregatedRecord<'_>,
        styles: &Styles,
        out: &mut impl Write,
    ) -> io::Result<()> {
        if aggregated.record_count() == 0 {
            return heading("no user records", styles, out);
        }
        heading("user records", styles, out)?;
        for (width, title) in self.widths.iter_mut().zip(TITLES) {
            // What no user record has, has no column.
            if *width > 0 {
                *width = title.len().max(*width);
            }
        }
        let head = self.row(&TITLES.map(str::to_owned), &Styles::default());
        let data_width = WIDTH.saturating_sub(head.chars().count().saturating_add(4));
        let head = format_args!("{head}data");
        writeln!(out, "    {}", painted(styles.aside, head))?;
        let mut slots = vec![ReadSlot::default(); aggregated.key_count()];
        let user_records = aggregated.user_records_in(&mut slots[..]);
        for user_record in user_records.take(self.limit) {
            let row = self.row(&cells(blob, &user_record), styles);
            let data = painted(styles.data, shown(user_record.data(), data_width));
            writeln!(out, "    {row}{data}")?;
        }
        more(aggregated.record_count(), self.limit, styles, out)
    }

    fn row(&self, cells: &[String; COLUMNS], styles: &Styles) -> String {
        let mut row = String::new();
        for ((cell, &width), title) in cells.iter().zip(&self.widths).zip(TITLES) {
            if width == 0 {
                continue;
            }
            let key = |style| painted(style, format_args!("{cell:<width$}"));
            let _infallible = match title {
                "#" | "at" | "size" => write!(row, "{cell:>width$}  "),
                "tags" => write!(row, "{cell:<width$}  "),
                _ => write!(row, "{}  ", key(styles.key)),
            };
        }
        row
    }
}

fn cells(blob: &[u8], user_record: &UserRecord<'_>) -> [String; COLUMNS] {
    let explicit_hash_key = user_record.explicit_hash_key();
    let tags: Vec<_> = user_record.tags().iter().map(shown_tag).collect();
    [
        user_record.sub_sequence_number().to_string(),
        offset_in(blob, user_record.data()).to_string(),
        shown_key(user_record.partition_key(), KEY_WIDTH),
        explicit_hash_key.map_or_else(String::new, |key| shown_key(key, KEY_WIDTH)),
        cut(&tags.join(","), TAGS_WIDTH),
        user_record.data().len().to_string(),
    ]
}

fn shown_tag(tag: RecordTag<'_>) -> String {
    let key = shown(tag.key.as_bytes(), TAGS_WIDTH);
    match tag.value {
        Some(value) => format!("{key}={}", shown(value.as_bytes(), TAGS_WIDTH)),
        None => key,
    }
}
