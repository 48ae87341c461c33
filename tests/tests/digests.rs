//! Compares digests of many messages at once with the codec's, computed one by one. Lanes
//! must change only the time, and never a result. CI runs these tests with and without
//! the feature `simd`.

use kinesis_agg::codec::Digest;
use kinesis_agg::digests::hash_keys_of;
use kinesis_agg::write::{Limits, LoneUserRecord, OuterKey, flush_all};
use kinesis_agg::{
    Deaggregator, Delivered, HashKey, OwnedUserRecord, RecordAggregator, deaggregate, digests,
};
use kinesis_agg_tests::Read;
use kinesis_agg_tests::fixtures::decode_cases;
use proptest::collection::vec;
use proptest::prelude::*;

/// Lengths on both sides of each change in the number of blocks, and others.
fn len() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..130_usize,
        2 => (0..80_usize, 0..20_usize).prop_map(|(blocks, more)| 64 * blocks + 46 + more),
        1 => 0..20_000_usize,
    ]
}

/// Returns messages of these lengths that are all different.
fn messages(lens: &[usize]) -> Vec<Vec<u8>> {
    let message = |(place, &len): (usize, &usize)| {
        let byte = |at: usize| {
            at.wrapping_mul(31)
                .wrapping_add(place * 7 + len)
                .to_le_bytes()[0]
        };
        (0..len).map(byte).collect()
    };
    lens.iter().enumerate().map(message).collect()
}

