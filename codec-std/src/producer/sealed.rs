//! A Kinesis record that was made: an aggregate, or a raw user record.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use kinesis_agg_codec::{HashKey, HashKeyRange};

use crate::producer::attempt::Attempts;
use crate::producer::entry::{Entry, Pushed};
use crate::producer::request::PutRecord;
use crate::write::OwnedUserRecord;
use crate::write::read_back;

/// A Kinesis record, to be sent or sent again as it is.
#[derive(Debug)]
pub(super) struct Sealed<T> {
    pub(super) record: PutRecord,
    pub(super) is_raw: bool,
    /// Its user records, in order of their numbers; at least one.
    pub(super) pushed: Vec<Pushed<T>>,
    /// From the lowest to the highest hash key of its user records.
    pub(super) span: HashKeyRange,
    /// The shard that has all of them, by the map of the time, and its range.
    pub(super) shard: (Arc<str>, HashKeyRange),
    /// Attempts to send it as it is.
    pub(super) attempts: Attempts,
    /// The most attempts of a user record before that.
    pub(super) past_attempts: usize,
    pub(super) not_before: Duration,
    /// Kinesis records in the request that it may be sent in, at most.
    pub(super) max_company: usize,
}

impl<T> Sealed<T> {
    pub(super) fn new(
        record: PutRecord,
        is_raw: bool,
        pushed: Vec<Pushed<T>>,
        span: HashKeyRange,
        shard: (Arc<str>, HashKeyRange),
    ) -> Self {
        let past_attempts = pushed.iter().map(|pushed| pushed.attempts.count()).max();
        Self {
            record,
            is_raw,
            pushed,
            span,
            shard,
            attempts: Attempts::default(),
            past_attempts: past_attempts.unwrap_or_default(),
            not_before: Duration::ZERO,
            max_company: usize::MAX,
        }
    }

    /// The lowest number of its user records.
    pub(super) fn number(&self) -> u64 {
        self.pushed.first().map_or(0, |pushed| pushed.number)
    }

    /// When the time to live of its oldest user record started.
    pub(super) fn put_at(&self) -> Duration {
        let first = self.pushed.first();
        first.map_or(Duration::ZERO, |pushed| pushed.put_at)
    }

    pub(super) fn attempt_count(&self) -> usize {
        self.past_attempts.saturating_add(self.attempts.count())
    }

    /// The hash key that it is put under.
    pub(super) fn outer_hash_key(&self) -> Option<HashKey> {
        let of_key = |key: &String| HashKey::of_partition_key(key.as_bytes());
        let explicit = self.record.explicit_hash_key;
        explicit.or_else(|| self.record.partition_key.as_ref().map(of_key))
    }

    /// The user records, each with all of its attempts. Those of an aggregate
    /// get memory of their own, or the last one would hold all of it.
    pub(super) fn take_apart(self) -> Vec<Box<Entry<T>>> {
        let Self {
            record,
            is_raw,
            pushed,
            attempts,
            ..
        } = self;
        // Neighbours mostly have the same past.
        let mut known = (Attempts::default(), attempts.clone());
        let mut with_past = |mut pushed: Pushed<T>| {
            if !pushed.attempts.is_same(&known.0) {
                let all = pushed.attempts.followed_by(&attempts);
                known = (pushed.attempts.clone(), all);
            }
            pushed.attempts = known.1.clone();
            pushed
        };
        let entry = |(user_record, pushed)| {
            Box::new(Entry {
                user_record,
                pushed: with_past(pushed),
            })
        };
        if is_raw {
            let user_record = OwnedUserRecord::from_raw(
                record.partition_key,
                record.explicit_hash_key,
                record.data,
            );
            return core::iter::once(user_record)
                .zip(pushed)
                .map(entry)
                .collect();
        }
        let user_records = read_back(&record.data).map(OwnedUserRecord::with_own_data);
        user_records.zip(pushed).map(entry).collect()
    }
}
