//! Estimates how far the user records at the front of a queue fill their Kinesis
//! record or request.

use core::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashSet};
use kinesis_agg_codec::HashKey;

use crate::producer::distribution::Distribution;
use crate::producer::entry::Pushed;
use crate::producer::settings::ProducerSettings;
use crate::write::OwnedUserRecord;

/// Bytes of the magic bytes and the digest.
const FRAME_LEN: u64 = 20;

/// An estimate that decides when to send, not how much: sealing computes exact
/// sizes. The estimate may be too high after user records have expired.
#[derive(Debug, Default)]
pub(super) struct Fill {
    count: usize,
    /// Bytes of the next Kinesis record, including its outer key.
    len: u64,
    /// Bytes of all Kinesis records of the next request.
    request_len: u64,
    is_full: bool,
    first_key: Option<(u64, HashKey)>,
    /// Hashes of the partition keys. An aggregate stores each key only once.
    keys: HashSet<u64>,
    build_hasher: DefaultHashBuilder,
}

impl Fill {
    /// Adds the next user record. Changes nothing once full.
    pub(super) fn add<T>(
        &mut self,
        user_record: &OwnedUserRecord,
        pushed: &Pushed<T>,
        distribution: Distribution,
        settings: &ProducerSettings,
    ) {
        if !self.is_full {
            match distribution {
                Distribution::ByKey => self.add_to_aggregate(user_record, pushed, settings),
                Distribution::Auto => self.add_to_request(user_record, settings),
            }
        }
    }

    fn add_to_aggregate<T>(
        &mut self,
        user_record: &OwnedUserRecord,
        pushed: &Pushed<T>,
        settings: &ProducerSettings,
    ) {
        let limits = settings.limits;
        let key = user_record.partition_key().unwrap_or_default();
        let key_len = u64::try_from(key.len()).unwrap_or(u64::MAX);
        let key_hash = self.key_hash(user_record, pushed);
        let mut more = u64::from(pushed.encoded_len);
        if self.count == 0 {
            // The outer partition key.
            more = more.saturating_add(settings.outer_key_len(key_len));
        } else {
            if settings.one_key && self.first_key != Some((key_hash, pushed.hash_key)) {
                // This user record starts the next aggregate.
                self.is_full = true;
                return;
            }
            more = more.saturating_sub(FRAME_LEN);
            if !self.keys.insert(key_hash) {
                more = more.saturating_sub(key_len.saturating_add(2));
            }
        }
        let len = self.len.saturating_add(more);
        let is_beyond = len > u64::from(limits.max_size());
        self.is_full = is_beyond;
        if is_beyond && self.count > 0 {
            return;
        }
        if self.count == 0 {
            self.first_key = Some((key_hash, pushed.hash_key));
            self.keys.insert(key_hash);
        }
        self.len = len;
        self.count = self.count.saturating_add(1);
        self.is_full |= self.count >= limits.max_count();
    }

    /// Returns a hash of the partition key. Without an explicit hash key, the hash
    /// key is one already.
    fn key_hash<T>(&self, user_record: &OwnedUserRecord, pushed: &Pushed<T>) -> u64 {
        if user_record.explicit_hash_key().is_none() {
            let low = pushed.hash_key.to_u128() & u128::from(u64::MAX);
            return u64::try_from(low).unwrap_or(u64::MAX);
        }
        let key = user_record.partition_key().unwrap_or_default();
        self.build_hasher.hash_one(key)
    }

    /// Adds a user record to a request of raw records.
    fn add_to_request(&mut self, user_record: &OwnedUserRecord, settings: &ProducerSettings) {
        let len = u64::try_from(user_record.content_len()).unwrap_or(u64::MAX);
        if self.count == 0 {
            self.len = len;
        }
        self.count = self.count.saturating_add(1);
        self.request_len = self.request_len.saturating_add(len);
        let max_len = u64::try_from(settings.max_request_len).unwrap_or(u64::MAX);
        self.is_full = self.count >= settings.max_request_count || self.request_len >= max_len;
    }

    /// Starts again with the user records that are now at the front.
    pub(super) fn refill<'a, T: 'a>(
        &mut self,
        entries: impl Iterator<Item = (&'a OwnedUserRecord, &'a Pushed<T>)>,
        distribution: Distribution,
        settings: &ProducerSettings,
    ) {
        let mut entries = entries.peekable();
        let keys = match entries.peek() {
            // Reuse the set: the next aggregate is probably about as large.
            Some(_) => core::mem::take(&mut self.keys),
            None => HashSet::default(),
        };
        *self = Self {
            keys,
            ..Self::default()
        };
        self.keys.clear();
        for (user_record, pushed) in entries {
            self.add(user_record, pushed, distribution, settings);
            if self.is_full {
                break;
            }
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Returns the number of user records of the next Kinesis record or request.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Returns the bytes of the next Kinesis record, including its outer key.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    /// Returns the bytes of the next request of raw records.
    pub(super) fn request_len(&self) -> usize {
        usize::try_from(self.request_len).unwrap_or(usize::MAX)
    }
}
