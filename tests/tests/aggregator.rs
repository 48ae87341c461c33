//! `RecordAggregator` against a model that knows nothing of buffers: nothing is
//! lost, reordered or twice, and every size is exact.

use kinesis_agg::codec::{MAGIC, limits};
use kinesis_agg::{
    EncodeError, HashKey, Limits, LoneUserRecord, NewUserRecord, OuterKey, OwnedAggregate,
    OwnedUserRecord, RecordAggregator, SharedParsed, parse_shared,
};
use proptest::prelude::*;

/// What a consumer gets out of what the aggregator handed out.
fn consume(aggregate: &OwnedAggregate) -> Vec<OwnedUserRecord> {
    match parse_shared(aggregate.data().clone()).unwrap() {
        SharedParsed::Plain(_) => vec![
            OwnedUserRecord::new(aggregate.partition_key(), aggregate.data().clone())
                .with_explicit_hash_key(aggregate.explicit_hash_key()),
        ],
        SharedParsed::Aggregated(user_records) => user_records
            .map(|read| {
                let key = read.partition_key().to_str().unwrap();
                let hash_key = read
                    .explicit_hash_key()
                    .map(|text| HashKey::from_decimal(text.as_bytes()).unwrap());
                read.tags().fold(
                    OwnedUserRecord::new(key, read.data().clone()).with_explicit_hash_key(hash_key),
                    |owned, tag| {
                        let value = tag.value.map(|value| value.to_str().unwrap());
                        owned.with_tag(tag.key.to_str().unwrap(), value)
                    },
                )
            })
            .collect(),
    }
}

fn size(aggregate: &OwnedAggregate) -> usize {
    aggregate.data().len() + aggregate.partition_key().len()
}

#[derive(Clone, Debug)]
struct Settings {
    max_size: u32,
    max_count: u32,
    outer_key: OuterKey,
    lone: LoneUserRecord,
}

impl Settings {
    fn aggregator(&self) -> RecordAggregator {
        let limits = Limits::new().with_max_size(self.max_size).unwrap();
        RecordAggregator::new()
            .with_limits(limits.with_max_count(self.max_count).unwrap())
            .with_outer_key(self.outer_key)
            .with_lone_user_record(self.lone)
    }

    /// The Kinesis record that these user records make, by the rules of the
    /// format's section on writing and a fresh writer.
    fn kinesis_record(&self, user_records: &[OwnedUserRecord]) -> OwnedAggregate {
        let everything = Settings {
            max_size: limits::LARGEST_MAX_SIZE,
            max_count: u32::MAX,
            ..self.clone()
        };
        let mut fresh = everything.aggregator();
        for user_record in user_records {
            assert_eq!(fresh.push(user_record).unwrap(), None);
        }
        fresh.flush().unwrap()
    }

    fn may_go(&self, user_records: &[OwnedUserRecord]) -> bool {
        user_records.len() <= usize::try_from(self.max_count).unwrap()
            && size(&self.kinesis_record(user_records)) <= usize::try_from(self.max_size).unwrap()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(OwnedUserRecord),
    Flush,
    TakeBack,
    Clear,
}

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
    ];
    prop::collection::vec(step, 0..60)
}

