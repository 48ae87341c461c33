//! Code shared by the tests: fixtures, a minimal protobuf encoder, user records that own
//! their bytes, and models.
#![expect(
    clippy::missing_panics_doc,
    reason = "test helpers panic to fail the test"
)]

extern crate alloc;

#[cfg(feature = "std")]
pub mod aggregator_model;
pub mod counting;
pub mod fixtures;
#[cfg(feature = "std")]
pub mod simulation;
pub mod wire;

use kinesis_agg_codec::{
    AggregatedRecord, Digest, HashKey, MAGIC, NewUserRecord, Parsed, ReadSlot, RecordTag,
    UserRecord, parse,
};

/// Frames a message, valid or not, with its correct digest.
#[must_use]
pub fn reseal(message: &[u8]) -> Vec<u8> {
    [&MAGIC, message, &Digest::of(message).to_bytes()].concat()
}

/// Returns the view of a blob, which must be aggregated.
#[must_use]
pub fn aggregated(blob: &[u8]) -> AggregatedRecord<'_> {
    match parse(blob) {
        Ok(Parsed::Aggregated(aggregated)) => aggregated,
        other => panic!("not aggregated: {other:?}"),
    }
}

/// A user record that was read, with everything except its hash key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The partition key's bytes.
    pub partition_key: Vec<u8>,
    /// The explicit hash key's bytes.
    pub explicit_hash_key: Option<Vec<u8>>,
    /// The data.
    pub data: Vec<u8>,
    /// Key and value of each tag.
    pub tags: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The position in the aggregate.
    pub sub_sequence_number: u64,
}

impl From<&UserRecord<'_>> for Read {
    fn from(user_record: &UserRecord<'_>) -> Self {
        Self {
            partition_key: user_record.partition_key().as_bytes().to_vec(),
            explicit_hash_key: user_record
                .explicit_hash_key()
                .map(|key| key.as_bytes().to_vec()),
            data: user_record.data().to_vec(),
            tags: user_record
                .tags()
                .iter()
                .map(|tag| {
                    let value = tag.value.map(|value| value.as_bytes().to_vec());
                    (tag.key.as_bytes().to_vec(), value)
                })
                .collect(),
            sub_sequence_number: user_record.sub_sequence_number(),
        }
    }
}

/// Reads all user records of a view with `slot_count` key slots. Also checks that the
/// iterator's length is exact and that it stays at its end.
#[must_use]
pub fn read_with_slots(aggregated: &AggregatedRecord<'_>, slot_count: usize) -> Vec<Read> {
    read_in(aggregated, &mut vec![ReadSlot::default(); slot_count])
}

/// Like [`read_with_slots`], but with slots that may hold old content.
#[must_use]
pub fn read_in(aggregated: &AggregatedRecord<'_>, slots: &mut [ReadSlot]) -> Vec<Read> {
    let mut user_records = aggregated.user_records_in(slots);
    let mut read = Vec::new();
    for left in (0..aggregated.record_count()).rev() {
        assert_eq!(user_records.len(), left + 1);
        read.push(Read::from(&user_records.next().unwrap()));
    }
    assert_eq!(user_records.len(), 0);
    assert!(user_records.next().is_none());
    assert!(user_records.next().is_none());
    read
}

/// A user record to write, which owns its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned {
    /// The partition key.
    pub partition_key: String,
    /// The explicit hash key.
    pub explicit_hash_key: Option<u128>,
    /// The data.
    pub data: Vec<u8>,
    /// Key and value of each tag.
    pub tags: Vec<(String, Option<String>)>,
}

impl Owned {
    /// Borrows the user record as the codec's type; `tags` must be [`Self::tag_list`].
    #[must_use]
    pub fn borrow<'a>(&'a self, tags: &'a [RecordTag<'a>]) -> NewUserRecord<'a> {
        NewUserRecord::new(&self.partition_key, &self.data)
            .with_explicit_hash_key(self.explicit_hash_key.map(HashKey::new))
            .with_tags(tags.into())
    }

    /// Returns the tags as the codec's type.
    #[must_use]
    pub fn tag_list(&self) -> Vec<RecordTag<'_>> {
        self.tags
            .iter()
            .map(|(key, value)| RecordTag {
                key: key.as_str().into(),
                value: value.as_deref().map(Into::into),
            })
            .collect()
    }

    /// Returns the user record as a reader must return it.
    #[must_use]
    pub fn to_read(&self, sub_sequence_number: usize) -> Read {
        Read {
            partition_key: self.partition_key.clone().into_bytes(),
            explicit_hash_key: self
                .explicit_hash_key
                .map(|key| key.to_string().into_bytes()),
            data: self.data.clone(),
            tags: self
                .tags
                .iter()
                .map(|(key, value)| {
                    let value = value.as_ref().map(|value| value.clone().into_bytes());
                    (key.clone().into_bytes(), value)
                })
                .collect(),
            sub_sequence_number: u64::try_from(sub_sequence_number).unwrap(),
        }
    }
}

/// Returns the user records that a reader must return for an aggregate of these.
#[must_use]
pub fn expected(user_records: &[Owned]) -> Vec<Read> {
    user_records
        .iter()
        .enumerate()
        .map(|(place, user_record)| user_record.to_read(place))
        .collect()
}

/// Returns the message of a blob.
#[must_use]
pub fn message_of(blob: &[u8]) -> &[u8] {
    &blob[MAGIC.len()..blob.len() - 16]
}
