//! Compares what `kinesis_agg` returns for blobs and user records with what the codec
//! returns.

use bytes::Bytes;
use kinesis_agg::read::KeyBytes;
use kinesis_agg::write::UnfitUserRecord;
use kinesis_agg::{Deaggregator, OwnedUserRecord};
use kinesis_agg_codec::UserRecord;
use kinesis_agg_tests::Read;

use crate::reference::Outcome;

/// Checks that an owned copy of a user record equals it, or that the conversion fails
/// with the error that the codec returns.
pub(crate) fn check_owned(user_record: &UserRecord<'_>) {
    match OwnedUserRecord::try_from(user_record) {
        Ok(owned) => {
            assert_eq!(user_record.partition_key(), owned.partition_key().unwrap());
            assert_eq!(user_record.data(), owned.data());
            assert_eq!(user_record.tags(), owned.tags());
            let explicit = owned.explicit_hash_key();
            assert_eq!(
                explicit.is_some(),
                user_record.explicit_hash_key().is_some()
            );
            assert_eq!(user_record.hash_key(), Ok(owned.hash_key()));
        }
        Err(UnfitUserRecord::PartitionKey(error)) => {
            assert_eq!(user_record.partition_key().to_str(), Err(error));
        }
        Err(UnfitUserRecord::ExplicitHashKey(error)) => {
            assert_eq!(user_record.hash_key(), Err(error));
        }
        Err(other) => panic!("{other}"),
    }
}

/// Checks that `kinesis_agg` delivers the content that the codec found in a blob.
pub(crate) fn check(blob: &[u8], outcome: &Outcome) {
    let records = [Bytes::copy_from_slice(blob)];
    let mut deaggregator = Deaggregator::new();
    let read: Vec<_> = deaggregator.deaggregate(&records).collect();
    let counters = deaggregator.counters();
    match outcome {
        Outcome::Plain(reason) => {
            assert_eq!((read.len(), counters.plain), (1, 1));
            assert_eq!(read[0].plain_reason(), Some(*reason));
            assert_eq!(read[0].data(), blob);
        }
        Outcome::Malformed(error) => {
            assert_eq!((read.len(), counters.malformed), (1, 1));
            assert_eq!(read[0].malformed(), Some(*error));
            assert_eq!(read[0].data(), blob);
        }
        Outcome::Aggregated(message) => {
            assert_eq!(counters.aggregated, 1);
            let borrowed: Vec<_> = read
                .iter()
                .map(|read| Read::from(read.user_record().unwrap()))
                .collect();
            assert_eq!(borrowed, message.user_records);
            let owned = read.into_iter().map(|read| {
                let owned = read.into_owned();
                let bytes = |key: KeyBytes<'_>| key.as_bytes().to_vec();
                Read {
                    partition_key: owned.partition_key().map(bytes).unwrap(),
                    explicit_hash_key: owned.explicit_hash_key().map(bytes),
                    data: owned.data().to_vec(),
                    tags: owned
                        .tags()
                        .iter()
                        .map(|tag| (bytes(tag.key), tag.value.map(bytes)))
                        .collect(),
                    sub_sequence_number: owned.sub_sequence_number(),
                }
            });
            assert_eq!(owned.collect::<Vec<_>>(), message.user_records);
        }
    }
}