fn settings() -> impl Strategy<Value = Settings> {
    (
        prop_oneof![Just(400_u32), Just(300), 30..2000_u32],
        prop_oneof![Just(u32::MAX), 1..5_u32],
        prop_oneof![Just(OuterKey::FirstUserRecord), Just(OuterKey::Kpl)],
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
    fn every_step_does_what_the_model_says(settings in settings(), steps in steps()) {
        let mut aggregator = settings.aggregator();
        // The user records that are buffered, all the model there is.
        let mut buffered: Vec<OwnedUserRecord> = Vec::new();
        for step in steps {
            match step {
                Step::Push(user_record) => {
                    let key_len = user_record.partition_key().encode_utf16().count();
                    let acceptable = (1..=256).contains(&key_len)
                        && settings.may_go(core::slice::from_ref(&user_record));
                    let mut joined = buffered.clone();
                    joined.push(user_record.clone());
                    // One that only goes raw goes alone.
                    let wrapped = Settings { lone: LoneUserRecord::Wrapped, ..settings.clone() };
                    let joins = acceptable
                        && settings.may_go(&joined)
                        && (buffered.is_empty() || wrapped.may_go(&joined[buffered.len()..]));
                    prop_assert_eq!(aggregator.fits(&user_record), joins);
                    match aggregator.push(user_record.clone()) {
                        Err(error) => {
                            prop_assert!(!acceptable, "{}", error);
                            prop_assert!(!error.reason.is_full());
                            prop_assert_eq!(error.user_record, user_record);
                        }
                        Ok(None) => {
                            prop_assert!(joins);
                            buffered = joined;
                        }
                        Ok(Some(completed)) => {
                            prop_assert!(acceptable && !joins);
                            prop_assert_eq!(&completed, &settings.kinesis_record(&buffered));
                            prop_assert!(size(&completed) <= usize::try_from(settings.max_size)?);
                            buffered = vec![user_record];
                        }
                    }
                }
                Step::Flush => {
                    let flushed = aggregator.flush();
                    prop_assert_eq!(flushed.is_some(), !buffered.is_empty());
                    if let Some(flushed) = flushed {
                        prop_assert_eq!(consume(&flushed).len(), buffered.len());
                        prop_assert_eq!(&flushed, &settings.kinesis_record(&buffered));
                    }
                    buffered.clear();
                }
                Step::TakeBack => {
                    prop_assert_eq!(aggregator.take_user_records(), core::mem::take(&mut buffered));
                }
                Step::Clear => {
                    aggregator.clear();
                    buffered.clear();
                }
            }
            prop_assert_eq!(usize::try_from(aggregator.record_count())?, buffered.len());
            prop_assert_eq!(aggregator.is_empty(), buffered.is_empty());
            let exact = match buffered.len() {
                0 => 0,
                _ => settings.kinesis_record(&buffered).data().len(),
            };
            prop_assert_eq!(usize::try_from(aggregator.encoded_len())?, exact);
        }
    }

    #[test]
    fn what_goes_in_comes_out(
        settings in settings(),
        user_records in prop::collection::vec(user_record(), 0..80),
    ) {
        let mut aggregator = settings.aggregator();
        let mut taken = Vec::new();
        let mut consumed = Vec::new();
        for user_record in user_records {
            let mut completed = None;
            let pushed = aggregator.push_with(user_record.clone(), |full| completed = Some(full));
            if pushed.is_ok() {
                taken.push(user_record);
            }
            consumed.extend(completed.iter().flat_map(consume));
        }
        consumed.extend(aggregator.flush().iter().flat_map(consume));
        if settings.lone == LoneUserRecord::Raw && settings.outer_key == OuterKey::Kpl {
            // Raw, the explicit hash key is the outer one, which is always there.
            prop_assert_eq!(consumed.len(), taken.len());
            for (consumed, taken) in consumed.iter().zip(&taken) {
                prop_assert_eq!(consumed.hash_key(), taken.hash_key());
                prop_assert_eq!(consumed.data(), taken.data());
            }
        } else {
            prop_assert_eq!(consumed, taken);
        }
    }
}

#[test]
fn outer_keys_are_those_of_the_first_user_record_or_of_the_kpl() {
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
    }
}

#[test]
fn a_lone_user_record_is_wrapped_all_the_same_where_raw_would_change_it() {
    let tagged = OwnedUserRecord::new("key", "data").with_tag("tag", None);
    let magic = OwnedUserRecord::new("key", MAGIC.to_vec());
    for user_record in [tagged, magic] {
        let mut aggregator = RecordAggregator::new().with_lone_user_record(LoneUserRecord::Raw);
        aggregator.push(&user_record).unwrap();
        assert_eq!(consume(&aggregator.flush().unwrap()), [user_record]);
    }
}

/// The largest user record is judged in the form that it goes in.
#[test]
fn the_largest_user_record_goes_and_one_byte_more_does_not() {
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

            let refused = aggregator.push(&too_large).unwrap_err();
            assert!(
                matches!(refused.reason, EncodeError::TooLarge { .. }),
                "{refused}"
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
