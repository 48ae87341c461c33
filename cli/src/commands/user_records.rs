//! User records on their way to who packs them.

use alloc::sync::Arc;

use kinesis_agg::HashKey;
use kinesis_agg::codec::NewUserRecord;
use kinesis_agg::read::RecordTag;

use crate::input::place::{Place, Spot};

pub(crate) type OwnedTag = (String, Option<String>);

/// Some user records of a file, in order. The memory serves many times.
#[derive(Debug, Default)]
pub(crate) struct UserRecords {
    file: Arc<str>,
    /// Partition keys, one behind the other.
    keys: String,
    /// Data, one behind the other.
    data: Vec<u8>,
    records: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    line: u64,
    /// Where its key and data end; they start where those before it end.
    key_end: usize,
    data_end: usize,
    explicit_hash_key: Option<HashKey>,
    tags: Vec<OwnedTag>,
}

/// Memory of a large user record is kept for others only up to here.
const KEPT_CAPACITY: usize = 2 << 20;

impl UserRecords {
    /// Forgets all user records, and goes on with those of `file`.
    pub(crate) fn restart(&mut self, file: &Arc<str>) {
        self.file = Arc::clone(file);
        self.keys.clear();
        self.data.clear();
        self.data.shrink_to(KEPT_CAPACITY);
        self.records.clear();
    }

    /// Adds a user record, whose data `decode` appends.
    pub(crate) fn push(
        &mut self,
        line: u64,
        partition_key: &str,
        explicit_hash_key: Option<HashKey>,
        tags: Vec<OwnedTag>,
        decode: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        decode(&mut self.data)?;
        self.keys.push_str(partition_key);
        self.records.push(Held {
            line,
            key_end: self.keys.len(),
            data_end: self.data.len(),
            explicit_hash_key,
            tags,
        });
        Ok(())
    }

    /// Hands each to `take`, with its line.
    pub(crate) fn try_for_each(
        &self,
        mut take: impl FnMut(u64, NewUserRecord<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (mut key_start, mut data_start) = (0, 0);
        self.records.iter().try_for_each(|held| {
            let key = self.keys.get(key_start..held.key_end).unwrap_or_default();
            let data = self.data.get(data_start..held.data_end).unwrap_or_default();
            (key_start, data_start) = (held.key_end, held.data_end);
            let tags = held.tags.iter().map(|(key, value)| RecordTag {
                key: key.as_str().into(),
                value: value.as_deref().map(Into::into),
            });
            let tags: Vec<_> = tags.collect();
            let user_record = NewUserRecord::new(key, data)
                .with_explicit_hash_key(held.explicit_hash_key)
                .with_tags(tags.as_slice().into());
            take(held.line, user_record)
        })
    }

    /// The name of the file.
    pub(crate) const fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// Where a line is.
    pub(crate) fn place(&self, line: u64) -> Place {
        Place {
            file: Arc::clone(&self.file),
            spot: Spot::Line(line),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes that it holds.
    pub(crate) fn len(&self) -> usize {
        let around = self.records.len().saturating_mul(size_of::<Held>());
        let text = self.keys.len().saturating_add(self.data.len());
        text.saturating_add(around)
    }
}
