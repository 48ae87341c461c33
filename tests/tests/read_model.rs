//! Compares every combination of a reader's settings with a list that the test filters
//! itself. Filter, checkpoint, malformed policy, digests ahead and owned items must not
//! interfere with each other.

use bytes::Bytes;
use kinesis_agg::read::{MalformedPolicy, Observer};
use kinesis_agg::{
    Deaggregator, Delivered, EnclosingRecord, ExtendedSequenceNumber, HashKey, HashKeyFilter,
    HashKeyRange, KinesisRecord, MalformedRecord, OwnedUserRecord, RecordAggregator,
    SequenceNumber,
};
use kinesis_agg_tests::reseal;
use proptest::prelude::*;

/// The content of a Kinesis record.
#[derive(Clone, Debug)]
enum Content {
    Plain,
    Malformed,
    /// The hash keys of its user records.
    Aggregate(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Malformed {
    Deliver,
    LeaveOut,
    /// [`Delivered::checked`].
    Fail,
}

#[derive(Clone, Copy, Debug)]
enum Filter {
    Whole(u8, u8),
    Each(u8, u8),
}

/// Where to resume: the position of a Kinesis record, and a user record in it.
#[derive(Clone, Copy, Debug)]
struct Resume {
    place: usize,
    /// `None` resumes after the whole Kinesis record.
    sub_sequence_number: Option<u64>,
}

/// The observable parts of an item: the position of its Kinesis record, the
/// sub-sequence number, the data, the hash key of a user record, and whether it is
/// malformed.
type Seen = (usize, u64, Bytes, Option<u8>, bool);

fn number(place: usize) -> SequenceNumber {
    // Like real sequence numbers, these do not fit in 128 bits.
    format!("49590338271490256{:039}", place * 3)
        .parse()
        .unwrap()
}

fn record(place: usize, content: &Content) -> KinesisRecord {
    let data = match content {
        Content::Plain => format!("plain {place}").into(),
        Content::Malformed => reseal(b"\x0a\x01a\x1a\x05\x08\x07\x1a\x01x").into(),
        Content::Aggregate(hash_keys) if hash_keys.is_empty() => reseal(b"\x0a\x01a").into(),
        Content::Aggregate(hash_keys) => {
            let mut aggregator = RecordAggregator::new();
            for (n, hash_key) in (0_u8..).zip(hash_keys) {
                let user_record = OwnedUserRecord::new("key", vec![n])
                    .with_explicit_hash_key(HashKey::new(u128::from(*hash_key)));
                aggregator.push(user_record).unwrap();
            }
            aggregator.flush().unwrap().into_parts().0
        }
    };
    KinesisRecord {
        data,
        sequence_number: Some(number(place).to_string()),
        ..KinesisRecord::default()
    }
}

/// Returns all items in the Kinesis records, in order.
fn list(contents: &[Content], records: &[KinesisRecord]) -> Vec<Seen> {
    let mut list = Vec::new();
    for (place, content) in contents.iter().enumerate() {
        let whole = |is_malformed| (place, 0, records[place].data.clone(), None, is_malformed);
        match content {
            Content::Plain => list.push(whole(false)),
            Content::Malformed => list.push(whole(true)),
            Content::Aggregate(hash_keys) => {
                list.extend((0_u8..).zip(hash_keys).map(|(n, hash_key)| {
                    (place, u64::from(n), vec![n].into(), Some(*hash_key), false)
                }));
            }
        }
    }
    list
}

#[derive(Debug, Default)]
struct LeftOut(Vec<(usize, u64)>);

impl Observer for LeftOut {
    fn on_left_out<R: EnclosingRecord>(&mut self, left_out: &Delivered<'_, R>) {
        self.0
            .push((left_out.record_index(), left_out.sub_sequence_number()));
    }
}

fn contents() -> impl Strategy<Value = Vec<Content>> {
    let content = prop_oneof![
        1 => Just(Content::Plain),
        1 => Just(Content::Malformed),
        4 => prop::collection::vec(0_u8..6, 0..6).prop_map(Content::Aggregate),
    ];
    prop::collection::vec(content, 0..8)
}

fn filter() -> impl Strategy<Value = Option<Filter>> {
    let ends = || (0_u8..6, 0_u8..6).prop_map(|(a, b)| (a.min(b), a.max(b)));
    prop::option::of(prop_oneof![
        ends().prop_map(|(start, end)| Filter::Whole(start, end)),
        ends().prop_map(|(start, end)| Filter::Each(start, end)),
    ])
}

fn resume() -> impl Strategy<Value = Option<Resume>> {
    let sub_sequence_number = prop::option::of(0_u64..7);
    prop::option::of(
        (0_usize..9, sub_sequence_number).prop_map(|(place, sub_sequence_number)| Resume {
            place,
            sub_sequence_number,
        }),
    )
}

/// Returns what must be delivered and what must be left out.
fn expected(
    list: &[Seen],
    filter: Option<Filter>,
    resume: Option<Resume>,
    malformed: Malformed,
) -> (Vec<Seen>, Vec<(usize, u64)>) {
    let is_outside = |seen: &Seen| match (filter, seen.3) {
        (Some(Filter::Whole(start, end) | Filter::Each(start, end)), Some(hash_key)) => {
            !(start..=end).contains(&hash_key)
        }
        _ => false,
    };
    let (mut delivered, mut left_out) = (Vec::new(), Vec::new());
    for seen in list {
        if let Some(resume) = resume {
            let is_done = match resume.sub_sequence_number {
                None => seen.0 <= resume.place,
                Some(sub) => (seen.0, seen.1) <= (resume.place, sub),
            };
            if is_done {
                continue;
            }
        }
        let is_left_out = match filter {
            Some(Filter::Whole(..)) => list
                .iter()
                .any(|other| other.0 == seen.0 && is_outside(other)),
            _ => is_outside(seen),
        };
        if is_left_out || (seen.4 && malformed == Malformed::LeaveOut) {
            left_out.push((seen.0, seen.1));
        } else if seen.4 && malformed == Malformed::Fail {
            break;
        } else {
            delivered.push(seen.clone());
        }
    }
    (delivered, left_out)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn all_settings_together_deliver_what_the_model_expects(
        contents in contents(),
        filter in filter(),
        resume in resume(),
        malformed in prop::sample::select(
            &[Malformed::Deliver, Malformed::LeaveOut, Malformed::Fail][..],
        ),
        is_owned in any::<bool>(),
        digests_ahead in any::<bool>(),
        is_one_by_one in any::<bool>(),
    ) {
        let records = contents.iter().enumerate();
        let records: Vec<_> = records.map(|(place, content)| record(place, content)).collect();
        let list = list(&contents, &records);
        let (delivered, left_out) = expected(&list, filter, resume, malformed);

        let mut deaggregator = Deaggregator::new()
            .with_digests_ahead(digests_ahead)
            .with_observer(LeftOut::default());
        if malformed == Malformed::LeaveOut {
            deaggregator = deaggregator.with_malformed(MalformedPolicy::LeaveOut);
        }
        let range = |start, end| {
            HashKeyRange::new(HashKey::new(u128::from(start)), HashKey::new(u128::from(end)))
        };
        match filter {
            None => {}
            Some(Filter::Whole(start, end)) => {
                deaggregator = deaggregator.with_filter(range(start, end).unwrap());
            }
            Some(Filter::Each(start, end)) => {
                let filter = HashKeyFilter::PerUserRecord(range(start, end).unwrap());
                deaggregator = deaggregator.with_filter(filter);
            }
        }
        if let Some(Resume { place, sub_sequence_number }) = resume {
            deaggregator = deaggregator.resume_after(match sub_sequence_number {
                None => ExtendedSequenceNumber::after_record(number(place)),
                Some(sub_sequence_number) => ExtendedSequenceNumber {
                    sequence_number: number(place),
                    sub_sequence_number,
                },
            });
        }

        let seen = |item: Delivered<'_, KinesisRecord>| -> Result<Seen, MalformedRecord> {
            let item = match malformed {
                Malformed::Fail => item.checked()?,
                Malformed::Deliver | Malformed::LeaveOut => item,
            };
            let hash_key = |key: Option<HashKey>| key.map(|key| u8::try_from(key.to_u128()).unwrap());
            Ok(if is_owned {
                let item = item.into_owned();
                let is_malformed = item.malformed().is_some();
                let hash_key = hash_key(item.hash_key().unwrap());
                let data = item.data().clone();
                (item.record_index(), item.sub_sequence_number(), data, hash_key, is_malformed)
            } else {
                let is_malformed = item.malformed().is_some();
                let hash_key = hash_key(item.hash_key().unwrap());
                let data = Bytes::copy_from_slice(item.data());
                (item.record_index(), item.sub_sequence_number(), data, hash_key, is_malformed)
            })
        };
        let mut read = Vec::new();
        let mut is_failed = false;
        let len = if is_one_by_one { 1 } else { records.len().max(1) };
        for batch in records.chunks(len) {
            for item in deaggregator.deaggregate(batch) {
                match seen(item) {
                    Ok(seen) => read.push(seen),
                    Err(_) => {
                        is_failed = true;
                        break;
                    }
                }
            }
            if is_failed {
                break;
            }
        }
        prop_assert_eq!(read, delivered);
        prop_assert_eq!(&deaggregator.observer().0, &left_out);
        let malformed_left_out = left_out.iter().filter(|&&(place, _)| {
            matches!(contents[place], Content::Malformed)
        });
        let of_filter = left_out.len() - malformed_left_out.count();
        let counted = deaggregator.counters().user_records_left_out;
        prop_assert_eq!(counted, u64::try_from(of_filter).unwrap());
        prop_assert!(is_failed || deaggregator.counters().kinesis_records
            == u64::try_from(records.len()).unwrap());
    }
}
