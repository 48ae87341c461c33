//! Tests what a consumer receives for single Kinesis records and for batches. Protects
//! consumers from lost user records, from outcomes that they cannot see, from malformed
//! aggregates that are delivered in part, and from owned items that copy their data.

extern crate alloc;

use alloc::sync::Arc;
use core::error::Error as _;

use bytes::Bytes;
use kinesis_agg::codec::{Parsed, ReadSlot, parse};
use kinesis_agg::read::{Deaggregated, SharedData};
use kinesis_agg::read::{
    DecodeErrorKind, KeyBytes, MalformedPolicy, Observer, PlainReason, RecordTag,
};
use kinesis_agg::write::{NewUserRecord, UnfitUserRecord};
use kinesis_agg::{
    Deaggregator, Delivered, EnclosingRecord, HashKey, HashKeyFilter, HashKeyRange, KinesisRecord,
    MalformedRecord, Outcome, OwnedDelivered, OwnedUserRecord, RecordAggregator, SequenceNumber,
    deaggregate,
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

/// Returns what must be delivered for one Kinesis record, according to the codec.
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

/// Checks all accessors of a delivered item and of its owned form.
fn check(delivered: &Delivered<'_, KinesisRecord>, outcome: Outcome, read: Option<&Read>) {
    let enclosing = delivered.enclosing();
    let key = |key: KeyBytes<'_>| key.as_bytes().to_vec();
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
        let hash_key = delivered.user_record().unwrap().hash_key();
        assert_eq!(delivered.hash_key(), hash_key.map(Some));
    } else {
        assert!(delivered.user_record().is_none());
        assert_eq!(delivered.data(), enclosing.data);
        assert_eq!(delivered.partition_key().map(key), Some(b"outer".to_vec()));
        assert_eq!(delivered.explicit_hash_key().map(key), Some(b"7".to_vec()));
        assert_eq!(delivered.sub_sequence_number(), 0);
        assert_eq!(delivered.hash_key(), Ok(Some(HashKey::new(7))));
        assert!(delivered.tags().is_empty() && delivered.is_last());
    }
    let reason = match outcome {
        Outcome::Plain(reason) => Some(reason),
        Outcome::Aggregated { .. } | Outcome::Malformed(_) => None,
    };
    let error = match outcome {
        Outcome::Malformed(error) => Some(error),
        Outcome::Aggregated { .. } | Outcome::Plain(_) => None,
    };
    assert_eq!(delivered.outcome(), outcome);
    assert_eq!(delivered.plain_reason(), reason);
    assert_eq!(delivered.malformed(), error);
    check_owned(&delivered.clone().into_owned(), delivered);
}

fn check_owned(owned: &OwnedDelivered<KinesisRecord>, borrowed: &Delivered<'_, KinesisRecord>) {
    let within = borrowed.enclosing().data.as_ptr_range();
    assert_eq!(owned.enclosing(), borrowed.enclosing());
    assert_eq!(owned.record_index(), borrowed.record_index());
    assert_eq!(owned.outcome(), borrowed.outcome());
    assert_eq!(owned.is_aggregated(), borrowed.user_record().is_some());
    assert_eq!(owned.plain_reason(), borrowed.plain_reason());
    assert_eq!(owned.malformed(), borrowed.malformed());
    assert_eq!(owned.partition_key(), borrowed.partition_key());
    assert_eq!(owned.explicit_hash_key(), borrowed.explicit_hash_key());
    assert_eq!(owned.hash_key(), borrowed.hash_key());
    assert_eq!(owned.data(), borrowed.data());
    assert!(owned.data().is_empty() || within.contains(&owned.data().as_ptr()));
    assert_eq!(owned.tags(), borrowed.tags());
    assert_eq!(owned.sequence_number(), borrowed.sequence_number());
    assert_eq!(owned.sub_sequence_number(), borrowed.sub_sequence_number());
    assert_eq!(owned.is_last(), borrowed.is_last());
    assert_eq!(
        owned.extended_sequence_number(),
        borrowed.extended_sequence_number()
    );
    assert_eq!(owned.checkpoint(), borrowed.checkpoint());
    assert_eq!(
        owned.clone().checked().map(drop),
        borrowed.clone().checked().map(drop)
    );
    assert_eq!(
        OwnedUserRecord::try_from(owned.clone()),
        OwnedUserRecord::try_from(borrowed)
    );
    assert_eq!(owned.clone().into_data(), borrowed.data());
}

