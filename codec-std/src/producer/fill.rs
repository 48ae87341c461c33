//! How far the user records at the front of a queue fill their Kinesis record
//! or request.

use core::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashSet};

use crate::producer::entry::Entry;
use crate::producer::settings::ProducerSettings;

/// Bytes of magic and digest.
const FRAME_LEN: u64 = 20;

/// An estimate that decides when to send, not how much: sealing is exact. It
/// may be too high after user records expired.
#[derive(Debug, Default)]
pub(super) struct Fill {
    count: usize,
    /// Bytes of the Kinesis record that is sent next, its outer key included.
    len: u64,
    /// Bytes of all Kinesis records of the request.
    request_len: u64,
    is_full: bool,
    /// Hashes of the partition keys, which an aggregate holds once.
    keys: HashSet<u64>,
    build_hasher: DefaultHashBuilder,
}

impl Fill {
    /// Adds the next user record of an aggregate. Changes nothing once full.
    pub(super) fn add_to_aggregate<T>(&mut self, entry: &Entry<T>, settings: &ProducerSettings) {
        if self.is_full {
            return;
        }
        let limits = settings.limits();
        let key = entry.user_record.partition_key().unwrap_or_default();
        let key_len = u64::try_from(key.len()).unwrap_or(u64::MAX);
        let hash = self.build_hasher.hash_one(key);
        let mut more = entry.encoded_len();
        if self.count == 0 {
            // The outer partition key, which is the first user record's.
            more = more.saturating_add(key_len);
        } else {
            more = more.saturating_sub(FRAME_LEN);
            if self.keys.contains(&hash) {
                more = more.saturating_sub(key_len.saturating_add(2));
            }
        }
        let len = self.len.saturating_add(more);
        let is_beyond = len > u64::from(limits.max_size());
        self.is_full = is_beyond;
        if is_beyond && self.count > 0 {
            // It is the first of the next aggregate.
            return;
        }
        self.keys.insert(hash);
        self.len = len;
        self.count = self.count.saturating_add(1);
        self.is_full |= self.count >= limits.max_count();
    }

    /// Adds the next user record of a request of raw records.
    pub(super) fn add_to_request<T>(&mut self, entry: &Entry<T>, settings: &ProducerSettings) {
        let len = u64::try_from(entry.user_record.content_len()).unwrap_or(u64::MAX);
        if self.count == 0 {
            self.len = len;
        }
        self.count = self.count.saturating_add(1);
        self.request_len = self.request_len.saturating_add(len);
        let max_len = u64::try_from(settings.max_request_len).unwrap_or(u64::MAX);
        self.is_full = self.count >= settings.max_request_count || self.request_len >= max_len;
    }

    pub(super) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Bytes of the Kinesis record to be sent next, its outer key included.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }
}
