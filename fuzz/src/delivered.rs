//! What `kinesis_agg` makes of blobs and user records, beside what the codec says.

use kinesis_agg::{Deaggregator, Outcome, OwnedUserRecord, SharedParsed, deaggregate, parse_shared};
use kinesis_agg::write::UnfitUserRecord;
use kinesis_agg_codec::UserRecord;
use kinesis_agg_tests::Read;

use crate::decode::Said;

/// Owned, a user record is the same, or unfit for a reason that the codec has, too.
pub(crate) fn check_owned(user_record: &UserRecord<'_>) {
    match OwnedUserRecord::try_from(user_record) {
        Ok(owned) => {
            assert_eq!(user_record.partition_key(), owned.partition_key());
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

/// What `kinesis_agg` delivers of a blob is what the codec says of it.
pub(crate) fn check(blob: &[u8], said: &Said) {
    let mut deaggregator = Deaggregator::new();
    let mut seen = Vec::new();
    for delivered in deaggregator.deaggregate(blob) {
        seen.push((delivered.data().to_vec(), delivered.sub_sequence_number()));
    }
    let delivered = deaggregate(blob);
    let outcome = delivered.outcome();
    assert_eq!(delivered.size_hint(), (seen.len(), Some(seen.len())));
    let again: Vec<_> = delivered
        .map(|delivered| (delivered.data().to_vec(), delivered.sub_sequence_number()))
        .collect();
    assert_eq!(again, seen);
    let whole = vec![(blob.to_vec(), 0)];
    let shared = parse_shared(bytes::Bytes::copy_from_slice(blob));
    match said {
        Said::Plain(reason) => {
            assert_eq!(outcome, Outcome::Plain(*reason));
            assert_eq!(seen, whole);
            assert!(matches!(shared, Ok(SharedParsed::Plain(same)) if same == *reason));
        }
        Said::Malformed(error) => {
            assert_eq!(outcome, Outcome::Malformed(*error));
            assert_eq!(seen, whole);
            assert_eq!(shared.err(), Some(*error));
        }
        Said::Aggregated(message) => {
            let record_count = message.user_records.len();
            assert_eq!(outcome, Outcome::Aggregated { record_count });
            let data = message
                .user_records
                .iter()
                .map(|read| (read.data.clone(), read.sub_sequence_number));
            assert_eq!(seen, data.collect::<Vec<_>>());
            let Ok(SharedParsed::Aggregated(shared)) = shared else {
                panic!("not aggregated: {shared:?}");
            };
            let shared: Vec<_> = shared
                .map(|shared| Read {
                    partition_key: shared.partition_key().as_bytes().to_vec(),
                    explicit_hash_key: shared
                        .explicit_hash_key()
                        .map(|key| key.as_bytes().to_vec()),
                    data: shared.data().to_vec(),
                    tags: shared
                        .tags()
                        .into_iter()
                        .map(|tag| {
                            let value = tag.value.map(|value| value.as_bytes().to_vec());
                            (tag.key.as_bytes().to_vec(), value)
                        })
                        .collect(),
                    sub_sequence_number: shared.sub_sequence_number(),
                })
                .collect();
            assert_eq!(shared, message.user_records);
        }
    }
}