/// An observer that stores everything it is given.
#[derive(Clone, Debug, Default)]
struct Seen(Vec<(usize, Vec<u8>, Outcome)>);

impl Observer for Seen {
    fn on_kinesis_record<R: EnclosingRecord>(&mut self, index: usize, record: &R, it: Outcome) {
        self.0.push((index, record.data().to_vec(), it));
    }
}

#[test]
fn a_single_record_reads_the_same_with_new_and_with_reused_buffers() {
    let mut deaggregator = Deaggregator::new();
    for (index, record) in fixtures().iter().enumerate() {
        let (outcome, expected) = expected(record);
        let new: Vec<_> = deaggregate(core::slice::from_ref(record)).collect();
        let mut reused = deaggregator.deaggregate_one(record);
        assert_eq!(new.len(), expected.len());
        for (read, new) in expected.iter().zip(&new) {
            check(new, outcome, read.as_ref());
            let reused = reused.next().unwrap();
            check(&reused, outcome, read.as_ref());
            assert_eq!((new.record_index(), reused.record_index()), (0, index));
        }
        assert!(reused.next().is_none() && reused.next().is_none());
        let last: Vec<_> = new.iter().map(Delivered::is_last).collect();
        let expected_last: Vec<_> = (1..=new.len()).map(|n| n == new.len()).collect();
        assert_eq!(last, expected_last);
    }
}

#[test]
fn a_batch_delivers_everything_in_order_and_reports_every_outcome() {
    let records = fixtures();
    let mut deaggregator = Deaggregator::new().with_observer(Seen::default());
    let mut batch = deaggregator.deaggregate(&records);
    for (index, record) in records.iter().enumerate() {
        let (outcome, expected) = expected(record);
        for read in expected {
            let delivered = batch.next().unwrap();
            assert_eq!(delivered.record_index(), index);
            check(&delivered, outcome, read.as_ref());
            // The observer is not called before the record is reached.
            assert_eq!(batch.deaggregator().observer().0.len(), index + 1);
        }
    }
    assert!(batch.next().is_none() && batch.next().is_none());
    let counters = deaggregator.counters();
    let seen = core::mem::take(deaggregator.observer_mut()).0;
    assert_eq!(seen.len(), records.len());
    for ((index, data, outcome), (place, record)) in seen.iter().zip(records.iter().enumerate()) {
        assert_eq!((*index, data.as_slice()), (place, &record.data[..]));
        assert_eq!(*outcome, expected(record).0);
    }
    let empty = Outcome::Aggregated { record_count: 0 };
    assert!(seen.iter().any(|&(_, _, outcome)| outcome == empty));
    let count = |is: fn(&Outcome) -> bool| {
        u64::try_from(seen.iter().filter(|(_, _, outcome)| is(outcome)).count()).unwrap()
    };
    assert_eq!(counters.plain, count(|it| matches!(it, Outcome::Plain(_))));
    assert_eq!(
        counters.aggregated,
        count(|it| matches!(it, Outcome::Aggregated { .. }))
    );
    assert_eq!(
        counters.malformed,
        count(|it| matches!(it, Outcome::Malformed(_)))
    );
    assert_eq!(counters.kinesis_records, count(|_| true));
    assert_eq!(counters.kinesis_records_skipped, 0);
}

#[test]
fn checked_returns_an_error_that_names_the_malformed_record() {
    let records = fixtures();
    let is_malformed = |record: &KinesisRecord| parse(&record.data).is_err();
    let first = records.iter().position(is_malformed).unwrap();
    let before: usize = records[..first]
        .iter()
        .map(|record| expected(record).1.len())
        .sum();

    let mut checked = deaggregate(&records).map(Delivered::checked);
    for _ in 0..before {
        checked.next().unwrap().unwrap();
    }
    let error = checked.next().unwrap().unwrap_err();
    assert_eq!(error.record_index, first);
    assert_eq!(error.sequence_number, Some(first.to_string()));
    assert_eq!(Err(error.source), parse(&records[first].data).map(drop));
}

