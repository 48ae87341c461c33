//! Batches of user records for the packer.

use alloc::sync::Arc;

use kinesis_agg::HashKey;
use kinesis_agg::codec::NewUserRecord;
use kinesis_agg::read::RecordTag;

use crate::error::{Place, Spot};

pub(crate) type OwnedTag = (String, Option<String>);

/// Some user records of a file, in order. The memory is reused for many batches.
#[derive(Debug, Default)]
pub(crate) struct UserRecords {
    file: Arc<str>,
    /// Partition keys, concatenated.
    keys: String,
    /// Data, concatenated.
    data: Vec<u8>,
    records: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    line: u64,
    /// Where its key and data end. They start where those of the previous user record end.
    key_end: usize,
    data_end: usize,
    explicit_hash_key: Option<HashKey>,
    tags: Vec<OwnedTag>,
}

/// The most capacity that is kept for the next batch.
const KEPT_CAPACITY: usize = 2 << 20;

impl UserRecords {
    /// Removes all user records, and prepares for those of `file`.
    pub(crate) fn restart(&mut self, file: &Arc<str>) {
        self.file = Arc::clone(file);
        self.keys.clear();
        self.data.clear();
        self.data.shrink_to(KEPT_CAPACITY);
        self.records.clear();
    }

    /// Adds a user record; `decode` appends its data.
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

    /// Passes each user record to `take`, with its line number.
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

    /// Returns the name of the file.
    pub(crate) const fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// Returns the place of a line.
    pub(crate) fn place(&self, line: u64) -> Place {
        Place {
            file: Arc::clone(&self.file),
            spot: Spot::Line(line),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns how many bytes it holds.
    pub(crate) fn len(&self) -> usize {
        let around = self.records.len().saturating_mul(size_of::<Held>());
        let text = self.keys.len().saturating_add(self.data.len());
        text.saturating_add(around)
    }
}
