//! Compares `RecordAggregator` with a model without buffers. Protects senders from lost,
//! reordered or duplicated user records and from sizes that are not exact.

use kinesis_agg::codec::{MAGIC, limits};
use kinesis_agg::write::EncodeError;
use kinesis_agg::write::{Limits, LoneUserRecord, NewUserRecord, OuterKey};
use kinesis_agg::{HashKey, OwnedUserRecord, RecordAggregator};
use kinesis_agg_tests::aggregator_model::{self, Settings, Step, consume, size};
use kinesis_agg_tests::{aggregated, read_with_slots};
use proptest::prelude::*;

fn user_record() -> impl Strategy<Value = OwnedUserRecord> {
    let key = prop_oneof![
        "[a-d]",
        "[a-z]{1,8}",
        Just("\u{1f600}".repeat(128)),
        Just(String::new()),
        Just("k".repeat(257)),
    ];
    let data = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        1 => prop::collection::vec(any::<u8>(), 120..135),
        1 => Just([MAGIC.as_slice(), b"looks like one"].concat()),
        1 => prop::collection::vec(any::<u8>(), 200..420),
    ];
    let hash_key = prop::option::of(prop_oneof![(0..4_u128).boxed(), any::<u128>().boxed()]);
    (
        key,
        hash_key,
        data,
        prop::option::weighted(0.1, "[a-z]{0,4}"),
    )
        .prop_map(|(key, hash_key, data, tag)| {
            let owned =
                OwnedUserRecord::new(key, data).with_explicit_hash_key(hash_key.map(HashKey::new));
            match tag {
                Some(tag) => owned.with_tag(&tag, Some("value")).with_tag("none", None),
                None => owned,
            }
        })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        30 => user_record().prop_map(Step::Push),
        2 => Just(Step::Flush),
        1 => Just(Step::TakeBack),
        1 => Just(Step::Clear),
        1 => settings().prop_map(Step::Set),
    ];
    prop::collection::vec(step, 0..60)
}

