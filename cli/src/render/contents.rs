//! The tables of an aggregate's contents: its keys with how often each is used, and its user
//! records.

use std::io::{self, Write};

use kinesis_agg::codec::{AggregatedRecord, ReadSlot};
use kinesis_agg::read::{KeyBytes, RecordTag, UserRecord};

use crate::data::offset_in;
use crate::render::style::{Styles, heading};
use crate::render::table::{Column, Table, print_more};
use crate::render::text::{shown, shown_key};

#[derive(Debug)]
struct Key<'a> {
    bytes: KeyBytes<'a>,
    /// Offset of the key in the blob.
    offset: usize,
    use_count: u64,
}

/// A key table in the order of the blob.
#[derive(Debug)]
struct KeyTable<'a> {
    title: &'static str,
    keys: Vec<Key<'a>>,
}

impl<'a> KeyTable<'a> {
    fn new(title: &'static str, blob: &[u8], keys: impl Iterator<Item = KeyBytes<'a>>) -> Self {
        let keys = keys.map(|bytes| Key {
            bytes,
            offset: offset_in(blob, bytes.as_bytes()),
            use_count: 0,
        });
        Self {
            title,
            keys: keys.collect(),
        }
    }

    /// Counts a use. Keys of user records are slices of the blob, so the offset of a key
    /// identifies its entry, even among equal keys.
    fn count(&mut self, blob: &[u8], key: KeyBytes<'_>) {
        let offset = offset_in(blob, key.as_bytes());
        let place = self.keys.binary_search_by_key(&offset, |key| key.offset);
        if let Some(key) = place.ok().and_then(|place| self.keys.get_mut(place)) {
            key.use_count = key.use_count.saturating_add(1);
        }
    }

    fn print(&self, limit: usize, styles: &Styles, out: &mut impl Write) -> io::Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        heading(self.title, styles, out)?;
        let mut table = Table::new([
            Column::number("#"),
            Column::number("at"),
            Column::number("uses"),
            Column::text("key", styles.key, styles.width),
        ]);
        let rows = || self.keys.iter().enumerate().take(limit);
        let cells = |number: usize, key: &Key<'_>| {
            [
                number.to_string(),
                key.offset.to_string(),
                key.use_count.to_string(),
                shown_key(key.bytes, styles.width),
            ]
        };
        for (number, key) in rows() {
            table.measure(&cells(number, key));
        }
        table.print_titles(styles, out)?;
        for (number, key) in rows() {
            table.print(&cells(number, key), styles, out)?;
        }
        print_more(self.keys.len(), limit, styles, out)
    }
}

/// Both key tables of an aggregate.
#[derive(Debug)]
pub(crate) struct KeyTables<'a> {
    partition_keys: KeyTable<'a>,
    explicit_hash_keys: KeyTable<'a>,
}

impl<'a> KeyTables<'a> {
    pub(crate) fn of(blob: &[u8], aggregated: &AggregatedRecord<'a>) -> Self {
        Self {
            partition_keys: KeyTable::new("partition keys", blob, aggregated.partition_keys()),
            explicit_hash_keys: KeyTable::new(
                "explicit hash keys",
                blob,
                aggregated.explicit_hash_keys(),
            ),
        }
    }

    pub(crate) fn count(&mut self, blob: &[u8], user_record: &UserRecord<'_>) {
        self.partition_keys.count(blob, user_record.partition_key());
        if let Some(key) = user_record.explicit_hash_key() {
            self.explicit_hash_keys.count(blob, key);
        }
    }

    /// Returns the length of all keys in both tables.
    pub(crate) fn keys_len(&self) -> usize {
        let keys = self.partition_keys.keys.iter();
        let keys = keys.chain(&self.explicit_hash_keys.keys);
        keys.fold(0, |len, key| len.saturating_add(key.bytes.as_bytes().len()))
    }

    /// Prints at most `limit` lines of each table.
    pub(crate) fn print(
        &self,
        limit: usize,
        styles: &Styles,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.partition_keys.print(limit, styles, out)?;
        self.explicit_hash_keys.print(limit, styles, out)
    }
}

/// Prints at most `limit` user records of an aggregate.
pub(crate) fn print_user_records(
    blob: &[u8],
    aggregated: &AggregatedRecord<'_>,
    limit: usize,
    styles: &Styles,
    out: &mut impl Write,
) -> io::Result<()> {
    /// Cells of a key in a terminal of the usual width. With all columns, a million user
    /// records and numbers of eight digits, six cells remain for the data.
    const KEY_WIDTH: usize = 17;
    const TAGS_WIDTH: usize = 9;
    if aggregated.record_count() == 0 {
        return heading("no user records", styles, out);
    }
    heading("user records", styles, out)?;
    let key_width = KEY_WIDTH.saturating_add(styles.extra());
    let hash_key_width = KEY_WIDTH.saturating_add(styles.extra().saturating_sub(40));
    let mut table = Table::new([
        Column::number("#"),
        Column::number("at"),
        Column::text("partition key", styles.key, key_width),
        Column::text("explicit hash key", styles.key, hash_key_width),
        Column::text("tags", anstyle::Style::new(), TAGS_WIDTH),
        Column::number("size"),
        Column::text("data", styles.data, styles.width),
    ]);
    let mut slots = vec![ReadSlot::default(); aggregated.key_count()];
    for user_record in aggregated.user_records_in(&mut slots[..]).take(limit) {
        table.measure(&cells(blob, &user_record, styles));
    }
    table.print_titles(styles, out)?;
    for user_record in aggregated.user_records_in(&mut slots[..]).take(limit) {
        table.print(&cells(blob, &user_record, styles), styles, out)?;
    }
    print_more(aggregated.record_count(), limit, styles, out)
}

fn cells(blob: &[u8], user_record: &UserRecord<'_>, styles: &Styles) -> [String; 7] {
    let width = styles.width;
    let explicit_hash_key = user_record.explicit_hash_key();
    let tags = user_record.tags();
    let tags: Vec<_> = tags.iter().map(|tag| shown_tag(tag, width)).collect();
    [
        user_record.sub_sequence_number().to_string(),
        offset_in(blob, user_record.data()).to_string(),
        shown_key(user_record.partition_key(), width),
        explicit_hash_key.map_or_else(String::new, |key| shown_key(key, width)),
        tags.join(","),
        user_record.data().len().to_string(),
        shown(user_record.data(), width),
    ]
}

fn shown_tag(tag: RecordTag<'_>, width: usize) -> String {
    let key = shown(tag.key.as_bytes(), width);
    match tag.value {
        Some(value) => format!("{key}={}", shown(value.as_bytes(), width)),
        None => key,
    }
}
