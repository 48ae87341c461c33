//! A sealed Kinesis record: an aggregate, or a raw user record.

use alloc::sync::Arc;
use core::time::Duration;

use kinesis_agg_codec::{HashKey, HashKeyRange};

use crate::producer::attempt::Attempts;
use crate::producer::entry::{Entry, Pushed, can_go_raw};
use crate::producer::held_keys::Holder;
use crate::producer::request::PutRecord;
use crate::write::OwnedUserRecord;
use crate::write::read_back;

/// A Kinesis record, to be sent or sent again unchanged.
#[derive(Debug)]
pub(super) struct Sealed<T> {
    pub(super) record: PutRecord,
    pub(super) is_raw: bool,
    /// Its user records, in order of their numbers; at least one.
    pub(super) pushed: Vec<Pushed<T>>,
    /// From the lowest to the highest hash key of its user records.
    pub(super) span: HashKeyRange,
    /// Under what it holds the hash keys of its user records, if it does.
    pub(super) holder: Option<Holder>,
    /// The shard that had all of these hash keys when it was sealed, and its range.
    pub(super) shard: (Arc<str>, HashKeyRange),
    /// Attempts to send this Kinesis record.
    pub(super) attempts: Attempts,
    /// The highest number of earlier attempts of any of its user records.
    past_attempts: usize,
    /// When the first of its user records expires.
    pub(super) expires_at: Duration,
    /// Bytes that its user records count for.
    pub(super) held_len: usize,
    pub(super) not_before: Duration,
    /// The most Kinesis records that its request may have.
    pub(super) max_company: usize,
}

impl<T> Sealed<T> {
    /// Returns `None` if there are no user records.
    pub(super) fn new(
        record: PutRecord,
        is_raw: bool,
        pushed: Vec<Pushed<T>>,
        holder: Option<Holder>,
        shard: (Arc<str>, HashKeyRange),
    ) -> Option<Self> {
        let first = pushed.first()?;
        let mut span = (first.hash_key, first.hash_key);
        let (mut past_attempts, mut expires_at, mut held_len) = (0, first.expires_at(), 0_usize);
        for pushed in &pushed {
            span = (span.0.min(pushed.hash_key), span.1.max(pushed.hash_key));
            past_attempts = pushed.attempt_count().max(past_attempts);
            expires_at = pushed.expires_at().min(expires_at);
            held_len = held_len.saturating_add(pushed.held_len());
        }
        Some(Self {
            record,
            is_raw,
            pushed,
            span: HashKeyRange::new(span.0, span.1).ok()?,
            holder,
            shard,
            attempts: Attempts::default(),
            past_attempts,
            expires_at,
            held_len,
            not_before: Duration::ZERO,
            max_company: usize::MAX,
        })
    }

    /// Returns the lowest number of its user records.
    pub(super) fn number(&self) -> u64 {
        self.pushed.first().map_or(0, |pushed| pushed.number)
    }

    pub(super) fn attempt_count(&self) -> usize {
        self.past_attempts.saturating_add(self.attempts.count())
    }

    /// Returns true if it is an aggregate of a single user record that cannot be sent
    /// raw.
    pub(super) fn is_one_unfit_for_raw(&self) -> bool {
        let is_one = !self.is_raw && self.pushed.len() == 1;
        let first = || read_back(&self.record.data).next();
        is_one && first().is_some_and(|user_record| !can_go_raw(&user_record))
    }

    /// Returns the hash key that determines its shard.
    pub(super) fn outer_hash_key(&self) -> Option<HashKey> {
        let of_key = |key: &String| HashKey::of_partition_key(key.as_bytes());
        let explicit = self.record.explicit_hash_key;
        explicit.or_else(|| self.record.partition_key.as_ref().map(of_key))
    }

    /// Returns the user records, each with all of its attempts. User records of an
    /// aggregate are copied, so that none keeps the whole aggregate allocated.
    pub(super) fn take_apart(self) -> Vec<Entry<T>> {
        let Self {
            record,
            is_raw,
            pushed,
            attempts,
            ..
        } = self;
        // Neighbours usually have the same earlier attempts.
        let mut known = (Attempts::default(), attempts.clone());
        let mut with_past = |mut pushed: Pushed<T>| {
            let earlier = pushed.attempts();
            if !earlier.is_same(&known.0) {
                let all = earlier.followed_by(&attempts);
                known = (earlier, all);
            }
            if known.1.count() > 0 {
                pushed.set_attempts(known.1.clone());
            }
            pushed
        };
        let entry = |(user_record, pushed): (OwnedUserRecord, _)| Entry {
            user_record,
            pushed: with_past(pushed),
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