fn settings() -> impl Strategy<Value = Settings> {
    (
        prop_oneof![Just(400_u32), Just(300), 30..2000_u32],
        prop_oneof![Just(usize::MAX), 1..5_usize],
        prop_oneof![
            Just(OuterKey::FirstUserRecord),
            Just(OuterKey::Kpl),
            Just(OuterKey::Chosen("fleet-3".into())),
        ],
        prop_oneof![Just(LoneUserRecord::Wrapped), Just(LoneUserRecord::Raw)],
    )
        .prop_map(|(max_size, max_count, outer_key, lone)| Settings {
            max_size,
            max_count,
            outer_key,
            lone,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_step_matches_the_model(settings in settings(), steps in steps()) {
        aggregator_model::run(settings, steps);
    }

    #[test]
    fn a_consumer_reads_every_accepted_user_record(
        settings in settings(),
        user_records in prop::collection::vec(user_record(), 0..80),
    ) {
        aggregator_model::run_through(&settings, user_records);
    }
}

#[test]
fn outer_keys_follow_the_first_user_record_or_the_kpl() {
    let lone = NewUserRecord::new("key", b"data");
    let keyed = NewUserRecord::new("key", b"data").with_explicit_hash_key(HashKey::new(7));
    let md5 = HashKey::of_partition_key(b"key");
    let cases = [
        (
            OuterKey::FirstUserRecord,
            LoneUserRecord::Wrapped,
            &lone,
            "key",
            None,
        ),
        (
            OuterKey::FirstUserRecord,
            LoneUserRecord::Wrapped,
            &keyed,
            "key",
            Some(HashKey::new(7)),
        ),
        (
            OuterKey::Kpl,
            LoneUserRecord::Wrapped,
            &lone,
            "a",
            Some(md5),
        ),
        (
            OuterKey::Kpl,
            LoneUserRecord::Wrapped,
            &keyed,
            "a",
            Some(HashKey::new(7)),
        ),
        (
            OuterKey::FirstUserRecord,
            LoneUserRecord::Raw,
            &lone,
            "key",
            None,
        ),
        (
            OuterKey::FirstUserRecord,
            LoneUserRecord::Raw,
            &keyed,
            "key",
            Some(HashKey::new(7)),
        ),
        (OuterKey::Kpl, LoneUserRecord::Raw, &lone, "key", Some(md5)),
        (
            OuterKey::Kpl,
            LoneUserRecord::Raw,
            &keyed,
            "key",
            Some(HashKey::new(7)),
        ),
    ];
    for (outer_key, form, user_record, partition_key, explicit_hash_key) in cases {
        let mut aggregator = RecordAggregator::new()
            .with_outer_key(outer_key)
            .with_lone_user_record(form);
        aggregator.push(user_record).unwrap();
        let aggregate = aggregator.flush().unwrap();
        assert_eq!(aggregate.partition_key(), partition_key);
        assert_eq!(aggregate.explicit_hash_key(), explicit_hash_key);
        let is_raw = aggregate.data() == &b"data"[..];
        assert_eq!(is_raw, form == LoneUserRecord::Raw);

        aggregator.push(user_record).unwrap();
        let copied = aggregator.flush_into(<[u8]>::to_vec).unwrap();
        assert_eq!(copied.record_count(), aggregate.record_count());
        let (data, partition_key, explicit_hash_key) = aggregate.into_parts();
        let parts = (data.to_vec(), partition_key, explicit_hash_key);
        assert_eq!(copied.into_parts(), parts);
    }
}

#[test]
fn a_lone_user_record_is_wrapped_if_sending_it_raw_would_change_it() {
    let tagged = OwnedUserRecord::new("key", "data").with_tag("tag", None);
    let magic = OwnedUserRecord::new("key", MAGIC.to_vec());
    for user_record in [tagged, magic] {
        let mut aggregator = RecordAggregator::new().with_lone_user_record(LoneUserRecord::Raw);
        aggregator.push(&user_record).unwrap();
        assert_eq!(consume(&aggregator.flush().unwrap()), [user_record]);
    }
}

/// The size of a user record is checked in the form, raw or wrapped, in which it is sent.
#[test]
fn the_largest_user_record_is_accepted_and_one_byte_more_is_rejected() {
    let max = usize::try_from(limits::DEFAULT_MAX_SIZE).unwrap();
    for (form, overhead) in [
        (LoneUserRecord::Raw, 1),
        // Frame, table entry, record with four-byte length and data length, outer key.
        (LoneUserRecord::Wrapped, 20 + 3 + (1 + 3) + 2 + (1 + 3) + 1),
    ] {
        let fits = OwnedUserRecord::new("k", vec![0; max - overhead]);
        let too_large = OwnedUserRecord::new("k", vec![0; max - overhead + 1]);
        let small = OwnedUserRecord::new("k", "small");
        let mut aggregator = RecordAggregator::new().with_lone_user_record(form);
        for _ in 0..2 {
            assert_eq!(aggregator.push(&small).unwrap(), None);
            let before = aggregator.push(&fits).unwrap().unwrap();
            assert_eq!(consume(&before), core::slice::from_ref(&small));
            assert_eq!(aggregator.record_count(), 1);

            let rejected = aggregator.push(&too_large).unwrap_err();
            assert!(
                matches!(rejected.reason, EncodeError::TooLarge { .. }),
                "{rejected}"
            );

            let largest = aggregator.push(&small).unwrap().unwrap();
            assert_eq!(size(&largest), max);
            assert_eq!(consume(&largest), core::slice::from_ref(&fits));
            assert_eq!(
                consume(&aggregator.flush().unwrap()),
                core::slice::from_ref(&small)
            );
        }
    }
}

#[test]
fn tags_are_read_back_unchanged() {
    let tagged = OwnedUserRecord::new("a", "data")
        .with_tag("unit", Some("C"))
        .with_tag("raw", None);
    let mut aggregator = RecordAggregator::new();
    assert!(aggregator.push(tagged.clone()).unwrap().is_none());
    let aggregate = aggregator.flush().unwrap();
    let blob = aggregated(aggregate.data());
    let read = read_with_slots(&blob, 1);
    let value = Some(b"C".to_vec());
    assert_eq!(
        read[0].tags,
        [(b"unit".to_vec(), value), (b"raw".to_vec(), None)]
    );
    assert_eq!(consume(&aggregate), [tagged]);
}

/// Protects user data from being logged.
#[test]
fn debug_output_of_a_push_error_omits_the_user_record() {
    let rejected = RecordAggregator::new()
        .push(OwnedUserRecord::new("", "secret"))
        .unwrap_err();
    let printed = format!("{rejected:?}");
    assert_eq!(printed, "PushError { reason: EmptyPartitionKey, .. }");
}

/// Protects user data from being logged, and logs from an entry for each key.
#[test]
fn debug_output_of_an_aggregator_omits_its_user_records() {
    let mut aggregator = RecordAggregator::new();
    for key in ["a", "b", "a"] {
        aggregator.push(OwnedUserRecord::new(key, "")).unwrap();
    }
    let printed = format!("{aggregator:?}");
    let expected = "AggregateWriter { encoded_len: 44, record_count: 3, limits: ";
    assert!(printed.contains(expected), "{printed}");
    assert!(!printed.contains('['), "{printed}");
}

/// An aggregate with a single key cannot span a shard boundary.
#[test]
fn an_aggregator_with_one_key_never_mixes_keys() {
    for lone in [LoneUserRecord::Wrapped, LoneUserRecord::Raw] {
        let limits = Limits::new().with_max_size(90).unwrap();
        let mut aggregator = RecordAggregator::new()
            .with_limits(limits)
            .with_lone_user_record(lone)
            .with_one_key(true);
        let mut pushed = Vec::new();
        let mut completed = Vec::new();
        for n in 0..300_usize {
            let len = match n % 29 {
                // 70 bytes fit only raw, and 100 do not fit.
                0 => 70,
                1 => 100,
                n => n,
            };
            let explicit_hash_key = (n % 7 == 0).then(|| HashKey::new(1));
            let user_record = OwnedUserRecord::new(format!("key {}", n / 3 % 2), vec![b'x'; len])
                .with_explicit_hash_key(explicit_hash_key);
            let fits = aggregator.fits(&user_record);
            let before = aggregator.record_count();
            match aggregator.push(user_record.clone()) {
                Ok(aggregate) => {
                    assert_eq!(fits, aggregate.is_none());
                    completed.extend(aggregate);
                    pushed.push(user_record);
                }
                Err(error) => {
                    assert!(len == 100 || (len == 70 && lone == LoneUserRecord::Wrapped));
                    assert_eq!(error.to_string(), error.reason.to_string());
                    assert_eq!((aggregator.record_count(), fits), (before, false));
                }
            }
        }
        completed.extend(aggregator.flush());
        let read: Vec<_> = completed.iter().map(consume).collect();
        for aggregate in &read {
            let keys = |one: &OwnedUserRecord| {
                (
                    one.partition_key().map(str::to_owned),
                    one.explicit_hash_key(),
                )
            };
            assert!(aggregate.iter().all(|one| keys(one) == keys(&aggregate[0])));
        }
        assert!(read.iter().any(|aggregate| aggregate.len() > 1));
        assert_eq!(read.concat(), pushed);
    }
}
