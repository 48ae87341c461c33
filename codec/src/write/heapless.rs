//! A `heapless::Vec<u8, N>` as the writer's buffer, and the blob as one.
//!
//! A slice can be lent as it is. What this adds is ownership: a blob that goes
//! into a queue, to another task or out of a function, without a second buffer.
//! A vector lends only the bytes that it has, so while it is written to it has
//! all `N` of them; when finished it has those of the blob.

use heapless::Vec;

use crate::error::EncodeError;
use crate::hash_key::HashKey;
use crate::write::aggregate::{Aggregate, OuterKey, first_partition_key};
use crate::write::aggregate_writer::AggregateWriter;
use crate::write::key_lookup::KeyLookup;
use crate::write::section_writer::SectionWriter;

impl<const N: usize> AggregateWriter<Vec<u8, N>> {
    /// A writer that owns its buffer of `N` bytes and remembers up to
    /// [`DEFAULT_KEY_SLOTS`](crate::limits::DEFAULT_KEY_SLOTS) keys.
    ///
    /// For another key index, give
    /// [`with_key_lookup`](AggregateWriter::with_key_lookup) a vector that is
    /// full, such as `Vec::from_array([0; N])`.
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

impl<const N: usize, I: KeyLookup> AggregateWriter<Vec<u8, N>, I> {
    /// [`finish`](Self::finish), but hands the buffer out, as long as the blob
    /// is, and goes on in a new one.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn finish_into_vec(&mut self) -> Result<VecAggregate<N>, EncodeError> {
        let outer_key = self.outer_key();
        let aggregate = self.finish()?;
        let data_len = aggregate.data().len();
        let mut finished = VecAggregate {
            data: Vec::new(),
            outer_key,
            partition_key_len: u32::try_from(aggregate.partition_key().len()).unwrap_or(u32::MAX),
            explicit_hash_key: aggregate.explicit_hash_key(),
            record_count: aggregate.record_count(),
        };
        finished.data = self.replace_buffer(Vec::from_array([0; N]));
        finished.data.truncate(data_len);
        Ok(finished)
    }
}

impl<const N: usize> SectionWriter<Vec<u8, N>> {
    /// A writer that owns its buffer of `N` bytes.
    #[must_use]
    pub const fn in_heapless_vec() -> Self {
        Self::new(Vec::from_array([0; N]))
    }

    /// [`finish`](Self::finish), but hands the buffer out, as long as the blob
    /// is, and goes on in a new one.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn finish_into_vec(&mut self) -> Result<Vec<u8, N>, EncodeError> {
        let len = self.finish()?.len();
        let mut blob = self.replace_buffer(Vec::from_array([0; N]));
        blob.truncate(len);
        Ok(blob)
    }
}

/// A finished aggregate that owns its blob.
#[derive(Clone, Debug)]
pub struct VecAggregate<const N: usize> {
    data: Vec<u8, N>,
    outer_key: OuterKey,
    partition_key_len: u32,
    explicit_hash_key: Option<HashKey>,
    record_count: u32,
}

impl<const N: usize> VecAggregate<N> {
    /// The blob, and what to put it under.
    #[must_use]
    pub fn as_aggregate(&self) -> Aggregate<'_> {
        Aggregate {
            blob: &self.data,
            partition_key: match self.outer_key {
                OuterKey::FirstUserRecord => {
                    first_partition_key(&self.data, self.partition_key_len)
                }
                OuterKey::Kpl => OuterKey::KPL_PARTITION_KEY.into(),
            },
            explicit_hash_key: self.explicit_hash_key,
            record_count: self.record_count,
        }
    }

    /// The blob alone.
    #[must_use]
    pub fn into_data(self) -> Vec<u8, N> {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record_tag::RecordTags;
    use crate::write::new_user_record::NewUserRecord;

    /// Protects whoever queues owned blobs: bytes and outer keys are those that
    /// the writer lends out itself, one blob after the other.
    #[test]
    fn what_owns_its_blob_is_what_a_buffer_would_hold() {
        let user_records = [
            NewUserRecord::new("sensor-7", b"21.5").with_explicit_hash_key(HashKey::new(7)),
            NewUserRecord::new("sensor-8", b""),
        ];
        for outer_key in [OuterKey::FirstUserRecord, OuterKey::Kpl] {
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
                assert_eq!(aggregate.data(), lent.data());
                assert_eq!(aggregate.partition_key(), lent.partition_key());
                assert_eq!(aggregate.explicit_hash_key(), lent.explicit_hash_key());
                assert_eq!(aggregate.record_count(), lent.record_count());
                assert_eq!(finished.clone().into_data(), lent.data());
            }
            assert_eq!(owned.finish_into_vec().err(), Some(EncodeError::Empty));
        }
    }

    #[test]
    fn sections_that_own_their_blob_are_those_that_a_buffer_would_hold() {
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
