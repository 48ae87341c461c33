//! A Kinesis record that is being delivered.

use kinesis_agg_codec::{HashKeyRange, ReadSlot, UserRecords};

use crate::read::delivered::{Content, Delivered};

/// A Kinesis record that is being delivered.
#[derive(Debug)]
pub(crate) struct Current<'a, R> {
    pub(crate) enclosing: &'a R,
    pub(crate) record_index: usize,
    pub(crate) record_count: usize,
    pub(crate) left: Left<'a>,
    /// The range of [`HashKeyFilter::PerUserRecord`](crate::HashKeyFilter::PerUserRecord).
    pub(crate) range: Option<HashKeyRange>,
}

/// The items of a Kinesis record that are still to be delivered.
#[derive(Debug)]
pub(crate) enum Left<'a> {
    UserRecords(UserRecords<'a, Vec<ReadSlot>>),
    /// The Kinesis record itself, or nothing.
    Whole(Option<Content<'a>>),
}

impl<'a, R> Current<'a, R> {
    /// Returns the next item.
    pub(crate) fn next(&mut self) -> Option<Delivered<'a, R>> {
        let content = match &mut self.left {
            Left::UserRecords(user_records) => Content::UserRecord {
                user_record: user_records.next()?,
                record_count: self.record_count,
            },
            Left::Whole(content) => content.take()?,
        };
        Some(Delivered {
            enclosing: self.enclosing,
            record_index: self.record_index,
            content,
        })
    }

    /// Returns the number of items that are still to be delivered.
    pub(crate) fn remaining(&self) -> usize {
        match &self.left {
            Left::UserRecords(user_records) => user_records.len(),
            Left::Whole(content) => usize::from(content.is_some()),
        }
    }
}