fn one_by_one(messages: &[Vec<u8>]) -> Vec<Digest> {
    messages.iter().map(|message| Digest::of(message)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn digests_of_many_messages_equal_those_computed_one_by_one(lens in vec(len(), 0..70)) {
        let messages = messages(&lens);
        prop_assert_eq!(digests::of(&messages), one_by_one(&messages));
    }

    #[test]
    fn digests_of_many_messages_of_one_length_equal_those_computed_one_by_one(len in len(), count in 0..70_usize) {
        let messages = messages(&vec![len; count]);
        prop_assert_eq!(digests::of(&messages), one_by_one(&messages));
    }

    #[test]
    fn aggregates_flushed_together_equal_those_flushed_alone(
        fills in vec((0..3_usize, len()), 0..20),
        kpl in any::<bool>(),
        raw in any::<bool>(),
    ) {
        let mut aggregators: Vec<_> = fills.iter().map(|&(count, len)| {
            let mut aggregator = RecordAggregator::new();
            if kpl {
                aggregator = aggregator.with_outer_key(OuterKey::Kpl);
            }
            if raw {
                aggregator = aggregator.with_lone_user_record(LoneUserRecord::Raw);
            }
            for n in 0..count {
                let user_record = OwnedUserRecord::new(format!("key-{n}"), vec![b'x'; len]);
                assert!(aggregator.push(user_record).unwrap().is_none());
            }
            aggregator
        }).collect();
        let mut alone: Vec<RecordAggregator> = Vec::new();
        for aggregator in &mut aggregators {
            // Take the user records back and push them into both aggregators.
            let mut copy = RecordAggregator::new();
            if kpl {
                copy = copy.with_outer_key(OuterKey::Kpl);
            }
            if raw {
                copy = copy.with_lone_user_record(LoneUserRecord::Raw);
            }
            for user_record in aggregator.take_user_records() {
                aggregator.push(user_record.clone()).unwrap();
                copy.push(user_record).unwrap();
            }
            alone.push(copy);
        }
        let alone: Vec<_> = alone.iter_mut().map(RecordAggregator::flush).collect();
        let together = flush_all(&mut aggregators);
        prop_assert_eq!(together, alone);
        prop_assert!(aggregators.iter().all(RecordAggregator::is_empty));
    }

    #[test]
    fn aggregates_finished_later_equal_those_finished_immediately(
        fills in vec((0..5_u8, 0..200_usize), 0..60),
        max_size in 60..600_u32,
        max_count in 1..9_usize,
        raw in any::<bool>(),
    ) {
        let lone = if raw { LoneUserRecord::Raw } else { LoneUserRecord::Wrapped };
        let limits = Limits::new().with_max_size(max_size).unwrap();
        let limits = limits.with_max_count(max_count).unwrap();
        let [mut at_once, mut later] = [(); 2].map(|()| {
            RecordAggregator::new().with_limits(limits).with_lone_user_record(lone)
        });
        let (mut expected, mut complete) = (Vec::new(), Vec::new());
        for (key, len) in fills {
            let user_record = OwnedUserRecord::new(format!("key-{key}"), vec![b'x'; len]);
            // What the spare aggregator was used for before must not matter.
            let spare = || {
                let mut spare = RecordAggregator::new().with_outer_key(OuterKey::Kpl);
                spare.push(OwnedUserRecord::new("spare", "x")).unwrap();
                spare
            };
            match (at_once.push(user_record.clone()), later.push_unfinished(user_record, spare)) {
                (Ok(done), Ok(unfinished)) => {
                    prop_assert_eq!(done.is_some(), unfinished.is_some());
                    expected.extend(done);
                    complete.extend(unfinished);
                }
                (Err(error), Err(same)) => prop_assert_eq!(error.reason, same.reason),
                (one, other) => prop_assert!(false, "{one:?}, {other:?}"),
            }
        }
        expected.extend(at_once.flush());
        complete.push(later);
        let finished: Vec<_> = flush_all(&mut complete).into_iter().flatten().collect();
        prop_assert_eq!(finished, expected);
    }
}

#[test]
fn digests_are_correct_for_every_length_up_to_several_blocks() {
    let lens: Vec<_> = (0..300).collect();
    let messages = messages(&lens);
    let expected = one_by_one(&messages);
    assert_eq!(digests::of(&messages), expected);
    for (message, expected) in messages.iter().zip(expected) {
        assert_eq!(digests::of(&[message]), [expected]);
    }
}

#[test]
fn hash_keys_of_many_keys_equal_those_computed_one_by_one() {
    let keys: Vec<_> = (0..300).map(|n| "k".repeat(n % 90)).collect();
    let hash_key = |key: &String| HashKey::of_partition_key(key.as_bytes());
    let expected: Vec<_> = keys.iter().map(hash_key).collect();
    assert_eq!(hash_keys_of(&keys), expected);
}

/// Reads all fixtures in one batch, with plain, corrupted and malformed blobs among
/// them.
#[test]
fn digests_ahead_do_not_change_what_is_delivered() {
    let blobs: Vec<_> = decode_cases().into_iter().map(|case| case.blob).collect();
    let seen = |delivered: Delivered<'_, Vec<u8>>| {
        (
            delivered.record_index(),
            delivered.user_record().map(Read::from),
            delivered.outcome(),
        )
    };
    let expected: Vec<_> = deaggregate(&blobs).map(seen).collect();
    assert!(expected.len() > 500);
    let ahead = Deaggregator::new().with_digests_ahead(true);
    let delivered: Vec<_> = ahead.into_deaggregated(&blobs).map(seen).collect();
    assert!(delivered == expected);

    let digests = digests::of_blobs(blobs.iter().map(Vec::as_slice));
    // No digests, too few, as many as blobs, and too many.
    for known in [0, blobs.len() / 2, blobs.len(), blobs.len() + 7] {
        let digests = digests.iter().chain(&digests).copied().take(known);
        let mut deaggregator = Deaggregator::new();
        let delivered = deaggregator.deaggregate_with_digests(&blobs, digests);
        assert!(delivered.map(seen).eq(expected.iter().cloned()), "{known}");
    }
    // The digests of a batch that ends early are not used for the next batch.
    let mut deaggregator = Deaggregator::new();
    deaggregator
        .deaggregate_with_digests(&blobs, digests)
        .next();
    let rest: Vec<_> = deaggregator
        .deaggregate(&blobs)
        .map(|it| seen(it).1)
        .collect();
    let expected: Vec<_> = expected.into_iter().map(|it| it.1).collect();
    assert!(rest == expected);
}
