//! The key tables of an aggregate, with how often each key is used.

use std::io::{self, Write};

use kinesis_agg::codec::AggregatedRecord;
use kinesis_agg::read::{KeyBytes, UserRecord};

use crate::style::{Styles, heading, painted};
use crate::text::{WIDTH, shown_key};

/// Where a part of a blob starts in it.
pub(crate) fn offset_in(blob: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(blob.as_ptr().addr())
}

#[derive(Debug)]
struct Key<'a> {
    bytes: KeyBytes<'a>,
    /// In the blob.
    offset: usize,
    use_count: u64,
}

/// One key table, in its order.
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

    /// The keys of user records are slices of the blob: where one starts tells
    /// which entry it is, even among equal keys.
    fn count(&mut self, blob: &[u8], key: KeyBytes<'_>) {
        let offset = offset_in(blob, key.as_bytes());
        let place = self.keys.binary_search_by_key(&offset, |key| key.offset);
        if let Some(key) = place.ok().and_then(|place| self.keys.get_mut(place)) {
            key.use_count = key.use_count.saturating_add(1);
        }
    }

    fn print(&self, limit: usize, styles: &Styles, out: &mut impl Write) -> io::Result<()> {
        let Some(last) = self.keys.last() else {
            return Ok(());
        };
        heading(self.title, styles, out)?;
        let digits = |number: usize| number.to_string().len();
        let number_width = digits(self.keys.len().saturating_sub(1));
        let at_width = digits(last.offset).max("at".len());
        let uses = self.keys.iter().map(|key| key.use_count).max();
        let uses_width = uses.unwrap_or_default().to_string().len().max("uses".len());
        let head = format!(
            "{:>number_width$}  {:>at_width$}  {:>uses_width$}  ",
            "#", "at", "uses"
        );
        let key_width = WIDTH.saturating_sub(head.len().saturating_add(4));
        writeln!(
            out,
            "    {}",
            painted(styles.aside, format_args!("{head}key"))
        )?;
        for (number, key) in self.keys.iter().enumerate().take(limit) {
            let uses_style = match key.use_count {
                0 => styles.doubtful,
                _ => anstyle::Style::new(),
            };
            writeln!(
                out,
                "    {number:>number_width$}  {:>at_width$}  {}  {}",
                key.offset,
                painted(uses_style, format_args!("{:>uses_width$}", key.use_count)),
                painted(styles.key, shown_key(key.bytes, key_width)),
            )?;
        }
        more(self.keys.len(), limit, styles, out)
    }
}

/// Says how many lines were left out.
pub(crate) fn more(
    len: usize,
    limit: usize,
    styles: &Styles,
    out: &mut impl Write,
) -> io::Result<()> {
    match len.saturating_sub(limit) {
        0 => Ok(()),
        left => {
            let text = format!("… {left} more; --all lists them");
            writeln!(out, "    {}", painted(styles.aside, text))
        }
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

    /// Bytes of all keys in both.
    pub(crate) fn keys_len(&self) -> usize {
        let keys = self.partition_keys.keys.iter();
        let keys = keys.chain(&self.explicit_hash_keys.keys);
        keys.fold(0, |len, key| len.saturating_add(key.bytes.as_bytes().len()))
    }

    /// At most `limit` lines of each.
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
