//! Compares the hash key range filter with what the KCL delivers. A consumer of one shard
//! must see exactly its own user records, and everything that is left out must be counted
//! and observed.

use kinesis_agg::read::Deaggregated;
use kinesis_agg::read::{KeyBytes, Observer};
use kinesis_agg::shards::ReversedRangeError;
use kinesis_agg::{
    Deaggregator, Delivered, EnclosingRecord, HashKey, HashKeyFilter, HashKeyRange, KinesisRecord,
    OwnedUserRecord, RecordAggregator, deaggregate,
};
use kinesis_agg_tests::fixtures::{RangeCase, SplitMix64, WithinRecord, range_cases};
use kinesis_agg_tests::reseal;

/// Cases in which we deliberately differ from the KCL, and why.
const DIFFERENCES: [(&str, Ruling); 3] = [
    // The KCL delivers the user records before the explicit hash key that is
    // not a number, and loses the rest.
    ("bad-ehk-text", Ruling::LeftOut),
    // The KCL casts the index to 32 bits and delivers the user record with a wrong key.
    ("pk-2^32-index", Ruling::Malformed),
    // The KCL accepts a range whose end is before its start.
    ("three-ehk-12", Ruling::Rejected),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ruling {
    AsTheKcl,
    LeftOut,
    Malformed,
    Rejected,
}

fn ruling(case: &RangeCase) -> Ruling {
    DIFFERENCES
        .iter()
        .find(|(id, _)| *id == case.id)
        .map_or(Ruling::AsTheKcl, |&(_, ruling)| ruling)
}

fn range(case: &RangeCase) -> Result<HashKeyRange, ReversedRangeError> {
    HashKeyRange::new(
        case.starting_hash_key.parse().unwrap(),
        case.ending_hash_key.parse().unwrap(),
    )
}

fn seen<R: EnclosingRecord>(delivered: &Delivered<'_, R>) -> WithinRecord {
    let text = |key: KeyBytes<'_>| key.to_str().unwrap().to_owned();
    WithinRecord {
        input: delivered.record_index(),
        aggregated: delivered.user_record().is_some(),
        partition_key: delivered.partition_key().map(text).unwrap_or_default(),
        explicit_hash_key: delivered.explicit_hash_key().map(text),
        data: delivered.data().to_vec(),
        sub_sequence: delivered.sub_sequence_number(),
    }
}

/// An observer that stores what was left out, in order.
#[derive(Debug, Default)]
struct LeftOut(Vec<WithinRecord>);

impl Observer for LeftOut {
    fn on_left_out<R: EnclosingRecord>(&mut self, left_out: &Delivered<'_, R>) {
        self.0.push(seen(left_out));
    }
}

/// Returns what is delivered and what is left out, and checks the count of the latter.
fn read<R: EnclosingRecord>(
    filter: HashKeyFilter,
    records: &[R],
) -> (Vec<WithinRecord>, Vec<WithinRecord>) {
    let mut deaggregator = Deaggregator::new()
        .with_filter(filter)
        .with_observer(LeftOut::default());
    let within = deaggregator
        .deaggregate(records)
        .map(|d| seen(&d))
        .collect();
    let left_out = core::mem::take(deaggregator.observer_mut()).0;
    let count = deaggregator.counters().user_records_left_out;
    assert_eq!(u64::try_from(left_out.len()).unwrap(), count);
    (within, left_out)
}

fn all(case: &RangeCase) -> Vec<WithinRecord> {
    deaggregate(&case.blobs).map(|d| seen(&d)).collect()
}

#[test]
fn whole_aggregates_are_left_out_as_in_the_kcl_and_reported() {
    for case in range_cases() {
        let ruling = ruling(&case);
        let Ok(range) = range(&case) else {
            assert_eq!(ruling, Ruling::Rejected, "{}", case.id);
            continue;
        };
        assert_ne!(ruling, Ruling::Rejected, "{}", case.id);
        // A range converts to the filter for whole aggregates.
        let (within, left_out) = read(range.into(), &case.blobs);
        let all = all(&case);
        match ruling {
            Ruling::LeftOut => {
                assert_eq!(within, [], "{}", case.id);
                assert_eq!(left_out, all, "{}", case.id);
            }
            Ruling::Malformed => {
                assert_eq!(within, all, "{}", case.id);
                assert!(!within[0].aggregated && left_out.is_empty(), "{}", case.id);
            }
            Ruling::AsTheKcl | Ruling::Rejected => {
                assert_eq!(within, case.kcl.records, "{}", case.id);
                // Every user record was either delivered or reported as left out.
                let mut both = [within, left_out].concat();
                both.sort_by_key(|seen| (seen.input, seen.sub_sequence));
                assert_eq!(both, all, "{}", case.id);
            }
        }
    }
    let named = DIFFERENCES.map(|(id, _)| id);
    let cases = range_cases();
    assert!(named.iter().all(|id| cases.iter().any(|c| c.id == *id)));
}

#[test]
fn user_records_are_left_out_by_their_own_hash_keys() {
    for case in range_cases() {
        let Ok(range) = range(&case) else { continue };
        let is_within = |seen: &WithinRecord| {
            if !seen.aggregated {
                return true;
            }
            match &case.effective_hash_keys[seen.input] {
                Some(keys) => {
                    let place = usize::try_from(seen.sub_sequence).unwrap();
                    // 2^128 is not a hash key and therefore in no range.
                    let key = keys[place].parse();
                    key.is_ok_and(|key: HashKey| range.contains(key))
                }
                None => seen.explicit_hash_key.as_deref() == Some("5"),
            }
        };
        let expected: (Vec<_>, Vec<_>) = all(&case).into_iter().partition(is_within);
        let read = read(HashKeyFilter::PerUserRecord(range), &case.blobs);
        assert_eq!(read, expected, "{}", case.id);
    }
}

/// Reads the same records one by one with reused buffers.
#[test]
fn one_record_is_filtered_as_in_a_batch() {
    for case in range_cases() {
        let Ok(range) = range(&case) else { continue };
        for filter in [
            HashKeyFilter::WholeAggregate(range),
            HashKeyFilter::PerUserRecord(range),
        ] {
            let mut deaggregator = Deaggregator::new().with_filter(filter);
            let mut one_by_one = Vec::new();
            for blob in &case.blobs {
                one_by_one.extend(deaggregator.deaggregate_one(blob).map(|d| seen(&d)));
            }
            assert_eq!(one_by_one, read(filter, &case.blobs).0, "{}", case.id);
        }
    }
}

/// Returns an aggregate with keys `a`, `b`, `c` and explicit hash keys 100, 200, 300.
fn three() -> Vec<u8> {
    range_cases().swap_remove(0).blobs.swap_remove(0)
}

fn narrow(start: u128, end: u128) -> HashKeyRange {
    HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap()
}

#[test]
fn plain_and_malformed_records_are_never_left_out() {
    let malformed = reseal(b"\x0a\x01a\x1a\x05\x08\x07\x1a\x01x");
    let records: [&[u8]; 3] = [b"plain", &malformed, b""];
    let nothing = narrow(7, 7);
    for filter in [
        HashKeyFilter::WholeAggregate(nothing),
        HashKeyFilter::PerUserRecord(nothing),
    ] {
        let (within, left_out) = read(filter, &records);
        let data: Vec<_> = within.into_iter().map(|seen| seen.data).collect();
        assert_eq!(
            (data, left_out),
            (records.map(<[u8]>::to_vec).to_vec(), vec![])
        );
    }
}

#[test]
fn user_records_are_filtered_when_they_are_reached() {
    let blobs = [three(), three()];
    let mut deaggregator = Deaggregator::new()
        .with_filter(HashKeyFilter::PerUserRecord(narrow(200, 200)))
        .with_observer(LeftOut::default());
    let mut batch = deaggregator.deaggregate(&blobs);
    let left_out = |batch: &Deaggregated<'_, '_, Vec<u8>, LeftOut>| {
        batch.deaggregator().counters().user_records_left_out
    };
    assert_eq!(left_out(&batch), 0);
    assert_eq!(batch.next().unwrap().sub_sequence_number(), 1);
    assert_eq!(left_out(&batch), 1);
    assert_eq!(batch.next().unwrap().record_index(), 1);
    assert_eq!(left_out(&batch), 3);
    assert!(batch.next().is_none());
    let observed = deaggregator.observer().0.iter();
    let observed: Vec<_> = observed
        .map(|seen| (seen.input, seen.sub_sequence))
        .collect();
    assert_eq!(observed, [(0, 0), (0, 2), (1, 0), (1, 2)]);
}

/// The filter for whole aggregates also considers user records before the checkpoint.
#[test]
fn skipped_user_records_still_decide_about_their_aggregate() {
    let records = [KinesisRecord {
        data: three().into(),
        sequence_number: Some("7".into()),
        ..KinesisRecord::default()
    }];
    for (start, delivered, left_out) in [(100, 2, 0), (101, 0, 2)] {
        let mut deaggregator = Deaggregator::new()
            .with_filter(narrow(start, 300))
            .resume_after("7:0".parse().unwrap());
        assert_eq!(deaggregator.deaggregate(&records).count(), delivered);
        assert_eq!(deaggregator.counters().user_records_left_out, left_out);
    }
}

/// For any border between two shards, each user record is delivered on exactly one side.
#[test]
fn two_shards_see_each_user_record_once() {
    let mut random = SplitMix64(41);
    for _ in 0..200 {
        let mut aggregator = RecordAggregator::new();
        let count = random.next() % 12 + 1;
        for n in 0..count {
            let key = random
                .next()
                .is_multiple_of(3)
                .then(|| HashKey::new(u128::from(random.next()) << 64));
            let user_record =
                OwnedUserRecord::new(format!("k{}", random.next() % 5), n.to_string())
                    .with_explicit_hash_key(key);
            aggregator.push(user_record).unwrap();
        }
        let records = [aggregator.flush().unwrap().data().clone()];
        let border = u128::from(random.next().max(1)) << 64;
        let mut both: Vec<_> = [narrow(0, border - 1), narrow(border, u128::MAX)]
            .into_iter()
            .flat_map(|range| read(HashKeyFilter::PerUserRecord(range), &records).0)
            .map(|seen| seen.sub_sequence)
            .collect();
        both.sort_unstable();
        assert_eq!(both, (0..count).collect::<Vec<_>>());
    }
}
