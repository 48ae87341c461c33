//! Compares blobs with those that the KPL writes for the same user records. Protects the
//! order on the wire, the deduplication of keys, the outer keys and the sizes that the
//! writer reports, in large buffers and in buffers of exactly the blob's length.

#[cfg(feature = "std")]
use kinesis_agg::RecordAggregator;
use kinesis_agg_codec::{
    Aggregate, AggregateWriter, EncodeError, EncodedPart, HashKey, HashKeyError, KeySlots,
    NewUserRecord, OuterKey, WriteSlot,
};
#[cfg(feature = "std")]
use kinesis_agg_codec::{Limits, limits::LARGEST_MAX_SIZE};
use kinesis_agg_tests::aggregated;
use kinesis_agg_tests::fixtures::{EncodeCase, Given, Output, encode_cases};
use kinesis_agg_tests::wire::partition_key;
use sha2::{Digest as _, Sha256};

type Writer = AggregateWriter<Vec<u8>, KeySlots<Vec<WriteSlot>>>;

/// Returns a writer with a dirty buffer that remembers all keys of `case`: it has twice
/// as many slots as there are keys of both kinds.
fn writer(case: &EncodeCase, buffer_len: usize) -> Writer {
    let slots = vec![WriteSlot::EMPTY; 4 * case.user_records.len()];
    AggregateWriter::with_key_lookup(vec![0xa5; buffer_len], KeySlots::new(slots))
}

fn parse_keys(given: &[Given]) -> Result<Vec<NewUserRecord<'_>>, HashKeyError> {
    let user_records = given.iter().map(|given| {
        let explicit_hash_key = given.explicit_hash_key.as_deref();
        let explicit_hash_key = explicit_hash_key.map(str::parse).transpose()?;
        Ok(NewUserRecord::new(&given.partition_key, &given.data)
            .with_explicit_hash_key(explicit_hash_key))
    });
    user_records.collect()
}

