//! Counts allocations with a heap. Protects that memory is used again: nothing
//! is allocated for a user record, and for a blob only what is handed out.

use core::hint::black_box;

use bytes::Bytes;
use kinesis_agg::{
    Deaggregator, HashKey, NewUserRecord, RecordAggregator, SharedParsed, deaggregate_batch,
    parse_shared,
};
use kinesis_agg_tests::counting::{Counting, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KEYS: usize = 50;

/// Pushes so many user records under 50 keys each of both kinds.
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
fn an_aggregator_allocates_for_aggregates_and_not_for_user_records() {
    let mut aggregator = RecordAggregator::new();
    for _ in 0..2 {
        push(&mut aggregator, 10_000);
        aggregator.flush();
    }
    assert_eq!(allocations(|| push(&mut aggregator, 10_000)), 0);
    // The blob, what shares it, and the outer partition key.
    let flushed = allocations(|| assert!(black_box(aggregator.flush()).is_some()));
    assert!(flushed <= 3, "{flushed}");
}

#[test]
fn deaggregation_with_used_memory_allocates_nothing() {
    let blobs = [blob(1000), blob(3), Bytes::from_static(b"plain"), blob(200)];
    let mut deaggregator = Deaggregator::new();
    let mut read = 0;
    let mut all = |deaggregator: &mut Deaggregator| {
        for blob in &blobs {
            read += deaggregator
                .deaggregate(blob)
                .map(|d| d.data().len())
                .sum::<usize>();
        }
    };
    all(&mut deaggregator);
    assert_eq!(allocations(|| all(&mut deaggregator)), 0);
    assert_eq!(read, 2 * (1203 * 4 + 5));
}

#[test]
fn a_batch_allocates_for_the_most_keys_and_not_for_each_blob() {
    let blobs: Vec<_> = (0..100).map(|_| blob(500)).collect();
    let count = allocations(|| {
        assert_eq!(deaggregate_batch(&blobs).count(), 50_000);
    });
    assert_eq!(count, 1);
}

#[test]
fn shared_user_records_cost_one_allocation_a_blob() {
    let blob = blob(1000);
    // Nothing was shared yet: bytes makes a blob countable at its first clone.
    let shared = blob.clone();
    let count = allocations(|| {
        let SharedParsed::Aggregated(user_records) = parse_shared(shared).unwrap() else {
            panic!("not aggregated");
        };
        assert_eq!(
            user_records
                .map(|record| record.into_data().len())
                .sum::<usize>(),
            4000
        );
    });
    assert_eq!(count, 1);
}
