//! A `heapless::Vec<u8, N>` as the writer's buffer, and as the finished blob.
//!
//! A writer can borrow a slice without this module. The module adds ownership: a blob can be
//! moved into a queue, to another task or out of a function, without a second buffer. A vector
//! only lends the bytes that it contains, so the buffer contains all `N` of them; the finished
//! vector contains those of the blob.

use core::fmt;

use heapless::Vec;

use crate::error::EncodeError;
use crate::hash_key::HashKey;
use crate::write::aggregate::{Aggregate, Description, OuterKey};
use crate::write::aggregate_writer::AggregateWriter;
use crate::write::key_lookup::KeyLookup;
use crate::write::section_writer::SectionWriter;

impl<const N: usize> AggregateWriter<Vec<u8, N>> {
    /// Creates a writer that owns its buffer of `N` bytes and remembers up to
    /// [`DEFAULT_KEY_SLOTS`](crate::limits::DEFAULT_KEY_SLOTS) keys.
    ///
    /// For another key look-up, pass a full vector, such as
    /// `Vec::from_array([0; N])`, to
    /// [`with_key_lookup`](AggregateWriter::with_key_lookup).
    ///
    /// ```
    /// use heapless::spsc::Queue;
    /// use kinesis_agg_codec::{AggregateWriter, NewUserRecord, VecAggregate};
    ///
    /// let mut to_send = Queue::<VecAggregate<128>, 4>::new();
    /// let mut writer = AggregateWriter::in_heapless_vec();
    /// for reading in 0..20_u32 {
    ///     let data = reading.to_le_bytes();
    ///     let user_record = NewUserRecord::new("sensor-7", &data);
    ///     if let Err(error) = writer.try_push(&user_record) {
    ///         assert!(error.is_full());
    ///         to_send.enqueue(writer.finish_into_vec()?).unwrap();
    ///         writer.try_push(&user_record)?;
    ///     }
    /// }
    /// let first = to_send.dequeue().unwrap();
    /// assert_eq!(first.as_aggregate().partition_key(), "sensor-7");
    /// assert_eq!(first.as_aggregate().record_count(), 9);
    /// assert_eq!(first.into_data().len(), 20 + 10 + 9 * 10);
    /// # Ok::<(), kinesis_agg_codec::EncodeError>(())
    /// ```
    #[must_use]
    pub const fn in_heapless_vec() -> Self {
        Self::new(Vec::from_array([0; N]))
    }
}

impl<const N: usize, L: KeyLookup, K: AsRef<str> + Clone> AggregateWriter<Vec<u8, N>, L, K> {
    /// Does the same as [`finish`](Self::finish), but returns the buffer, cut
    /// to the blob's length, and continues in a new one.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Empty`] without user records.
    pub fn finish_into_vec(&mut self) -> Result<VecAggregate<N, K>, EncodeError> {
        let first_partition_key_len = self.first.partition_key_len;
        let outer_key = self.outer_key().clone();
        let aggregate = self.finish()?;
        let data_len = aggregate.data().len();
        let mut finished = VecAggregate {
            data: Vec::new(),
            outer_key,
            first_partition_key_len,
            explicit_hash_key: aggregate.explicit_hash_key(),
            record_count: aggregate.record_count(),
        };
        finished.data = self.sections.replace_buffer(Vec::from_array([0; N]));
        finished.data.truncate(data_len);
        Ok(finished)
    }
}

impl<const N: usize> SectionWriter<Vec<u8, N>> {
    /// Creates a writer that owns its buffer of `N` bytes.
    #[must_use]
    pub const fn in_heapless_vec() -> Self {
        Self::new(Vec::from_array([0; N]))
    }

    /// Does the same as [`finish`](Self::finish), but returns the buffer, cut
    /// to the blob's length, and continues in a new one.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Empty`] without user records. The keys stay.
    pub fn finish_into_vec(&mut self) -> Result<Vec<u8, N>, EncodeError> {
        let len = self.finish()?.len();
        let mut blob = self.sections.replace_buffer(Vec::from_array([0; N]));
        blob.truncate(len);
        Ok(blob)
    }
}

/// A finished aggregate that owns its blob.
///
/// `N` is the length of the buffer in bytes, `K` the type of a chosen outer key
/// (see [`OuterKey`]).
#[derive(Clone)]
pub struct VecAggregate<const N: usize, K = &'static str> {
    data: Vec<u8, N>,
    outer_key: OuterKey<K>,
    first_partition_key_len: u32,
    explicit_hash_key: Option<HashKey>,
    record_count: usize,
}

impl<const N: usize, K: AsRef<str>> VecAggregate<N, K> {
    /// Returns the blob and the keys to put it under.
    #[must_use]
    pub fn as_aggregate(&self) -> Aggregate<'_> {
        Aggregate {
            blob: &self.data,
            description: Description {
                fixed_partition_key: self.outer_key.fixed(),
                first_partition_key_len: self.first_partition_key_len,
                explicit_hash_key: self.explicit_hash_key,
                record_count: self.record_count,
            },
        }
    }

    /// Returns the blob alone.
    #[must_use]
    pub fn into_data(self) -> Vec<u8, N> {
        self.data
    }
}

/// Prints the keys and counts, not the data.
impl<const N: usize, K: AsRef<str>> fmt::Debug for VecAggregate<N, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_aggregate().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record_tag::RecordTags;
    use crate::write::new_user_record::NewUserRecord;

    /// Protects programs that queue owned blobs: bytes and outer keys must be those
    /// that a writer into a slice returns, for several blobs in a row.
    #[test]
    fn a_heapless_aggregate_equals_one_in_a_borrowed_buffer() {
        let user_records = [
            NewUserRecord::new("sensor-7", b"21.5").with_explicit_hash_key(HashKey::new(7)),
            NewUserRecord::new("sensor-8", b""),
        ];
        let chosen = OuterKey::Chosen("chosen");
        for outer_key in [OuterKey::FirstUserRecord, OuterKey::Kpl, chosen] {
            let mut buffer = [0xa5; 100];
            let mut lent = AggregateWriter::new(&mut buffer).with_outer_key(outer_key);
            let mut owned = AggregateWriter::<Vec<u8, 100>>::in_heapless_vec();
            owned = owned.with_outer_key(outer_key);
            for user_records in [&user_records[..], &user_records[1..]] {
                for user_record in user_records {
                    lent.try_push(user_record).unwrap();
                    owned.try_push(user_record).unwrap();
                }
                let lent = lent.finish().unwrap();
                let finished = owned.finish_into_vec().unwrap();
                let aggregate = finished.as_aggregate();
                assert_eq!(aggregate, lent);
                assert_eq!(aggregate.record_count(), lent.record_count());
                assert_eq!(finished.clone().into_data(), lent.data());
            }
            assert_eq!(owned.finish_into_vec().err(), Some(EncodeError::Empty));
        }
    }

    #[test]
    fn a_heapless_section_blob_equals_one_in_a_borrowed_buffer() {
        let mut buffer = [0xa5; 100];
        let mut lent = SectionWriter::new(&mut buffer);
        let mut owned = SectionWriter::<Vec<u8, 100>>::in_heapless_vec();
        for data in [b"21.5".as_slice(), b"2"] {
            let key = lent.add_partition_key(b"sensor-7").unwrap();
            lent.push(key, None, data, RecordTags::default()).unwrap();
            let key = owned.add_partition_key(b"sensor-7").unwrap();
            owned.push(key, None, data, RecordTags::default()).unwrap();
            assert_eq!(owned.finish_into_vec().unwrap(), lent.finish().unwrap());
        }
    }
}
