//! User records that were read, in memory of their own.

use core::ops::Range;

use anyhow::Context as _;
use kinesis_agg::HashKey;
use kinesis_agg::codec::NewUserRecord;
use kinesis_agg::read::RecordTag;

use crate::input::Input;
use crate::json::decode_data;
use crate::place::Place;
use crate::relay::Batch;

/// Some user records, in order.
#[derive(Debug, Default)]
pub(crate) struct UserRecordBatch {
    /// What they are made of, one behind the other.
    text: String,
    records: Vec<Held>,
    /// Places, one of each file, and how many user records come before it.
    files: Vec<(usize, Place)>,
}

#[derive(Debug)]
struct Held {
    line: u64,
    /// In `text`.
    partition_key: Range<usize>,
    /// In `text`, in base64.
    data: Range<usize>,
    explicit_hash_key: Option<HashKey>,
    tags: Vec<OwnedTag>,
}

pub(crate) type OwnedTag = (String, Option<String>);

impl Batch for UserRecordBatch {
    fn len(&self) -> usize {
        let of_records = self.records.len().saturating_mul(size_of::<Held>());
        self.text.len().saturating_add(of_records)
    }
}

/// Memory of a large user record is kept for the next only up to here.
const KEPT_CAPACITY: usize = 2 << 20;

impl UserRecordBatch {
    pub(crate) const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEPT_CAPACITY);
        self.records.clear();
        self.files.clear();
    }

    /// Of the line that the input is at. `data` is in base64.
    pub(crate) fn push(
        &mut self,
        input: &Input,
        partition_key: &str,
        explicit_hash_key: Option<HashKey>,
        data: &str,
        tags: Vec<OwnedTag>,
    ) {
        let start = self.text.len();
        self.text.push_str(partition_key);
        let key_end = self.text.len();
        self.text.push_str(data);
        if !self
            .files
            .last()
            .is_some_and(|(_, last)| input.is_in_file_of(last))
        {
            self.files.push((self.records.len(), input.place()));
        }
        self.records.push(Held {
            line: input.number(),
            partition_key: start..key_end,
            data: key_end..self.text.len(),
            explicit_hash_key,
            tags,
        });
    }

    /// Hands each to `take`, and how to ask for its place. Decodes into `data`,
    /// memory that serves one after the other. The error names the place.
    pub(crate) fn try_for_each(
        &self,
        data: &mut Vec<u8>,
        mut take: impl FnMut(NewUserRecord<'_>, &dyn Fn() -> Place) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut records = self.records.iter().enumerate();
        records.try_for_each(|(index, held)| {
            let place = || self.place(index, held.line);
            let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
            data.clear();
            decode_data(text(&held.data), data).with_context(|| place().to_string())?;
            let tags = held.tags.iter().map(|(key, value)| RecordTag {
                key: key.as_str().into(),
                value: value.as_deref().map(Into::into),
            });
            let tags: Vec<_> = tags.collect();
            let user_record = NewUserRecord::new(text(&held.partition_key), data)
                .with_explicit_hash_key(held.explicit_hash_key)
                .with_tags(tags.as_slice().into());
            take(user_record, &place)
        })
    }

    fn place(&self, index: usize, line: u64) -> Place {
        let file = self.files.iter().rfind(|(before, _)| *before <= index);
        file.map_or_else(Place::default, |(_, place)| place.at(line))
    }
}