#[test]
fn a_left_out_malformed_record_is_counted_and_observed() {
    #[derive(Default)]
    struct LeftOut(Vec<usize>);
    impl Observer for LeftOut {
        fn on_left_out<R: EnclosingRecord>(&mut self, left_out: &Delivered<'_, R>) {
            assert!(left_out.malformed().is_some());
            self.0.push(left_out.record_index());
        }
    }
    let records = fixtures();
    let mut deaggregator = Deaggregator::new()
        .with_malformed(MalformedPolicy::LeaveOut)
        .with_observer(LeftOut::default());
    let delivered: Vec<_> = deaggregator.deaggregate(&records).collect();
    let mut all = deaggregate(&records).filter(|one| one.malformed().is_none());
    for one in &delivered {
        let other = all.next().unwrap();
        assert_eq!(one.record_index(), other.record_index());
        assert_eq!(one.data(), other.data());
    }
    assert!(all.next().is_none());
    let malformed = (0..records.len()).filter(|&n| parse(&records[n].data).is_err());
    assert_eq!(deaggregator.observer().0, malformed.collect::<Vec<_>>());
    let count = u64::try_from(deaggregator.observer().0.len()).unwrap();
    assert_eq!(deaggregator.counters().malformed, count);
    assert_eq!(deaggregator.counters().user_records_left_out, 0);
}

#[test]
fn the_error_text_of_a_malformed_record_states_the_record_and_the_offset() {
    let data = kinesis_agg_tests::reseal(&[0x0a, 1, b'a', 0x1a, 5, 0x08, 7, 0x1a, 1, b'x']);
    let records = [record(&data, 42)];
    let known = deaggregate(&records).next().unwrap().checked().unwrap_err();
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
    let records = [data];
    let unknown = deaggregate(&records).next().unwrap().checked().unwrap_err();
    assert_eq!(unknown.sequence_number, None);
    assert_eq!(unknown.to_string(), "record 0 is malformed");
}

/// The KCL does not deaggregate it either.
#[test]
fn an_aggregate_inside_an_aggregate_is_delivered_as_data() {
    let inner = kinesis_agg_tests::reseal(&[0x0a, 1, b'a', 0x1a, 5, 0x08, 0, 0x1a, 1, b'x']);
    let mut aggregator = RecordAggregator::new();
    aggregator.push(NewUserRecord::new("key", &inner)).unwrap();
    let records = [aggregator.flush().unwrap().data().clone()];
    let delivered: Vec<_> = deaggregate(&records)
        .map(|delivered| delivered.data().to_vec())
        .collect();
    assert_eq!(delivered, [inner]);
}

#[test]
fn byte_containers_without_metadata_can_be_deaggregated() {
    fn outcome<R: EnclosingRecord>(record: R) -> Outcome {
        let records = [record];
        let delivered = deaggregate(&records).next().unwrap();
        assert_eq!(delivered.partition_key(), None);
        assert_eq!(delivered.sequence_number(), None);
        assert_eq!(delivered.hash_key(), Ok(None));
        assert_eq!(delivered.checkpoint(), Ok(None));
        let error = OwnedUserRecord::try_from(&delivered).unwrap_err();
        assert_eq!(error, UnfitUserRecord::NoPartitionKey);
        delivered.outcome()
    }
    let bytes = Bytes::from_static(b"plain");
    let plain = Outcome::Plain(PlainReason::NoMagic);
    assert_eq!(outcome(bytes.to_vec()), plain);
    assert_eq!(outcome(&bytes[..]), plain);
    assert_eq!(outcome(Arc::new(bytes.clone())), plain);
    assert_eq!(outcome(bytes), plain);
}

/// Protects callers that pass a reference to a Kinesis record or share it.
#[test]
fn a_reference_to_a_kinesis_record_behaves_like_the_record() {
    fn check<R: EnclosingRecord>(by_reference: &R) {
        assert_eq!(by_reference.data(), b"plain");
        assert_eq!(by_reference.partition_key(), Some("outer"));
        assert_eq!(by_reference.explicit_hash_key(), Some("7"));
        assert_eq!(by_reference.sequence_number(), Some("3"));
    }
    let record = record(b"plain", 3);
    check(&&record);
    let memory = record.data.as_ptr();
    let shared = Arc::new(record);
    check(&shared);
    let records = [shared];
    let owned = deaggregate(&records).next().unwrap().into_owned();
    assert!(Arc::ptr_eq(owned.enclosing(), &records[0]));
    assert_eq!(owned.data().as_ptr(), memory);
    assert_eq!(records[0].shared_data().as_ptr(), memory);
}

