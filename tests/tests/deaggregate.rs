//! What a consumer gets, for one Kinesis record and for rows of them. Protects
//! that nothing is lost on the way from the codec, that every outcome can be
//! seen, and that a malformed aggregate is never delivered in part.

use core::error::Error as _;

use bytes::Bytes;
use kinesis_agg::codec::{Parsed, ReadSlot, parse};
use kinesis_agg::{
    Deaggregator, DecodeErrorKind, Delivered, EnclosingRecord, ExtendedSequenceNumber,
    HashKeyFilter, HashKeyRange, KinesisRecord, Outcome, PlainReason, SequenceNumber, SharedParsed,
    deaggregate, deaggregate_batch, parse_shared,
};
use kinesis_agg_tests::Read;
use kinesis_agg_tests::fixtures::decode_cases;

fn record(data: &[u8], sequence_number: usize) -> KinesisRecord {
    KinesisRecord {
        data: Bytes::copy_from_slice(data),
        partition_key: Some("outer".into()),
        explicit_hash_key: Some("7".into()),
        sequence_number: Some(sequence_number.to_string()),
    }
}

fn fixtures() -> Vec<KinesisRecord> {
    let cases = decode_cases();
    let inputs = cases.iter().map(|case| case.blob.as_slice());
    inputs
        .enumerate()
        .map(|(n, data)| record(data, n))
        .collect()
}

/// What is to be delivered of one Kinesis record, by the codec's word alone.
fn expected(record: &KinesisRecord) -> (Outcome, Vec<Option<Read>>) {
    match parse(&record.data) {
        Ok(Parsed::Aggregated(aggregated)) => {
            let slots = vec![ReadSlot::default(); aggregated.key_count()];
            let read: Vec<_> = aggregated
                .user_records_in(slots)
                .map(|user_record| Some(Read::from(&user_record)))
                .collect();
            let record_count = read.len();
            (Outcome::Aggregated { record_count }, read)
        }
        Ok(Parsed::Plain(reason)) => (Outcome::Plain(reason), vec![None]),
        Err(error) => (Outcome::Malformed(error), vec![None]),
    }
}

/// Checks all that can be asked of what was delivered.
fn check(delivered: &Delivered<'_, KinesisRecord>, outcome: Outcome, read: Option<&Read>) {
    let enclosing = delivered.enclosing();
    let key = |key: kinesis_agg::KeyBytes<'_>| key.as_bytes().to_vec();
    assert_eq!(delivered.sequence_number(), enclosing.sequence_number());
    if let Some(read) = read {
        assert_eq!(delivered.user_record().map(Read::from).as_ref(), Some(read));
        assert_eq!(delivered.data(), read.data);
        assert_eq!(
            delivered.partition_key().map(key),
            Some(read.partition_key.clone())
        );
        assert_eq!(
            delivered.explicit_hash_key().map(key),
            read.explicit_hash_key
        );
        assert_eq!(delivered.sub_sequence_number(), read.sub_sequence_number);
    } else {
        assert!(delivered.user_record().is_none());
        assert_eq!(delivered.data(), enclosing.data);
        assert_eq!(delivered.partition_key().map(key), Some(b"outer".to_vec()));
        assert_eq!(delivered.explicit_hash_key().map(key), Some(b"7".to_vec()));
        assert_eq!(delivered.sub_sequence_number(), 0);
    }
    let reason = match outcome {
        Outcome::Plain(reason) => Some(reason),
        Outcome::Aggregated { .. } | Outcome::Malformed(_) => None,
    };
    let error = match outcome {
        Outcome::Malformed(error) => Some(error),
        Outcome::Aggregated { .. } | Outcome::Plain(_) => None,
    };
    assert_eq!(delivered.plain_reason(), reason);
    assert_eq!(delivered.malformed(), error);
}

