//! Counts the allocations of `kinesis_agg` with reused buffers. Protects throughput: a
//! user record must not cost an allocation, and an aggregate only those for its result.

extern crate alloc;

use alloc::sync::Arc;
use core::hint::black_box;

use bytes::Bytes;
use kinesis_agg::write::NewUserRecord;
use kinesis_agg::{
    Deaggregator, Delivered, HashKey, HashKeyFilter, HashKeyRange, KinesisRecord, RecordAggregator,
    deaggregate,
};
use kinesis_agg_tests::counting::{Counting, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KEYS: usize = 50;

/// Pushes user records that use 50 keys of each kind.
fn push(aggregator: &mut RecordAggregator, record_count: usize) {
    for n in 0..record_count {
        let text = HashKey::new(u128::try_from(n % KEYS).unwrap()).to_decimal();
        let user_record = NewUserRecord::new(text.as_str(), b"data")
            .with_explicit_hash_key(HashKey::of_partition_key(text.as_bytes()));
        assert!(aggregator.push(user_record).unwrap().is_none());
    }
}

fn blob(record_count: usize) -> Bytes {
    let mut aggregator = RecordAggregator::new();
    push(&mut aggregator, record_count);
    aggregator.flush().unwrap().data().clone()
}

#[test]
fn an_aggregator_allocates_per_aggregate_and_not_per_user_record() {
    let mut aggregator = RecordAggregator::new();
    for _ in 0..2 {
        push(&mut aggregator, 10_000);
        aggregator.flush();
    }
    assert_eq!(allocations(|| push(&mut aggregator, 10_000)), 0);
    // The blob, its reference count, and the outer partition key.
    let flushed = allocations(|| assert!(black_box(aggregator.flush()).is_some()));
    assert!(flushed <= 3, "{flushed}");
}

#[test]
fn deaggregation_with_reused_buffers_allocates_nothing() {
    let blobs = [blob(1000), blob(3), Bytes::from_static(b"plain"), blob(200)];
    let mut deaggregator = Deaggregator::new();
    let mut read = 0;
    let mut all = |deaggregator: &mut Deaggregator| {
        for blob in &blobs {
            read += deaggregator
                .deaggregate_one(blob)
                .map(|d| d.data().len())
                .sum::<usize>();
        }
    };
    all(&mut deaggregator);
    assert_eq!(allocations(|| all(&mut deaggregator)), 0);
    assert_eq!(read, 2 * (1203 * 4 + 5));
}

#[test]
fn deaggregating_a_batch_allocates_once_and_not_for_each_blob() {
    let blobs: Vec<_> = (0..100).map(|_| blob(500)).collect();
    let count = allocations(|| {
        assert_eq!(deaggregate(&blobs).count(), 50_000);
    });
    assert_eq!(count, 1);
}

#[test]
fn a_checkpoint_and_a_filter_allocate_nothing() {
    let records: Vec<_> = (0..10).map(|n| record(blob(100), n)).collect();
    for filter in [
        HashKeyFilter::WholeAggregate(HashKeyRange::FULL),
        HashKeyFilter::PerUserRecord(HashKeyRange::FULL),
    ] {
        let mut deaggregator = Deaggregator::new()
            .with_filter(filter)
            .resume_after("5:9".parse().unwrap());
        let mut all = || assert_eq!(deaggregator.deaggregate(&records).count(), 490);
        all();
        assert_eq!(allocations(all), 0);
    }
}

#[test]
fn into_owned_shares_the_kinesis_record_without_allocating() {
    let records = [Arc::new(record(blob(1000), 1))];
    let mut deaggregator = Deaggregator::new();
    let mut owned = Vec::with_capacity(1000);
    let mut read = || {
        owned.clear();
        owned.extend(
            deaggregator
                .deaggregate(&records)
                .map(Delivered::into_owned),
        );
        owned.len()
    };
    // The first call grows the buffers.
    assert_eq!(read(), 1000);
    assert_eq!(allocations(|| assert_eq!(read(), 1000)), 0);
}

fn record(data: Bytes, sequence_number: usize) -> KinesisRecord {
    KinesisRecord {
        data,
        sequence_number: Some(sequence_number.to_string()),
        ..KinesisRecord::default()
    }
}
