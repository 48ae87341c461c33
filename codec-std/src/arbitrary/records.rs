//! Arbitrary user records and Kinesis records.

use alloc::string::String;
use alloc::vec::Vec;

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;
use kinesis_agg_codec::limits::MAX_PARTITION_KEY_UTF16_LEN;

use crate::arbitrary::message::{Message, bytes_field, frame, record_without_key};
use crate::arbitrary::shards::hash_key;
use crate::kinesis_record::KinesisRecord;
use crate::write::{OwnedUserRecord, RecordAggregator};

/// Generates user records that a [`RecordAggregator`] with the default limits accepts.
/// Partition keys are mostly from a small set, so that they repeat.
impl<'a> Arbitrary<'a> for OwnedUserRecord {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut partition_key = match u.int_in_range(0..=7_u8)? {
            7 => any_partition_key(u)?,
            n => alloc::format!("key-{n}"),
        };
        if partition_key.is_empty() {
            partition_key.push('k');
        }
        let data: Vec<u8> = u.arbitrary()?;
        let mut user_record = Self::new(partition_key, data);
        if u.ratio(1, 4)? {
            user_record = user_record.with_explicit_hash_key(hash_key(u)?);
        }
        if u.ratio(1, 8)? {
            let (key, value): (&str, Option<&str>) = u.arbitrary()?;
            user_record = user_record.with_tag(key, value);
        }
        Ok(user_record)
    }
}

fn any_partition_key(u: &mut Unstructured<'_>) -> Result<String> {
    let text: &str = u.arbitrary()?;
    let mut len = 0_usize;
    let fits = |char: &char| {
        len = len.saturating_add(char.len_utf16());
        len <= MAX_PARTITION_KEY_UTF16_LEN
    };
    Ok(text.chars().take_while(fits).collect())
}

/// The content of a Kinesis record.
#[derive(Arbitrary)]
enum Content {
    Plain(Vec<u8>),
    /// An aggregate as a producer writes it.
    Packed(Vec<OwnedUserRecord>),
    /// An aggregate of any structure, valid or not.
    Message(Message),
    /// An aggregate without user records.
    Empty,
    /// An aggregate whose last user record refers to a missing key.
    Malformed(Vec<OwnedUserRecord>),
    /// An aggregate in which one byte was changed.
    Damaged(Vec<OwnedUserRecord>, usize, u8),
    /// An aggregate whose end is missing.
    Truncated(Vec<OwnedUserRecord>, usize),
    /// An aggregate in which the data of a user record is also an aggregate.
    Nested(Vec<OwnedUserRecord>, OwnedUserRecord),
}

fn pack(user_records: Vec<OwnedUserRecord>) -> Bytes {
    let mut aggregator = RecordAggregator::new();
    let mut packed = None;
    for user_record in user_records {
        // If the user records do not fit in one aggregate, keep only the first.
        if let Ok(Some(full)) = aggregator.push(user_record) {
            packed = packed.or(Some(full));
        }
    }
    let packed = packed.or_else(|| aggregator.flush());
    packed.map_or_else(empty, |aggregate| aggregate.data().clone())
}

/// Returns an aggregate without user records.
fn empty() -> Bytes {
    frame(&bytes_field(1, b"unused"))
}

impl Content {
    fn data(self) -> Bytes {
        match self {
            Self::Plain(data) => data.into(),
            Self::Packed(user_records) => pack(user_records),
            Self::Message(message) => message.frame(),
            Self::Empty => empty(),
            Self::Malformed(user_records) => {
                let blob = pack(user_records);
                let message = match kinesis_agg_codec::Frame::split(&blob) {
                    Ok(frame) => frame.message(),
                    Err(_) => &[],
                };
                frame(&[message, &record_without_key()].concat())
            }
            Self::Damaged(user_records, place, bits) => {
                let mut data = Vec::from(pack(user_records));
                let place = place.checked_rem(data.len()).unwrap_or_default();
                if let Some(byte) = data.get_mut(place) {
                    *byte ^= bits.max(1);
                }
                data.into()
            }
            Self::Truncated(user_records, len) => {
                let mut data = pack(user_records);
                let len = len.checked_rem(data.len()).unwrap_or_default();
                data.truncate(len);
                data
            }
            Self::Nested(user_records, outer) => {
                let inner = OwnedUserRecord::new(
                    outer.partition_key().unwrap_or_default(),
                    pack(user_records),
                );
                pack(Vec::from([outer, inner]))
            }
        }
    }
}

/// Generates Kinesis records, most of which have a partition key and a sequence number.
impl<'a> Arbitrary<'a> for KinesisRecord {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let sequence_number: u128 = u.arbitrary()?;
        let key_count = u.int_in_range(0..=7_u8)?;
        let content: Content = u.arbitrary()?;
        Ok(Self {
            data: content.data(),
            partition_key: (key_count > 0).then(|| String::from("outer")),
            explicit_hash_key: (key_count > 6).then(|| String::from("7")),
            // As many digits as the service's sequence numbers have.
            sequence_number: (key_count < 7)
                .then(|| alloc::format!("49590338271490256{sequence_number:039}")),
        })
    }
}

/// Kinesis records of one shard, as in one `GetRecords` response, with increasing
/// sequence numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a batch has no other fields")]
pub struct Batch {
    /// The records, in order.
    pub records: Vec<KinesisRecord>,
}

impl<'a> Arbitrary<'a> for Batch {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut number = u128::MAX / 2;
        let records = u.arbitrary_iter::<KinesisRecord>()?.map(|record| {
            number = number.saturating_add(1);
            Ok(KinesisRecord {
                sequence_number: Some(alloc::format!("49590338271490256{number}")),
                ..record?
            })
        });
        Ok(Self {
            records: records.collect::<Result<_>>()?,
        })
    }
}