#[test]
fn each_record_alone_through_new_and_through_used_memory() {
    let mut deaggregator = Deaggregator::new();
    for record in &fixtures() {
        let (outcome, expected) = expected(record);
        let new = deaggregate(record);
        assert_eq!(new.outcome(), outcome);
        assert_eq!(new.len(), expected.len());
        let new: Vec<_> = new.collect();
        let mut reused = deaggregator.deaggregate(record);
        assert_eq!(reused.outcome(), outcome);
        assert_eq!(reused.enclosing(), record);
        for (read, new) in expected.iter().zip(&new) {
            check(new, outcome, read.as_ref());
            check(&reused.next().unwrap(), outcome, read.as_ref());
        }
        assert_eq!(new.len(), expected.len());
        assert_eq!(reused.len(), 0);
        assert!(reused.next().is_none() && reused.next().is_none());
    }
}

#[test]
fn a_batch_delivers_all_of_all_in_order_and_shows_every_outcome() {
    let records = fixtures();
    let mut seen = Vec::new();
    let mut batch = deaggregate_batch(&records)
        .observe(|index, record, outcome| seen.push((index, record.clone(), outcome)));
    for (index, record) in records.iter().enumerate() {
        let (outcome, expected) = expected(record);
        for read in expected {
            let delivered = batch.next().unwrap();
            assert_eq!(delivered.record_index(), index);
            check(&delivered, outcome, read.as_ref());
        }
    }
    assert!(batch.next().is_none() && batch.next().is_none());
    drop(batch);
    assert_eq!(seen.len(), records.len());
    for ((index, seen, outcome), (place, record)) in seen.iter().zip(records.iter().enumerate()) {
        assert_eq!((*index, seen), (place, record));
        assert_eq!(*outcome, expected(record).0);
    }
    let empty = Outcome::Aggregated { record_count: 0 };
    assert!(seen.iter().any(|&(_, _, outcome)| outcome == empty));
}

#[test]
fn strict_ends_at_the_first_malformed_record_and_names_it() {
    let records = fixtures();
    let is_malformed = |record: &KinesisRecord| parse(&record.data).is_err();
    let first = records.iter().position(is_malformed).unwrap();
    let before: usize = records[..first]
        .iter()
        .map(|record| expected(record).1.len())
        .sum();

    let mut strict = deaggregate_batch(&records).strict();
    for _ in 0..before {
        strict.next().unwrap().unwrap();
    }
    let error = strict.next().unwrap().unwrap_err();
    assert_eq!(error.record_index, first);
    assert_eq!(error.sequence_number, Some(first.to_string()));
    assert_eq!(Err(error.source), parse(&records[first].data).map(drop));
    assert!(strict.next().is_none() && strict.next().is_none());
}

#[test]
fn a_malformed_record_says_where_in_words() {
    let data = kinesis_agg_tests::reseal(&[0x0a, 1, b'a', 0x1a, 5, 0x08, 7, 0x1a, 1, b'x']);
    let known = deaggregate(&record(&data, 42))
        .next()
        .unwrap()
        .checked()
        .unwrap_err();
    assert_eq!(
        known.to_string(),
        "record 0 (sequence number 42) is malformed"
    );
    assert_eq!(
        known.source().unwrap().to_string(),
        "partition key index 7 outside table of 1 at byte 9"
    );
    assert!(matches!(
        known.source.kind(),
        DecodeErrorKind::PartitionKeyIndex { .. }
    ));
    let unknown = deaggregate(data.as_slice())
        .next()
        .unwrap()
        .checked()
        .unwrap_err();
    assert_eq!(unknown.sequence_number, None);
    assert_eq!(unknown.to_string(), "record 0 is malformed");
}