fn push_all(writer: &mut Writer, user_records: &[NewUserRecord<'_>]) {
    for user_record in user_records {
        let promised = writer.encoded_len_with(user_record);
        assert!(writer.fits(user_record));
        writer.try_push(user_record).unwrap();
        assert_eq!(writer.encoded_len(), promised);
    }
}

fn is_written_by_kpl(blob: &[u8], kpl: &Output) -> bool {
    match kpl {
        Output::Blob(expected) => blob == expected,
        Output::Hash(len, hash) => blob.len() == *len && Sha256::digest(blob)[..] == hash[..],
    }
}

fn outer(aggregate: &Aggregate<'_>) -> (String, Option<HashKey>) {
    let partition_key = aggregate.partition_key().to_owned();
    (partition_key, aggregate.explicit_hash_key())
}

#[test]
fn blobs_equal_the_kpls_byte_for_byte() {
    let mut compared = 0;
    for case in encode_cases()
        .iter()
        .filter(|case| !case.is_rejected_by_kpl)
    {
        let id = &case.id;
        let user_records = parse_keys(&case.user_records).unwrap();

        let mut roomy = writer(case, 1 << 20);
        push_all(&mut roomy, &user_records);
        let encoded_len = usize::try_from(roomy.encoded_len()).unwrap();
        let blob = roomy.finish().unwrap().data().to_vec();
        assert_eq!(blob.len(), encoded_len, "{id}");

        // We wrap a user record that the KPL sends raw, as the Python and Node modules do.
        if let Some(kpl) = &case.kpl {
            assert!(
                is_written_by_kpl(&blob, kpl),
                "{id}: {}",
                hex::encode(&blob)
            );
            compared += 1;
        } else {
            assert!(case.is_raw_in_kpl, "{id}");
            assert_eq!(case.python.as_ref(), Some(&blob), "{id}");
            assert_eq!(case.node.as_ref(), Some(&blob), "{id}");
        }

        for buffer_len in [blob.len(), 2 * blob.len()] {
            let mut writer = writer(case, buffer_len);
            push_all(&mut writer, &user_records);
            let aggregate = writer.finish().unwrap();
            assert_eq!(aggregate.data(), blob, "{id} in {buffer_len} bytes");
            assert_eq!(aggregate.record_count(), user_records.len());
        }
    }
    assert_eq!(compared, 58);
}

#[test]
fn a_buffer_that_is_a_byte_too_short_rejects_only_the_last_user_record() {
    for case in encode_cases()
        .iter()
        .filter(|case| !case.is_rejected_by_kpl)
    {
        let id = &case.id;
        let user_records = parse_keys(&case.user_records).unwrap();
        let (last, others) = user_records.split_last().unwrap();

        let mut roomy = writer(case, 1 << 20);
        push_all(&mut roomy, others);
        let needed = roomy.encoded_len_with(last);
        let others_blob = roomy.finish().map(|aggregate| aggregate.data().to_vec());

        let limit = needed - 1;
        let mut writer = writer(case, usize::try_from(limit).unwrap());
        push_all(&mut writer, others);
        assert!(!writer.fits(last), "{id}");
        let rejected = if others.is_empty() {
            let part = EncodedPart::UserRecord;
            EncodeError::TooLarge {
                part,
                needed,
                limit,
            }
        } else {
            EncodeError::Full { needed, limit }
        };
        assert_eq!(writer.try_push(last), Err(rejected), "{id}");
        let kept = writer.finish().map(|aggregate| aggregate.data().to_vec());
        assert_eq!(kept, others_blob, "{id}");
    }
}

#[test]
fn user_records_that_the_kpl_rejects_are_rejected() {
    let cases = encode_cases();
    let rejected: Vec<_> = cases
        .iter()
        .filter(|case| case.is_rejected_by_kpl)
        .collect();
    assert_eq!(rejected.len(), 2);
    for case in rejected {
        match case.id.as_str() {
            "pklen-256-emoji-codepoints" => {
                let mut writer = writer(case, 1 << 20);
                assert_eq!(
                    writer.try_push(&parse_keys(&case.user_records).unwrap()[0]),
                    Err(EncodeError::PartitionKeyTooLong {
                        utf16_len: 512,
                        limit: 256
                    })
                );
                assert_eq!(writer.finish().err(), Some(EncodeError::Empty));
            }
            "ehk-odd-6" => assert_eq!(
                parse_keys(&case.user_records).err(),
                Some(HashKeyError::NotADigit { offset: 0 })
            ),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn outer_keys_follow_the_convention_of_the_kpl_or_of_the_modules() {
    let mut compared = 0;
    for case in encode_cases()
        .iter()
        .filter(|case| !case.is_rejected_by_kpl)
    {
        let user_records = parse_keys(&case.user_records).unwrap();
        let key = |text: &str| text.parse::<HashKey>().unwrap();

        let (partition_key, hash_key) = case.outer.kpl.as_ref().unwrap();
        let mut kpl = writer(case, 1 << 20).with_outer_key(OuterKey::Kpl);
        push_all(&mut kpl, &user_records);
        let expected = (partition_key.clone(), Some(key(hash_key)));
        assert_eq!(outer(&kpl.finish().unwrap()), expected, "{}", case.id);

        let (partition_key, explicit_hash_key) = case.outer.python.as_ref().unwrap();
        let mut first = writer(case, 1 << 20);
        push_all(&mut first, &user_records);
        let expected = (partition_key.clone(), explicit_hash_key.as_deref().map(key));
        assert_eq!(outer(&first.finish().unwrap()), expected, "{}", case.id);
        compared += 1;
    }
    assert_eq!(compared, 59);
}

/// Protects the unbounded key index of the aggregator with a growing buffer.
#[cfg(feature = "std")]
#[test]
fn the_growing_aggregator_writes_the_kpls_bytes() {
    let mut compared = 0;
    for case in encode_cases()
        .iter()
        .filter(|case| !case.is_rejected_by_kpl)
    {
        let limits = Limits::new().with_max_size(LARGEST_MAX_SIZE).unwrap();
        let mut aggregator = RecordAggregator::new().with_limits(limits);
        for user_record in parse_keys(&case.user_records).unwrap() {
            assert!(aggregator.push(user_record).unwrap().is_none());
        }
        let aggregate = aggregator.flush().unwrap();
        if let Some(kpl) = &case.kpl {
            assert!(is_written_by_kpl(aggregate.data(), kpl), "{}", case.id);
            compared += 1;
        }
        let count = aggregate.record_count();
        assert_eq!(count, case.user_records.len());
    }
    assert_eq!(compared, 58);
}

/// Protects callers that allocate a buffer in which finishing moves the records only
/// once: the length must be exact.
#[test]
fn roomy_len_is_the_blob_length_plus_the_length_of_the_keys() {
    for case in encode_cases()
        .iter()
        .filter(|case| !case.is_rejected_by_kpl)
    {
        let mut writer = writer(case, 1 << 20);
        push_all(&mut writer, &parse_keys(&case.user_records).unwrap());
        let roomy_len = writer.roomy_len();
        let aggregate = writer.finish().unwrap();
        let keys = aggregated(aggregate.data());
        let keys = keys.partition_keys().chain(keys.explicit_hash_keys());
        let keys_len: usize = keys.map(|key| partition_key(key.as_bytes()).len()).sum();
        let expected = aggregate.data().len() + keys_len;
        assert_eq!(usize::try_from(roomy_len).unwrap(), expected, "{}", case.id);
    }
}