/// A user record keeps its keys and tags when it is read and written again.
#[test]
fn a_user_record_that_was_read_can_be_written_again() {
    let user_record = OwnedUserRecord::new("key", "data")
        .with_explicit_hash_key(HashKey::new(9))
        .with_tag("unit", Some("C"));
    let mut aggregator = RecordAggregator::new();
    aggregator.push(user_record.clone()).unwrap();
    let aggregate = KinesisRecord::from(aggregator.flush().unwrap());
    assert_eq!(aggregate.explicit_hash_key.as_deref(), Some("9"));
    let records = [aggregate, record(b"plain", 1)];
    let [wrapped, plain] = deaggregate(&records)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let tag = RecordTag {
        key: "unit".into(),
        value: Some("C".into()),
    };
    assert!(wrapped.tags().iter().eq([tag]));
    assert_eq!(OwnedUserRecord::try_from(&wrapped), Ok(user_record));
    let expected = OwnedUserRecord::new("outer", "plain").with_explicit_hash_key(HashKey::new(7));
    assert_eq!(OwnedUserRecord::try_from(plain.into_owned()), Ok(expected));

    let malformed = kinesis_agg_tests::reseal(b"\x0a\x01a\x1a\x05\x08\x07\x1a\x01x");
    let mut wrong_key = record(b"plain", 1);
    wrong_key.explicit_hash_key = Some("x".into());
    let records = [record(&malformed, 0), wrong_key];
    let errors: Vec<_> = deaggregate(&records)
        .map(|one| OwnedUserRecord::try_from(&one).unwrap_err().to_string())
        .collect();
    assert_eq!(
        errors[0],
        "the Kinesis record is a malformed aggregate: \
         partition key index 7 outside table of 1 at byte 9"
    );
    assert!(
        errors[1].starts_with("explicit hash key: "),
        "{}",
        errors[1]
    );
}

/// Protects callers that reserve memory by the size hint: the number of items must be
/// within its bounds.
#[test]
fn the_size_hint_bounds_the_remaining_items_at_each_step() {
    let records = fixtures();
    let filter = HashKeyFilter::PerUserRecord(HashKeyRange::FULL);
    for mut deaggregator in [Deaggregator::new(), Deaggregator::new().with_filter(filter)] {
        for record in &records {
            let count = deaggregator.deaggregate_one(record).count();
            let mut delivered = deaggregator.deaggregate_one(record);
            assert_eq!(delivered.size_hint(), (0, None));
            for left in (0..count).rev() {
                delivered.next().unwrap();
                let (lower, upper) = delivered.size_hint();
                assert!(lower <= left && upper.is_some_and(|upper| left <= upper));
            }
            assert!(delivered.next().is_none());
            assert_eq!(delivered.size_hint(), (0, Some(0)));
        }
    }
}

/// The types that a consumer stores can be named, and can be sent to another thread.
#[test]
fn deaggregator_and_item_types_can_be_named_stored_and_sent() {
    #[derive(Debug)]
    struct Consumer {
        deaggregator: Deaggregator<Seen>,
        waiting: Vec<OwnedDelivered<KinesisRecord>>,
    }

    struct Batch<'d, 'a> {
        user_records: Deaggregated<'d, 'a, KinesisRecord, Seen>,
        first: Option<Delivered<'a, KinesisRecord>>,
    }

    impl Consumer {
        fn receive(&mut self, records: &[KinesisRecord]) -> Result<(), MalformedRecord> {
            let mut batch = Batch {
                user_records: self.deaggregator.deaggregate(records),
                first: None,
            };
            batch.first = batch.user_records.next();
            let first = batch.first.map(Ok);
            for user_record in first.into_iter().chain(batch.user_records.map(Ok)) {
                self.waiting.push(user_record?.checked()?.into_owned());
            }
            Ok(())
        }
    }

    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let mut consumer = Consumer {
        deaggregator: Deaggregator::new()
            .with_filter(HashKeyRange::FULL)
            .resume_after(SequenceNumber::TrimHorizon.into())
            .with_observer(Seen::default()),
        waiting: Vec::new(),
    };
    let records = [record(b"one", 1), record(b"two", 2)];
    assert_send(consumer.deaggregator.deaggregate(&records));
    assert_send(deaggregate(&records).next());
    consumer.receive(&records).unwrap();
    let consumer = assert_send(consumer);
    let data: Vec<_> = consumer.waiting.iter().map(OwnedDelivered::data).collect();
    assert_eq!(data, ["one", "two"]);
}