#[test]
fn shared_user_records_are_the_borrowed_ones_in_the_same_memory() {
    for record in &fixtures() {
        let within = record.data.as_ptr_range();
        match (parse(&record.data), parse_shared(record.data.clone())) {
            (Ok(Parsed::Plain(reason)), Ok(SharedParsed::Plain(shared))) => {
                assert_eq!(reason, shared);
            }
            (Err(error), Err(shared)) => assert_eq!(error, shared),
            (Ok(Parsed::Aggregated(aggregated)), Ok(SharedParsed::Aggregated(mut shared))) => {
                let slots = vec![ReadSlot::default(); aggregated.key_count()];
                assert_eq!(shared.len(), aggregated.record_count());
                for borrowed in aggregated.user_records_in(slots) {
                    let shared = shared.next().unwrap();
                    assert_eq!(shared.partition_key(), borrowed.partition_key());
                    assert_eq!(shared.explicit_hash_key(), borrowed.explicit_hash_key());
                    assert_eq!(shared.data(), borrowed.data());
                    assert!(shared.data().is_empty() || within.contains(&shared.data().as_ptr()));
                    assert_eq!(shared.tags(), borrowed.tags());
                    assert_eq!(shared.sub_sequence_number(), borrowed.sub_sequence_number());
                    assert_eq!(shared.hash_key(), borrowed.hash_key());
                    assert_eq!(shared.clone().into_data(), borrowed.data());
                }
                assert!(shared.next().is_none());
            }
            (borrowed, shared) => panic!("{borrowed:?} but {shared:?}"),
        }
    }
}

/// An aggregate in an aggregate is data (KCL behaviour).
#[test]
fn user_data_that_is_a_blob_is_not_opened() {
    let inner = kinesis_agg_tests::reseal(&[0x0a, 1, b'a', 0x1a, 5, 0x08, 0, 0x1a, 1, b'x']);
    let mut aggregator = kinesis_agg::RecordAggregator::new();
    aggregator
        .push(kinesis_agg::NewUserRecord::new("key", &inner))
        .unwrap();
    let blob = aggregator.flush().unwrap().data().clone();
    let delivered: Vec<_> = deaggregate(&blob)
        .map(|delivered| delivered.data().to_vec())
        .collect();
    assert_eq!(delivered, [inner]);
}

#[test]
fn data_alone_is_a_kinesis_record() {
    let bytes = Bytes::from_static(b"plain");
    let vec = bytes.to_vec();
    let plain = Outcome::Plain(PlainReason::NoMagic);
    assert_eq!(deaggregate(&bytes).outcome(), plain);
    assert_eq!(deaggregate(&vec).outcome(), plain);
    let delivered = deaggregate(&vec[..]).next().unwrap();
    assert_eq!(
        (delivered.partition_key(), delivered.sequence_number()),
        (None, None)
    );
}

/// Protects those who hand on a reference, or what they filter and resume.
#[test]
fn a_reference_to_a_kinesis_record_says_the_same() {
    let record = record(b"plain", 3);
    let by_reference = &&record;
    assert_eq!(by_reference.data(), record.data());
    assert_eq!(EnclosingRecord::partition_key(by_reference), Some("outer"));
    assert_eq!(EnclosingRecord::explicit_hash_key(by_reference), Some("7"));
    assert_eq!(EnclosingRecord::sequence_number(by_reference), Some("3"));
    let vec = b"plain".to_vec();
    let delivered = deaggregate(&vec).next().unwrap();
    assert!(delivered.explicit_hash_key().is_none());
}

/// Protects who reserves memory by it: it is no less than what comes, and of a
/// filter or a checkpoint nobody knows more.
#[test]
fn size_hints_hold_at_each_step() {
    let checkpoint = ExtendedSequenceNumber::from(SequenceNumber::TrimHorizon);
    let filter = HashKeyFilter::PerUserRecord(HashKeyRange::FULL);
    for record in fixtures() {
        let count = deaggregate(&record).count();
        let mut whole = deaggregate(&record);
        let mut filtered = deaggregate(&record).filter_by(filter);
        let mut resumed = deaggregate(&record).resume_after(checkpoint.clone());
        for left in (0..=count).rev() {
            assert_eq!(whole.size_hint(), (left, Some(left)));
            assert_eq!(resumed.size_hint(), (0, Some(left)));
            assert_eq!(resumed.next().is_some(), left > 0);
            assert_eq!(whole.next().is_some(), left > 0);
        }
        assert_eq!(filtered.size_hint(), (0, Some(count)));
        while filtered.next().is_some() {}
        assert_eq!(filtered.size_hint(), (0, Some(0)));
    }
}
