//! Counts how often each partition key is used in many Kinesis records.

use std::collections::HashMap;
use std::io::{self, Write};

use kinesis_agg::read::KeyBytes;
use serde::Serialize;

use crate::data::to_base64;
use crate::render::chart::{Row, bars};
use crate::render::style::{Styles, heading};
use crate::render::text::{count, grouped, percent, shown_key, size, wide};

/// The uses of each partition key. Memory grows with the number of keys.
#[derive(Debug, Default)]
pub(crate) struct PartitionKeys(HashMap<Box<[u8]>, KeyUse>);

#[derive(Clone, Copy, Debug)]
struct KeyUse {
    user_records: u64,
    bytes: u64,
    /// The range that contains the key's hash key.
    range: usize,
}

/// The most used keys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HotKeys<'a> {
    distinct: u64,
    hot: Vec<HotKey<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HotKey<'a> {
    #[serde(skip)]
    key: KeyBytes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key: Option<&'a str>,
    /// Present if the key is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key_base64: Option<String>,
    user_records: u64,
    bytes: u64,
}

impl PartitionKeys {
    /// Counts a user record, and returns the place of its key's range, which is looked up once
    /// for each key.
    pub(crate) fn add(
        &mut self,
        key: KeyBytes<'_>,
        data_len: usize,
        range_of: impl FnOnce(KeyBytes<'_>) -> usize,
    ) -> usize {
        let data_len = wide(data_len);
        if let Some(known) = self.0.get_mut(key.as_bytes()) {
            known.user_records = known.user_records.saturating_add(1);
            known.bytes = known.bytes.saturating_add(data_len);
            return known.range;
        }
        let first = KeyUse {
            user_records: 1,
            bytes: data_len,
            range: range_of(key),
        };
        self.0.insert(key.as_bytes().into(), first);
        first.range
    }

    /// Returns at most `top` keys, the one with the most user records first.
    pub(crate) fn hottest(&self, top: usize) -> HotKeys<'_> {
        let mut hot: Vec<_> = self.0.iter().collect();
        // Keys with equal counts are sorted by their bytes, so the output is deterministic.
        hot.sort_unstable_by(|(key, used), (other_key, other)| {
            let order = other.user_records.cmp(&used.user_records);
            order.then_with(|| key.cmp(other_key))
        });
        let hot = hot.into_iter().take(top).map(|(bytes, used)| {
            let key = KeyBytes::new(bytes);
            HotKey {
                key,
                partition_key: key.to_str().ok(),
                partition_key_base64: key.to_str().is_err().then(|| to_base64(bytes)),
                user_records: used.user_records,
                bytes: used.bytes,
            }
        });
        HotKeys {
            distinct: wide(self.0.len()),
            hot: hot.collect(),
        }
    }
}

impl HotKeys<'_> {
    /// Prints a line for each key, with its share of all user records.
    pub(crate) fn print(
        &self,
        user_records: u64,
        styles: &Styles,
        out: &mut impl Write,
    ) -> io::Result<()> {
        /// Cells of a key in a terminal of the usual width.
        const KEY_WIDTH: usize = 24;
        if self.hot.is_empty() {
            return Ok(());
        }
        let title = match wide(self.hot.len()) == self.distinct {
            true => count(self.distinct, "partition key"),
            false => format!(
                "hottest {} of {} partition keys",
                self.hot.len(),
                grouped(self.distinct)
            ),
        };
        heading(&title, styles, out)?;
        let key_width = KEY_WIDTH.saturating_add(styles.extra());
        let row = |hot: &HotKey<'_>| Row {
            name: shown_key(hot.key, key_width),
            name_style: styles.key,
            value: hot.user_records,
            bar_style: styles.data,
            text: format!(
                "{} ({} %), {}",
                count(hot.user_records, "user record"),
                percent(hot.user_records, user_records),
                size(hot.bytes),
            ),
        };
        let rows: Vec<_> = self.hot.iter().map(row).collect();
        bars(&rows, 16, false, styles, out)
    }
}
