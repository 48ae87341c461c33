//! The input of the benchmarks, which is the same in every run and on every machine.

use std::collections::HashMap;

use bytes::Bytes;
use kinesis_agg_codec::{HashKey, NewUserRecord, RecordTags, SectionWriter};

/// The number and the shape of the user records in a scenario.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "not published")]
pub struct Shape {
    /// The number of user records.
    pub record_count: usize,
    /// The length of the data of each user record, in bytes.
    pub data_len: usize,
    /// The number of distinct partition keys, of 36 bytes each. User records refer
    /// to them in pseudorandom order, which caches and branch predictors cannot
    /// learn.
    pub key_count: usize,
    /// Whether each user record has one of 16 explicit hash keys.
    pub explicit_hash_keys: bool,
}

/// The input for one user record.
#[derive(Clone, Debug)]
pub(crate) struct UserRecordInput {
    /// 36 bytes, formatted like a UUID.
    pub(crate) partition_key: String,
    /// One of 16 keys, or none.
    pub(crate) explicit_hash_key: Option<HashKey>,
    /// Pseudorandom bytes.
    pub(crate) data: Bytes,
}

impl UserRecordInput {
    /// Borrows the user record as the type that the writers accept.
    pub(crate) fn borrow(&self) -> NewUserRecord<'_> {
        NewUserRecord::new(&self.partition_key, &self.data)
            .with_explicit_hash_key(self.explicit_hash_key)
    }
}

/// Returns a number that depends on every bit of `seed` (the finalizer of SplitMix64).
pub(crate) fn mix(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

pub(crate) fn below(seed: usize, bound: usize) -> usize {
    let place = mix(to_u64(seed)) % to_u64(bound);
    usize::try_from(place).unwrap_or_default()
}

pub(crate) fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Returns the n-th partition key.
pub(crate) fn partition_key(n: usize) -> String {
    let [high, low] = [mix(to_u64(n)), mix(!to_u64(n))];
    let digits = format!("{high:016x}{low:016x}");
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
    groups.map(|group| &digits[group]).join("-")
}

impl Shape {
    /// Returns an upper bound of the length of a user record in a blob.
    const fn max_record_len(&self) -> usize {
        self.data_len + 20
    }

    /// Returns an upper bound of the length of all else in a blob.
    const fn max_overhead_len(&self) -> usize {
        self.key_count * 40 + 16 * 40 + 64
    }

    /// Returns a number of user records that is certain to fit in a blob of `len`
    /// bytes.
    pub(crate) const fn record_count_in(&self, len: usize) -> usize {
        len.saturating_sub(self.max_overhead_len()) / self.max_record_len()
    }

    /// Returns the user records.
    pub(crate) fn user_records(&self) -> Vec<UserRecordInput> {
        let user_records = (0..self.record_count).map(|n| {
            // Use each key once before repeating any, and not in the order of the table.
            let key = match n < self.key_count {
                true => n * 1_000_003 % self.key_count,
                false => below(n, self.key_count),
            };
            let ehk = HashKey::new(u128::from(mix(to_u64(n % 16))) << 64);
            let words = (0..self.data_len.div_ceil(8)).map(|word| mix(to_u64(n * 99_991 + word)));
            let mut data: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
            data.truncate(self.data_len);
            UserRecordInput {
                partition_key: partition_key(key),
                explicit_hash_key: self.explicit_hash_keys.then_some(ehk),
                data: data.into(),
            }
        });
        user_records.collect()
    }

    /// Returns one blob with all user records, however long it is.
    ///
    /// # Panics
    ///
    /// If the blob would be larger than 4 GiB.
    pub(crate) fn blob(&self) -> Vec<u8> {
        let user_records = self.user_records();
        let mut partition_keys = HashMap::new();
        let mut explicit_hash_keys = HashMap::new();
        let max_len = self.record_count * self.max_record_len() + self.max_overhead_len();
        let mut writer = SectionWriter::new(vec![0; max_len]);
        for key in (0..self.key_count).map(partition_key) {
            let index = writer.add_partition_key(key.as_bytes()).unwrap();
            partition_keys.insert(key, index);
        }
        for user_record in &user_records {
            let partition_key = partition_keys[&user_record.partition_key];
            let explicit_hash_key = user_record.explicit_hash_key.map(|key| {
                *explicit_hash_keys
                    .entry(key)
                    .or_insert_with_key(|key: &HashKey| {
                        let text = key.to_decimal();
                        writer.add_explicit_hash_key(text.as_bytes()).unwrap()
                    })
            });
            let tags = RecordTags::default();
            writer
                .push(partition_key, explicit_hash_key, &user_record.data, tags)
                .unwrap();
        }
        writer.finish().unwrap().to_vec()
    }
}

/// A checksum of what a reader returned: the first byte, the last byte and the
/// length of each key and of the data.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Touched(u64);

impl Touched {
    #[inline]
    pub(crate) fn touch(&mut self, bytes: &[u8]) {
        let ends = match *bytes {
            [first, .., last] => u64::from(first) | u64::from(last) << 8,
            [only] => u64::from(only) | 1 << 16,
            [] => 1 << 17,
        };
        self.0 = self.0.rotate_left(7) ^ (to_u64(bytes.len()) << 18) ^ ends;
    }

    #[inline]
    pub(crate) fn touch_user_record(
        &mut self,
        partition_key: &[u8],
        explicit_hash_key: Option<&[u8]>,
        data: &[u8],
    ) {
        self.touch(partition_key);
        if let Some(key) = explicit_hash_key {
            self.touch(key);
        }
        self.touch(data);
    }

    pub(crate) fn checksum(self) -> u64 {
        self.0
    }
}
